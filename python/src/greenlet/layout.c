/*
 * The table of what one who looks from outside must know of greenlets, to name
 * them as describe.c does and to find their frames. Nothing here runs.
 */
#include "greenlet/layout.h"

#include "fiber/layout_note.h"
#include "greenlet/private.h"

extern const struct greenlet_layout greenlet_layout
    __attribute__((visibility("hidden")));

const struct greenlet_layout greenlet_layout = {
    .head = LAYOUT_HEAD(GREENLET_LAYOUT_VERSION, struct greenlet_layout),
    .type = &Greenlet_Type,
    .green_size = offsetof(struct green, start_args),
    .fiber = offsetof(struct green, fiber),
    .thread = offsetof(struct green, thread),
    .self = offsetof(struct green, self),
    .run = offsetof(struct green, run),
    .state = offsetof(struct green, state),
    .thread_tstate = offsetof(struct py_thread, tstate),
    .name = offsetof(Greenlet, name),
    .fn = offsetof(Greenlet, fn),
    .ident = offsetof(Greenlet, ident),
    .greenlet_size = sizeof(Greenlet),
};

LAYOUT_NOTE(LAYOUT_NOTE_GREENLET, greenlet_layout);
