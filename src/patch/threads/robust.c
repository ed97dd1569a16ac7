/*
 * Robust mutexes of a thread that ends: what the kernel does for an ordinary
 * thread. libc lists those that a thread holds in its struct pthread; each is
 * marked as left by a dead owner, and whoever waits tries again and is told.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "patch/threads/lot.h"
#include "patch/threads/thread.h"

static pthread_mutex_t *mutex_of(struct robust_list *entry)
{
    size_t at = offsetof(pthread_mutex_t, __data.__list.__next);
    return (pthread_mutex_t *)(void *)((char *)entry - at);
}

static void leave(pthread_mutex_t *m, int tid)
{
    int *word = &m->__data.__lock;
    int old = __atomic_load_n(word, __ATOMIC_RELAXED);
    do {
        if ((old & FUTEX_TID_MASK) != tid)
            return;
    } while (!__atomic_compare_exchange_n(
        word, &old, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED, false,
        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    if (old & FUTEX_WAITERS) /* of other threads, or processes */
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    lot_wake(m, 1);
}

void thread_robust_end(void)
{
    struct tls_block *block = tls_block_current();
    struct robust_list_head *head =
        tls_at(block->tp, (ptrdiff_t)tls_libc.robust);
    struct robust_list *entry = head->list.next;
    while (entry != &head->list) {
        /* The lowest bit is for mutexes that inherit priorities. */
        struct robust_list *next = entry->next;
        leave(
            mutex_of((struct robust_list *)((uintptr_t)entry & ~(uintptr_t)1)),
            block->tid);
        entry = next;
    }
}
