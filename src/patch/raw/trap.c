/*
 * What becomes of a raw call. The kernel has not made it; its signal's handler
 * makes it as libc's function of that number (../numbered.c), on the stack of
 * who did (move.c), where it may park the fiber, and leaves what it says where
 * the instruction would have: -errno in rax, and errno as it was. All other
 * registers come back with the signal's end, as the kernel keeps them.
 *
 *     syscall --> SIGSYS --> only its caller can make it --> through.c
 *                       \--> of an object left alone, or on a stack that is
 *                        |    not the fiber's: made as it is
 *                        \--> patch_syscall()
 *
 * With the signal's end the thread gets back its mask and its alternate stack
 * as they were at its beginning; what was set meanwhile, by the call itself or
 * by other fibers, is written over these.
 *
 * A raw call is no cancellation point.
 */
#include "patch/raw/trap.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/audit.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "patch/call.h"
#include "patch/functions.h"
#include "patch/raw/forms.h"
#include "patch/raw/move.h"
#include "patch/raw/raw.h"
#include "patch/raw/sigsys.h"
#include "patch/raw/through.h"

/* Linux's, of siginfo_t's si_code. */
#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH 2
#endif

#define INSTRUCTION 2 /* bytes of syscall, and of int $0x80 */

/* libc's way out of a handler. */
static uintptr_t restorer;

/* ---- making it --------------------------------------------------------------- */

/* As the kernel tells it. */
static long raw_result(long r)
{
    return r == -1 ? -errno : r;
}

/* Whether it is of code that is patched. The runtime shares liburing with the
 * program, but waits by it only where nobody may park. */
static bool is_patched(const ucontext_t *uc)
{
    const greg_t *r = uc->uc_mcontext.gregs;
    return !places_exempt((uintptr_t)r[REG_RIP] - INSTRUCTION) ||
           r[REG_RAX] == SYS_io_uring_enter;
}

static long make(ucontext_t *uc, bool may_park)
{
    const greg_t *r = uc->uc_mcontext.gregs;
    long number = (long)r[REG_RAX];
    const long a[] = {(long)r[REG_RDI], (long)r[REG_RSI], (long)r[REG_RDX],
                      (long)r[REG_R10], (long)r[REG_R8],  (long)r[REG_R9]};
    if (number == SYS_rt_sigprocmask) /* whoever it is who blocks all */
        return raw_result(form_sigmask(a));
    if (number == SYS_rt_sigaction && is_patched(uc))
        return raw_result(form_sigaction(a));
    if (number == SYS_sigaltstack && !may_park)
        return raw_result(move_altstack(uc, a));
    if (may_park)
        return raw_result(
            patch_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]));
    return raw_result(syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

/* A cancel is not acted on meanwhile. */
static long make_uncancelled(ucontext_t *uc, bool may_park)
{
    struct thread *t = thread_self;
    if (likely(!t))
        return make(uc, may_park);
    int before = t->cancel_state;
    t->cancel_state = PTHREAD_CANCEL_DISABLE;
    long result = make(uc, may_park);
    t->cancel_state = before;
    return result;
}

/* ---- what the signal's end brings back ---------------------------------------- */

static void keep_mask(ucontext_t *uc)
{
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &uc->uc_sigmask,
            RAW_MASK_BYTES);
}

static uint64_t switches(void)
{
    return hub_of_thread ? hub_switches(hub_of_thread) : 0;
}

static void answer(ucontext_t *uc, bool may_park)
{
    long number = (long)uc->uc_mcontext.gregs[REG_RAX];
    uint64_t before = switches();
    uc->uc_mcontext.gregs[REG_RAX] = (greg_t)make_uncancelled(uc, may_park);
    bool parked = switches() != before;
    if (number == SYS_rt_sigprocmask || parked)
        keep_mask(uc);
    if (may_park && (number == SYS_sigaltstack || parked))
        sigaltstack(NULL, &uc->uc_stack);
}

/* On the stack of who made the call: the alternate one was left. */
static void answer_there(ucontext_t *uc)
{
    int error = errno;
    move_rearm(uc);
    answer(uc, true);
    errno = error;
}

/* ---- what is not made here ---------------------------------------------------- */

/* The instruction is to run again, and be let through: of this thread's raw
 * calls we are told no more. */
static void give_up(ucontext_t *uc)
{
    raw_thread_self()->selector = SYSCALL_DISPATCH_FILTER_ALLOW;
    uc->uc_mcontext.gregs[REG_RIP] -= INSTRUCTION;
}

static void on_call(const siginfo_t *info, ucontext_t *uc)
{
    greg_t *r = uc->uc_mcontext.gregs;
    if (info->si_arch != AUDIT_ARCH_X86_64) {
        give_up(uc); /* numbers of another meaning */
        return;
    }
    switch (r[REG_RAX]) {
    case SYS_clone:
    case SYS_clone3:
    case SYS_fork:
    case SYS_vfork:
        if (!through_send(uc))
            give_up(uc);
        return;
    case SYS_rt_sigreturn: /* by libc's own instruction, on the same stack */
        r[REG_RIP] = (greg_t)restorer;
        return;
    case SYS_arch_prctl:
        if (r[REG_RDI] == ARCH_SET_FS) {
            give_up(uc); /* our variables are out of reach afterwards */
            return;
        }
        break;
    default:
        break;
    }
    if (is_patched(uc) && move_may(uc))
        move_and_call(uc, answer_there, restorer);
    else
        answer(uc, false);
}

static void on_signal(int signum, siginfo_t *info, void *context)
{
    int error = errno;
    if (info->si_code == SYS_USER_DISPATCH)
        on_call(info, context);
    else
        sigsys_pass_on(signum, info, context);
    errno = error;
}

/* A sanitizer has put a handler of its own before ours, during which all
 * signals are blocked: the kernel is given ours itself. */
static int set_directly(const struct place *libc)
{
    struct form_action now;
    if (syscall(SYS_rt_sigaction, SIGSYS, NULL, &now, RAW_MASK_BYTES) < 0)
        return -errno;
    if (now.restorer - libc->start >= libc->end - libc->start)
        return -ENOTSUP;
    restorer = now.restorer;
    now.handler = (uintptr_t)on_signal;
    now.mask = 0;
    return syscall(SYS_rt_sigaction, SIGSYS, &now, NULL, RAW_MASK_BYTES) < 0
               ? -errno
               : 0;
}

int trap_begin(const struct place *libc)
{
    int r = sigsys_take(on_signal);
    if (r == 0)
        r = set_directly(libc);
    if (r < 0)
        sigsys_give_back();
    return r;
}
