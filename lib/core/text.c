// Text (core/text.h). Whatever reads or prints numbers does so under the C
// locale, set for this thread alone and given back: the host's stays as it is.

#include "core/text.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// In glibc the C locale is a constant: newlocale() neither allocates nor fails.
static locale_t locale_enter(locale_t *c_locale)
{
    *c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return *c_locale != (locale_t)0 ? uselocale(*c_locale) : (locale_t)0;
}

static void locale_leave(locale_t c_locale, locale_t saved)
{
    if (c_locale != (locale_t)0) {
        uselocale(saved);
        freelocale(c_locale);
    }
}

static int print(char *buffer, size_t size, const char *format, va_list args)
{
    locale_t c_locale;
    locale_t saved = locale_enter(&c_locale);
    int length = vsnprintf(buffer, size, format, args);
    locale_leave(c_locale, saved);
    return length;
}

// Drops an UTF-8 sequence that the cut left without its last bytes.
static void trim_utf8(char *text, size_t length)
{
    size_t start = length;
    while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) {
        --start;
    }
    if (start == 0) {
        return;
    }
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (length - start + 1 < wanted) {
        text[start - 1] = '\0';
    }
}

void gsg_text_vprint(char *buffer, size_t size, const char *format, va_list args)
{
    int length = print(buffer, size, format, args);
    if (length < 0) {
        buffer[0] = '\0';
    } else if ((size_t)length >= size) {
        trim_utf8(buffer, size - 1);
    }
}

void gsg_text_print(char *buffer, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    gsg_text_vprint(buffer, size, format, args);
    va_end(args);
}

void gsg_text_one_line(char *text)
{
    for (; *text != '\0'; ++text) {
        if ((unsigned char)*text < 0x20 || *text == 0x7F) {
            *text = ' ';
        }
    }
}

void gsg_text_init(gsg_text *text, genseg_context *context)
{
    *text = (gsg_text){.context = context};
}

void gsg_text_free(gsg_text *text)
{
    gsg_free(text->context, text->data);
    gsg_text_init(text, text->context);
}

// Room for `more` bytes and a NUL.
static bool grow(gsg_text *text, size_t more)
{
    if (text->failed || more >= SIZE_MAX - text->length) {
        text->failed = true;
        return false;
    }
    size_t wanted = text->length + more + 1;
    if (wanted <= text->capacity) {
        return true;
    }
    size_t capacity = text->capacity > SIZE_MAX / 2 ? wanted : text->capacity * 2;
    if (capacity < wanted) {
        capacity = wanted < 64 ? 64 : wanted;
    }
    char *data = gsg_realloc(text->context, text->data, capacity, 1);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void gsg_text_append_bytes(gsg_text *text, const char *more, size_t length)
{
    if (!grow(text, length)) {
        return;
    }
    if (length > 0) {
        memcpy(text->data + text->length, more, length);
    }
    text->length += length;
    text->data[text->length] = '\0';
}

void gsg_text_append(gsg_text *text, const char *more)
{
    gsg_text_append_bytes(text, more, strlen(more));
}

void gsg_text_appendf(gsg_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = print(NULL, 0, format, args);
    if (length < 0) {
        text->failed = true;
    } else if (grow(text, (size_t)length)) {
        print(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

char *gsg_text_take(gsg_text *text)
{
    char *data = NULL;
    if (grow(text, 0)) { // an empty text is "", not NULL
        data = text->data;
        data[text->length] = '\0';
        text->data = NULL;
    }
    gsg_text_free(text);
    return data;
}

static double parse(const char *text)
{
    locale_t c_locale;
    locale_t saved = locale_enter(&c_locale);
    double value = strtod(text, NULL); // lint-allow: under the C locale
    locale_leave(c_locale, saved);
    return value;
}

const char *gsg_text_from_double(double value, char buffer[GSG_TEXT_DOUBLE_SIZE])
{
    if (!isfinite(value)) {
        const char *name = isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
        snprintf(buffer, GSG_TEXT_DOUBLE_SIZE, "%s", name);
        return buffer;
    }
    // A decimal of up to 15 digits comes back from a normal double, and %g
    // drops its zeros: no need to try fewer. Subnormals have fewer digits.
    int digits = fabs(value) >= DBL_MIN ? DBL_DIG : 1;
    for (; digits <= DBL_DECIMAL_DIG; ++digits) {
        gsg_text_print(buffer, GSG_TEXT_DOUBLE_SIZE, "%.*g", digits, value);
        if (parse(buffer) == value) {
            break;
        }
    }
    return buffer;
}

static const char *skip_digits(const char *text)
{
    while (*text >= '0' && *text <= '9') {
        ++text;
    }
    return text;
}

// [+-] digits [. digits] [e [+-] digits], where one side of the point may be
// empty. strtod() alone would take spaces, hexadecimals and names of NaN too.
static bool is_decimal(const char *text)
{
    text += *text == '+' || *text == '-';
    const char *end = skip_digits(text);
    int64_t digits = end - text;
    if (*end == '.') {
        text = end + 1;
        end = skip_digits(text);
        digits += end - text;
    }
    if (digits == 0) {
        return false;
    }
    if (*end == 'e' || *end == 'E') {
        text = end + 1;
        text += *text == '+' || *text == '-';
        end = skip_digits(text);
        if (end == text) {
            return false;
        }
    }
    return *end == '\0';
}

bool gsg_text_to_double(const char *text, double *value)
{
    if (!is_decimal(text)) {
        return false;
    }
    double parsed = parse(text);
    if (!isfinite(parsed)) {
        return false;
    }
    *value = parsed;
    return true;
}

bool gsg_text_to_int(const char *text, int64_t *value)
{
    bool negative = *text == '-';
    text += *text == '+' || *text == '-';
    if (*text == '\0' || *skip_digits(text) != '\0') {
        return false;
    }
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    uint64_t magnitude = 0;
    for (; *text != '\0'; ++text) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (magnitude > (limit - digit) / 10) {
            return false;
        }
        magnitude = magnitude * 10 + digit;
    }
    // -(m - 1) - 1 reaches INT64_MIN without overflow.
    *value = negative && magnitude > 0 ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool gsg_text_ends(const char *text, const char *suffix)
{
    size_t length = strlen(text);
    size_t tail = strlen(suffix);
    if (tail > length) {
        return false;
    }
    text += length - tail;
    for (size_t i = 0; i < tail; ++i) {
        if (lower(text[i]) != lower(suffix[i])) {
            return false;
        }
    }
    return true;
}

char *gsg_path_join(genseg_context *context, const char *folder, const char *name)
{
    gsg_text path;
    gsg_text_init(&path, context);
    if (name[0] != '/' && folder[0] != '\0') {
        gsg_text_append(&path, folder);
        if (!gsg_text_ends(folder, "/")) {
            gsg_text_append(&path, "/");
        }
    }
    gsg_text_append(&path, name);
    return gsg_text_take(&path);
}

const char *gsg_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

char *gsg_path_stem(genseg_context *context, const char *path)
{
    const char *name = gsg_path_name(path);
    const char *dot = strrchr(name, '.');
    size_t length = dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name);
    if (gsg_text_ends(name, ".nii.gz") && strlen(name) > strlen(".nii.gz")) {
        length = strlen(name) - strlen(".nii.gz");
    }
    return gsg_strndup(context, name, length);
}
