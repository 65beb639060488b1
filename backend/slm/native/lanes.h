/* Sixteen floats side by side, in the compiler's own vectors: whatever the processor has, the numbers are the same. */
#ifndef LANES_H
#define LANES_H

#include "decoder.h"

#include <string.h>

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));
typedef uint32_t Naturals __attribute__((vector_size(4 * LANES)));

static inline Floats load(const float *from) {
    Floats x;
    memcpy(&x, from, sizeof x);
    return x;
}

static inline void store(float *to, Floats x) { memcpy(to, &x, sizeof x); }

/* Pairs of bfloat16: what is in the lower and in the upper half of each lane. */
static inline Naturals load_pairs(const uint16_t *from) {
    Naturals pairs;
    memcpy(&pairs, from, sizeof pairs);
    return pairs;
}

static inline Floats lower(Naturals pairs) { return (Floats)(pairs << 16); }

static inline Floats upper(Naturals pairs) { return (Floats)(pairs & 0xffff0000); }

static inline float sum_of_lanes(Floats x) {
    float lanes[LANES];
    store(lanes, x);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

/* Of what each of `count` floats is more than `minus`; in a fixed order. */
static inline float sum_of_squares(const float *x, int32_t count, float minus) {
    Floats sum = {0};
    int32_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        const Floats apart = load(x + i) - minus;
        sum += apart * apart;
    }
    float rest = 0;
    for (; i < count; i++)
        rest += (x[i] - minus) * (x[i] - minus);
    return sum_of_lanes(sum) + rest;
}

static inline float largest_lane(Floats x) {
    float most = x[0];
    for (int i = 1; i < LANES; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

static inline Floats larger_lanes(Floats x, Floats y) {
    const Integers mask = x > y;
    return (Floats)(((Integers)x & mask) | ((Integers)y & ~mask));
}

/* e to the power of x, by its exponent and a polynomial, to seven digits. */
static inline Floats exponentials(Floats x) {
    const Floats zero = {0};
    x = larger_lanes(x, zero - 87);
    x = -larger_lanes(-x, zero - 88);
    const Floats shifted = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23 leaves the rounded number in the low bits */
    const Floats whole = shifted - 12582912.0f;
    const Floats r = (x - whole * 0.693145752f) - whole * 1.42860677e-6f; /* ln 2 in two parts */
    const Floats p = 1 + r * (1 + r * (0.5f + r * (0.166666597f + r * (0.0416664853f + r * (0.00836596545f + r * 0.00138151727f)))));
    const Integers power = ((Integers)shifted - 0x4b400000 + 127) << 23;
    return (Floats)power * p;
}

static inline float exponential(float x) { return exponentials((Floats){x})[0]; }

#endif
