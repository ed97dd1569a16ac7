/*
 * libc's calls on FILEs, each while its FILE is held (hold.h), so that the
 * fiber parks where libc has to read or write: of the same arguments, results
 * and errors. The function for symbol is held_symbol.
 */
#ifndef GROVE_PATCH_STDIO_CALLS_H
#define GROVE_PATCH_STDIO_CALLS_H

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <wchar.h>

/* Each is given to F as: symbol, what it returns, its parameters, its FILE, and
 * the parameters' names. */
#define STDIO_SYMBOLS(F) \
    STDIO_BYTES(F) STDIO_WIDE(F) STDIO_PLACES(F) STDIO_FORMATS(F)
/* Those that return nothing. */
#define STDIO_VOID_SYMBOLS(F) STDIO_SETTINGS(F) STDIO_MESSAGES(F)
/* With a variable number of arguments, after the last parameter; instead of the
 * parameters' names those of a call with a va_list, of the symbol in front. */
#define STDIO_VARIADIC_SYMBOLS(F) STDIO_PRINTS(F) STDIO_SCANS(F)

/* clang-format off */
#define STDIO_BYTES(F) \
    F(int, fgetc, (FILE *f), f, (f)) \
    F(int, getc, (FILE *f), f, (f)) \
    F(int, _IO_getc, (FILE *f), f, (f)) \
    F(int, getchar, (void), stdin, ()) \
    F(int, fgetc_unlocked, (FILE *f), f, (f)) \
    F(int, getc_unlocked, (FILE *f), f, (f)) \
    F(int, getchar_unlocked, (void), stdin, ()) \
    F(int, getw, (FILE *f), f, (f)) \
    F(int, ungetc, (int c, FILE *f), f, (c, f)) \
    F(int, __uflow, (FILE *f), f, (f)) \
    F(int, __underflow, (FILE *f), f, (f)) \
    F(char *, fgets, (char *s, int n, FILE *f), f, (s, n, f)) \
    F(char *, fgets_unlocked, (char *s, int n, FILE *f), f, (s, n, f)) \
    F(char *, __fgets_chk, (char *s, size_t size, int n, FILE *f), f, (s, size, n, f)) \
    F(char *, __fgets_unlocked_chk, (char *s, size_t size, int n, FILE *f), f, (s, size, n, f)) \
    F(size_t, fread, (void *p, size_t size, size_t n, FILE *f), f, (p, size, n, f)) \
    F(size_t, fread_unlocked, (void *p, size_t size, size_t n, FILE *f), f, (p, size, n, f)) \
    F(size_t, __fread_chk, (void *p, size_t room, size_t size, size_t n, FILE *f), f, (p, room, size, n, f)) \
    F(size_t, __fread_unlocked_chk, (void *p, size_t room, size_t size, size_t n, FILE *f), f, (p, room, size, n, f)) \
    F(ssize_t, getline, (char **s, size_t *n, FILE *f), f, (s, n, f)) \
    F(ssize_t, getdelim, (char **s, size_t *n, int end, FILE *f), f, (s, n, end, f)) \
    F(ssize_t, __getdelim, (char **s, size_t *n, int end, FILE *f), f, (s, n, end, f)) \
    F(int, fputc, (int c, FILE *f), f, (c, f)) \
    F(int, putc, (int c, FILE *f), f, (c, f)) \
    F(int, _IO_putc, (int c, FILE *f), f, (c, f)) \
    F(int, putchar, (int c), stdout, (c)) \
    F(int, fputc_unlocked, (int c, FILE *f), f, (c, f)) \
    F(int, putc_unlocked, (int c, FILE *f), f, (c, f)) \
    F(int, putchar_unlocked, (int c), stdout, (c)) \
    F(int, putw, (int w, FILE *f), f, (w, f)) \
    F(int, __overflow, (FILE *f, int c), f, (f, c)) \
    F(int, fputs, (const char *s, FILE *f), f, (s, f)) \
    F(int, fputs_unlocked, (const char *s, FILE *f), f, (s, f)) \
    F(int, puts, (const char *s), stdout, (s)) \
    F(size_t, fwrite, (const void *p, size_t size, size_t n, FILE *f), f, (p, size, n, f)) \
    F(size_t, fwrite_unlocked, (const void *p, size_t size, size_t n, FILE *f), f, (p, size, n, f))

#define STDIO_WIDE(F) \
    F(wint_t, fgetwc, (FILE *f), f, (f)) \
    F(wint_t, getwc, (FILE *f), f, (f)) \
    F(wint_t, getwchar, (void), stdin, ()) \
    F(wint_t, fgetwc_unlocked, (FILE *f), f, (f)) \
    F(wint_t, getwc_unlocked, (FILE *f), f, (f)) \
    F(wint_t, getwchar_unlocked, (void), stdin, ()) \
    F(wint_t, ungetwc, (wint_t c, FILE *f), f, (c, f)) \
    F(wint_t, __wuflow, (FILE *f), f, (f)) \
    F(wint_t, __wunderflow, (FILE *f), f, (f)) \
    F(wchar_t *, fgetws, (wchar_t *s, int n, FILE *f), f, (s, n, f)) \
    F(wchar_t *, fgetws_unlocked, (wchar_t *s, int n, FILE *f), f, (s, n, f)) \
    F(wchar_t *, __fgetws_chk, (wchar_t *s, size_t size, int n, FILE *f), f, (s, size, n, f)) \
    F(wchar_t *, __fgetws_unlocked_chk, (wchar_t *s, size_t size, int n, FILE *f), f, (s, size, n, f)) \
    F(wint_t, fputwc, (wchar_t c, FILE *f), f, (c, f)) \
    F(wint_t, putwc, (wchar_t c, FILE *f), f, (c, f)) \
    F(wint_t, putwchar, (wchar_t c), stdout, (c)) \
    F(wint_t, fputwc_unlocked, (wchar_t c, FILE *f), f, (c, f)) \
    F(wint_t, putwc_unlocked, (wchar_t c, FILE *f), f, (c, f)) \
    F(wint_t, putwchar_unlocked, (wchar_t c), stdout, (c)) \
    F(wint_t, __woverflow, (FILE *f, wint_t c), f, (f, c)) \
    F(int, fputws, (const wchar_t *s, FILE *f), f, (s, f)) \
    F(int, fputws_unlocked, (const wchar_t *s, FILE *f), f, (s, f))

#define STDIO_PLACES(F) \
    F(int, fseek, (FILE *f, long offset, int whence), f, (f, offset, whence)) \
    F(int, fseeko, (FILE *f, off_t offset, int whence), f, (f, offset, whence)) \
    F(int, fseeko64, (FILE *f, off64_t offset, int whence), f, (f, offset, whence)) \
    F(long, ftell, (FILE *f), f, (f)) \
    F(off_t, ftello, (FILE *f), f, (f)) \
    F(off64_t, ftello64, (FILE *f), f, (f)) \
    F(int, fgetpos, (FILE *f, fpos_t *place), f, (f, place)) \
    F(int, fgetpos64, (FILE *f, fpos64_t *place), f, (f, place)) \
    F(int, fsetpos, (FILE *f, const fpos_t *place), f, (f, place)) \
    F(int, fsetpos64, (FILE *f, const fpos64_t *place), f, (f, place)) \
    F(int, setvbuf, (FILE *f, char *buf, int mode, size_t size), f, (f, buf, mode, size)) \
    F(int, feof, (FILE *f), f, (f)) \
    F(int, ferror, (FILE *f), f, (f)) \
    F(int, fflush_unlocked, (FILE *f), f, (f))

#define STDIO_SETTINGS(F) \
    F(rewind, (FILE *f), f, (f)) \
    F(setbuf, (FILE *f, char *buf), f, (f, buf)) \
    F(setbuffer, (FILE *f, char *buf, size_t size), f, (f, buf, size)) \
    F(setlinebuf, (FILE *f), f, (f)) \
    F(clearerr, (FILE *f), f, (f))

#define STDIO_MESSAGES(F) \
    F(psignal, (int signum, const char *s), stderr, (signum, s)) \
    F(vwarn, (const char *format, va_list list), stderr, (format, list)) \
    F(vwarnx, (const char *format, va_list list), stderr, (format, list))

#define STDIO_FORMATS(F) \
    F(int, vfprintf, (FILE *f, const char *format, va_list list), f, (f, format, list)) \
    F(int, vprintf, (const char *format, va_list list), stdout, (format, list)) \
    F(int, __vfprintf_chk, (FILE *f, int flag, const char *format, va_list list), f, (f, flag, format, list)) \
    F(int, __vprintf_chk, (int flag, const char *format, va_list list), stdout, (flag, format, list)) \
    F(int, vfwprintf, (FILE *f, const wchar_t *format, va_list list), f, (f, format, list)) \
    F(int, vwprintf, (const wchar_t *format, va_list list), stdout, (format, list)) \
    F(int, __vfwprintf_chk, (FILE *f, int flag, const wchar_t *format, va_list list), f, (f, flag, format, list)) \
    F(int, __vwprintf_chk, (int flag, const wchar_t *format, va_list list), stdout, (flag, format, list)) \
    F(int, vfscanf, (FILE *f, const char *format, va_list list), f, (f, format, list)) \
    F(int, vscanf, (const char *format, va_list list), stdin, (format, list)) \
    F(int, vfwscanf, (FILE *f, const wchar_t *format, va_list list), f, (f, format, list)) \
    F(int, vwscanf, (const wchar_t *format, va_list list), stdin, (format, list)) \
    F(int, __isoc99_vfscanf, (FILE *f, const char *format, va_list list), f, (f, format, list)) \
    F(int, __isoc99_vscanf, (const char *format, va_list list), stdin, (format, list)) \
    F(int, __isoc99_vfwscanf, (FILE *f, const wchar_t *format, va_list list), f, (f, format, list)) \
    F(int, __isoc99_vwscanf, (const wchar_t *format, va_list list), stdin, (format, list)) \
    F(int, __isoc23_vfscanf, (FILE *f, const char *format, va_list list), f, (f, format, list)) \
    F(int, __isoc23_vscanf, (const char *format, va_list list), stdin, (format, list)) \
    F(int, __isoc23_vfwscanf, (FILE *f, const wchar_t *format, va_list list), f, (f, format, list)) \
    F(int, __isoc23_vwscanf, (const wchar_t *format, va_list list), stdin, (format, list))

#define STDIO_PRINTS(F) \
    F(fprintf, (FILE *f, const char *format, ...), format, vfprintf, (f, format, list)) \
    F(printf, (const char *format, ...), format, vprintf, (format, list)) \
    F(__fprintf_chk, (FILE *f, int flag, const char *format, ...), format, __vfprintf_chk, (f, flag, format, list)) \
    F(__printf_chk, (int flag, const char *format, ...), format, __vprintf_chk, (flag, format, list)) \
    F(fwprintf, (FILE *f, const wchar_t *format, ...), format, vfwprintf, (f, format, list)) \
    F(wprintf, (const wchar_t *format, ...), format, vwprintf, (format, list)) \
    F(__fwprintf_chk, (FILE *f, int flag, const wchar_t *format, ...), format, __vfwprintf_chk, (f, flag, format, list)) \
    F(__wprintf_chk, (int flag, const wchar_t *format, ...), format, __vwprintf_chk, (flag, format, list)) \
    F(dprintf, (int fd, const char *format, ...), format, vdprintf, (fd, format, list)) \
    F(__dprintf_chk, (int fd, int flag, const char *format, ...), format, __vdprintf_chk, (fd, flag, format, list))

#define STDIO_SCANS(F) \
    F(fscanf, (FILE *f, const char *format, ...), format, vfscanf, (f, format, list)) \
    F(scanf, (const char *format, ...), format, vscanf, (format, list)) \
    F(fwscanf, (FILE *f, const wchar_t *format, ...), format, vfwscanf, (f, format, list)) \
    F(wscanf, (const wchar_t *format, ...), format, vwscanf, (format, list)) \
    F(__isoc99_fscanf, (FILE *f, const char *format, ...), format, __isoc99_vfscanf, (f, format, list)) \
    F(__isoc99_scanf, (const char *format, ...), format, __isoc99_vscanf, (format, list)) \
    F(__isoc99_fwscanf, (FILE *f, const wchar_t *format, ...), format, __isoc99_vfwscanf, (f, format, list)) \
    F(__isoc99_wscanf, (const wchar_t *format, ...), format, __isoc99_vwscanf, (format, list)) \
    F(__isoc23_fscanf, (FILE *f, const char *format, ...), format, __isoc23_vfscanf, (f, format, list)) \
    F(__isoc23_scanf, (const char *format, ...), format, __isoc23_vscanf, (format, list)) \
    F(__isoc23_fwscanf, (FILE *f, const wchar_t *format, ...), format, __isoc23_vfwscanf, (f, format, list)) \
    F(__isoc23_wscanf, (const wchar_t *format, ...), format, __isoc23_vwscanf, (format, list))
/* clang-format on */

#define STDIO_DECLARE(type, symbol, parameters, file, names) \
    type held_##symbol parameters;
#define STDIO_DECLARE_VOID(symbol, parameters, file, names) \
    void held_##symbol parameters;
#define STDIO_DECLARE_VARIADIC(symbol, parameters, last, with, names) \
    int held_##symbol parameters;
STDIO_SYMBOLS(STDIO_DECLARE)
STDIO_VOID_SYMBOLS(STDIO_DECLARE_VOID)
STDIO_VARIADIC_SYMBOLS(STDIO_DECLARE_VARIADIC)
#undef STDIO_DECLARE
#undef STDIO_DECLARE_VOID
#undef STDIO_DECLARE_VARIADIC

/* ---- messages.c: without a FILE of the caller's ------------------------------ */

int held_vdprintf(int fd, const char *format, va_list list);
int held___vdprintf_chk(int fd, int flag, const char *format, va_list list);
void held_perror(const char *s);
void held_warn(const char *format, ...);
void held_warnx(const char *format, ...);
_Noreturn void held_verr(int status, const char *format, va_list list);
_Noreturn void held_verrx(int status, const char *format, va_list list);
_Noreturn void held_err(int status, const char *format, ...);
_Noreturn void held_errx(int status, const char *format, ...);
void held_error(int status, int number, const char *format, ...);
void held_error_at_line(int status, int number, const char *file, unsigned line,
                        const char *format, ...);

/* ---- files.c: which last longer than a call, or are all of them --------------- */

void held_flockfile(FILE *f);
int held_ftrylockfile(FILE *f);
void held_funlockfile(FILE *f);
int held_fflush(FILE *f);
int held_fclose(FILE *f);
FILE *held_freopen(const char *path, const char *mode, FILE *f);

#endif
