// The methods that `genseg compare` knows, by name.
#ifndef GENSEG_TOOL_METHODS_H
#define GENSEG_TOOL_METHODS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct method {
    const char *name;    // of the command line
    const char *trainer; // of the library
    int32_t augment;     // of real pairs
    bool all;            // trains on the validation cases too
    bool generator;      // trains one
} method;

#define METHODS_MOST 9

// Their names, NULL at the end.
const char *const *methods_names(void);
// "plain,genseg" to methods, in that order. False after a message.
bool methods_read(const char *list, const method *found[METHODS_MOST], int32_t *count);

#endif
