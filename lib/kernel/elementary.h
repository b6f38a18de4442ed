// exp, log1p, tanh and the logistic function in arithmetic that compilers turn into
// vectors: range reduction after Cody & Waite and minimax polynomials as in S. Moshier's
// Cephes. Within 2 units in the last place (tanh, sigmoid: 4); NaN stays NaN, overflow
// is Inf, results below the normal range are flushed to 0.
#ifndef GSG_KERNEL_ELEMENTARY_H
#define GSG_KERNEL_ELEMENTARY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/compiler.h"

GSG_INLINE float gsg_float_from_bits(int32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

GSG_INLINE int32_t gsg_float_bits(float value)
{
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#define GSG_LOG2E 1.44269504f
#define GSG_LN2_HIGH 0.693359375f // few bits: n * GSG_LN2_HIGH is exact
#define GSG_LN2_LOW (-2.12194440e-4f)
#define GSG_ROUNDER 12582912.0f // 1.5 * 2^23: adding it leaves the nearest integer in the low bits

// x = n ln 2 + r with |r| <= ln 2 / 2; returns exp(r) - 1 - r. `n` also as an integer.
GSG_INLINE float gsg_exp_reduce(float x, float *r, float *n, int32_t *exponent)
{
    float shifted = x * GSG_LOG2E + GSG_ROUNDER;
    *exponent = gsg_float_bits(shifted) - gsg_float_bits(GSG_ROUNDER);
    *n = shifted - GSG_ROUNDER;
    *r = (x - *n * GSG_LN2_HIGH) - *n * GSG_LN2_LOW;
    float p = 1.9875691500e-4f;
    p = p * *r + 1.3981999507e-3f;
    p = p * *r + 8.3334519073e-3f;
    p = p * *r + 4.1665795894e-2f;
    p = p * *r + 1.6666665459e-1f;
    p = p * *r + 5.0000001201e-1f;
    return p * *r * *r;
}

GSG_INLINE float gsg_exp(float x)
{
    // The comparisons are false for NaN, which so passes through.
    float clamped = x > 89.0f ? 89.0f : x;
    clamped = clamped < -87.3f ? -87.3f : clamped;
    float r, n;
    int32_t exponent;
    float tail = gsg_exp_reduce(clamped, &r, &n, &exponent);
    // 2^128 is no float: two factors.
    int32_t half = exponent >> 1;
    float scale = gsg_float_from_bits((int32_t)((uint32_t)(half + 127) << 23));
    float rest = gsg_float_from_bits((int32_t)((uint32_t)(exponent - half + 127) << 23));
    float y = (1.0f + (r + tail)) * scale * rest;
    return x < -87.3f ? 0.0f : y;
}

// log(1 + x) for x >= 0.
GSG_INLINE float gsg_log1p(float x)
{
    float u = 1.0f + x;
    // u = 2^e m with sqrt(1/2) <= m < sqrt(2)
    int32_t bits = gsg_float_bits(u);
    int32_t e = (int32_t)((uint32_t)bits - 0x3f3504f3u) >> 23;
    float m = gsg_float_from_bits((int32_t)((uint32_t)bits - ((uint32_t)e << 23))) - 1.0f;
    float z = m * m;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    float fe = (float)e;
    float low = p * m * z + fe * GSG_LN2_LOW - 0.5f * z;
    // What rounding 1 + x to u lost, to first order.
    low += (x - (u - 1.0f)) / u;
    float y = m + low + fe * GSG_LN2_HIGH;
    // Inf and NaN have no mantissa to take a logarithm of.
    return x <= 3.0e38f ? y : x;
}

GSG_INLINE float gsg_tanh(float x)
{
    float a = fabsf(x);
    a = a > 10.0f ? 10.0f : a; // tanh(10) rounds to 1
    float r, n;
    int32_t exponent;
    float tail = gsg_exp_reduce(2.0f * a, &r, &n, &exponent);
    float scale = gsg_float_from_bits((int32_t)((uint32_t)(exponent + 127) << 23));
    float e = scale * (r + tail) + (scale - 1.0f); // exp(2a) - 1, exact to the last bits near 0
    float y = e / (e + 2.0f);
    return x < 0.0f ? -y : y;
}

GSG_INLINE float gsg_sigmoid(float x)
{
    return 1.0f / (1.0f + gsg_exp(-x));
}

#endif
