/*
 * Blocks of thread-local storage: a fiber that has one runs with thread-local
 * variables, an errno and a struct pthread of its own, as a thread does.
 *
 *     made --> taken, renewed --> in use by a fiber --> finished --> pooled
 *                  ^                                                   |
 *                  +---------------------------------------------------+
 *
 * A block is never freed: what its last user has left in libc's cache of freed
 * memory can only be had again by the next one. It is an element of ld.so's
 * list of threads, so that objects loaded later find their place in it.
 *
 * The thread's own block is that of all fibers without one. A switch from, to
 * or between blocks goes by fiber_switch_block, which the usual switch reaches
 * by a test that it makes anyway (fiber.h). It carries along the few variables
 * that are the thread's and not the fiber's: where its hub is.
 *
 * A fork leaves the child with one thread of libc's: the block that it was
 * called with, whose number libc sets to the process's. in_child gives that to
 * the thread's own block, whose it is, and puts all back into the list.
 *
 * The pool and the list of all are the process's, under a lock.
 */
#include "fiber/tls_block.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <locale.h>
#include <pthread.h>
#include <resolv.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fiber/tls_masks.h"
#include "fiber/tls_modules.h"

/* Numbers above those that the kernel gives to threads (PID_MAX_LIMIT) and
 * below what fits a lock's owner (FUTEX_TID_MASK). */
#define TID_FIRST (1 << 22)
#define TID_LAST (1 << 30)

#define SHARED 8

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *refused;      /* set once */
static struct tls_block *pool;   /* not in use; this and the next under lock */
static struct tls_block *blocks; /* all, by others */
static int tids;                 /* how many were given */
static ptrdiff_t shared[SHARED]; /* offsets of what is shared; these and how */
static _Atomic size_t shares;    /* many only grow */
_Atomic bool tls_block_any;

__thread struct tls_block *tls_block_in_use
    __attribute__((tls_model("initial-exec")));

void tls_block_share(void *address)
{
    ptrdiff_t offset = (char *)address - (char *)tls_pointer();
    pthread_mutex_lock(&lock);
    size_t i = 0;
    while (i < shares && shared[i] != offset)
        i++;
    assert(i < SHARED);
    shared[i] = offset;
    if (i == shares)
        shares++;
    pthread_mutex_unlock(&lock);
}

/* ---- ld.so's list of threads ------------------------------------------------- */

static void futex(int *word, int op, int value)
{
    syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* As libc's own locks: 0 free, 1 held, 2 held and wanted. */
static void lock_threads(void)
{
    int free = 0;
    int *word = tls_libc.threads_lock;
    if (__atomic_compare_exchange_n(word, &free, 1, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0)
        futex(word, FUTEX_WAIT, 2);
}

static void unlock_threads(void)
{
    int *word = tls_libc.threads_lock;
    if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2)
        futex(word, FUTEX_WAKE, 1);
}

static struct tls_node *node_of(void *tp)
{
    return tls_at(tp, (ptrdiff_t)tls_libc.node);
}

static void link_thread(struct tls_node *node)
{
    struct tls_node *first = tls_libc.threads;
    node->next = first->next;
    node->prev = first;
    first->next->prev = node;
    first->next = node;
}

/* Where there is no list an element still refers to itself: a fork takes the
 * one that calls it out. */
static void list_block(struct tls_block *block)
{
    struct tls_node *node = node_of(block->tp);
    node->next = node->prev = node;
    if (!tls_libc.threads)
        return;
    lock_threads();
    link_thread(node);
    unlock_threads();
}

/* ---- a fork -------------------------------------------------------------------- */

static void set_tid(void *tp, int tid)
{
    memcpy(tls_at(tp, (ptrdiff_t)tls_libc.tid), &tid, sizeof(tid));
}

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

/* The kernel looks through the list of the locks that a thread holds when that
 * ends. */
static void own_robust_list(void *tp)
{
    syscall(SYS_set_robust_list, tls_at(tp, (ptrdiff_t)tls_libc.robust),
            3 * sizeof(void *));
}

static void in_child(void)
{
    for (struct tls_block *b = blocks; b; b = b->others)
        list_block(b);
    if (tls_block_in_use) {
        void *own = tls_block_in_use->home->tp;
        set_tid(own, (int)syscall(SYS_gettid));
        set_tid(tls_block_in_use->tp, tls_block_in_use->tid);
        own_robust_list(own);
        node_of(own)->next = node_of(own)->prev = node_of(own);
        if (tls_libc.threads)
            link_thread(node_of(own));
    }
    pthread_mutex_unlock(&lock);
}

/* ---- making ------------------------------------------------------------------- */

static void once_a_process(void)
{
    refused = tls_libc_find();
    if (!refused && pthread_atfork(before_fork, after_fork, in_child) != 0)
        refused = "there is no memory for what a fork needs";
}

const char *tls_block_refused(void)
{
    pthread_once(&once, once_a_process);
    return refused;
}

/* With the block in use: what a thread does first. Signals may come: their
 * handlers find what is the thread's. */
static void first_steps(struct tls_block *block)
{
    void *own = tls_pointer();
    for (size_t i = 0; i < shares; i++)
        *(void **)tls_at(block->tp, shared[i]) =
            *(void **)tls_at(own, shared[i]);
    tls_set_pointer(block->tp);
    tls_block_in_use = block;
    tls_libc.init_ctype();
    tls_set_pointer(own);
}

/* One of no use before, locked. */
static struct tls_block *make(void)
{
    struct tls_block *block = calloc(1, sizeof(*block));
    if (!block || tids == TID_LAST - TID_FIRST ||
        !(block->tp = tls_libc.allocate(NULL))) {
        free(block);
        return NULL;
    }
    block->tid = TID_FIRST + tids++;
    block->others = blocks;
    blocks = block;
    list_block(block);
    return block;
}

/* The one that was pooled last, locked. */
static struct tls_block *renew(void)
{
    struct tls_block *block = pool;
    ptrdiff_t at = (char *)&tls_block_in_use - (char *)tls_pointer();
    if (!tls_modules_renew(block->tp))
        return NULL;
    pool = block->next;
    *(struct tls_block **)tls_at(block->tp, at) = block;
    return block;
}

/* The signals that are blocked now. */
static uint64_t mask_of(const struct tls_thread *home)
{
    uint64_t mask = 0;
    if (tls_block_in_use)
        return tls_block_in_use->mask;
    if (home && home->tp)
        return home->mask;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof(mask));
    return mask;
}

struct tls_block *tls_block_take(const struct tls_thread *home)
{
    if (tls_block_refused()) {
        errno = ENOTSUP;
        return NULL;
    }
    pthread_mutex_lock(&lock);
    bool used = pool != NULL;
    struct tls_block *block = used ? renew() : make();
    pthread_mutex_unlock(&lock);
    if (!block) {
        errno = ENOMEM;
        return NULL;
    }
    block->mask = mask_of(home);
    tls_libc_copy_pthread(block->tp);
    set_tid(block->tp, block->tid);
    if (!used)
        first_steps(block);
    return block;
}

void tls_block_put(struct tls_block *block)
{
    assert(block != tls_block_in_use);
    pthread_mutex_lock(&lock);
    block->next = pool;
    pool = block;
    pthread_mutex_unlock(&lock);
}

/* ---- use ------------------------------------------------------------------------ */

/* What a thread runs with, of its own or a block. */
struct storage {
    void *tp;
    uint64_t mask;
};

static struct storage storage_of(const struct fiber *f,
                                 const struct tls_thread *home)
{
    if (f->special & FIBER_OWN_TLS)
        return (struct storage){f->block->tp, f->block->mask};
    return (struct storage){home->tp, home->mask};
}

/* The kernel's way, which sets no errno. */
static void set_mask(uint64_t mask)
{
    int error = errno;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
    errno = error;
}

/* Signals that only one of them blocks come while that is known to be in use.
 */
static void switch_storage(struct storage from, struct storage to)
{
    if (from.tp == to.tp)
        return;
    for (size_t i = 0; i < shares; i++)
        *(void **)tls_at(to.tp, shared[i]) =
            *(void **)tls_at(from.tp, shared[i]);
    tls_set_pointer(to.tp);
    if (unlikely(from.mask != to.mask))
        set_mask(to.mask);
}

void tls_block_mask(struct tls_thread *home, uint64_t mask)
{
    struct tls_block *block = tls_block_in_use;
    if (!block) {
        home->mask = mask;
    } else if (block->mask != mask) {
        tls_masks_remove(&home->masks, block->mask);
        tls_masks_add(&home->masks, mask);
        block->mask = mask;
    }
}

static void save_exceptions(struct fiber *from, struct eh_globals *eh)
{
    if (!eh->caught && !eh->uncaught)
        return;
    from->eh = *eh;
    from->special |= FIBER_EXCEPTIONS;
    *eh = (struct eh_globals){0};
}

static void load_exceptions(struct fiber *to, struct eh_globals *eh)
{
    if (!(to->special & FIBER_EXCEPTIONS))
        return;
    *eh = to->eh;
    to->special &= ~FIBER_EXCEPTIONS;
}

void fiber_switch_special(struct fiber_thread *t, struct fiber *from,
                          struct fiber *to)
{
    const struct fiber *owner = from->special & FIBER_OWN_TLS ? from
                                : to->special & FIBER_OWN_TLS ? to
                                                              : NULL;
    struct tls_thread *home = owner ? owner->block->home : NULL;
    if (owner == from)
        t->eh = home->eh;
    save_exceptions(from, t->eh);
    load_exceptions(to, t->eh);
    if (!home)
        return;
    if (to->special & FIBER_OWN_TLS) {
        home->eh = t->eh;
        t->eh = &home->elsewhere;
    }
    switch_storage(storage_of(from, home), storage_of(to, home));
}

/* Among threads whose stacks are not libc's to use again, the thread's own node
 * as well: a fork that it calls with a block in use takes the others' stacks
 * for free in the child, and it goes on on its own. */
static void keep_stack(void *own)
{
    struct tls_node *node = node_of(own);
    if (!tls_libc.threads)
        return;
    pthread_mutex_lock(&lock);
    lock_threads();
    node->prev->next = node->next;
    node->next->prev = node->prev;
    link_thread(node);
    unlock_threads();
    pthread_mutex_unlock(&lock);
}

/* From here on the thread may have fibers with blocks: its globals, also when
 * there are none, are a place where one that arrives can be told. */
static void begin_home(struct fiber_thread *t, struct tls_thread *home)
{
    if (home->tp)
        return;
    assert(!tls_block_in_use);
    keep_stack(tls_pointer());
    home->mask = mask_of(NULL);
    home->tp = tls_pointer();
    home->elsewhere.uncaught = 1;
    if (!t->eh)
        t->eh = &home->none;
    atomic_store(&tls_block_any, true);
}

void tls_block_enter(struct fiber_thread *t, struct tls_thread *home,
                     struct fiber *f, struct tls_block *block)
{
    char *low = stack_spare_end(&f->stack);
    begin_home(t, home);
    tls_libc_put_stack(block->tp, low, (size_t)((char *)f - low));
    block->home = home;
    f->special |= FIBER_OWN_TLS;
    f->block = block;
    tls_masks_add(&home->masks, block->mask);
}

void tls_block_begin(struct fiber_thread *t, struct tls_thread *home,
                     struct fiber *f, struct tls_block *block)
{
    assert(!tls_block_in_use);
    tls_block_enter(t, home, f, block);
    home->eh = t->eh;
    t->eh = &home->elsewhere;
    switch_storage((struct storage){home->tp, home->mask},
                   (struct storage){block->tp, block->mask});
}

void tls_block_forget(struct fiber *f)
{
    assert(f->special & FIBER_OWN_TLS);
    tls_masks_remove(&f->block->home->masks, f->block->mask);
    f->special &= ~FIBER_OWN_TLS;
}

void tls_block_leave(struct fiber_thread *t, struct fiber *f)
{
    struct tls_block *block = f->block;
    assert(tls_block_in_use == block && t->eh == &block->home->elsewhere);
    tls_block_forget(f);
    t->eh = block->home->eh;
    switch_storage((struct storage){block->tp, block->mask},
                   (struct storage){block->home->tp, block->home->mask});
}

/* ---- the end of a thread -------------------------------------------------------- */

/* As often as POSIX wants at least: destructors may set values again. */
#define DESTRUCTIONS 4

static bool destroy_value(struct tls_key_value *v, size_t key)
{
    void *value = v->value;
    uintptr_t generation = (uintptr_t)tls_libc.keys[2 * key];
    void (*destroy)(void *) =
        (void (*)(void *))(uintptr_t)tls_libc.keys[2 * key + 1];
    v->value = NULL;
    if (v->generation != generation || !destroy)
        return false;
    destroy(value);
    return true;
}

/* Whether a destructor was called. */
static bool destroy_values(struct tls_key_value **of_blocks)
{
    bool called = false;
    for (size_t b = 0; b < TLS_KEY_BLOCKS; b++) {
        struct tls_key_value *values = of_blocks[b];
        for (size_t i = 0; values && i < TLS_KEYS_IN_BLOCK; i++) {
            if (values[i].value)
                called |= destroy_value(&values[i], b * TLS_KEYS_IN_BLOCK + i);
        }
    }
    return called;
}

/* The first block of values is part of struct pthread. */
static void end_keys(void *tp)
{
    struct tls_key_value **of_blocks = tls_at(tp, (ptrdiff_t)tls_libc.specific);
    for (int i = 0; i < DESTRUCTIONS && destroy_values(of_blocks); i++) {
    }
    for (size_t b = 1; b < TLS_KEY_BLOCKS; b++) {
        free(of_blocks[b]);
        of_blocks[b] = NULL;
    }
}

void tls_block_finish(void)
{
    assert(tls_block_in_use);
    tls_libc.call_destructors();
    end_keys(tls_block_in_use->tp);
    if (_res.nscount)
        res_nclose(&_res);
    uselocale(LC_GLOBAL_LOCALE);
    tls_libc.init_ctype();
    tls_modules_renew_late();
    errno = 0;
}
