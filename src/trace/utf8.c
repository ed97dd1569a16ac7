/*
 * What is UTF-8 and what is not: names of fibers are whatever their owner has
 * put there. Any thread.
 */
#include "trace/utf8.h"

#include <stdbool.h>

/* Whether a character of n bytes may begin so: it is not one that fewer bytes
 * would do for, no half of a pair of UTF-16, and not beyond the last (RFC 3629,
 * 4). */
static bool is_beginning(const unsigned char *s, size_t n)
{
    unsigned first = n < 3 ? 0xc280 : n == 3 ? 0xe0a0 : 0xf090;
    unsigned pair = (unsigned)s[0] << 8 | s[1];
    return pair >= first && pair < 0xf490 && (pair < 0xeda0 || pair > 0xedbf);
}

size_t utf8_length(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = s[0] < 0x80                   ? 1
               : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                             : 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    return n < 2 || is_beginning(s, n) ? n : 0;
}
