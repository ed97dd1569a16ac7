/*
 * What a head means, and whether it may be believed.
 *
 * Two programs that take the same bytes for different messages let a third one
 * smuggle requests past the first. So there is one way to write each thing, and
 * what is written otherwise is refused (RFC
 * 9112, 2.2, 3.2, 5.1, 6.1, 6.3, 11.2)
 *
 * llhttp finds the views, and versions of it differ in what they let pass
 * between them. That is looked at here, the seams:
 *
 *     *CRLF METHOD SP target SP HTTP/1.1 CRLF
 *     name ":" blanks value blanks CRLF
 *     CRLF
 *
 * so that a bare LF or CR, a continued line, or a blank in the wrong place is
 * refused whichever version is there.
 */
#include <limits.h>

#include "http/http.h"

/* ---- seams ------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static const char *end_of(grove_http_text text)
{
    return text.at + text.size;
}

static bool is_crlf(const char *at, const char *end)
{
    return end - at >= 2 && at[0] == '\r' && at[1] == '\n';
}

static void trim(grove_http_text *text)
{
    while (text->size > 0 && is_blank(text->at[text->size - 1]))
        text->size--;
}

/* Where the line of a field ends, which begins at `at`; NULL: it is not as it
 * should be. */
static const char *field_end(grove_http_field *f, const char *at,
                             const char *end)
{
    if (f->name.at != at || !http_is_token(f->name))
        return NULL;
    at = end_of(f->name);
    if (at >= end || *at++ != ':')
        return NULL;
    while (at < end && is_blank(*at))
        at++;
    trim(&f->value);
    if (f->value.size == 0)
        f->value.at = at;
    if (f->value.at != at)
        return NULL;
    at += f->value.size;
    while (at < end && is_blank(*at))
        at++;
    return is_crlf(at, end) ? at + 2 : NULL;
}

/* The fields from i on are at `at`, line by line, up to an empty one, which is
 * the last thing before end. */
static bool fields_stand(grove_http_parser *p, size_t i, const char *at,
                         const char *end)
{
    for (; i < p->count && at; i++)
        at = field_end(&p->fields[i], at, end);
    return at && is_crlf(at, end) && at + 2 == end;
}

/* Where the first line ends; NULL: it is not as it should be. */
static const char *request_line_end(const grove_http_parser *p, const char *end)
{
    const grove_http_head *head = &p->head;
    const char *at = end_of(head->method);
    if (*at != ' ' || head->target.at != at + 1)
        return NULL;
    at = end_of(head->target);
    if (p->version.at != at + 6 || memcmp(at, " HTTP/", 6) != 0)
        return NULL;
    at = end_of(p->version);
    return is_crlf(at, end) ? at + 2 : NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK", where the blank before nothing may be missing. */
static const char *status_line_end(grove_http_parser *p, const char *end)
{
    grove_http_head *head = &p->head;
    const char *at = end_of(p->version);
    if (end - at < 6 || *at != ' ' || !is_digit(at[1]) || !is_digit(at[2]) ||
        !is_digit(at[3]) || at[1] == '0')
        return NULL;
    head->status = (at[1] - '0') * 100 + (at[2] - '0') * 10 + at[3] - '0';
    at += 4;
    at += *at == ' ';
    if (!head->reason.at)
        head->reason.at = at;
    if (head->reason.at != at)
        return NULL;
    at = end_of(head->reason);
    if (http_value_end(head->reason.at, at) != at)
        return NULL;
    return is_crlf(at, end) ? at + 2 : NULL;
}

/* ---- what is asked for ----------------------------------------------------------- */

static bool begins(grove_http_text text, const char *with)
{
    size_t size = strlen(with);
    return text.size >= size && memcmp(text.at, with, size) == 0;
}

/* RFC 9112, 3.2: a path, a URL, a host and port, or "*". */
static int check_target(grove_http_parser *p)
{
    const grove_http_head *head = &p->head;
    bool connect = http_is(head->method, "CONNECT");
    for (size_t i = 0; i < head->target.size; i++) {
        unsigned char c = (unsigned char)head->target.at[i];
        if (c <= ' ' || c == '#' || c >= 127)
            return parser_refuse(p, 400,
                                 "the target has a character that "
                                 "none may have");
    }
    bool good = connect ? head->target.size > 0 && head->target.at[0] != '/'
                        : begins(head->target, "/") ||
                              begins(head->target, "http://") ||
                              begins(head->target, "https://") ||
                              (http_is(head->target, "*") &&
                               http_is(head->method, "OPTIONS"));
    return good ? 0 : parser_refuse(p, 400, "the target has no form that fits");
}

/* A name or an address, and maybe a port. */
static bool is_host(grove_http_text host)
{
    static const bool chars[256] = {
        ['!'] = true, ['$' ... '.'] = true, ['0' ... ';'] = true,
        ['='] = true, ['A' ... '['] = true, [']'] = true,
        ['_'] = true, ['a' ... 'z'] = true, ['~'] = true,
    };
    bool good = true;
    for (size_t i = 0; i < host.size; i++)
        good &= chars[(unsigned char)host.at[i]];
    return good;
}

/* ---- what is said of the body ------------------------------------------------------ */

/* The fields that matter for what follows. */
struct framing {
    const grove_http_field *length, *coding, *host, *expect;
    bool doubled;    /* the first three, or a second coding */
    bool upgrades;   /* there is an Upgrade */
    bool connection; /* there is a Connection */
};

/* Take the field at *place. */
static void note(struct framing *f, const grove_http_field **place,
                 const grove_http_field *field)
{
    f->doubled |= *place != NULL && place != &f->expect;
    *place = field;
}

static inline void look_at(struct framing *f, const grove_http_field *field)
{
    switch (field->name.size) {
    case 4:
        if (http_is_nocase(field->name, "Host"))
            note(f, &f->host, field);
        break;
    case 6:
        if (http_is_nocase(field->name, "Expect"))
            note(f, &f->expect, field);
        break;
    case 7:
        f->upgrades |= http_is_nocase(field->name, "Upgrade");
        break;
    case 10:
        f->connection |= http_is_nocase(field->name, "Connection");
        break;
    case 14:
        if (http_is_nocase(field->name, "Content-Length"))
            note(f, &f->length, field);
        break;
    case 17:
        if (http_is_nocase(field->name, "Transfer-Encoding"))
            note(f, &f->coding, field);
        break;
    }
}

/* Digits only. -1: it is no length, or one that nobody could count. */
static int64_t length_of(grove_http_text text)
{
    int64_t length = 0;
    if (text.size == 0)
        return -1;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_digit(text.at[i]) ||
            length > (INT64_MAX - (text.at[i] - '0')) / 10)
            return -1;
        length = length * 10 + (text.at[i] - '0');
    }
    return length;
}

static int check_coding(grove_http_parser *p, const struct framing *f)
{
    if (f->length)
        return parser_refuse(p, 400, "both a length and a transfer coding");
    if (p->head.minor == 0)
        return parser_refuse(p, 400, "a transfer coding in HTTP/1.0");
    if (f->coding->value.size == 0) /* llhttp 9 says so itself */
        return parser_refuse(p, 400, "a transfer coding that is none");
    if (!http_is_nocase(f->coding->value, "chunked"))
        return parser_refuse(p, 501, "a transfer coding other than chunked");
    p->head.length = GROVE_HTTP_CHUNKED;
    return 0;
}

static int check_framing(grove_http_parser *p, const struct framing *f)
{
    if (f->doubled)
        return parser_refuse(p, 400,
                             "a Host, Content-Length or "
                             "Transfer-Encoding twice");
    if (f->coding)
        return check_coding(p, f);
    if (!f->length) {
        p->head.length =
            p->kind == GROVE_HTTP_REQUESTS ? 0 : GROVE_HTTP_TO_CLOSE;
        return 0;
    }
    p->head.length = length_of(f->length->value);
    if (p->head.length < 0)
        return parser_refuse(p, 400, "a Content-Length that is no length");
    return 0;
}

static int check_size(grove_http_parser *p)
{
    if (p->limits.body_size >= 0 && p->head.length > p->limits.body_size)
        return parser_refuse(p, 413, "the body is too large");
    return 0;
}

/* usual: its first line has been seen to be good. */
static int check_request(grove_http_parser *p, const struct framing *f,
                         bool usual)
{
    grove_http_head *head = &p->head;
    bool connect = !usual && http_is(head->method, "CONNECT");
    if (!usual && check_target(p) < 0)
        return -EPROTO;
    if (head->minor == 1 && !f->host)
        return parser_refuse(p, 400, "no Host");
    if (f->host && !is_host(f->host->value))
        return parser_refuse(p, 400, "a Host that is none");
    if (connect && head->length != 0)
        return parser_refuse(p, 400, "a CONNECT with a body");
    if (f->expect && head->minor == 1) {
        if (!http_is_nocase(f->expect->value, "100-continue"))
            return parser_refuse(p, 417, "an Expect that is not known");
        head->expects_continue = head->length != 0;
    }
    head->upgrade =
        connect || (f->upgrades && head->minor == 1 &&
                    grove_http_has_token(head, "Connection", "upgrade"));
    return check_size(p);
}

/* RFC 9112, 6.3: some have no body, whatever they say. */
static int check_response(grove_http_parser *p)
{
    grove_http_head *head = &p->head;
    bool tunnel = p->tunnel && head->status / 100 == 2;
    head->upgrade = tunnel || head->status == 101;
    if (p->bodiless || tunnel || head->status / 100 == 1 ||
        head->status == 204 || head->status == 304)
        head->length = 0;
    return check_size(p);
}

static void begin_body(grove_http_parser *p)
{
    switch (p->head.length) {
    case GROVE_HTTP_CHUNKED:
        p->state = PARSER_CHUNKED;
        break;
    case GROVE_HTTP_TO_CLOSE:
        p->state = PARSER_TO_CLOSE;
        break;
    default:
        assert(p->head.length >= 0);
        p->left = (uint64_t)p->head.length;
        p->state = p->left > 0 ? PARSER_LENGTH : PARSER_NONE;
    }
}

static bool keeps_alive(const grove_http_head *head, const struct framing *f)
{
    if (!f->connection)
        return head->minor == 1;
    return !grove_http_has_token(head, "Connection", "close") &&
           (head->minor == 1 ||
            grove_http_has_token(head, "Connection", "keep-alive"));
}

/* ---- all of it --------------------------------------------------------------------- */

/* Whether the first line begins where it should, at `at`: behind empty lines,
 * of which llhttp takes any CR and LF for one (RFC 9112, 2.2). */
static bool line_begins(const grove_http_parser *p, const char *at)
{
    const char *from = p->base;
    while (is_crlf(from, at))
        from += 2;
    return from == at;
}

/* The first line; *fields is where those begin. */
static int check_line(grove_http_parser *p, const char *end,
                      const char **fields)
{
    bool request = p->kind == GROVE_HTTP_REQUESTS;
    if (!p->version.at ||
        (request && (!p->head.method.at || !p->head.target.at)))
        return parser_refuse(p, 400, "the first line is not HTTP/1.1's");
    if (!line_begins(p, request ? p->head.method.at : p->version.at - 5))
        return parser_refuse(p, 400, "no empty line before the first");
    *fields = request ? request_line_end(p, end) : status_line_end(p, end);
    if (!*fields)
        return parser_refuse(p, 400, "the first line is not HTTP/1.1's");
    if (!parser_speaks(p->version))
        return parser_refuse(p, 505, "a version that is not spoken");
    p->head.minor = p->version.at[2] - '0';
    return 0;
}

/* Everything stands where it should. */
static inline int check_meaning(grove_http_parser *p, bool usual)
{
    struct framing f = {.length = NULL};
    p->head_count = p->count;
    p->head.fields = p->fields;
    p->head.field_count = p->count;
    for (size_t i = 0; i < p->count; i++)
        look_at(&f, &p->fields[i]);
    int r = check_framing(p, &f);
    if (r == 0)
        r = p->kind == GROVE_HTTP_REQUESTS ? check_request(p, &f, usual)
                                           : check_response(p);
    if (r < 0)
        return r;
    p->head.keep_alive =
        keeps_alive(&p->head, &f) && p->head.length != GROVE_HTTP_TO_CLOSE;
    begin_body(p);
    return 0;
}

int parser_check_usual(grove_http_parser *p)
{
    assert(p->kind == GROVE_HTTP_REQUESTS && p->head.target.at[0] == '/');
    return check_meaning(p, true);
}

int parser_check_head(grove_http_parser *p, size_t size)
{
    const char *end = p->base + size, *fields = NULL;
    if (check_line(p, end, &fields) < 0)
        return -EPROTO;
    if (!fields_stand(p, 0, fields, end))
        return parser_refuse(p, 400, "a field's line is not HTTP/1.1's");
    return check_meaning(p, false);
}

int parser_check_trailers(grove_http_parser *p, size_t size)
{
    struct framing f = {.length = NULL};
    if (!fields_stand(p, p->head_count, p->base, p->base + size))
        return parser_refuse(p, 400, "a trailer's line is not HTTP/1.1's");
    for (size_t i = p->head_count; i < p->count; i++)
        look_at(&f, &p->fields[i]);
    if (f.length || f.coding || f.host)
        return parser_refuse(p, 400, "a trailer about the message's bounds");
    return 0;
}
