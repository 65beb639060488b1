/* Draws a token from logits. */
#include "decoder.h"
#include "lanes.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define AGAIN 0x80000000u /* the number of a draw that follows a refused one */

/* Steele, Lea and Flood 2014 (SplitMix64): a number for each seed and draw, whatever was drawn elsewhere. */
static double uniform(uint32_t seed, uint32_t drawn) {
    uint64_t z = ((uint64_t)seed << 32 | drawn) + 0x9e3779b97f4a7c15u;
    for (int round = 0; round < 2; round++) { /* the seed's bits need two rounds to reach all others */
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        z ^= z >> 31;
    }
    return (double)(z >> 11) * 0x1p-53;
}

static int likelier(const void *a, const void *b) {
    const Candidate *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score) : (x->token > y->token) - (x->token < y->token);
}

/* The `count` highest, highest first; of equal ones those that come first. */
static int32_t highest(const float *logits, int32_t vocab_size, int32_t count, Candidate *found) {
    int32_t size = 0;
    float least = -FLT_MAX;
    for (int32_t start = 0; start < vocab_size; start += 4 * LANES) {
        const int32_t end = start + 4 * LANES < vocab_size ? start + 4 * LANES : vocab_size;
        int above = size < count;
        for (int32_t i = start; i < end; i++)
            above |= logits[i] > least;
        if (!above)
            continue;
        for (int32_t i = start; i < end; i++) {
            if (size == count && !(logits[i] > least))
                continue;
            int32_t place = size < count ? size++ : count - 1;
            for (; place > 0 && found[place - 1].score < logits[i]; place--)
                found[place] = found[place - 1];
            found[place] = (Candidate){logits[i], i};
            if (size == count)
                least = found[count - 1].score;
        }
    }
    return size;
}

static int32_t all(const float *logits, int32_t vocab_size, Candidate *found) {
    for (int32_t i = 0; i < vocab_size; i++)
        found[i] = (Candidate){logits[i], i};
    return vocab_size;
}

/* Keskar et al. 2019: what has been said is divided, or multiplied where it is negative. */
static void penalise(float *logits, int32_t vocab_size, const uint8_t *seen, float penalty) {
    for (int32_t i = 0; i < vocab_size; i++)
        if (seen[i])
            logits[i] = logits[i] > 0 ? logits[i] / penalty : logits[i] * penalty;
}

/* The likeliest token that may come next; without any, the likeliest. */
static int32_t best(const float *logits, int32_t vocab_size, const Word *word) {
    int32_t found = -1, first = 0;
    for (int32_t i = 0; i < vocab_size; i++) {
        first = logits[i] > logits[first] ? i : first;
        if ((found < 0 || logits[i] > logits[found]) && (!word || word_takes(word, i)))
            found = i;
    }
    return found < 0 ? first : found;
}

static int32_t chosen(const Candidate *candidates, int32_t count, double left) {
    int32_t place = 0;
    while (place < count - 1 && (left -= candidates[place].score) >= 0)
        place++;
    return candidates[place].token;
}

/* `candidates` has room for the vocabulary; `drawn` counts the draws of a story. Logits are overwritten. With a `word` only
 * tokens are drawn that it takes, as if the others had not been among the candidates. */
int32_t draw(
    float *logits, int32_t vocab_size, const uint8_t *seen, const Sampling *s, uint32_t drawn, Candidate *candidates, const Word *word
) {
    enum { FEW = 256 }; /* above it sorting is faster than putting each in its place */
    if (s->repetition_penalty != 1)
        penalise(logits, vocab_size, seen, s->repetition_penalty);
    if (s->temperature <= 0)
        return best(logits, vocab_size, word);
    int32_t count = s->top_k && s->top_k <= FEW ? highest(logits, vocab_size, s->top_k, candidates) : all(logits, vocab_size, candidates);
    float most = -FLT_MAX;
    for (int32_t i = 0; i < count; i++)
        most = candidates[i].score > most ? candidates[i].score : most;
    if (s->top_k > FEW && s->top_k < count) {
        qsort(candidates, count, sizeof *candidates, likelier);
        count = s->top_k;
    }
    double sum = 0;
    for (int32_t i = 0; i < count; i++) {
        candidates[i].score = exponential((candidates[i].score - most) / s->temperature);
        sum += candidates[i].score;
    }
    if (s->top_p < 1) {
        /* So small a share can't be among those that make up top_p together. */
        const double least = (1 - s->top_p) * sum / count;
        int32_t kept = 0;
        for (int32_t i = 0; i < count; i++)
            if (candidates[i].score >= least)
                candidates[kept++] = candidates[i];
        qsort(candidates, kept, sizeof *candidates, likelier);
        double held = 0;
        for (count = 0; count < kept && held < s->top_p * sum; count++)
            held += candidates[count].score;
        sum = held;
    }
    if (s->min_p > 0) {
        int32_t kept = 0;
        sum = 0;
        for (int32_t i = 0; i < count; i++)
            if (candidates[i].score >= s->min_p) { /* the likeliest has 1 */
                sum += candidates[i].score;
                candidates[kept++] = candidates[i];
            }
        count = kept;
    }
    const int32_t token = chosen(candidates, count, uniform(s->seed, drawn) * sum);
    if (!word || word_takes(word, token))
        return token;
    int32_t kept = 0;
    sum = 0;
    for (int32_t i = 0; i < count; i++)
        if (word_takes(word, candidates[i].token)) {
            sum += candidates[i].score;
            candidates[kept++] = candidates[i];
        }
    return kept ? chosen(candidates, kept, uniform(s->seed, AGAIN | drawn) * sum) : best(logits, vocab_size, word);
}

/* Reads a token that is there, and the `count` likeliest with their log probabilities. */
void judge(const float *logits, int32_t vocab_size, int32_t token, Reading *reading, int32_t count, Candidate *likeliest) {
    float most = -FLT_MAX;
    int32_t rank = 0;
    for (int32_t i = 0; i < vocab_size; i++) {
        most = logits[i] > most ? logits[i] : most;
        rank += logits[i] > logits[token];
    }
    double sum = 0;
    for (int32_t i = 0; i < vocab_size; i++)
        sum += exp((double)logits[i] - most);
    const double all = most + log(sum);
    *reading = (Reading){(float)(logits[token] - all), rank};
    if (count)
        highest(logits, vocab_size, count, likeliest);
    for (int32_t i = 0; i < count; i++)
        likeliest[i].score = (float)(likeliest[i].score - all);
}
