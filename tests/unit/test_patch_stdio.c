/* Patched calls of stdio: each where it has to wait, plain and patched, and
 * what fibers that share a FILE see. */
#include "patch_stage.h"

#include <err.h>
#include <error.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <wchar.h>

/* libc's functions by their symbols alone: headers make others of some. One
 * that this libc does not have is not called. */
#define LIBC(type, symbol, parameters) \
    type c_##symbol parameters __asm__(#symbol) __attribute__((weak));

/* ---- reading -------------------------------------------------------------------- */

/* Where a reader waits until the peer writes the text. */
struct source {
    int ends[2];
    FILE *file;
    const char *text;
};

static void open_source(struct source *from, const char *text)
{
    assert_int_equal(pipe(from->ends), 0);
    from->file = fdopen(from->ends[0], "r");
    from->text = text;
    assert_non_null(from->file);
}

static void give_text(void *arg)
{
    struct source *from = arg;
    ssize_t n = (ssize_t)strlen(from->text);
    assert_int_equal(write(from->ends[1], from->text, (size_t)n), n);
    close(from->ends[1]);
}

/* What is left to be read. */
static void say_rest(struct stage *s, FILE *f)
{
    long sum = 0;
    if (fwide(f, 0) > 0) {
        for (wint_t c; (c = fgetwc(f)) != WEOF;)
            sum = (31 * sum + (long)c) % 1000003;
    } else {
        for (int c; (c = fgetc(f)) != EOF;)
            sum = (31 * sum + c) % 1000003;
    }
    say(s, sum);
}

/* call, in which f is a FILE to read from and standard input, waits. */
#define READS(s, symbol, call) \
    do { \
        struct source from_; \
        FILE *before_ = stdin, *f; \
        if (!c_##symbol) \
            break; \
        open_source(&from_, "12 words\nof text"); \
        stdin = f = from_.file; \
        later(s, give_text, &from_); \
        say(s, call); \
        await_peer(s); \
        say_rest(s, f); \
        stdin = before_; \
        fclose(f); \
    } while (false)

LIBC(int, fgetc, (FILE * f))
LIBC(int, getc, (FILE * f))
LIBC(int, _IO_getc, (FILE * f))
LIBC(int, getchar, (void))
LIBC(int, fgetc_unlocked, (FILE * f))
LIBC(int, getc_unlocked, (FILE * f))
LIBC(int, getchar_unlocked, (void))
LIBC(int, getw, (FILE * f))
LIBC(int, __uflow, (FILE * f))
LIBC(int, __underflow, (FILE * f))
LIBC(int, ungetc, (int c, FILE *f))

static void bytes_are_read(struct stage *s)
{
    READS(s, fgetc, c_fgetc(f));
    READS(s, getc, c_getc(f));
    READS(s, _IO_getc, c__IO_getc(f));
    READS(s, getchar, c_getchar());
    READS(s, fgetc_unlocked, c_fgetc_unlocked(f));
    READS(s, getc_unlocked, c_getc_unlocked(f));
    READS(s, getchar_unlocked, c_getchar_unlocked());
    READS(s, getw, c_getw(f));
    READS(s, __uflow, c___uflow(f));
    READS(s, __underflow, c___underflow(f));
    READS(s, ungetc, c_ungetc(c_fgetc(f) + 1, f));
}

LIBC(char *, fgets, (char *text, int n, FILE *f))
LIBC(char *, fgets_unlocked, (char *text, int n, FILE *f))
LIBC(char *, __fgets_chk, (char *text, size_t size, int n, FILE *f))
LIBC(char *, __fgets_unlocked_chk, (char *text, size_t size, int n, FILE *f))
LIBC(size_t, fread, (void *p, size_t size, size_t n, FILE *f))
LIBC(size_t, fread_unlocked, (void *p, size_t size, size_t n, FILE *f))
LIBC(size_t, __fread_chk,
     (void *p, size_t room, size_t size, size_t n, FILE *f))
LIBC(size_t, __fread_unlocked_chk,
     (void *p, size_t room, size_t size, size_t n, FILE *f))
LIBC(ssize_t, getline, (char **text, size_t *n, FILE *f))
LIBC(ssize_t, getdelim, (char **text, size_t *n, int end, FILE *f))
LIBC(ssize_t, __getdelim, (char **text, size_t *n, int end, FILE *f))

static void texts_are_read(struct stage *s)
{
    char text[64] = "", *line = NULL;
    size_t n = 0;
    READS(s, fgets, c_fgets(text, sizeof(text), f) ? strlen(text) : 0);
    READS(s, fgets_unlocked,
          c_fgets_unlocked(text, sizeof(text), f) ? strlen(text) : 0);
    READS(s, __fgets_chk,
          c___fgets_chk(text, sizeof(text), 5, f) ? strlen(text) : 0);
    READS(s, __fgets_unlocked_chk,
          c___fgets_unlocked_chk(text, sizeof(text), 5, f) ? strlen(text) : 0);
    READS(s, fread, c_fread(text, 2, 7, f));
    READS(s, fread_unlocked, c_fread_unlocked(text, 2, 7, f));
    READS(s, __fread_chk, c___fread_chk(text, sizeof(text), 2, 7, f));
    READS(s, __fread_unlocked_chk,
          c___fread_unlocked_chk(text, sizeof(text), 2, 30, f));
    READS(s, getline, c_getline(&line, &n, f));
    READS(s, getdelim, c_getdelim(&line, &n, 'w', f));
    READS(s, __getdelim, c___getdelim(&line, &n, 'w', f));
    free(line);
}

LIBC(wint_t, fgetwc, (FILE * f))
LIBC(wint_t, getwc, (FILE * f))
LIBC(wint_t, getwchar, (void))
LIBC(wint_t, fgetwc_unlocked, (FILE * f))
LIBC(wint_t, getwc_unlocked, (FILE * f))
LIBC(wint_t, getwchar_unlocked, (void))
LIBC(wint_t, ungetwc, (wint_t c, FILE *f))
LIBC(wint_t, __wuflow, (FILE * f))
LIBC(wint_t, __wunderflow, (FILE * f))
LIBC(wchar_t *, fgetws, (wchar_t * text, int n, FILE *f))
LIBC(wchar_t *, fgetws_unlocked, (wchar_t * text, int n, FILE *f))
LIBC(wchar_t *, __fgetws_chk, (wchar_t * text, size_t size, int n, FILE *f))
LIBC(wchar_t *, __fgetws_unlocked_chk,
     (wchar_t * text, size_t size, int n, FILE *f))

static void wide_characters_are_read(struct stage *s)
{
    wchar_t text[64] = L"";
    READS(s, fgetwc, c_fgetwc(f));
    READS(s, getwc, c_getwc(f));
    READS(s, getwchar, c_getwchar());
    READS(s, fgetwc_unlocked, c_fgetwc_unlocked(f));
    READS(s, getwc_unlocked, c_getwc_unlocked(f));
    READS(s, getwchar_unlocked, c_getwchar_unlocked());
    READS(s, ungetwc, c_ungetwc(c_fgetwc(f) + 1, f));
    READS(s, __wuflow, (fwide(f, 1), c___wuflow(f)));
    READS(s, __wunderflow, (fwide(f, 1), c___wunderflow(f)));
    READS(s, fgetws, c_fgetws(text, 64, f) ? wcslen(text) : 0);
    READS(s, fgetws_unlocked,
          c_fgetws_unlocked(text, 64, f) ? wcslen(text) : 0);
    READS(s, __fgetws_chk, c___fgetws_chk(text, 64, 5, f) ? wcslen(text) : 0);
    READS(s, __fgetws_unlocked_chk,
          c___fgetws_unlocked_chk(text, 64, 5, f) ? wcslen(text) : 0);
}

/* ---- reading what a format says ---------------------------------------------------- */

typedef int scan_list(FILE *f, const char *format, va_list list);
typedef int scan_input_list(const char *format, va_list list);
typedef int scan_wide_list(FILE *f, const wchar_t *format, va_list list);
typedef int scan_wide_input_list(const wchar_t *format, va_list list);

/* By a function that takes a va_list. */
#define BY_LIST(name, parameters, names) \
    static int name parameters \
    { \
        va_list list; \
        va_start(list, format); \
        int r = fn names; \
        va_end(list); \
        return r; \
    }

BY_LIST(by_list, (scan_list * fn, FILE *f, const char *format, ...),
        (f, format, list))
BY_LIST(input_by_list, (scan_input_list * fn, const char *format, ...),
        (format, list))
BY_LIST(wide_by_list,
        (scan_wide_list * fn, FILE *f, const wchar_t *format, ...),
        (f, format, list))
BY_LIST(wide_input_by_list,
        (scan_wide_input_list * fn, const wchar_t *format, ...), (format, list))

#define SCANS_OF(prefix) \
    LIBC(int, prefix##fscanf, (FILE * f, const char *format, ...)) \
    LIBC(int, prefix##scanf, (const char *format, ...)) \
    LIBC(int, prefix##vfscanf, (FILE * f, const char *format, va_list list)) \
    LIBC(int, prefix##vscanf, (const char *format, va_list list)) \
    LIBC(int, prefix##fwscanf, (FILE * f, const wchar_t *format, ...)) \
    LIBC(int, prefix##wscanf, (const wchar_t *format, ...)) \
    LIBC(int, prefix##vfwscanf, \
         (FILE * f, const wchar_t *format, va_list list)) \
    LIBC(int, prefix##vwscanf, (const wchar_t *format, va_list list)) \
    static void prefix##scans_bytes(struct stage *s) \
    { \
        int n = 0; \
        READS(s, prefix##fscanf, c_##prefix##fscanf(f, "%d", &n) + n); \
        READS(s, prefix##scanf, c_##prefix##scanf("%d", &n) + n); \
        READS(s, prefix##vfscanf, \
              by_list(c_##prefix##vfscanf, f, "%d", &n) + n); \
        READS(s, prefix##vscanf, \
              input_by_list(c_##prefix##vscanf, "%d", &n) + n); \
    } \
    static void prefix##scans_wide(struct stage *s) \
    { \
        int n = 0; \
        READS(s, prefix##fwscanf, c_##prefix##fwscanf(f, L"%d", &n) + n); \
        READS(s, prefix##wscanf, c_##prefix##wscanf(L"%d", &n) + n); \
        READS(s, prefix##vfwscanf, \
              wide_by_list(c_##prefix##vfwscanf, f, L"%d", &n) + n); \
        READS(s, prefix##vwscanf, \
              wide_input_by_list(c_##prefix##vwscanf, L"%d", &n) + n); \
    }

SCANS_OF()
SCANS_OF(__isoc99_)
SCANS_OF(__isoc23_)

/* ---- writing ----------------------------------------------------------------------- */

#define PIPE_SIZE 4096

/* A full pipe, which the peer empties. */
struct sink {
    int ends[2];
    FILE *file;
    long sum; /* of what was written */
};

static void open_sink(struct sink *to)
{
    char fill[PIPE_SIZE] = "";
    assert_int_equal(pipe(to->ends), 0);
    assert_int_equal(fcntl(to->ends[1], F_SETPIPE_SZ, PIPE_SIZE), PIPE_SIZE);
    assert_int_equal(write(to->ends[1], fill, PIPE_SIZE), PIPE_SIZE);
    to->file = fdopen(to->ends[1], "w");
    to->sum = 0;
    assert_non_null(to->file);
    setvbuf(to->file, NULL, _IONBF, 0);
}

static void take_all(void *arg)
{
    struct sink *to = arg;
    unsigned char text[PIPE_SIZE];
    assert_int_equal(read(to->ends[0], text, PIPE_SIZE), PIPE_SIZE);
}

static void close_sink(struct sink *to)
{
    unsigned char text[PIPE_SIZE];
    fclose(to->file);
    for (ssize_t n; (n = read(to->ends[0], text, sizeof(text))) > 0;) {
        for (ssize_t i = 0; i < n; i++)
            to->sum = (31 * to->sum + text[i]) % 1000003;
    }
    close(to->ends[0]);
}

/* call, in which f is a FILE to write to, standard output and standard error,
 * waits. */
#define WRITES(s, symbol, call) \
    do { \
        struct sink to_; \
        FILE *output_ = stdout, *error_ = stderr, *f; \
        if (!c_##symbol) \
            break; \
        open_sink(&to_); \
        stdout = stderr = f = to_.file; \
        later(s, take_all, &to_); \
        say(s, call); \
        await_peer(s); \
        stdout = output_; \
        stderr = error_; \
        close_sink(&to_); \
        say(s, to_.sum); \
    } while (false)

LIBC(int, fputc, (int c, FILE *f))
LIBC(int, putc, (int c, FILE *f))
LIBC(int, _IO_putc, (int c, FILE *f))
LIBC(int, putchar, (int c))
LIBC(int, fputc_unlocked, (int c, FILE *f))
LIBC(int, putc_unlocked, (int c, FILE *f))
LIBC(int, putchar_unlocked, (int c))
LIBC(int, putw, (int w, FILE *f))
LIBC(int, __overflow, (FILE * f, int c))
LIBC(int, fputs, (const char *text, FILE *f))
LIBC(int, fputs_unlocked, (const char *text, FILE *f))
LIBC(int, puts, (const char *text))
LIBC(size_t, fwrite, (const void *p, size_t size, size_t n, FILE *f))
LIBC(size_t, fwrite_unlocked, (const void *p, size_t size, size_t n, FILE *f))

static void bytes_are_written(struct stage *s)
{
    char text[2 * PIPE_SIZE];
    memset(text, 'w', sizeof(text));
    WRITES(s, fputc, c_fputc('1', f));
    WRITES(s, putc, c_putc('2', f));
    WRITES(s, _IO_putc, c__IO_putc('3', f));
    WRITES(s, putchar, c_putchar('4'));
    WRITES(s, fputc_unlocked, c_fputc_unlocked('5', f));
    WRITES(s, putc_unlocked, c_putc_unlocked('6', f));
    WRITES(s, putchar_unlocked, c_putchar_unlocked('7'));
    WRITES(s, putw, c_putw(8, f));
    WRITES(s, __overflow, c___overflow(f, '9'));
    WRITES(s, fputs, c_fputs("text", f) > 0);
    WRITES(s, fputs_unlocked, c_fputs_unlocked("text", f) > 0);
    WRITES(s, puts, c_puts("text") > 0);
    WRITES(s, fwrite, c_fwrite("text", 2, 2, f));
    WRITES(s, fwrite_unlocked, c_fwrite_unlocked("text", 2, 2, f));
}

LIBC(wint_t, fputwc, (wchar_t c, FILE *f))
LIBC(wint_t, putwc, (wchar_t c, FILE *f))
LIBC(wint_t, putwchar, (wchar_t c))
LIBC(wint_t, fputwc_unlocked, (wchar_t c, FILE *f))
LIBC(wint_t, putwc_unlocked, (wchar_t c, FILE *f))
LIBC(wint_t, putwchar_unlocked, (wchar_t c))
LIBC(wint_t, __woverflow, (FILE * f, wint_t c))
LIBC(int, fputws, (const wchar_t *text, FILE *f))
LIBC(int, fputws_unlocked, (const wchar_t *text, FILE *f))

static void wide_characters_are_written(struct stage *s)
{
    WRITES(s, fputwc, c_fputwc(L'1', f));
    WRITES(s, putwc, c_putwc(L'2', f));
    WRITES(s, putwchar, c_putwchar(L'3'));
    WRITES(s, fputwc_unlocked, c_fputwc_unlocked(L'4', f));
    WRITES(s, putwc_unlocked, c_putwc_unlocked(L'5', f));
    WRITES(s, putwchar_unlocked, c_putwchar_unlocked(L'6'));
    WRITES(s, __woverflow, (fwide(f, 1), c___woverflow(f, L'7')));
    WRITES(s, fputws, c_fputws(L"text", f) > 0);
    WRITES(s, fputws_unlocked, c_fputws_unlocked(L"text", f) > 0);
}

/* ---- writing what a format says ------------------------------------------------------ */

LIBC(int, fprintf, (FILE * f, const char *format, ...))
LIBC(int, printf, (const char *format, ...))
LIBC(int, __fprintf_chk, (FILE * f, int flag, const char *format, ...))
LIBC(int, __printf_chk, (int flag, const char *format, ...))
LIBC(int, dprintf, (int fd, const char *format, ...))
LIBC(int, __dprintf_chk, (int fd, int flag, const char *format, ...))
LIBC(int, fwprintf, (FILE * f, const wchar_t *format, ...))
LIBC(int, wprintf, (const wchar_t *format, ...))
LIBC(int, __fwprintf_chk, (FILE * f, int flag, const wchar_t *format, ...))
LIBC(int, __wprintf_chk, (int flag, const wchar_t *format, ...))

static void formats_are_written(struct stage *s)
{
    WRITES(s, fprintf, c_fprintf(f, "%d %s\n", 12, "words"));
    WRITES(s, printf, c_printf("%d %s\n", 12, "words"));
    WRITES(s, __fprintf_chk, c___fprintf_chk(f, 1, "%d %s\n", 12, "words"));
    WRITES(s, __printf_chk, c___printf_chk(1, "%d %s\n", 12, "words"));
    WRITES(s, dprintf, c_dprintf(fileno(f), "%d %s\n", 12, "words"));
    WRITES(s, __dprintf_chk,
           c___dprintf_chk(fileno(f), 1, "%d %s\n", 12, "words"));
    WRITES(s, fwprintf, c_fwprintf(f, L"%d %ls\n", 12, L"words"));
    WRITES(s, wprintf, c_wprintf(L"%d %ls\n", 12, L"words"));
    WRITES(s, __fwprintf_chk,
           c___fwprintf_chk(f, 1, L"%d %ls\n", 12, L"words"));
    WRITES(s, __wprintf_chk, c___wprintf_chk(1, L"%d %ls\n", 12, L"words"));
}

LIBC(int, vfprintf, (FILE * f, const char *format, va_list list))
LIBC(int, vprintf, (const char *format, va_list list))
LIBC(int, __vfprintf_chk,
     (FILE * f, int flag, const char *format, va_list list))
LIBC(int, __vprintf_chk, (int flag, const char *format, va_list list))
LIBC(int, vdprintf, (int fd, const char *format, va_list list))
LIBC(int, __vdprintf_chk, (int fd, int flag, const char *format, va_list list))
LIBC(int, vfwprintf, (FILE * f, const wchar_t *format, va_list list))
LIBC(int, vwprintf, (const wchar_t *format, va_list list))
LIBC(int, __vfwprintf_chk,
     (FILE * f, int flag, const wchar_t *format, va_list list))
LIBC(int, __vwprintf_chk, (int flag, const wchar_t *format, va_list list))

static void lists_are_written_in(struct stage *s, ...)
{
#define LIST_WRITES(symbol, ...) \
    WRITES(s, symbol, (va_copy(list, given), c_##symbol(__VA_ARGS__, list)))
    va_list given, list;
    va_start(given, s);
    LIST_WRITES(vfprintf, f, "%d\n");
    LIST_WRITES(vprintf, "%d\n");
    LIST_WRITES(__vfprintf_chk, f, 1, "%d\n");
    LIST_WRITES(__vprintf_chk, 1, "%d\n");
    LIST_WRITES(vdprintf, fileno(f), "%d\n");
    LIST_WRITES(__vdprintf_chk, fileno(f), 1, "%d\n");
    LIST_WRITES(vfwprintf, f, L"%d\n");
    LIST_WRITES(vwprintf, L"%d\n");
    LIST_WRITES(__vfwprintf_chk, f, 1, L"%d\n");
    LIST_WRITES(__vwprintf_chk, 1, L"%d\n");
    va_end(given);
}

static void lists_are_written(struct stage *s)
{
    lists_are_written_in(s, 12);
}

/* ---- messages -------------------------------------------------------------------------- */

LIBC(void, perror, (const char *text))
LIBC(void, psignal, (int signum, const char *text))
LIBC(void, warn, (const char *format, ...))
LIBC(void, warnx, (const char *format, ...))
LIBC(void, vwarn, (const char *format, va_list list))
LIBC(void, vwarnx, (const char *format, va_list list))
LIBC(void, error, (int status, int number, const char *format, ...))
LIBC(void, error_at_line,
     (int status, int number, const char *file, unsigned line,
      const char *format, ...))

static void warn_by(void (*fn)(const char *format, va_list list),
                    const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fn(format, list);
    va_end(list);
}

static void messages_are_written(struct stage *s)
{
    WRITES(s, perror, (errno = ENOENT, c_perror("word"), 0));
    WRITES(s, perror, (errno = ENOENT, c_perror(NULL), 0));
    WRITES(s, perror, (fputc('a', f), errno = ENOENT, c_perror("word"), 0));
    WRITES(s, psignal, (c_psignal(SIGUSR1, "word"), 0));
    WRITES(s, warn, (errno = ENOENT, c_warn("%d", 12), 0));
    WRITES(s, warnx, (c_warnx("%d", 12), 0));
    WRITES(s, vwarn, (errno = ENOENT, warn_by(c_vwarn, "%d", 12), 0));
    WRITES(s, vwarnx, (warn_by(c_vwarnx, "%d", 12), 0));
    WRITES(s, error, (c_error(0, ENOENT, "%d", 12), error_message_count > 0));
    WRITES(s, error_at_line, (c_error_at_line(0, 0, "file", 3, "%d", 12), 0));
}

LIBC(void, err, (int status, const char *format, ...))
LIBC(void, errx, (int status, const char *format, ...))
LIBC(void, verr, (int status, const char *format, va_list list))
LIBC(void, verrx, (int status, const char *format, va_list list))

static void verr_by(void (*fn)(int status, const char *format, va_list list),
                    int status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fn(status, format, list);
    va_end(list);
}

static void leave(int status, void *arg)
{
    _exit(status);
}

/* call, which ends a child; what it writes. */
#define ENDS(s, call) \
    do { \
        int ends_[2], status_ = -1; \
        assert_int_equal(pipe(ends_), 0); \
        pid_t pid_ = fork(); \
        if (pid_ == 0) { \
            on_exit(leave, NULL); \
            dup2(ends_[1], 2); \
            errno = ENOENT; \
            call; \
            _exit(99); \
        } \
        close(ends_[1]); \
        FILE *f_ = fdopen(ends_[0], "r"); \
        say_rest(s, f_); \
        fclose(f_); \
        waitpid(pid_, &status_, 0); \
        say(s, WEXITSTATUS(status_)); \
    } while (false)

static void last_messages_are_written(struct stage *s)
{
    ENDS(s, c_err(3, "%d", 12));
    ENDS(s, c_errx(4, "%d", 12));
    ENDS(s, verr_by(c_verr, 5, "%d", 12));
    ENDS(s, verr_by(c_verrx, 6, "%d", 12));
    ENDS(s, c_error(7, ENOENT, "%d", 12));
    ENDS(s, c_error_at_line(8, 0, "file", 3, "%d", 12));
}

/* ---- places and ends --------------------------------------------------------------------- */

LIBC(int, fflush_unlocked, (FILE * f))
LIBC(int, setvbuf, (FILE * f, char *buf, int mode, size_t size))
LIBC(int, freopen, (const char *path, const char *mode, FILE *f))
LIBC(int, freopen64, (const char *path, const char *mode, FILE *f))

/* What stands in the buffer is written before. */
#define WRITES_BUFFERED(s, symbol, call) \
    WRITES(s, symbol, (setvbuf(f, NULL, _IOFBF, 100), fputs("text", f), call))

LIBC(int, fflush, (FILE * f))
LIBC(int, fseek, (FILE * f, long offset, int whence))
LIBC(int, fseeko, (FILE * f, off_t offset, int whence))
LIBC(int, fseeko64, (FILE * f, off64_t offset, int whence))
LIBC(void, rewind, (FILE * f))
LIBC(int, fsetpos, (FILE * f, const fpos_t *place))
LIBC(int, fsetpos64, (FILE * f, const fpos64_t *place))

static void buffers_are_written(struct stage *s)
{
    fpos_t place = {0};
    fpos64_t place64 = {0};
    WRITES_BUFFERED(s, fflush, c_fflush(f));
    WRITES_BUFFERED(s, fflush, c_fflush(NULL));
    WRITES_BUFFERED(s, fflush_unlocked, c_fflush_unlocked(f));
    WRITES_BUFFERED(s, fseek, c_fseek(f, 0, SEEK_SET));
    WRITES_BUFFERED(s, fseeko, c_fseeko(f, 0, SEEK_SET));
    WRITES_BUFFERED(s, fseeko64, c_fseeko64(f, 0, SEEK_SET));
    WRITES_BUFFERED(s, rewind, (c_rewind(f), errno));
    WRITES_BUFFERED(s, fsetpos, c_fsetpos(f, &place));
    WRITES_BUFFERED(s, fsetpos64, c_fsetpos64(f, &place64));
    WRITES_BUFFERED(s, freopen, c_freopen("/dev/null", "w", f) != 0);
    WRITES_BUFFERED(s, freopen64, c_freopen64("/dev/null", "w", f) != 0);
}

LIBC(long, ftell, (FILE * f))
LIBC(off_t, ftello, (FILE * f))
LIBC(off64_t, ftello64, (FILE * f))
LIBC(int, fgetpos, (FILE * f, fpos_t *place))
LIBC(int, fgetpos64, (FILE * f, fpos64_t *place))
LIBC(void, setbuf, (FILE * f, char *buf))
LIBC(void, setbuffer, (FILE * f, char *buf, size_t size))
LIBC(void, setlinebuf, (FILE * f))
LIBC(int, feof, (FILE * f))
LIBC(int, ferror, (FILE * f))
LIBC(void, clearerr, (FILE * f))
LIBC(int, fclose, (FILE * f))

static void states_are_told(struct stage *s)
{
    static char buf[BUFSIZ];
    fpos_t place;
    fpos64_t place64;
    FILE *f = tmpfile();
    c_setbuf(f, buf);
    c_setbuffer(f, buf, sizeof(buf));
    c_setlinebuf(f);
    say(s, c_setvbuf(f, buf, _IOFBF, sizeof(buf)));
    say(s, fputs("text", f) > 0);
    say(s, c_ftell(f) + c_ftello(f) + c_ftello64(f));
    say(s, c_fgetpos(f, &place) + c_fgetpos64(f, &place64));
    say(s, fgetc(f));
    say(s, c_ferror(f) != 0);
    c_clearerr(f);
    say(s, c_ferror(f) + c_feof(f));
    rewind(f);
    say_rest(s, f);
    say(s, c_feof(f) != 0);
    say(s, c_fclose(f));
}

LIBC(void, flockfile, (FILE * f))
LIBC(int, ftrylockfile, (FILE * f))
LIBC(void, funlockfile, (FILE * f))

static void files_are_locked(struct stage *s)
{
    struct source from;
    open_source(&from, "text");
    later(s, give_text, &from);
    c_flockfile(from.file);
    say(s, c_ftrylockfile(from.file));
    say(s, fgetc(from.file));
    c_funlockfile(from.file);
    say(s, fgetc(from.file));
    c_funlockfile(from.file);
    await_peer(s);
    fclose(from.file);
}

/* ---- by other names ------------------------------------------------------------- */

LIBC(char *, _IO_fgets, (char *text, int n, FILE *f))
LIBC(size_t, _IO_fread, (void *p, size_t size, size_t n, FILE *f))
LIBC(int, _IO_ungetc, (int c, FILE *f))
LIBC(int, __vfscanf, (FILE * f, const char *format, va_list list))
LIBC(int, _IO_fputs, (const char *text, FILE *f))
LIBC(size_t, _IO_fwrite, (const void *p, size_t size, size_t n, FILE *f))
LIBC(int, _IO_puts, (const char *text))
LIBC(int, _IO_printf, (const char *format, ...))
LIBC(int, _IO_fprintf, (FILE * f, const char *format, ...))
LIBC(int, _IO_vfprintf, (FILE * f, const char *format, va_list list))
LIBC(int, _IO_fflush, (FILE * f))
LIBC(int, _IO_feof, (FILE * f))
LIBC(int, _IO_ferror, (FILE * f))
LIBC(long, _IO_ftell, (FILE * f))
LIBC(int, _IO_fgetpos, (FILE * f, fpos_t *place))
LIBC(int, _IO_fgetpos64, (FILE * f, fpos64_t *place))
LIBC(int, _IO_fsetpos, (FILE * f, const fpos_t *place))
LIBC(int, _IO_fsetpos64, (FILE * f, const fpos64_t *place))
LIBC(void, _IO_setbuffer, (FILE * f, char *buf, size_t size))
LIBC(int, _IO_setvbuf, (FILE * f, char *buf, int mode, size_t size))
LIBC(void, _IO_flockfile, (FILE * f))
LIBC(int, _IO_ftrylockfile, (FILE * f))
LIBC(void, _IO_funlockfile, (FILE * f))
LIBC(int, _IO_fclose, (FILE * f))
LIBC(FILE *, _IO_popen, (const char *command, const char *mode))

static int lists_by(int (*list_call)(FILE *f, const char *format, va_list list),
                    FILE *f, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int r = list_call(f, format, list);
    va_end(list);
    return r;
}

static void other_names_read(struct stage *s)
{
    char text[8] = "";
    int n;
    READS(s, _IO_fgets, c__IO_fgets(text, sizeof(text), f) == text);
    READS(s, _IO_fread, c__IO_fread(text, 1, 4, f));
    READS(s, _IO_ungetc, c__IO_ungetc(fgetc(f) + 1, f));
    READS(s, __vfscanf, lists_by(c___vfscanf, f, "%d", &n));
}

static void other_names_write(struct stage *s)
{
    static char buf[BUFSIZ];
    fpos_t place;
    fpos64_t place64;
    FILE *f = tmpfile(), *before = stdout;
    c__IO_setbuffer(f, buf, sizeof(buf));
    say(s, c__IO_setvbuf(f, buf, _IOFBF, sizeof(buf)));
    c__IO_flockfile(f);
    say(s, c__IO_ftrylockfile(f));
    c__IO_funlockfile(f);
    c__IO_funlockfile(f);
    say(s, c__IO_fgetpos(f, &place) + c__IO_fgetpos64(f, &place64));
    say(s, c__IO_fputs("ab", f) >= 0);
    say(s, (long)c__IO_fwrite("cd", 1, 2, f));
    say(s, c__IO_fprintf(f, "%d", 12));
    say(s, lists_by(c__IO_vfprintf, f, "%d", 34));
    stdout = f;
    say(s, c__IO_printf("%d", 56));
    say(s, c__IO_puts("e") >= 0);
    stdout = before;
    say(s, c__IO_fflush(f));
    say(s, c__IO_ftell(f));
    say(s, c__IO_fsetpos64(f, &place64) + c__IO_fsetpos(f, &place));
    say_rest(s, f);
    say(s, c__IO_feof(f) != 0);
    say(s, c__IO_ferror(f));
    say(s, c__IO_fclose(f));
    f = c__IO_popen("exit 3", "r");
    say(s, f != NULL);
    say(s, pclose(f));
}

static void calls_wait_as_libcs(void **state)
{
    const struct program programs[] = {
        PROGRAM("fgetc getc _IO_getc getchar fgetc_unlocked getc_unlocked "
                "getchar_unlocked getw ungetc __uflow __underflow "
                "_IO_file_read",
                bytes_are_read),
        PROGRAM("fgets fgets_unlocked __fgets_chk __fgets_unlocked_chk fread "
                "fread_unlocked __fread_chk __fread_unlocked_chk getline "
                "getdelim __getdelim",
                texts_are_read),
        PROGRAM("fgetwc getwc getwchar fgetwc_unlocked getwc_unlocked "
                "getwchar_unlocked ungetwc __wuflow __wunderflow fgetws "
                "fgetws_unlocked __fgetws_chk __fgetws_unlocked_chk",
                wide_characters_are_read),
        PROGRAM("fscanf scanf vfscanf vscanf", scans_bytes),
        PROGRAM("fwscanf wscanf vfwscanf vwscanf", scans_wide),
        PROGRAM("__isoc99_fscanf __isoc99_scanf __isoc99_vfscanf "
                "__isoc99_vscanf",
                __isoc99_scans_bytes),
        PROGRAM("__isoc99_fwscanf __isoc99_wscanf __isoc99_vfwscanf "
                "__isoc99_vwscanf",
                __isoc99_scans_wide),
        PROGRAM("__isoc23_fscanf __isoc23_scanf __isoc23_vfscanf "
                "__isoc23_vscanf",
                __isoc23_scans_bytes),
        PROGRAM("__isoc23_fwscanf __isoc23_wscanf __isoc23_vfwscanf "
                "__isoc23_vwscanf",
                __isoc23_scans_wide),
        PROGRAM("fputc putc _IO_putc putchar fputc_unlocked putc_unlocked "
                "putchar_unlocked putw __overflow fputs fputs_unlocked puts "
                "fwrite fwrite_unlocked _IO_file_write",
                bytes_are_written),
        PROGRAM("fputwc putwc putwchar fputwc_unlocked putwc_unlocked "
                "putwchar_unlocked __woverflow fputws fputws_unlocked",
                wide_characters_are_written),
        PROGRAM("fprintf printf __fprintf_chk __printf_chk dprintf "
                "__dprintf_chk fwprintf wprintf __fwprintf_chk __wprintf_chk",
                formats_are_written),
        PROGRAM("vfprintf vprintf __vfprintf_chk __vprintf_chk vdprintf "
                "__vdprintf_chk vfwprintf vwprintf __vfwprintf_chk "
                "__vwprintf_chk",
                lists_are_written),
        PROGRAM("perror psignal warn warnx vwarn vwarnx error "
                "error_at_line",
                messages_are_written),
        PROGRAM("err errx verr verrx", last_messages_are_written),
        PROGRAM("fflush fflush_unlocked fseek fseeko fseeko64 rewind fsetpos "
                "fsetpos64 freopen freopen64",
                buffers_are_written),
        PROGRAM("ftell ftello ftello64 fgetpos fgetpos64 setvbuf setbuf "
                "setbuffer setlinebuf feof ferror clearerr fclose",
                states_are_told),
        PROGRAM("flockfile ftrylockfile funlockfile", files_are_locked),
        PROGRAM("_IO_fgets _IO_fread _IO_ungetc __vfscanf", other_names_read),
        PROGRAM("_IO_setbuffer _IO_setvbuf _IO_flockfile _IO_ftrylockfile "
                "_IO_funlockfile _IO_fgetpos _IO_fgetpos64 _IO_fputs "
                "_IO_fwrite _IO_fprintf _IO_vfprintf _IO_printf _IO_puts "
                "_IO_fflush _IO_ftell _IO_fsetpos _IO_fsetpos64 _IO_feof "
                "_IO_ferror _IO_fclose _IO_popen",
                other_names_write),
    };
    stage_perform(programs, sizeof(programs) / sizeof(programs[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_wait_as_libcs),
    };
    if (UNIT_HAS_NO_SLOTS)
        return unit_skip_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
