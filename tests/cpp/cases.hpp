// What the tests of genseg.hpp share: cases that report in TAP, checks that say where, small data.
#ifndef TEST_CASES_HPP
#define TEST_CASES_HPP

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include <genseg/genseg.hpp>

namespace cases {

struct test_case {
    const char *name;
    void (*run)();
};

inline std::vector<test_case> &all()
{
    static std::vector<test_case> list;
    return list;
}

struct enter {
    enter(const char *name, void (*run)()) { all().push_back(test_case{name, run}); }
};

inline void check(bool good, const char *what, const char *file, int line)
{
    if (!good)
        throw std::logic_error(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

inline int run_all()
{
    int failed = 0, number = 0;
    std::printf("1..%d\n", static_cast<int>(all().size()));
    for (const test_case &item : all()) {
        std::string problem;
        try {
            item.run();
        } catch (const std::exception &thrown) {
            problem = thrown.what();
        }
        failed += !problem.empty();
        std::printf("%sok %d - %s\n", problem.empty() ? "" : "not ", ++number, item.name);
        if (!problem.empty())
            std::printf("# %s\n", problem.c_str());
        std::fflush(stdout);
    }
    return failed ? 1 : 0;
}

// A file name that is free, and free again afterwards.
class scratch_file {
public:
    explicit scratch_file(const std::string &extension)
    {
        char name[] = "/tmp/genseg-cpp-XXXXXX";
        const int file = mkstemp(name);
        check(file >= 0, "no scratch file can be made", __FILE__, __LINE__);
        close(file);
        unlink(name);
        path = name + extension;
    }
    ~scratch_file() { unlink(path.c_str()); }
    scratch_file(const scratch_file &) = delete;
    scratch_file &operator=(const scratch_file &) = delete;

    std::string path;
};

inline genseg::context_options one_thread()
{
    genseg::context_options options;
    options.threads = 1;
    return options;
}

inline genseg::Dataset phantom(const genseg::Context &context, int32_t count, int64_t side)
{
    genseg::phantom_options options;
    options.count = count;
    options.size[1] = options.size[2] = side;
    return genseg::Dataset::phantom(context, options);
}

// As small as a trainer gets.
inline genseg::trainer_options tiny(const char *method)
{
    genseg::trainer_options options;
    options.method = method;
    options.width = 2;
    options.generator_width = options.discriminator_width = 2;
    options.steps = 4;
    options.gan_steps = 2;
    options.validate_every = 2;
    return options;
}

} // namespace cases

#define CASE(name)                                                                                                     \
    static void name();                                                                                                \
    static const cases::enter enter_##name(#name, name);                                                               \
    static void name()
#define CHECK(condition) cases::check((condition), #condition, __FILE__, __LINE__)
// The statement must throw just this class.
#define CHECK_THROWS(type, ...)                                                                                        \
    do {                                                                                                               \
        bool thrown = false;                                                                                           \
        try {                                                                                                          \
            __VA_ARGS__;                                                                                               \
        } catch (const type &) {                                                                                       \
            thrown = true;                                                                                             \
        }                                                                                                              \
        cases::check(thrown, #__VA_ARGS__ " throws no " #type, __FILE__, __LINE__);                                    \
    } while (0)

#endif
