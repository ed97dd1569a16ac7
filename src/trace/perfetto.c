/*
 * A file is a message of packets, each of which is written as soon as it is
 * made:
 *
 *     clocks, process
 *     of each hub:  its track; what its packets have in common
 *                   tracks of fibers, events
 *
 * The packets of a hub are a sequence of their own, and three things keep them
 * short. Times are told by what has gone by since the packet before, on a clock
 * of the sequence. Texts are told once, in the packet of the event that has
 * them first, and referred to by a number. Tracks have small numbers.
 *
 * The numbers of fields are those of protos/perfetto/trace/ in Perfetto's
 * sources, which never change.
 */
#include "trace/perfetto.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "grove.h"
#include "trace/proto.h"

enum { FILE_PACKET = 1 };

enum packet_field {
    PACKET_CLOCKS = 6,
    PACKET_TIME = 8,
    PACKET_SEQUENCE = 10,
    PACKET_EVENT = 11,
    PACKET_TEXTS = 12,
    PACKET_FLAGS = 13,
    PACKET_LOST = 42,
    PACKET_CLOCK = 58,
    PACKET_DEFAULTS = 59,
    PACKET_TRACK = 60,
    PACKET_IS_FIRST = 87
};

enum {
    FLAG_BEGINS = 1,
    FLAG_REFERS = 2
}; /* to what was told in its sequence */

enum { DEFAULT_CLOCK = PACKET_CLOCK };

enum { CLOCKS_CLOCK = 1, CLOCKS_MAIN = 2 };

enum clock_field { CLOCK_NUMBER = 1, CLOCK_TIME = 2, CLOCK_ADDS_UP = 3 };

/* What has CLOCK_ADDS_UP is of a sequence alone, as all from 64 to 127. */
enum clock_number {
    NUMBER_REALTIME = 1,
    NUMBER_MONOTONIC = 3,
    NUMBER_BOOTTIME = 6,
    NUMBER_ADDS_UP = 64
};

enum track_field {
    TRACK_NUMBER = 1,
    TRACK_NAME = 2,
    TRACK_PROCESS = 3,
    TRACK_PARENT = 5,
    TRACK_ORDER = 11,
    TRACK_RANK = 12,
    TRACK_DESCRIPTION = 14
};

enum { ORDER_BY_RANK = 3 }; /* of the tracks below */

enum { PROCESS_NUMBER = 1, PROCESS_NAME = 6 };

enum event_field {
    EVENT_CATEGORY = 3,
    EVENT_ARG = 4,
    EVENT_TYPE = 9,
    EVENT_NAME = 10,
    EVENT_TRACK = 11,
    EVENT_CATEGORY_TEXT = 22,
    EVENT_NAME_TEXT = 23,
    EVENT_ARROW = 47,
    EVENT_ARROW_END = 48
};

enum event_type { TYPE_BEGIN = 1, TYPE_END = 2, TYPE_MOMENT = 3 };

enum { ARG_NAME = 1, ARG_VALUE = 4, ARG_NAME_TEXT = 10 };

enum { TEXT_NUMBER = 1, TEXT_TEXT = 2 }; /* of all three kinds */

static const unsigned text_fields[] = {
    [TRACE_CATEGORIES] = 1, [TRACE_NAMES] = 2, [TRACE_ARG_NAMES] = 3};

/* The tracks: the process, and the rest in the order in which they are begun.
 */
#define TRACK_OF_PROCESS 1

static struct trace_perfetto *perfetto_of(struct trace_output *to)
{
    return (struct trace_perfetto *)to;
}

/* ---- packets ----------------------------------------------------------------------- */

struct packet {
    struct proto bytes;
    size_t begin; /* of it, in them */
};

static void begin_packet(struct packet *packet)
{
    packet->bytes.size = 0;
    packet->begin = proto_begin(&packet->bytes, FILE_PACKET);
}

static void begin_packet_of_hub(struct packet *packet,
                                const struct trace_perfetto *p)
{
    begin_packet(packet);
    proto_number(&packet->bytes, PACKET_SEQUENCE, p->sequence);
}

/* What cannot be written is found at the end of the file. */
static void end_packet(struct packet *packet, FILE *file)
{
    proto_end(&packet->bytes, packet->begin);
    fwrite(packet->bytes.bytes, 1, packet->bytes.size, file);
}

/* ---- texts ------------------------------------------------------------------------- */

/* Its number; 0: there is no room for it. There are some ten of a kind. */
static unsigned number_of(struct trace_texts *known, const char *text)
{
    for (unsigned i = 0; i < known->count; i++) {
        if (known->texts[i] == text)
            return i + 1;
    }
    if (known->count == TRACE_TEXTS)
        return 0;
    known->texts[known->count++] = text;
    return known->count;
}

/* A text by its number, or as it is. */
static void put_text(struct proto *bytes, struct trace_texts *known,
                     const char *text, unsigned field, unsigned field_as_is)
{
    unsigned number = number_of(known, text);
    if (number)
        proto_number(bytes, field, number);
    else
        proto_text(bytes, field_as_is, text);
}

static void put_new_of(struct proto *bytes, struct trace_texts *known,
                       unsigned field)
{
    for (; known->told < known->count; known->told++) {
        size_t begin = proto_begin(bytes, field);
        proto_number(bytes, TEXT_NUMBER, known->told + 1);
        proto_text(bytes, TEXT_TEXT, known->texts[known->told]);
        proto_end(bytes, begin);
    }
}

static bool has_new(const struct trace_perfetto *p)
{
    for (int i = 0; i < TRACE_TEXTS_KINDS; i++) {
        if (p->texts[i].told < p->texts[i].count)
            return true;
    }
    return false;
}

/* Those that were first met in this packet. */
static void put_new_texts(struct trace_perfetto *p, struct proto *bytes)
{
    if (!has_new(p))
        return;
    size_t begin = proto_begin(bytes, PACKET_TEXTS);
    for (int i = 0; i < TRACE_TEXTS_KINDS; i++)
        put_new_of(bytes, &p->texts[i], text_fields[i]);
    proto_end(bytes, begin);
}

/* ---- times -------------------------------------------------------------------------- */

static void put_clock(struct proto *bytes, enum clock_number number,
                      uint64_t ns)
{
    size_t begin = proto_begin(bytes, CLOCKS_CLOCK);
    proto_number(bytes, CLOCK_NUMBER, number);
    proto_number(bytes, CLOCK_TIME, ns);
    if (number == NUMBER_ADDS_UP)
        proto_number(bytes, CLOCK_ADDS_UP, true);
    proto_end(bytes, begin);
}

/* Where a row begins with what is known of it only now its time is before the
 * last one, and told as it is. */
static void put_time(struct trace_perfetto *p, struct proto *bytes, uint64_t ns)
{
    if (ns < p->last) {
        proto_number(bytes, PACKET_TIME, ns);
        proto_number(bytes, PACKET_CLOCK, NUMBER_MONOTONIC);
        return;
    }
    proto_number(bytes, PACKET_TIME, ns - p->last);
    p->last = ns;
}

/* ---- slices and moments -------------------------------------------------------------- */

static size_t begin_event(struct trace_perfetto *p, struct packet *packet,
                          const struct trace_row *row, uint64_t ns,
                          enum event_type type)
{
    begin_packet_of_hub(packet, p);
    proto_number(&packet->bytes, PACKET_FLAGS, FLAG_REFERS);
    put_time(p, &packet->bytes, ns);
    size_t event = proto_begin(&packet->bytes, PACKET_EVENT);
    proto_number(&packet->bytes, EVENT_TYPE, type);
    proto_number(&packet->bytes, EVENT_TRACK, TRACK_OF_PROCESS + row->number);
    return event;
}

static void put_arg(struct trace_perfetto *p, struct proto *bytes,
                    const struct trace_arg *arg)
{
    size_t begin = proto_begin(bytes, EVENT_ARG);
    put_text(bytes, &p->texts[TRACE_ARG_NAMES], arg->name, ARG_NAME,
             ARG_NAME_TEXT);
    proto_number(bytes, ARG_VALUE, (uint64_t)arg->value);
    proto_end(bytes, begin);
}

static void put_label(struct trace_perfetto *p, struct proto *bytes,
                      const struct trace_label *label)
{
    put_text(bytes, &p->texts[TRACE_CATEGORIES], label->category,
             EVENT_CATEGORY, EVENT_CATEGORY_TEXT);
    put_text(bytes, &p->texts[TRACE_NAMES], label->name, EVENT_NAME,
             EVENT_NAME_TEXT);
    for (int i = 0; i < TRACE_ARGS && label->args[i].name; i++)
        put_arg(p, bytes, &label->args[i]);
}

/* An event that is something; `arrow` is the field of its end of an arrow. */
static void put_event(struct trace_output *to, const struct trace_row *row,
                      uint64_t ns, enum event_type type,
                      const struct trace_label *label, unsigned arrow)
{
    struct trace_perfetto *p = perfetto_of(to);
    struct packet packet;
    size_t event = begin_event(p, &packet, row, ns, type);
    put_label(p, &packet.bytes, label);
    if (label->arrow)
        proto_fixed64(&packet.bytes, arrow, label->arrow);
    proto_end(&packet.bytes, event);
    put_new_texts(p, &packet.bytes);
    end_packet(&packet, to->file);
}

static void perfetto_open(struct trace_output *to, const struct trace_row *row,
                          uint64_t ns, const struct trace_label *label)
{
    put_event(to, row, ns, TYPE_BEGIN, label, EVENT_ARROW_END);
}

static void perfetto_moment(struct trace_output *to,
                            const struct trace_row *row, uint64_t ns,
                            const struct trace_label *label)
{
    put_event(to, row, ns, TYPE_MOMENT, label, EVENT_ARROW);
}

static void perfetto_close(struct trace_output *to, const struct trace_row *row,
                           uint64_t ns)
{
    struct packet packet;
    size_t event = begin_event(perfetto_of(to), &packet, row, ns, TYPE_END);
    proto_end(&packet.bytes, event);
    end_packet(&packet, to->file);
}

/* ---- tracks -------------------------------------------------------------------------- */

/* In the order of ranks, which are of 32 bits. */
static size_t begin_track(struct proto *bytes, uint64_t number, uint64_t parent,
                          uint64_t rank, const char *name)
{
    size_t begin = proto_begin(bytes, PACKET_TRACK);
    proto_number(bytes, TRACK_NUMBER, number);
    proto_number(bytes, TRACK_PARENT, parent);
    proto_number(bytes, TRACK_RANK, rank < INT32_MAX ? rank : INT32_MAX);
    proto_text(bytes, TRACK_NAME, name);
    return begin;
}

static void perfetto_row(struct trace_output *to, const struct trace_row *row,
                         const char *name)
{
    const struct trace_perfetto *p = perfetto_of(to);
    struct packet packet;
    begin_packet_of_hub(&packet, p);
    size_t track = begin_track(&packet.bytes, TRACK_OF_PROCESS + row->number,
                               p->hub, row->fiber, name);
    proto_end(&packet.bytes, track);
    end_packet(&packet, to->file);
}

static void put_hub_track(const struct trace_perfetto *p,
                          const struct trace_copy *copy)
{
    struct packet packet;
    char text[PROTO_TEXT];
    snprintf(text, sizeof(text), "hub %u, thread %ld", copy->ring->number,
             copy->ring->thread);
    begin_packet_of_hub(&packet, p);
    if (copy->lost == 0)
        proto_number(&packet.bytes, PACKET_IS_FIRST, true);
    size_t track = begin_track(&packet.bytes, p->hub, TRACK_OF_PROCESS,
                               copy->ring->number, text);
    proto_number(&packet.bytes, TRACK_ORDER, ORDER_BY_RANK);
    snprintf(text, sizeof(text), "%" PRIu64 " events before these are lost",
             copy->lost);
    if (copy->lost)
        proto_text(&packet.bytes, TRACK_DESCRIPTION, text);
    proto_end(&packet.bytes, track);
    end_packet(&packet, p->output.file);
}

/* ---- a hub --------------------------------------------------------------------------- */

/* Nothing that packets before have told is referred to. That packets were lost
 * is believed of the second of a sequence and not of the first. */
static void put_sequence(const struct trace_perfetto *p, bool has_lost)
{
    struct packet packet;
    begin_packet_of_hub(&packet, p);
    proto_number(&packet.bytes, PACKET_FLAGS, FLAG_BEGINS);
    if (has_lost)
        proto_number(&packet.bytes, PACKET_LOST, true);
    size_t defaults = proto_begin(&packet.bytes, PACKET_DEFAULTS);
    proto_number(&packet.bytes, DEFAULT_CLOCK, NUMBER_ADDS_UP);
    proto_end(&packet.bytes, defaults);
    size_t clocks = proto_begin(&packet.bytes, PACKET_CLOCKS);
    put_clock(&packet.bytes, NUMBER_MONOTONIC, p->last);
    put_clock(&packet.bytes, NUMBER_ADDS_UP, p->last);
    proto_end(&packet.bytes, clocks);
    end_packet(&packet, p->output.file);
}

static void perfetto_hub(struct trace_output *to, const struct trace_copy *copy,
                         uint64_t ns)
{
    struct trace_perfetto *p = perfetto_of(to);
    p->sequence = copy->ring->number;
    p->hub = TRACK_OF_PROCESS + ++to->rows;
    p->last = ns;
    for (int i = 0; i < TRACE_TEXTS_KINDS; i++)
        p->texts[i].count = p->texts[i].told = 0;
    put_hub_track(p, copy);
    put_sequence(p, copy->lost > 0);
}

/* ---- the file ------------------------------------------------------------------------ */

static uint64_t clock_now(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* So that times can be told by other clocks as well. */
static void put_clocks(FILE *file)
{
    struct packet packet;
    begin_packet(&packet);
    size_t clocks = proto_begin(&packet.bytes, PACKET_CLOCKS);
    put_clock(&packet.bytes, NUMBER_MONOTONIC, clock_now(CLOCK_MONOTONIC));
    put_clock(&packet.bytes, NUMBER_BOOTTIME, clock_now(CLOCK_BOOTTIME));
    put_clock(&packet.bytes, NUMBER_REALTIME, clock_now(CLOCK_REALTIME));
    proto_number(&packet.bytes, CLOCKS_MAIN, NUMBER_MONOTONIC);
    proto_end(&packet.bytes, clocks);
    end_packet(&packet, file);
}

static void put_process(FILE *file)
{
    struct packet packet;
    char program[PROTO_TEXT];
    snprintf(program, sizeof(program), "grove %s", grove_version());
    begin_packet(&packet);
    size_t track = proto_begin(&packet.bytes, PACKET_TRACK);
    proto_number(&packet.bytes, TRACK_NUMBER, TRACK_OF_PROCESS);
    proto_text(&packet.bytes, TRACK_DESCRIPTION, program);
    proto_number(&packet.bytes, TRACK_ORDER, ORDER_BY_RANK);
    size_t process = proto_begin(&packet.bytes, TRACK_PROCESS);
    proto_number(&packet.bytes, PROCESS_NUMBER, (uint64_t)getpid());
    proto_text(&packet.bytes, PROCESS_NAME, program_invocation_short_name);
    proto_end(&packet.bytes, process);
    proto_end(&packet.bytes, track);
    end_packet(&packet, file);
}

static void perfetto_end(struct trace_output *to)
{
    (void)to; /* a file may end behind any packet */
}

static const struct trace_format perfetto = {
    .has_numbers = true,
    .has_arrows = true,
    .hub = perfetto_hub,
    .row = perfetto_row,
    .open = perfetto_open,
    .close = perfetto_close,
    .moment = perfetto_moment,
    .end = perfetto_end,
};

void trace_perfetto_begin(struct trace_perfetto *p, FILE *file)
{
    *p = (struct trace_perfetto){.output = {.format = &perfetto,
                                            .file = file,
                                            .scale = trace_scale_now()}};
    put_clocks(file);
    put_process(file);
}
