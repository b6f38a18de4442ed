// A list of names, each known and there once.
#include "tool_methods.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tool_arguments.h"
#include "tool_console.h"

static const method methods[METHODS_MOST] = {
    {"plain", "plain", 0, false, false},
    {"plain+val", "plain", 0, true, false},
    {"augment", "augment", 1, false, false},
    {"separate", "separate", 0, false, true},
    {"continued", "continued", 0, false, true},
    {"genseg", "genseg", 0, false, true},
    {"separate+augment", "separate", 1, false, true},
    {"continued+augment", "continued", 1, false, true},
    {"genseg+augment", "genseg", 1, false, true},
};

const char *const *methods_names(void)
{
    static const char *names[METHODS_MOST + 1];
    for (int m = 0; m < METHODS_MOST; m++)
        names[m] = methods[m].name;
    return names;
}

static const method *find(const char *word)
{
    for (int m = 0; m < METHODS_MOST; m++)
        if (strcmp(methods[m].name, word) == 0)
            return &methods[m];
    const char *nearest = arguments_nearest(word, methods_names());
    console_say("genseg compare: --methods: %s is no method%s%s%s (see genseg compare --help)",
                *word ? word : "an empty text", nearest ? ": is " : "", nearest ? nearest : "",
                nearest ? " meant?" : "");
    return NULL;
}

bool methods_read(const char *list, const method *found[METHODS_MOST], int32_t *count)
{
    char word[40];
    *count = 0;
    for (const char *rest = list;; rest++) {
        const size_t length = strcspn(rest, ",");
        snprintf(word, sizeof word, "%.*s", (int)length, rest);
        const method *next = find(word);
        if (!next)
            return false;
        for (int32_t i = 0; i < *count; i++) {
            if (found[i] == next) {
                console_say("genseg compare: --methods: %s is there twice", word);
                return false;
            }
        }
        found[(*count)++] = next;
        rest += length;
        if (!*rest)
            return true;
    }
}
