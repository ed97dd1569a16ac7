/*
 * For tests: a library to preload whose threads are fibers. Its functions stand
 * in front of libc's for the program and its libraries, and not for the copy of
 * the runtime in it, which must have libc's.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "patch/threads/deal.h"
#include "patch/threads/threads.h"

/* What libc has for each, and what each is here; asked for once. */
#define DECLARE_POINTERS(type, symbol, parameters, names) \
    __attribute__((visibility("hidden"))) void *libc_##symbol; \
    __attribute__((visibility("hidden"))) void *our_##symbol;

THREADS_ALL_SYMBOLS(DECLARE_POINTERS)

static void *next_of(const char *symbol)
{
    void *found = dlsym(RTLD_NEXT, symbol);
    if (!found) {
        fprintf(stderr, "preload: no %s\n", symbol);
        abort();
    }
    return found;
}

#define FILL_POINTERS(type, symbol, parameters, names) \
    libc_##symbol = next_of(#symbol); \
    our_##symbol = (void *)(uintptr_t)patched_##symbol;

/* Before any constructor of a library that needs a lock. */
__attribute__((constructor(101))) static void fill(void)
{
    THREADS_ALL_SYMBOLS(FILL_POINTERS)
    const char *hubs = getenv("PRELOAD_HUBS");
    if (hubs && deal_over((unsigned)atoi(hubs)) < 0)
        abort();
}

/* symbol is ours; what the runtime calls by that name (--wrap) is libc's. */
#define STAND_IN_FRONT(type, symbol, parameters, names) \
    __asm__(".text\n" \
            ".globl " #symbol ", __wrap_" #symbol "\n" \
            ".hidden __wrap_" #symbol "\n" \
            ".type " #symbol ", @function\n" #symbol ":\n" \
            "    jmpq *our_" #symbol "(%rip)\n" \
            "__wrap_" #symbol ":\n" \
            "    jmpq *libc_" #symbol "(%rip)\n" \
            ".size " #symbol ", .-" #symbol "\n");

THREADS_ALL_SYMBOLS(STAND_IN_FRONT)
