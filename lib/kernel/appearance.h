// Random changes of a synthetic image (N, C, [D,] H, W) in the range -1..1, whose magnitudes can be
// differentiated, and the image too. In this order: Gaussian blur, contrast about the mean of each
// channel, brightness, gamma on the range mapped to 0..1, additive Gaussian noise; the range is kept
// by clamping before gamma and at the end, with gradient 0 outside. Chance is in the draws (as in
// kernel/deform.h), which hold the key of the noise, too.
#ifndef GSG_KERNEL_APPEARANCE_H
#define GSG_KERNEL_APPEARANCE_H

#include "kernel/kernel.h"

// Magnitudes: factors of the ranges below, 1 by default, 0: none; not negative. u is a draw.
typedef enum gsg_appearance_magnitude {
    GSG_APPEARANCE_CONTRAST,   // factor 1 + range * u (0.25), u in [-1, 1); never below 0.1
    GSG_APPEARANCE_BRIGHTNESS, // plus range * u (0.15), u in [-1, 1)
    GSG_APPEARANCE_GAMMA,      // exponent exp(range * u) (0.35), u in [-1, 1)
    GSG_APPEARANCE_NOISE,      // standard deviation range * u (0.1), u in [0, 1)
    GSG_APPEARANCE_BLUR,       // sigma range * u voxels (1), u in [0, 1); at most 5, none below 0.15
    GSG_APPEARANCE_MAGNITUDES
} gsg_appearance_magnitude;

// Draws of a sample: one for each magnitude, and two words of 24 bits that key the noise.
#define GSG_APPEARANCE_DRAWS (GSG_APPEARANCE_MAGNITUDES + 2)

typedef struct gsg_appearance {
    double spacing[3]; // millimetres, D, H, W: axes of thick slices are not blurred
    float range[GSG_APPEARANCE_MAGNITUDES];
    float chance; // of each change, for each sample
} gsg_appearance;

// The ranges above, spacing 1, chance 1/2.
void gsg_appearance_defaults(gsg_appearance *appearance);
// Fills `draws` for `samples` samples: rows of GSG_APPEARANCE_DRAWS, each padded to GSG_VECTOR_PAD with zeros. Sample
// n is number first + n of the stream of this seed, whatever the batch size.
void gsg_appearance_draw(const gsg_appearance *appearance, int64_t samples, uint64_t seed, uint64_t first,
                         float *draws);

// args: src, draws, magnitudes (vector of GSG_APPEARANCE_MAGNITUDES), dst
genseg_status gsg_appearance_forward_new(gsg_engine *engine, const gsg_appearance *appearance, const gsg_desc *src,
                                         const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err);
// args: src, draws, magnitudes, diff_dst, diff_src, diff_magnitudes; each of the last two may be NULL. Computes what it
// needs of the forward pass again. A channel of a sample is one thread's: the same bits with any number of threads.
genseg_status gsg_appearance_backward_new(gsg_engine *engine, const gsg_appearance *appearance, const gsg_desc *src,
                                          const gsg_desc *diff_dst, const gsg_desc *diff_src, gsg_kernel **kernel,
                                          gsg_error *err);

#endif
