// Golden values kept as JSON in tests/golden, for tests that link jansson.
// GOLDEN_DIR comes from the test's meson.build.
#ifndef TEST_GOLDEN_JSON_H
#define TEST_GOLDEN_JSON_H

#include <check.h>
#include <jansson.h>
#include <stdio.h>

static inline json_t *golden_load(const char *name)
{
    char path[1024];
    json_error_t problem;
    snprintf(path, sizeof path, "%s/%s", GOLDEN_DIR, name);
    json_t *root = json_load_file(path, 0, &problem);
    ck_assert_msg(root != NULL, "%s: line %d: %s", path, problem.line, problem.text);
    return root;
}

static inline json_t *golden_get(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    ck_assert_msg(value != NULL, "golden value `%s` is missing", key);
    return value;
}

static inline double golden_number(json_t *object, const char *key, double otherwise)
{
    json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

#endif
