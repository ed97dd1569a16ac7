/*
 * A body, or a part of it, that is a file's: by sendfile where the bytes go out
 * as they are, by reading and writing where TLS or chunks stand between. On the
 * stream's thread; all may park.
 */
#include "http/http.h"

/* Read and written at a time. */
#define PIECE 16384

static int copy(grove_http *h, int fd, off_t offset, int64_t length,
                int64_t deadline)
{
    char buf[PIECE];
    while (length > 0) {
        size_t want = length < PIECE ? (size_t)length : PIECE;
        ssize_t n = grove_pread_until(fd, buf, want, offset, deadline);
        if (n <= 0)
            return http_send_result(h, n < 0 ? -errno : -ENODATA);
        int r = grove_http_write_until(h, buf, (size_t)n, deadline);
        if (r < 0)
            return r;
        offset += n;
        length -= n;
    }
    return 0;
}

static int send_as_it_is(grove_http *h, int fd, off_t offset, int64_t length,
                         int64_t deadline)
{
    int r = grove_http_flush_until(h, deadline);
    int out = grove_stream_fd(h->stream);
    while (r == 0 && length > 0) {
        ssize_t n =
            grove_sendfile_until(out, fd, &offset, (size_t)length, deadline);
        if (n <= 0)
            return http_send_result(h, n < 0 ? -errno : -ENODATA);
        length -= n;
        h->to_send -= n;
    }
    if (r == 0 && h->to_send == 0)
        h->sending = SEND_DONE;
    return r;
}

int grove_http_send_file_until(grove_http *h, int fd, off_t offset,
                               int64_t length, int64_t deadline)
{
    if (length < 0 || offset < 0)
        return -EINVAL;
    if (h->sending == SEND_DROPPED || length == 0)
        return grove_http_write_until(h, "", 0, deadline);
    if (h->sending == SEND_LENGTH && length > h->to_send)
        return -EMSGSIZE;
    if (h->sending == SEND_LENGTH && !grove_stream_tls(h->stream) &&
        length > PIECE)
        return send_as_it_is(h, fd, offset, length, deadline);
    return copy(h, fd, offset, length, deadline);
}

int grove_http_send_file(grove_http *h, int fd, off_t offset, int64_t length)
{
    return grove_http_send_file_until(h, fd, offset, length,
                                      http_deadline(h->attr.write_timeout));
}
