// libgenseg's handles as C++ values: shared by jobs and windows, freed with their last owner. A failed call throws.
#pragma once

#include <genseg/genseg.h>

#include <memory>
#include <stdexcept>

namespace genseg
{

using Context = std::shared_ptr<genseg_context>;
using Dataset = std::shared_ptr<genseg_dataset>;
using Trainer = std::shared_ptr<genseg_trainer>;
using Segmenter = std::shared_ptr<genseg_segmenter>;

class Error : public std::runtime_error
{
public:
    explicit Error(const genseg_error &error) : std::runtime_error(error.message), status(error.status)
    {
    }
    const genseg_status status;
};

// Calls a function of the library; the error struct that it takes last is added here.
template <typename Function, typename... Arguments> void call(Function function, Arguments... arguments)
{
    genseg_error error;
    if (function(arguments..., &error) != GENSEG_OK)
        throw Error(error);
}

// What a function such as genseg_dataset_open() makes, owned.
template <typename Handle, typename Function, typename... Arguments>
std::shared_ptr<Handle> make(void (*free)(Handle *), Function function, Arguments... arguments)
{
    Handle *handle = nullptr;
    call(function, arguments..., &handle);
    return std::shared_ptr<Handle>(handle, free);
}

// An options struct with its defaults, or a description filled by a function of the same shape.
template <typename Options> Options defaults(genseg_status (*init)(Options *, size_t))
{
    Options options;
    init(&options, sizeof options);
    return options;
}

} // namespace genseg
