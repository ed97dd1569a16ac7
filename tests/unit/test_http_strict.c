/*
 * What is a message and what is none: a table of what RFC 9112 says, each row
 * whole and cut at every byte.
 */
#include "http_messages.h"

#define G "GET / HTTP/1.1\r\n"
#define H "Host: a\r\n"
#define P "POST / HTTP/1.1\r\n" H
#define CHUNKS P "Transfer-Encoding: chunked\r\n\r\n"

struct row {
    const char *says; /* where RFC 9112 (or 9110) says so */
    int status;       /* that refuses it; 0: it is a whole message */
    const char *bytes;
    size_t size;
};

#define ROW(says, status, bytes) \
    { \
        says, status, bytes, sizeof(bytes) - 1 \
    }

static const struct row requests[] = {
    /* The request's line. */
    ROW("3: the usual", 0, G H "\r\n"),
    ROW("3: HTTP/1.0 needs no Host", 0, "GET / HTTP/1.0\r\n\r\n"),
    ROW("2.2: empty lines before it are let be", 0, "\r\n\r\n" G H "\r\n"),
    ROW("2.2: bare LF before it", 400, "\n" G H "\r\n"),
    ROW("2.2: bare CR before it", 400, "\r" G H "\r\n"),
    ROW("2.2: LF behind an empty line", 400, "\r\n\n" G H "\r\n"),
    ROW("2.2: CR CR LF before it", 400, "\r\r\n" G H "\r\n"),
    ROW("3: two blanks", 400, "GET  / HTTP/1.1\r\n" H "\r\n"),
    ROW("3: two blanks", 400, "GET /  HTTP/1.1\r\n" H "\r\n"),
    ROW("3: a blank behind it", 400, "GET / HTTP/1.1 \r\n" H "\r\n"),
    ROW("3: a blank before it", 400, " GET / HTTP/1.1\r\n" H "\r\n"),
    ROW("3: a tab", 400, "GET\t/ HTTP/1.1\r\n" H "\r\n"),
    ROW("3: a tab", 400, "GET /\tHTTP/1.1\r\n" H "\r\n"),
    ROW("3: no version", 400, "GET /\r\n\r\n"),
    ROW("3: no target", 400, "GET HTTP/1.1\r\n" H "\r\n"),
    ROW("2.2: bare LF", 400, "GET / HTTP/1.1\n" H "\r\n"),
    ROW("2.2: bare CR", 400, "GET / HTTP/1.1\r" H "\r\n"),
    ROW("2.2: CR CR LF", 400, "GET / HTTP/1.1\r\r\n" H "\r\n"),
    ROW("2.3: another version", 505, "GET / HTTP/2.0\r\n" H "\r\n"),
    ROW("2.3: another version", 505, "GET / HTTP/1.2\r\n" H "\r\n"),
    ROW("2.3: another version", 505, "GET / HTTP/0.9\r\n" H "\r\n"),
    ROW("2.3: another version", 505, "GET / HTTP/3.1\r\n" H "\r\n"),
    ROW("2.3: no version", 400, "GET / HTTP/1.10\r\n" H "\r\n"),
    ROW("2.3: no version", 400, "GET / HTTP/11\r\n" H "\r\n"),
    ROW("2.3: no version", 400, "GET / http/1.1\r\n" H "\r\n"),
    ROW("2.3: no version", 400, "GET / HTTP/1,1\r\n" H "\r\n"),
    ROW("2.3: another protocol", 400, "OPTIONS * RTSP/1.0\r\n" H "\r\n"),
    ROW("2.3: another protocol", 400, "SOURCE / ICE/1.0\r\n" H "\r\n"),
    ROW("3.1: a method of nobody's", 501, "BREW / HTTP/1.1\r\n" H "\r\n"),
    ROW("3.1: a method in small letters", 501, "get / HTTP/1.1\r\n" H "\r\n"),
    ROW("3.1: no token", 400, "G(T / HTTP/1.1\r\n" H "\r\n"),
    ROW("3.1: no token", 400, "\x16\x03\x01\x02\x00\x01"),
    ROW("3.2: a path with a query", 0, "GET /a?b=/%20 HTTP/1.1\r\n" H "\r\n"),
    ROW("3.2.2: a URL", 0, "GET http://a/b HTTP/1.1\r\n" H "\r\n"),
    ROW("3.2.3: a host and a port", 0, "CONNECT a:443 HTTP/1.1\r\n" H "\r\n"),
    ROW("3.2.4: the server", 0, "OPTIONS * HTTP/1.1\r\n" H "\r\n"),
    ROW("3.2.4: of OPTIONS only", 400, "GET * HTTP/1.1\r\n" H "\r\n"),
    ROW("3.2: no form of a target", 400, "GET a HTTP/1.1\r\n" H "\r\n"),
    ROW("3.2: no form of a target", 400, "GET file:///a HTTP/1.1\r\n" H "\r\n"),
    ROW("3.2: no form of a target", 400, "CONNECT /a HTTP/1.1\r\n" H "\r\n"),
    ROW("3.2: a fragment", 400, "GET /a#b HTTP/1.1\r\n" H "\r\n"),
    ROW("3.2: a control character", 400, "GET /\x01 HTTP/1.1\r\n" H "\r\n"),
    ROW("3.2: a NUL", 400, "GET /\0 HTTP/1.1\r\n" H "\r\n"),
    ROW("3.2: DEL", 400, "GET /\x7f HTTP/1.1\r\n" H "\r\n"),
    ROW("3.2: not ASCII", 400, "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n"),
    /* Host. */
    ROW("3.2: no Host", 400, G "\r\n"),
    ROW("3.2: two", 400, G H H "\r\n"),
    ROW("3.2: two", 400, G H "hOST: b\r\n\r\n"),
    ROW("3.2: an empty one", 0, G "Host:\r\n\r\n"),
    ROW("3.2: a port", 0, G "Host: [::1]:80\r\n\r\n"),
    ROW("3.2: a blank in it", 400, G "Host: a b\r\n\r\n"),
    ROW("3.2: a path in it", 400, G "Host: a/b\r\n\r\n"),
    ROW("3.2: a user in it", 400, G "Host: b@a\r\n\r\n"),
    /* Fields. */
    ROW("5: blanks around a value", 0, G H "A: \t b \t \r\n\r\n"),
    ROW("5: no blank", 0, G H "A:b\r\n\r\n"),
    ROW("5: an empty value", 0, G H "A: \r\n\r\n"),
    ROW("5: beyond ASCII", 0, G H "A: \xff\x80\r\n\r\n"),
    ROW("5.1: a blank before the colon", 400, G H "A : b\r\n\r\n"),
    ROW("5.1: a tab before the colon", 400, G H "A\t: b\r\n\r\n"),
    ROW("5.1: of a field that matters", 400, P "Content-Length : 0\r\n\r\n"),
    ROW("5.1: of a field that matters", 400,
        P "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    ROW("2.2: a blank before the first", 400, G " " H "\r\n"),
    ROW("5.2: continued", 400, G H "A: b\r\n c\r\n\r\n"),
    ROW("5.2: continued", 400, G H "A: b\r\n\tc\r\n\r\n"),
    ROW("5.2: continued, empty before", 400, G H "A:\r\n b\r\n\r\n"),
    ROW("5.2: continued by nothing", 400, G H "A: b\r\n \r\n\r\n"),
    ROW("5.2: a coding continued", 400,
        P "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ROW("5.2: a length continued", 400, P "Content-Length: 1\r\n 1\r\n\r\na"),
    ROW("2.2: bare LF behind a field", 400, G H "A: b\nC: d\r\n\r\n"),
    ROW("2.2: bare LF behind a field", 400, G "Host: a\n\r\n"),
    ROW("2.2: bare LF at the end", 400, G H "\n"),
    ROW("2.2: bare LFs", 400, "GET / HTTP/1.1\nHost: a\n\n"),
    ROW("2.2: bare CR in a value", 400, G H "A: b\rc\r\n\r\n"),
    ROW("2.2: bare CR before LF", 400, G H "A: b\r\r\n\r\n"),
    ROW("5.5 of 9110: NUL", 400, G H "A: b\0c\r\n\r\n"),
    ROW("5.5 of 9110: a control character", 400, G H "A: \x01\r\n\r\n"),
    ROW("5.5 of 9110: DEL", 400, G H "A: \x7f\r\n\r\n"),
    ROW("5.1 of 9110: no name", 400, G H ": b\r\n\r\n"),
    ROW("5.1 of 9110: no colon", 400, G H "A\r\n\r\n"),
    ROW("5.1 of 9110: no token", 400, G H "A b: c\r\n\r\n"),
    ROW("5.1 of 9110: no token", 400, G H "A(: c\r\n\r\n"),
    ROW("5.1 of 9110: no token", 400, G H "\xc3\xa4: c\r\n\r\n"),
    ROW("5.1 of 9110: NUL", 400, G H "A\0: c\r\n\r\n"),
    /* Content-Length. */
    ROW("6.2: a length", 0, P "Content-Length: 3\r\n\r\nabc"),
    ROW("6.2: none", 0, P "Content-Length: 0\r\n\r\n"),
    ROW("6.2: zeros before it", 0, P "Content-Length: 0003\r\n\r\nabc"),
    ROW("6.3: two that differ", 400,
        P "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    ROW("6.3: two that do not", 400,
        P "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    ROW("6.3: a list", 400, P "Content-Length: 3, 3\r\n\r\nabc"),
    ROW("6.2: a sign", 400, P "Content-Length: +3\r\n\r\nabc"),
    ROW("6.2: a sign", 400, P "Content-Length: -3\r\n\r\nabc"),
    ROW("6.2: hexadecimal", 400, P "Content-Length: 0x3\r\n\r\nabc"),
    ROW("6.2: a fraction", 400, P "Content-Length: 3.0\r\n\r\nabc"),
    ROW("6.2: empty", 400, P "Content-Length:\r\n\r\n"),
    ROW("6.2: a word", 400, P "Content-Length: three\r\n\r\nabc"),
    ROW("6.2: a blank in it", 400, P "Content-Length: 1 1\r\n\r\nabcdefghijk"),
    ROW("6.2: 2^63", 400, P "Content-Length: 9223372036854775808\r\n\r\n"),
    ROW("6.2: 2^64", 400, P "Content-Length: 18446744073709551616\r\n\r\n"),
    ROW("6.2: 2^64 + 3", 400,
        P "Content-Length: 18446744073709551619\r\n\r\nabc"),
    /* Transfer-Encoding. */
    ROW("7.1: chunks", 0, CHUNKS "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
    ROW("6.1: in capitals", 0,
        P "tRANSFER-eNCODING: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    ROW("6.1: with a length", 400,
        P "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ROW("6.1: with a length", 400,
        P "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    ROW("6.1: twice", 400,
        P "Transfer-Encoding: chunked\r\n"
          "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ROW("6.1: twice", 400,
        P "Transfer-Encoding: chunked\r\n"
          "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    ROW("6.1: applied twice", 400,
        P "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ROW("6.1: not the last", 400,
        P "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ROW("6.1: one that is not known", 501,
        P "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ROW("6.1: one that is not known", 501,
        P "Transfer-Encoding: identity\r\n\r\n"),
    ROW("6.1: one that is not known", 501,
        P "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ROW("6.1: one that is not known", 501,
        P "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    ROW("6.1: one that is not known", 501,
        P "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    ROW("6.1: none", 400, P "Transfer-Encoding:\r\n\r\n"),
    ROW("6.1: a comma", 400, P "Transfer-Encoding: chunked,\r\n\r\n"),
    ROW("6.1: a vertical tab", 400,
        P "Transfer-Encoding: \x0b"
          "chunked\r\n\r\n0\r\n\r\n"),
    ROW("6.1: in HTTP/1.0", 400,
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ROW("9.3.6 of 9110: CONNECT with a body", 400,
        "CONNECT a:1 HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\na"),
    /* Chunks. */
    ROW("7.1: none", 0, CHUNKS "0\r\n\r\n"),
    ROW("7.1: zeros before it", 0, CHUNKS "003\r\nabc\r\n000\r\n\r\n"),
    ROW("7.1: hexadecimal", 0, CHUNKS "A\r\n0123456789\r\n0\r\n\r\n"),
    ROW("7.1.1: an extension", 0, CHUNKS "3;a=b\r\nabc\r\n0;c\r\n\r\n"),
    ROW("7.1.1: one in quotes", 0, CHUNKS "3;a=\"b;\"\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: one with a \\ in quotes", 0,
        CHUNKS "3;a=\"\\\"\"\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: several", 0,
        CHUNKS "3;a=b;c;d=\"e\";f\r\nabc\r\n0;g;h=i;j\r\n\r\n"),
    ROW("5.6.3 of 9110: bad blanks", 0,
        CHUNKS "3 ; a = b\t;\tc=\"d\" ;e\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: blanks at the end", 400, CHUNKS "3;a \r\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: blanks at the end", 400, CHUNKS "3;a=b \r\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: no value", 400, CHUNKS "3;a=\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: two names", 400, CHUNKS "3;a b\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: text behind quotes", 400,
        CHUNKS "3;a=\"b\"c\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: LF behind a \\", 400,
        CHUNKS "3;a=\"\\\n\"\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: quotes without an end", 400,
        CHUNKS "3;a=\"b\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: no name", 400, CHUNKS "3;\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: no token", 400, CHUNKS "3;a\x01\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: LF in it", 400, CHUNKS "3;a\nabc\r\n0\r\n\r\n"),
    ROW("7.1.1: LF in quotes", 400, CHUNKS "3;a=\"\n\"\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1: no size", 400, CHUNKS "\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1: a sign", 400, CHUNKS "+3\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1: a sign", 400, CHUNKS "-3\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1: 0x", 400, CHUNKS "0x3\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1: no digit", 400, CHUNKS "g\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1: a blank before", 400, CHUNKS " 3\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1: a blank behind", 400, CHUNKS "3 \r\nabc\r\n0\r\n\r\n"),
    ROW("7.1: an underscore", 400, CHUNKS "0_3\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1: 2^64 + 3", 400, CHUNKS "10000000000000003\r\nabc\r\n0\r\n\r\n"),
    ROW("7.1: bare LF", 400, CHUNKS "3\nabc\r\n0\r\n\r\n"),
    ROW("7.1: bare CR", 400, CHUNKS "3\rabc\r\n0\r\n\r\n"),
    ROW("7.1: more than said", 400, CHUNKS "3\r\nabcd\r\n0\r\n\r\n"),
    ROW("7.1: less than said", 400, CHUNKS "3\r\nab\r\n0\r\n\r\n"),
    ROW("7.1: bare LF behind data", 400, CHUNKS "3\r\nabc\n0\r\n\r\n"),
    ROW("7.1: no end of data", 400, CHUNKS "3\r\nabc0\r\n\r\n"),
    ROW("7.1: bare LF at the end", 400, CHUNKS "0\n\r\n"),
    ROW("7.1: bare LF at the end", 400, CHUNKS "0\r\n\n"),
    ROW("7.1.2: trailers", 0, CHUNKS "0\r\nA: b\r\nC:d\r\n\r\n"),
    ROW("7.1.2: bare LF in them", 400, CHUNKS "0\r\nA: b\n\r\n"),
    ROW("7.1.2: continued", 400, CHUNKS "0\r\nA: b\r\n c\r\n\r\n"),
    ROW("7.1.2: a blank before the colon", 400, CHUNKS "0\r\nA : b\r\n\r\n"),
    ROW("6.5.1 of 9110: a length", 400,
        CHUNKS "0\r\nContent-Length: 3\r\n\r\n"),
    ROW("6.5.1 of 9110: a coding", 400,
        CHUNKS "0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ROW("6.5.1 of 9110: a Host", 400, CHUNKS "0\r\nHost: b\r\n\r\n"),
    /* Expect. */
    ROW("10.1.1 of 9110: one that is known", 0,
        P "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na"),
    ROW("10.1.1 of 9110: another", 417, P "Expect: tea\r\n\r\n"),
    ROW("10.1.1 of 9110: not of HTTP/1.0", 0,
        "GET / HTTP/1.0\r\nExpect: tea\r\n\r\n"),
    /* Ways to hide a field. */
    ROW("5.1: a NUL in a name", 400,
        P "Transfer-Encoding\0: chunked\r\n\r\n0\r\n\r\n"),
    ROW("5.1: a line in a line", 400,
        P "X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ROW("5.1: a CR before a name", 400,
        P "X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ROW("5.1: a comma, and what it hides", 501,
        P "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),
};

static const struct row responses[] = {
    ROW("4: the usual", 0, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"),
    ROW("4: no reason", 0, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
    ROW("4: no blank either", 0, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
    ROW("4: HTTP/1.0", 0, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ROW("6.3: 204", 0, "HTTP/1.1 204 No Content\r\n\r\n"),
    ROW("6.3: 304 tells a length", 0,
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
    ROW("6.3: 100", 0, "HTTP/1.1 100 Continue\r\n\r\n"),
    ROW("6.3: chunks", 0,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ROW("4: two digits", 400, "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    ROW("4: four digits", 400, "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
    ROW("4: a word", 400, "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n"),
    ROW("4: less than 100", 400, "HTTP/1.1 099 A\r\nContent-Length: 0\r\n\r\n"),
    ROW("4: two blanks", 400, "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n"),
    ROW("4: a NUL in the reason", 400,
        "HTTP/1.1 200 O\0\r\nContent-Length: 0\r\n\r\n"),
    ROW("4: a blank before it", 400,
        " HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ROW("2.2: bare LF", 400, "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"),
    ROW("2.2: bare LF before it", 400,
        "\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ROW("2.2: bare LF", 400, "HTTP/1.1 200 OK\r\nContent-Length: 0\n\n"),
    ROW("2.3: another version", 505,
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ROW("2.3: another protocol", 400, "ICY 200 OK\r\n\r\n"),
    ROW("5.2: continued", 400, "HTTP/1.1 204 A\r\nA: b\r\n c\r\n\r\n"),
    ROW("6.1: with a length", 400,
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ROW("6.1: one that is not known", 501,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ROW("6.3: two lengths", 400,
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
};

static void expect_row(const struct row *row, const struct outcome *o,
                       size_t cut, size_t step)
{
    bool refused = o->head == -EPROTO || o->body == -EPROTO;
    bool whole = o->head > 0 && o->body == 0 && o->end && o->used == row->size;
    check(
        row->status ? refused && o->status == row->status
                    : whole && o->status == 0,
        "%s: expected %d, got %d (head %zd, body %d, end %d, %zu of %zu), cut "
        "at %zu by %zu, of:\n%s",
        row->says, row->status, o->status, o->head, o->body, o->end, o->used,
        row->size, cut, step, row->bytes);
}

static void expect_rows(int kind, const struct row *rows, size_t count)
{
    static struct outcome whole, o;
    for (const struct row *row = rows; row < rows + count; row++) {
        for (size_t cut = 0; cut <= row->size; cut++) {
            size_t step = cut ? row->size : 1; /* cut 0: byte by byte */
            grove_http_parser *p;
            assert_int_equal(grove_http_parser_new(&p, kind, NULL), 0);
            parse_cut(p, row->bytes, row->size, cut ? cut : 1, step, &o);
            expect_row(row, &o, cut, step);
            grove_http_parser_free(p);
            if (cut == 0)
                whole = o;
            else
                check(row->status || strcmp(whole.text, o.text) == 0,
                      "%s, cut at %zu: %s, not %s", row->says, cut, o.text,
                      whole.text);
        }
    }
}

static void test_requests(void **state)
{
    expect_rows(GROVE_HTTP_REQUESTS, requests, UNIT_COUNT(requests));
}

static void test_responses(void **state)
{
    expect_rows(GROVE_HTTP_RESPONSES, responses, UNIT_COUNT(responses));
}

/* What comes of a message whole, which is looked at by words, is what comes of
 * it behind its first byte, which llhttp has then. */
static void expect_both_ways(grove_http_parser *p, const char *message,
                             size_t size)
{
    static struct outcome whole, pieces;
    parse_cut(p, message, size, size, size, &whole);
    grove_http_parser_reset(p);
    parse_cut(p, message, size, 1, size, &pieces);
    grove_http_parser_reset(p);
    bool taken = whole.head > 0;
    check(taken == (pieces.head > 0) &&
              (!taken || (whole.head == pieces.head && whole.end &&
                          strcmp(whole.text, pieces.text) == 0)),
          "%.*s: whole: %zd, %s; in pieces: %zd, %s", (int)size, message,
          whole.head, whole.text, pieces.head, pieces.text);
}

/* Any byte, at any place of a word and of the next ones. */
static void test_every_byte(void **state)
{
    static const char *const forms[] = {
        "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na\nb",
        "POST / HTTP/1.1\r\nHost: a\r\n%s: b\r\nContent-Length: 1\r\n\r\na",
        "GET / HTTP/1.1\r\nHost: a\r\nName: %s\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nName:%s\r\n\r\n",
    };
    enum { LENGTH = 19 };
    grove_http_parser *p;
    assert_int_equal(grove_http_parser_new(&p, GROVE_HTTP_REQUESTS, NULL), 0);
    for (size_t form = 0; form < UNIT_COUNT(forms); form++) {
        for (size_t at = 0; at < LENGTH; at++) {
            char text[LENGTH + 1], message[128];
            memset(text, 'x', LENGTH);
            text[at] = '?'; /* where it is found again */
            text[LENGTH] = 0;
            int size = snprintf(message, sizeof(message), forms[form], text);
            char *byte = strchr(message, '?');
            for (int c = 0; c < 256; c++) {
                *byte = (char)c;
                expect_both_ways(p, message, (size_t)size);
            }
        }
    }
    grove_http_parser_free(p);
}

/* A parser that has refused goes on after a reset, and only then. */
static void test_reset(void **state)
{
    static const char bad[] = "GET / HTTP/1.1\nHost: a\r\n\r\n";
    static const char good[] = G H "\r\n";
    const grove_http_head *head;
    grove_http_parser *p;
    assert_int_equal(grove_http_parser_new(&p, GROVE_HTTP_REQUESTS, NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(grove_http_parse_head(p, bad, sizeof(bad) - 1, &head),
                         -EPROTO);
        assert_int_equal(
            grove_http_parse_head(p, good, sizeof(good) - 1, &head), -EPROTO);
        assert_int_equal(grove_http_parser_status(p), 400);
        assert_string_not_equal(grove_http_parser_error(p), "");
        grove_http_parser_reset(p);
        assert_int_equal(
            grove_http_parse_head(p, good, sizeof(good) - 1, &head),
            sizeof(good) - 1);
        assert_int_equal(grove_http_parser_status(p), 0);
        assert_string_equal(grove_http_parser_error(p), "");
        grove_http_parser_reset(p);
    }
    grove_http_parser_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
