/*
 * What is in a trace of Perfetto's format, read by a decoder of its own, which
 * knows nothing of what wrote it: that it is well-formed, that nothing is in it
 * which should not be, that what is referred to was told before, that in each
 * track what begins ends and times do not go back.
 */
#ifndef TESTS_UNIT_PACKETS_H
#define TESTS_UNIT_PACKETS_H

#include "unit.h"

/* ---- messages --------------------------------------------------------------------- */

struct bytes {
    const unsigned char *at;
    const unsigned char *end;
};

struct field {
    unsigned number;
    bool is_bytes;
    uint64_t value;
    struct bytes bytes;
};

HELPER uint64_t read_number(struct bytes *from)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        assert_true(from->at < from->end && shift < 64);
        unsigned char byte = *from->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

HELPER uint64_t read_fixed64(struct bytes *from)
{
    uint64_t value = 0;
    assert_true(from->end - from->at >= 8);
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)*from->at++ << 8 * i;
    return value;
}

HELPER struct bytes read_bytes(struct bytes *from)
{
    uint64_t length = read_number(from);
    assert_true(length <= (uint64_t)(from->end - from->at));
    struct bytes bytes = {from->at, from->at + length};
    from->at += length;
    return bytes;
}

/* False: there is none left. */
HELPER bool read_field(struct bytes *from, struct field *f)
{
    if (from->at == from->end)
        return false;
    uint64_t tag = read_number(from);
    *f = (struct field){.number = (unsigned)(tag >> 3),
                        .is_bytes = (tag & 7) == 2};
    if ((tag & 7) == 0)
        f->value = read_number(from);
    else if ((tag & 7) == 1)
        f->value = read_fixed64(from);
    else
        f->bytes = read_bytes(from);
    assert_true((tag & 7) <= 2);
    return true;
}

/* The last field of each number below 96. */
struct message {
    bool has[96];
    struct field fields[96];
};

/* The message, in which there is nothing but the fields that are listed, the
 * list ending in 0. */
HELPER struct message read_message(struct bytes from, const unsigned *known)
{
    struct message m = {.has = {false}};
    struct field f;
    while (read_field(&from, &f)) {
        const unsigned *k = known;
        while (*k && *k != f.number)
            k++;
        check(*k, "there is a field %u", f.number);
        m.has[f.number] = true;
        m.fields[f.number] = f;
    }
    return m;
}

#define MESSAGE(from, ...) \
    read_message(from, (const unsigned[]){__VA_ARGS__, 0})

/* ---- a trace ----------------------------------------------------------------------- */

#define TRACKS_MOST 4096

struct packet_track {
    bool is_there;
    bool is_open; /* a slice is */
    uint64_t parent;
    uint64_t last; /* the time of what was last in it */
    char name[128];
};

/* What was told, and what of the sequence that is read. */
struct packets {
    struct packet_track tracks[TRACKS_MOST];
    size_t begins;
    size_t ends;
    size_t moments;
    size_t arrows;     /* that begin */
    size_t arrow_ends; /* of those */
    size_t hubs;       /* sequences that began */
    size_t lost;       /* of these, that have lost packets */
    uint64_t sequence;
    uint64_t texts[4]; /* how many of a kind; they are numbered from 1 on */
    uint64_t time;     /* nanoseconds, of the packet before */
};

HELPER void copy_text(char *to, struct bytes from)
{
    size_t n = (size_t)(from.end - from.at);
    assert_true(n < 128);
    memcpy(to, from.at, n);
    to[n] = '\0';
}

HELPER void take_track(struct packets *p, struct bytes from)
{
    struct message m = MESSAGE(from, 1, 2, 3, 5, 11, 12, 14);
    uint64_t number = m.fields[1].value;
    assert_true(number > 0 && number < TRACKS_MOST);
    struct packet_track *t = &p->tracks[number];
    assert_false(t->is_there);
    t->is_there = true;
    t->parent = m.fields[5].value;
    /* The process is at the top. */
    assert_true(m.has[3] ? !m.has[5] : p->tracks[t->parent].is_there);
    if (m.has[2])
        copy_text(t->name, m.fields[2].bytes);
}

HELPER void take_texts(struct packets *p, struct bytes from)
{
    struct field f;
    while (read_field(&from, &f)) {
        assert_uint_in_range(f.number, 1, 3);
        struct message m = MESSAGE(f.bytes, 1, 2);
        assert_int_equal(m.fields[1].value, ++p->texts[f.number]);
        assert_true(m.fields[2].is_bytes);
    }
}

/* The clock of the sequence begins where the monotonic one is. */
HELPER void take_clocks(struct packets *p, struct bytes from, bool of_sequence)
{
    struct field f;
    uint64_t times[65] = {0};
    while (read_field(&from, &f)) {
        if (f.number == 2)
            continue;
        struct message m = MESSAGE(f.bytes, 1, 2, 3);
        assert_uint_in_range(m.fields[1].value, 1, 64);
        assert_int_equal(m.fields[3].value, m.fields[1].value == 64);
        times[m.fields[1].value] = m.fields[2].value;
    }
    assert_true(times[3] != 0);
    assert_int_equal(times[64], of_sequence ? times[3] : 0);
    p->time = times[3];
}

HELPER void take_event(struct packets *p, struct bytes from, uint64_t time)
{
    struct message m = MESSAGE(from, 3, 4, 9, 10, 11, 22, 23, 47, 48);
    uint64_t type = m.fields[9].value;
    struct packet_track *t = &p->tracks[m.fields[11].value];
    assert_true(t->is_there && t->parent);
    assert_true(time >= t->last);
    t->last = time;
    assert_true(m.has[10] + m.has[23] == (type != 2));
    assert_true(m.fields[3].value <= p->texts[1]);
    assert_true(m.fields[10].value <= p->texts[2]);
    if (type != 3)
        assert_int_equal(t->is_open, type == 2);
    t->is_open = type == 1 || (type == 3 && t->is_open);
    p->begins += type == 1;
    p->ends += type == 2;
    p->moments += type == 3;
    if (m.has[47])
        assert_int_equal(m.fields[47].value, ++p->arrows);
    if (m.has[48]) {
        assert_int_equal(m.fields[48].value, p->arrows);
        p->arrow_ends++;
    }
    if (m.has[4]) {
        struct message arg = MESSAGE(m.fields[4].bytes, 1, 4, 10);
        assert_true(arg.has[4] && arg.fields[1].value <= p->texts[3]);
    }
}

HELPER void begin_sequence(struct packets *p, const struct message *m)
{
    struct message defaults = MESSAGE(m->fields[59].bytes, 58);
    assert_int_equal(defaults.fields[58].value, 64);
    take_clocks(p, m->fields[6].bytes, true);
    memset(p->texts, 0, sizeof(p->texts));
    p->sequence = m->fields[10].value;
    p->lost += m->has[42];
    p->hubs++;
}

/* Nanoseconds, by the monotonic clock. */
HELPER uint64_t time_of(struct packets *p, const struct message *m)
{
    assert_true(m->has[8]);
    if (m->has[58]) {
        assert_int_equal(m->fields[58].value, 3);
        return m->fields[8].value;
    }
    assert_true(m->fields[8].value <= INT64_MAX); /* it goes on */
    return p->time += m->fields[8].value;
}

HELPER void take_packet(struct packets *p, struct bytes from)
{
    struct message m = MESSAGE(from, 6, 8, 10, 11, 12, 13, 42, 58, 59, 60, 87);
    if (m.fields[13].value == 1)
        begin_sequence(p, &m);
    else if (m.has[6])
        take_clocks(p, m.fields[6].bytes, false);
    if (m.has[12])
        take_texts(p, m.fields[12].bytes);
    if (m.has[60])
        take_track(p, m.fields[60].bytes);
    if (!m.has[11])
        return;
    assert_int_equal(m.fields[13].value, 2);
    assert_int_equal(m.fields[10].value, p->sequence);
    take_event(p, m.fields[11].bytes, time_of(p, &m));
}

/* All that is in the file. */
HELPER const struct packets *read_packets(const char *bytes, size_t size)
{
    static struct packets p;
    struct bytes from = {(const unsigned char *)bytes,
                         (const unsigned char *)bytes + size};
    struct field f;
    memset(&p, 0, sizeof(p));
    while (read_field(&from, &f)) {
        assert_int_equal(f.number, 1);
        take_packet(&p, f.bytes);
    }
    for (size_t i = 0; i < TRACKS_MOST; i++)
        assert_false(p.tracks[i].is_open);
    assert_int_equal(p.begins, p.ends);
    assert_int_equal(p.arrows, p.arrow_ends);
    return &p;
}

HELPER size_t tracks_called(const struct packets *p, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < TRACKS_MOST; i++)
        n += p->tracks[i].is_there && strcmp(p->tracks[i].name, name) == 0;
    return n;
}

#endif
