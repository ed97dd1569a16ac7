/*
 * Bodies: counted, or in chunks, or up to the connection's end.
 *
 * Chunks are taken apart here: llhttp of Debian 12 refuses extensions behind
 * one that has a value (RFC 9112, 7.1.1), and to have it find the data costs
 * more than the data's way.
 *
 *     SIZE ;ext=value CR LF data CR LF SIZE ...   0 CR LF trailers CR LF
 *
 * A chunk's head and its extensions, which nobody asked for, take bytes that
 * are no data. Of these a message may have so many for each byte of data and
 * each call, or a peer could keep us busy without end: see EXCESS.
 *
 * Trailers are taken like a head, by llhttp: in one piece, and checked at their
 * end.
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

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

/* The value of a hexadecimal digit; -1: it is none. */
static int digit_of(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Where the next byte of a chunk's line is, behind c in its size; CHUNK_WRONG:
 * there is none such. */
static enum chunk_place behind_size(grove_http_parser *p, unsigned char c)
{
    int digit = digit_of(c);
    if (digit >= 0 && p->left >> 59 == 0) {
        p->left = p->left * 16 + (unsigned)digit;
        return CHUNK_SIZE;
    }
    if (p->line == 1 || digit >= 0)
        return CHUNK_WRONG;
    return c == '\r'     ? CHUNK_LF
           : c == ';'    ? CHUNK_BEFORE_NAME
           : is_blank(c) ? CHUNK_BEHIND_VALUE
                         : CHUNK_WRONG;
}

/* The same in an extension. Blanks are bad, but to be taken (RFC 9110, 5.6.3);
 * at a line's end there are none. */
static enum chunk_place behind(enum chunk_place place, unsigned char c)
{
    bool token = http_token_chars[c], blank = is_blank(c);
    bool next = c == ';';
    switch (place) {
    case CHUNK_BEFORE_NAME:
        return token ? CHUNK_NAME : blank ? place : CHUNK_WRONG;
    case CHUNK_NAME:
        if (token || c == '\r')
            return token ? place : CHUNK_LF;
        /* fall through */
    case CHUNK_BEHIND_NAME:
        return blank      ? CHUNK_BEHIND_NAME
               : next     ? CHUNK_BEFORE_NAME
               : c == '=' ? CHUNK_BEFORE_VALUE
                          : CHUNK_WRONG;
    case CHUNK_BEFORE_VALUE:
        return c == '"' ? CHUNK_QUOTED
               : token  ? CHUNK_VALUE
               : blank  ? place
                        : CHUNK_WRONG;
    case CHUNK_QUOTED:
        return c == '"'              ? CHUNK_END_OF_QUOTED
               : c == '\\'           ? CHUNK_ESCAPED
               : http_value_chars[c] ? place
                                     : CHUNK_WRONG;
    case CHUNK_ESCAPED:
        return http_value_chars[c] ? CHUNK_QUOTED : CHUNK_WRONG;
    case CHUNK_VALUE:
        if (token)
            return place;
        /* fall through */
    case CHUNK_END_OF_QUOTED:
        if (c == '\r')
            return CHUNK_LF;
        /* fall through */
    case CHUNK_BEHIND_VALUE:
        return blank  ? CHUNK_BEHIND_VALUE
               : next ? CHUNK_BEFORE_NAME
                      : CHUNK_WRONG;
    default:
        assert(!"in an extension");
        return CHUNK_WRONG;
    }
}

/* The line before a chunk is complete. */
static enum chunk_place behind_line(grove_http_parser *p)
{
    p->line = 0;
    if (p->left > 0)
        return CHUNK_DATA;
    ssize_t n = parser_feed(p, "0\r\n", 3); /* trailers come next */
    assert(n == 3);
    (void)n;
    p->state = PARSER_TRAILERS;
    p->seen = 0;
    return CHUNK_DATA;
}

static enum chunk_place next_place(grove_http_parser *p, unsigned char c)
{
    switch (p->chunk) {
    case CHUNK_SIZE:
        return behind_size(p, c);
    case CHUNK_LF:
        return c == '\n' ? behind_line(p) : CHUNK_WRONG;
    case CHUNK_DATA_CR:
        return c == '\r' ? CHUNK_DATA_LF : CHUNK_WRONG;
    case CHUNK_DATA_LF:
        return c == '\n' ? CHUNK_SIZE : CHUNK_WRONG;
    default:
        return behind(p->chunk, c);
    }
}

/* Of len bytes those that stand before the chunk's data, or the trailers. How
 * many, or -EPROTO. */
static ssize_t use_framing(grove_http_parser *p, const char *at, size_t len)
{
    size_t n = 0;
    while (n < len && p->state == PARSER_CHUNKED && p->chunk != CHUNK_DATA) {
        p->line += p->chunk < CHUNK_DATA;
        p->chunk = next_place(p, (unsigned char)at[n++]);
        if (p->chunk == CHUNK_WRONG)
            return parser_refuse(p, 400, "not a chunk");
        if (p->line > p->limits.line_size)
            return parser_refuse(p, 400, "the line before a chunk is too long");
    }
    return (ssize_t)n;
}

static grove_http_text use_data(grove_http_parser *p, const char *at,
                                size_t len)
{
    size_t n = len < p->left ? len : (size_t)p->left;
    p->left -= n;
    if (p->left == 0)
        p->chunk = CHUNK_DATA_CR;
    return (grove_http_text){at, n};
}

static int use_chunks(grove_http_parser *p, const char *at, size_t len,
                      grove_http_piece *piece)
{
    ssize_t n = use_framing(p, at, len);
    if (n < 0)
        return (int)n;
    size_t used = (size_t)n;
    grove_http_text data = {at + used, 0};
    if (p->state == PARSER_CHUNKED && used < len)
        data = use_data(p, at + used, len - used);
    used += data.size;
    *piece = (grove_http_piece){data, used, false};
    if (check_chunk(p, used, data.size) < 0)
        return -EPROTO;
    if (p->state == PARSER_TRAILERS)
        p->base = at + used;
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
