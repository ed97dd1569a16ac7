/*
 * HTTP/1.1: libgrove-http, a library on top of libgrove, so that only programs
 * that use it carry llhttp. What its files share; of libgrove it uses what is
 * public, and the table in net/tls_ops.h.
 *
 * On bytes alone, without a fiber:
 *
 *   parser.c    llhttp, and the views that it finds
 *   usual.c     heads of most requests, without it
 *   check.c     what stands between the views, and what a head means
 *   chunked.c   bodies
 *   field.c     looking up fields; texts
 *   reason.c    statuses
 *   build.c     heads to be sent
 *   date.c      the time, once a second
 *   url.c       where a URL leads
 *
 * On streams:
 *
 *   connection.c  birth and end of one side
 *   receive.c     a message that comes: head, body
 *   send.c        a message that goes
 *   file.c        a body that is a file's
 *   serve.c       a server's connection, request by request
 *   client.c      dialing, requests, responses
 *   get.c         one page
 *
 * A message that comes stays in the stream's buffer, where its views point,
 * until it is over, if all of it is there; otherwise its head is copied, and
 * the body comes through the buffer:
 *
 *     stream's buffer:   | head | body, all of it | next request ...
 *                        at^     seen^
 *     or                 | piece of the body | ...        head: h->saved
 *
 * Invariants:
 *   1. Bytes are consumed in the stream only after their views have ended.
 *   2. Of a message that is refused nothing behind the fault is looked at.
 */
#ifndef GROVE_HTTP_HTTP_H
#define GROVE_HTTP_HTTP_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <llhttp.h>
#include <string.h>
#include <strings.h>

#include "fiber/visibility.h"
#include "grove.h"

/* ---- the parser ------------------------------------------------------------ */

/* Fields that a parser has room for without asking for memory. */
#define PARSER_FIELDS 48

/* Where in a message a parser is. */
enum parser_state {
    PARSER_HEAD,     /* in its head */
    PARSER_NONE,     /* behind it: there is no body, or it has ended */
    PARSER_LENGTH,   /* in a body of `left` more bytes */
    PARSER_CHUNKED,  /* in a chunked one */
    PARSER_TRAILERS, /* behind its last chunk */
    PARSER_TO_CLOSE, /* in one that ends with the connection */
    PARSER_REFUSED,  /* for good */
};

/* Where in chunks it is: in the line before one, up to its end ... */
enum chunk_place {
    CHUNK_SIZE,        /* in the digits, or before the first */
    CHUNK_BEFORE_NAME, /* of an extension */
    CHUNK_NAME,
    CHUNK_BEHIND_NAME, /* and a blank */
    CHUNK_BEFORE_VALUE,
    CHUNK_VALUE,
    CHUNK_QUOTED,
    CHUNK_ESCAPED,       /* behind a backslash in quotes */
    CHUNK_END_OF_QUOTED, /* behind the quotes */
    CHUNK_BEHIND_VALUE,  /* and a blank; or behind the size and one */
    CHUNK_LF,
    CHUNK_DATA, /* ... or in the chunk, or behind it */
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_WRONG, /* nowhere: it is refused */
};

struct grove_http_parser {
    llhttp_t llhttp;
    enum parser_state state;
    int kind;                 /* GROVE_HTTP_REQUESTS or _RESPONSES */
    grove_http_limits limits; /* none is 0 */
    bool bodiless;            /* what comes answers a HEAD */
    bool tunnel;              /* what comes answers a CONNECT */
    bool again;               /* llhttp has been used since its reset */
    /* The head, or the trailers: where they begin, and what of them llhttp has
     * seen. Views point there. */
    const char *base;
    size_t seen;
    grove_http_head head;
    grove_http_text version;  /* as "1.1" */
    grove_http_field *fields; /* `few`, or allocated */
    size_t room;              /* of fields */
    size_t count;             /* of fields, those of the trailers included */
    size_t head_count;        /* of those, the head's */
    bool in_value;            /* of the last field, the name is complete */
    enum chunk_place chunk;   /* in PARSER_CHUNKED: there, ... */
    size_t line;       /* ... and of the line before one, so many bytes */
    uint64_t left;     /* bytes of the body, or of the chunk */
    uint64_t body;     /* bytes of the body so far */
    int64_t excess;    /* bytes of chunks that are no data, less what
                          the data allows for */
    int status;        /* why it was refused: 400, 431 ...; 0: not */
    const char *error; /* in words; "" */
    grove_http_field few[PARSER_FIELDS];
};

/* parser.c */

/* Make one in memory that is there; limits may be NULL. */
void parser_init(grove_http_parser *p, int kind,
                 const grove_http_limits *limits);
/* Give back what it has allocated. */
void parser_end(grove_http_parser *p);
/* The message is refused: -EPROTO. What was said first stays. */
int parser_refuse(grove_http_parser *p, int status, const char *error);
/* The bytes that views point to are at `to` now. */
void parser_rebase(grove_http_parser *p, const char *to);
/* Have llhttp see what is new. How many bytes it has taken, as it paused or has
 * seen all; or -EPROTO, -ENOMEM. */
ssize_t parser_feed(grove_http_parser *p, const char *at, size_t len);

/* Whether a version is 1.0 or 1.1. */
bool parser_speaks(grove_http_text version);

/* usual.c: find the views of a request's head that is as most are, within len
 * bytes. Its size; 0: it is another, or not all of it is there, and nothing is
 * known of it. */
size_t parser_take_usual(grove_http_parser *p, const char *at, size_t len);

/* check.c: at the end of a head, of size bytes. 0 or -EPROTO. */
int parser_check_head(grove_http_parser *p, size_t size);
/* The same of a usual one, in which everything stands where it should. */
int parser_check_usual(grove_http_parser *p);
/* Likewise of trailers. */
int parser_check_trailers(grove_http_parser *p, size_t size);

/* ---- texts -------------------------------------------------------------------- */

/* field.c: whether c may stand in a token, such as a field's name. */
extern const bool http_token_chars[256] __attribute__((visibility("hidden")));
bool http_is_token(grove_http_text text);

/* A field's value has no control characters, but tabs. */
extern const bool http_value_chars[256] __attribute__((visibility("hidden")));

/* In each byte of a word the same. */
#define HTTP_BYTES(c) (UINT64_C(0x0101010101010101) * (c))

/* The first of these bytes that no value has; end: there is none. Eight are
 * looked at at once: a byte below ' ' loses its highest bit to the one that is
 * taken from it, and so does 127 to the 1, as 0. That may put off bytes behind
 * it, which are looked at again. */
static inline const char *http_value_end(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        word = le64toh(word); /* the first byte is the lowest */
        uint64_t odd = ((word - HTTP_BYTES(' ')) |
                        ((word ^ HTTP_BYTES(127)) - HTTP_BYTES(1))) &
                       ~word & HTTP_BYTES(128);
        if (likely(!odd)) {
            at += 8;
            continue;
        }
        at += __builtin_ctzll(odd) / 8;
        if (*at != '\t')
            return at;
        at++;
    }
    while (at < end && http_value_chars[(unsigned char)*at])
        at++;
    return at;
}

/* As grove_http_equal and grove_http_equal_nocase, where the string is written
 * in the call: with its length known no call is needed then. */
__attribute__((always_inline)) static inline bool http_is(grove_http_text text,
                                                          const char *string)
{
    return text.size == __builtin_strlen(string) &&
           memcmp(text.at, string, __builtin_strlen(string)) == 0;
}

/* Whether the next 4 bytes, or 8, are the string's in either case. Of what such
 * strings are made of, letters alone have the bit 64; upper case lacks the bit
 * 32. */
__attribute__((always_inline)) static inline bool http_has_4(const char *at,
                                                             const char *string)
{
    uint32_t a, b;
    memcpy(&a, at, 4);
    memcpy(&b, string, 4);
    uint32_t letters = (b & 0x40404040) >> 1;
    return (a | letters) == (b | letters);
}

__attribute__((always_inline)) static inline bool http_has_8(const char *at,
                                                             const char *string)
{
    uint64_t a, b;
    memcpy(&a, at, 8);
    memcpy(&b, string, 8);
    uint64_t letters = (b & HTTP_BYTES(64)) >> 1;
    return (a | letters) == (b | letters);
}

/* The string is of letters, digits and "-", from 4 to 24 of them. */
__attribute__((always_inline)) static inline bool
http_is_nocase(grove_http_text text, const char *string)
{
    size_t size = __builtin_strlen(string);
    assert(size >= 4 && size <= 24);
    if (text.size != size)
        return false;
    if (size < 8)
        return http_has_4(text.at, string) &&
               http_has_4(text.at + size - 4, string + size - 4);
    return http_has_8(text.at, string) &&
           (size <= 16 || http_has_8(text.at + 8, string + 8)) &&
           http_has_8(text.at + size - 8, string + size - 8);
}

/* date.c: how long a date is, and the field of it, line's end included. */
#define HTTP_DATE_SIZE 29
#define HTTP_DATE_LINE (6 + HTTP_DATE_SIZE + 2)

/* The field, valid until the thread's next call of this or grove_http_date. */
const char *http_date_line(void);

/* ---- connections ----------------------------------------------------------------- */

/* Of a message that goes. */
enum send_state {
    SEND_NOTHING,  /* none was begun */
    SEND_LENGTH,   /* to_send more bytes are to come */
    SEND_CHUNKED,  /* chunks */
    SEND_TO_CLOSE, /* all until the connection is closed */
    SEND_DROPPED,  /* what is written is not sent: the answer to a HEAD */
    SEND_DONE,     /* it is complete */
    SEND_BROKEN,   /* a part of it is lost: nothing can follow */
};

struct grove_http {
    grove_stream *stream;
    grove_connection *connection; /* of a server; NULL */
    void *arg;                    /* the server's function's */
    grove_http_attr attr;         /* none of its timeouts is 0 */
    /* What comes. */
    bool receiving;       /* a head has come */
    bool ended;           /* its body, too */
    const char *saved;    /* the head's copy, allocated; NULL: it is in place */
    size_t held;          /* bytes in the stream's buffer that views point to */
    size_t head_size;     /* of them, the head's, if it is in place */
    grove_http_text rest; /* of a piece, what was not read yet */
    bool promised;        /* 100 was answered, or need not be */
    bool late;            /* the last wait for the body has timed out */
    /* What goes. */
    enum send_state sending;
    int error;         /* SEND_BROKEN: by what */
    int64_t to_send;   /* SEND_LENGTH: what is missing */
    bool close;        /* no other message follows */
    bool taken;        /* the stream is somebody else's now */
    bool head_request; /* a client's: the response has no body */
    bool connect;      /* a client's request was CONNECT */
    char *host;        /* a client's: allocated */
    grove_http_parser parser;
};

/* connection.c */
void http_init(grove_http *h, grove_stream *stream, int kind,
               const grove_http_attr *attr);
/* All but the stream. */
void http_end(grove_http *h);
/* The deadline of a call now. */
int64_t http_deadline(int64_t timeout);
/* Whether the server that the connection is of stops, and nothing of another
 * request has come: the answer to this one is the last. */
bool http_is_last(const grove_http *h);

/* receive.c */

/* Receive the rest of a head, of which `have` bytes, one at least, have come
 * and are at `at` in the stream: until deadline (0: as attr says, from now on).
 * Its size; -ENODATA: the connection ended before that; or another negative
 * errno.
 */
ssize_t http_receive_head(grove_http *h, const char *at, size_t have,
                          int64_t deadline);
/* What has come is done with, all of its body read. */
void http_receive_end(grove_http *h);

/* send.c */

/* Send a head, and size bytes behind it. 0 or a negative errno. */
int http_send_head(grove_http *h, const grove_http_start *start,
                   const void *body, size_t size, int64_t deadline);
/* The same of a message that is complete with that: flushed, unless the peer
 * has sent more already, whose answer can go along. */
int http_send_whole(grove_http *h, const grove_http_start *start,
                    const void *body, size_t size, int64_t deadline);
/* What was begun has a body of length bytes, or as that says. */
void http_send_begin(grove_http *h, int64_t length);
/* Flush, unless the peer has sent more already, whose answer can go along. */
int http_send_soon(grove_http *h, int64_t deadline);
/* What a call that sends comes to: after a failure nothing can follow. */
int http_send_result(grove_http *h, int r);

#endif
