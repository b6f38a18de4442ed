// What the files that make a dataset share: growing the list of cases, keeping
// findings, the label table. Not for other rooms.
#ifndef GSG_DATA_DATASET_BUILD_H
#define GSG_DATA_DATASET_BUILD_H

#include <jansson.h>

#include "data/dataset.h"

genseg_status gsg_label_names_add(gsg_label_names *names, int64_t value, const char *name, gsg_error *err);
// From the JSON of a `labels` object or a label_table: {"1": "liver"} or {"liver": 1}.
// Entries of another kind (regions) are left out.
genseg_status gsg_label_names_read(gsg_label_names *names, const json_t *object, gsg_error *err);
genseg_status gsg_label_names_parse(gsg_label_names *names, const char *json, gsg_error *err);
// The dataset's own table as JSON: {"0":"background","255":"liver"}. NULL: no memory.
char *gsg_label_table_text(const genseg_dataset *dataset);
void gsg_label_names_free(gsg_label_names *names);

// Appends an empty case; its name is copied. NULL: no memory. Earlier pointers
// to cases are no longer valid.
gsg_case *gsg_dataset_append(genseg_dataset *dataset, const char *name);
void gsg_dataset_drop(genseg_dataset *dataset, int64_t index); // removes one case
// Gives the case `files` images; their paths are the caller's to set.
genseg_status gsg_case_files(genseg_dataset *dataset, gsg_case *item, int32_t files, gsg_error *err);
void gsg_case_clear(genseg_context *context, gsg_case *item);
int64_t gsg_case_voxels(const gsg_case *item);

// Keeps a finding and logs it; NOMEM is the only failure of notes and warnings.
// An error ends the work (its status and "subject: message" in err) unless
// dataset->collect, then it is kept and OK comes back.
genseg_status gsg_dataset_report(genseg_dataset *dataset, int32_t severity, genseg_status kind, const char *subject,
                                 const char *remedy, gsg_error *err, const char *format, ...) GSG_PRINTF(7, 8);
// The same for an error that another function described. NOMEM always ends.
genseg_status gsg_dataset_report_error(genseg_dataset *dataset, const char *subject, const gsg_error *cause,
                                       gsg_error *err);
// What to do about an error of this kind, where nothing better is known.
const char *gsg_remedy(genseg_status status);

// Distinct values of a label map and their voxels, into the case. FORMAT where
// there are more than GSG_DATASET_MAX_CLASSES.
genseg_status gsg_case_scan(genseg_context *context, gsg_case *item, const int32_t *label, gsg_error *err);
// Makes the table from the values of all cases and the names given.
genseg_status gsg_dataset_build_table(genseg_dataset *dataset, gsg_error *err);

// Voxels as in the files: image, or label values. No cache.
genseg_status gsg_case_load_image(const genseg_dataset *dataset, const gsg_case *item, float *dst, gsg_error *err);
genseg_status gsg_case_load_label(const genseg_dataset *dataset, const gsg_case *item, int32_t *dst, gsg_error *err);

// The sources: append cases with locations, nothing is read of the voxels yet.
genseg_status gsg_folder_list(genseg_dataset *dataset, const char *path, const genseg_dataset_options *options,
                              gsg_label_names *names, gsg_error *err);
genseg_status gsg_hdf5_cases(genseg_dataset *dataset, const char *path, const genseg_dataset_options *options,
                             gsg_label_names *names, gsg_error *err);
// Applies PATH/split.csv to the cases, where it exists.
genseg_status gsg_split_file_apply(genseg_dataset *dataset, const char *path, gsg_error *err);

// gsg_dataset_open(), in one of its two ways: with `collect`, cases with errors
// are dropped and their errors kept as findings.
genseg_status gsg_dataset_load(genseg_context *context, const char *path, const genseg_dataset_options *options,
                               bool collect, genseg_dataset **dataset, gsg_error *err);

#endif
