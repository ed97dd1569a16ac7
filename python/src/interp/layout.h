/*
 * Where things are in this interpreter's objects, for one who reads the memory
 * of a process from outside (tool/look/): constants of the version that the
 * extension was built for, in a table that its note tells of
 * (fiber/layout_note.h). Includes nothing of CPython's.
 *
 * Numbers without a unit are offsets in bytes. Who changes the table changes
 * INTERP_LAYOUT_VERSION.
 */
#ifndef GROVE_PYTHON_INTERP_LAYOUT_H
#define GROVE_PYTHON_INTERP_LAYOUT_H

#include "hub/layout.h"

#define INTERP_LAYOUT_VERSION 1

struct interp_layout {
    struct layout_head head;
    uint32_t hex; /* PY_VERSION_HEX */

    /* ---- objects and types */
    uint32_t type, tp_name, tp_base; /* of any object; of a type */
    uint32_t tp_flags;               /* unsigned long */
    uint64_t flag_type, flag_text;   /* of tp_flags: the type is one of types,
                                        of str */
    const void *function_type, *method_type, *cfunction_type, *code_type;
    uint32_t function_name; /* of a function: a str */
    uint32_t method_function;
    uint32_t cfunction_definition, definition_name; /* of the latter: char * */

    /* ---- a str: its length, its state, and where the characters begin */
    uint32_t text_length, text_state, text_ascii, text_compact;
    /* Eight bytes each: of a state, those that are set where the characters are
     * of one kind or another, stand behind the head, and are of ASCII. */
    const void *kind_bits, *compact_bits, *ascii_bits;

    /* ---- bytes */
    uint32_t bytes_size, bytes_begin;

    /* ---- code */
    uint32_t code_name, code_file; /* str */
    uint32_t code_first_line;      /* int */
    uint32_t code_lines;           /* bytes: co_linetable */
    uint32_t code_begin;           /* its instructions */

    /* ---- a frame of the interpreter */
    uint32_t frame_size; /* bytes that hold all of the following */
    uint32_t frame_code, frame_previous;
    uint32_t frame_instruction; /* the one that runs, or called */
    uint32_t frame_owner;       /* char */
    uint32_t owner_no_code;     /* owners from this on have no code */
    uint64_t code_tag;          /* bits of frame_code that are no address */

    /* ---- where the innermost frame is */
    uint32_t thread_frame; /* of a thread state: the innermost frame, or */
    uint32_t saved_frame;  /* of struct py_state: the same */
    uint32_t by_cframe;    /* 1: what is there is a cframe, and the frame */
    uint32_t cframe_frame; /* is at this offset in it */
};

#endif
