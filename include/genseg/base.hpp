/**
 * @file base.hpp
 * What genseg.hpp builds on: errors, callbacks, option structs, arrays, and the handle that all five share.
 */
#ifndef GENSEG_BASE_HPP
#define GENSEG_BASE_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "genseg/genseg.h"

/** All of the C++ interface. @since 0.1 */
namespace genseg {

/** @name Errors
 * One class for each status code, so that a `catch` chooses by type; all derive from error, and that from
 * std::runtime_error. out_of_memory is no std::bad_alloc: it has a text with numbers, mostly means that the
 * caller's own limit was met in advance, and with two bases `catch (std::exception &)` would pass it by.
 * @{ */

/** What a failed call throws. @since 0.1 */
class error : public std::runtime_error {
public:
    error(genseg_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
    /** A GENSEG_ERROR_* value. */
    genseg_status status() const noexcept { return status_; }
    /** As what(). */
    std::string message() const { return what(); }

private:
    genseg_status status_;
};

/** The error of one status code. @since 0.1 */
template <genseg_status Status> class error_of : public error {
public:
    explicit error_of(const std::string &message) : error(Status, message) {}
};

using out_of_memory = error_of<GENSEG_ERROR_NOMEM>;
using invalid_argument = error_of<GENSEG_ERROR_INVALID>;
using state_error = error_of<GENSEG_ERROR_STATE>;
using io_error = error_of<GENSEG_ERROR_IO>;
using format_error = error_of<GENSEG_ERROR_FORMAT>;
using unsupported = error_of<GENSEG_ERROR_UNSUPPORTED>;
using shape_error = error_of<GENSEG_ERROR_SHAPE>;
using numeric_error = error_of<GENSEG_ERROR_NUMERIC>;
using cancelled = error_of<GENSEG_ERROR_CANCELLED>;
using callback_error = error_of<GENSEG_ERROR_CALLBACK>;
using backend_error = error_of<GENSEG_ERROR_BACKEND>;
using communicator_error = error_of<GENSEG_ERROR_COMM>;
using version_error = error_of<GENSEG_ERROR_VERSION>;
using forked_error = error_of<GENSEG_ERROR_FORKED>;
using internal_error = error_of<GENSEG_ERROR_INTERNAL>;

/** Throws the error of `status` unless it is GENSEG_OK: for calls of the C interface. @since 0.1 */
inline void check(genseg_status status, const genseg_error &err)
{
    const std::string message = status == GENSEG_OK ? std::string() : std::string(err.message);
    switch (status) {
    case GENSEG_OK:
        return;
    case GENSEG_ERROR_NOMEM:
        throw out_of_memory(message);
    case GENSEG_ERROR_INVALID:
        throw invalid_argument(message);
    case GENSEG_ERROR_STATE:
        throw state_error(message);
    case GENSEG_ERROR_IO:
        throw io_error(message);
    case GENSEG_ERROR_FORMAT:
        throw format_error(message);
    case GENSEG_ERROR_UNSUPPORTED:
        throw unsupported(message);
    case GENSEG_ERROR_SHAPE:
        throw shape_error(message);
    case GENSEG_ERROR_NUMERIC:
        throw numeric_error(message);
    case GENSEG_ERROR_CANCELLED:
        throw cancelled(message);
    case GENSEG_ERROR_CALLBACK:
        throw callback_error(message);
    case GENSEG_ERROR_BACKEND:
        throw backend_error(message);
    case GENSEG_ERROR_COMM:
        throw communicator_error(message);
    case GENSEG_ERROR_VERSION:
        throw version_error(message);
    case GENSEG_ERROR_FORKED:
        throw forked_error(message);
    case GENSEG_ERROR_INTERNAL:
        throw internal_error(message);
    default:
        throw error(status, message);
    }
}
/** @} */

/** @name Callbacks
 * What they are given is borrowed for the call. Those that return bool cancel with true, as C's do with non-zero.
 * @{ */
using progress_function = std::function<bool(const genseg_progress &)>;
using finding_function = std::function<bool(const genseg_finding &)>;
using evaluation_function = std::function<bool(const genseg_evaluation &)>;
using audit_function = std::function<bool(const genseg_audit &)>;
using log_function = std::function<void(int32_t level, const std::string &message)>;
/** @} */

/// @cond
namespace detail {

inline std::string text(const char *borrowed)
{
    return borrowed ? std::string(borrowed) : std::string();
}

inline const char *optional(const std::string &value)
{
    return value.empty() ? nullptr : value.c_str();
}

// What a context's log callback needs. Every handle of the context shares it, as each keeps C's context
// alive. The context may work in several threads at once: what is thrown belongs to the thread's own call.
class host {
public:
    explicit host(log_function log) : log_(std::move(log)) {}

    static void on_log(int32_t level, const char *message, void *self) noexcept
    {
        host &me = *static_cast<host *>(self);
        try {
            me.log_(level, message);
        } catch (...) {
            me.keep(std::current_exception());
        }
    }

    bool has_thrown()
    {
        std::lock_guard<std::mutex> lock(mutex_);
        return thrown_.count(std::this_thread::get_id()) != 0;
    }

    std::exception_ptr take()
    {
        std::lock_guard<std::mutex> lock(mutex_);
        const auto found = thrown_.find(std::this_thread::get_id());
        if (found == thrown_.end())
            return nullptr;
        const std::exception_ptr thrown = found->second;
        thrown_.erase(found);
        return thrown;
    }

private:
    void keep(std::exception_ptr thrown) noexcept
    {
        try {
            std::lock_guard<std::mutex> lock(mutex_);
            thrown_.emplace(std::this_thread::get_id(), thrown); // the first one counts
        } catch (...) {
            // No memory to remember it by.
        }
    }

    log_function log_;
    std::mutex mutex_;
    std::map<std::thread::id, std::exception_ptr> thrown_;
};

using shared_host = std::shared_ptr<host>;

// One call of the library: its error, and what callbacks threw meanwhile.
class call {
public:
    explicit call(const shared_host &owner) : err(), host_(owner.get())
    {
        if (host_)
            host_->take(); // left by a call that can't fail
    }

    // Calls what the host gave. True, which cancels, where something was thrown.
    template <class Function> bool guard(Function function) noexcept
    {
        if (thrown_ || (host_ && host_->has_thrown()))
            return true;
        try {
            return function();
        } catch (...) {
            thrown_ = std::current_exception();
            return true;
        }
    }

    void finish(genseg_status status)
    {
        if (!thrown_ && host_)
            thrown_ = host_->take();
        if (thrown_)
            std::rethrow_exception(thrown_);
        check(status, err);
    }

    genseg_error err;

private:
    host *host_;
    std::exception_ptr thrown_;
};

// C's function and user pointer of a std::function, for one call.
template <class Item> class trampoline {
public:
    trampoline(call &work, const std::function<bool(const Item &)> &function) : work_(work), function_(function) {}

    static int32_t run(const Item *item, void *self) noexcept
    {
        trampoline &me = *static_cast<trampoline *>(self);
        return me.work_.guard([&] { return me.function_ && me.function_(*item); }) ? 1 : 0;
    }

private:
    call &work_;
    const std::function<bool(const Item &)> &function_;
};

// An option struct of C, filled with its defaults.
template <class Struct, genseg_status (*Init)(Struct *, std::size_t)> struct options : Struct {
    options() noexcept { Init(this, sizeof(Struct)); }
};

// A struct that the library fills as far as its size says.
template <class Struct> Struct sized()
{
    Struct made = Struct();
    made.struct_size = sizeof made;
    return made;
}

// Whoever else must see a handle's inside.
struct access {
    template <class Handle> static const shared_host &host_of(const Handle &handle) { return handle.host_; }

    // The handle of what a function of C makes of `parent`; freed again where a callback threw.
    template <class Handle, class Parent, class Function, class... Arguments>
    static Handle make(const Parent &parent, Function function, Arguments... arguments)
    {
        typename Handle::object_type *made = nullptr;
        call work(parent.host_);
        const genseg_status status = function(parent.object_, arguments..., &made, &work.err);
        Handle holder(made, parent.host_);
        work.finish(status);
        return holder;
    }
};

template <class Object, void (*Free)(Object *)> class handle {
public:
    using object_type = Object;

    handle() noexcept : object_(nullptr) {}
    /** Takes over a handle of C. */
    explicit handle(Object *adopted, shared_host owner = nullptr) noexcept : object_(adopted), host_(std::move(owner))
    {
    }
    handle(handle &&other) noexcept : object_(other.release()), host_(std::move(other.host_)) {}
    handle &operator=(handle &&other) noexcept
    {
        handle(std::move(other)).swap(*this);
        return *this;
    }
    handle(const handle &) = delete;
    handle &operator=(const handle &) = delete;

    /** C's handle, still owned here; nullptr where empty. */
    Object *get() const noexcept { return object_; }
    /** C's handle, which the caller frees from now on. A log function lives no longer than the handles here. */
    Object *release() noexcept
    {
        Object *object = object_;
        object_ = nullptr;
        return object;
    }
    void swap(handle &other) noexcept
    {
        std::swap(object_, other.object_);
        host_.swap(other.host_);
    }
    explicit operator bool() const noexcept { return object_ != nullptr; }

protected:
    ~handle() { Free(object_); }

    // A function of C on this handle.
    template <class Function, class... Arguments> void invoke(Function function, Arguments... arguments) const
    {
        call work(host_);
        work.finish(function(object_, arguments..., &work.err));
    }

    friend struct access;
    Object *object_;
    shared_host host_;
};

} // namespace detail
/// @endcond

/** @name Options
 * C's structs, with the defaults from the start. Texts in them are borrowed until the call that takes them ends.
 * @{ */
using context_options = detail::options<genseg_context_options, genseg_context_options_init>;
using dataset_options = detail::options<genseg_dataset_options, genseg_dataset_options_init>;
using phantom_options = detail::options<genseg_phantom_options, genseg_phantom_options_init>;
using metrics_options = detail::options<genseg_metrics_options, genseg_metrics_options_init>;
using predict_options = detail::options<genseg_predict_options, genseg_predict_options_init>;
using synthesize_options = detail::options<genseg_synthesize_options, genseg_synthesize_options_init>;
using trainer_options = detail::options<genseg_trainer_options, genseg_trainer_options_init>;
/** @} */

/** @name Arrays
 * Views of the caller's memory, see genseg_array: never copied, borrowed for the call.
 * @{ */

/** The GENSEG_DTYPE_* value of an arithmetic type. @since 0.1 */
template <class T> constexpr int32_t dtype_of()
{
    static_assert(std::is_same<T, float>::value || std::is_same<T, double>::value ||
                      (std::is_integral<T>::value && !std::is_same<T, bool>::value),
                  "elements are float, double or integers");
    return std::is_same<T, float>::value    ? GENSEG_DTYPE_FLOAT32
           : std::is_same<T, double>::value ? GENSEG_DTYPE_FLOAT64
           : sizeof(T) == 1                 ? (std::is_signed<T>::value ? GENSEG_DTYPE_INT8 : GENSEG_DTYPE_UINT8)
           : sizeof(T) == 2                 ? (std::is_signed<T>::value ? GENSEG_DTYPE_INT16 : GENSEG_DTYPE_UINT16)
           : sizeof(T) == 4                 ? (std::is_signed<T>::value ? GENSEG_DTYPE_INT32 : GENSEG_DTYPE_UINT32)
                                            : (std::is_signed<T>::value ? GENSEG_DTYPE_INT64 : GENSEG_DTYPE_UINT64);
}

/** An array that is read. By default none: C's NULL. @since 0.1 */
class const_array {
public:
    const_array() noexcept : array_() {}
    /**
     * @param shape from the slowest to the fastest dimension, as (D, H, W)
     * @param strides bytes from one element to the next of each dimension; empty: dense
     */
    template <class T>
    const_array(const T *data, const std::vector<int64_t> &shape,
                const std::vector<int64_t> &strides = std::vector<int64_t>())
        : array_()
    {
        const std::size_t count = shape.size();
        if (count == 0 || count > GENSEG_ARRAY_MAX_NDIM)
            throw invalid_argument("array: " + std::to_string(count) + " dimensions, allowed are 1 to " +
                                   std::to_string(GENSEG_ARRAY_MAX_NDIM));
        if (!strides.empty() && strides.size() != count)
            throw invalid_argument("array: " + std::to_string(strides.size()) + " strides for " +
                                   std::to_string(count) + " dimensions");
        array_.data = const_cast<T *>(data);
        array_.dtype = dtype_of<T>();
        array_.ndim = static_cast<int32_t>(count);
        int64_t dense = sizeof(T);
        for (std::size_t axis = count; axis-- > 0; dense *= shape[axis]) {
            array_.shape[axis] = shape[axis];
            array_.strides[axis] = strides.empty() ? dense : strides[axis];
        }
    }
    /** For calls of the C interface; nullptr where there is none. */
    const genseg_array *get() const noexcept { return array_.ndim ? &array_ : nullptr; }

private:
    genseg_array array_;
};

/** An array that is written to. By default none: not wanted. @since 0.1 */
class array : public const_array {
public:
    array() noexcept {}
    /** As const_array's. */
    template <class T>
    array(T *data, const std::vector<int64_t> &shape, const std::vector<int64_t> &strides = std::vector<int64_t>())
        : const_array(data, shape, strides)
    {
        static_assert(!std::is_const<T>::value, "results are written into it");
    }
};
/** @} */

} // namespace genseg

#endif
