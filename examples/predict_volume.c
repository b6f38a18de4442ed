// Segments a NIfTI volume, once from file to file and once in memory, where the affine goes along.
// usage: predict_volume [MODEL.safetensors IMAGE.nii.gz LABEL.nii.gz]
// Without arguments a small model is trained on generated volumes; one more is written to phantom.nii.gz and segmented.

#include <genseg/genseg.h>

#include <stdio.h>
#include <stdlib.h>

static genseg_status out_of_memory(genseg_error *err)
{
    snprintf(err->message, sizeof err->message, "out of memory");
    return err->status = GENSEG_ERROR_NOMEM;
}

// Each call gives 0 or an error, and the first error ends a chain.
static int train_small(genseg_context *context, genseg_segmenter **segmenter, const char *image, genseg_error *err)
{
    genseg_dataset *data = NULL;
    genseg_trainer *trainer = NULL;
    genseg_phantom_options phantom;
    genseg_phantom_options_init(&phantom, sizeof phantom);
    phantom.ndim = 3;
    phantom.count = 8;
    phantom.size[0] = 16; // slices
    phantom.size[1] = phantom.size[2] = 32;
    genseg_trainer_options options;
    genseg_trainer_options_init(&options, sizeof options);
    options.method = "plain"; // nothing but the network: a few seconds
    options.width = 8;
    options.steps = 100;
    options.lr = 5e-3;
    int failed = genseg_dataset_phantom(context, &phantom, &data, err) ||
                 genseg_dataset_split(data, 5, 2, 1, err) ||
                 genseg_trainer_new(context, data, &options, &trainer, err) ||
                 genseg_trainer_run(trainer, NULL, NULL, err) || genseg_trainer_segmenter(trainer, segmenter, err);
    int64_t unseen = 0;
    while (!failed && genseg_dataset_case_split(data, unseen) != GENSEG_SPLIT_TEST)
        ++unseen;
    failed = failed || genseg_dataset_save_image(data, unseen, image, err);
    genseg_trainer_free(trainer);
    genseg_dataset_free(data);
    return failed;
}

// The same with arrays of our own, as a viewer has them: any dtype and strides, and the affine of the image.
static genseg_status predict_array(const genseg_segmenter *segmenter, genseg_array image, const double *affine,
                                   const double *spacing, genseg_error *err)
{
    const int64_t *n = image.shape + 1; // behind the channels
    const size_t count = (size_t)(n[0] * n[1] * n[2]);
    int16_t *label = malloc(count * sizeof *label);
    const genseg_array result = {label, GENSEG_DTYPE_INT16, 3, {n[0], n[1], n[2]}, {2 * n[1] * n[2], 2 * n[2], 2}};
    genseg_status status =
        label ? genseg_segmenter_predict(segmenter, &image, affine, NULL, &result, NULL, err) : out_of_memory(err);
    const double voxel = spacing[0] * spacing[1] * spacing[2] / 1000; // mm^3 to ml
    for (int32_t k = 1; status == GENSEG_OK && k < genseg_segmenter_classes(segmenter); ++k) {
        const int64_t value = genseg_segmenter_label_value(segmenter, k);
        int64_t voxels = 0;
        for (size_t i = 0; i < count; ++i)
            voxels += label[i] == value;
        printf("label %lld (%s): %lld voxels, %.2f ml\n", (long long)value, genseg_segmenter_label_name(segmenter, k),
               (long long)voxels, (double)voxels * voxel);
    }
    free(label);
    return status;
}

// Reads the volume by the library; a host with a reader of its own has all this already.
static genseg_status predict_memory(genseg_context *context, const genseg_segmenter *segmenter, const char *path,
                                    genseg_error *err)
{
    genseg_dataset_options options;
    genseg_dataset *data = NULL;
    int64_t shape[4] = {0};
    double spacing[3], affine[16];
    genseg_dataset_options_init(&options, sizeof options);
    options.allow_unlabelled = 1; // one image, without a label map
    genseg_status status = genseg_dataset_open(context, path, &options, &data, err);
    if (status == GENSEG_OK)
        status = genseg_dataset_case_info(data, 0, shape, spacing, affine, NULL, err);
    const int64_t slice = shape[2] * shape[3], volume = shape[1] * slice;
    float *voxels = status == GENSEG_OK ? malloc((size_t)(shape[0] * volume) * sizeof *voxels) : NULL;
    if (status == GENSEG_OK)
        status = voxels ? genseg_dataset_case_read(data, 0, voxels, NULL, err) : out_of_memory(err);
    if (status == GENSEG_OK) {
        const genseg_array image = {voxels, GENSEG_DTYPE_FLOAT32, 4, {shape[0], shape[1], shape[2], shape[3]},
                                    {4 * volume, 4 * slice, 4 * shape[3], 4}};
        status = predict_array(segmenter, image, affine, spacing, err);
    }
    free(voxels);
    genseg_dataset_free(data);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 1 && argc != 4) {
        fprintf(stderr, "usage: %s [MODEL.safetensors IMAGE.nii.gz LABEL.nii.gz]\n", argv[0]);
        return 2;
    }
    const char *image = argc > 1 ? argv[2] : "phantom.nii.gz", *label = argc > 1 ? argv[3] : "phantom-label.nii.gz";
    genseg_error err;
    genseg_context *context = NULL;
    genseg_segmenter *segmenter = NULL;
    const int failed = genseg_context_new(NULL, &context, &err) ||
                       (argc > 1 ? genseg_segmenter_load(context, argv[1], &segmenter, &err)
                                 : train_small(context, &segmenter, image, &err)) ||
                       genseg_segmenter_predict_file(segmenter, image, NULL, label, NULL, &err) ||
                       predict_memory(context, segmenter, image, &err);
    if (failed)
        fprintf(stderr, "predict_volume: %s: %s\n", genseg_status_name(err.status), err.message);
    else
        printf("%s: on the grid of %s\n", label, image);
    genseg_segmenter_free(segmenter);
    genseg_context_free(context);
    return failed ? 1 : 0;
}
