// HDF5 files of many cases: which cases a file holds, and writing such files.
//
// Reading: the image dataset is `image`, else `raw`, the label map `label`, or
// the names given; at the root, or in groups, one case each. The attribute
// `axes` ("zyx", "nyx", "czyx", ...) says what the dimensions are; n is a stack of
// cases. Without it: 2 dimensions are yx; 3 are cyx where the label map has 2,
// else zyx; 4 are czyx or ncyx, whichever fits a label map of 3, nzyx where the
// label map has 4, else czyx; 5 are nczyx.
#ifndef GSG_DATA_FORMAT_HDF5_H
#define GSG_DATA_FORMAT_HDF5_H

#include "core/file.h"
#include "data/format.h"

typedef struct gsg_hdf5_case {
    char *name;
    char *group; // NULL where the file says nothing
    int32_t split;
    gsg_location image; // paths are NULL: all lie in one file
    gsg_location label; // entry NULL: unlabelled
} gsg_hdf5_case;

typedef struct gsg_hdf5_list {
    genseg_context *context;
    gsg_hdf5_case *cases;
    int64_t count;
    char *table; // JSON of the first `label_table`, or NULL
} gsg_hdf5_list;

// Names may be NULL. FORMAT where the file holds no such dataset: the message
// names what was sought.
genseg_status gsg_hdf5_list_open(genseg_context *context, const char *path, const char *image_name,
                                 const char *label_name, gsg_hdf5_list *list, gsg_error *err);
void gsg_hdf5_list_free(gsg_hdf5_list *list);

// An HDF5 file being written, one group a case. It is composed in memory.
typedef struct gsg_hdf5_writer {
    gsg_file_writer file;
    int64_t handle; // -1: none
} gsg_hdf5_writer;

genseg_status gsg_hdf5_write_begin(gsg_hdf5_writer *writer, genseg_context *context, const char *path, gsg_error *err);
// `volume` has label values, not classes; `table` is JSON, value to name.
genseg_status gsg_hdf5_write_case(gsg_hdf5_writer *writer, const char *name, const char *group, int32_t split,
                                  const gsg_volume *volume, const char *table, gsg_error *err);
genseg_status gsg_hdf5_write_commit(gsg_hdf5_writer *writer, gsg_error *err); // aborts on failure
void gsg_hdf5_write_abort(gsg_hdf5_writer *writer);                           // also after commit: no-op

// gsg_format's write_label: a file of that label map alone.
genseg_status gsg_hdf5_write_label(genseg_context *context, const char *path, const genseg_array *label, int64_t low,
                                   int64_t high, const gsg_source *reference, gsg_error *err);

#endif
