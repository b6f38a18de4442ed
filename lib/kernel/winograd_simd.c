// Inner loops of winograd.c and conv_spread.c for AVX-512 and for AVX2 with FMA (winograd_lanes.h). Only GCC on x86 has
// them so far: others use oneDNN.
#include "kernel/winograd_simd.h"

#include <stddef.h>

#include "core/compiler.h"

#define STREAM_FLOATS ((int64_t)1 << 20)

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx512f")
#define LANES 16
#define NAME(x) x##_16
#define vec __m512
#define SET(x) _mm512_set1_ps(x)
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define STREAM(p, v) _mm512_stream_ps(p, v)
#define ADD(a, b) _mm512_add_ps(a, b)
#define SUB(a, b) _mm512_sub_ps(a, b)
#define MUL(a, b) _mm512_mul_ps(a, b)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define LEAK(v, slope) _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NGT_UQ), v, slope)
#define ivec __m512i
#define LOAD_INDEX(p) _mm512_loadu_si512(p)
#define PICK(a, index, b) _mm512_permutex2var_ps(a, index, b)
#include "kernel/winograd_lanes.h"

static void multiply_16(int32_t count, const float *a, int64_t a_stride, const float *b, float *out, int64_t out_stride,
                        int64_t tiles, int64_t depth)
{
    switch (count) {
    case 4:
        for (int64_t t = 0; t < tiles; t += 6)
            panel_16(a + t * a_stride, a_stride, 1, b, 64, out + t * out_stride, out_stride, depth, 0, 6, 4);
        break;
    case 3:
        for (int64_t t = 0; t < tiles; t += 6)
            panel_16(a + t * a_stride, a_stride, 1, b, 48, out + t * out_stride, out_stride, depth, 0, 6, 3);
        break;
    case 2:
        for (int64_t t = 0; t < tiles; t += 12)
            panel_16(a + t * a_stride, a_stride, 1, b, 32, out + t * out_stride, out_stride, depth, 0, 12, 2);
        break;
    default:
        for (int64_t t = 0; t < tiles; t += 12)
            panel_16(a + t * a_stride, a_stride, 1, b, 16, out + t * out_stride, out_stride, depth, 0, 12, 1);
    }
}

static void correlate_16(int32_t rows, int32_t count, const float *a, int64_t a_stride, const float *b,
                         int64_t b_stride, float *out, int64_t out_stride, int64_t tiles, int32_t add)
{
    switch (count) {
    case 4: // 16 rows are 6, 6 and 4
        for (int i = 0; i < rows;)
            if (rows - i >= 6 && (rows - i) % 6 != 2) {
                panel_16(a + i, 1, a_stride, b, b_stride, out + i * out_stride, out_stride, tiles, add, 6, 4);
                i += 6;
            } else {
                panel_16(a + i, 1, a_stride, b, b_stride, out + i * out_stride, out_stride, tiles, add, 4, 4);
                i += 4;
            }
        break;
    case 3:
        for (int i = 0; i < rows; i += 8)
            panel_16(a + i, 1, a_stride, b, b_stride, out + i * out_stride, out_stride, tiles, add, 8, 3);
        break;
    case 2:
        for (int i = 0; i < rows; i += 8)
            panel_16(a + i, 1, a_stride, b, b_stride, out + i * out_stride, out_stride, tiles, add, 8, 2);
        break;
    default:
        for (int i = 0; i < rows; i += 16)
            panel_16(a + i, 1, a_stride, b, b_stride, out + i * out_stride, out_stride, tiles, add, 16, 1);
    }
}
#undef LANES
#undef NAME
#undef vec
#undef SET
#undef LOAD
#undef STORE
#undef STREAM
#undef ADD
#undef SUB
#undef MUL
#undef FMA
#undef LEAK
#undef ivec
#undef LOAD_INDEX
#undef PICK
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define LANES 8
#define NAME(x) x##_8
#define vec __m256
#define SET(x) _mm256_set1_ps(x)
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define STREAM(p, v) _mm256_storeu_ps(p, v) // half a line: past the caches it would cost more
#define ADD(a, b) _mm256_add_ps(a, b)
#define SUB(a, b) _mm256_sub_ps(a, b)
#define MUL(a, b) _mm256_mul_ps(a, b)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define LEAK(v, slope) _mm256_blendv_ps(v, _mm256_mul_ps(v, slope), _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NGT_UQ))
#define ivec __m256i
#define LOAD_INDEX(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define PICK(a, index, b)                                                                                              \
    _mm256_blendv_ps(_mm256_permutevar8x32_ps(a, index), _mm256_permutevar8x32_ps(b, index),                           \
                     _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)))
#include "kernel/winograd_lanes.h"

static void multiply_8(int32_t count, const float *a, int64_t a_stride, const float *b, float *out, int64_t out_stride,
                       int64_t tiles, int64_t depth)
{
    if (count == 2)
        for (int64_t t = 0; t < tiles; t += 6)
            panel_8(a + t * a_stride, a_stride, 1, b, 16, out + t * out_stride, out_stride, depth, 0, 6, 2);
    else
        for (int64_t t = 0; t < tiles; t += 12)
            panel_8(a + t * a_stride, a_stride, 1, b, 8, out + t * out_stride, out_stride, depth, 0, 12, 1);
}

static void correlate_8(int32_t rows, int32_t count, const float *a, int64_t a_stride, const float *b, int64_t b_stride,
                        float *out, int64_t out_stride, int64_t tiles, int32_t add)
{
    if (count == 2)
        for (int i = 0; i < rows; i += 4)
            panel_8(a + i, 1, a_stride, b, b_stride, out + i * out_stride, out_stride, tiles, add, 4, 2);
    else
        for (int i = 0; i < rows; i += 8)
            panel_8(a + i, 1, a_stride, b, b_stride, out + i * out_stride, out_stride, tiles, add, 8, 1);
}
#pragma GCC pop_options

static void drain(void)
{
    _mm_sfence();
}

const gsg_winograd_lanes *gsg_winograd_lanes_of(int32_t block)
{
    static const gsg_winograd_lanes wide = {16,
                                            4,
                                            read_window_16,
                                            read_tile_16,
                                            write_tile_16,
                                            copy_row_16,
                                            write_row_16,
                                            read_weights_16,
                                            write_weights_16,
                                            multiply_16,
                                            correlate_16,
                                            drain,
                                            chains_16};
    static const gsg_winograd_lanes narrow = {8,           2,           read_window_8,  read_tile_8,     write_tile_8,
                                              copy_row_8,  write_row_8, read_weights_8, write_weights_8, multiply_8,
                                              correlate_8, drain,       chains_8};
    if (block == 16)
        return __builtin_cpu_supports("avx512f") ? &wide : NULL;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &narrow : NULL;
}

#else

const gsg_winograd_lanes *gsg_winograd_lanes_of(int32_t block)
{
    return NULL;
}

#endif

int32_t gsg_winograd_streams(const gsg_desc *dst, const float *data)
{
    const int64_t floats = dst->shape.dims[0] * gsg_desc_dense(dst);
    return floats >= STREAM_FLOATS && (uintptr_t)data % ((size_t)dst->block * sizeof *data) == 0;
}
