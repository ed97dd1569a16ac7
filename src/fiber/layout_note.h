/*
 * How somebody outside of the process finds what it may read there: each table
 * of offsets has a note in its object file, which the linker keeps and the
 * loader maps, whether the program is linked statically, stripped, replaced on
 * disk or deleted. A reader goes by the program headers, which are in memory as
 * well, and needs no file and no symbol.
 */
#ifndef GROVE_FIBER_LAYOUT_NOTE_H
#define GROVE_FIBER_LAYOUT_NOTE_H

#include "grove.h"

#define LAYOUT_NOTE_NAME "Grove"

/* The types of the notes: what stands there is the distance in bytes from the
 * note's content to the table, 32 bits with a sign. */
#define LAYOUT_NOTE_HUB 1      /* struct hub_layout */
#define LAYOUT_NOTE_INTERP 2   /* struct interp_layout */
#define LAYOUT_NOTE_GREENLET 3 /* struct greenlet_layout */

#define LAYOUT_MAGIC UINT64_C(0x74756f79614c5647) /* "GVLayout" */

#define LAYOUT_STRING_(text) #text
#define LAYOUT_STRING(text) LAYOUT_STRING_(text)
#define LAYOUT_RELEASE \
    LAYOUT_STRING(GROVE_VERSION_MAJOR) \
    "." LAYOUT_STRING(GROVE_VERSION_MINOR) "." LAYOUT_STRING( \
        GROVE_VERSION_PATCH)

/* The struct layout_head of a table of that version and type. The reader
 * refuses another version or size. */
#define LAYOUT_HEAD(own_version, table) \
    { \
        .magic = LAYOUT_MAGIC, .version = (own_version), \
        .size = sizeof(table), .release = LAYOUT_RELEASE, \
    }

/* The note of a table, a global variable. At file scope, once. */
#define LAYOUT_NOTE(type, table) LAYOUT_NOTE_(LAYOUT_STRING(type), #table)
#define LAYOUT_NOTE_(type, table) \
    __asm__(".pushsection .note.grove,\"a\",%note\n" \
            ".balign 4\n" \
            ".long 6, 4, " type "\n" \
            ".asciz \"" LAYOUT_NOTE_NAME "\"\n" \
            ".balign 4\n" \
            ".long " table " - .\n" \
            ".popsection")

#endif
