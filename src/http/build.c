/*
 * Heads to be sent, written into the caller's bytes.
 *
 * What could end a line or a field early is refused, so that nothing a peer or
 * a user has said becomes a field or a message of its own. What says where the
 * message ends is written here alone. Any thread.
 */
#include "http/http.h"

/* Where the head is written. */
struct out {
    char *at;  /* the next byte */
    char *end; /* of the room */
    bool full; /* something had no room: nothing more is written */
};

/* Inlined by force: of most of what is put the size is written in the call, and
 * then it is moved by a few instructions. */
__attribute__((always_inline)) static inline void
put(struct out *out, const char *bytes, size_t size)
{
    if (unlikely(size > (size_t)(out->end - out->at))) {
        out->full = true;
        out->end = out->at;
        return;
    }
    memcpy(out->at, bytes, size);
    out->at += size;
}

__attribute__((always_inline)) static inline void put_string(struct out *out,
                                                             const char *string)
{
    put(out, string, strlen(string));
}

static void put_text(struct out *out, grove_http_text text)
{
    put(out, text.at, text.size);
}

static void put_number(struct out *out, uint64_t number)
{
    char digits[20], *at = digits + sizeof(digits);
    do
        *--at = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    put(out, at, (size_t)(digits + sizeof(digits) - at));
}

/* ---- what is refused ----------------------------------------------------------- */

static bool is_value(grove_http_text text)
{
    const char *end = text.at + text.size;
    return http_value_end(text.at, end) == end;
}

static bool is_target(grove_http_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c <= ' ' || c == '#' || c >= 127)
            return false;
    }
    return text.size > 0;
}

/* Whether a field is written by itself. */
static bool is_ours(grove_http_text name)
{
    switch (name.size) {
    case 10:
        return http_is_nocase(name, "Connection");
    case 14:
        return http_is_nocase(name, "Content-Length");
    case 17:
        return http_is_nocase(name, "Transfer-Encoding");
    }
    return false;
}

/* ---- lines ------------------------------------------------------------------------ */

static bool put_line(struct out *out, const grove_http_start *start)
{
    if (likely(start->status == 200)) { /* what most answers say, at once */
        put_string(out, "HTTP/1.1 200 OK\r\n");
        return true;
    }
    if (start->status) {
        char digits[] = {(char)('0' + start->status / 100),
                         (char)('0' + start->status / 10 % 10),
                         (char)('0' + start->status % 10), ' '};
        put_string(out, "HTTP/1.1 ");
        put(out, digits, sizeof(digits));
        put_text(out, grove_http_text_of(grove_http_reason(start->status)));
        put(out, "\r\n", 2);
        return start->status >= 100 && start->status <= 999;
    }
    put_text(out, start->method);
    put(out, " ", 1);
    put_text(out, start->target);
    put_string(out, " HTTP/1.1\r\n");
    return http_is_token(start->method) && is_target(start->target);
}

static bool put_fields(struct out *out, const grove_http_start *start)
{
    for (size_t i = 0; i < start->field_count; i++) {
        const grove_http_field *f = &start->fields[i];
        if (!http_is_token(f->name) || !is_value(f->value) || is_ours(f->name))
            return false;
        put_text(out, f->name);
        put(out, ": ", 2);
        put_text(out, f->value);
        put(out, "\r\n", 2);
    }
    return true;
}

/* A date of theirs, as of a response that is passed on, is the one. */
static bool has_date(const grove_http_start *start)
{
    for (size_t i = 0; i < start->field_count; i++) {
        if (http_is_nocase(start->fields[i].name, "Date"))
            return true;
    }
    return false;
}

static void put_framing(struct out *out, const grove_http_start *start)
{
    if (start->length >= 0) {
        put_string(out, "Content-Length: ");
        put_number(out, (uint64_t)start->length);
        put(out, "\r\n", 2);
    } else if (start->length == GROVE_HTTP_CHUNKED) {
        put_string(out, "Transfer-Encoding: chunked\r\n");
    }
    if (start->upgrade)
        put_string(out, "Connection: upgrade\r\n");
    else if (start->close)
        put_string(out, "Connection: close\r\n");
    else if (start->keep_alive)
        put_string(out, "Connection: keep-alive\r\n");
}

ssize_t grove_http_build(char *buf, size_t size, const grove_http_start *start)
{
    struct out out = {buf, buf + size, false};
    if (start->length < GROVE_HTTP_UNTOLD || !put_line(&out, start))
        return -EINVAL;
    if (start->date && !has_date(start))
        put(&out, http_date_line(), HTTP_DATE_LINE);
    put_framing(&out, start);
    if (!put_fields(&out, start))
        return -EINVAL;
    put(&out, "\r\n", 2);
    return out.full ? -EMSGSIZE : out.at - buf;
}
