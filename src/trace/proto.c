/*
 * The encoding: https://protobuf.dev/programming-guides/encoding/. Numbers have
 * seven bits a byte, the lowest first, and the eighth says that there is more.
 *
 * The length of a message stands before it and is not known by then: a byte is
 * kept for it, and a message that takes two is moved by one. Any thread, each
 * its own buffer.
 */
#include "trace/proto.h"

#include <assert.h>
#include <string.h>

#include "trace/utf8.h"

/* How a value is encoded, in the lower three bits of its tag. */
enum wire { WIRE_NUMBER = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

static void put_byte(struct proto *p, unsigned byte)
{
    assert(p->size < PROTO_SIZE);
    p->bytes[p->size++] = (unsigned char)byte;
}

static void put_number(struct proto *p, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_byte(p, 0x80 | (value & 0x7f));
    put_byte(p, (unsigned)value);
}

static void put_tag(struct proto *p, unsigned field, enum wire wire)
{
    put_number(p, (uint64_t)field << 3 | wire);
}

void proto_number(struct proto *p, unsigned field, uint64_t value)
{
    put_tag(p, field, WIRE_NUMBER);
    put_number(p, value);
}

void proto_fixed64(struct proto *p, unsigned field, uint64_t value)
{
    put_tag(p, field, WIRE_FIXED64);
    for (int i = 0; i < 8; i++)
        put_byte(p, value >> 8 * i & 0xff);
}

size_t proto_begin(struct proto *p, unsigned field)
{
    put_tag(p, field, WIRE_BYTES);
    put_byte(p, 0);
    return p->size;
}

void proto_end(struct proto *p, size_t begin)
{
    size_t length = p->size - begin;
    assert(length < 1 << 14);
    if (length < 0x80) {
        p->bytes[begin - 1] = (unsigned char)length;
        return;
    }
    put_byte(p, 0);
    memmove(p->bytes + begin + 1, p->bytes + begin, length);
    p->bytes[begin - 1] = (unsigned char)(0x80 | (length & 0x7f));
    p->bytes[begin] = (unsigned char)(length >> 7);
}

void proto_text(struct proto *p, unsigned field, const char *text)
{
    size_t begin = proto_begin(p, field);
    while (*text) {
        size_t n = utf8_length(text), room = begin + PROTO_TEXT - p->size;
        if ((n ? n : 1) > room)
            break;
        if (n == 0)
            put_byte(p, '?');
        for (size_t i = 0; i < n; i++)
            put_byte(p, (unsigned char)text[i]);
        text += n ? n : 1;
    }
    proto_end(p, begin);
}
