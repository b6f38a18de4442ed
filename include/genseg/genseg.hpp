/**
 * @file genseg.hpp
 * libgenseg for C++11 and later: handles that free themselves, exceptions instead of status codes,
 * std::function for callbacks. Header-only, and no behaviour of its own: each call says in C's headers
 * what it does, which errors it has and from which threads it may come.
 *
 *     genseg::Context context;
 *     genseg::Dataset data = genseg::Dataset::open(context, "DATA");
 *     data.split(7, 2, 1);
 *     genseg::Trainer trainer(context, data);
 *     trainer.run();
 *     trainer.segmenter().save("model.safetensors");
 *
 * - Handles can be moved, not copied. An empty one (made by default, moved from, released) converts to
 *   false; calls on it throw invalid_argument, accessors give what C gives for NULL. They may go in any order.
 * - An exception thrown in a callback never crosses C: it cancels the call where that is possible, and
 *   comes out of the call afterwards in place of its error.
 * - Where C takes NULL for "none" or "not wanted", here an empty string, function or array stands for it.
 *   Where C returns NULL as a text, here an empty string is returned.
 *
 * @since 0.1
 */
#ifndef GENSEG_GENSEG_HPP
#define GENSEG_GENSEG_HPP

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "genseg/base.hpp"

namespace genseg {

/** genseg_version(). @since 0.1 */
inline std::string version()
{
    return genseg_version();
}
/** genseg_abi_version(). @since 0.1 */
inline std::string abi_version()
{
    return genseg_abi_version();
}
/** genseg_build_info(). @since 0.1 */
inline std::string build_info()
{
    return genseg_build_info();
}
/** genseg_status_name(). @since 0.1 */
inline std::string status_name(genseg_status status)
{
    return genseg_status_name(status);
}
/** genseg_dtype_size(). @since 0.1 */
inline std::size_t dtype_size(int32_t dtype) noexcept
{
    return genseg_dtype_size(dtype);
}

/** Bytes that a context's handles hold, see genseg_context_memory(). @since 0.1 */
struct memory_use {
    uint64_t current, peak;
};

/** A genseg_profile with a text of its own. @since 0.1 */
struct profile_row : genseg_profile {
    std::string operation;
};

/** See context.h. @since 0.1 */
class Context : public detail::handle<genseg_context, genseg_context_free> {
public:
    using handle::handle;
    /** With the defaults; `Context(nullptr)` is an empty one. */
    Context() : Context(context_options()) {}
    /**
     * genseg_context_new().
     * @param options its `alloc` and `free` are functions of C: nothing may be thrown from them
     * @param log takes the place of `options.log`
     */
    explicit Context(const context_options &options, log_function log = nullptr)
        : Context(make(options, std::move(log)))
    {
    }

    int32_t threads() const noexcept { return genseg_context_threads(get()); }
    memory_use memory() const noexcept
    {
        memory_use use;
        genseg_context_memory(get(), &use.current, &use.peak);
        return use;
    }
    /** genseg_context_peak(). */
    double peak() const noexcept { return genseg_context_peak(get()); }
    void set_profile(bool on) { invoke(genseg_context_set_profile, on ? 1 : 0); }
    /** All rows, those that took longest first: genseg_context_profile(). */
    std::vector<profile_row> profile() const
    {
        std::vector<profile_row> rows;
        for (genseg_profile row = detail::sized<genseg_profile>();
             genseg_context_profile(get(), static_cast<int64_t>(rows.size()), &row, nullptr) == GENSEG_OK;) {
            rows.emplace_back();
            static_cast<genseg_profile &>(rows.back()) = row;
            rows.back().operation = detail::text(row.operation);
        }
        return rows;
    }

private:
    static Context make(genseg_context_options options, log_function log)
    {
        detail::shared_host owner;
        if (log) {
            owner = std::make_shared<detail::host>(std::move(log));
            options.log = detail::host::on_log;
            options.log_user = owner.get();
        }
        genseg_context *made = nullptr;
        detail::call work(owner);
        const genseg_status status = genseg_context_new(&options, &made, &work.err);
        Context context(made, owner);
        work.finish(status);
        return context;
    }
};

/** Shape and geometry of a case, see genseg_dataset_case_info(). @since 0.1 */
struct case_info {
    std::array<int64_t, 4> shape; /**< channels, D, H, W */
    std::array<double, 3> spacing;
    std::array<double, 16> affine;
    bool labelled;
};

/** See dataset.h. @since 0.1 */
class Dataset : public detail::handle<genseg_dataset, genseg_dataset_free> {
public:
    using handle::handle;
    Dataset() = default;
    /** genseg_dataset_new(): without cases, for add(). */
    explicit Dataset(const Context &context) : Dataset(detail::access::make<Dataset>(context, genseg_dataset_new)) {}
    static Dataset open(const Context &context, const std::string &path,
                        const dataset_options &options = dataset_options())
    {
        return detail::access::make<Dataset>(context, genseg_dataset_open, path.c_str(), &options);
    }
    static Dataset phantom(const Context &context, const phantom_options &options = phantom_options())
    {
        return detail::access::make<Dataset>(context, genseg_dataset_phantom, &options);
    }

    /** genseg_dataset_add(). @param affine 16 values, or nullptr @param group empty: the name */
    void add(const std::string &name, const const_array &image, const const_array &label = const_array(),
             const double *affine = nullptr, int32_t channels = 0, const std::string &group = std::string())
    {
        genseg_case item = detail::sized<genseg_case>();
        item.name = name.c_str();
        item.group = detail::optional(group);
        item.image = image.get();
        item.label = label.get();
        item.affine = affine;
        item.channels = channels;
        detail::call work(host_);
        work.finish(genseg_dataset_add(get(), &item, &work.err));
    }
    void split(int64_t train, int64_t validation, uint64_t seed)
    {
        invoke(genseg_dataset_split, train, validation, seed);
    }
    void set_label_name(int64_t value, const std::string &name)
    {
        invoke(genseg_dataset_set_label_name, value, name.c_str());
    }
    void inspect(const finding_function &report) const
    {
        detail::call work(host_);
        detail::trampoline<genseg_finding> told(work, report);
        work.finish(genseg_dataset_inspect(get(), told.run, &told, &work.err));
    }
    static void inspect_path(const Context &context, const std::string &path, const finding_function &report,
                             const dataset_options &options = dataset_options())
    {
        detail::call work(detail::access::host_of(context));
        detail::trampoline<genseg_finding> told(work, report);
        work.finish(genseg_dataset_inspect_path(context.get(), path.c_str(), &options, told.run, &told, &work.err));
    }
    void save_hdf5(const std::string &path) const { invoke(genseg_dataset_save_hdf5, path.c_str()); }
    void save_image(int64_t index, const std::string &path) const
    {
        invoke(genseg_dataset_save_image, index, path.c_str());
    }
    void save_label(int64_t index, const const_array &label, const std::string &path) const
    {
        invoke(genseg_dataset_save_label, index, label.get(), path.c_str());
    }
    void save_picture(int64_t index, const std::string &path, const int32_t *prediction = nullptr) const
    {
        invoke(genseg_dataset_save_picture, index, prediction, path.c_str());
    }

    int64_t size() const noexcept { return genseg_dataset_size(get()); }
    int32_t ndim() const noexcept { return genseg_dataset_ndim(get()); }
    int32_t channels() const noexcept { return genseg_dataset_channels(get()); }
    int32_t classes() const noexcept { return genseg_dataset_classes(get()); }
    int64_t label_value(int32_t k) const noexcept { return genseg_dataset_label_value(get(), k); }
    std::string label_name(int32_t k) const { return detail::text(genseg_dataset_label_name(get(), k)); }
    std::string case_name(int64_t index) const { return detail::text(genseg_dataset_case_name(get(), index)); }
    std::string case_group(int64_t index) const { return detail::text(genseg_dataset_case_group(get(), index)); }
    std::string case_path(int64_t index) const { return detail::text(genseg_dataset_case_path(get(), index)); }
    int32_t case_split(int64_t index) const noexcept { return genseg_dataset_case_split(get(), index); }

    genseg::case_info case_info(int64_t index) const
    {
        genseg::case_info info;
        int32_t labelled = 0;
        invoke(genseg_dataset_case_info, index, info.shape.data(), info.spacing.data(), info.affine.data(), &labelled);
        info.labelled = labelled != 0;
        return info;
    }
    /** genseg_dataset_case_read() into the caller's memory. */
    void case_read(int64_t index, float *image, int32_t *label) const
    {
        invoke(genseg_dataset_case_read, index, image, label);
    }
    /** The voxels of a case, C x D x H x W. */
    std::vector<float> case_image(int64_t index) const
    {
        const std::array<int64_t, 4> shape = case_info(index).shape;
        std::vector<float> image(static_cast<std::size_t>(shape[0] * shape[1] * shape[2] * shape[3]));
        case_read(index, image.data(), nullptr);
        return image;
    }
    /** The classes 0..K-1 of a case, D x H x W. */
    std::vector<int32_t> case_label(int64_t index) const
    {
        const std::array<int64_t, 4> shape = case_info(index).shape;
        std::vector<int32_t> label(static_cast<std::size_t>(shape[1] * shape[2] * shape[3]));
        case_read(index, nullptr, label.data());
        return label;
    }
};

/** genseg_metrics_evaluate(): one score for each of `options.classes`. @since 0.1 */
inline std::vector<genseg_metrics> evaluate_metrics(const Context &context, const const_array &reference,
                                                    const const_array &prediction,
                                                    const metrics_options &options = metrics_options())
{
    std::vector<genseg_metrics> results(options.classes > 0 ? static_cast<std::size_t>(options.classes) : 1);
    detail::call work(detail::access::host_of(context));
    work.finish(genseg_metrics_evaluate(context.get(), reference.get(), prediction.get(), &options, results.data(),
                                        sizeof(genseg_metrics), &work.err));
    return results;
}
/** genseg_metrics_state_name(). @since 0.1 */
inline std::string metrics_state_name(int32_t state)
{
    return genseg_metrics_state_name(state);
}
/** genseg_metrics_convention_name(). @since 0.1 */
inline std::string metrics_convention_name(int32_t convention)
{
    return genseg_metrics_convention_name(convention);
}
/** genseg_metrics_convention(). @since 0.1 */
inline int32_t metrics_convention(const std::string &name) noexcept
{
    return genseg_metrics_convention(name.c_str());
}
/** The score of class `k` in an evaluation. @since 0.1 */
inline const genseg_metrics &score(const genseg_evaluation &evaluation, int32_t k) noexcept
{
    const char *first = reinterpret_cast<const char *>(evaluation.scores);
    return *reinterpret_cast<const genseg_metrics *>(first + static_cast<std::size_t>(k) * evaluation.score_size);
}

/** A genseg_segmenter_info with texts of its own. @since 0.1 */
struct segmenter_info : genseg_segmenter_info {
    explicit segmenter_info(const genseg_segmenter_info &info)
        : genseg_segmenter_info(info), architecture(detail::text(info.architecture)),
          version(detail::text(info.version))
    {
    }
    std::string architecture, version;
};

/** See segmenter.h. @since 0.1 */
class Segmenter : public detail::handle<genseg_segmenter, genseg_segmenter_free> {
public:
    using handle::handle;
    static Segmenter load(const Context &context, const std::string &path)
    {
        return detail::access::make<Segmenter>(context, genseg_segmenter_load, path.c_str());
    }
    void save(const std::string &path) const { invoke(genseg_segmenter_save, path.c_str()); }

    /**
     * genseg_segmenter_predict().
     * @param affine 16 values, or nullptr: unknown
     * @param progress takes the place of `options.progress`
     */
    void predict(const const_array &image, const array &label, const double *affine = nullptr,
                 const array &probability = array(), const predict_options &options = predict_options(),
                 const progress_function &progress = nullptr) const
    {
        detail::call work(host_);
        detail::trampoline<genseg_progress> told(work, progress);
        const predict_options full = complete(options, progress, told);
        work.finish(genseg_segmenter_predict(get(), image.get(), affine, &full, label.get(), probability.get(),
                                             &work.err));
    }
    /** genseg_segmenter_predict_file(). */
    void predict_file(const std::string &image_path, const std::string &label_path,
                      const std::string &probability_path = std::string(),
                      const predict_options &options = predict_options(),
                      const progress_function &progress = nullptr) const
    {
        detail::call work(host_);
        detail::trampoline<genseg_progress> told(work, progress);
        const predict_options full = complete(options, progress, told);
        work.finish(genseg_segmenter_predict_file(get(), image_path.c_str(), &full, detail::optional(label_path),
                                                  detail::optional(probability_path), &work.err));
    }
    void divide(Dataset &dataset) const { invoke(genseg_segmenter_divide, dataset.get()); }
    /** genseg_segmenter_evaluate(); score() reads what `report` is given. */
    void evaluate(const Dataset &dataset, int32_t split, const evaluation_function &report,
                  const metrics_options &metrics = metrics_options(),
                  const predict_options &options = predict_options(),
                  const progress_function &progress = nullptr) const
    {
        detail::call work(host_);
        detail::trampoline<genseg_evaluation> scored(work, report);
        detail::trampoline<genseg_progress> told(work, progress);
        const predict_options full = complete(options, progress, told);
        work.finish(genseg_segmenter_evaluate(get(), dataset.get(), split, &metrics, &full, scored.run, &scored,
                                              &work.err));
    }
    std::string extension(const std::string &image_path, bool probability = false) const
    {
        const char *found = nullptr;
        invoke(genseg_segmenter_extension, image_path.c_str(), probability ? 1 : 0, &found);
        return detail::text(found);
    }
    segmenter_info describe() const
    {
        genseg_segmenter_info info = detail::sized<genseg_segmenter_info>();
        invoke(genseg_segmenter_describe, &info);
        return segmenter_info(info);
    }

    int32_t classes() const noexcept { return genseg_segmenter_classes(get()); }
    int64_t label_value(int32_t k) const noexcept { return genseg_segmenter_label_value(get(), k); }
    std::string label_name(int32_t k) const { return detail::text(genseg_segmenter_label_name(get(), k)); }

private:
    // A progress function of C in the options stays where there is none of C++.
    static predict_options complete(predict_options options, const progress_function &progress,
                                    detail::trampoline<genseg_progress> &told)
    {
        if (progress || !options.progress) {
            options.progress = told.run;
            options.progress_user = &told;
        }
        return options;
    }
};

/** A genseg_generator_info with a text of its own. @since 0.1 */
struct generator_info : genseg_generator_info {
    explicit generator_info(const genseg_generator_info &info)
        : genseg_generator_info(info), version(detail::text(info.version))
    {
    }
    std::string version;
};

/** See generator.h. @since 0.1 */
class Generator : public detail::handle<genseg_generator, genseg_generator_free> {
public:
    using handle::handle;
    static Generator load(const Context &context, const std::string &path)
    {
        return detail::access::make<Generator>(context, genseg_generator_load, path.c_str());
    }
    /** genseg_generator_save(): one model file with both. */
    void save(const Segmenter &segmenter, const std::string &path) const
    {
        invoke(genseg_generator_save, segmenter.get(), path.c_str());
    }
    Generator discretise(int32_t how) const
    {
        return detail::access::make<Generator>(*this, genseg_generator_discretise, how);
    }
    /** genseg_generator_run(). */
    void run(const const_array &label, const array &image, const array &warped = array(),
             const synthesize_options &options = synthesize_options()) const
    {
        invoke(genseg_generator_run, label.get(), &options, image.get(), warped.get());
    }
    /** genseg_generator_run_file(). */
    void run_file(const std::string &label_path, const std::string &image_path,
                  const std::string &warped_path = std::string(),
                  const synthesize_options &options = synthesize_options()) const
    {
        invoke(genseg_generator_run_file, label_path.c_str(), &options, image_path.c_str(),
               detail::optional(warped_path));
    }
    generator_info describe() const
    {
        genseg_generator_info info = detail::sized<genseg_generator_info>();
        invoke(genseg_generator_describe, &info);
        return generator_info(info);
    }
};

/** A genseg_lever with values of its own. @since 0.1 */
struct lever : genseg_lever {
    explicit lever(const genseg_lever &borrowed)
        : genseg_lever(borrowed), name(detail::text(borrowed.name)), value(copy(borrowed.value, borrowed.count)),
          gradient(copy(borrowed.gradient, borrowed.count))
    {
    }
    std::string name;
    std::vector<float> value, gradient;

private:
    static std::vector<float> copy(const float *from, int32_t number)
    {
        return from ? std::vector<float>(from, from + number) : std::vector<float>();
    }
};

/** See trainer.h. @since 0.1 */
class Trainer : public detail::handle<genseg_trainer, genseg_trainer_free> {
public:
    using handle::handle;
    Trainer() = default;
    /** genseg_trainer_new(). The dataset is kept by reference of C: its handle may go. */
    Trainer(const Context &context, const Dataset &dataset, const trainer_options &options = trainer_options())
        : Trainer(detail::access::make<Trainer>(context, genseg_trainer_new, dataset.get(), &options))
    {
    }

    /** genseg_trainer_start_from(). */
    void start_from(const Segmenter &segmenter, const Generator &generator = Generator())
    {
        invoke(genseg_trainer_start_from, segmenter.get(), generator.get());
    }
    /** genseg_trainer_run(). Throws cancelled after cancel() and where `progress` returned true: the best model so far
     * is there, and another call goes on. */
    void run(const progress_function &progress = nullptr)
    {
        detail::call work(host_);
        detail::trampoline<genseg_progress> told(work, progress);
        work.finish(genseg_trainer_run(get(), told.run, &told, &work.err));
    }
    /** genseg_trainer_cancel(): from any thread and from a signal handler. */
    void cancel() noexcept { genseg_trainer_cancel(get()); }
    Segmenter segmenter() const { return detail::access::make<Segmenter>(*this, genseg_trainer_segmenter); }
    Generator generator() const { return detail::access::make<Generator>(*this, genseg_trainer_generator); }
    segmenter_info describe() const
    {
        genseg_segmenter_info info = detail::sized<genseg_segmenter_info>();
        invoke(genseg_trainer_describe, &info);
        return segmenter_info(info);
    }
    /** All that level III controls: genseg_trainer_lever(). */
    std::vector<lever> levers() const
    {
        std::vector<lever> found;
        for (genseg_lever item = detail::sized<genseg_lever>();
             genseg_trainer_lever(get(), static_cast<int64_t>(found.size()), &item, nullptr) == GENSEG_OK;)
            found.emplace_back(item);
        return found;
    }
    /** genseg_trainer_audit(). */
    void audit(const audit_function &report, int32_t groups, int64_t most = 0, double delta = 0)
    {
        detail::call work(host_);
        detail::trampoline<genseg_audit> told(work, report);
        work.finish(genseg_trainer_audit(get(), groups, most, delta, told.run, &told, &work.err));
    }

    uint64_t memory() const noexcept { return genseg_trainer_memory(get()); }
    int64_t steps() const noexcept { return genseg_trainer_steps(get()); }
    double loss() const noexcept { return genseg_trainer_loss(get()); }
    double best_dice() const noexcept { return genseg_trainer_best_dice(get()); }
};

} // namespace genseg

#endif
