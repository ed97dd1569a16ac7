/*
 * A raw call parks on its caller's stack, but the signal that tells of it comes
 * on the alternate one: the caller's may be a few kilobytes that only it knows
 * the bounds of, as a goroutine's are, and the kernel's frame alone is that
 * large. Only where it is the stack of the fiber that runs, or of the thread,
 * and has room, what the signal has left is copied there, below what the caller
 * may have written:
 *
 *     the caller's stack    | 128 bytes that are its own
 *                           | floating-point state   on 64 bytes
 *                           | ucontext_t, the kernel's
 *                      sp ->| restorer               as if it had called fn
 *
 * which is how the kernel would have laid it out there: where fn returns to,
 * the signal ends, and who walks the stack finds a signal's frame.
 */
#include "patch/raw/move.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "hub/hub.h"
#include "patch/raw/raw.h"

#define RED_ZONE 128
/* The kernel's ucontext_t, whose last member is the mask. */
#define CONTEXT_BYTES (offsetof(ucontext_t, uc_sigmask) + RAW_MASK_BYTES)

/* What a patched call takes at most, with a margin. */
#define ROOM ((size_t)6 << 10)

/* The kernel's, in what fxsave leaves for software. */
struct extended {
    uint32_t magic; /* MAGIC: there is more than fxsave has */
    uint32_t size;  /* of all of it */
};
#define MAGIC 0x46505853u
#define EXTENDED_AT 464
#define FXSAVE_BYTES 512

struct frame {
    uintptr_t restorer;
    char context[CONTEXT_BYTES];
};

void move_note_stack(void)
{
    struct raw_thread *t = raw_thread_self();
    pthread_attr_t attr;
    void *low = NULL;
    size_t size = 0;
    if (tls_block_current()) /* pthread_self is the fiber's */
        return;
    if (t->stack_size > 0 || pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    pthread_attr_getstack(&attr, &low, &size);
    pthread_attr_destroy(&attr);
    t->stack = low;
    t->stack_size = size;
}

static bool is_within(const stack_t *stack, uintptr_t sp)
{
    return sp - (uintptr_t)stack->ss_sp < stack->ss_size;
}

/* Whether that many bytes below sp are of the stack of who runs. */
static bool has_room(uintptr_t sp, size_t size)
{
    const struct hub *hub = hub_of_thread;
    if (!hub)
        return false;
    const struct grove_fiber *f = hub->current;
    const struct raw_thread *t = raw_thread_self();
    bool on_thread = f == &hub->root;
    const void *low = on_thread ? t->stack : f->fiber.stack.base;
    size_t all = on_thread ? t->stack_size : stack_size(&f->fiber.stack);
    uintptr_t above = sp - (uintptr_t)low;
    return above < all && above >= size;
}

/* Bytes of the floating-point state. */
static size_t state_size(const void *state)
{
    struct extended e;
    if (!state)
        return 0;
    memcpy(&e, (const char *)state + EXTENDED_AT, sizeof(e));
    return e.magic == MAGIC ? e.size : FXSAVE_BYTES;
}

bool move_may(const ucontext_t *uc)
{
    uintptr_t sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
    size_t state = state_size(uc->uc_mcontext.fpregs);
    return !is_within(&uc->uc_stack, sp) &&
           has_room(sp, RED_ZONE + state + sizeof(struct frame) + ROOM);
}

/* A function that does not return, so that AddressSanitizer forgets what was on
 * the stack that is left. */
__attribute__((noreturn, noinline)) static void
leave_for(struct frame *frame, void (*fn)(ucontext_t *context),
          ucontext_t *context)
{
    __asm__ volatile("movq %[frame], %%rsp\n\t"
                     "jmpq *%[fn]"
                     :
                     : [frame] "r"(frame), [fn] "r"(fn), "D"(context)
                     : "memory");
    __builtin_unreachable();
}

void move_and_call(ucontext_t *uc, void (*fn)(ucontext_t *context),
                   uintptr_t restorer)
{
    uintptr_t sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
    size_t state = state_size(uc->uc_mcontext.fpregs);
    assert(move_may(uc));
    if (!is_within(&uc->uc_stack, (uintptr_t)__builtin_frame_address(0))) {
        fn(uc); /* the thread has no other stack */
        return;
    }
    uintptr_t copy = (sp - RED_ZONE - state) & ~(uintptr_t)63;
    /* As behind a call: 8 bytes off what stacks are aligned to. */
    uintptr_t at = ((copy - sizeof(struct frame)) & ~(uintptr_t)15) - 8;
    struct frame *frame = (struct frame *)at;
    ucontext_t *context = (ucontext_t *)(void *)frame->context;
    memcpy((void *)copy, uc->uc_mcontext.fpregs, state);
    memcpy(context, uc, CONTEXT_BYTES);
    context->uc_mcontext.fpregs = state ? (fpregset_t)copy : NULL;
    frame->restorer = restorer;
    leave_for(frame, fn, context);
}

/* ---- the alternate stack ------------------------------------------------------ */

/* Linux's SS_AUTODISARM, which it shifts out of an int. */
#define AUTODISARM INT_MIN

void move_rearm(const ucontext_t *uc)
{
    if (uc->uc_stack.ss_flags & AUTODISARM)
        sigaltstack(&uc->uc_stack, NULL);
}

/* With the stack pointer at sp, where nothing is written: nobody but the kernel
 * looks at it. */
static long sigaltstack_at(uintptr_t sp, const long *args)
{
    long result = SYS_sigaltstack;
    __asm__ volatile("movq %%rsp, %%rbx\n\t"
                     "movq %[sp], %%rsp\n\t"
                     "syscall\n\t"
                     "movq %%rbx, %%rsp"
                     : "+a"(result)
                     : [sp] "r"(sp), "D"(args[0]), "S"(args[1])
                     : "rbx", "rcx", "r11", "memory");
    return result;
}

/* Who is on the alternate stack may not set another, and we are. A signal would
 * find us on none, or on a part of the new one. */
long move_altstack(ucontext_t *uc, const long *args)
{
    struct raw_thread *t = raw_thread_self();
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    move_rearm(uc);
    t->selector = SYSCALL_DISPATCH_FILTER_ALLOW;
    long r = sigaltstack_at((uintptr_t)uc->uc_mcontext.gregs[REG_RSP], args);
    t->selector = SYSCALL_DISPATCH_FILTER_BLOCK;
    sigaltstack(NULL, &uc->uc_stack);
    if (r >= 0)
        return r;
    errno = (int)-r;
    return -1;
}
