/*
 * Feeding a parser: a message whole, cut at any byte, and what it came to.
 */
#ifndef TESTS_UNIT_HTTP_MESSAGES_H
#define TESTS_UNIT_HTTP_MESSAGES_H

#include "unit.h"

#include "grove.h"

/* What a message came to, in words, so that two can be compared. */
struct outcome {
    ssize_t head;    /* its size; 0: it is incomplete; or a negative errno */
    int body;        /* 0, or a negative errno */
    bool end;        /* of the body */
    int status;      /* why it was refused */
    size_t used;     /* bytes that are the message's */
    char text[8192]; /* the views, and the body */
};

HELPER void say(struct outcome *o, const char *bytes, size_t size)
{
    size_t n = strlen(o->text);
    for (size_t i = 0; i < size && n + 2 < sizeof(o->text); i++)
        o->text[n++] = bytes[i] ? bytes[i] : '0';
    o->text[n] = 0;
}

HELPER void say_text(struct outcome *o, grove_http_text text)
{
    say(o, text.at, text.size);
    say(o, "|", 1);
}

HELPER void say_fields(struct outcome *o, const grove_http_field *fields,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        say_text(o, fields[i].name);
        say_text(o, fields[i].value);
    }
}

/* Bytes as they arrive: each time they are elsewhere, and nothing is behind
 * them, so that a byte too much is seen by ASan and valgrind. */
struct arrival {
    char *bytes;
};

HELPER const char *arrive(struct arrival *a, const char *bytes, size_t size)
{
    char *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    free(a->bytes);
    a->bytes = copy;
    return copy;
}

/* How much of size is there after the cut'th byte, in pieces of step. */
HELPER size_t next_size(size_t have, size_t size, size_t cut, size_t step)
{
    size_t next = have < cut ? cut : have + step;
    return next < size ? next : size;
}

HELPER void take_body(grove_http_parser *p, const char *bytes, size_t size,
                      size_t cut, size_t step, struct outcome *o)
{
    grove_http_piece piece;
    struct arrival a = {NULL};
    size_t from = (size_t)o->head;
    size_t have = from > cut ? from : cut;
    for (;;) {
        const char *at = arrive(&a, bytes + from, have - from);
        o->body = grove_http_parse_body(p, at, have - from, &piece);
        if (o->body < 0)
            break;
        assert_true(piece.used <= have - from);
        assert_true(piece.data.size <= piece.used);
        say(o, piece.data.at, piece.data.size);
        from += piece.used;
        o->end = piece.end;
        if (piece.end) {
            size_t count;
            const grove_http_field *f = grove_http_parser_trailers(p, &count);
            say(o, "|", 1);
            say_fields(o, f, count);
            break;
        }
        if (piece.used == 0 && have == size)
            break;
        if (piece.used == 0)
            have = next_size(have, size, cut, step);
    }
    o->used = from;
    free(a.bytes);
}

/* What comes of bytes: the first `cut` at once, then `step` at a time. */
HELPER void parse_cut(grove_http_parser *p, const char *bytes, size_t size,
                      size_t cut, size_t step, struct outcome *o)
{
    const grove_http_head *head = NULL;
    struct arrival a = {NULL};
    size_t have = next_size(0, size, cut, step);
    memset(o, 0, offsetof(struct outcome, text) + 1);
    for (;;) {
        const char *at = arrive(&a, bytes, have);
        o->head = grove_http_parse_head(p, at, have, &head);
        if (o->head != 0 || have == size)
            break;
        have = next_size(have, size, cut, step);
    }
    if (o->head > 0) {
        char *copy = malloc((size_t)o->head);
        memcpy(copy, bytes, (size_t)o->head);
        grove_http_parser_move(p, copy);
        free(a.bytes);
        say_text(o, head->method);
        say_text(o, head->target);
        say_text(o, head->reason);
        say_fields(o, head->fields, head->field_count);
        take_body(p, bytes, size, cut, step, o);
        free(copy);
    } else {
        free(a.bytes);
    }
    o->status = grove_http_parser_status(p);
}

#endif
