// HDF5 files (https://docs.hdfgroup.org/hdf5), reading: which cases a file holds, and their voxels (format_hdf5.h).
#include "data/format_hdf5.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/text.h"
#include "data/hdf5_session.h"
#include "genseg/dataset.h"

#define MAX_TEXT ((size_t)1 << 20)
// A file that claims this many times its own size is damaged.
#define MAX_RATIO 4096

static bool recognise(const uint8_t *head, size_t size)
{
    static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    return size >= 8 && memcmp(head, signature, 8) == 0;
}

static void close_file(hid_t file)
{
    if (file >= 0)
        H5Fclose(file);
}

static genseg_status open_file(const char *path, hid_t *file, gsg_error *err)
{
    *file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    return *file < 0 ? gsg_hdf5_refuse(GENSEG_ERROR_FORMAT, "damaged or truncated HDF5 file", err) : GENSEG_OK;
}

// Dimensions of a numeric dataset. 0 where it is none, or has none or too many.
static int dims_of(hid_t data, hsize_t dims[GSG_HDF5_RANK])
{
    hid_t space = H5Dget_space(data);
    int rank = space < 0 ? 0 : H5Sget_simple_extent_ndims(space);
    if (rank < 1 || rank > GSG_HDF5_RANK || H5Sget_simple_extent_dims(space, dims, NULL) < 0)
        rank = 0;
    if (space >= 0)
        H5Sclose(space);
    return rank;
}

// A text attribute, fixed or variable; NULL where there is none.
static char *text_attribute(genseg_context *context, hid_t object, const char *name)
{
    if (H5Aexists(object, name) <= 0)
        return NULL;
    char *result = NULL;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    hid_t type = attribute < 0 ? -1 : H5Aget_type(attribute);
    hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
    if (type < 0 || space < 0 || H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1)
        goto done;
    if (H5Tis_variable_str(type) > 0) {
        char *text = NULL;
        if (H5Aread(attribute, type, &text) >= 0 && text) {
            result = gsg_strdup(context, text);
            H5free_memory(text);
        }
    } else {
        size_t size = H5Tget_size(type);
        if (size > MAX_TEXT)
            goto done;
        result = gsg_alloc_zero(context, size + 1, 1);
        if (result && H5Aread(attribute, type, result) < 0) {
            gsg_free(context, result);
            result = NULL;
        }
    }
done:
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    if (attribute >= 0)
        H5Aclose(attribute);
    return result;
}

// Numbers of an attribute: their count, 0 where there is none or more than `most`.
static int number_attribute(hid_t object, const char *name, double *values, int most)
{
    if (H5Aexists(object, name) <= 0)
        return 0;
    int count = 0;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
    hssize_t points = space < 0 ? 0 : H5Sget_simple_extent_npoints(space);
    if (points > 0 && points <= most && H5Aread(attribute, H5T_NATIVE_DOUBLE, values) >= 0)
        count = (int)points;
    if (space >= 0)
        H5Sclose(space);
    if (attribute >= 0)
        H5Aclose(attribute);
    return count;
}

static genseg_status check_axes(const char *axes, int rank, gsg_error *err)
{
    const char *order = "nczyx";
    size_t length = strlen(axes);
    bool good = (int)length == rank && length >= 2 && strcmp(axes + length - 2, "yx") == 0;
    for (size_t i = 0; good && i < length; i++) {
        order = strchr(order, axes[i]);
        good = order != NULL;
        order += good;
    }
    if (good)
        return GENSEG_OK;
    return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED,
                         "axes are \"%.16s\" for %d dimensions: must be a part of \"nczyx\", in that order", axes,
                         rank);
}

// The rule of the header, for a file that does not say it.
static const char *guess_axes(int rank, const hsize_t *dims, int label_rank, const hsize_t *label_dims)
{
    switch (rank) {
    case 2:
        return "yx";
    case 3:
        return label_rank == 2 ? "cyx" : "zyx";
    case 4:
        if (label_rank == 4)
            return "nzyx";
        if (label_rank == 3 && label_dims[0] != dims[1] && label_dims[0] == dims[0])
            return "ncyx";
        return "czyx";
    default:
        return "nczyx";
    }
}

// Fills `axes` of a dataset from its attribute, or by the rule.
static genseg_status find_axes(genseg_context *context, hid_t data, int label_rank, const hsize_t *label_dims,
                               char axes[8], gsg_error *err)
{
    hsize_t dims[GSG_HDF5_RANK];
    int rank = dims_of(data, dims);
    if (rank < 2)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "the dataset must have 2 to %d dimensions", GSG_HDF5_RANK);
    char *text = text_attribute(context, data, "axes");
    genseg_status status = text ? check_axes(text, rank, err) : GENSEG_OK;
    if (status == GENSEG_OK)
        gsg_text_print(axes, 8, "%s", text ? text : guess_axes(rank, dims, label_rank, label_dims));
    gsg_free(context, text);
    return status;
}

// --- Which cases a file holds ---

static hid_t open_data(hid_t where, const char *name)
{
    hid_t data = H5Dopen2(where, name, H5P_DEFAULT);
    H5Eclear2(H5E_DEFAULT);
    return data;
}

typedef struct listing {
    gsg_hdf5_list *list;
    int64_t capacity;
    const char *path;
    const char *image_names[2];
    const char *label_name;
} listing;

static char *join(genseg_context *context, const char *group, const char *name)
{
    gsg_text text;
    gsg_text_init(&text, context);
    gsg_text_appendf(&text, group ? "%s/%s" : "%s%s", group ? group : "", name);
    return gsg_text_take(&text);
}

static gsg_hdf5_case *append_case(listing *my)
{
    gsg_hdf5_list *list = my->list;
    if (list->count == my->capacity) {
        int64_t capacity = my->capacity ? 2 * my->capacity : 16;
        gsg_hdf5_case *cases = gsg_realloc(list->context, list->cases, (size_t)capacity, sizeof *cases);
        if (!cases)
            return NULL;
        list->cases = cases;
        my->capacity = capacity;
    }
    gsg_hdf5_case *item = &list->cases[list->count++];
    memset(item, 0, sizeof *item);
    item->image.plane = item->label.plane = -1;
    return item;
}

static int32_t split_named(const char *text)
{
    if (!text)
        return GENSEG_SPLIT_NONE;
    return strcmp(text, "train") == 0        ? GENSEG_SPLIT_TRAIN
           : strcmp(text, "validation") == 0 ? GENSEG_SPLIT_VALIDATION
           : strcmp(text, "test") == 0       ? GENSEG_SPLIT_TEST
                                             : GENSEG_SPLIT_NONE;
}

// One case, or all planes of a stack.
static genseg_status add_cases(listing *my, const char *name, const char *image, const char *label,
                               const gsg_hdf5_case *model, int64_t planes, gsg_error *err)
{
    genseg_context *context = my->list->context;
    for (int64_t plane = 0; plane < (planes < 0 ? 1 : planes); plane++) {
        gsg_hdf5_case *item = append_case(my);
        if (!item)
            return gsg_error_nomem(err, sizeof *item);
        item->split = model->split;
        item->image = model->image;
        item->label = model->label;
        item->image.plane = item->label.plane = planes < 0 ? -1 : plane;
        item->image.entry = gsg_strdup(context, image);
        item->label.entry = label ? gsg_strdup(context, label) : NULL;
        item->group = model->group ? gsg_strdup(context, model->group) : NULL;
        gsg_text text;
        gsg_text_init(&text, context);
        gsg_text_append(&text, name);
        if (planes >= 0)
            gsg_text_appendf(&text, "_%04lld", (long long)plane);
        item->name = gsg_text_take(&text);
        if (!item->name || !item->image.entry || (label && !item->label.entry) || (model->group && !item->group))
            return gsg_error_nomem(err, strlen(name) + 8);
    }
    return GENSEG_OK;
}

// Looks for image and label in a group (NULL: the root). `found` tells whether
// there was an image.
static genseg_status list_group(listing *my, hid_t file, const char *group, const char *name, bool *found,
                                gsg_error *err)
{
    genseg_context *context = my->list->context;
    genseg_status status = GENSEG_OK;
    char *image = NULL, *label = NULL, *split = NULL;
    gsg_hdf5_case model;
    memset(&model, 0, sizeof model);
    hid_t image_data = -1, label_data = -1, holder = -1;
    *found = false;
    for (int n = 0; n < 2 && image_data < 0 && my->image_names[n]; n++) {
        gsg_free(context, image);
        image = join(context, group, my->image_names[n]);
        if (!image) {
            status = gsg_error_nomem(err, 1);
            goto done;
        }
        image_data = open_data(file, image);
    }
    if (image_data < 0)
        goto done;
    *found = true;
    label = join(context, group, my->label_name);
    if (!label) {
        status = gsg_error_nomem(err, 1);
        goto done;
    }
    label_data = open_data(file, label);
    hsize_t dims[GSG_HDF5_RANK] = {0}, label_dims[GSG_HDF5_RANK] = {0};
    int label_rank = label_data < 0 ? 0 : dims_of(label_data, label_dims);
    GSG_TRY(find_axes(context, image_data, label_rank, label_dims, model.image.axes, err));
    dims_of(image_data, dims);
    int64_t planes = model.image.axes[0] == 'n' ? (int64_t)dims[0] : -1;
    if (label_data >= 0) {
        GSG_TRY(find_axes(context, label_data, label_rank, label_dims, model.label.axes, err));
        // Without a word of its own, a label map lies as its image does.
        if (H5Aexists(label_data, "axes") <= 0) {
            char *to = model.label.axes;
            for (const char *from = model.image.axes; *from; from++)
                if (*from != 'c')
                    *to++ = *from;
            *to = '\0';
        }
        if (label_rank != (int)strlen(model.label.axes) || (planes >= 0) != (model.label.axes[0] == 'n') ||
            (planes >= 0 && (int64_t)label_dims[0] != planes)) {
            status = gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s has axes %s, %s has %d dimensions%s", image,
                                   model.image.axes, label, label_rank, planes >= 0 ? " or another length" : "");
            goto done;
        }
        if (!my->list->table)
            my->list->table = text_attribute(context, label_data, "label_table");
    }
    holder = H5Oopen(file, group ? group : "/", H5P_DEFAULT);
    if (holder >= 0) {
        model.group = text_attribute(context, holder, "group");
        split = text_attribute(context, holder, "split");
        model.split = split_named(split);
    }
    GSG_TRY(add_cases(my, name, image, label_data >= 0 ? label : NULL, &model, planes, err));
done:
    if (holder >= 0)
        H5Oclose(holder);
    gsg_hdf5_close_data(image_data);
    gsg_hdf5_close_data(label_data);
    gsg_free(context, model.group);
    gsg_free(context, split);
    gsg_free(context, image);
    gsg_free(context, label);
    return status;
}

static genseg_status list_groups(listing *my, hid_t file, gsg_error *err)
{
    genseg_context *context = my->list->context;
    H5G_info_t info;
    if (H5Gget_info(file, &info) < 0)
        return gsg_hdf5_refuse(GENSEG_ERROR_FORMAT, "the root group is not readable", err);
    genseg_status status = GENSEG_OK;
    for (hsize_t i = 0; i < info.nlinks && status == GENSEG_OK; i++) {
        ssize_t length = H5Lget_name_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_INC, i, NULL, 0, H5P_DEFAULT);
        char *name = length > 0 ? gsg_alloc(context, (size_t)length + 1, 1) : NULL;
        if (!name)
            return gsg_error_nomem(err, length > 0 ? (size_t)length + 1 : 1);
        H5Lget_name_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, (size_t)length + 1, H5P_DEFAULT);
        bool found;
        status = list_group(my, file, name, name, &found, err);
        gsg_free(context, name);
    }
    return status;
}

genseg_status gsg_hdf5_list_open(genseg_context *context, const char *path, const char *image_name,
                                 const char *label_name, gsg_hdf5_list *list, gsg_error *err)
{
    gsg_hdf5_list found = {.context = context};
    listing my = {.list = &found,
                  .path = path,
                  .image_names = {image_name ? image_name : "image", image_name ? NULL : "raw"},
                  .label_name = label_name ? label_name : "label"};
    hid_t file = -1;
    gsg_hdf5_session errors;
    gsg_hdf5_enter(&errors);
    genseg_status status = GENSEG_OK;
    char *stem = gsg_path_stem(context, path);
    if (!stem) {
        status = gsg_error_nomem(err, strlen(path));
        goto done;
    }
    GSG_TRY(open_file(path, &file, err));
    bool at_root;
    GSG_TRY(list_group(&my, file, NULL, stem, &at_root, err));
    if (!at_root)
        GSG_TRY(list_groups(&my, file, err));
    if (found.count == 0)
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT,
                               "no dataset %s%s%s, neither at the root nor in the groups there", my.image_names[0],
                               my.image_names[1] ? " or " : "", my.image_names[1] ? my.image_names[1] : "");
done:
    close_file(file);
    gsg_hdf5_leave(&errors);
    gsg_free(context, stem);
    if (status != GENSEG_OK) {
        gsg_hdf5_list_free(&found);
        return gsg_error_prefix(err, status, path);
    }
    *list = found;
    return GENSEG_OK;
}

void gsg_hdf5_list_free(gsg_hdf5_list *list)
{
    if (!list->context)
        return;
    for (int64_t i = 0; i < list->count; i++) {
        gsg_free(list->context, list->cases[i].name);
        gsg_free(list->context, list->cases[i].group);
        gsg_free(list->context, list->cases[i].image.entry);
        gsg_free(list->context, list->cases[i].label.entry);
    }
    gsg_free(list->context, list->cases);
    gsg_free(list->context, list->table);
    memset(list, 0, sizeof *list);
}

// --- Reading voxels ---

// A dataset that lies open, with what its dimensions are.
typedef struct opened {
    hid_t file;
    hid_t data;
    int rank;
    hsize_t dims[GSG_HDF5_RANK];
    char axes[8];
} opened;

static void opened_close(opened *my)
{
    gsg_hdf5_close_data(my->data);
    close_file(my->file);
}

static genseg_status opened_open(const gsg_location *at, genseg_context *context, opened *my, gsg_error *err)
{
    memset(my, 0, sizeof *my);
    my->file = my->data = -1;
    genseg_status status = open_file(at->path, &my->file, err);
    if (status != GENSEG_OK)
        return status;
    if (at->entry) {
        my->data = open_data(my->file, at->entry);
    } else { // a loose file: one image at its root
        my->data = open_data(my->file, "image");
        if (my->data < 0)
            my->data = open_data(my->file, "raw");
    }
    if (my->data < 0)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "no dataset %s",
                             at->entry ? at->entry
                                       : "image or raw at the root: open a file of several cases as a dataset");
    my->rank = dims_of(my->data, my->dims);
    if (at->axes[0])
        memcpy(my->axes, at->axes, sizeof my->axes);
    else
        status = find_axes(context, my->data, 0, NULL, my->axes, err);
    if (status != GENSEG_OK)
        return status;
    if ((int)strlen(my->axes) != my->rank)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "the dataset has %d dimensions, its axes are %s", my->rank,
                             my->axes);
    if (my->axes[0] == 'n' && at->plane < 0)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED,
                             "holds a stack of %lld images (axes %s): open it as a dataset", (long long)my->dims[0],
                             my->axes);
    return GENSEG_OK;
}

// Class, dims and claimed size.
static genseg_status check_data(const char *path, const opened *my, gsg_error *err)
{
    hid_t type = H5Dget_type(my->data);
    H5T_class_t kind = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    size_t bytes = type < 0 ? 0 : H5Tget_size(type);
    if (type >= 0)
        H5Tclose(type);
    if (kind != H5T_INTEGER && kind != H5T_FLOAT && kind != H5T_ENUM)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "the dataset holds neither integers nor floats");
    int64_t file_bytes = 0;
    gsg_file_probe(path, &file_bytes);
    for (int d = 0; d < my->rank; d++) {
        if (my->dims[d] == 0)
            return gsg_error_set(err, GENSEG_ERROR_FORMAT, "dimension %d is 0", d);
        if (!gsg_multiply(bytes, (size_t)my->dims[d], &bytes) || bytes / MAX_RATIO > (size_t)file_bytes ||
            my->dims[d] > INT32_MAX)
            return gsg_error_set(err, GENSEG_ERROR_FORMAT,
                                 "the dimensions claim more voxels than a file of %lld bytes can hold",
                                 (long long)file_bytes);
    }
    return GENSEG_OK;
}

static genseg_status read_geometry(const opened *my, gsg_source *source, gsg_error *err)
{
    double spacing[3] = {1.0, 1.0, 1.0};
    double affine[16];
    int count = number_attribute(my->data, "affine", affine, 16);
    if (count == 16) {
        for (int i = 0; i < 16; i++)
            if (!isfinite(affine[i]))
                return gsg_error_set(err, GENSEG_ERROR_FORMAT, "attribute affine holds a value that is not finite");
        gsg_geometry_set_affine(&source->geometry, affine);
        return GENSEG_OK;
    }
    count = number_attribute(my->data, "spacing_mm", spacing, 3);
    if (count == 0) {
        source->note = "has neither affine nor spacing_mm: unit spacing is assumed";
        return GENSEG_OK;
    }
    if (count < 3) { // (H, W), or one number for all
        spacing[2] = spacing[count - 1];
        spacing[1] = spacing[0];
        spacing[0] = count == 1 ? spacing[1] : 1.0;
    }
    for (int i = 0; i < 3; i++)
        if (!isfinite(spacing[i]) || spacing[i] <= 0.0)
            return gsg_error_set(err, GENSEG_ERROR_FORMAT, "attribute spacing_mm holds %g", spacing[i]);
    gsg_geometry_set_spacing(&source->geometry, spacing);
    return GENSEG_OK;
}

static genseg_status read_header(const gsg_location *at, gsg_source *source, gsg_error *err)
{
    opened my;
    gsg_hdf5_session errors;
    gsg_hdf5_enter(&errors);
    genseg_status status = GENSEG_OK;
    GSG_TRY(opened_open(at, source->context, &my, err));
    GSG_TRY(check_data(at->path, &my, err));
    source->channels = 1;
    source->size[0] = 1;
    for (int d = 0; d < my.rank; d++) {
        int64_t dim = (int64_t)my.dims[d];
        if (my.axes[d] == 'c')
            source->channels = (int32_t)dim;
        else if (my.axes[d] != 'n')
            source->size[my.axes[d] == 'z' ? 0 : my.axes[d] == 'y' ? 1 : 2] = dim;
    }
    source->ndim = source->size[0] > 1 ? 3 : 2;
    GSG_TRY(read_geometry(&my, source, err));
    if (!source->note && !at->axes[0] && my.rank == 3 && H5Aexists(my.data, "axes") <= 0)
        source->note = "has no attribute axes: three dimensions are taken as one volume (zyx)";
done:
    opened_close(&my);
    gsg_hdf5_leave(&errors);
    return status;
}

// Selects rows `z`, channel `c` of the case: one (y, x) plane.
static herr_t select_plane(hid_t space, const opened *my, int64_t plane, int64_t channel, int64_t z)
{
    hsize_t start[GSG_HDF5_RANK] = {0}, count[GSG_HDF5_RANK];
    for (int d = 0; d < my->rank; d++) {
        char axis = my->axes[d];
        bool whole = axis == 'y' || axis == 'x';
        start[d] = axis == 'n' ? (hsize_t)plane : axis == 'c' ? (hsize_t)channel : axis == 'z' ? (hsize_t)z : 0;
        count[d] = whole ? my->dims[d] : 1;
    }
    return H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
}

// Calls for every plane in the order (C, D): to floats, or to labels through `wide`.
static genseg_status read_planes(const gsg_location *at, const gsg_source *source, const opened *my, float *image,
                                 int32_t *label, void *wide, bool is_float, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    hsize_t area = (hsize_t)(source->size[1] * source->size[2]);
    hid_t space = H5Dget_space(my->data);
    hid_t memory = H5Screate_simple(1, &area, NULL);
    hid_t type = image ? H5T_NATIVE_FLOAT : is_float ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64;
    int32_t channels = image ? source->channels : 1;
    for (int32_t c = 0; c < channels && status == GENSEG_OK; c++) {
        for (int64_t z = 0; z < source->size[0] && status == GENSEG_OK; z++) {
            int64_t offset = (c * source->size[0] + z) * (int64_t)area;
            void *to = image ? (void *)(image + offset) : wide;
            if (space < 0 || memory < 0 || select_plane(space, my, at->plane, c, z) < 0 ||
                H5Dread(my->data, type, memory, space, H5P_DEFAULT, to) < 0)
                status = gsg_hdf5_refuse(GENSEG_ERROR_FORMAT, "voxels are damaged or truncated", err);
            else if (label)
                status = gsg_decode_label(wide, is_float ? GENSEG_DTYPE_FLOAT64 : GENSEG_DTYPE_INT64, (int64_t)area,
                                          1.0, 0.0, offset, source->size, label + offset, err);
        }
    }
    if (space >= 0)
        H5Sclose(space);
    if (memory >= 0)
        H5Sclose(memory);
    return status;
}

static genseg_status read_voxels(const gsg_location *at, const gsg_source *source, float *image, int32_t *label,
                                 gsg_error *err)
{
    opened my;
    gsg_hdf5_session errors;
    void *wide = NULL;
    gsg_hdf5_enter(&errors);
    genseg_status status = GENSEG_OK;
    GSG_TRY(opened_open(at, source->context, &my, err));
    int64_t count = 1;
    for (int d = 0; d < my.rank; d++)
        count *= my.axes[d] == 'n' || (label && my.axes[d] == 'c') ? 1 : (int64_t)my.dims[d];
    if (count != source->size[0] * source->size[1] * source->size[2] * (image ? source->channels : 1)) {
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "the file has changed since it was opened");
        goto done;
    }
    if (label) {
        size_t area = (size_t)(source->size[1] * source->size[2]);
        wide = gsg_alloc(source->context, area, 8);
        if (!wide) {
            status = gsg_error_nomem(err, area * 8);
            goto done;
        }
    }
    hid_t type = H5Dget_type(my.data);
    bool is_float = type >= 0 && H5Tget_class(type) == H5T_FLOAT;
    if (type >= 0)
        H5Tclose(type);
    status = read_planes(at, source, &my, image, label, wide, is_float, err);
done:
    opened_close(&my);
    gsg_hdf5_leave(&errors);
    gsg_free(source->context, wide);
    return status;
}

static genseg_status read_image(const gsg_location *at, const gsg_source *source, float *dst, gsg_error *err)
{
    return read_voxels(at, source, dst, NULL, err);
}

static genseg_status read_label(const gsg_location *at, const gsg_source *source, int32_t *dst, gsg_error *err)
{
    if (source->channels != 1)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "the label map has %d channels, must have one",
                             source->channels);
    return read_voxels(at, source, NULL, dst, err);
}

static const char *const extensions[] = {".h5", ".hdf5", ".hdf", NULL};

const gsg_format gsg_format_hdf5 = {
    .name = "HDF5",
    .extensions = extensions,
    .recognise = recognise,
    .read_header = read_header,
    .read_image = read_image,
    .read_label = read_label,
    .write_label = gsg_hdf5_write_label,
};
