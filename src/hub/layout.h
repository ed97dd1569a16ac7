/*
 * Where things are in a process, for one who reads its memory from outside
 * (tool/look/): constants of this build, in the process itself. Nothing runs
 * there and nothing is kept for it but a mark in each hub.
 *
 * Numbers without a unit are offsets in bytes. A reader of another build must
 * find a table of its own version and size: who changes one of them changes
 * HUB_LAYOUT_VERSION.
 */
#ifndef GROVE_HUB_LAYOUT_H
#define GROVE_HUB_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define HUB_LAYOUT_VERSION 3

/* What every table begins with, of whatever version. */
struct layout_head {
    uint64_t magic;   /* LAYOUT_MAGIC */
    uint32_t version; /* of this table */
    uint32_t size;    /* of it, in bytes */
    char release[16]; /* of the library, for people */
};

/* How a context was saved. */
enum layout_context {
    LAYOUT_X86_64 = 1, /* the stack pointer, rbp and rip */
    LAYOUT_AARCH64,    /* sp, x29 and pc */
    LAYOUT_UCONTEXT,   /* the same in a ucontext_t */
};

/* Of a hub, what layout.c, numbers.c and mailbox.c keep behind it. */
struct hub_layout_mark {
    const size_t *offset; /* of the mark from the hub */
    uint64_t value;       /* of its first word, where there is a hub */
};

struct hub_layout_numbers {
    const size_t *offset;    /* of what numbers.c keeps, from the hub */
    uint32_t thread;         /* long: the system's number of it */
    uint32_t delays;         /* uint64_t each: see grove_hub_info */
    uint32_t longest;        /* int64_t: of the delays, in nanoseconds */
    uint32_t sum;            /* uint64_t: the same */
    uint32_t stalls;         /* uint64_t */
    uint32_t delays_count;   /* how many */
    uint32_t delay_shortest; /* log2 of what the first ends with */
};

struct hub_layout_mailbox {
    const size_t *offset;
    uint32_t called; /* uint64_t: posts */
};

struct hub_layout_hub {
    uint32_t size; /* bytes that hold all of the following */
    uint32_t current, loop_fiber, root;
    uint32_t budget, switches; /* int, uint64_t: made are the latter less the
                                  former */
    uint32_t next_id, loop_fibers;
    uint32_t next_hub;
    uint32_t polling, dead;  /* bool */
    uint32_t now;            /* int64_t */
    uint32_t polls, waits;   /* of its loop: uint64_t, size_t */
    uint32_t timers;         /* size_t: pending */
    uint32_t claims, others; /* size_t: fibers are the former less the latter */
    uint32_t offloads;
    uint32_t stacks;
    uint32_t waits_begun; /* uint64_t each: by enum grove_wait_kind */
    uint32_t waits_kinds;
    uint32_t names_asked, names_found, names_failed, names_timed_out;
    uint32_t names_time;
};

struct hub_layout_fiber {
    uint32_t size; /* bytes that hold all of the following */
    uint32_t id, name, name_size;
    uint32_t live, base; /* of its stack: bool, char * */
    uint32_t sp, bp, ip; /* while it does not run */
    uint32_t state;      /* uint8_t, enum fiber_state */
    uint32_t waiting;    /* bool */
    uint32_t hub, host, fn;
    uint32_t what, fd, since; /* of what it waits for */
};

/* Where the records of fibers lie: src/fiber/stack.c. */
struct hub_layout_stacks {
    uint32_t classes, class_size, kinds, shifts;
    uint32_t shift, kind, slabs; /* of a class */
    uint32_t record_size, hot_offset;
    uint32_t slab_size, slab_next, slab_base, slab_slots, slab_used, slab_cold;
    uint32_t colours, colour, line, host_area, hosted; /* numbers, bytes */
};

struct hub_layout {
    struct layout_head head;
    uint32_t context; /* enum layout_context */
    const void *hubs; /* where the address of one of the ring is */
    struct hub_layout_mark mark;
    const struct hub_layout_numbers *numbers;
    const struct hub_layout_mailbox *mailbox;
    struct hub_layout_hub hub;
    struct hub_layout_fiber fiber;
    struct hub_layout_stacks stacks;
};

extern const struct hub_layout hub_layout __attribute__((visibility("hidden")));
extern const struct hub_layout_numbers hub_layout_numbers
    __attribute__((visibility("hidden")));
extern const struct hub_layout_mailbox hub_layout_mailbox
    __attribute__((visibility("hidden")));

#endif
