// Text without the locale: numbers, growing strings, paths.
#ifndef GSG_CORE_TEXT_H
#define GSG_CORE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>

#include "core/alloc.h"

// A growing string; on exhaustion `failed` is set and stays set.
typedef struct gsg_text {
    genseg_context *context;
    char *data; // NUL-terminated, or NULL while empty
    size_t length;
    size_t capacity;
    bool failed;
} gsg_text;

void gsg_text_init(gsg_text *text, genseg_context *context);
void gsg_text_free(gsg_text *text);
void gsg_text_append(gsg_text *text, const char *more);
void gsg_text_append_bytes(gsg_text *text, const char *more, size_t length);
void gsg_text_appendf(gsg_text *text, const char *format, ...) GSG_PRINTF(2, 3);
// Hands the string over (free with gsg_free); NULL where `failed`.
char *gsg_text_take(gsg_text *text);

// snprintf() in the C locale; what does not fit is cut between characters.
void gsg_text_print(char *buffer, size_t size, const char *format, ...) GSG_PRINTF(3, 4);
void gsg_text_vprint(char *buffer, size_t size, const char *format, va_list args) GSG_PRINTF(3, 0);
// Line ends and other control characters become spaces.
void gsg_text_one_line(char *text);

// Shortest decimal that reads back as the same double, '.' in every locale;
// "nan", "inf" and "-inf" for the rest.
#define GSG_TEXT_DOUBLE_SIZE 32
const char *gsg_text_from_double(double value, char buffer[GSG_TEXT_DOUBLE_SIZE]);
// Reads a whole string as a finite decimal number; false where anything else is
// in it, and where the number is out of range. `value` is then left alone.
bool gsg_text_to_double(const char *text, double *value);
bool gsg_text_to_int(const char *text, int64_t *value);

bool gsg_text_ends(const char *text, const char *suffix);            // ASCII case is ignored
// "folder/name"; an absolute name is taken as it stands. NULL: no memory.
char *gsg_path_join(genseg_context *context, const char *folder, const char *name);
const char *gsg_path_name(const char *path);                        // after the last '/'
// Base name without the extension; ".nii.gz" counts as one. Freed by the caller.
char *gsg_path_stem(genseg_context *context, const char *path);

#endif
