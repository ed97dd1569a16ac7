/*
 * What of UTF-8 may be shown: a name in another process is whatever its
 * owner has put there, and who looks may be root at a terminal.
 */
#include "look/utf8.h"

#include <stdbool.h>
#include <stddef.h>

/* Below U+0020, and from U+007F to U+009F. */
static bool is_control(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    return s[0] < ' ' || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

void utf8_clean(char *text)
{
    while (*text) {
        size_t n = utf8_length(text);
        if (n > 0 && !is_control(text)) {
            text += n;
            continue;
        }
        for (size_t i = 0; i < (n ? n : 1); i++)
            text[i] = '?';
        text += n ? n : 1;
    }
}
