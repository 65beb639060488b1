/* The forward pass: rows of tokens, each of some story, to logits. */
#include "decoder.h"
#include "lanes.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uint16_t to_half(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16); /* to the nearest, ties to even */
}

/* Sums over `count` of floats, a multiple of LANES apart from the last few, in a fixed order. */
static float sum_of(const float *x, int32_t count) {
    Floats sum = {0};
    int32_t i = 0;
    for (; i + LANES <= count; i += LANES)
        sum += load(x + i);
    float rest = 0;
    for (; i < count; i++)
        rest += x[i];
    return sum_of_lanes(sum) + rest;
}

/* The RMS norm, or with a bias the layer norm (Ba et al. 2016). */
static void norm(const float *x, int32_t count, const float *weight, const float *bias, float epsilon, float *to) {
    const float mean = bias ? sum_of(x, count) / count : 0;
    const float scale = 1 / sqrtf(sum_of_squares(x, count, mean) / count + epsilon);
    for (int32_t i = 0; i < count; i++)
        to[i] = (x[i] - mean) * scale * weight[i];
    if (bias)
        for (int32_t i = 0; i < count; i++)
            to[i] += bias[i];
}

/* Su et al. 2021, with the halves apart as Hugging Face has them. */
static void rotate(const Decoder *d, float *x, int32_t position) {
    const int32_t half = d->head_size / 2;
    const float *cosine = d->cosines + (size_t)position * half, *sine = d->sines + (size_t)position * half;
    for (int32_t i = 0; i < half; i++) {
        const float a = x[i], b = x[i + half];
        x[i] = a * cosine[i] - b * sine[i];
        x[i + half] = b * cosine[i] + a * sine[i];
    }
}

/* In place, of padded width: what is let through lies `inner` after its gate. */
static void activate(const Decoder *d, float *x) {
    if (d->activation == GELU_ERF) {
        for (int32_t i = 0; i < d->inner; i++)
            x[i] = 0.5f * x[i] * (1 + erff(x[i] * 0.707106781f));
        return;
    }
    for (int32_t i = 0; i < d->inner; i += LANES) {
        const Floats gate = load(x + i);
        if (d->activation == SWIGLU) /* Shazeer 2020 */
            store(x + i, gate / (1 + exponentials(-gate)) * load(x + i + d->inner));
        else /* Hendrycks and Gimpel 2016 */
            store(x + i, gate / (1 + exponentials(-1.59576912f * (gate + 0.044715f * gate * gate * gate))));
    }
}

/* Where the keys and values of a head begin: of `context` positions each.
 *
 * Keys of 16 positions lie together, for each two dimensions those of one position side by side. Values of two positions lie
 * together, for each dimension both side by side. So both are read in a row. */
static size_t head_at(const Decoder *d, const Cache *cache, int32_t slot, int32_t layer, int32_t head) {
    return slot * cache->story + ((size_t)layer * d->kv_heads + head) * cache->context * padded(d->head_size);
}

static void remember(const Decoder *d, Cache *cache, const Row *row, int32_t layer, const float *key, const float *value) {
    const int32_t size = d->head_size, position = row->position;
    for (int32_t head = 0; head < d->kv_heads; head++, key += size, value += size) {
        const size_t start = head_at(d, cache, row->slot, layer, head);
        uint16_t *keys = cache->keys + start + (size_t)(position / LANES * LANES) * size + 2 * (position % LANES);
        uint16_t *values = cache->values + start + (size_t)(position / 2 * 2) * padded(size) + position % 2;
        for (int32_t i = 0; i < size; i++) {
            keys[i / 2 * 2 * LANES + i % 2] = to_half(key[i]);
            values[2 * i] = to_half(value[i]);
        }
    }
}

/* The sum of values by their scores, of `count` times 16 dimensions from `first` on. `count` is constant where it is inlined. */
static inline __attribute__((always_inline)) void
weigh(const int count, const uint16_t *values, int32_t first, int32_t width, int32_t length, const float *scores, float share, int32_t size, float *to) {
    Floats sums[4][4] = {{{0}}}; /* so that no product waits for the one before */
    const uint16_t *here = values + 2 * first;
    for (int32_t position = 0; position < length; position += 4, here += 4 * width) {
#pragma GCC unroll 4
        for (int i = 0; i < count; i++) {
            const Naturals early = load_pairs(here + 2 * LANES * i), late = load_pairs(here + 2 * width + 2 * LANES * i);
            sums[i][0] += scores[position] * lower(early);
            sums[i][1] += scores[position + 1] * upper(early);
            sums[i][2] += scores[position + 2] * lower(late);
            sums[i][3] += scores[position + 3] * upper(late);
        }
    }
    for (int i = 0; i < count; i++) {
        const Floats whole = ((sums[i][0] + sums[i][1]) + (sums[i][2] + sums[i][3])) * share;
        for (int32_t j = 0; j < LANES && first + i * LANES + j < size; j++)
            to[first + i * LANES + j] = whole[j];
    }
}

/* Vaswani et al. 2017: one head of one row over what stands up to its position. `scores` has room for the context. */
static void attend(const Decoder *d, const Cache *cache, const Row *row, int32_t layer, int32_t head, const float *query, float *scores, float *to) {
    const int32_t length = row->position + 1, size = d->head_size;
    const size_t start = head_at(d, cache, row->slot, layer, head / (d->heads / d->kv_heads));
    const uint16_t *keys = cache->keys + start, *values = cache->values + start;
    const float scale = 1 / sqrtf(size);
    Floats most = {0};
    most -= FLT_MAX;
    for (int32_t position = 0; position < length; position += LANES) {
        Floats sums[4] = {{0}}; /* so that no product waits for the one before */
        for (int32_t i = 0; i < size; i += 4, keys += 4 * LANES) {
            const Naturals first = load_pairs(keys), second = load_pairs(keys + 2 * LANES);
            sums[0] += query[i] * lower(first);
            sums[1] += query[i + 1] * upper(first);
            sums[2] += query[i + 2] * lower(second);
            sums[3] += query[i + 3] * upper(second);
        }
        Floats score = ((sums[0] + sums[1]) + (sums[2] + sums[3])) * scale;
        for (int32_t j = length - position; j < LANES; j++)
            score[j] = -FLT_MAX;
        most = larger_lanes(most, score);
        store(scores + position, score);
    }
    const float highest = largest_lane(most);
    Floats sum = {0};
    for (int32_t position = 0; position < length; position += LANES) {
        const Floats weights = exponentials(load(scores + position) - highest);
        store(scores + position, weights);
    }
    for (int32_t i = length; i < padded(length); i++)
        scores[i] = 0;
    for (int32_t position = 0; position < length; position += LANES)
        sum += load(scores + position);
    const float share = 1 / sum_of_lanes(sum);
    int32_t done = 0;
    for (; done + 4 * LANES <= padded(size); done += 4 * LANES)
        weigh(4, values, done, padded(size), length, scores, share, size, to);
    if (done + 2 * LANES <= padded(size)) {
        weigh(2, values, done, padded(size), length, scores, share, size, to);
        done += 2 * LANES;
    }
    if (done < padded(size))
        weigh(1, values, done, padded(size), length, scores, share, size, to);
}

static void add(float *x, const float *y, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        x[i] += y[i];
}

/* Each of a row's queries and keys as they meet: normed (Qwen3) and turned by their position. */
static void place(const Decoder *d, const Layer *layer, float *x, int32_t position) {
    for (int32_t head = 0; head < d->heads + d->kv_heads; head++, x += d->head_size) {
        const float *weight = head < d->heads ? layer->query_norm : layer->key_norm;
        if (weight)
            norm(x, d->head_size, weight, NULL, d->epsilon, x);
        if (d->cosines)
            rotate(d, x, position);
    }
}

/* Logits of the rows that ask for them. Rows of one story come in their order. */
void forward(const Decoder *d, Cache *cache, Workspace *work, const Row *rows, int32_t count, int32_t wanted, int threads) {
    const int32_t width = d->width, queries = d->heads * d->head_size, pairs = d->kv_heads * d->head_size;
    const int32_t stride = work->wide_stride, x_stride = padded(width);
    Activations *a = &work->activations;
    arrange(a, count);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
#pragma omp for schedule(static)
        for (int32_t i = 0; i < count; i++) {
            float *x = work->x + (size_t)i * x_stride, *y = work->y + (size_t)i * x_stride;
            matrix_row(&d->embedding, rows[i].token, x);
            if (d->positions)
                add(x, d->positions + (size_t)rows[i].position * width, width);
            norm(x, width, d->layer->input_norm, d->layer->input_norm_bias, d->epsilon, y);
            quantise(a, i, y, width);
        }
        for (int32_t number = 0; number < d->layers; number++) {
            const Layer *layer = d->layer + number;
            const int last = number + 1 == d->layers;
            const float *next = last ? d->final_norm : layer[1].input_norm;
            const float *next_bias = last ? d->final_norm_bias : layer[1].input_norm_bias;
            multiply(&layer->attention_in, a, count, work->wide, stride);
#pragma omp for schedule(static)
            for (int32_t i = 0; i < count; i++) {
                float *parts = work->wide + (size_t)i * stride;
                place(d, layer, parts, rows[i].position);
                remember(d, cache, rows + i, number, parts + queries, parts + queries + pairs);
            }
#pragma omp for schedule(static)
            for (int32_t item = 0; item < count * d->heads; item++) {
                const int32_t i = item / d->heads, head = item % d->heads;
                float *query = work->wide + (size_t)i * stride + head * d->head_size;
                attend(d, cache, rows + i, number, head, query, work->scores + (size_t)item * cache->context, query);
            }
#pragma omp for schedule(static)
            for (int32_t i = 0; i < count; i++)
                quantise(a, i, work->wide + (size_t)i * stride, queries);
            multiply(&layer->attention_out, a, count, work->y, x_stride);
#pragma omp for schedule(static)
            for (int32_t i = 0; i < count; i++) {
                float *x = work->x + (size_t)i * x_stride, *y = work->y + (size_t)i * x_stride;
                add(x, y, width);
                norm(x, width, layer->post_norm, layer->post_norm_bias, d->epsilon, y);
                quantise(a, i, y, width);
            }
            multiply(&layer->up, a, count, work->wide, stride);
#pragma omp for schedule(static)
            for (int32_t i = 0; i < count; i++) {
                activate(d, work->wide + (size_t)i * stride);
                quantise(a, i, work->wide + (size_t)i * stride, d->inner);
            }
            multiply(&layer->down, a, count, work->y, x_stride);
#pragma omp for schedule(static)
            for (int32_t i = 0; i < count; i++) {
                float *x = work->x + (size_t)i * x_stride, *y = work->y + (size_t)i * x_stride;
                add(x, y, width);
                if (last && rows[i].logits < 0)
                    continue;
                norm(x, width, next, next_bias, d->epsilon, y);
                quantise(a, last ? rows[i].logits : i, y, width);
            }
        }
        if (wanted)
            multiply(&d->head, a, wanted, work->logits, work->logits_stride);
    }
}

static int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

/* 0 when there is no memory for it. */
int workspace_new(Workspace *work, const Decoder *d, int32_t capacity) {
    const int32_t parts = (d->heads + 2 * d->kv_heads) * d->head_size;
    const int32_t up = d->activation == SWIGLU ? 2 * d->inner : d->inner;
    const int32_t widest = larger(larger(d->width, d->inner), d->heads * d->head_size);
    work->wide_stride = padded(larger(parts, up)) + LANES; /* `activate` reads whole lanes */
    work->logits_stride = padded(d->vocab_size);
    work->x = calloc((size_t)capacity * padded(d->width), sizeof(float));
    work->y = calloc((size_t)capacity * padded(d->width), sizeof(float));
    work->wide = calloc((size_t)capacity * work->wide_stride, sizeof(float));
    work->scores = calloc((size_t)capacity * d->heads * padded(d->context), sizeof(float));
    work->logits = calloc((size_t)capacity * work->logits_stride, sizeof(float));
    Activations *a = &work->activations;
    a->stride = padded(widest);
    a->high = calloc(capacity + 8, a->stride);
    a->low = calloc(capacity + 8, a->stride);
    a->even = calloc(capacity + 8, 1);
    a->scale = calloc(capacity, sizeof(float));
    a->high_sum = calloc(capacity, sizeof(int32_t));
    a->low_sum = calloc(capacity, sizeof(int32_t));
    return work->x && work->y && work->wide && work->scores && work->logits && a->high && a->low && a->even && a->scale && a->high_sum && a->low_sum;
}

/* Zeros in large pages, else looking up where each page lies takes longer than reading it. What nobody has reached is not
 * taken from the system yet. */
void *large(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

int cache_new(Cache *cache, const Decoder *d, int32_t stories) {
    cache->context = padded(d->context);
    cache->story = (size_t)d->layers * d->kv_heads * cache->context * padded(d->head_size);
    cache->keys = large(stories * cache->story * sizeof(uint16_t));
    cache->values = large(stories * cache->story * sizeof(uint16_t));
    return cache->keys && cache->values;
}

/* The first positions of one story for another. */
void cache_copy(Cache *cache, const Decoder *d, int32_t from, int32_t to, int32_t length) {
    for (int32_t layer = 0; layer < d->layers; layer++)
        for (int32_t head = 0; head < d->kv_heads; head++) {
            const size_t source = head_at(d, cache, from, layer, head), target = head_at(d, cache, to, layer, head);
            memcpy(cache->keys + target, cache->keys + source, (size_t)padded(length) * d->head_size * sizeof(uint16_t));
            memcpy(cache->values + target, cache->values + source, (size_t)(length + 1) / 2 * 2 * padded(d->head_size) * sizeof(uint16_t));
        }
}
