/*
 * libc's calls on FILEs, by their list. Those with a variable number of
 * arguments are made of those with a va_list.
 *
 * libc's functions are declared here by other names, so that each is what its
 * symbol says: headers make some of them macros, or inline, or another symbol.
 * A libc that does not have one has no slot for it either.
 */
#include "patch/stdio/calls.h"

#include "patch/stdio/hold.h"

#define LIBCS(symbol) __asm__(#symbol) __attribute__((weak))

#define HELD(type, symbol, parameters, file, names) \
    type libcs_##symbol parameters LIBCS(symbol); \
    type held_##symbol parameters \
    { \
        HOLD(file); \
        return libcs_##symbol names; \
    }
#define HELD_VOID(symbol, parameters, file, names) \
    void libcs_##symbol parameters LIBCS(symbol); \
    void held_##symbol parameters \
    { \
        HOLD(file); \
        libcs_##symbol names; \
    }
#define HELD_VARIADIC(symbol, parameters, last, with, names) \
    int held_##symbol parameters \
    { \
        va_list list; \
        va_start(list, last); \
        int r = held_##with names; \
        va_end(list); \
        return r; \
    }

STDIO_SYMBOLS(HELD)
STDIO_VOID_SYMBOLS(HELD_VOID)
STDIO_VARIADIC_SYMBOLS(HELD_VARIADIC)
