// Winograd's transforms and products for vectors of LANES channels: included once for each width by winograd_simd.c,
// which defines LANES, NAME(x), vec and what is done with one.

// ---- transforms along one axis; polynomials are evaluated at 0, +-a, +-b and infinity, interpolated there

#define A 0.625f
#define B 1.5f

// B^T: a window of the source.
GSG_INLINE void NAME(source)(const vec d[6], vec t[6])
{
    const vec aa = SET(-A * A), bb = SET(-B * B), product = SET(A * A * B * B), sum = SET(-(A * A + B * B));
    const vec even = FMA(bb, d[2], d[4]), odd = MUL(SET(A), FMA(bb, d[1], d[3]));
    const vec even2 = FMA(aa, d[2], d[4]), odd2 = MUL(SET(B), FMA(aa, d[1], d[3]));
    t[0] = FMA(product, d[0], FMA(sum, d[2], d[4]));
    t[1] = ADD(even, odd);
    t[2] = SUB(even, odd);
    t[3] = ADD(even2, odd2);
    t[4] = SUB(even2, odd2);
    t[5] = FMA(product, d[1], FMA(sum, d[3], d[5]));
}

// G: a filter of 2 to 5 taps.
GSG_INLINE void NAME(filter)(const vec *g, vec t[6], int taps)
{
    const vec aa = SET(A * A), bb = SET(B * B), a = SET(0.5f / (A * A * (A * A - B * B))),
              b = SET(0.5f / (B * B * (B * B - A * A)));
    vec even = g[0], even2 = g[0], odd = g[1], odd2 = g[1];
    if (taps > 4) {
        even = FMA(aa, FMA(aa, g[4], g[2]), even);
        even2 = FMA(bb, FMA(bb, g[4], g[2]), even2);
    } else if (taps > 2) {
        even = FMA(aa, g[2], even);
        even2 = FMA(bb, g[2], even2);
    }
    if (taps > 3) {
        odd = FMA(aa, g[3], odd);
        odd2 = FMA(bb, g[3], odd2);
    }
    odd = MUL(SET(A), odd);
    odd2 = MUL(SET(B), odd2);
    t[0] = MUL(SET(1.0f / (A * A * B * B)), g[0]);
    t[1] = MUL(a, ADD(even, odd));
    t[2] = MUL(a, SUB(even, odd));
    t[3] = MUL(b, ADD(even2, odd2));
    t[4] = MUL(b, SUB(even2, odd2));
    t[5] = g[taps - 1];
}

// A^T: 2 to 5 results.
GSG_INLINE void NAME(result)(const vec m[6], vec *y, int count)
{
    const vec s1 = ADD(m[1], m[2]), d1 = SUB(m[1], m[2]), s2 = ADD(m[3], m[4]), d2 = SUB(m[3], m[4]);
    y[0] = ADD(ADD(m[0], s1), s2);
    y[1] = FMA(SET(A), d1, MUL(SET(B), d2));
    if (count > 2)
        y[2] = FMA(SET(A * A), s1, MUL(SET(B * B), s2));
    if (count > 3)
        y[3] = FMA(SET(A * A * A), d1, MUL(SET(B * B * B), d2));
    if (count > 4)
        y[4] = FMA(SET(A * A * A * A), s1, MUL(SET(B * B * B * B), s2));
    y[count - 1] = ADD(y[count - 1], m[5]);
}

#undef A
#undef B

// ---- in two dimensions

static void NAME(read_window)(const gsg_winograd_patch *p, const float *data, float *out, int64_t stride)
{
    vec half[6][6];
    for (int j = 0; j < 6; j++) {
        vec d[6];
        for (int i = 0; i < 6; i++)
            d[i] = i >= p->rows[0] && i < p->rows[1] && j >= p->columns[0] && j < p->columns[1]
                       ? LOAD(data + i * p->row + j * p->column)
                       : SET(0.0f);
        vec t[6];
        NAME(source)(d, t);
        for (int i = 0; i < 6; i++)
            half[i][j] = t[i];
    }
    for (int i = 0; i < 6; i++) {
        vec t[6];
        NAME(source)(half[i], t);
        for (int j = 0; j < 6; j++)
            STORE(out + (i * 6 + j) * stride, t[j]);
    }
}

GSG_INLINE void NAME(filter_both)(vec g[5][5], vec out[6][6], int taps)
{
    vec half[6][5];
    for (int j = 0; j < taps; j++) {
        vec column[5], t[6];
        for (int i = 0; i < taps; i++)
            column[i] = g[i][j];
        NAME(filter)(column, t, taps);
        for (int i = 0; i < 6; i++)
            half[i][j] = t[i];
    }
    for (int i = 0; i < 6; i++)
        NAME(filter)(half[i], out[i], taps);
}

GSG_INLINE void NAME(result_both)(const vec m[6][6], vec y[5][5], int count)
{
    vec half[5][6];
    for (int j = 0; j < 6; j++) {
        vec column[6], t[5];
        for (int i = 0; i < 6; i++)
            column[i] = m[i][j];
        NAME(result)(column, t, count);
        for (int i = 0; i < count; i++)
            half[i][j] = t[i];
    }
    for (int i = 0; i < count; i++)
        NAME(result)(half[i], y[i], count);
}

GSG_INLINE void NAME(read_tile_of)(const gsg_winograd_patch *p, const float *data, float *out, int64_t stride, int size)
{
    vec g[5][5], t[6][6];
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++)
            g[i][j] = i >= p->rows[0] && i < p->rows[1] && j >= p->columns[0] && j < p->columns[1]
                          ? LOAD(data + i * p->row + j * p->column)
                          : SET(0.0f);
    NAME(filter_both)(g, t, size);
    for (int i = 0; i < 36; i++)
        STORE(out + i * stride, t[i / 6][i % 6]);
}

static void NAME(read_tile)(const gsg_winograd_patch *p, const float *data, float *out, int64_t stride, int size)
{
    if (size == 3)
        NAME(read_tile_of)(p, data, out, stride, 3);
    else if (size == 4)
        NAME(read_tile_of)(p, data, out, stride, 4);
    else
        NAME(read_tile_of)(p, data, out, stride, 5);
}

GSG_INLINE void NAME(write)(float *to, vec v, const gsg_winograd_finish *f, vec scale, vec shift, vec slope)
{
    if (f->active) {
        v = FMA(v, scale, shift);
        v = LEAK(v, slope);
    }
    if (f->stream)
        STREAM(to, v);
    else
        STORE(to, v);
}

GSG_INLINE void NAME(write_tile_of)(const gsg_winograd_patch *p, const float *products, int64_t stride, float *data,
                                    const gsg_winograd_finish *f, int size)
{
    vec m[6][6], y[5][5];
    for (int i = 0; i < 36; i++)
        m[i / 6][i % 6] = LOAD(products + i * stride);
    NAME(result_both)((const vec(*)[6])m, y, size);
    const vec scale = LOAD(f->scale), shift = LOAD(f->shift), slope = SET(f->slope);
    for (int i = p->rows[0]; i < p->rows[1]; i++)
        for (int j = p->columns[0]; j < p->columns[1]; j++)
            NAME(write)(data + i * p->row + j * p->column, y[i][j], f, scale, shift, slope);
}

static void NAME(write_tile)(const gsg_winograd_patch *p, const float *products, int64_t stride, float *data,
                             const gsg_winograd_finish *f, int size)
{
    if (size == 3)
        NAME(write_tile_of)(p, products, stride, data, f, 3);
    else if (size == 4)
        NAME(write_tile_of)(p, products, stride, data, f, 4);
    else
        NAME(write_tile_of)(p, products, stride, data, f, 5);
}

static void NAME(copy_row)(const float *data, int64_t column, float *out, int64_t row, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        STORE(out + i * row, LOAD(data + i * column));
}

static void NAME(write_row)(const float *sums, int64_t row, float *data, int64_t column, int64_t count,
                            const gsg_winograd_finish *f)
{
    const vec scale = LOAD(f->scale), shift = LOAD(f->shift), slope = SET(f->slope);
    for (int64_t i = 0; i < count; i++)
        NAME(write)(data + i * column, LOAD(sums + i * row), f, scale, shift, slope);
}

// ---- weights

// Of rows that are `d` apart, every second square of d columns changes places.
GSG_INLINE void NAME(exchange)(vec r[LANES], int d)
{
    int32_t low[LANES], high[LANES];
    for (int l = 0; l < LANES; l++) {
        low[l] = l & d ? LANES + l - d : l;
        high[l] = l & d ? LANES + l : l + d;
    }
    const ivec first = LOAD_INDEX(low), second = LOAD_INDEX(high);
    for (int i = 0; i < LANES; i++) {
        if (i & d)
            continue;
        const vec a = r[i], b = r[i + d];
        r[i] = PICK(a, first, b);
        r[i + d] = PICK(a, second, b);
    }
}

static void NAME(transpose)(const float *block, vec out[LANES])
{
    vec r[LANES];
    for (int i = 0; i < LANES; i++)
        r[i] = LOAD(block + i * LANES);
    NAME(exchange)(r, 1);
    NAME(exchange)(r, 2);
    NAME(exchange)(r, 4);
    if (LANES > 8)
        NAME(exchange)(r, LANES / 2);
    for (int i = 0; i < LANES; i++)
        out[i] = r[i];
}

GSG_INLINE void NAME(read_weights_of)(const gsg_winograd_taps *w, const float *block, float *out, int64_t stride,
                                      int64_t row_stride, int taps, int transposed)
{
    vec turned[16][LANES];
    for (int k = 0; k < taps * taps && transposed; k++)
        NAME(transpose)(block + (k / taps * w->row + k % taps * w->column + w->first) * LANES * LANES, turned[k]);
    for (int row = 0; row < LANES; row++) {
        vec g[5][5], t[6][6];
        for (int i = 0; i < taps; i++)
            for (int j = 0; j < taps; j++) {
                const int a = w->flip ? taps - 1 - i : i, b = w->flip ? taps - 1 - j : j;
                const float *at = block + (a * w->row + b * w->column + w->first) * LANES * LANES;
                g[i][j] = transposed ? turned[a * taps + b][row] : LOAD(at + row * LANES);
            }
        NAME(filter_both)(g, t, taps);
        for (int i = 0; i < 36; i++)
            STORE(out + i * stride + row * row_stride, t[i / 6][i % 6]);
    }
}

GSG_INLINE void NAME(read_weights_in)(const gsg_winograd_taps *w, const float *block, float *out, int64_t stride,
                                      int64_t row_stride, int taps)
{
    if (w->transposed)
        NAME(read_weights_of)(w, block, out, stride, row_stride, taps, 1);
    else
        NAME(read_weights_of)(w, block, out, stride, row_stride, taps, 0);
}

static void NAME(read_weights)(const gsg_winograd_taps *w, const float *block, float *out, int64_t stride,
                               int64_t row_stride, int taps)
{
    if (taps == 2)
        NAME(read_weights_in)(w, block, out, stride, row_stride, 2);
    else if (taps == 3)
        NAME(read_weights_in)(w, block, out, stride, row_stride, 3);
    else
        NAME(read_weights_in)(w, block, out, stride, row_stride, 4);
}

GSG_INLINE void NAME(write_weights_of)(const gsg_winograd_taps *w, const float *sums, int64_t stride,
                                       int64_t row_stride, float *block, int taps)
{
    for (int row = 0; row < LANES; row++) {
        vec m[6][6], y[5][5];
        for (int i = 0; i < 36; i++)
            m[i / 6][i % 6] = LOAD(sums + i * stride + row * row_stride);
        NAME(result_both)((const vec(*)[6])m, y, taps);
        for (int i = 0; i < taps; i++)
            for (int j = 0; j < taps; j++)
                STORE(block + ((i * w->row + j * w->column + w->first) * LANES + row) * LANES, y[i][j]);
    }
}

static void NAME(write_weights)(const gsg_winograd_taps *w, const float *sums, int64_t stride, int64_t row_stride,
                                float *block, int taps)
{
    if (taps == 2)
        NAME(write_weights_of)(w, sums, stride, row_stride, block, 2);
    else if (taps == 3)
        NAME(write_weights_of)(w, sums, stride, row_stride, block, 3);
    else
        NAME(write_weights_of)(w, sums, stride, row_stride, block, 4);
}

// ---- products: `rows` rows of `count` vectors stay in registers

// out[i][k] = sum over c of a[i * row + c * column] b[c][k], on top of what is there or not
GSG_INLINE void NAME(panel)(const float *a, int64_t row, int64_t column, const float *b, int64_t b_stride, float *out,
                            int64_t out_stride, int64_t depth, int add, int rows, int count)
{
    vec sum[16][4];
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < count; k++)
            sum[i][k] = add ? LOAD(out + i * out_stride + k * LANES) : SET(0.0f);
    for (int64_t c = 0; c < depth; c++) {
        vec v[4];
        for (int k = 0; k < count; k++)
            v[k] = LOAD(b + c * b_stride + k * LANES);
        for (int i = 0; i < rows; i++) {
            const vec x = SET(a[i * row + c * column]);
            for (int k = 0; k < count; k++)
                sum[i][k] = FMA(x, v[k], sum[i][k]);
        }
    }
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < count; k++)
            STORE(out + i * out_stride + k * LANES, sum[i][k]);
}

static float NAME(chains)(int64_t rounds)
{
    vec sums[GSG_WINOGRAD_CHAINS], factor = SET(0.999999f), term = SET(1e-6f);
    float out[LANES];
    for (int k = 0; k < GSG_WINOGRAD_CHAINS; k++) {
        sums[k] = term;
        __asm__ volatile("" : "+v"(sums[k])); // equal chains would be computed once
    }
    for (int64_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int k = 0; k < GSG_WINOGRAD_CHAINS; k++)
            sums[k] = FMA(sums[k], factor, term);
    }
    for (int k = 1; k < GSG_WINOGRAD_CHAINS; k++)
        sums[0] = ADD(sums[0], sums[k]);
    STORE(out, sums[0]);
    __asm__ volatile("" : : "m"(out)); // nor none of them
    return out[0];
}
