/*
 * Messages in the encoding of protocol buffers, made in a buffer of their own:
 * fields of a number and a value, the value being a number, eight bytes or a
 * length and so many bytes, which may be a message again.
 */
#ifndef GROVE_TRACE_PROTO_H
#define GROVE_TRACE_PROTO_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a text; what is behind them is left out. */
#define PROTO_TEXT 100

/* Ten texts at most, with what stands between. */
#define PROTO_SIZE 1280

struct proto {
    size_t size;
    unsigned char bytes[PROTO_SIZE];
};

/* A negative value is that of its two's complement of 64 bits. */
void proto_number(struct proto *p, unsigned field, uint64_t value);

void proto_fixed64(struct proto *p, unsigned field, uint64_t value);

/* A question mark stands for each byte that is no UTF-8. */
void proto_text(struct proto *p, unsigned field, const char *text);

/* What is put there until the end is a message within: shorter than 16 KiB. */
size_t proto_begin(struct proto *p, unsigned field);
void proto_end(struct proto *p, size_t begin);

#endif
