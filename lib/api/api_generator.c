// genseg/generator.h: checks arguments, completes options, brings host arrays to dense ones and results back.
#include "genseg/generator.h"

#include <string.h>

#include "core/parallel.h"
#include "predict/synthesizer.h"
#include "tensor/array.h"

_Static_assert(GENSEG_DISCRETISE_MERGED == (int)GSG_DISCRETISE_MERGED &&
                   GENSEG_DISCRETISE_BEST == (int)GSG_DISCRETISE_BEST,
               "ways to discretise");

genseg_status genseg_synthesize_options_init(genseg_synthesize_options *options, size_t size)
{
    genseg_synthesize_options defaults;
    gsg_synthesize_defaults(&defaults);
    return gsg_options_init(options, size, &defaults, sizeof defaults);
}

static genseg_status missing(const char *name, gsg_error *err)
{
    return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s is NULL", name);
}

static genseg_status check_generator(const genseg_generator *generator, gsg_error *err)
{
    return generator ? gsg_context_check(generator->context, err) : missing("generator", err);
}

static genseg_status complete(const genseg_synthesize_options *given, genseg_synthesize_options *options,
                              gsg_error *err)
{
    gsg_synthesize_defaults(options);
    genseg_status status = gsg_options_copy(options, sizeof *options, given, "genseg_synthesize_options", err);
    return status == GENSEG_OK ? gsg_synthesize_check(options, err) : status;
}

// The handle is constant to its users: all that changes behind it is a cache under a lock, and its count of references.
static genseg_generator *inner(const genseg_generator *generator)
{
    return (genseg_generator *)generator;
}

genseg_status genseg_generator_load(genseg_context *context, const char *path, genseg_generator **generator,
                                    genseg_error *err)
{
    genseg_status status = context ? gsg_context_check(context, err) : missing("context", err);
    if (status == GENSEG_OK && (!path || !generator))
        status = missing(path ? "generator" : "path", err);
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(context);
    status = gsg_synthesizer_load(context, path, generator, err);
    gsg_parallel_leave(saved);
    return status;
}

void genseg_generator_free(genseg_generator *generator)
{
    gsg_synthesizer_release(generator);
}

genseg_status genseg_generator_discretise(const genseg_generator *generator, int32_t how, genseg_generator **plain,
                                          genseg_error *err)
{
    genseg_status status = check_generator(generator, err);
    if (status == GENSEG_OK && !plain)
        status = missing("plain", err);
    if (status == GENSEG_OK && how != GENSEG_DISCRETISE_MERGED && how != GENSEG_DISCRETISE_BEST)
        status = gsg_error_set(err, GENSEG_ERROR_INVALID, "how is %d", (int)how);
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(generator->context);
    status = gsg_synthesizer_discretise(inner(generator), (gsg_discretise)how, plain, err);
    gsg_parallel_leave(saved);
    return status;
}

// ---- images

static genseg_status check_integers(const genseg_array *array, const char *name, gsg_error *err)
{
    if (!gsg_dtype_is_float(array->dtype))
        return GENSEG_OK;
    return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s has a floating-point dtype", name);
}

static genseg_status check_arrays(const genseg_generator *generator, const genseg_array *label,
                                  const genseg_array *image, const genseg_array *warped, gsg_error *err)
{
    genseg_status status;
    char text[GSG_SHAPE_TEXT_SIZE];
    const int32_t ndim = generator->network.spatial;
    const int64_t channels = generator->network.channels;
    GSG_TRY(gsg_array_check(label, "label", err));
    GSG_TRY(check_integers(label, "label", err));
    if (label->ndim != ndim)
        GSG_TRY(gsg_error_set(err, GENSEG_ERROR_SHAPE, "label is %s, the generator is %d-D",
                              gsg_shape_text(gsg_array_shape(label), text), (int)ndim));
    GSG_TRY(gsg_array_check(image, "image", err));
    const int64_t leading = image->ndim == ndim && channels == 1 ? 0 : channels;
    GSG_TRY(gsg_array_check_grid(image, leading, label, ndim, "image", "label", err));
    if (image->dtype != GENSEG_DTYPE_FLOAT32)
        GSG_TRY(gsg_error_set(err, GENSEG_ERROR_INVALID, "image is not float32"));
    if (warped) {
        GSG_TRY(gsg_array_check_grid(warped, 0, label, ndim, "warped", "label", err));
        GSG_TRY(check_integers(warped, "warped", err));
        for (int32_t k = 0; k < generator->classes; k++)
            if (!gsg_dtype_holds(warped->dtype, generator->values[k]))
                GSG_TRY(gsg_error_set(err, GENSEG_ERROR_INVALID, "label value %d doesn't fit the dtype of warped",
                                      (int)generator->values[k]));
    }
done:
    return status;
}

static genseg_status run(genseg_generator *generator, const genseg_array *label,
                         const genseg_synthesize_options *options, const genseg_array *image,
                         const genseg_array *warped, gsg_error *err)
{
    genseg_status status;
    genseg_context *context = generator->context;
    int64_t size[3] = {1, 1, 1};
    float *made = NULL;
    int32_t *moved = NULL;
    memcpy(size + 3 - label->ndim, label->shape, (size_t)label->ndim * sizeof *size);
    const size_t voxels = (size_t)(size[0] * size[1] * size[2]);
    int32_t *values = gsg_alloc(context, voxels, sizeof *values);
    if (!values)
        return gsg_error_nomem(err, voxels * sizeof *values);
    GSG_TRY(gsg_array_to_int32(label, values, err));
    GSG_TRY(gsg_synthesizer_run(generator, values, size, options, &made, warped ? &moved : NULL, err));
    gsg_array_from_float(made, image);
    if (warped)
        gsg_array_from_int32(moved, warped);
done:
    gsg_free(context, moved);
    gsg_free(context, made);
    gsg_free(context, values);
    return status;
}

genseg_status genseg_generator_run(const genseg_generator *generator, const genseg_array *label,
                                   const genseg_synthesize_options *options, const genseg_array *image,
                                   const genseg_array *warped, genseg_error *err)
{
    genseg_synthesize_options full;
    genseg_status status = check_generator(generator, err);
    if (status == GENSEG_OK && (!label || !image))
        status = missing(label ? "image" : "label", err);
    if (status == GENSEG_OK)
        status = complete(options, &full, err);
    if (status == GENSEG_OK)
        status = check_arrays(generator, label, image, warped, err);
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(generator->context);
    status = run(inner(generator), label, &full, image, warped, err);
    gsg_parallel_leave(saved);
    return status;
}

genseg_status genseg_generator_run_file(const genseg_generator *generator, const char *label_path,
                                        const genseg_synthesize_options *options, const char *image_path,
                                        const char *warped_path, genseg_error *err)
{
    genseg_synthesize_options full;
    genseg_status status = check_generator(generator, err);
    if (status == GENSEG_OK && (!label_path || !image_path))
        status = missing(label_path ? "image_path" : "label_path", err);
    if (status == GENSEG_OK)
        status = complete(options, &full, err);
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(generator->context);
    status = gsg_synthesizer_run_file(inner(generator), label_path, &full, image_path, warped_path, err);
    gsg_parallel_leave(saved);
    return status;
}

// ---- the file, and accessors

genseg_status genseg_generator_save(const genseg_generator *generator, const genseg_segmenter *segmenter,
                                    const char *path, genseg_error *err)
{
    genseg_status status = check_generator(generator, err);
    if (status == GENSEG_OK && (!segmenter || !path))
        status = missing(segmenter ? "path" : "segmenter", err);
    if (status == GENSEG_OK)
        status = gsg_context_check(segmenter->context, err);
    return status == GENSEG_OK ? gsg_synthesizer_save(generator, segmenter, path, err) : status;
}

genseg_status genseg_generator_describe(const genseg_generator *generator, genseg_generator_info *info,
                                        genseg_error *err)
{
    genseg_status status = check_generator(generator, err);
    if (status == GENSEG_OK && !info)
        status = missing("info", err);
    if (status != GENSEG_OK)
        return status;
    const gsg_generator *g = &generator->network;
    genseg_generator_info full = {.struct_size = sizeof full,
                                  .version = generator->version,
                                  .ndim = g->spatial,
                                  .channels = (int32_t)g->channels,
                                  .classes = generator->classes,
                                  .levels = g->levels,
                                  .candidates = gsg_generator_searchable(g) ? g->candidates : 1,
                                  .noise = (int32_t)g->noise,
                                  .width = g->width,
                                  .weights = gsg_params_values(generator->params, 1),
                                  .steps = generator->steps};
    memcpy(full.size, generator->size, sizeof full.size);
    status = gsg_options_init(info, info->struct_size, &full, sizeof full);
    return status == GENSEG_OK ? status : gsg_error_set(err, status, "info->struct_size is %zu", info->struct_size);
}
