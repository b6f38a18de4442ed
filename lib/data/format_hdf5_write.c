// HDF5 files, writing. They are composed in memory and written by core/file.h: where HDF5 itself fails to write, its
// handle can't be closed and the process crashes at exit.
#include "data/format_hdf5.h"

#include <string.h>

#include "core/alloc.h"
#include "data/hdf5_session.h"
#include "genseg/dataset.h"

// A file in memory grows by this.
#define GROWTH_BYTES ((size_t)1 << 18)

static herr_t put_attribute(hid_t object, const char *name, hid_t stored, hid_t memory, int rank, const hsize_t *dims,
                            const void *values)
{
    hid_t space = rank ? H5Screate_simple(rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t attribute = space < 0 ? -1 : H5Acreate2(object, name, stored, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t result = attribute < 0 ? -1 : H5Awrite(attribute, memory, values);
    if (attribute >= 0)
        H5Aclose(attribute);
    if (space >= 0)
        H5Sclose(space);
    return result;
}

// Of variable length, which h5py reads as str.
static herr_t put_text(hid_t object, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    herr_t result = -1;
    if (type >= 0 && H5Tset_size(type, H5T_VARIABLE) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0)
        result = put_attribute(object, name, type, type, 0, NULL, &text);
    if (type >= 0)
        H5Tclose(type);
    return result;
}

static herr_t put_geometry(hid_t data, const gsg_geometry *geometry, int32_t ndim, const char *axes)
{
    static const hsize_t square[2] = {4, 4};
    hsize_t count = (hsize_t)ndim;
    if (put_text(data, "axes", axes) < 0)
        return -1;
    if (put_attribute(data, "spacing_mm", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, &count, geometry->spacing + 3 - ndim) <
        0)
        return -1;
    return put_attribute(data, "affine", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 2, square, geometry->affine);
}

// A dataset in chunks of one plane, deflated where the library can.
static hid_t put_data(hid_t where, const char *name, int rank, const hsize_t *dims, hid_t stored, hid_t memory,
                      const void *values)
{
    hsize_t chunk[GSG_HDF5_RANK];
    for (int d = 0; d < rank; d++)
        chunk[d] = d < rank - 2 ? 1 : dims[d];
    hid_t space = H5Screate_simple(rank, dims, NULL);
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    if (plist >= 0 && H5Zfilter_avail(H5Z_FILTER_DEFLATE) > 0 && H5Pset_chunk(plist, rank, chunk) >= 0) {
        H5Pset_shuffle(plist);
        H5Pset_deflate(plist, 4);
    }
    // Without times equal voxels give equal files.
    if (plist >= 0)
        H5Pset_obj_track_times(plist, 0);
    hid_t data = space < 0 || plist < 0 ? -1 : H5Dcreate2(where, name, stored, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    if (data >= 0 && H5Dwrite(data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
        H5Dclose(data);
        data = -1;
    }
    if (plist >= 0)
        H5Pclose(plist);
    if (space >= 0)
        H5Sclose(space);
    return data;
}

static hid_t stored_type(int32_t dtype)
{
    switch (dtype) {
    case GENSEG_DTYPE_UINT8:
        return H5T_STD_U8LE;
    case GENSEG_DTYPE_INT8:
        return H5T_STD_I8LE;
    case GENSEG_DTYPE_UINT16:
        return H5T_STD_U16LE;
    case GENSEG_DTYPE_INT16:
        return H5T_STD_I16LE;
    case GENSEG_DTYPE_UINT32:
        return H5T_STD_U32LE;
    default:
        return H5T_STD_I32LE;
    }
}

static hid_t memory_type(int32_t dtype)
{
    switch (dtype) {
    case GENSEG_DTYPE_UINT8:
        return H5T_NATIVE_UINT8;
    case GENSEG_DTYPE_INT8:
        return H5T_NATIVE_INT8;
    case GENSEG_DTYPE_UINT16:
        return H5T_NATIVE_UINT16;
    case GENSEG_DTYPE_INT16:
        return H5T_NATIVE_INT16;
    default:
        return H5T_NATIVE_INT32;
    }
}

static genseg_status put_label(hid_t where, const genseg_array *label, int32_t ndim, int64_t low, int64_t high,
                               const gsg_geometry *geometry, const char *table, gsg_error *err)
{
    hsize_t dims[3];
    for (int d = 0; d < 3; d++)
        dims[d] = (hsize_t)label->shape[d];
    hid_t data = put_data(where, "label", ndim, dims + 3 - ndim, stored_type(gsg_label_dtype(low, high)),
                          memory_type(label->dtype), label->data);
    bool good = data >= 0 && put_geometry(data, geometry, ndim, &"zyx"[3 - ndim]) >= 0 &&
                (!table || put_text(data, "label_table", table) >= 0);
    genseg_status status =
        good ? GENSEG_OK : gsg_hdf5_refuse(GENSEG_ERROR_BACKEND, "the label map could not be stored", err);
    gsg_hdf5_close_data(data);
    return status;
}

static genseg_status put_image(hid_t where, const gsg_volume *volume, gsg_error *err)
{
    hsize_t dims[4] = {(hsize_t)volume->channels};
    for (int d = 0; d < volume->ndim; d++)
        dims[1 + d] = (hsize_t)volume->size[3 - volume->ndim + d];
    int skip = volume->channels == 1; // no channel axis for one channel
    const char *axes = volume->ndim == 3 ? &"czyx"[skip] : &"cyx"[skip];
    hid_t data =
        put_data(where, "image", volume->ndim + 1 - skip, dims + skip, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, volume->image);
    bool good = data >= 0 && put_geometry(data, &volume->geometry, volume->ndim, axes) >= 0;
    genseg_status status =
        good ? GENSEG_OK : gsg_hdf5_refuse(GENSEG_ERROR_BACKEND, "the image could not be stored", err);
    gsg_hdf5_close_data(data);
    return status;
}

static const char *split_text(int32_t split)
{
    static const char *const names[] = {"none", "train", "validation", "test"};
    return names[split >= GENSEG_SPLIT_NONE && split <= GENSEG_SPLIT_TEST ? split : GENSEG_SPLIT_NONE];
}

genseg_status gsg_hdf5_write_begin(gsg_hdf5_writer *writer, genseg_context *context, const char *path, gsg_error *err)
{
    memset(writer, 0, sizeof *writer);
    writer->handle = -1;
    genseg_status status = gsg_file_begin(&writer->file, context, path, NULL, err);
    if (status != GENSEG_OK)
        return status;
    gsg_hdf5_session errors;
    gsg_hdf5_enter(&errors);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access >= 0 && H5Pset_fapl_core(access, GROWTH_BYTES, 0) >= 0)
        writer->handle = H5Fcreate(writer->file.temporary, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    if (access >= 0)
        H5Pclose(access);
    if (writer->handle < 0 || put_text(writer->handle, "format", "genseg dataset 1") < 0)
        status = gsg_hdf5_refuse(GENSEG_ERROR_BACKEND, "the file could not be composed", err);
    gsg_hdf5_leave(&errors);
    if (status != GENSEG_OK) {
        gsg_format_name_path(err, status, path);
        gsg_hdf5_write_abort(writer);
    }
    return status;
}

static genseg_status put_case(hid_t where, const char *group, int32_t split, const gsg_volume *volume,
                              const char *table, gsg_error *err)
{
    if (put_text(where, "group", group) < 0 || put_text(where, "split", split_text(split)) < 0)
        return gsg_hdf5_refuse(GENSEG_ERROR_BACKEND, "an attribute could not be stored", err);
    genseg_status status = put_image(where, volume, err);
    if (status != GENSEG_OK || !volume->label)
        return status;
    int64_t low = volume->label[0], high = low, count = gsg_volume_count(volume);
    for (int64_t i = 1; i < count; i++) {
        low = volume->label[i] < low ? volume->label[i] : low;
        high = volume->label[i] > high ? volume->label[i] : high;
    }
    genseg_array label = {.data = volume->label, .dtype = GENSEG_DTYPE_INT32, .ndim = 3};
    memcpy(label.shape, volume->size, sizeof volume->size);
    return put_label(where, &label, volume->ndim, low, high, &volume->geometry, table, err);
}

genseg_status gsg_hdf5_write_case(gsg_hdf5_writer *writer, const char *name, const char *group, int32_t split,
                                  const gsg_volume *volume, const char *table, gsg_error *err)
{
    genseg_context *context = writer->file.context;
    char *clean = gsg_strdup(context, name);
    if (!clean)
        return gsg_error_nomem(err, strlen(name) + 1);
    for (char *c = clean; *c; c++)
        if (*c == '/') // would make a group in a group
            *c = '_';
    gsg_hdf5_session errors;
    gsg_hdf5_enter(&errors);
    genseg_status status = GENSEG_OK;
    hid_t where = H5Gcreate2((hid_t)writer->handle, clean, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (where < 0) {
        status = gsg_hdf5_refuse(GENSEG_ERROR_BACKEND, "the group could not be stored", err);
    } else {
        status = put_case(where, group, split, volume, table, err);
        H5Gclose(where);
    }
    gsg_hdf5_leave(&errors);
    gsg_free(context, clean);
    return gsg_format_name_path(err, status, writer->file.path);
}

// The bytes of the file in memory, valid until it is closed.
static genseg_status file_bytes(hid_t file, const uint8_t **bytes, size_t *size, gsg_error *err)
{
    void **memory = NULL;
    hsize_t length = 0;
    if (H5Fflush(file, H5F_SCOPE_GLOBAL) < 0 || H5Fget_vfd_handle(file, H5P_DEFAULT, (void **)&memory) < 0 ||
        H5Fget_filesize(file, &length) < 0 || !memory || !*memory)
        return gsg_hdf5_refuse(GENSEG_ERROR_BACKEND, "the file could not be composed", err);
    *bytes = *memory;
    *size = (size_t)length;
    return GENSEG_OK;
}

genseg_status gsg_hdf5_write_commit(gsg_hdf5_writer *writer, gsg_error *err)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    gsg_hdf5_session errors;
    gsg_hdf5_enter(&errors);
    genseg_status status = file_bytes((hid_t)writer->handle, &bytes, &size, err);
    gsg_hdf5_leave(&errors);
    // The file is this writer's own: its memory needs no lock.
    if (status != GENSEG_OK)
        gsg_format_name_path(err, status, writer->file.path);
    else
        status = gsg_file_write(&writer->file, bytes, size, err);
    if (status == GENSEG_OK)
        status = gsg_file_commit(&writer->file, err);
    gsg_hdf5_write_abort(writer); // what is written stays
    return status;
}

void gsg_hdf5_write_abort(gsg_hdf5_writer *writer)
{
    if (writer->handle >= 0) {
        gsg_hdf5_session errors;
        gsg_hdf5_enter(&errors);
        H5Fclose((hid_t)writer->handle);
        gsg_hdf5_leave(&errors);
        writer->handle = -1;
    }
    gsg_file_abort(&writer->file);
}

genseg_status gsg_hdf5_write_label(genseg_context *context, const char *path, const genseg_array *label, int64_t low,
                                   int64_t high, const gsg_source *reference, gsg_error *err)
{
    gsg_hdf5_writer writer;
    genseg_status status = gsg_hdf5_write_begin(&writer, context, path, err);
    if (status != GENSEG_OK)
        return status;
    gsg_hdf5_session errors;
    gsg_hdf5_enter(&errors);
    status = put_label((hid_t)writer.handle, label, reference->ndim, low, high, &reference->geometry, NULL, err);
    gsg_hdf5_leave(&errors);
    if (status == GENSEG_OK)
        return gsg_hdf5_write_commit(&writer, err);
    gsg_hdf5_write_abort(&writer);
    return status;
}
