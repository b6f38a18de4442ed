// The host program of consumer.c in C++, by genseg.hpp.

#include <genseg/genseg.hpp>

#include <iostream>

int main()
{
    try {
        const genseg::Context context;
        std::cout << "genseg " << genseg::version() << ", headers " << GENSEG_VERSION_STRING << '\n';
        genseg::phantom_options options;
        options.count = 3;
        options.size[1] = 48;
        options.size[2] = 64;
        const genseg::Dataset dataset = genseg::Dataset::phantom(context, options);
        std::cout << dataset.size() << " cases of " << dataset.classes() << " classes\n";
        for (int64_t i = 0; i < dataset.size(); ++i) {
            const std::array<int64_t, 4> shape = dataset.case_info(i).shape;
            std::cout << shape[0] << " x " << shape[1] << " x " << shape[2] << " x " << shape[3] << '\n';
        }
    } catch (const genseg::error &error) {
        std::cerr << genseg::status_name(error.status()) << ": " << error.what() << '\n';
        return 1;
    }
    return 0;
}
