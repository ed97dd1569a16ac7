/*
 * Whether an instruction is a call: for who looks for return addresses on a
 * stack, of this process (scan.c) or of another (tool/look/scan.c).
 */
#ifndef GROVE_FRAMES_CALL_H
#define GROVE_FRAMES_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__aarch64__)

#define CALL_MOST 4 /* bytes of an instruction that calls */

/* Whether one ends there, before which CALL_MOST bytes can be read. */
static inline bool ends_in_call(const unsigned char *end)
{
    uint32_t code;
    memcpy(&code, end - sizeof(code), sizeof(code));
    return (code & 0xfc000000) == 0x94000000 || /* bl */
           (code & 0xfffffc1f) == 0xd63f0000;   /* blr */
}

#else

#define CALL_MOST 7

/* E8 and a distance, or FF /2 of any length. */
static inline bool ends_in_call(const unsigned char *end)
{
    static const int lengths[] = {2, 3, 4, 6, 7};
    if (end[-5] == 0xe8)
        return true;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        int n = lengths[i];
        if (end[-n] == 0xff && (end[1 - n] >> 3 & 7) == 2)
            return true;
    }
    return false;
}

#endif
#endif
