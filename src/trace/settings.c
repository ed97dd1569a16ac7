/*
 * GROVE_TRACE is the file, GROVE_TRACE_SIZE the room for a hub's events. A file
 * belongs to one process: the child of a fork writes one whose name ends in its
 * number, "file.1234". A program that a traced one starts reads the environment
 * anew; where several are to be told apart, "%p" in GROVE_TRACE stands for the
 * number of the process.
 *
 * A relative name means the folder in which the process was when its first hub
 * began, wherever it goes later. Read once; the path changes in the child of a
 * fork alone, where one thread is left.
 */
#include "trace/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fiber/log.h"
#include "fiber/stack.h"

static char asked[PATH_MAX]; /* GROVE_TRACE, absolute; empty: it is not set */
static char path[PATH_MAX];  /* of this process; empty: nothing is traced */
static pid_t process;        /* whose path it is */
static size_t size = TRACE_SIZE;

/* False: it is too long. */
static bool make_absolute(const char *name)
{
    char folder[PATH_MAX];
    int n;
    if (name[0] == '/' || !getcwd(folder, sizeof(folder)))
        n = snprintf(asked, sizeof(asked), "%s", name);
    else
        n = snprintf(asked, sizeof(asked), "%s/%s", folder, name);
    return n < (int)sizeof(asked);
}

/* asked, and `more` behind it. */
static bool make_path(const char *more)
{
    char *at = strstr(asked, "%p");
    int n;
    if (at)
        n = snprintf(path, sizeof(path), "%.*s%ld%s", (int)(at - asked), asked,
                     (long)process, at + 2);
    else
        n = snprintf(path, sizeof(path), "%s%s", asked, more);
    return n < (int)sizeof(path);
}

static bool is_pipe(void)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* Leaves what is there, and nothing where nothing was. 0 or -errno. A pipe is
 * opened once, for its reader would take the second time for the end. */
static int try_to_open(void)
{
    if (is_pipe())
        return access(path, W_OK) == 0 ? 0 : -errno;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool is_new = fd < 0 && errno == ENOENT;
    if (is_new)
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return is_new && errno == EEXIST ? 0 : -errno; /* another's, of now */
    close(fd);
    if (is_new)
        unlink(path);
    return 0;
}

static void give_up(const char *name, int error)
{
    log_tell(GROVE_LOG_WARNING, "no trace: cannot write \"%s\": %s", name,
             strerror(error));
    path[0] = '\0';
}

static void read_size(void)
{
    const char *text = getenv("GROVE_TRACE_SIZE");
    size_t n = text ? stack_size_parse(text) : TRACE_SIZE;
    if (n >= TRACE_SIZE_MIN)
        size = (size_t)1 << (63 - __builtin_clzll(n));
    else
        log_tell(GROVE_LOG_WARNING,
                 "GROVE_TRACE_SIZE is \"%s\"; expected 16K to 64M; 8M is taken",
                 text);
}

void trace_settings_read(void)
{
    const char *name = secure_getenv("GROVE_TRACE");
    if (!name || !*name)
        return;
    process = getpid();
    int r =
        make_absolute(name) && make_path("") ? try_to_open() : -ENAMETOOLONG;
    if (r < 0)
        give_up(name, -r);
    else
        read_size();
}

const char *trace_path(void)
{
    return path[0] && process == getpid() ? path : NULL;
}

bool trace_path_forked(void)
{
    char number[24];
    if (!path[0] || process == getpid())
        return false;
    process = getpid();
    snprintf(number, sizeof(number), ".%ld", (long)process);
    if (!make_path(number))
        give_up(asked, ENAMETOOLONG);
    return true;
}

size_t trace_size(void)
{
    return size;
}
