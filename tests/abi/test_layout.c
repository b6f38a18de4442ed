// The layout of public structs, byte by byte, on machines with 64-bit pointers. A failure
// here means that programs compiled earlier break: structs grow at the end only.

#include <genseg/trainer.h>

#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX == UINT64_MAX

#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "size of " #type)
#define AT(type, member, bytes) _Static_assert(offsetof(type, member) == (bytes), #type "." #member)

SIZE(genseg_status, 4);

SIZE(genseg_error, 512);
AT(genseg_error, status, 0);
AT(genseg_error, reserved, 4);
AT(genseg_error, message, 8);

SIZE(genseg_array, 96);
AT(genseg_array, data, 0);
AT(genseg_array, dtype, 8);
AT(genseg_array, ndim, 12);
AT(genseg_array, shape, 16);
AT(genseg_array, strides, 56);

SIZE(genseg_progress, 80);
AT(genseg_progress, struct_size, 0);
AT(genseg_progress, phase, 8);
AT(genseg_progress, reserved, 12);
AT(genseg_progress, done, 16);
AT(genseg_progress, total, 24);
AT(genseg_progress, seconds, 32);
AT(genseg_progress, seconds_left, 40);
AT(genseg_progress, loss, 48);
AT(genseg_progress, validation_dice, 56);
AT(genseg_progress, best_dice, 64);
AT(genseg_progress, units_per_second, 72);

SIZE(genseg_context_options, 80);
AT(genseg_context_options, struct_size, 0);
AT(genseg_context_options, alloc, 8);
AT(genseg_context_options, free, 16);
AT(genseg_context_options, alloc_user, 24);
AT(genseg_context_options, log, 32);
AT(genseg_context_options, log_user, 40);
AT(genseg_context_options, log_level, 48);
AT(genseg_context_options, threads, 52);
AT(genseg_context_options, seed, 56);
AT(genseg_context_options, memory_limit, 64);
AT(genseg_context_options, no_winograd, 72);

SIZE(genseg_profile, 96);
AT(genseg_profile, struct_size, 0);
AT(genseg_profile, operation, 8);
AT(genseg_profile, ndim, 16);
AT(genseg_profile, shape, 24);
AT(genseg_profile, runs, 64);
AT(genseg_profile, seconds, 72);
AT(genseg_profile, flops, 80);
AT(genseg_profile, bytes, 88);

SIZE(genseg_dataset_options, 48);
AT(genseg_dataset_options, struct_size, 0);
AT(genseg_dataset_options, image_name, 8);
AT(genseg_dataset_options, label_name, 16);
AT(genseg_dataset_options, group_separators, 24);
AT(genseg_dataset_options, affine_tolerance, 32);
AT(genseg_dataset_options, allow_unlabelled, 40);
AT(genseg_dataset_options, grey, 44);

SIZE(genseg_finding, 40);
AT(genseg_finding, struct_size, 0);
AT(genseg_finding, severity, 8);
AT(genseg_finding, reserved, 12);
AT(genseg_finding, subject, 16);
AT(genseg_finding, message, 24);
AT(genseg_finding, remedy, 32);

SIZE(genseg_case, 56);
AT(genseg_case, struct_size, 0);
AT(genseg_case, name, 8);
AT(genseg_case, group, 16);
AT(genseg_case, image, 24);
AT(genseg_case, label, 32);
AT(genseg_case, affine, 40);
AT(genseg_case, channels, 48);
AT(genseg_case, reserved, 52);

SIZE(genseg_phantom_options, 56);
AT(genseg_phantom_options, struct_size, 0);
AT(genseg_phantom_options, ndim, 8);
AT(genseg_phantom_options, count, 12);
AT(genseg_phantom_options, classes, 16);
AT(genseg_phantom_options, channels, 20);
AT(genseg_phantom_options, size, 24);
AT(genseg_phantom_options, seed, 48);

SIZE(genseg_metrics_options, 64);
AT(genseg_metrics_options, struct_size, 0);
AT(genseg_metrics_options, classes, 8);
AT(genseg_metrics_options, convention, 12);
AT(genseg_metrics_options, spacing, 16);
AT(genseg_metrics_options, surface_tolerance, 40);
AT(genseg_metrics_options, percentile, 48);
AT(genseg_metrics_options, surfaces, 56);
AT(genseg_metrics_options, background_surface, 60);

SIZE(genseg_metrics, 48);
AT(genseg_metrics, dice, 0);
AT(genseg_metrics, jaccard, 8);
AT(genseg_metrics, hd95, 16);
AT(genseg_metrics, assd, 24);
AT(genseg_metrics, surface_dice, 32);
AT(genseg_metrics, state, 40);
AT(genseg_metrics, reserved, 44);

SIZE(genseg_segmenter_info, 152);
AT(genseg_segmenter_info, struct_size, 0);
AT(genseg_segmenter_info, architecture, 8);
AT(genseg_segmenter_info, version, 16);
AT(genseg_segmenter_info, ndim, 24);
AT(genseg_segmenter_info, channels, 28);
AT(genseg_segmenter_info, classes, 32);
AT(genseg_segmenter_info, levels, 36);
AT(genseg_segmenter_info, width, 40);
AT(genseg_segmenter_info, weights, 48);
AT(genseg_segmenter_info, normalise, 56);
AT(genseg_segmenter_info, scale, 60);
AT(genseg_segmenter_info, size, 64);
AT(genseg_segmenter_info, spacing, 88);
AT(genseg_segmenter_info, steps, 112);
AT(genseg_segmenter_info, train_cases, 120);
AT(genseg_segmenter_info, validation_cases, 128);
AT(genseg_segmenter_info, validation_dice, 136);
AT(genseg_segmenter_info, seed, 144);

SIZE(genseg_predict_options, 32);
AT(genseg_predict_options, struct_size, 0);
AT(genseg_predict_options, overlap, 8);
AT(genseg_predict_options, progress, 16);
AT(genseg_predict_options, progress_user, 24);

SIZE(genseg_evaluation, 80);
AT(genseg_evaluation, struct_size, 0);
AT(genseg_evaluation, index, 8);
AT(genseg_evaluation, name, 16);
AT(genseg_evaluation, scores, 24);
AT(genseg_evaluation, score_size, 32);
AT(genseg_evaluation, prediction, 40);
AT(genseg_evaluation, done, 48);
AT(genseg_evaluation, total, 56);
AT(genseg_evaluation, classes, 64);
AT(genseg_evaluation, reserved, 68);
AT(genseg_evaluation, seconds, 72);

SIZE(genseg_generator_info, 88);
AT(genseg_generator_info, struct_size, 0);
AT(genseg_generator_info, version, 8);
AT(genseg_generator_info, ndim, 16);
AT(genseg_generator_info, channels, 20);
AT(genseg_generator_info, classes, 24);
AT(genseg_generator_info, levels, 28);
AT(genseg_generator_info, candidates, 32);
AT(genseg_generator_info, noise, 36);
AT(genseg_generator_info, width, 40);
AT(genseg_generator_info, weights, 48);
AT(genseg_generator_info, size, 56);
AT(genseg_generator_info, steps, 80);

SIZE(genseg_synthesize_options, 40);
AT(genseg_synthesize_options, struct_size, 0);
AT(genseg_synthesize_options, seed, 8);
AT(genseg_synthesize_options, number, 16);
AT(genseg_synthesize_options, warp, 24);
AT(genseg_synthesize_options, reserved, 28);
AT(genseg_synthesize_options, magnitude, 32);

SIZE(genseg_trainer_options, 312);
AT(genseg_trainer_options, struct_size, 0);
AT(genseg_trainer_options, segmenter, 8);
AT(genseg_trainer_options, optimizer, 16);
AT(genseg_trainer_options, schedule, 24);
AT(genseg_trainer_options, width, 32);
AT(genseg_trainer_options, size, 40);
AT(genseg_trainer_options, batch, 64);
AT(genseg_trainer_options, steps, 72);
AT(genseg_trainer_options, seconds, 80);
AT(genseg_trainer_options, lr, 88);
AT(genseg_trainer_options, momentum, 96);
AT(genseg_trainer_options, weight_decay, 104);
AT(genseg_trainer_options, warmup, 112);
AT(genseg_trainer_options, foreground, 120);
AT(genseg_trainer_options, normalise, 128);
AT(genseg_trainer_options, augment, 132);
AT(genseg_trainer_options, symmetric, 136);
AT(genseg_trainer_options, class_weights, 140);
AT(genseg_trainer_options, validate_every, 144);
AT(genseg_trainer_options, patience, 152);
AT(genseg_trainer_options, seed, 160);
AT(genseg_trainer_options, method, 168);
AT(genseg_trainer_options, gan_loss, 176);
AT(genseg_trainer_options, solver, 184);
AT(genseg_trainer_options, gan_steps, 192);
AT(genseg_trainer_options, gan_every, 200);
AT(genseg_trainer_options, levers_every, 208);
AT(genseg_trainer_options, generator_width, 216);
AT(genseg_trainer_options, generator_levels, 224);
AT(genseg_trainer_options, discriminator_width, 232);
AT(genseg_trainer_options, candidates, 240);
AT(genseg_trainer_options, noise, 244);
AT(genseg_trainer_options, levers, 248);
AT(genseg_trainer_options, solver_terms, 252);
AT(genseg_trainer_options, gan_lr, 256);
AT(genseg_trainer_options, l1, 264);
AT(genseg_trainer_options, gamma, 272);
AT(genseg_trainer_options, appearance, 280);
AT(genseg_trainer_options, levers_lr, 288);
AT(genseg_trainer_options, feedback_lr, 296);
AT(genseg_trainer_options, recompute, 304);

SIZE(genseg_audit, 64);
AT(genseg_audit, struct_size, 0);
AT(genseg_audit, lever, 8);
AT(genseg_audit, group, 16);
AT(genseg_audit, index, 20);
AT(genseg_audit, gradient, 24);
AT(genseg_audit, brute, 32);
AT(genseg_audit, noise, 40);
AT(genseg_audit, done, 48);
AT(genseg_audit, total, 56);

SIZE(genseg_lever, 40);
AT(genseg_lever, struct_size, 0);
AT(genseg_lever, name, 8);
AT(genseg_lever, group, 16);
AT(genseg_lever, count, 20);
AT(genseg_lever, value, 24);
AT(genseg_lever, gradient, 32);

#endif

// The checks are the compiler's.
int main(void)
{
    return 0;
}
