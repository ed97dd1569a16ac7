/*
 * Texts in JSON: quotes, backslashes and controls are escaped, and what is not
 * UTF-8 is replaced, so that what is written is JSON whatever was read.
 */
#include "look/json.h"

#include "look/utf8.h"

void json_text(FILE *to, const char *text)
{
    fputc('"', to);
    for (const char *s = text; *s;) {
        size_t n = utf8_length(s);
        if (n == 0)
            fputs("\\ufffd", to);
        else if (*s == '"' || *s == '\\')
            fprintf(to, "\\%c", *s);
        else if ((unsigned char)*s < ' ' || *s == 0x7f)
            fprintf(to, "\\u%04x", (unsigned)*s);
        else
            fwrite(s, 1, n, to);
        s += n ? n : 1;
    }
    fputc('"', to);
}
