// oneDNN's engine and stream on the CPU, and the channel block that its jit kernels
// want: 16 floats with AVX-512, 8 below.
#include "oneapi/dnnl/dnnl.h"

#include "kernel/kernel.h"
#include "kernel/onednn.h"

struct gsg_engine {
    genseg_context *context;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int32_t block;
};

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define ONEDNN "oneDNN " STRING(DNNL_VERSION_MAJOR) "." STRING(DNNL_VERSION_MINOR) "." STRING(DNNL_VERSION_PATCH) ", "

// The values of dnnl_cpu_isa_t are sets of bits: a wider set has all bits of a narrower one.
static int32_t has_isa(dnnl_cpu_isa_t wanted)
{
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)wanted) == (unsigned)wanted;
}

const char *gsg_engine_info(void)
{
    if (has_isa(dnnl_cpu_isa_avx512_core_amx))
        return ONEDNN "avx512_core_amx";
    if (has_isa(dnnl_cpu_isa_avx512_core_bf16))
        return ONEDNN "avx512_core_bf16";
    if (has_isa(dnnl_cpu_isa_avx512_core))
        return ONEDNN "avx512_core";
    if (has_isa(dnnl_cpu_isa_avx2))
        return ONEDNN "avx2";
    return ONEDNN "baseline";
}

genseg_status gsg_engine_new(genseg_context *context, gsg_engine **engine, gsg_error *err)
{
    gsg_engine *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    made->context = gsg_context_retain(context);
    made->block = has_isa(dnnl_cpu_isa_avx512_core) ? 16 : 8;
    dnnl_status_t result = dnnl_engine_create(&made->engine, dnnl_cpu, 0);
    if (result == dnnl_success)
        result = dnnl_stream_create(&made->stream, made->engine, dnnl_stream_default_flags);
    if (result != dnnl_success) {
        gsg_engine_free(made);
        return gsg_onednn_error(err, (int32_t)result, "CPU engine");
    }
    *engine = made;
    return GENSEG_OK;
}

void gsg_engine_free(gsg_engine *engine)
{
    if (!engine)
        return;
    genseg_context *context = engine->context;
    if (engine->stream)
        dnnl_stream_destroy(engine->stream);
    if (engine->engine)
        dnnl_engine_destroy(engine->engine);
    gsg_free(context, engine);
    gsg_context_release(context);
}

int32_t gsg_engine_block(const gsg_engine *engine)
{
    return engine->block;
}

genseg_context *gsg_engine_context(const gsg_engine *engine)
{
    return engine->context;
}

struct dnnl_engine *gsg_engine_dnnl(const gsg_engine *engine)
{
    return engine->engine;
}

struct dnnl_stream *gsg_engine_stream(const gsg_engine *engine)
{
    return engine->stream;
}

// oneDNN knows how its statuses are called (dnnl_status2str), but only its debug header declares it.
genseg_status gsg_onednn_error(gsg_error *err, int32_t result, const char *what)
{
    const char *text = "unknown status";
    switch ((dnnl_status_t)result) {
    case dnnl_out_of_memory:
        return gsg_error_set(err, GENSEG_ERROR_NOMEM, "%s: oneDNN is out of memory", what);
    case dnnl_invalid_arguments:
        text = "invalid arguments";
        break;
    case dnnl_unimplemented:
        text = "unimplemented";
        break;
    case dnnl_runtime_error:
        text = "runtime error";
        break;
    case dnnl_not_required:
        text = "not required";
        break;
    default:
        break;
    }
    return gsg_error_set(err, GENSEG_ERROR_BACKEND, "%s: oneDNN says %s (status %d)", what, text, (int)result);
}
