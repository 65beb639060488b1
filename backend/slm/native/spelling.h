/* Which words a model may write: see `backend/slm/spelling.py`. */
#ifndef SPELLING_H
#define SPELLING_H

#include <stdint.h>

enum { WORD_BYTES = 128 }; /* of the longest word; what is longer is let be */

/* Bytes one after another; the i-th are those from starts[i] to starts[i + 1]. */
typedef struct {
    const uint8_t *bytes;
    const int32_t *starts;
    int32_t count;
} Strings;

typedef struct {
    Strings tokens; /* what each token of the vocabulary stands for */
    Strings words;  /* in the order of their bytes; without any, a model spells as it likes */
    int32_t eos;
} Spelling;

/* A token that begins, or goes on with, one of the words that an opening names. */
typedef struct {
    int32_t token, stem; /* the number of the stem */
    int32_t place;       /* the bytes of the stem that must stand already; -1 for a token that brings its own space along */
    float bonus;         /* added to its logit */
} Favoured;

/* Whom and what an opening names. */
typedef struct {
    Strings stems;            /* how those words begin, in each of their forms */
    const int32_t *words;     /* the word, below 64, that each stem is of */
    const Favoured *favoured; /* in the order of their tokens */
    int32_t count;            /* of what is favoured */
    float again;              /* in place of its bonus where the sentence has said the word already */
    const int32_t *stops;     /* the tokens of full stops */
    int32_t stop_count;
    float stop_bonus; /* added to theirs where an opening has none */
} Named;

/* The last word of a story so far. */
typedef struct {
    const Spelling *spelling;
    int32_t length; /* in bytes; -1 when it is too long to be one */
    uint8_t bytes[WORD_BYTES];
    Strings own; /* words that this story may use besides, in their order */
    Named named;
    uint64_t begun, said, in_sentence; /* of what is named, by a bit each; `in_sentence` that which the last one has said */
    int opens;        /* whether it may stand right behind the character before it */
    int is_opening_s; /* whether the last word has begun in the opening */
} Word;

void word_begin(Word *word, const Spelling *spelling, const Strings *own, const Named *named, const int32_t *ids, int32_t count);
void word_favour(const Word *word, float *logits);
int word_takes(const Word *word, int32_t token);
void word_add(Word *word, int32_t token);

#endif
