// Error messages (core/error.h): written once at the cause into the caller's
// fixed struct, so that no allocation can stand between a failure and its text.

#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

genseg_status gsg_error_set(gsg_error *err, genseg_status status, const char *format, ...)
{
    if (err == NULL) {
        return status;
    }
    va_list args;
    va_start(args, format);
    // Through a second buffer: an argument may point into err->message.
    char message[GENSEG_ERROR_MESSAGE_SIZE];
    gsg_text_vprint(message, sizeof message, format, args);
    va_end(args);
    gsg_text_one_line(message);
    *err = (gsg_error){.status = status};
    snprintf(err->message, sizeof err->message, "%s", message);
    return status;
}

genseg_status gsg_error_prefix(gsg_error *err, genseg_status status, const char *prefix)
{
    if (err == NULL) {
        return status;
    }
    return gsg_error_set(err, err->status, "%s: %s", prefix, err->message);
}

genseg_status gsg_error_nomem(gsg_error *err, size_t bytes)
{
    return gsg_error_set(err, GENSEG_ERROR_NOMEM, "%zu bytes of memory are not available", bytes);
}

const char *gsg_status_name(genseg_status status)
{
    static const char *const names[] = {"OK",          "NOMEM",   "INVALID", "STATE",     "IO",       "FORMAT",
                                        "UNSUPPORTED", "SHAPE",   "NUMERIC", "CANCELLED", "CALLBACK", "BACKEND",
                                        "COMM",        "VERSION", "FORKED",  "INTERNAL"};
    if (status > GENSEG_OK || status < GENSEG_ERROR_INTERNAL) {
        return "UNKNOWN";
    }
    return names[-status];
}

const char *gsg_error_system(int number)
{
    const char *text = strerrordesc_np(number);
    return text != NULL ? text : "unknown error";
}
