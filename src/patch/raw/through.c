/*
 * Calls that only their caller can make. The handler returns to code of ours
 * (through_x86_64.S), which makes the call, and then jumps to where that was to
 * be made: the child of a clone(2) or vfork(2), which may have another stack
 * and another thread pointer, by what stands in that code alone. So there is a
 * piece of code for each place in the program from which such calls came.
 *
 *     program: syscall --> handler --> piece: selector is ALLOW, syscall
 *                                              |            |
 *                                          the child    the caller:
 *                                              |        selector is BLOCK
 *     program: what follows  <-----------------+------------+
 */
#include "patch/raw/through.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/prctl.h>

#include "patch/raw/raw.h"

/* As in through_x86_64.S. */
#define PIECES 64
#define PIECE_SIZE 32

extern char raw_through_pieces[] __attribute__((visibility("hidden")));

/* Where each piece goes on; 0: it is free. */
_Atomic uintptr_t raw_through_targets[PIECES]
    __attribute__((visibility("hidden")));

/* The thread's selector, in the storage that is in use. */
__thread volatile uint8_t *raw_through_selector
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The number of the piece for that place; PIECES: there is none. */
static unsigned piece_for(uintptr_t target)
{
    for (unsigned i = 0; i < PIECES; i++) {
        uintptr_t before = 0;
        if (atomic_compare_exchange_strong(&raw_through_targets[i], &before,
                                           target) ||
            before == target)
            return i;
    }
    return PIECES;
}

bool through_send(ucontext_t *context)
{
    greg_t *registers = context->uc_mcontext.gregs;
    struct raw_thread *t = raw_thread_self();
    unsigned piece = piece_for((uintptr_t)registers[REG_RIP]);
    if (piece == PIECES)
        return false;
    raw_through_selector = &t->selector;
    t->selector = SYSCALL_DISPATCH_FILTER_ALLOW;
    registers[REG_RIP] =
        (greg_t)(uintptr_t)(raw_through_pieces + piece * PIECE_SIZE);
    return true;
}
