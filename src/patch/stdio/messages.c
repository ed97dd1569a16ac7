/*
 * Messages that libc writes where it is not told to: on descriptors, and on
 * standard error before a program ends.
 */
#include <err.h>
#include <errno.h>
#include <error.h>
#include <stdlib.h>

#include "patch/functions.h"
#include "patch/stdio/calls.h"
#include "patch/stdio/hold.h"

/* ---- on a descriptor --------------------------------------------------------- */

int libcs_vasprintf_chk(char **text, int flag, const char *format,
                        va_list list) __asm__("__vasprintf_chk");
int libcs_vdprintf_chk(int fd, int flag, const char *format,
                       va_list list) __asm__("__vdprintf_chk");

static void free_text(char **text)
{
    free(*text);
}

/* The text of `size` bytes, which is freed; of a negative size it is not there:
 * -1, as it is without memory. */
static int write_made(int fd, char *made, int size)
{
    char *text __attribute__((cleanup(free_text))) = size < 0 ? NULL : made;
    for (int done = 0; done < size;) {
        ssize_t n = patch_write(fd, text + done, (size_t)(size - done));
        if (n < 0)
            return -1;
        done += (int)n;
    }
    return size < 0 ? -1 : size;
}

int held_vdprintf(int fd, const char *format, va_list list)
{
    char *made;
    if (!patch_hub())
        return vdprintf(fd, format, list);
    int size = vasprintf(&made, format, list);
    return write_made(fd, made, size);
}

int held___vdprintf_chk(int fd, int flag, const char *format, va_list list)
{
    char *made;
    if (!patch_hub())
        return libcs_vdprintf_chk(fd, flag, format, list);
    int size = libcs_vasprintf_chk(&made, flag, format, list);
    return write_made(fd, made, size);
}

/* ---- on standard error -------------------------------------------------------- */

/* libc leaves a stream open for bytes and wide characters as it is, and writes
 * by another one of its own: here by the descriptor. */
void held_perror(const char *s)
{
    const char *between = s && *s ? ": " : "";
    struct hub *hub = patch_hub();
    int fd = hub && fwide(stderr, 0) == 0 ? fileno(stderr) : -1;
    HOLD(stderr);
    if (fd < 0)
        perror(s);
    else
        held_dprintf(fd, "%s%s%m\n", *between ? s : "", between);
}

void held_warn(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    held_vwarn(format, list);
    va_end(list);
}

void held_warnx(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    held_vwarnx(format, list);
    va_end(list);
}

/* Standard error is let go before the end: what is done there may want it. */
void held_verr(int status, const char *format, va_list list)
{
    held_vwarn(format, list);
    exit(status);
}

void held_verrx(int status, const char *format, va_list list)
{
    held_vwarnx(format, list);
    exit(status);
}

void held_err(int status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    held_verr(status, format, list);
}

void held_errx(int status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    held_verrx(status, format, list);
}

/* What error and error_at_line are given. */
struct complaint {
    int status, error;
    bool at_line;
    const char *file;
    unsigned line;
};

/* libc's, which does not end the program here. error_at_line may be set to say
 * nothing the second time: then the program goes on, whatever the status. */
static bool complain(const struct complaint *c, const char *text)
{
    HOLD(stderr);
    unsigned before = error_message_count;
    if (c->at_line)
        error_at_line(0, c->error, c->file, c->line, "%s", text);
    else
        error(0, c->error, "%s", text);
    return error_message_count != before;
}

/* Standard output is written first. The message is made before, for there is no
 * form with a va_list. */
static void say(const struct complaint *c, const char *format, va_list list)
{
    char *text __attribute__((cleanup(free_text))) = NULL;
    if (vasprintf(&text, format, list) < 0)
        text = NULL;
    held_fflush(stdout);
    if (complain(c, text ? text : "out of memory") && c->status != 0)
        exit(c->status);
}

void held_error(int status, int number, const char *format, ...)
{
    struct complaint c = {.status = status, .error = number};
    va_list list;
    va_start(list, format);
    say(&c, format, list);
    va_end(list);
}

void held_error_at_line(int status, int number, const char *file, unsigned line,
                        const char *format, ...)
{
    struct complaint c = {status, number, true, file, line};
    va_list list;
    va_start(list, format);
    say(&c, format, list);
    va_end(list);
}
