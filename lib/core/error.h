// The error idiom of every room: a fallible function returns genseg_status and
// takes a gsg_error last (NULL allowed), which it fills once, at the cause.
#ifndef GSG_CORE_ERROR_H
#define GSG_CORE_ERROR_H

#include "core/compiler.h"
#include "genseg/base.h"

typedef genseg_error gsg_error;

// Writes the message and returns `status`. Text that does not fit is cut.
genseg_status gsg_error_set(gsg_error *err, genseg_status status, const char *format, ...) GSG_PRINTF(3, 4);

// Puts "prefix: " before the message already there (a file's or a case's name).
// Returns the status of err, or `status` where err is NULL.
genseg_status gsg_error_prefix(gsg_error *err, genseg_status status, const char *prefix);

// NOMEM with the number of bytes that could not be had.
genseg_status gsg_error_nomem(gsg_error *err, size_t bytes);

// "FORMAT" and so on, "UNKNOWN" for other numbers.
const char *gsg_status_name(genseg_status status);

// The system's words for an errno value, in English whatever the host's locale; static text.
const char *gsg_error_system(int number);

// For functions with a local `genseg_status status` and a label `done`.
#define GSG_TRY(call)             \
    do {                          \
        status = (call);          \
        if (status != GENSEG_OK)  \
            goto done;            \
    } while (0)

// A condition that only a defect of this library can break.
#define GSG_CHECK(condition)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            status = gsg_error_set(err, GENSEG_ERROR_INTERNAL, "%s:%d: %s", __FILE__, __LINE__, #condition); \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)

#endif
