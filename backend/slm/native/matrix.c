/* Products of eight-bit weights with eight- or sixteen-bit activations.
 *
 * Sums are of integers, so they are the same to the bit in whatever order and company they are made: a story does not
 * depend on who else is told one, on the number of threads or on the processor's vectors. */
#include "decoder.h"
#include "lanes.h"

#include <string.h>
#ifdef __AVX512VNNI__
#include <immintrin.h>
#endif

enum { HIGHEST = 127 * 256 }; /* of a sixteen-bit activation, so that its high byte is at most 127 after rounding */

/* How many times its root mean square the largest value of a row may be for eight bits: they then stray by two per
 * cent of it, which a sum of hundreds evens out. */
static const float EVEN = 10;

int32_t padded(int32_t count) { return (count + LANES - 1) / LANES * LANES; }

/* Whether weights lie as VNNI wants them: for the side that packs them. */
int32_t weights_are_interleaved(void) {
#ifdef __AVX512VNNI__
    return 1;
#else
    return 0;
#endif
}

/* Lay out what follows for so many rows. */
void arrange(Activations *activations, int32_t rows) {
#ifdef __AVX512VNNI__
    activations->tile = rows > 4 ? 8 : rows > 2 ? 4 : rows;
#else
    (void)rows;
    activations->tile = 1;
#endif
}

static size_t place(const Activations *a, int32_t row) {
    return (size_t)(row / a->tile * a->tile) * a->stride + row % a->tile * 4;
}

void quantise(Activations *to, int32_t row, const float *values, int32_t count) {
    int8_t *high = to->high + place(to, row), *low = to->low + place(to, row);
    const int32_t step = 4 * to->tile;
    uint32_t largest = 0; /* floats without a sign are ordered as their bits are */
    for (int32_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, 4);
        bits &= 0x7fffffff;
        largest = bits > largest ? bits : largest;
    }
    float most;
    memcpy(&most, &largest, 4);
    const int even = most * most * count <= EVEN * EVEN * sum_of_squares(values, count, 0);
    const float inverse = most > 0 ? (even ? HIGHEST / 256 : HIGHEST) / most : 0;
    int32_t high_sum = 0, low_sum = 0;
    for (int32_t i = 0; i < padded(count); i += LANES, high += LANES / 4 * step, low += LANES / 4 * step) {
        int32_t numbers[LANES] = {0};
        int8_t upper[LANES], lower[LANES];
        const int32_t here = count - i < LANES ? count - i : LANES;
        for (int32_t j = 0; j < here; j++) {
            const float shifted = values[i + j] * inverse + 12582912.0f; /* 1.5 * 2^23 leaves the rounded number in the low bits */
            memcpy(numbers + j, &shifted, 4);
            numbers[j] = (numbers[j] - 0x4b400000) * (even ? 256 : 1);
        }
        for (int32_t j = 0; j < LANES; j++) {
            upper[j] = (int8_t)((numbers[j] + 128) >> 8);
            lower[j] = (int8_t)numbers[j];
            high_sum += upper[j];
            low_sum += lower[j];
        }
        for (int32_t quad = 0; quad < LANES / 4; quad++) {
            memcpy(high + (size_t)quad * step, upper + 4 * quad, 4);
            memcpy(low + (size_t)quad * step, lower + 4 * quad, 4);
        }
    }
    to->even[row] = (int8_t)even;
    to->scale[row] = most / HIGHEST;
    to->high_sum[row] = high_sum;
    to->low_sum[row] = low_sum;
}

#ifdef __AVX512VNNI__

/* Sixteen rows of the matrix times `count` rows of activations. `count` is constant where this is inlined, and then so many
 * sums stay in registers. */
static inline __attribute__((always_inline)) void
block(const Matrix *m, int32_t first, const Activations *from, int32_t row, const int count, const int even, float *to, int32_t stride) {
    const int unroll = count == 1 ? 4 : count == 2 ? 2 : 1; /* so that no sum waits for the one before */
    const int32_t columns = padded(m->columns), step = 4 * from->tile;
    const uint8_t *weights = (const uint8_t *)m->weights + (size_t)first * columns, *end = weights + (size_t)columns * LANES;
    const int8_t *high = from->high + place(from, row), *low = from->low + place(from, row);
    __m512i highs[8], lows[8];
    for (int i = 0; i < count * unroll; i++)
        highs[i] = lows[i] = _mm512_setzero_si512();
    while (weights < end) {
#pragma GCC unroll 4
        for (int part = 0; part < unroll; part++, weights += 4 * LANES, high += step, low += step) {
            const __m512i w = _mm512_loadu_si512(weights);
#pragma GCC unroll 8
            for (int i = 0; i < count; i++) {
                int32_t four;
                memcpy(&four, high + 4 * i, 4);
                highs[i * unroll + part] = _mm512_dpbusd_epi32(highs[i * unroll + part], w, _mm512_set1_epi32(four));
                if (even)
                    continue;
                memcpy(&four, low + 4 * i, 4);
                lows[i * unroll + part] = _mm512_dpbusd_epi32(lows[i * unroll + part], w, _mm512_set1_epi32(four));
            }
        }
    }
    const __m512 scales = _mm512_loadu_ps(m->scales + first);
    for (int i = 0; i < count; i++) {
        __m512i upper = highs[i * unroll], lower = lows[i * unroll];
        for (int part = 1; part < unroll; part++) {
            upper = _mm512_add_epi32(upper, highs[i * unroll + part]);
            lower = _mm512_add_epi32(lower, lows[i * unroll + part]);
        }
        upper = _mm512_sub_epi32(upper, _mm512_set1_epi32(128 * from->high_sum[row + i]));
        lower = _mm512_sub_epi32(lower, _mm512_set1_epi32(128 * from->low_sum[row + i]));
        const __m512 whole = _mm512_fmadd_ps(_mm512_cvtepi32_ps(upper), _mm512_set1_ps(256), _mm512_cvtepi32_ps(lower));
        __m512 y = _mm512_mul_ps(whole, _mm512_mul_ps(scales, _mm512_set1_ps(from->scale[row + i])));
        if (m->bias)
            y = _mm512_add_ps(y, _mm512_loadu_ps(m->bias + first));
        _mm512_storeu_ps(to + (size_t)(row + i) * stride + first, y);
    }
}

static void blocks(const Matrix *m, int32_t first, const Activations *from, int32_t count, float *to, int32_t stride) {
    for (int32_t row = 0, size; row < count; row += size) {
        const int32_t left = count - row;
        size = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        int even = 1;
        for (int32_t i = 0; i < size; i++)
            even &= from->even[row + i];
#define OF(count) \
    case count: \
        even ? block(m, first, from, row, count, 1, to, stride) : block(m, first, from, row, count, 0, to, stride); \
        break
        switch (size) {
            OF(8);
            OF(4);
            OF(2);
            OF(1);
        }
#undef OF
    }
}

void matrix_row(const Matrix *m, int32_t row, float *to) {
    const int32_t columns = padded(m->columns);
    const uint8_t *weights = (const uint8_t *)m->weights + (size_t)(row / LANES * LANES) * columns + row % LANES * 4;
    for (int32_t i = 0; i < m->columns; i++)
        to[i] = m->scales[row] * (weights[i / 4 * 4 * LANES + i % 4] - 128);
}

#else

static int32_t product(const int8_t *restrict a, const int8_t *restrict b, int32_t count) {
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

static void blocks(const Matrix *m, int32_t first, const Activations *from, int32_t count, float *to, int32_t stride) {
    const int32_t columns = padded(m->columns);
    for (int32_t i = 0; i < count; i++)
        for (int32_t j = first; j < first + LANES; j++) {
            const int8_t *weights = (const int8_t *)m->weights + (size_t)j * columns;
            const float upper = (float)product(weights, from->high + place(from, i), columns);
            const float lower = from->even[i] ? 0 : (float)product(weights, from->low + place(from, i), columns);
            const float y = (upper * 256 + lower) * (m->scales[j] * from->scale[i]);
            to[(size_t)i * stride + j] = m->bias ? y + m->bias[j] : y;
        }
}

void matrix_row(const Matrix *m, int32_t row, float *to) {
    const int8_t *weights = (const int8_t *)m->weights + (size_t)row * padded(m->columns);
    for (int32_t i = 0; i < m->columns; i++)
        to[i] = m->scales[row] * weights[i];
}

#endif

/* `count` rows of activations to as many of `stride` floats. Called by all threads of a team, which share the rows. */
void multiply(const Matrix *m, const Activations *from, int32_t count, float *to, int32_t stride) {
    const int32_t rows = padded(m->rows);
#pragma omp for schedule(static)
    for (int32_t first = 0; first < rows; first += LANES)
        blocks(m, first, from, count, to, stride);
}
