/* A decoder (Llama, Qwen3, GPT-2) with weights in eight bits, and the batch of stories that it tells. */
#ifndef DECODER_H
#define DECODER_H

#include "spelling.h"

#include <stddef.h>
#include <stdint.h>

enum { LANES = 16 }; /* floats that are computed side by side; widths are padded to a multiple of it */

/* (rows, columns), each row in eight bits with a scale. Rows and columns are padded with zeros to a multiple of LANES.
 * With VNNI the weights are those of 16 rows together, 4 columns at a time, plus 128; else rows as they are. */
typedef struct {
    int32_t rows, columns;
    const void *weights;
    const float *scales; /* one a row */
    const float *bias;   /* one a row, or NULL */
} Matrix;

typedef struct {
    const float *input_norm, *input_norm_bias; /* without a bias it is an RMS norm (Zhang and Sennrich 2019) */
    const float *post_norm, *post_norm_bias;
    const float *query_norm, *key_norm; /* Qwen3's, else NULL */
    Matrix attention_in;                /* queries, keys and values below each other */
    Matrix attention_out;
    Matrix up; /* the gate and what it lets through below each other, or GPT-2's c_fc */
    Matrix down;
} Layer;

enum { SWIGLU, GELU_TANH, GELU_ERF };

typedef struct {
    int32_t width, layers, heads, kv_heads, head_size, inner, vocab_size, context, activation;
    float epsilon;
    const Layer *layer;
    Matrix embedding, head;
    const float *positions;       /* (context, width), or NULL with rotary embeddings */
    const float *cosines, *sines; /* (context, head_size / 2), or NULL */
    const float *final_norm, *final_norm_bias;
} Decoder;

/* A token that is read at a position of a story. */
typedef struct {
    int32_t token, slot, position;
    int32_t logits; /* which row of the logits is its, or -1 */
} Row;

/* Activations of some rows in sixteen bits, as two signed bytes: value = scale * (256 * high + low). A row that is `even`,
 * without values far larger than the others, makes do with the high bytes; its low ones are 0.
 * `tile` rows lie together, 4 columns of each in turn. */
typedef struct {
    int32_t stride, tile;
    int8_t *high, *low, *even;
    float *scale;
    int32_t *high_sum, *low_sum;
} Activations;

/* What a forward pass writes into, for up to `capacity` rows. */
typedef struct {
    float *x, *y, *wide, *scores, *logits;
    int32_t wide_stride, logits_stride;
    Activations activations;
} Workspace;

/* Keys and values of all stories in bfloat16. */
typedef struct {
    uint16_t *keys, *values;
    size_t story; /* elements of one story */
    int32_t context;
} Cache;

typedef struct {
    float temperature, top_p, min_p, repetition_penalty;
    int32_t top_k;
    uint32_t seed;
} Sampling;

typedef struct {
    float score;
    int32_t token;
} Candidate;

/* Of a token that is there: its log probability in nats, and how many tokens are likelier. */
typedef struct {
    float log_probability;
    int32_t rank;
} Reading;

int32_t padded(int32_t count);
void *large(size_t bytes);
void arrange(Activations *activations, int32_t rows);
void quantise(Activations *to, int32_t row, const float *values, int32_t count);
void multiply(const Matrix *matrix, const Activations *from, int32_t count, float *to, int32_t stride);
void matrix_row(const Matrix *matrix, int32_t row, float *to);

int workspace_new(Workspace *work, const Decoder *decoder, int32_t capacity);
int cache_new(Cache *cache, const Decoder *decoder, int32_t stories);
void cache_copy(Cache *cache, const Decoder *decoder, int32_t from, int32_t to, int32_t length);
void forward(const Decoder *decoder, Cache *cache, Workspace *work, const Row *rows, int32_t count, int32_t wanted, int threads);

int32_t draw(
    float *logits, int32_t vocab_size, const uint8_t *seen, const Sampling *sampling, uint32_t drawn, Candidate *candidates,
    const Word *word
);
void judge(const float *logits, int32_t vocab_size, int32_t token, Reading *reading, int32_t count, Candidate *likeliest);

#endif
