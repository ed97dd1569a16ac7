/*
 * Names and frames of greenlets, by the tables of the extension
 * (python/src/interp/layout.h, python/src/greenlet/layout.h). What is told of a
 * name is what python/src/greenlet/describe.c tells.
 *
 * Objects may be freed and used for others while they are read. So of each the
 * type is looked at, texts and frames are bounded, and what does not fit is
 * left out.
 */
#include "look/python.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "look/linetable.h"
#include "look/record.h"

#define FRAMES_MOST 100000 /* deeper than any recursion limit that is meant */
#define BASES_MOST 64      /* of a type */
#define GREEN_MOST 4096
#define GREENLET_MOST 1024
#define LINES_MOST ((uint64_t)1 << 22) /* bytes of a table of lines */

/* Texts are made of parts that are added as long as there is room. */
struct text {
    char *at;
    size_t left; /* one is kept for the end */
};

static uint64_t address(const void *there)
{
    return (uint64_t)(uintptr_t)there;
}

/* ---- texts ------------------------------------------------------------------------ */

static void add_byte(struct text *text, unsigned byte)
{
    if (text->left > 1) {
        *text->at++ = (char)byte;
        text->left--;
    }
    *text->at = '\0';
}

static void add(struct text *text, const char *s)
{
    for (; *s; s++)
        add_byte(text, (unsigned char)*s < ' ' || *s == 0x7f
                           ? '?'
                           : (unsigned char)*s);
}

/* In UTF-8, whole or not at all; a line stays a line, and a terminal is not
 * told what to do. */
static void add_character(struct text *text, uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (c > 0x10ffff || c < ' ' || (c >= 0x7f && c < 0xa0)) {
        add_byte(text, '?');
    } else if (text->left <= n) {
        text->left = 1;
    } else if (n == 1) {
        add_byte(text, c);
    } else {
        add_byte(text, 0xf00 >> n | c >> 6 * (n - 1));
        while (--n)
            add_byte(text, 0x80 | (c >> 6 * (n - 1) & 0x3f));
    }
}

/* ---- types and texts of the interpreter --------------------------------------------- */

static uint64_t type_of(struct target *t, uint64_t object)
{
    return object ? memory_word(&t->memory, object + t->interp.type) : 0;
}

static bool has_flag(struct target *t, uint64_t type, uint64_t flag)
{
    return type && (memory_word(&t->memory, type + t->interp.tp_flags) & flag);
}

static bool is_a(struct target *t, uint64_t type, uint64_t wanted)
{
    for (int i = 0; i < BASES_MOST && type; i++) {
        if (type == wanted)
            return true;
        type = memory_word(&t->memory, type + t->interp.tp_base);
    }
    return false;
}

/* The bits of a str's state that one of the table's examples has. */
static uint64_t state_bits(struct target *t, uint64_t object,
                           const void *example)
{
    uint64_t mask = memory_word(&t->memory, address(example));
    return memory_word(&t->memory, object + t->interp.text_state) & mask;
}

/* How many bytes a character takes; 0: it is none of the usual kind. */
static uint64_t character_size(struct target *t, uint64_t object)
{
    uint64_t mask = memory_word(&t->memory, address(t->interp.kind_bits));
    uint64_t kind = state_bits(t, object, t->interp.kind_bits);
    if (!mask || !state_bits(t, object, t->interp.compact_bits))
        return 0;
    kind /= mask & -mask;
    return kind == 1 || kind == 2 || kind == 4 ? kind : 0;
}

static bool is_text(struct target *t, uint64_t object)
{
    return has_flag(t, type_of(t, object), t->interp.flag_text);
}

static void add_text(struct text *text, struct target *t, uint64_t object)
{
    if (!is_text(t, object))
        return;
    uint64_t size = character_size(t, object);
    uint64_t length = memory_word(&t->memory, object + t->interp.text_length);
    uint64_t at = object + (state_bits(t, object, t->interp.ascii_bits)
                                ? t->interp.text_ascii
                                : t->interp.text_compact);
    for (uint64_t i = 0; size && i < length && text->left > 1; i++) {
        uint32_t c = 0; /* little-endian, as are all machines we run on */
        if (!memory_read(&t->memory, at + i * size, &c, size))
            return;
        add_character(text, c);
    }
}

/* A C text in the process, whole, or what follows its last dot. */
static void add_there(struct text *text, struct target *t, uint64_t from,
                      bool short_name)
{
    char name[128];
    if (!memory_text(&t->memory, from, name, sizeof(name)))
        return;
    const char *dot = short_name ? strrchr(name, '.') : NULL;
    add(text, dot ? dot + 1 : name);
}

static void add_type(struct text *text, struct target *t, uint64_t type,
                     bool short_name)
{
    uint64_t name = memory_word(&t->memory, type + t->interp.tp_name);
    add_there(text, t, name, short_name);
}

/* The name of a function, of a method or of a type. */
static void add_callable(struct text *text, struct target *t, uint64_t fn)
{
    const struct interp_layout *at = &t->interp;
    struct memory *m = &t->memory;
    if (type_of(t, fn) == address(at->method_type))
        fn = memory_word(m, fn + at->method_function);
    uint64_t type = type_of(t, fn);
    uint64_t name = type == address(at->function_type)
                        ? memory_word(m, fn + at->function_name)
                        : 0;
    if (name && is_text(t, name))
        add_text(text, t, name);
    else if (is_a(t, type, address(at->cfunction_type)))
        add_there(text, t,
                  memory_word(m, memory_word(m, fn + at->cfunction_definition) +
                                     at->definition_name),
                  false);
    else
        add_type(text, t, has_flag(t, type, at->flag_type) ? fn : type, false);
}

/* ---- greenlets ------------------------------------------------------------------------ */

/* A copy of the struct green of a fiber; false: it has none, or another by now.
 */
static bool read_green(struct target *t, const struct look_fiber *f,
                       unsigned char bytes[GREEN_MOST], struct record *green)
{
    *green = (struct record){bytes, t->greenlet.green_size};
    return t->has_python && f->host && green->size <= GREEN_MOST &&
           memory_read(&t->memory, f->host, bytes, green->size) &&
           record_word(*green, t->greenlet.fiber) == f->at;
}

static void add_greenlet(struct text *text, struct target *t, uint64_t self,
                         uint64_t type)
{
    const struct greenlet_layout *at = &t->greenlet;
    unsigned char bytes[GREENLET_MOST];
    struct record r = {bytes, at->greenlet_size};
    if (r.size > sizeof(bytes) || !memory_read(&t->memory, self, bytes, r.size))
        return;
    uint64_t name = record_word(r, at->name), fn = record_word(r, at->fn);
    uint32_t ident = record_half(r, at->ident);
    bool named = name && is_text(t, name);
    if (named)
        add_text(text, t, name);
    if (fn) {
        if (named)
            add(text, ": ");
        add_callable(text, t, fn);
    } else if (!named) {
        add_type(text, t, type, true);
    }
    if (ident) {
        char number[40];
        snprintf(number, sizeof(number), ", minimal_ident %" PRIu32, ident - 1);
        add(text, number);
    }
}

void python_name(struct target *t, const struct look_fiber *f, char *room_at,
                 size_t room)
{
    unsigned char bytes[GREEN_MOST];
    struct record green;
    struct text text = {room_at, room};
    room_at[0] = '\0';
    if (!read_green(t, f, bytes, &green))
        return;
    uint64_t self = record_word(green, t->greenlet.self);
    uint64_t run = record_word(green, t->greenlet.run);
    uint64_t type = type_of(t, self);
    if (is_a(t, type, address(t->greenlet.type)))
        add_greenlet(&text, t, self, type);
    else if (run)
        add_callable(&text, t, run);
    else
        add_type(&text, t, type, true);
}

/* ---- frames ------------------------------------------------------------------------------ */

/* The line of an instruction of code. */
static int line_of(struct target *t, uint64_t code, uint64_t instruction)
{
    const struct interp_layout *at = &t->interp;
    struct memory *m = &t->memory;
    uint32_t first;
    uint64_t lines = memory_word(m, code + at->code_lines);
    uint64_t size = memory_word(m, lines + at->bytes_size);
    uint64_t begin = code + at->code_begin;
    unsigned char *table = size <= LINES_MOST ? malloc(size + 1) : NULL;
    int line = -1;
    if (table && memory_read(m, lines + at->bytes_begin, table, size) &&
        memory_read(m, code + at->code_first_line, &first, sizeof(first)))
        line = instruction < begin ? (int)first
                                   : linetable_line(table, size, (int)first,
                                                    (instruction - begin) / 2);
    free(table);
    return line;
}

static void decode_frame(struct target *t, uint64_t code, uint64_t instruction,
                         struct python_frame *frame)
{
    const struct interp_layout *at = &t->interp;
    struct text function = {frame->function, sizeof(frame->function)};
    struct text file = {frame->file, sizeof(frame->file)};
    frame->function[0] = frame->file[0] = '\0';
    add_text(&function, t, memory_word(&t->memory, code + at->code_name));
    add_text(&file, t, memory_word(&t->memory, code + at->code_file));
    frame->line = line_of(t, code, instruction);
    frame->package =
        t->package && strncmp(frame->file, t->package, strlen(t->package)) == 0;
}

/* Where a greenlet's innermost frame is: in its thread's state while it runs,
 * otherwise in what was saved of that. */
static uint64_t innermost(struct target *t, const struct look_fiber *f)
{
    const struct interp_layout *at = &t->interp;
    const struct greenlet_layout *g = &t->greenlet;
    unsigned char bytes[GREEN_MOST];
    struct record green;
    uint64_t frame;
    if (!read_green(t, f, bytes, &green))
        return 0;
    if (f->state == LOOK_RUNNING) {
        uint64_t thread = record_word(green, g->thread);
        uint64_t tstate = memory_word(&t->memory, thread + g->thread_tstate);
        frame = memory_word(&t->memory, tstate + at->thread_frame);
    } else {
        frame = record_word(green, (size_t)g->state + at->saved_frame);
    }
    return at->by_cframe && frame
               ? memory_word(&t->memory, frame + at->cframe_frame)
               : frame;
}

size_t python_frames(struct target *t, const struct look_fiber *f,
                     bool (*fn)(const struct python_frame *frame, void *arg),
                     void *arg)
{
    const struct interp_layout *at = &t->interp;
    unsigned char bytes[1024];
    struct record r = {bytes, at->frame_size};
    uint64_t here = innermost(t, f);
    size_t n = 0;
    for (int i = 0; i < FRAMES_MOST && here; i++) {
        if (r.size > sizeof(bytes) ||
            !memory_read(&t->memory, here, bytes, r.size))
            break;
        uint64_t code = record_word(r, at->frame_code) & ~at->code_tag;
        here = record_word(r, at->frame_previous);
        if (record_byte(r, at->frame_owner) >= at->owner_no_code)
            continue;
        if (type_of(t, code) != address(at->code_type))
            break;
        struct python_frame frame;
        decode_frame(t, code, record_word(r, at->frame_instruction), &frame);
        n++;
        if (!fn(&frame, arg))
            break;
    }
    return n;
}

struct where {
    struct python_frame *frame;
    size_t seen;
};

static bool look(const struct python_frame *frame, void *arg)
{
    struct where *w = arg;
    if (w->seen++ == 0 || !frame->package)
        *w->frame = *frame;
    return frame->package && w->seen < 64;
}

bool python_where(struct target *t, const struct look_fiber *f,
                  struct python_frame *frame)
{
    struct where w = {frame, 0};
    python_frames(t, f, look, &w);
    return w.seen > 0;
}
