// genseg.hpp: callbacks, what is thrown in them, cancelling, the allocator.
#include "cases.hpp"

#include <atomic>
#include <thread>
#include <utility>

using genseg::Context;
using genseg::Dataset;
using genseg::Trainer;

namespace {

struct surprise : std::exception { // the library doesn't know it
    explicit surprise(int number) : code(number) {}
    const char *what() const noexcept override { return "surprise"; }
    int code;
};

Trainer small_trainer(const Context &context, const char *method)
{
    Dataset data = cases::phantom(context, 4, 32);
    data.split(2, 1, 1);
    return Trainer(context, data, cases::tiny(method));
}

Dataset odd_dataset(const Context &context)
{
    Dataset data(context);
    const std::vector<float> image(32 * 32, 1.0f); // constant: a finding
    std::vector<uint8_t> label(32 * 32, 0);
    label[5] = 1;
    data.add("constant", {image.data(), {32, 32}}, {label.data(), {32, 32}});
    return data;
}

} // namespace

CASE(progress_is_told)
{
    Context context(cases::one_thread());
    Trainer trainer = small_trainer(context, "plain");
    int64_t calls = 0, steps = 0;
    trainer.run([&](const genseg_progress &progress) {
        ++calls;
        if (progress.phase == GENSEG_PHASE_TRAIN)
            steps = progress.total;
        return false;
    });
    CHECK(calls > 0 && steps == 4 && trainer.steps() == 4);
}

CASE(true_cancels)
{
    Context context(cases::one_thread());
    Trainer trainer = small_trainer(context, "plain");
    CHECK_THROWS(genseg::cancelled, trainer.run([](const genseg_progress &) { return true; }));
    trainer.run(); // goes on
    CHECK(trainer.steps() == 4);
}

CASE(what_progress_throws_comes_out)
{
    Context context(cases::one_thread());
    Trainer trainer = small_trainer(context, "plain");
    int calls = 0;
    try {
        trainer.run([&](const genseg_progress &progress) -> bool {
            ++calls;
            if (progress.phase == GENSEG_PHASE_TRAIN)
                throw surprise(7);
            return false;
        });
        CHECK(!"nothing was thrown");
    } catch (const surprise &thrown) {
        CHECK(thrown.code == 7);
    }
    const int before = calls;
    trainer.run();
    CHECK(calls == before && trainer.steps() == 4);
    const genseg::Segmenter segmenter = trainer.segmenter();
    std::vector<float> image(32 * 32, 0.25f);
    std::vector<int32_t> label(32 * 32, 9);
    CHECK_THROWS(surprise, segmenter.predict({image.data(), {32, 32}}, {label.data(), {32, 32}}, nullptr,
                                             genseg::array(), genseg::predict_options(),
                                             [](const genseg_progress &) -> bool { throw surprise(8); }));
    CHECK(label[0] == 9); // complete or untouched
}

CASE(c_progress_in_options_is_kept)
{
    Context context(cases::one_thread());
    Trainer trainer = small_trainer(context, "plain");
    trainer.run();
    const genseg::Segmenter segmenter = trainer.segmenter();
    std::vector<float> image(32 * 32, 0.25f);
    std::vector<int32_t> label(32 * 32);
    int count = 0, mine = 0;
    genseg::predict_options options;
    options.progress = [](const genseg_progress *, void *user) -> int32_t { return ++*static_cast<int *>(user), 0; };
    options.progress_user = &count;
    segmenter.predict({image.data(), {32, 32}}, {label.data(), {32, 32}}, nullptr, genseg::array(), options);
    CHECK(count > 0);
    const int before = count;
    segmenter.predict({image.data(), {32, 32}}, {label.data(), {32, 32}}, nullptr, genseg::array(), options,
                      [&](const genseg_progress &) { return ++mine < 0; });
    CHECK(count == before && mine > 0);
}

CASE(findings_throw_and_cancel)
{
    Context context(cases::one_thread());
    const Dataset data = odd_dataset(context);
    std::string subjects;
    data.inspect([&](const genseg_finding &finding) {
        subjects += std::string(finding.subject) + " ";
        return false;
    });
    CHECK(subjects.find("constant") != std::string::npos);
    CHECK_THROWS(genseg::cancelled, data.inspect([](const genseg_finding &) { return true; }));
    CHECK_THROWS(surprise, data.inspect([](const genseg_finding &) -> bool { throw surprise(1); }));
    CHECK_THROWS(surprise, Dataset::inspect_path(context, "/nonexistent/data",
                                                 [](const genseg_finding &) -> bool { throw surprise(2); }));
    int errors = 0;
    Dataset::inspect_path(context, "/nonexistent/data", [&](const genseg_finding &finding) {
        errors += finding.severity == GENSEG_SEVERITY_ERROR;
        return false;
    });
    CHECK(errors > 0);
}

CASE(evaluations_throw_and_cancel)
{
    Context context(cases::one_thread());
    Trainer trainer = small_trainer(context, "plain");
    trainer.run();
    const genseg::Segmenter segmenter = trainer.segmenter();
    Dataset data = cases::phantom(context, 4, 32);
    int scored = 0;
    CHECK_THROWS(surprise, segmenter.evaluate(data, GENSEG_SPLIT_NONE, [&](const genseg_evaluation &) -> bool {
        ++scored;
        throw surprise(3);
    }));
    CHECK(scored == 1);
    CHECK_THROWS(genseg::cancelled,
                 segmenter.evaluate(data, GENSEG_SPLIT_NONE, [](const genseg_evaluation &) { return true; }));
    CHECK_THROWS(surprise, segmenter.evaluate(
                               data, GENSEG_SPLIT_NONE, [](const genseg_evaluation &) { return false; },
                               genseg::metrics_options(), genseg::predict_options(),
                               [](const genseg_progress &) -> bool { throw surprise(4); }));
}

CASE(audits_throw_and_cancel)
{
    Context context(cases::one_thread());
    Trainer trainer = small_trainer(context, "genseg");
    trainer.run();
    CHECK(!trainer.levers().empty() && trainer.levers()[0].value.size() > 0);
    int told = 0;
    CHECK_THROWS(surprise, trainer.audit(
                               [&](const genseg_audit &) -> bool {
                                   ++told;
                                   throw surprise(5);
                               },
                               GENSEG_LEVER_GAMMA));
    CHECK(told == 1);
    CHECK_THROWS(genseg::cancelled,
                 trainer.audit([](const genseg_audit &) { return true; }, GENSEG_LEVER_WARP, 2));
}

CASE(log_messages_arrive)
{
    std::vector<std::string> messages;
    genseg::context_options options = cases::one_thread();
    options.log_level = GENSEG_LOG_DEBUG;
    const cases::scratch_file file(".h5");
    Context context(options, [&](int32_t, const std::string &message) { messages.push_back(message); });
    cases::phantom(context, 2, 32).save_hdf5(file.path);
    Dataset::open(context, file.path);
    CHECK(!messages.empty() && messages.back().find("2 cases") != std::string::npos);
}

CASE(what_log_throws_comes_out)
{
    const cases::scratch_file file(".h5");
    int calls = 0;
    Context context(cases::one_thread(), [&](int32_t, const std::string &) {
        ++calls;
        throw surprise(6);
    });
    cases::phantom(context, 2, 32).save_hdf5(file.path);
    const uint64_t before = context.memory().current;
    CHECK_THROWS(surprise, Dataset::open(context, file.path));
    CHECK(calls > 0 && context.memory().current == before); // what was opened is closed again
    CHECK(cases::phantom(context, 2, 32).size() == 2);       // nothing is left of it
    // In another thread it belongs to that thread's call.
    bool caught = false;
    std::thread other([&] {
        try {
            Dataset::open(context, file.path);
        } catch (const surprise &) {
            caught = true;
        }
    });
    other.join();
    CHECK(caught);
    CHECK(cases::phantom(context, 2, 32).size() == 2);
}

CASE(log_outlives_the_context)
{
    int calls = 0;
    Trainer trainer;
    {
        Context context(cases::one_thread(), [&](int32_t, const std::string &) {
            if (++calls == 1)
                throw surprise(9);
        });
        Dataset data(context);
        const std::vector<float> image(32 * 32, 1.0f);
        std::vector<uint8_t> label(32 * 32, 0);
        label[5] = 1; // whichever case is trained on, the run begins with a warning that the other's label is missing
        data.add("a", {image.data(), {32, 32}}, {label.data(), {32, 32}});
        label[5] = 2;
        data.add("b", {image.data(), {32, 32}}, {label.data(), {32, 32}});
        data.split(1, 1, 1);
        trainer = Trainer(context, data, cases::tiny("plain"));
    }
    CHECK(calls == 0);
    CHECK_THROWS(surprise, trainer.run()); // and it is cancelled
    CHECK(calls > 0 && trainer.steps() < 4);
    trainer.run();
    CHECK(trainer.steps() == 4 && trainer.segmenter());
}

CASE(cancelled_from_another_thread)
{
    Context context(cases::one_thread());
    Dataset data = cases::phantom(context, 3, 32);
    data.split(2, 1, 1);
    genseg::trainer_options options = cases::tiny("plain");
    options.steps = 100000000;
    Trainer trainer(context, data, options);
    std::atomic<bool> begun(false);
    std::thread other([&] {
        while (!begun)
            std::this_thread::yield();
        trainer.cancel();
    });
    bool stopped = false;
    try {
        trainer.run([&](const genseg_progress &progress) {
            begun = progress.phase == GENSEG_PHASE_TRAIN && progress.done > 2;
            return false;
        });
    } catch (const genseg::cancelled &) {
        stopped = true;
    }
    begun = true;
    other.join();
    CHECK(stopped && trainer.steps() > 2 && trainer.segmenter());
}

namespace {

struct pool {
    std::atomic<int64_t> blocks{0};
    std::atomic<int64_t> calls{0};
};

void *pool_alloc(std::size_t size, std::size_t alignment, void *user) noexcept
{
    pool &mine = *static_cast<pool *>(user);
    ++mine.blocks;
    ++mine.calls;
    void *memory = nullptr;
    return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

void pool_free(void *memory, void *user) noexcept
{
    --static_cast<pool *>(user)->blocks;
    std::free(memory);
}

} // namespace

CASE(allocator_and_limit)
{
    pool mine;
    {
        genseg::context_options options = cases::one_thread();
        options.alloc = pool_alloc;
        options.free = pool_free;
        options.alloc_user = &mine;
        options.memory_limit = 64 << 20;
        Context context(options);
        Trainer trainer = small_trainer(context, "plain");
        CHECK(trainer.memory() > 0 && trainer.memory() < options.memory_limit);
        trainer.run();
        CHECK(context.memory().peak <= options.memory_limit && context.memory().current > 0);
        Dataset data = cases::phantom(context, 3, 256);
        data.split(2, 1, 1);
        genseg::trainer_options wide;
        wide.width = 64;
        const int64_t calls = mine.calls;
        CHECK_THROWS(genseg::out_of_memory, Trainer(context, data, wide));
        CHECK(mine.calls - calls < 5000); // refused from the plan, not from a failed allocation
    }
    CHECK(mine.calls > 0 && mine.blocks == 0);
}

CASE(profile_has_rows)
{
    Context context(cases::one_thread());
    context.set_profile(true);
    Trainer trainer = small_trainer(context, "plain");
    trainer.run();
    context.set_profile(false);
    const std::vector<genseg::profile_row> rows = context.profile();
    CHECK(rows.size() > 3 && !rows[0].operation.empty() && rows[0].seconds >= rows[1].seconds);
    CHECK(context.peak() >= 0);
}

int main()
{
    return cases::run_all();
}
