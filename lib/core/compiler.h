// Compiler attributes: the only place with extensions of the C language.
#ifndef GSG_CORE_COMPILER_H
#define GSG_CORE_COMPILER_H

#define GSG_PRINTF(position, first) __attribute__((format(printf, position, first)))
#define GSG_UNUSED __attribute__((unused))
#define GSG_RESTRICT restrict

// Functions with hot loops: compiled once for AVX-512, once for AVX2 and once
// for the baseline; the loader picks. Helpers that they call must inline.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(GSG_NO_CLONES)
#define GSG_SIMD __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define GSG_SIMD
#endif
// Before a loop whose iterations are independent although pointers may be equal
// (in-place operations): without it the compiler falls back to scalar code there.
#if defined(__GNUC__) && !defined(__clang__)
#define GSG_IVDEP _Pragma("GCC ivdep")
#else
#define GSG_IVDEP
#endif

#define GSG_INLINE static inline __attribute__((always_inline))

#endif
