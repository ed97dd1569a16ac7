/*
 * The SIGSEGV handler that names the fiber.
 *
 * It runs on a per-thread alternate stack, because the stack that overflowed
 * has no room for it. A fault in the guard page of a live stack of the faulting
 * thread is reported on stderr; then, as for every other fault, whoever had a
 * handler before ours is called; without one the default action is restored
 * and the faulting instruction runs again, so that the process dies by SIGSEGV
 * with the registers as they were. The fault is known by its address: the
 * si_code differs between guard regions and mprotect.
 *
 * Where the stack has a spare part below the guard, that is opened, the host is
 * asked to end what runs there, and the instruction runs again. So ours must
 * come before handlers that take every fault for the end: they are asked to
 * install themselves between overflow_step_aside and overflow_step_up.
 *
 * Only async-signal-safe calls are made; the message is put together by hand.
 */
#include "fiber/overflow.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "fiber/guarded.h"
#include "fiber/tls_block.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

/* Room for the handlers that are chained to, above what the kernel needs. */
#define HANDLER_ROOM ((size_t)32 << 10)

/* Whose overflows are told of on this thread; NULL: nobody's. */
static __thread const struct stack_pool *watched
    __attribute__((tls_model("initial-exec")));
/* What their owner knows of them; set with it. */
static __thread const struct overflow_hooks *hooks_of_thread
    __attribute__((tls_model("initial-exec")));
/* Mapped by us; NULL: the thread had one of its own. */
static __thread void *alternate_stack;
static __thread size_t alternate_size;

static struct sigaction previous; /* whose handler ours calls */
static pthread_once_t once = PTHREAD_ONCE_INIT;

struct message {
    char text[512]; /* what does not fit is left out */
    size_t length;
};

static void add(struct message *m, const char *s)
{
    while (*s && m->length < sizeof(m->text))
        m->text[m->length++] = *s++;
}

static void add_number(struct message *m, uint64_t n)
{
    char digits[21];
    char *at = digits + sizeof(digits) - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    add(m, at);
}

static void report(const struct fiber *f)
{
    struct message m = {.length = 0};
    char name[160] = "";
    hooks_of_thread->name(f, name, sizeof(name));
    add(&m, "grove: stack overflow in fiber ");
    add_number(&m, f->id);
    add(&m, " \"");
    add(&m, name);
    add(&m, "\": its stack of ");
    add_number(&m, stack_size(&f->stack));
    add(&m, " bytes is full; give it a larger one (stack_size, or "
            "GROVE_STACK_SIZE in the environment)\n");
    ssize_t n = write(STDERR_FILENO, m.text, m.length);
    (void)n;
    if (previous.sa_handler == SIG_DFL) /* others have their own way */
        hooks_of_thread->trace(f, STDERR_FILENO);
}

static void pass_on(int signum, siginfo_t *info, void *context)
{
    bool sent = info->si_code <= 0; /* by somebody: it will not recur */
    if (previous.sa_flags & SA_RESETHAND)
        signal(signum, SIG_DFL);
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signum, info, context);
    } else if (previous.sa_handler == SIG_IGN && sent) {
        return; /* a fault cannot be ignored; this can */
    } else if (previous.sa_handler == SIG_DFL ||
               previous.sa_handler == SIG_IGN) {
        signal(signum, SIG_DFL);
        if (sent)
            raise(signum);
    } else {
        previous.sa_handler(signum);
    }
}

/* Whether the thread was on this stack; where that cannot be told, its address
 * must do. */
static bool runs_on(const struct stack *stack, const void *context)
{
    const ucontext_t *uc = context;
#if defined(__x86_64__)
    uintptr_t sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    uintptr_t sp = uc->uc_mcontext.sp;
#else
    uintptr_t sp = uc ? (uintptr_t)stack->base : 0;
#endif
    return sp - (uintptr_t)stack->base < stack_size(stack);
}

/* Whether what runs on the stack goes on, to end in good order. */
static bool ends_itself(struct stack *stack, const void *context)
{
    return runs_on(stack, context) && stack_open_spare(stack) &&
           hooks_of_thread->end((struct fiber *)stack);
}

static void on_fault(int signum, siginfo_t *info, void *context)
{
    int saved = errno;
    if (info->si_code > 0)
        guarded_fault();
    if (watched && info->si_code > 0) {
        struct stack *stack = stack_by_guard(watched, info->si_addr);
        if (stack && ends_itself(stack, context)) {
            errno = saved;
            return;
        }
        if (stack)
            report((const struct fiber *)stack);
    }
    errno = saved;
    pass_on(signum, info, context);
}

static void install(void)
{
    tls_block_share(&watched);
    tls_block_share(&hooks_of_thread);
    /* Known before ours can be called; its mask and flags hold for it still. */
    sigaction(SIGSEGV, NULL, &previous);
    struct sigaction action = {
        .sa_sigaction = on_fault,
        .sa_mask = previous.sa_mask,
        .sa_flags = SA_SIGINFO | SA_ONSTACK |
                    (previous.sa_flags & (SA_NODEFER | SA_RESTART))};
    sigaction(SIGSEGV, &action, NULL);
}

bool overflow_is_first(void)
{
    struct sigaction now;
    return sigaction(SIGSEGV, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
           now.sa_sigaction == on_fault;
}

bool overflow_step_aside(void)
{
    bool first = overflow_is_first();
    if (first)
        sigaction(SIGSEGV, &previous, NULL);
    return first;
}

void overflow_step_up(void)
{
    install();
}

int overflow_watch(const struct stack_pool *pool,
                   const struct overflow_hooks *hooks)
{
    stack_t current;
    if (sigaltstack(NULL, &current) == 0 && (current.ss_flags & SS_DISABLE)) {
        size_t size = getauxval(AT_MINSIGSTKSZ);
        size = ((size > (size_t)MINSIGSTKSZ ? size : (size_t)MINSIGSTKSZ) +
                HANDLER_ROOM + 4095) &
               ~(size_t)4095;
        void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mem == MAP_FAILED)
            return -ENOMEM;
        stack_t own = {.ss_sp = mem, .ss_size = size};
        if (sigaltstack(&own, NULL) < 0) {
            munmap(mem, size);
            return -ENOMEM;
        }
        alternate_stack = mem;
        alternate_size = size;
    }
    assert(!watched && hooks);
    hooks_of_thread = hooks;
    watched = pool;
    pthread_once(&once, install);
    return 0;
}

void overflow_unwatch(void)
{
    watched = NULL;
    if (!alternate_stack)
        return;
    assert(alternate_size > 0);
    stack_t current;
    if (sigaltstack(NULL, &current) == 0 && current.ss_sp == alternate_stack) {
        stack_t off = {.ss_flags = SS_DISABLE};
        sigaltstack(&off, NULL);
    }
    munmap(alternate_stack, alternate_size);
    alternate_stack = NULL;
}
