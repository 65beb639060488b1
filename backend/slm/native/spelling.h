/* Which words a model may write: see `backend/slm/spelling.py`. */
#ifndef SPELLING_H
#define SPELLING_H

#include <stdint.h>

enum { WORD_BYTES = 128, FAVOURED = 64 }; /* of the longest word; what is longer is let be */

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

/* The first token of a word that a story should say. */
typedef struct {
    int32_t token, word; /* the number of the word, of which several tokens may be the first */
    int32_t bare;        /* only where no word is under way: it brings no space along */
    float bonus;         /* added to its logit until the word is said */
} Favoured;

/* The last word of a story so far. */
typedef struct {
    const Spelling *spelling;
    int32_t length; /* in bytes; -1 when it is too long to be one */
    uint8_t bytes[WORD_BYTES];
    Strings own; /* words that this story may use besides, in their order */
    Favoured favoured[FAVOURED];
    int32_t favoured_count;
} Word;

void word_begin(
    Word *word, const Spelling *spelling, const Strings *own, const Favoured *favoured, int32_t favoured_count, const int32_t *ids, int32_t count
);
void word_favour(const Word *word, float *logits);
int word_takes(const Word *word, int32_t token);
void word_add(Word *word, int32_t token);

#endif
