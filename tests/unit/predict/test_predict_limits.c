// Prediction under a memory limit, by several threads at once, and cancelled.
#include <math.h>
#include <pthread.h>

#include "data_files.h"
#include "faults.h"
#include "segmenter_model.h"

static const model flat = {{2, 2, 1, 3, 4},     GENSEG_NORMALISE_PERCENTILE,
                           GENSEG_SCALE_NATIVE, {1, 32, 48},
                           {1, 1, 1},           {-5, 0, 300},
                           {"a", "b", "c"},     {0}};
static const model layered = {
    {3, 1, 2, 2, 4}, GENSEG_NORMALISE_ZSCORE, GENSEG_SCALE_SPACING, {8, 16, 16}, {2, 1, 1}, {0, 7}, {"a", "b"}, {0}};
static const double affine[16] = {0.5, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};

typedef struct watcher {
    int64_t reports;
    int64_t cancel_at; // this report; 0: none
    int64_t warnings;
    char message[256]; // the last one logged
    genseg_progress last;
} watcher;

static void watch_log(int32_t level, const char *message, void *user)
{
    watcher *w = user;
    w->warnings += level == GENSEG_LOG_WARNING;
    snprintf(w->message, sizeof w->message, "%s", message);
}

static int32_t watch_progress(const genseg_progress *progress, void *user)
{
    watcher *w = user;
    ck_assert_int_eq(progress->phase, GENSEG_PHASE_PREDICT);
    ck_assert(progress->done >= w->last.done && progress->done <= progress->total);
    w->last = *progress;
    return ++w->reports == w->cancel_at ? -3 : 0;
}

static genseg_context *limited(uint64_t limit, watcher *w)
{
    genseg_context_options options = {.struct_size = sizeof options,
                                      .log = watch_log,
                                      .log_user = w,
                                      .log_level = GENSEG_LOG_INFO,
                                      .threads = 1,
                                      .seed = 1,
                                      .memory_limit = limit};
    genseg_context *context = NULL;
    CK_OK(gsg_context_new(&options, &context, err));
    return context;
}

static genseg_predict_options watched(watcher *w)
{
    genseg_predict_options options;
    genseg_predict_options_init(&options, sizeof options);
    options.progress = watch_progress;
    options.progress_user = w;
    return options;
}

// ---- memory

// What one call takes beyond the segmenter with a limit that never bites.
static uint64_t measure(const char *path, const model_case *c, uint64_t *held)
{
    watcher w = {0};
    genseg_segmenter *segmenter = NULL;
    genseg_context *context = limited((uint64_t)1 << 40, &w);
    CK_OK(genseg_segmenter_load(context, path, &segmenter, err));
    *held = atomic_load(&context->memory);
    atomic_store(&context->memory_peak, *held);
    CK_OK(genseg_segmenter_predict(segmenter, &c->image, affine, NULL, &c->label, &c->probability, err));
    ck_assert_int_eq(w.warnings, 0);
    ck_assert_uint_eq(atomic_load(&context->memory), *held); // no plan is kept under a limit
    const uint64_t peak = atomic_load(&context->memory_peak);
    genseg_segmenter_free(segmenter);
    context_close(context);
    return peak - *held;
}

typedef struct outcomes {
    int full, smaller, refused;
} outcomes;

// With any limit: done with the whole tile, done with a smaller one and a warning, or refused before the work.
static void predict_within(const char *path, const model_case *c, uint64_t limit, outcomes *seen)
{
    watcher w = {0};
    genseg_segmenter *segmenter = NULL;
    genseg_context *context = limited(0, &w);
    genseg_predict_options options = watched(&w);
    CK_OK(genseg_segmenter_load(context, path, &segmenter, err));
    const uint64_t held = atomic_load(&context->memory);
    context->options.memory_limit = limit; // below what loading needs
    atomic_store(&context->memory_peak, held);
    gsg_error err = {0};
    const genseg_status status =
        genseg_segmenter_predict(segmenter, &c->image, affine, &options, &c->label, &c->probability, &err);
    ck_assert_uint_le(atomic_load(&context->memory_peak), limit);
    ck_assert_uint_eq(atomic_load(&context->memory), held);
    if (status == GENSEG_OK) {
        ck_assert(w.reports > 0 && w.last.done == w.last.total);
        ck_assert_int_le(w.warnings, 1);
        if (w.warnings)
            ck_contains(w.message, "memory_limit: predicting in tiles of ");
        seen->smaller += w.warnings == 1;
        seen->full += w.warnings == 0;
    } else {
        ck_assert_msg(status == GENSEG_ERROR_NOMEM, "%d %s", status, err.message);
        ck_assert_int_eq(w.reports, 0);
        ck_assert(model_case_untouched(c));
        seen->refused++;
    }
    genseg_segmenter_free(segmenter);
    context_close(context);
}

static void sweep_limits(const model *m, int64_t d, int64_t h, int64_t w)
{
    const char *path = file_path("model.safetensors");
    genseg_context *context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, m);
    CK_OK(genseg_segmenter_save(segmenter, path, err));
    genseg_segmenter_free(segmenter);
    context_close(context);
    model_case c = model_case_new(m, d, h, w);
    uint64_t held;
    const uint64_t need = measure(path, &c, &held);
    outcomes seen = {0};
    for (int part = 1; part <= 36; part++) {
        model_case_reset(&c);
        predict_within(path, &c, held + need * (uint64_t)part / 24, &seen);
    }
    ck_assert_msg(seen.full >= 3 && seen.smaller >= 3 && seen.refused >= 3, "%d, %d, %d", seen.full, seen.smaller,
                  seen.refused);
    model_case_free(&c);
}

START_TEST(a_limit_is_kept_in_2d)
{
    sweep_limits(&flat, 1, 100, 150);
}
END_TEST

START_TEST(a_limit_is_kept_in_3d)
{
    sweep_limits(&layered, 12, 40, 36);
}
END_TEST

START_TEST(refusals_have_numbers)
{
    watcher w = {0};
    genseg_context *context = limited(0, &w);
    genseg_segmenter *segmenter = model_made(context, &flat);
    model_case c = model_case_new(&flat, 1, 300, 300);
    context->options.memory_limit = atomic_load(&context->memory) + 4 * (uint64_t)c.voxels + 200000;
    CK_FAILS(genseg_segmenter_predict(segmenter, &c.image, NULL, NULL, &c.label, NULL, err), GENSEG_ERROR_NOMEM,
             " MB with the smallest tile, memory_limit leaves 0.2 MB");
    context->options.memory_limit = atomic_load(&context->memory) + 4 * (uint64_t)c.voxels + 10000;
    CK_FAILS(genseg_segmenter_predict(segmenter, &c.image, NULL, NULL, &c.label, NULL, err), GENSEG_ERROR_NOMEM,
             "memory_limit leaves 0.0 MB, too little to plan prediction");
    context->options.memory_limit = 0;
    CK_OK(genseg_segmenter_predict(segmenter, &c.image, NULL, NULL, &c.label, NULL, err));
    ck_assert_int_eq(w.warnings, 0);
    ck_assert_ptr_nonnull(segmenter->idle);
    model_case_free(&c);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

// ---- threads

#define THREADS 4
#define ROUNDS 3

typedef struct worker {
    pthread_t thread;
    const genseg_segmenter *segmenter;
    model_case c;
    genseg_status status;
    gsg_error err;
} worker;

static void *work(void *user)
{
    worker *w = user;
    for (int i = 0; i < ROUNDS && w->status == GENSEG_OK; i++) {
        model_case_reset(&w->c);
        w->status =
            genseg_segmenter_predict(w->segmenter, &w->c.image, NULL, NULL, &w->c.label, &w->c.probability, &w->err);
    }
    return NULL;
}

static void predict_at_once(const model *m, int64_t d, int64_t h, int64_t w)
{
    genseg_context *context = context_with(2, 0);
    genseg_segmenter *segmenter = model_made(context, m);
    model_case expected = model_case_new(m, d, h, w);
    CK_OK(
        genseg_segmenter_predict(segmenter, &expected.image, NULL, NULL, &expected.label, &expected.probability, err));
    worker workers[THREADS];
    for (int t = 0; t < THREADS; t++) {
        workers[t] = (worker){.segmenter = segmenter, .c = model_case_new(m, d, h, w)};
        ck_assert_int_eq(pthread_create(&workers[t].thread, NULL, work, &workers[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        ck_assert_int_eq(pthread_join(workers[t].thread, NULL), 0);
        ck_assert_msg(workers[t].status == GENSEG_OK, "%s", workers[t].err.message);
        const model_case *c = &workers[t].c;
        ck_assert_mem_eq(c->classes, expected.classes, (size_t)c->voxels * sizeof *c->classes);
        ck_assert_mem_eq(c->planes, expected.planes, (size_t)c->probabilities * sizeof *c->planes);
        model_case_free(&workers[t].c);
    }
    model_case_free(&expected);
    genseg_segmenter_free(segmenter);
    context_close(context);
}

START_TEST(threads_predict_at_once)
{
    predict_at_once(&flat, 1, 100, 150);
    predict_at_once(&layered, 12, 20, 24);
}
END_TEST

// The plan of one call serves the next: the second takes its volumes and buffers only.
START_TEST(a_plan_is_kept)
{
    genseg_context *context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &flat);
    model_case c = model_case_new(&flat, 1, 32, 48);
    const uint64_t empty = atomic_load(&context->memory);
    CK_OK(genseg_segmenter_predict(segmenter, &c.image, NULL, NULL, &c.label, NULL, err));
    const gsg_predictor *kept = segmenter->idle;
    const uint64_t held = atomic_load(&context->memory);
    ck_assert(kept != NULL && held > empty);
    CK_OK(genseg_segmenter_predict(segmenter, &c.image, NULL, NULL, &c.label, NULL, err));
    ck_assert_ptr_eq(segmenter->idle, kept);
    ck_assert_uint_eq(atomic_load(&context->memory), held);
    // A refused image does not cost it.
    c.pixels[0] = NAN;
    CK_FAILS(genseg_segmenter_predict(segmenter, &c.image, NULL, NULL, &c.label, NULL, err), GENSEG_ERROR_NUMERIC, "");
    ck_assert_ptr_eq(segmenter->idle, kept);
    model_case_free(&c);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

// ---- progress

START_TEST(progress_counts_tiles)
{
    watcher w = {0};
    genseg_context *context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &flat);
    model_case c = model_case_new(&flat, 1, 200, 200);
    genseg_predict_options options = watched(&w);
    options.overlap = 0.25; // steps of at most 24 and 36
    CK_OK(genseg_segmenter_predict(segmenter, &c.image, NULL, &options, &c.label, NULL, err));
    ck_assert_int_eq(w.last.total, (7 + 1) * (5 + 1));
    ck_assert_int_eq(w.last.done, w.last.total);
    ck_assert(w.reports >= 2 && w.last.seconds > 0 && w.last.struct_size == sizeof w.last);
    model_case_free(&c);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

START_TEST(any_report_can_cancel)
{
    watcher whole = {0};
    genseg_context *context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &flat);
    model_case c = model_case_new(&flat, 1, 160, 224);
    genseg_predict_options options = watched(&whole);
    options.overlap = 0.75;
    CK_OK(genseg_segmenter_predict(segmenter, &c.image, NULL, &options, &c.label, NULL, err));
    const uint64_t held = atomic_load(&context->memory);
    int64_t cancelled = 0;
    // The number of reports depends on the clock: until one run gets through.
    for (int64_t at = 1;; at = at < 2 ? at + 1 : 4 * at) {
        watcher w = {.cancel_at = at};
        options.progress_user = &w;
        model_case_reset(&c);
        gsg_error err = {0};
        const genseg_status status =
            genseg_segmenter_predict(segmenter, &c.image, NULL, &options, &c.label, &c.probability, &err);
        ck_assert_uint_eq(atomic_load(&context->memory), held);
        if (status == GENSEG_OK)
            break;
        ck_assert_int_eq(status, GENSEG_ERROR_CANCELLED);
        ck_assert_str_eq(err.message, "cancelled");
        ck_assert_int_eq(w.reports, at); // asked once, heard once
        ck_assert(model_case_untouched(&c));
        cancelled++;
    }
    ck_assert_int_ge(cancelled, 2);
    model_case_free(&c);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

static int32_t cancel_at_the_end(const genseg_progress *progress, void *user)
{
    return progress->total > 0 && progress->done == progress->total;
}

START_TEST(the_last_report_can_cancel)
{
    genseg_context *context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &flat);
    model_case c = model_case_new(&flat, 1, 16, 16);
    const genseg_predict_options options = {
        .struct_size = sizeof options, .overlap = 0.5, .progress = cancel_at_the_end};
    CK_FAILS(genseg_segmenter_predict(segmenter, &c.image, NULL, &options, &c.label, &c.probability, err),
             GENSEG_ERROR_CANCELLED, "cancelled");
    ck_assert(model_case_untouched(&c));
    model_case_free(&c);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_limit_is_kept_in_2d, a_limit_is_kept_in_3d, refusals_have_numbers, threads_predict_at_once,
        a_plan_is_kept,        progress_counts_tiles, any_report_can_cancel, the_last_report_can_cancel};
    return run_tests("predict_limits", tests, sizeof tests / sizeof *tests);
}
