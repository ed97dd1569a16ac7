/*
 * The parser: llhttp finds where things are, and this keeps it as views.
 *
 *            head is there          length                 all of it
 *     HEAD ---------------> (check) ------> LENGTH --------------------> NONE
 *                              | chunked            last chunk   end       ^
 *                              +------> CHUNKED ---> TRAILERS ------------>+
 *                              +------> TO_CLOSE    (the connection's end)  |
 *                              +-------------------------------------------+
 *
 * The bytes of a head stand in one piece. They may come in several calls, and
 * be elsewhere in the next one: then the views are moved along. llhttp pauses
 * at a head's end; bodies are taken apart without it, and each message begins
 * with it reset, so that nothing depends on what it thinks comes next.
 *
 * Any thread may use a parser, one at a time; nothing here waits.
 */
#include <stdlib.h>

#include "http/http.h"

static grove_http_parser *parser_of(llhttp_t *llhttp)
{
    return container_of(llhttp, grove_http_parser, llhttp);
}

int parser_refuse(grove_http_parser *p, int status, const char *error)
{
    p->state = PARSER_REFUSED;
    if (p->status == 0) {
        p->status = status;
        p->error = error;
    }
    return -EPROTO;
}

/* ---- what llhttp calls ---------------------------------------------------------- */

/* More of a text, or its first bytes. -1: a part of it is elsewhere, which is
 * so in lines that are continued in the next one. */
static int extend(grove_http_text *text, const char *at, size_t len)
{
    if (!text->at)
        text->at = at;
    else if (at != text->at + text->size)
        return -1;
    text->size += len;
    return 0;
}

static int on_method(llhttp_t *llhttp, const char *at, size_t len)
{
    return extend(&parser_of(llhttp)->head.method, at, len);
}

static int on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    return extend(&parser_of(llhttp)->head.target, at, len);
}

static int on_version(llhttp_t *llhttp, const char *at, size_t len)
{
    return extend(&parser_of(llhttp)->version, at, len);
}

static int on_status(llhttp_t *llhttp, const char *at, size_t len)
{
    return extend(&parser_of(llhttp)->head.reason, at, len);
}

/* Have room for one more field. */
static bool make_room(grove_http_parser *p)
{
    if (p->count < p->room)
        return true;
    size_t room =
        p->room * 2 < p->limits.fields ? p->room * 2 : p->limits.fields;
    grove_http_field *fields = malloc(room * sizeof(*fields));
    if (!fields)
        return false;
    memcpy(fields, p->fields, p->count * sizeof(*fields));
    if (p->fields != p->few)
        free(p->fields);
    p->fields = fields;
    p->room = room;
    return true;
}

static int begin_field(grove_http_parser *p)
{
    if (p->count >= p->limits.fields)
        return parser_refuse(p, 431, "too many fields"), -1;
    if (unlikely(!make_room(p))) {
        p->status = 500;
        p->error = "out of memory";
        return -1;
    }
    p->fields[p->count++] = (grove_http_field){.name.at = NULL};
    p->in_value = false;
    return 0;
}

static int on_field_name(llhttp_t *llhttp, const char *at, size_t len)
{
    grove_http_parser *p = parser_of(llhttp);
    size_t before = p->state == PARSER_TRAILERS ? p->head_count : 0;
    if ((p->count == before || p->in_value) && begin_field(p) < 0)
        return -1;
    return extend(&p->fields[p->count - 1].name, at, len);
}

static int on_field_value(llhttp_t *llhttp, const char *at, size_t len)
{
    grove_http_parser *p = parser_of(llhttp);
    assert(p->count > 0);
    if (extend(&p->fields[p->count - 1].value, at, len) < 0)
        return parser_refuse(p, 400, "a field's line is continued"), -1;
    return 0;
}

static int on_field_name_complete(llhttp_t *llhttp)
{
    parser_of(llhttp)->in_value = true;
    return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *llhttp)
{
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_method = on_method,
    .on_url = on_url,
    .on_version = on_version,
    .on_status = on_status,
    .on_header_field = on_field_name,
    .on_header_field_complete = on_field_name_complete,
    .on_header_value = on_field_value,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
};

/* ---- birth and end ---------------------------------------------------------------- */

static size_t or_default(size_t given, size_t otherwise)
{
    return given ? given : otherwise;
}

void parser_init(grove_http_parser *p, int kind,
                 const grove_http_limits *limits)
{
    static const grove_http_limits none;
    if (!limits)
        limits = &none;
    assert(kind == GROVE_HTTP_REQUESTS || kind == GROVE_HTTP_RESPONSES);
    llhttp_init(&p->llhttp,
                kind == GROVE_HTTP_REQUESTS ? HTTP_REQUEST : HTTP_RESPONSE,
                &settings);
    p->kind = kind;
    p->limits = (grove_http_limits){
        .head_size = or_default(limits->head_size, 16384),
        .line_size = or_default(limits->line_size, 8192),
        .fields = or_default(limits->fields, 100),
        .body_size = limits->body_size ? limits->body_size : 1 << 20,
    };
    p->fields = p->few;
    p->room = PARSER_FIELDS;
    p->again = false;
    grove_http_parser_reset(p);
}

void parser_end(grove_http_parser *p)
{
    if (p->fields != p->few)
        free(p->fields);
}

int grove_http_parser_new(grove_http_parser **out, int kind,
                          const grove_http_limits *limits)
{
    if (kind != GROVE_HTTP_REQUESTS && kind != GROVE_HTTP_RESPONSES)
        return -EINVAL;
    grove_http_parser *p = malloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    parser_init(p, kind, limits);
    *out = p;
    return 0;
}

void grove_http_parser_free(grove_http_parser *parser)
{
    if (!parser)
        return;
    parser_end(parser);
    free(parser);
}

void grove_http_parser_reset(grove_http_parser *p)
{
    if (p->again)
        llhttp_reset(&p->llhttp);
    p->again = false;
    p->state = PARSER_HEAD;
    p->bodiless = p->tunnel = false;
    p->base = NULL;
    p->seen = 0;
    p->head = (grove_http_head){.status = 0};
    p->version = (grove_http_text){NULL, 0};
    p->count = p->head_count = 0;
    p->in_value = false;
    p->left = p->body = 0;
    p->excess = 0;
    p->chunk = CHUNK_SIZE;
    p->line = 0;
    p->status = 0;
    p->error = "";
}

void grove_http_parser_answers(grove_http_parser *parser,
                               grove_http_text method)
{
    parser->bodiless = grove_http_equal(method, "HEAD");
    parser->tunnel = grove_http_equal(method, "CONNECT");
}

int grove_http_parser_status(const grove_http_parser *parser)
{
    return parser->status;
}

const char *grove_http_parser_error(const grove_http_parser *parser)
{
    return parser->error;
}

/* ---- views that move ----------------------------------------------------------------- */

static void shift(grove_http_text *text, const char *from, const char *to)
{
    if (text->at)
        text->at = to + ((uintptr_t)text->at - (uintptr_t)from);
}

static void shift_fields(grove_http_parser *p, size_t i, size_t end,
                         const char *to)
{
    for (; i < end; i++) {
        shift(&p->fields[i].name, p->base, to);
        shift(&p->fields[i].value, p->base, to);
    }
}

void parser_rebase(grove_http_parser *p, const char *to)
{
    if (to == p->base)
        return;
    if (p->state == PARSER_TRAILERS) {
        shift_fields(p, p->head_count, p->count, to);
    } else {
        shift(&p->head.method, p->base, to);
        shift(&p->head.target, p->base, to);
        shift(&p->head.reason, p->base, to);
        shift(&p->version, p->base, to);
        shift_fields(p, 0, p->count, to);
    }
    p->base = to;
}

void grove_http_parser_move(grove_http_parser *parser, const char *to)
{
    assert(parser->state != PARSER_HEAD && parser->state != PARSER_TRAILERS);
    assert(parser->count == parser->head_count);
    parser_rebase(parser, to);
}

/* ---- feeding ---------------------------------------------------------------------------- */

/* Whether a line begins with what could be a method, as far as it is there. */
static bool has_method(const char *at, size_t len)
{
    size_t from = 0;
    while (from < len && (at[from] == '\r' || at[from] == '\n'))
        from++;
    size_t to = from;
    while (to < len && http_token_chars[(unsigned char)at[to]])
        to++;
    return to > from && (to == len || at[to] == ' ');
}

bool parser_speaks(grove_http_text version)
{
    return version.size == 3 && memcmp(version.at, "1.", 2) == 0 &&
           (version.at[2] == '0' || version.at[2] == '1');
}

/* llhttp has refused a head, of which len bytes are there, or a body. */
static int refuse_by_llhttp(grove_http_parser *p, size_t len)
{
    if (p->status == 500)
        return -ENOMEM;
    if (p->state == PARSER_HEAD && !p->head.target.at &&
        llhttp_get_errno(&p->llhttp) == HPE_INVALID_METHOD &&
        has_method(p->base, len))
        return parser_refuse(p, 501, "a method that is not known");
    if (p->state == PARSER_HEAD && p->count == 0 && p->version.size == 3 &&
        !parser_speaks(p->version))
        return parser_refuse(p, 505, "a version that is not spoken");
    const char *reason = llhttp_get_error_reason(&p->llhttp);
    return parser_refuse(p, 400, reason ? reason : "not HTTP");
}

ssize_t parser_feed(grove_http_parser *p, const char *at, size_t len)
{
    llhttp_errno_t error;
    if (llhttp_get_errno(&p->llhttp) == HPE_PAUSED)
        llhttp_resume(&p->llhttp);
    p->again = true;
    error = llhttp_execute(&p->llhttp, at, len);
    if (error == HPE_OK)
        return (ssize_t)len;
    if (error == HPE_PAUSED)
        return llhttp_get_error_pos(&p->llhttp) - at;
    return refuse_by_llhttp(p, p->seen + len);
}

/* Too much of a head has come without its end. */
static int refuse_long(grove_http_parser *p)
{
    return p->kind == GROVE_HTTP_REQUESTS && !p->version.at
               ? parser_refuse(p, 414, "the request's line is too long")
               : parser_refuse(p, 431, "the head is too long");
}

/* A head of which nothing was seen yet, if it is a usual one; 0: it is not. */
static ssize_t parse_usual_head(grove_http_parser *p, const char *at,
                                size_t len)
{
    if (p->seen > 0 || p->kind != GROVE_HTTP_REQUESTS)
        return 0;
    p->seen = parser_take_usual(p, at, len);
    if (p->seen == 0)
        return 0;
    int r = parser_check_usual(p);
    return r < 0 ? r : (ssize_t)p->seen;
}

static ssize_t parse_more_of_head(grove_http_parser *p, const char *at,
                                  size_t len)
{
    if (len > p->limits.head_size)
        len = p->limits.head_size;
    ssize_t usual = parse_usual_head(p, at, len);
    if (usual != 0)
        return usual;
    ssize_t n = parser_feed(p, at + p->seen, len - p->seen);
    if (n < 0)
        return n;
    p->seen += (size_t)n;
    bool complete = llhttp_get_errno(&p->llhttp) == HPE_PAUSED;
    if (p->head.target.size > p->limits.line_size)
        return parser_refuse(p, 414, "the request's target is too long");
    if (!complete)
        return p->seen == p->limits.head_size ? refuse_long(p) : 0;
    int r = parser_check_head(p, p->seen);
    return r < 0 ? r : (ssize_t)p->seen;
}

ssize_t grove_http_parse_head(grove_http_parser *p, const char *at, size_t len,
                              const grove_http_head **head)
{
    if (p->state == PARSER_REFUSED)
        return -EPROTO;
    assert(p->state == PARSER_HEAD && len >= p->seen);
    if (p->seen > 0)
        parser_rebase(p, at);
    p->base = at;
    if (len == p->seen)
        return 0;
    ssize_t n = parse_more_of_head(p, at, len);
    if (n > 0)
        *head = &p->head;
    return n;
}
