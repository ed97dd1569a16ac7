/*
 * What this C library lets us know of its threads: where in a thread's block
 * of thread-local storage things stand, and how such a block is made.
 *
 *        thread-local variables of the objects          struct pthread
 *     | ... | libgrove's | ... | libc's | program's | tcb, dtv, self, ... |
 *                                                   ^
 *                                       the thread pointer (FS base)
 *
 * Nothing is assumed of struct pthread that is not found out: functions and
 * offsets come from symbols that libc exports for its debugger's library, and
 * what an ordinary thread begins with is copied from one.
 */
#ifndef GROVE_FIBER_TLS_LIBC_H
#define GROVE_FIBER_TLS_LIBC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fiber/visibility.h"

/* A list of glibc's, of which each thread's block is an element. */
struct tls_node {
    struct tls_node *next, *prev;
};

/* What struct pthread holds of one key (pthread_key_create). */
struct tls_key_value {
    uintptr_t generation; /* of the key, when it was set */
    void *value;
};

/* How many of the former are in each of so many blocks. */
#define TLS_KEYS_IN_BLOCK 32
#define TLS_KEY_BLOCKS 32

/* Set once, by tls_libc_find. Offsets are from the thread pointer. */
struct tls_libc {
    void *(*allocate)(void *mem);
    void (*deallocate)(void *tp, bool whole);
    void (*init_ctype)(void);
    void (*call_destructors)(void); /* of C++'s thread_local */
    void **keys;                    /* pairs: generation, destructor */
    struct tls_node *threads;       /* the list of those with stacks of their
                                       own; NULL: not found */
    int *threads_lock;              /* its lock */
    size_t fixed; /* bytes of struct pthread, and below it of the variables
                     whose place is the same in all blocks */
    size_t size;  /* of struct pthread */
    size_t node, tid, specific, robust; /* members of it */
    ptrdiff_t resp;                     /* of __resp, and what it points to: */
    size_t res;
    ptrdiff_t rseq; /* 0: there is none */
};

extern GROVE_HOST_API struct tls_libc tls_libc;

/* Fills it. NULL, or why there can be no blocks. Once a process. */
const char *tls_libc_find(void);

/* What struct pthread of a new thread holds is copied to tp's. */
void tls_libc_copy_pthread(void *tp);

/* Its stack is from low and has size bytes. */
void tls_libc_put_stack(void *tp, void *low, size_t size);

static inline void *tls_at(void *tp, ptrdiff_t offset)
{
    return (char *)tp + offset;
}

/* ---- the thread pointer ------------------------------------------------------ */

/* The calling thread's block. */
static inline void *tls_pointer(void)
{
#if defined(__x86_64__)
    void *tp;
    __asm__("movq %%fs:0, %0" : "=r"(tp));
    return tp;
#else
    return NULL;
#endif
}

/* Whether the processor's own instruction sets it. */
extern bool tls_pointer_by_instruction;

void tls_set_pointer_slow(void *tp);

static inline void tls_set_pointer(void *tp)
{
#if defined(__x86_64__)
    if (__builtin_expect(tls_pointer_by_instruction, 1)) {
        __asm__ volatile("wrfsbase %0" : : "r"(tp) : "memory");
        return;
    }
#endif
    tls_set_pointer_slow(tp);
}

#endif
