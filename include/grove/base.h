/*
 * What every part of the API needs: version, time, deadlines. Part of grove.h.
 */
#ifndef GROVE_BASE_H
#define GROVE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GROVE_API __attribute__((visibility("default")))
/* A function that is in the header itself. */
#define GROVE_INLINE static inline __attribute__((unused))
/* Before what C99 has not, lest -Wpedantic warn of it. */
#define GROVE_EXTENSION __extension__
/* The function takes what printf takes; its arguments are counted from 1. */
#define GROVE_FORMAT(text, first) __attribute__((format(printf, text, first)))
#else
#define GROVE_API
#define GROVE_INLINE static inline
#define GROVE_EXTENSION
#define GROVE_FORMAT(text, first)
#endif

#define GROVE_VERSION_MAJOR 0
#define GROVE_VERSION_MINOR 3
#define GROVE_VERSION_PATCH 0

/* The version of the library at run time, as "0.3.0". */
GROVE_API const char *grove_version(void);

/* ---- Time ------------------------------------------------------------- */

/* No deadline. */
#define GROVE_NEVER INT64_MAX

#define GROVE_MICROSECOND INT64_C(1000)
#define GROVE_MILLISECOND INT64_C(1000000)
#define GROVE_SECOND INT64_C(1000000000)

/* Now on the monotonic clock, in nanoseconds. */
GROVE_API int64_t grove_now(void);

/* Park the caller for ns nanoseconds (0 or less: as grove_yield).
 * 0, or -ECANCELED, -ETIMEDOUT (an enclosing scope), -ENOMEM. */
GROVE_API int grove_sleep(int64_t ns);

/* Park the caller until deadline. Returns as grove_sleep. */
GROVE_API int grove_sleep_until(int64_t deadline);

#ifdef __cplusplus
}
#endif
#endif
