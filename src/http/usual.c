/*
 * Heads of requests as most of them are, seen in one pass over their bytes.
 *
 * llhttp finds views by a call each, and check.c then looks at every byte
 * again. What is taken here both of them would take, and find the same views;
 * everything else is left to them from its first byte on: a head of which only
 * a part is there, a rare method, a body in chunks, another protocol, and
 * whatever is to be refused, so that one place says why.
 *
 * Nothing is changed unless the head is taken. Any thread.
 */
#include "http/http.h"

/* Where a head is read. The last byte is a '\n', which ends whatever is taken
 * and no string but as its last, so that who has seen that there is a next byte
 * need not look for the end. */
struct in {
    const char *at;  /* the next byte */
    const char *end; /* behind the last one */
    bool counted;    /* there was a Content-Length */
};

/* What may stand in a path with its query. */
static const bool path_chars[256] = {
    ['!' ... '"'] = true,
    ['$' ... '~'] = true,
};

static inline bool is_among(const bool *chars, char c)
{
    return chars[(unsigned char)c];
}

/* The bytes from here on that are among chars. */
__attribute__((always_inline)) static inline grove_http_text
take(struct in *in, const bool *chars)
{
    const char *from = in->at, *at = from;
    assert(at < in->end && !chars['\n']);
    /* By fours, so that a byte costs no more than a load, a look and a jump. */
    while (is_among(chars, at[0]) && is_among(chars, at[1]) &&
           is_among(chars, at[2]) && is_among(chars, at[3]))
        at += 4;
    while (is_among(chars, *at))
        at++;
    in->at = at;
    return (grove_http_text){from, (size_t)(at - from)};
}

static inline grove_http_text take_value(struct in *in)
{
    const char *from = in->at;
    in->at = http_value_end(from, in->end);
    return (grove_http_text){from, (size_t)(in->at - from)};
}

/* Whether the string is next; then it is read past. */
__attribute__((always_inline)) static inline bool is_next(struct in *in,
                                                          const char *string)
{
    size_t size = __builtin_strlen(string);
    if ((size_t)(in->end - in->at) < size || memcmp(in->at, string, size) != 0)
        return false;
    in->at += size;
    return true;
}

/* The same of a character, where there is a next one, and of a line's end. */
static inline bool is_next_char(struct in *in, char c)
{
    assert(in->at < in->end);
    if (*in->at != c)
        return false;
    in->at++;
    return true;
}

static inline bool is_next_line(struct in *in)
{
    assert(in->at < in->end);
    if (in->at[0] != '\r' || in->at[1] != '\n')
        return false;
    in->at += 2;
    return true;
}

static bool is_usual_method(grove_http_text method)
{
    return http_is(method, "GET") || http_is(method, "POST") ||
           http_is(method, "HEAD") || http_is(method, "PUT") ||
           http_is(method, "DELETE");
}

static bool take_line(grove_http_parser *p, struct in *in)
{
    grove_http_head *head = &p->head;
    head->method = take(in, http_token_chars);
    if (!is_usual_method(head->method) || !is_next_char(in, ' '))
        return false;
    head->target = take(in, path_chars);
    if (head->target.size == 0 || head->target.at[0] != '/' ||
        head->target.size > p->limits.line_size || !is_next(in, " HTTP/1."))
        return false;
    p->version = (grove_http_text){in->at - 2, 3};
    if (!is_next(in, "1\r\n") && !is_next(in, "0\r\n"))
        return false;
    head->minor = p->version.at[2] - '0';
    return true;
}

/* A Content-Length that nobody refuses, as all of a field's value. */
static bool is_length(grove_http_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    }
    return text.size > 0 && text.size <= 18; /* fits into 63 bits */
}

/* Whether llhttp would look at the field's value no closer than is done here.
 */
static bool is_usual(struct in *in, const grove_http_field *field)
{
    bool again = in->counted;
    switch (field->name.size) {
    case 7:
        return !http_is_nocase(field->name, "Upgrade");
    case 14:
        if (!http_is_nocase(field->name, "Content-Length"))
            return true;
        in->counted = true;
        return !again && is_length(field->value);
    case 17:
        return !http_is_nocase(field->name, "Transfer-Encoding");
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool take_field(struct in *in, grove_http_field *field)
{
    field->name = take(in, http_token_chars);
    if (field->name.size == 0 || !is_next_char(in, ':'))
        return false;
    while (is_blank(*in->at))
        in->at++;
    field->value = take_value(in);
    if (!is_usual(in, field) || !is_next_line(in))
        return false;
    while (field->value.size > 0 &&
           is_blank(field->value.at[field->value.size - 1]))
        field->value.size--;
    return true;
}

static bool take_fields(grove_http_parser *p, struct in *in)
{
    size_t most = p->room < p->limits.fields ? p->room : p->limits.fields;
    for (p->count = 0; in->at < in->end; p->count++) {
        if (is_next_line(in))
            return true;
        if (p->count == most || !take_field(in, &p->fields[p->count]))
            return false;
    }
    return false;
}

size_t parser_take_usual(grove_http_parser *p, const char *at, size_t len)
{
    const char *last = memrchr(at, '\n', len);
    if (!last)
        return 0;
    struct in in = {at, last + 1, false};
    if (take_line(p, &in) && take_fields(p, &in))
        return (size_t)(in.at - at);
    p->head.method = p->head.target = p->version = (grove_http_text){NULL, 0};
    p->head.minor = 0;
    p->count = 0;
    return 0;
}
