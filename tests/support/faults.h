// An allocator that fails its n-th call, and folders to write tests into.
// A test runs its work with n = 1, 2, 3, ... until it succeeds: each time before
// that it must return NOMEM and hold nothing afterwards.
#ifndef GSG_SUPPORT_FAULTS_H
#define GSG_SUPPORT_FAULTS_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/context.h"

typedef struct faults {
    int64_t calls;   // made so far
    int64_t fail_at; // 0: never
    int64_t live;    // blocks not freed yet
} faults;

GSG_UNUSED static void *faults_alloc(size_t size, size_t alignment, void *user)
{
    faults *f = user;
    void *memory = NULL;
    f->calls += 1;
    if (f->calls == f->fail_at || posix_memalign(&memory, alignment, size) != 0) {
        return NULL;
    }
    memset(memory, 0xA5, size); // what reads memory before it is set shall notice
    f->live += 1;
    return memory;
}

GSG_UNUSED static void faults_free(void *memory, void *user)
{
    faults *f = user;
    f->live -= 1;
    free(memory);
}

// A context on `f`, whose first `fail_at` - 1 allocations after this call work.
GSG_UNUSED static genseg_context *faults_context(faults *f, int64_t fail_at)
{
    *f = (faults){0};
    genseg_context_options options = {
        .struct_size = sizeof options,
        .alloc = faults_alloc,
        .free = faults_free,
        .alloc_user = f,
        .threads = 2,
        .seed = 1,
    };
    genseg_context *context = NULL;
    gsg_error err;
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    f->calls = 0;
    f->fail_at = fail_at;
    return context;
}

// Does its work on `context`; whatever it makes it frees again.
typedef genseg_status (*faults_work)(genseg_context *context, gsg_error *err);

// Returns the number of allocations that the work makes.
GSG_UNUSED static int64_t faults_sweep(faults_work work)
{
    for (int64_t n = 1;; ++n) {
        faults f;
        genseg_context *context = faults_context(&f, n);
        gsg_error err = {0};
        genseg_status status = work(context, &err);
        ck_assert_msg(f.live == 1, "failing allocation %lld leaves %lld blocks", (long long)n, (long long)f.live - 1);
        ck_assert_uint_eq(atomic_load(&context->memory), 0);
        bool failed = f.calls >= n;
        gsg_context_release(context);
        ck_assert_int_eq(f.live, 0);
        if (!failed) {
            ck_assert_msg(status == GENSEG_OK, "%s", err.message);
            return n - 1;
        }
        ck_assert_msg(status == GENSEG_ERROR_NOMEM, "failing allocation %lld: status %d", (long long)n, (int)status);
    }
}

// Ends a main(): runs the case in its own processes and prints TAP.
#define RUN_TESTS(tests)                                                                                               \
    Suite *suite = suite_create("tests");                                                       \
    suite_add_tcase(suite, tests);                                                                                     \
    SRunner *runner = srunner_create(suite);                                                                           \
    srunner_set_tap(runner, "-");                                                                                      \
    srunner_run_all(runner, CK_SILENT);                                                                                \
    int failed = srunner_ntests_failed(runner);                                                                        \
    srunner_free(runner);                                                                                              \
    return failed == 0 ? 0 : 1

// A fresh folder below the current one; the caller empties and removes it.
GSG_UNUSED static void scratch_folder(char path[64])
{
    snprintf(path, 64, "scratch-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(path));
}

#endif
