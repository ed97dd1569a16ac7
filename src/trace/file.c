/*
 * A file is written beside its place, "path.1234-1.part", and renamed. So a
 * process that is killed meanwhile, or a full disk, leaves the file of an
 * earlier run as it was.
 *
 * What is there and is no plain file, a device or a link, is written to itself;
 * so is another user's, whose place a folder like /tmp gives to nobody, and a
 * file in a folder where none can be made. Any thread: the number
 * behind that of the process tells writings of the same moment apart.
 */
#include "trace/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether a new file can take the place of what is there. */
static bool can_be_replaced(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0
               ? S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
                     access(path, W_OK) == 0
               : errno == ENOENT;
}

/* The descriptor of the part; -1: there is none. */
static int open_part(struct trace_file *file)
{
    static atomic_uint writings;
    unsigned number = atomic_fetch_add(&writings, 1) + 1;
    int n = snprintf(file->part, sizeof(file->part), "%s.%ld-%u.part",
                     file->path, (long)getpid(), number);
    if (n >= (int)sizeof(file->part) || !can_be_replaced(file->path))
        return -1;
    return open(file->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

/* ---- the stream ----------------------------------------------------------------- */

static ssize_t put(void *cookie, const char *bytes, size_t size)
{
    struct trace_file *file = cookie;
    ssize_t n;
    do
        n = write(file->fd, bytes, size);
    while (n < 0 && errno == EINTR);
    if (n < 0 && file->error == 0)
        file->error = -errno;
    return n < 0 ? 0 : n; /* as a cookie's function has it */
}

static int close_it(void *cookie)
{
    return close(((struct trace_file *)cookie)->fd);
}

/* ---- begin and end -------------------------------------------------------------- */

int trace_file_begin(struct trace_file *file, const char *path)
{
    static const cookie_io_functions_t functions = {.write = put,
                                                    .close = close_it};
    file->path = path;
    file->error = 0;
    file->fd = open_part(file);
    if (file->fd < 0) {
        file->part[0] = '\0';
        file->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    file->stream = file->fd < 0 ? NULL : fopencookie(file, "w", functions);
    if (file->stream)
        return 0;
    int error = -errno;
    if (file->fd >= 0) {
        close(file->fd);
        unlink(file->part);
    }
    return error;
}

int trace_file_end(struct trace_file *file, int error)
{
    int r = fclose(file->stream) == 0 ? 0 : -errno;
    if (error == 0)
        error = file->error ? file->error : r;
    if (!file->part[0])
        return error;
    if (error == 0 && rename(file->part, file->path) < 0)
        error = -errno;
    if (error < 0)
        unlink(file->part);
    return error;
}
