// The struct behind genseg_dataset: cases with where their voxels lie, the label
// table, splits, and what was found on opening. Labels are kept as the values of
// the files and become classes when read, so that adding a case may change the
// table.
#ifndef GSG_DATA_DATASET_H
#define GSG_DATA_DATASET_H

#include <pthread.h>
#include <stdbool.h>

#include "data/format.h"
#include "genseg/dataset.h"

// Most distinct label values of a dataset; more means that images were given as masks.
#define GSG_DATASET_MAX_CLASSES 256

typedef struct gsg_case {
    char *name;
    char *group;
    gsg_location *images; // one file for all channels, or one a channel; NULL in memory
    int32_t image_files;
    int32_t grey;                   // the file's three channels become one
    const gsg_format *format;       // of the images
    const gsg_format *label_format; // of label_at
    gsg_location label_at;          // path NULL: unlabelled, or in memory
    int32_t ndim;
    int32_t channels;
    int64_t size[3]; // D, H, W
    gsg_geometry geometry;
    int32_t labelled;
    int32_t split;    // GENSEG_SPLIT_*
    int32_t held_out; // the source itself marks it as test
    float *image;     // cached voxels, or NULL
    int32_t *label;   // cached label values (not classes), or NULL
    int32_t *values;  // distinct label values, ascending
    int64_t *voxels;  // voxels of each value
    int32_t value_count;
} gsg_case;

#define GSG_COLOURS 3 // channels that can be turned to grey

// A finding kept for inspection.
typedef struct gsg_finding {
    int32_t severity;
    genseg_status status; // of an error
    char *subject;
    char *message;
    char *remedy;
} gsg_finding;

// Names of label values; the first one given for a value counts.
typedef struct gsg_label_names {
    genseg_context *context;
    int32_t *values;
    char **names;
    int64_t count;
    int64_t capacity;
} gsg_label_names;

struct genseg_dataset {
    atomic_int references;
    genseg_context *context;
    pthread_mutex_t lock; // cached voxels
    char *path;           // NULL in memory
    double affine_tolerance;
    int32_t grey; // images of three channels are turned to one
    gsg_case *cases;
    int64_t count;
    int64_t capacity;
    int32_t classes;
    int32_t *values; // label value of each class, ascending
    char **names;    // name of each class
    gsg_label_names given; // names from source and host, also of values that no case has
    bool cached;     // voxels stay in memory once read
    bool collect;    // while opening: keep errors as findings, drop the case, go on
    gsg_finding *findings;
    int64_t finding_count;
    int64_t finding_capacity;
};

genseg_status gsg_dataset_new(genseg_context *context, genseg_dataset **dataset, gsg_error *err);
genseg_dataset *gsg_dataset_retain(genseg_dataset *dataset);
void gsg_dataset_release(genseg_dataset *dataset); // NULL allowed

// `options` is complete (gsg_dataset_defaults, then gsg_options_copy).
void gsg_dataset_defaults(genseg_dataset_options *options);
genseg_status gsg_dataset_open(genseg_context *context, const char *path, const genseg_dataset_options *options,
                               genseg_dataset **dataset, gsg_error *err);
// `options` is complete; gsg_phantom_check() is called.
void gsg_phantom_defaults(genseg_phantom_options *options);
genseg_status gsg_dataset_phantom(genseg_context *context, const genseg_phantom_options *options,
                                  genseg_dataset **dataset, gsg_error *err);
genseg_status gsg_dataset_add(genseg_dataset *dataset, const genseg_case *item, gsg_error *err);
genseg_status gsg_dataset_set_label_name(genseg_dataset *dataset, int64_t value, const char *name, gsg_error *err);
genseg_status gsg_dataset_split(genseg_dataset *dataset, int64_t train, int64_t validation, uint64_t seed,
                                gsg_error *err);
// Hash of a case's name (FNV-1a, 64 bits): a model knows the cases that it has seen without naming patients.
uint64_t gsg_case_hash(const gsg_case *item);
void gsg_case_hashes_sort(uint64_t *hashes, int64_t count); // ascending
// Splits as in an earlier training: the cases whose hashes are in a list (ascending) are for training or validation. Of
// the others the data set's own test cases are for testing; all where it has none.
void gsg_dataset_split_again(genseg_dataset *dataset, const uint64_t *train, int64_t train_count,
                             const uint64_t *validation, int64_t validation_count);
genseg_status gsg_dataset_inspect(genseg_dataset *dataset, genseg_finding_fn report, void *user, gsg_error *err);
genseg_status gsg_dataset_inspect_path(genseg_context *context, const char *path, const genseg_dataset_options *options,
                                       genseg_finding_fn report, void *user, gsg_error *err);
genseg_status gsg_dataset_save_hdf5(genseg_dataset *dataset, const char *path, gsg_error *err);
// One case's image, and a label map (values) on its grid: gsg_image_write(), gsg_label_write().
genseg_status gsg_dataset_save_image(genseg_dataset *dataset, int64_t index, const char *path, gsg_error *err);
genseg_status gsg_dataset_save_label(genseg_dataset *dataset, int64_t index, const genseg_array *label, const char *path,
                                     gsg_error *err);

// Fills `volume` with copies of image and label (classes 0..K-1; NULL where the
// case is unlabelled). Safe from several threads. Free with gsg_volume_free.
genseg_status gsg_dataset_read(genseg_dataset *dataset, int64_t index, gsg_volume *volume, gsg_error *err);
// Copies into dense caller memory; either may be NULL. INVALID where a label is
// asked of an unlabelled case.
genseg_status gsg_dataset_read_into(genseg_dataset *dataset, int64_t index, float *image, int32_t *label,
                                    gsg_error *err);
// What writing a label map on the grid of a case takes.
genseg_status gsg_dataset_source(genseg_dataset *dataset, int64_t index, gsg_source *source, gsg_error *err);

// Indices of the labelled cases of one split, ascending; `indices` holds at least
// dataset->count. Returns their number.
int64_t gsg_dataset_select(const genseg_dataset *dataset, int32_t split, int64_t *indices);

// The case at `index`, or NULL out of range: name, sizes, geometry, split.
const gsg_case *gsg_dataset_case(const genseg_dataset *dataset, int64_t index);

// Label values of classes 0..classes-1: values[class].
const int32_t *gsg_dataset_values(const genseg_dataset *dataset);

#endif
