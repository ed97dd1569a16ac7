/*
 * A stack without unwind tables: each word on it that points behind a call
 * instruction of loaded code may be a return address, or may have been one.
 */
#include "look/scan.h"

#include <stdlib.h>

#include "frames/call.h"

/* So much of a stack is looked at, in bytes. */
#define SCAN_MOST ((size_t)64 << 10)

static bool follows_call(struct target *t, uint64_t address)
{
    unsigned char call[CALL_MOST];
    return memory_read(&t->memory, address - CALL_MOST, call, CALL_MOST) &&
           ends_in_call(call + CALL_MOST);
}

/* The stack from the stack pointer on: how many words could be read. */
static size_t read_stack(struct target *t, const struct look_fiber *f,
                         uint64_t *words, size_t most)
{
    size_t n = 0;
    bool own = f->at > f->sp && f->at - f->sp < (UINT64_C(1) << 32);
    if (own && (f->at - f->sp) / 8 < most)
        most = (f->at - f->sp) / 8;
    while (n < most &&
           memory_read(&t->memory, f->sp + 8 * n, &words[n], sizeof(words[n])))
        n++;
    return n;
}

void scan(struct target *t, struct symbols *s, const struct look_fiber *f,
          void (*fn)(const struct native_frame *frame, void *arg), void *arg)
{
    struct native_frame frame = {.ip = f->ip};
    uint64_t *words = malloc(SCAN_MOST);
    if (modules_at(s->modules, f->ip))
        fn(&frame, arg);
    frame.guessed = frame.calls = true;
    size_t n = words ? read_stack(t, f, words, SCAN_MOST / 8) : 0;
    for (size_t i = 0; i < n; i++) {
        frame.ip = words[i];
        if (modules_at(s->modules, frame.ip) && follows_call(t, frame.ip))
            fn(&frame, arg);
    }
    free(words);
}
