/*
 * Where messages for people go: to a function of the program's, or to standard
 * error, in one system call each, so that lines of several threads do not mix.
 *
 * Function and argument belong together: they are read and set under a lock,
 * which is not held while the function is called, and not taken over by the
 * child of a fork. It is on the lowest layer, since all have something to say.
 */
#include "fiber/log.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Of a message, with its end. */
#define LOG_SIZE 1024

/* Who is told. */
struct listener {
    void (*fn)(grove_log_level level, const char *text, void *arg);
    void *arg;
};

static void write_line(grove_log_level level, const char *text, void *arg)
{
    static const char name[] = "grove: ";
    size_t prefix = level == GROVE_LOG_DETAIL ? 0 : sizeof(name) - 1;
    struct iovec line[] = {
        {(void *)(uintptr_t)name, prefix},
        {(void *)(uintptr_t)text, strlen(text)},
        {(void *)(uintptr_t) "\n", 1},
    };
    (void)arg;
    ssize_t n = writev(STDERR_FILENO, line, 3);
    (void)n; /* there is nobody left to tell */
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct listener listener = {write_line, NULL}; /* under the lock */

static void hold(void)
{
    pthread_mutex_lock(&lock);
}

static void let_go(void)
{
    pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
    pthread_atfork(hold, let_go, let_go);
}

/* Whoever takes it first sees to it that a fork does not find it taken. */
static void take(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    hold();
}

void log_prepare(void)
{
    take();
    let_go();
}

void grove_log_set(void (*fn)(grove_log_level level, const char *text,
                              void *arg),
                   void *arg)
{
    take();
    listener =
        fn ? (struct listener){fn, arg} : (struct listener){write_line, NULL};
    let_go();
}

/* A name or a setting in it may have more than one. */
static void make_one_line(char *text)
{
    for (char *end; (end = strchr(text, '\n'));)
        *end = ' ';
}

void log_tell(grove_log_level level, const char *format, ...)
{
    char text[LOG_SIZE];
    int saved = errno;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert(n >= 0);
    (void)n;
    make_one_line(text);
    take();
    struct listener to = listener;
    let_go();
    to.fn(level, text, to.arg);
    errno = saved;
}
