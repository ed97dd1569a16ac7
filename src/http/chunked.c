/*
 * Bodies: counted, or in chunks, which llhttp takes apart, or up to the
 * connection's end.
 *
 * A chunk's head and its extensions, which nobody asked for, take bytes that
 * are no data. Of these a message may have so many for each byte of data and
 * each call, or a peer could keep us busy without end: see EXCESS.
 *
 * Trailers are taken like a head: in one piece, and checked at their end.
 */
#include "http/http.h"

/* Bytes of chunks that are no data: so many at once, and more with the data,
 * so that chunks of a byte each, without extensions, pass. */
#define EXCESS 16384
#define EXCESS_A_BYTE 8

static int use_counted(grove_http_parser *p, const char *at, size_t len,
                       grove_http_piece *piece)
{
    size_t n = len < p->left ? len : (size_t)p->left;
    p->left -= n;
    *piece = (grove_http_piece){{at, n}, n, p->left == 0};
    if (p->left == 0)
        p->state = PARSER_NONE;
    return 0;
}

static int use_to_close(grove_http_parser *p, const char *at, size_t len,
                        grove_http_piece *piece)
{
    p->body += len;
    if (p->limits.body_size >= 0 && p->body > (uint64_t)p->limits.body_size)
        return parser_refuse(p, 413, "the body is too large");
    *piece = (grove_http_piece){{at, len}, len, false};
    return 0;
}

/* ---- trailers ---------------------------------------------------------------- */

/* len bytes of the trailers, and of what follows, are there. */
static int use_trailers(grove_http_parser *p, const char *at, size_t len,
                        grove_http_piece *piece)
{
    if (p->seen > 0)
        parser_rebase(p, at);
    p->base = at;
    *piece = (grove_http_piece){{at, 0}, 0, false};
    assert(len >= p->seen);
    if (len == p->seen)
        return 0;
    if (len > p->limits.head_size)
        len = p->limits.head_size;
    ssize_t n = parser_feed(p, at + p->seen, len - p->seen);
    if (n < 0)
        return (int)n;
    p->seen += (size_t)n;
    bool complete = llhttp_get_errno(&p->llhttp) == HPE_PAUSED;
    if (!complete)
        return p->seen < p->limits.head_size
                   ? 0
                   : parser_refuse(p, 431, "the trailers are too long");
    int r = parser_check_trailers(p, p->seen);
    if (r < 0)
        return r;
    piece->used = p->seen;
    piece->end = true;
    p->state = PARSER_NONE;
    return 0;
}

/* ---- chunks ------------------------------------------------------------------- */

/* used bytes have brought size bytes of data. */
static int check_chunk(grove_http_parser *p, size_t used, size_t size)
{
    p->body += size;
    if (p->limits.body_size >= 0 && p->body > (uint64_t)p->limits.body_size)
        return parser_refuse(p, 413, "the body is too large");
    p->excess += (int64_t)(used - size);
    p->excess -= size > EXCESS ? EXCESS : (int64_t)size * EXCESS_A_BYTE;
    if (p->excess < 0)
        p->excess = 0;
    if (p->excess > EXCESS)
        return parser_refuse(p, 400, "chunks of hardly any data");
    return 0;
}

static int use_chunks(grove_http_parser *p, const char *at, size_t len,
                      grove_http_piece *piece)
{
    p->data = (grove_http_text){at, 0};
    p->seen = 0;
    ssize_t n = len ? parser_feed(p, at, len) : 0;
    if (n < 0)
        return (int)n;
    *piece = (grove_http_piece){p->data, (size_t)n, false};
    if (check_chunk(p, (size_t)n, p->data.size) < 0)
        return -EPROTO;
    if (p->last_chunk) {
        assert(p->data.size == 0);
        p->state = PARSER_TRAILERS;
        p->seen = 0;
        p->base = at + n;
    }
    return 0;
}

int grove_http_parse_body(grove_http_parser *p, const char *at, size_t len,
                          grove_http_piece *piece)
{
    switch (p->state) {
    case PARSER_LENGTH:
        return use_counted(p, at, len, piece);
    case PARSER_TO_CLOSE:
        return use_to_close(p, at, len, piece);
    case PARSER_CHUNKED:
        return use_chunks(p, at, len, piece);
    case PARSER_TRAILERS:
        return use_trailers(p, at, len, piece);
    case PARSER_NONE:
        *piece = (grove_http_piece){{at, 0}, 0, true};
        return 0;
    case PARSER_REFUSED:
        return -EPROTO;
    default:
        assert(!"a body is parsed behind its head");
        return -EINVAL;
    }
}

const grove_http_field *
grove_http_parser_trailers(const grove_http_parser *parser, size_t *count)
{
    bool there = parser->state == PARSER_NONE;
    *count = there ? parser->count - parser->head_count : 0;
    return parser->fields + parser->head_count;
}
