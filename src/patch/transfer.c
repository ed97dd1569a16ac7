/*
 * Data moved between two descriptors: sendfile, splice, tee, copy_file_range.
 *
 * None of them has a flag for sockets, and O_NONBLOCK is not ours to set. So a
 * file goes to a socket by reads and sends; between pipes and files the flag of
 * splice will do; a worker makes all other calls.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/net.h"
#include "patch/call.h"
#include "patch/functions.h"

/* Bytes of a file that are read and sent at a time. */
#define PIECE ((size_t)64 << 10)

static mode_t kind_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_mode & S_IFMT : 0;
}

/* ---- sendfile ------------------------------------------------------------------------------------ */

/* From *offset on, which is moved by what was sent. */
static ssize_t send_pieces(int out, int in, off_t *offset, size_t count,
                           char *piece)
{
    size_t done = 0;
    while (done < count) {
        size_t left = count - done;
        ssize_t n =
            grove_pread(in, piece, left < PIECE ? left : PIECE, *offset);
        if (n > 0)
            n = net_send(out, piece, (size_t)n,
                         (size_t)n < left && n == PIECE ? MSG_MORE : 0,
                         GROVE_NEVER, NET_LIBC);
        if (n <= 0)
            return n < 0 && done == 0 ? -1 : (ssize_t)done;
        done += (size_t)n;
        *offset += n;
        if ((size_t)n < PIECE)
            break;
    }
    return (ssize_t)done;
}

/* Without an offset the file's own position moves. */
static ssize_t send_file(int out, int in, off_t *offset, size_t count)
{
    off_t position = offset ? *offset : lseek(in, 0, SEEK_CUR);
    char *piece = position < 0 ? NULL : malloc(PIECE);
    if (!piece)
        return -1;
    off_t at = position;
    ssize_t n = send_pieces(out, in, &at, count, piece);
    int error = errno;
    free(piece);
    if (offset)
        *offset = at;
    else if (at != position)
        lseek(in, at, SEEK_SET);
    errno = error;
    return n;
}

static ssize_t sendfile_parking(struct hub *hub, int out, int in, off_t *offset,
                                size_t count)
{
    mode_t from = kind_of(in), to = kind_of(out);
    if (S_ISREG(from) && S_ISSOCK(to) && count > 0 && (!offset || *offset >= 0))
        return send_file(out, in, offset, count);
    return patch_on_worker(hub, "sendfile", SYS_sendfile, out, in, (long)offset,
                           (long)count, 0, 0);
}

ssize_t patch_sendfile(int out, int in, off_t *offset, size_t count)
{
    PATCHED(ssize_t, PATCH_SENDS, sendfile(out, in, offset, count),
            sendfile_parking(hub, out, in, offset, count));
}

/* ---- splice, tee ----------------------------------------------------------------------------------- */

static bool obeys_flag(int fd)
{
    mode_t kind = kind_of(fd);
    return S_ISFIFO(kind) || S_ISREG(kind);
}

static ssize_t splice_parking(struct hub *hub, int in, off_t *in_offset,
                              int out, off_t *out_offset, size_t count,
                              unsigned flags)
{
    if (obeys_flag(in) && obeys_flag(out))
        return grove_splice(in, in_offset, out, out_offset, count, flags);
    return patch_on_worker(hub, "splice", SYS_splice, in, (long)in_offset, out,
                           (long)out_offset, (long)count, flags);
}

ssize_t patch_splice(int in, off_t *in_offset, int out, off_t *out_offset,
                     size_t count, unsigned flags)
{
    PATCHED(ssize_t, PATCH_RESTARTS,
            splice(in, in_offset, out, out_offset, count, flags),
            splice_parking(hub, in, in_offset, out, out_offset, count, flags));
}

ssize_t patch_tee(int in, int out, size_t count, unsigned flags)
{
    PATCHED(ssize_t, PATCH_RESTARTS, tee(in, out, count, flags),
            patch_on_worker(hub, "tee", SYS_tee, in, out, (long)count, flags, 0,
                            0));
}

ssize_t patch_copy_file_range(int in, off_t *in_offset, int out,
                              off_t *out_offset, size_t count, unsigned flags)
{
    PATCHED(ssize_t, PATCH_RESTARTS,
            copy_file_range(in, in_offset, out, out_offset, count, flags),
            patch_on_worker(hub, "copy_file_range", SYS_copy_file_range, in,
                            (long)in_offset, out, (long)out_offset, (long)count,
                            flags));
}
