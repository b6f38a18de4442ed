// The three levels of GenSeg (arXiv 2408.17421) on one segmenter:
//   I    generator and discriminator on real pairs (gan.h)
//   II   the segmenter on real pairs and synthetic ones: L(real) + gamma_decay gamma L(synthetic)
//   III  everything that shapes synthetic pairs, on real validation pairs, through one step of lookahead
// The lookahead of level III is the ordinary step itself: weights before the step are kept, the gradient of the
// validation loss after it is followed back through the step (hypergradient.c).
#ifndef GSG_TRAIN_MULTILEVEL_H
#define GSG_TRAIN_MULTILEVEL_H

#include "train/direction.h"
#include "train/lever.h"
#include "train/synthesis.h"

// How level III inverts level II's problem.
typedef enum gsg_solver {
    GSG_SOLVER_ONE_STEP = 1, // through the newest step alone (Liu et al. 2019, DARTS)
    GSG_SOLVER_NEUMANN,      // a truncated Neumann series (Lorraine et al. 2020)
    GSG_SOLVER_CG            // conjugate gradients on the damped Hessian (Rajeswaran et al. 2019)
} gsg_solver;

// Batches that the caller supplies. `index` are numbers of training pairs, one float a sample.
typedef enum gsg_feed_kind {
    GSG_FEED_PAIR,      // level I: image and mask
    GSG_FEED_REAL,      // level II: image and mask
    GSG_FEED_MASK,      // level II: mask and index, to be made a synthetic pair; image is NULL
    GSG_FEED_VALIDATION // level III: image and mask
} gsg_feed_kind;

// Writes batch `step` of a kind: image (N, C, spatial), mask one-hot (N, K or 1, spatial).
typedef genseg_status (*gsg_feed_fn)(gsg_feed_kind kind, int64_t step, float *image, float *mask, float *index,
                                     void *user, gsg_error *err);

// The segmenter's logits of an image.
typedef gsg_value (*gsg_segment_fn)(gsg_graph *graph, gsg_value image, gsg_mode mode, const void *user);

typedef struct gsg_multilevel_options {
    gsg_segment_fn segment;
    const void *segment_user;
    int64_t outputs;     // logits a voxel
    gsg_gan_options gan; // sizes and batch are those of all levels
    gsg_synthesis_options synthesis;
    int64_t pairs;      // training pairs
    const float *class_weights; // of the segmenter's cross entropy, borrowed, read at each step; NULL: none
    int32_t levers;     // gsg_lever_group bits; 0: no level III
    int32_t solver;     // gsg_solver
    int32_t terms;      // of the Neumann series, or iterations of conjugate gradients; 3
    int32_t gan_every;  // segmenter steps between steps of level I; 0: the generator is frozen
    int32_t levers_every; // segmenter steps between steps of level III; with level I in the same step
    int32_t recompute;  // of the segmenter's plans, see plan.h
    double damping;     // of conjugate gradients, relative to the curvature along the gradient; 1
    double probe;       // length of a probe's step, 0.01
    double gamma;       // at first
    double appearance;  // magnitudes at first
    double levers_lr;   // of level III's Adam
    double feedback_lr; // of the generator's weights under GSG_LEVER_GENERATOR
    double gan_lr;
    uint64_t seed;
    gsg_feed_fn feed;
    void *feed_user;
} gsg_multilevel_options;

typedef struct gsg_multilevel gsg_multilevel;
struct gsg_multilevel {
    genseg_context *context;
    gsg_multilevel_options options;
    gsg_params *segmenter;    // borrowed
    gsg_optimizer *optimizer; // of the segmenter, borrowed
    gsg_gan *gan;
    gsg_synthesis *synthesis;
    gsg_levers *levers;
    gsg_lever *warp, *appearance, *gamma, *pairs; // of the list

    gsg_plan *joint; // level II
    gsg_value image, target, synthetic_image, synthetic_target, class_weights, joint_gamma, joint_pairs, index, loss;
    gsg_plan *outer; // level III: the validation loss and its gradient
    gsg_value outer_image, outer_target, outer_weights, outer_loss;
    gsg_plan *probe; // the synthetic loss and what shapes it
    gsg_value probe_image, probe_target, probe_weights, probe_pairs, probe_index, probe_loss;
    gsg_value probe_image_gradient, probe_target_gradient, probe_pairs_gradient;

    gsg_params *segmenter_before, *segmenter_after, *gan_before, *gan_after; // of the step that level III looks through
    gsg_direction *v, *work[3]; // of the segmenter; work as the solver needs
    gsg_direction *u, *q;       // of the generator's weights
    gsg_direction *seen, *gan_seen; // gradients that the newest steps of segmenter and generator went by
    gsg_direction *logits;      // of the architecture
    gsg_optimizer *feedback;    // of the generator's weights
    float *image_seed, *target_seed, *pairs_seed; // from the first of two probes

    double gan_decay, gamma_decay; // factors of gan_lr beside the segmenter and of gamma, set before a step; 1
    int64_t pretrained; // steps of level I before the first of the others
    int32_t due;        // non-zero: the step in progress ends with level III
    int32_t watching;   // non-zero: level III looks and does not move anything
    int32_t stage, cut; // of the step in progress, see multilevel_step.c
    double validation_loss; // of the newest level III
    double v_norm, u_norm;
    int64_t updates; // of level III
};

gsg_multilevel_options gsg_multilevel_defaults(int32_t spatial);
// `segmenter` and `optimizer` must outlive it.
genseg_status gsg_multilevel_new(genseg_context *context, const gsg_multilevel_options *options, gsg_params *segmenter,
                                 gsg_optimizer *optimizer, gsg_multilevel **multilevel, gsg_error *err);
void gsg_multilevel_free(gsg_multilevel *multilevel); // NULL allowed
void gsg_multilevel_set_poll(gsg_multilevel *multilevel, gsg_poll_fn poll, void *user);

// One step of level I alone (pre-training), number `step`. After CANCELLED the next call goes on with it.
genseg_status gsg_multilevel_pretrain(gsg_multilevel *multilevel, int64_t step, gsg_error *err);
// One step of the segmenter with what is due of levels I and III. *loss is level II's. After CANCELLED the next call
// goes on where this one stopped; in level III it begins that level again, and all weights are those after level II.
genseg_status gsg_multilevel_step(gsg_multilevel *multilevel, int64_t step, double lr, double *loss, gsg_error *err);

// Level III after level II's step `step`: the gradients of all levers, and u. Weights come back bit for bit.
genseg_status gsg_hypergradient(gsg_multilevel *multilevel, int64_t step, gsg_error *err);
// Writes the classes' weights to an input of a plan; nothing where it is GSG_NONE.
void gsg_multilevel_weigh(const gsg_multilevel *multilevel, gsg_plan *plan, gsg_value weights);
// What a run of level I's plans carries in this step: numbers go on from pre-training.
gsg_run gsg_multilevel_gan_run(const gsg_multilevel *multilevel, int64_t step);
// Does this step end with level III, and begin with level I?
int32_t gsg_multilevel_due(const gsg_multilevel *multilevel, int64_t step);
int32_t gsg_multilevel_moves_generator(const gsg_multilevel *multilevel, int64_t step);

#endif
