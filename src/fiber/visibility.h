/*
 * What a host (the CPython extension) may call of the inner layers. The symbols
 * carry the version GROVE_PRIVATE and no promise: a host is built with the
 * library it runs on.
 */
#ifndef GROVE_FIBER_VISIBILITY_H
#define GROVE_FIBER_VISIBILITY_H

#define GROVE_HOST_API __attribute__((visibility("default")))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define container_of(ptr, type, member) \
    ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
