/*
 * Words for people of one fiber.
 */
#include "look/label.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "look/python.h"
#include "look/utf8.h"

#define SECOND INT64_C(1000000000)

void label_name(struct target *t, struct symbols *s, const struct look_fiber *f,
                char text[LABEL_SIZE])
{
    snprintf(text, LABEL_SIZE, "%s", f->name);
    if (!text[0] && f->host)
        python_name(t, f, text, LABEL_SIZE);
    if (!text[0] && f->fn)
        symbols_name(s, f->fn, text, LABEL_SIZE);
    if (!text[0])
        strcpy(text, f->host ? "(greenlet)" : "(thread)");
    utf8_clean(text);
}

void label_where(struct target *t, const struct look_fiber *f,
                 char text[LABEL_SIZE])
{
    struct python_frame frame;
    text[0] = '\0';
    if (!f->host || !python_where(t, f, &frame))
        return;
    const char *slash = strrchr(frame.file, '/');
    snprintf(text, LABEL_SIZE, "%.90s %.48s:%d", frame.function,
             slash ? slash + 1 : frame.file, frame.line);
    utf8_clean(text);
}

void label_time(int64_t since, char text[16])
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ns = now.tv_sec * SECOND + now.tv_nsec - since;
    text[0] = '\0';
    if (!since)
        return;
    if (ns < 0)
        ns = 0;
    if (ns < SECOND)
        snprintf(text, 16, "%d ms", (int)(ns / 1000000));
    else if (ns < 100 * SECOND)
        snprintf(text, 16, "%.1f s", (double)ns / 1e9);
    else if (ns < 6000 * SECOND)
        snprintf(text, 16, "%d min", (int)(ns / SECOND / 60));
    else
        snprintf(text, 16, "%ld h", (long)(ns / SECOND / 3600));
}
