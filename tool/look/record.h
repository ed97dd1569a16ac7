/*
 * A structure that was copied from another process, whose members stand where
 * that process's table says. What would lie outside of it is zero: neither the
 * table nor the structure is trusted.
 */
#ifndef GROVE_TOOL_RECORD_H
#define GROVE_TOOL_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct record {
    const void *bytes;
    size_t size;
};

static inline void record_copy(struct record r, size_t offset, void *to,
                               size_t size)
{
    if (size <= r.size && offset <= r.size - size)
        memcpy(to, (const char *)r.bytes + offset, size);
    else
        memset(to, 0, size);
}

static inline uint64_t record_word(struct record r, size_t offset)
{
    uint64_t word;
    record_copy(r, offset, &word, sizeof(word));
    return word;
}

static inline uint32_t record_half(struct record r, size_t offset)
{
    uint32_t half;
    record_copy(r, offset, &half, sizeof(half));
    return half;
}

static inline uint8_t record_byte(struct record r, size_t offset)
{
    uint8_t byte;
    record_copy(r, offset, &byte, sizeof(byte));
    return byte;
}

#endif
