/*
 * The C stack of a fiber that does not run.
 */
#ifndef GROVE_TOOL_UNWIND_H
#define GROVE_TOOL_UNWIND_H

#include "look/fibers.h"
#include "look/symbols.h"

struct native_frame {
    uint64_t ip;  /* the instruction that comes next in it */
    bool calls;   /* it is in a call, from the instruction before */
    bool guessed; /* it may be none: its address was found on the stack */
    const char *function; /* by debug information; NULL: that has none */
    uint64_t offset;      /* of ip from its beginning */
    const char *file;     /* of its source; NULL: not known */
    int line;
};

/* Calls fn for its frames, the innermost first: by the unwind tables of the
 * files that are loaded, where this command was built with libdw; else, and
 * where those tell nothing, what looks like a return address. */
void unwind(struct target *t, struct symbols *s, const struct look_fiber *f,
            void (*fn)(const struct native_frame *frame, void *arg), void *arg);

#endif
