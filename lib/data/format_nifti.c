// NIfTI-1 (https://nifti.nimh.nih.gov/nifti-1): .nii, .nii.gz and .hdr/.img.
// The header is checked here before anything trusts it. Of libnifti only the
// structs and pure functions are used (byte order, quaternions): its reader
// replaces NaN by 0, prints to stderr and has process-wide settings. As nothing
// of it has state, no lock is needed.
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <nifti1_io.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/text.h"
#include "data/format.h"
#include "tensor/array.h"

#define HEADER_BYTES 348
#define NIFTI2_HEADER_BYTES 540
#define ONE_FILE_OFFSET 352
#define MAX_EXTENSION_BYTES (64 << 20)
#define CHUNK_BYTES (1 << 18)
// Deflate can't shrink by more than this, so a smaller file is damaged.
#define MAX_DEFLATE_RATIO 1032

static bool is_pair_name(const char *path)
{
    return gsg_text_ends(path, ".hdr") || gsg_text_ends(path, ".hdr.gz");
}

static bool recognise(const uint8_t *head, size_t size)
{
    // sizeof_hdr in either byte order; NIfTI-2 (540) too, for a better message later.
    if (size < 4)
        return false;
    uint32_t little = head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
    uint32_t big = head[3] | (uint32_t)head[2] << 8 | (uint32_t)head[1] << 16 | (uint32_t)head[0] << 24;
    return little == HEADER_BYTES || big == HEADER_BYTES || little == NIFTI2_HEADER_BYTES || big == NIFTI2_HEADER_BYTES;
}

// The file with the voxels: the file itself, or the .img (.img.gz) beside a .hdr.
static genseg_status voxel_path(genseg_context *context, const char *path, char **voxels, gsg_error *err)
{
    if (!is_pair_name(path)) {
        *voxels = gsg_strdup(context, path);
        return *voxels ? GENSEG_OK : gsg_error_nomem(err, strlen(path) + 1);
    }
    size_t stem = strlen(path) - (gsg_text_ends(path, ".gz") ? 7 : 4);
    static const char *const endings[] = {".img", ".img.gz", ".IMG"};
    for (size_t e = 0; e < sizeof endings / sizeof endings[0]; e++) {
        gsg_text name;
        gsg_text_init(&name, context);
        gsg_text_append_bytes(&name, path, stem);
        gsg_text_append(&name, endings[e]);
        char *found = gsg_text_take(&name);
        if (!found)
            return gsg_error_nomem(err, stem + 8);
        if (gsg_file_probe(found, NULL) == GSG_FILE_REGULAR) {
            *voxels = found;
            return GENSEG_OK;
        }
        gsg_free(context, found);
    }
    return gsg_error_set(err, GENSEG_ERROR_IO, "has no .img file beside it");
}

static int32_t stored_dtype(int datatype)
{
    switch (datatype) {
    case DT_UINT8:
        return GENSEG_DTYPE_UINT8;
    case DT_INT8:
        return GENSEG_DTYPE_INT8;
    case DT_UINT16:
        return GENSEG_DTYPE_UINT16;
    case DT_INT16:
        return GENSEG_DTYPE_INT16;
    case DT_UINT32:
        return GENSEG_DTYPE_UINT32;
    case DT_INT32:
        return GENSEG_DTYPE_INT32;
    case DT_UINT64:
        return GENSEG_DTYPE_UINT64;
    case DT_INT64:
        return GENSEG_DTYPE_INT64;
    case DT_FLOAT32:
        return GENSEG_DTYPE_FLOAT32;
    case DT_FLOAT64:
        return GENSEG_DTYPE_FLOAT64;
    default:
        return 0;
    }
}

static int nifti_datatype(int32_t dtype)
{
    static const int codes[] = {0,        DT_UINT8,  DT_INT8,  DT_UINT16,  DT_INT16,  DT_UINT32,
                                DT_INT32, DT_UINT64, DT_INT64, DT_FLOAT32, DT_FLOAT64};
    return codes[dtype];
}

// A header in host byte order and what follows from it.
typedef struct header {
    nifti_1_header raw;
    bool swapped;
    bool pair;
    int32_t dtype;
    int64_t bytes;  // of all voxels
    int64_t offset; // of the voxels in their file
    double slope;
    double inter;
} header;

static genseg_status check_dims(const nifti_1_header *raw, gsg_error *err)
{
    if (raw->dim[0] < 1 || raw->dim[0] > 7)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "dim[0] is %d, must be 1 to 7", raw->dim[0]);
    for (int d = 1; d <= raw->dim[0]; d++)
        if (raw->dim[d] < 1)
            return gsg_error_set(err, GENSEG_ERROR_FORMAT, "dim[%d] is %d", d, raw->dim[d]);
    if (raw->dim[0] < 2)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "dim[0] is 1: not an image");
    for (int d = 6; d <= raw->dim[0]; d++)
        if (raw->dim[d] > 1)
            return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "dim[%d] is %d: six and seven dimensions are not read",
                                 d, raw->dim[d]);
    if (raw->dim[0] >= 5 && raw->dim[4] > 1 && raw->dim[5] > 1)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "dim[4] is %d and dim[5] is %d: only one may exceed 1",
                             raw->dim[4], raw->dim[5]);
    return GENSEG_OK;
}

static genseg_status check_type(header *head, gsg_error *err)
{
    const nifti_1_header *raw = &head->raw;
    head->dtype = stored_dtype(raw->datatype);
    if (!head->dtype)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED,
                             "datatype %d (%s) is not read: integers and floats of up to 64 bits are", raw->datatype,
                             raw->datatype == DT_RGB24                                         ? "RGB"
                             : raw->datatype == DT_RGBA32                                      ? "RGBA"
                             : raw->datatype == DT_COMPLEX64 || raw->datatype == DT_COMPLEX128 ? "complex"
                                                                                               : "other");
    size_t size = gsg_dtype_size(head->dtype);
    if (raw->bitpix != (int)(8 * size))
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "bitpix is %d, but datatype %d has %d bits", raw->bitpix,
                             raw->datatype, (int)(8 * size));
    // Seven dims of up to 32767: the product may exceed 64 bits.
    size_t bytes = size;
    for (int d = 1; d <= raw->dim[0]; d++)
        if (!gsg_multiply(bytes, (size_t)raw->dim[d], &bytes) || bytes > (size_t)INT64_MAX / 2)
            return gsg_error_set(err, GENSEG_ERROR_FORMAT, "dims claim more than 2^62 bytes");
    head->bytes = (int64_t)bytes;
    return GENSEG_OK;
}

static genseg_status check_header(header *head, bool pair, gsg_error *err)
{
    nifti_1_header *raw = &head->raw;
    if (raw->sizeof_hdr != HEADER_BYTES && raw->sizeof_hdr != NIFTI2_HEADER_BYTES) {
        swap_nifti_header(raw, 1);
        head->swapped = true;
    }
    if (raw->sizeof_hdr == NIFTI2_HEADER_BYTES)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "is NIfTI-2: save it as NIfTI-1");
    if (raw->sizeof_hdr != HEADER_BYTES)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "sizeof_hdr is neither 348 nor 540: no NIfTI file");
    bool single = memcmp(raw->magic, "n+1", 4) == 0;
    if (!single && memcmp(raw->magic, "ni1", 4) != 0)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT,
                             "magic is not \"n+1\" or \"ni1\": damaged, or Analyze 7.5 (which has no orientation)");
    if (single == pair)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "magic is \"%s\", which does not fit the file's name",
                             raw->magic);
    head->pair = pair;
    genseg_status status = check_dims(raw, err);
    if (status == GENSEG_OK)
        status = check_type(head, err);
    if (status != GENSEG_OK)
        return status;
    double offset = raw->vox_offset;
    if (!pair && offset == 0.0)
        offset = ONE_FILE_OFFSET; // written so by some tools
    if (!(offset >= (pair ? 0.0 : (double)ONE_FILE_OFFSET) && offset <= ONE_FILE_OFFSET + (double)MAX_EXTENSION_BYTES))
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "vox_offset is %g", (double)raw->vox_offset);
    head->offset = (int64_t)offset;
    head->slope = raw->scl_slope;
    head->inter = raw->scl_inter;
    // The standard: a slope of 0 means no scaling.
    if (head->slope == 0.0 || !isfinite(head->slope) || !isfinite(head->inter)) {
        head->slope = 1.0;
        head->inter = 0.0;
    }
    return GENSEG_OK;
}

static bool affine_usable(const double affine[16])
{
    for (int i = 0; i < 12; i++)
        if (!isfinite(affine[i]))
            return false;
    const double *m = affine;
    double determinant =
        m[0] * (m[5] * m[10] - m[6] * m[9]) - m[1] * (m[4] * m[10] - m[6] * m[8]) + m[2] * (m[4] * m[9] - m[5] * m[8]);
    return fabs(determinant) > 1e-12;
}

static double usable_pixdim(float pixdim)
{
    double size = fabs((double)pixdim);
    return isfinite(size) && size > 0.0 ? size : 1.0;
}

static void qform_affine(const nifti_1_header *raw, double affine[16])
{
    mat44 q = nifti_quatern_to_mat44(raw->quatern_b, raw->quatern_c, raw->quatern_d, raw->qoffset_x, raw->qoffset_y,
                                     raw->qoffset_z, (float)usable_pixdim(raw->pixdim[1]),
                                     (float)usable_pixdim(raw->pixdim[2]), (float)usable_pixdim(raw->pixdim[3]),
                                     raw->pixdim[0] < 0.0f ? -1.0f : 1.0f);
    for (int row = 0; row < 4; row++)
        for (int column = 0; column < 4; column++)
            affine[4 * row + column] = q.m[row][column];
}

// sform where its code is set, else qform, else pixdim alone. Affines are
// brought to millimetres; the header keeps its units.
static void set_geometry(const nifti_1_header *raw, gsg_source *source)
{
    double sform[16] = {0}, qform[16];
    for (int column = 0; column < 4; column++) {
        sform[column] = raw->srow_x[column];
        sform[4 + column] = raw->srow_y[column];
        sform[8 + column] = raw->srow_z[column];
    }
    sform[15] = 1.0;
    qform_affine(raw, qform);
    int units = XYZT_TO_SPACE(raw->xyzt_units);
    double scale = units == NIFTI_UNITS_METER ? 1000.0 : units == NIFTI_UNITS_MICRON ? 0.001 : 1.0;
    for (int i = 0; i < 12; i++) {
        sform[i] *= scale;
        qform[i] *= scale;
    }
    bool has_sform = raw->sform_code > 0 && affine_usable(sform);
    bool has_qform = raw->qform_code > 0 && affine_usable(qform);
    if (has_sform && has_qform) {
        gsg_geometry a, b;
        gsg_geometry_set_affine(&a, sform);
        gsg_geometry_set_affine(&b, qform);
        source->form_distance = gsg_geometry_distance(&a, &b, source->size);
    }
    if (has_sform || has_qform) {
        gsg_geometry_set_affine(&source->geometry, has_sform ? sform : qform);
        if (raw->sform_code > 0 && !has_sform)
            source->note = "the sform is singular or not finite: the qform is used";
        return;
    }
    double spacing[3];
    for (int axis = 0; axis < 3; axis++)
        spacing[2 - axis] = usable_pixdim(raw->pixdim[axis + 1]) * scale;
    gsg_geometry_set_spacing(&source->geometry, spacing);
    source->geometry.affine_known = 0;
    source->note = "neither sform nor qform is usable: the spacing is pixdim's, position and orientation are unknown";
}

static genseg_status read_exactly(gzFile file, void *dst, size_t size, const char *what, gsg_error *err)
{
    size_t done = 0;
    while (done < size) {
        unsigned part = (unsigned)(size - done < CHUNK_BYTES ? size - done : CHUNK_BYTES);
        int got = gzread(file, (uint8_t *)dst + done, part);
        if (got <= 0) {
            int code = Z_OK;
            const char *text = gzerror(file, &code);
            if (code == Z_ERRNO)
                return gsg_error_set(err, GENSEG_ERROR_IO, "%s", gsg_error_system(errno));
            if (code != Z_OK && code != Z_BUF_ERROR && code != Z_STREAM_END)
                return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: gzip data damaged (%s)", what, text);
            return gsg_error_set(err, GENSEG_ERROR_FORMAT, "truncated: %s ends after %lld of %lld bytes", what,
                                 (long long)done, (long long)size);
        }
        done += (size_t)got;
    }
    return GENSEG_OK;
}

static int32_t swapped32(const uint8_t *bytes)
{
    return (int32_t)((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3]);
}

// Keeps header and extensions as they are, in host byte order. An extension
// that does not fit ends the list: the rest is padding.
static genseg_status keep_header(gzFile file, const header *head, gsg_source *source, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    size_t room = !head->pair ? (size_t)head->offset - HEADER_BYTES : 0;
    uint8_t *bytes = gsg_alloc_zero(source->context, ONE_FILE_OFFSET + room, 1);
    if (!bytes)
        return gsg_error_nomem(err, ONE_FILE_OFFSET + room);
    memcpy(bytes, &head->raw, HEADER_BYTES);
    size_t used = ONE_FILE_OFFSET;
    if (room > 4) {
        GSG_TRY(read_exactly(file, bytes + HEADER_BYTES, room, "the header's extensions", err));
        bool flagged = bytes[HEADER_BYTES] != 0;
        while (flagged && used + 8 <= HEADER_BYTES + room) {
            int32_t size = 0, code = 0;
            if (head->swapped) { // only little-endian hosts meet swapped files of the other order
                size = swapped32(bytes + used);
                code = swapped32(bytes + used + 4);
                memcpy(bytes + used, &size, 4);
                memcpy(bytes + used + 4, &code, 4);
            }
            memcpy(&size, bytes + used, 4);
            if (size < 16 || size % 16 != 0 || (size_t)size > HEADER_BYTES + room - used)
                break;
            used += (size_t)size;
        }
    }
    memset(bytes + HEADER_BYTES, 0, 4);
    bytes[HEADER_BYTES] = used > ONE_FILE_OFFSET;
done:
    if (status != GENSEG_OK) {
        gsg_free(source->context, bytes);
        return status;
    }
    source->header = bytes;
    source->header_size = used;
    return GENSEG_OK;
}

// Bytes behind gzip, from the last four bytes of the file (modulo 2^32).
static bool gzip_size(const char *path, int64_t file_bytes, uint32_t *size)
{
    uint8_t tail[4];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool read_all = pread(file, tail, 4, (off_t)(file_bytes - 4)) == 4;
    close(file);
    *size = tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 | (uint32_t)tail[3] << 24;
    return read_all;
}

// Is the file as long as its header claims? Plain files by their size, gzip by
// the size in the trailer, and by unpacking where that one disagrees.
static genseg_status check_length(const char *path, const header *head, gsg_error *err)
{
    int64_t bytes = 0, need = head->offset + head->bytes;
    if (gsg_file_probe(path, &bytes) != GSG_FILE_REGULAR)
        return gsg_error_set(err, GENSEG_ERROR_IO, "%s", gsg_error_system(errno));
    gzFile file = gzopen(path, "rb");
    if (!file)
        return gsg_error_set(err, GENSEG_ERROR_IO, "%s", gsg_error_system(errno));
    bool plain = gzdirect(file);
    uint32_t claimed = 0;
    genseg_status status = GENSEG_OK;
    if (plain && bytes < need)
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "truncated: dims claim %lld bytes, the file has %lld",
                               (long long)need, (long long)bytes);
    else if (!plain && need / MAX_DEFLATE_RATIO > bytes)
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "dims claim %lld bytes, %lld compressed ones can't hold them",
                               (long long)need, (long long)bytes);
    else if (!plain && !(gzip_size(path, bytes, &claimed) && claimed == (uint32_t)need)) {
        uint8_t buffer[8192];
        int64_t left = need;
        while (status == GENSEG_OK && left > 0) {
            size_t part = left < (int64_t)sizeof buffer ? (size_t)left : sizeof buffer;
            status = read_exactly(file, buffer, part, "the voxels", NULL);
            left -= (int64_t)part;
        }
        if (status != GENSEG_OK)
            status = gsg_error_set(err, GENSEG_ERROR_FORMAT,
                                   "truncated or damaged: dims claim %lld bytes, fewer than %lld can be unpacked",
                                   (long long)need, (long long)(need - left));
    }
    gzclose(file);
    return status;
}

// `keeper` (may be NULL) takes header and extensions.
static genseg_status load_header(const char *path, header *head, gsg_source *keeper, gsg_error *err)
{
    memset(head, 0, sizeof *head);
    gzFile file = gzopen(path, "rb");
    if (!file)
        return gsg_error_set(err, GENSEG_ERROR_IO, "%s", gsg_error_system(errno));
    genseg_status status = GENSEG_OK;
    GSG_TRY(read_exactly(file, &head->raw, HEADER_BYTES, "the header", err));
    GSG_TRY(check_header(head, is_pair_name(path), err));
    if (keeper)
        GSG_TRY(keep_header(file, head, keeper, err));
done:
    gzclose(file);
    return status;
}

static genseg_status read_header(const gsg_location *at, gsg_source *source, gsg_error *err)
{
    header head;
    char *voxels = NULL;
    genseg_status status = GENSEG_OK;
    GSG_TRY(load_header(at->path, &head, source, err));
    GSG_TRY(voxel_path(source->context, at->path, &voxels, err));
    GSG_TRY(check_length(voxels, &head, err));
    const short *dim = head.raw.dim;
    for (int axis = 0; axis < 3; axis++)
        source->size[2 - axis] = dim[0] > axis ? dim[axis + 1] : 1;
    source->ndim = source->size[0] > 1 ? 3 : 2;
    source->channels = 1;
    for (int d = 4; d <= dim[0]; d++)
        source->channels *= dim[d];
    set_geometry(&head.raw, source);
done:
    gsg_free(source->context, voxels);
    return status;
}

// Where decoded voxels go: image or label, one of the two.
typedef struct target {
    float *image;
    int32_t *label;
    const int64_t *size;
} target;

static genseg_status read_voxels(const gsg_location *at, const gsg_source *source, int64_t count, target to,
                                 gsg_error *err)
{
    header head;
    char *path = NULL;
    gzFile file = NULL;
    uint8_t *chunk = NULL;
    genseg_status status = GENSEG_OK;
    GSG_TRY(load_header(at->path, &head, NULL, err));
    int width = (int)gsg_dtype_size(head.dtype);
    if (head.bytes != count * width) {
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "the file has changed since it was opened");
        goto done;
    }
    GSG_TRY(voxel_path(source->context, at->path, &path, err));
    file = gzopen(path, "rb");
    if (!file || gzbuffer(file, CHUNK_BYTES) != 0 || gzseek(file, (z_off_t)head.offset, SEEK_SET) < 0) {
        status = gsg_error_set(err, file ? GENSEG_ERROR_FORMAT : GENSEG_ERROR_IO, "%s",
                               file ? "truncated before the first voxel" : gsg_error_system(errno));
        goto done;
    }
    chunk = gsg_alloc(source->context, CHUNK_BYTES, 1);
    if (!chunk) {
        status = gsg_error_nomem(err, CHUNK_BYTES);
        goto done;
    }
    const int64_t step = CHUNK_BYTES / width;
    for (int64_t i = 0; i < count; i += step) {
        int64_t part = count - i < step ? count - i : step;
        GSG_TRY(read_exactly(file, chunk, (size_t)(part * width), "the voxels", err));
        if (head.swapped && width > 1)
            nifti_swap_Nbytes((size_t)part, width, chunk);
        if (to.image)
            gsg_decode_image(chunk, head.dtype, part, head.slope, head.inter, to.image + i);
        else
            GSG_TRY(gsg_decode_label(chunk, head.dtype, part, head.slope, head.inter, i, to.size, to.label + i, err));
    }
done:
    if (file)
        gzclose(file);
    gsg_free(source->context, chunk);
    gsg_free(source->context, path);
    return status;
}

static genseg_status read_image(const gsg_location *at, const gsg_source *source, float *dst, gsg_error *err)
{
    int64_t count = source->channels * source->size[0] * source->size[1] * source->size[2];
    return read_voxels(at, source, count, (target){.image = dst, .size = source->size}, err);
}

static genseg_status read_label(const gsg_location *at, const gsg_source *source, int32_t *dst, gsg_error *err)
{
    if (source->channels != 1)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED,
                             "the label map has %d volumes in its 4th dimension, must be one", source->channels);
    int64_t count = source->size[0] * source->size[1] * source->size[2];
    return read_voxels(at, source, count, (target){.label = dst, .size = source->size}, err);
}

// A file being written, through gzip where its name says so.
typedef struct writer {
    gsg_file_writer file;
    bool compressed;
    z_stream stream;
    uint8_t out[1 << 15];
} writer;

static genseg_status put(writer *to, const void *data, size_t size, bool last, gsg_error *err)
{
    if (!to->compressed)
        return gsg_file_write(&to->file, data, size, err);
    // z_stream counts in 32 bits; the callers pass chunks below that.
    to->stream.next_in = (Bytef *)data;
    to->stream.avail_in = (uInt)size;
    do {
        to->stream.next_out = to->out;
        to->stream.avail_out = sizeof to->out;
        if (deflate(&to->stream, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
            return gsg_error_set(err, GENSEG_ERROR_BACKEND, "zlib could not compress");
        genseg_status status = gsg_file_write(&to->file, to->out, sizeof to->out - to->stream.avail_out, err);
        if (status != GENSEG_OK)
            return status;
    } while (to->stream.avail_out == 0);
    return GENSEG_OK;
}

// The reference's own header, or one that states its geometry.
static void start_header(const gsg_source *reference, nifti_1_header *raw)
{
    if (reference->header) {
        memcpy(raw, reference->header, sizeof *raw);
        return;
    }
    memset(raw, 0, sizeof *raw);
    const gsg_geometry *geometry = &reference->geometry;
    raw->sizeof_hdr = HEADER_BYTES;
    raw->regular = 'r';
    raw->dim[0] = (short)reference->ndim;
    raw->xyzt_units = geometry->affine_known ? NIFTI_UNITS_MM : NIFTI_UNITS_UNKNOWN;
    for (int axis = 0; axis < 3; axis++)
        raw->pixdim[axis + 1] = (float)geometry->spacing[2 - axis];
    raw->pixdim[0] = 1.0f;
    if (!geometry->affine_known)
        return;
    mat44 matrix;
    for (int row = 0; row < 4; row++)
        for (int column = 0; column < 4; column++)
            matrix.m[row][column] = (float)geometry->affine[4 * row + column];
    float d[3], qfac = 1.0f;
    nifti_mat44_to_quatern(matrix, &raw->quatern_b, &raw->quatern_c, &raw->quatern_d, &raw->qoffset_x, &raw->qoffset_y,
                           &raw->qoffset_z, &d[0], &d[1], &d[2], &qfac);
    raw->pixdim[0] = qfac;
    memcpy(raw->srow_x, matrix.m[0], sizeof raw->srow_x);
    memcpy(raw->srow_y, matrix.m[1], sizeof raw->srow_y);
    memcpy(raw->srow_z, matrix.m[2], sizeof raw->srow_z);
    raw->qform_code = NIFTI_XFORM_SCANNER_ANAT;
    raw->sform_code = NIFTI_XFORM_SCANNER_ANAT;
}

static genseg_status make_header(const gsg_source *reference, int32_t dtype, int64_t classes, nifti_1_header *raw,
                                 gsg_error *err)
{
    start_header(reference, raw);
    for (int axis = 0; axis < 3; axis++)
        if (reference->size[axis] > INT16_MAX)
            return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "NIfTI-1 holds at most %d voxels an axis, not %lld",
                                 INT16_MAX, (long long)reference->size[axis]);
    // A 2-D picture with nz = 1 stays what it was; channels go.
    int spatial = reference->ndim == 3 ? 3 : raw->dim[0] < 3 ? 2 : 3;
    raw->dim[0] = (short)(classes > 0 ? 4 : spatial);
    for (int axis = 0; axis < 3; axis++)
        raw->dim[axis + 1] = (short)reference->size[2 - axis];
    for (int d = 4; d < 8; d++)
        raw->dim[d] = 1;
    if (classes > 0) {
        raw->dim[4] = (short)classes;
        raw->pixdim[4] = 1.0f;
    }
    raw->datatype = (short)nifti_datatype(dtype);
    raw->bitpix = (short)(8 * gsg_dtype_size(dtype));
    raw->scl_slope = 1.0f;
    raw->scl_inter = 0.0f;
    raw->cal_min = raw->cal_max = 0.0f;
    raw->glmin = raw->glmax = 0;
    raw->intent_code = NIFTI_INTENT_NONE;
    raw->intent_p1 = raw->intent_p2 = raw->intent_p3 = 0.0f;
    memset(raw->intent_name, 0, sizeof raw->intent_name);
    memset(raw->aux_file, 0, sizeof raw->aux_file);
    size_t extensions = reference->header ? reference->header_size - ONE_FILE_OFFSET : 0;
    raw->vox_offset = (float)(ONE_FILE_OFFSET + extensions);
    memcpy(raw->magic, "n+1", 4);
    return GENSEG_OK;
}

genseg_status gsg_nifti_write(genseg_context *context, const char *path, const genseg_array *stored, int64_t classes,
                              const gsg_source *reference, gsg_error *err)
{
    nifti_1_header raw;
    genseg_status status = make_header(reference, stored->dtype, classes, &raw, err);
    if (status != GENSEG_OK)
        return status;
    writer *to = gsg_alloc_zero(context, 1, sizeof *to);
    if (!to)
        return gsg_error_nomem(err, sizeof *to);
    bool deflating = false;
    to->compressed = gsg_text_ends(path, ".gz");
    status = gsg_file_begin(&to->file, context, path, NULL, err);
    if (status != GENSEG_OK) {
        gsg_free(context, to);
        return status;
    }
    if (to->compressed) {
        // 15 + 16: a gzip wrapper, without name and time, so that equal maps give equal files.
        if (deflateInit2(&to->stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
            status = gsg_error_nomem(err, 1 << 18);
            goto done;
        }
        deflating = true;
    }
    static const uint8_t no_extension[4] = {0};
    GSG_TRY(put(to, &raw, HEADER_BYTES, false, err));
    if (reference->header)
        GSG_TRY(put(to, reference->header + HEADER_BYTES, reference->header_size - HEADER_BYTES, false, err));
    else
        GSG_TRY(put(to, no_extension, sizeof no_extension, false, err));
    int64_t bytes = (int64_t)gsg_dtype_size(stored->dtype);
    for (int32_t axis = 0; axis < stored->ndim; axis++)
        bytes *= stored->shape[axis];
    const uint8_t *data = stored->data;
    for (int64_t at = 0; at < bytes; at += CHUNK_BYTES)
        GSG_TRY(put(to, data + at, (size_t)(bytes - at < CHUNK_BYTES ? bytes - at : CHUNK_BYTES), false, err));
    GSG_TRY(put(to, data, 0, true, err));
    GSG_TRY(gsg_file_commit(&to->file, err));
done:
    if (deflating)
        deflateEnd(&to->stream);
    gsg_file_abort(&to->file);
    gsg_free(context, to);
    return status;
}

static genseg_status write_label(genseg_context *context, const char *path, const genseg_array *label, int64_t low,
                                 int64_t high, const gsg_source *reference, gsg_error *err)
{
    if (is_pair_name(path))
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "label maps are written as .nii or .nii.gz");
    genseg_array stored;
    genseg_status status = gsg_label_narrow(context, label, gsg_label_dtype(low, high), &stored, err);
    if (status != GENSEG_OK)
        return status;
    status = gsg_nifti_write(context, path, &stored, 0, reference, err);
    if (stored.data != label->data)
        gsg_free(context, stored.data);
    return status;
}

static const char *const extensions[] = {".nii", ".nii.gz", ".hdr", ".hdr.gz", NULL};

const gsg_format gsg_format_nifti = {
    .name = "NIfTI",
    .extensions = extensions,
    .recognise = recognise,
    .read_header = read_header,
    .read_image = read_image,
    .read_label = read_label,
    .write_label = write_label,
};
