// Where results go: checks made before the work begins, names of output files, and
// text files that are complete or not there.
#ifndef GENSEG_TOOL_OUTPUT_H
#define GENSEG_TOOL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tool_console.h"

// Content that an existing file must have to be replaced.
typedef enum output_kind { OUTPUT_MODEL, OUTPUT_HDF5, OUTPUT_TEXT } output_kind;

// Can `path` be written, and may what is there be replaced? Says why not.
bool output_check_file(console *to, const char *path, output_kind kind);
// Creates the folder if it is not there (`*made` then) and checks that files can be made in it.
bool output_check_folder(console *to, const char *path, bool *made);
// Is the folder empty, or not there yet? Says that it isn't.
bool output_check_empty(console *to, const char *path);
// Do both paths lead to one existing file?
bool output_same_file(const char *a, const char *b);
bool output_is_folder(const char *path);
// Does the file begin as a safetensors file does?
bool output_is_model(const char *path);

// Owned by the caller; NULL where memory is exhausted.
char *output_join(const char *folder, const char *name, const char *suffix, const char *extension);
// Name without folders and without an image's extension, ".nii.gz" included.
char *output_stem(const char *path);
// Is the extension one of an image that the library reads?
bool output_is_image(const char *path);

// A text file under a temporary name until it is committed.
typedef struct output_text {
    FILE *stream;
    char *path;
    char *temporary;
} output_text;
bool output_text_begin(console *to, output_text *text, const char *path);
bool output_text_commit(console *to, output_text *text); // false: said why, nothing is left behind
void output_text_abort(output_text *text);               // after commit too

// A cell of CSV (RFC 4180); an undefined number is an empty cell.
void output_csv_text(const char *text, FILE *stream);
void output_csv_number(double value, FILE *stream);

#endif
