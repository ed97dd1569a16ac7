/*
 * Finding out about libc's threads; see tls_libc.h. Everything here is called
 * once a process, by the first fiber that is to have a block of its own, but
 * for the copying, which any thread may call.
 *
 * The template: an ordinary thread is started on a stack of ours, with signals
 * blocked, and copies its own struct pthread. What points into that (lists,
 * the first block of keys) is found by value, and so is where it keeps its
 * stack's bounds; what else points to its stack is of no other thread's
 * concern and is cleared.
 */
#include "fiber/tls_libc.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fiber/annotate.h"

struct tls_libc tls_libc;
bool tls_pointer_by_instruction;

#define TEMPLATE_STACK ((size_t)256 << 10)

/* One word of struct pthread that is not copied as it is. */
struct fixup {
    size_t offset;
    enum { INSIDE, STACK_LOW, STACK_SIZE } kind;
    size_t inside; /* INSIDE: it points there, from the thread pointer */
};

#define FIXUPS 64

static struct {
    void *memory; /* the stack of the thread that is copied */
    char *bytes;  /* the copy */
    struct fixup fixups[FIXUPS];
    size_t fixups_used;
    const char *refused; /* NULL: it was made */
} template;

/* ---- the thread pointer ------------------------------------------------------ */

#define HWCAP2_FSGSBASE 2u
#define SET_FS 0x1002

static void choose_instruction(void)
{
#if defined(__x86_64__)
    tls_pointer_by_instruction =
        !annotate_watched() && (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE);
#endif
}

void tls_set_pointer_slow(void *tp)
{
#if defined(__x86_64__)
    /* errno is a variable of the block that is left. */
    long r;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "0"((long)SYS_arch_prctl), "D"((long)SET_FS), "S"(tp)
                     : "rcx", "r11", "memory");
    assert(r == 0);
    (void)r;
#else
    (void)tp;
#endif
}

/* ---- symbols ------------------------------------------------------------------ */

/* How libc describes a member to its debugger's library. */
struct described {
    uint32_t bits, count, offset;
};

static bool find(void *into, const char *symbol)
{
    void *found = dlsym(RTLD_DEFAULT, symbol);
    memcpy(into, &found, sizeof(found));
    return found != NULL;
}

static bool find_member(size_t *into, const char *symbol)
{
    const struct described *d;
    if (!find(&d, symbol))
        return false;
    *into = d->offset;
    return true;
}

static bool find_size(size_t *into, const char *symbol)
{
    const uint32_t *size;
    if (!find(&size, symbol))
        return false;
    *into = *size;
    return true;
}

/* What follows the list of threads in ld.so's variables: those that are
 * cached, their bytes, one that is being linked, and the lock of all. */
struct after_threads {
    struct tls_node threads, cached;
    size_t cached_bytes;
    uintptr_t in_flight;
    int lock;
};

static bool is_list(const struct tls_node *node)
{
    return node->next && node->prev && node->next->prev == node &&
           node->prev->next == node;
}

/* Where objects are loaded that have thread-local variables at fixed places,
 * ld.so writes these into all threads' blocks: it goes through this list. */
static void find_threads(void)
{
    char *variables;
    size_t offset;
    if (!find(&variables, "_rtld_global") ||
        !find_member(&offset, "_thread_db_rtld_global__dl_stack_user"))
        return;
    struct after_threads *after = (struct after_threads *)(variables + offset);
    if (!is_list(&after->threads) || !is_list(&after->cached) ||
        after->in_flight || after->lock < 0 || after->lock > 2)
        return;
    tls_libc.threads = &after->threads;
    tls_libc.threads_lock = &after->lock;
}

static bool find_symbols(void)
{
    struct tls_libc *l = &tls_libc;
    void **resp;
    void (*measure)(size_t * size, size_t * align);
    if (!find(&measure, "_dl_get_tls_static_info") ||
        !find(&l->allocate, "_dl_allocate_tls") ||
        !find(&l->deallocate, "_dl_deallocate_tls") ||
        !find(&l->init_ctype, "__ctype_init") ||
        !find(&l->call_destructors, "__call_tls_dtors") ||
        !find(&l->keys, "__pthread_keys") || !find(&resp, "__resp") ||
        !find_size(&l->size, "_thread_db_sizeof_pthread") ||
        !find_member(&l->node, "_thread_db_pthread_list") ||
        !find_member(&l->tid, "_thread_db_pthread_tid") ||
        !find_member(&l->specific, "_thread_db_pthread_specific"))
        return false;
    l->resp = (char *)resp - (char *)tls_pointer();
    size_t align;
    measure(&l->fixed, &align);
    const ptrdiff_t *rseq;
    const unsigned *rseq_size;
    if (find(&rseq, "__rseq_offset") && find(&rseq_size, "__rseq_size") &&
        *rseq_size > 0)
        l->rseq = *rseq;
    find_threads();
    return true;
}

/* ---- the template -------------------------------------------------------------- */

static uintptr_t word_at(size_t offset)
{
    uintptr_t word;
    memcpy(&word, template.bytes + offset, sizeof(word));
    return word;
}

static bool add_fixup(struct fixup fixup)
{
    if (template.fixups_used == FIXUPS)
        return false;
    template.fixups[template.fixups_used++] = fixup;
    return true;
}

/* On the thread: which words of it are not those of others. */
static bool find_fixups(uintptr_t self)
{
    uintptr_t low = (uintptr_t) template.memory;
    unsigned bounds = 0;
    for (size_t at = 0; at + sizeof(uintptr_t) <= tls_libc.size; at += 8) {
        uintptr_t word = word_at(at);
        bool fits = true;
        if (word - self < tls_libc.size) {
            fits = add_fixup((struct fixup){at, INSIDE, word - self});
        } else if (word == low) {
            fits = add_fixup((struct fixup){at, STACK_LOW, 0});
            bounds |= 1;
        } else if (word == TEMPLATE_STACK) {
            fits = add_fixup((struct fixup){at, STACK_SIZE, 0});
            bounds |= 2;
        } else if (word - low < TEMPLATE_STACK) {
            memset(template.bytes + at, 0, sizeof(word));
        }
        if (!fits)
            return false;
    }
    return bounds == 3;
}

static bool find_robust(char *self)
{
    char *head;
    size_t length;
    if (syscall(SYS_get_robust_list, 0, &head, &length) < 0 ||
        (size_t)(head - self) >= tls_libc.size)
        return false;
    tls_libc.robust = (size_t)(head - self);
    return true;
}

static bool is_as_known(char *self)
{
    int tid;
    char **resp = tls_at(self, tls_libc.resp);
    memcpy(&tid, self + tls_libc.tid, sizeof(tid));
    tls_libc.res = (size_t)(*resp - self);
    return tid == (int)syscall(SYS_gettid) && (void *)pthread_self() == self &&
           tls_libc.res < tls_libc.size &&
           is_list((struct tls_node *)(self + tls_libc.node));
}

static void *copy_self(void *arg)
{
    char *self = tls_pointer();
    (void)arg;
    memcpy(template.bytes, self, tls_libc.size);
    if (!is_as_known(self) || !find_robust(self) ||
        !find_fixups((uintptr_t)self))
        template.refused = "threads of this libc are not as known";
    return NULL;
}

/* 0 or an error number. */
static int run_template(void)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_attr_init(&attr);
    int r = pthread_attr_setstack(&attr, template.memory, TEMPLATE_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (r == 0)
        r = pthread_create(&thread, &attr, copy_self, NULL);
    if (r == 0)
        pthread_join(thread, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return r;
}

/* Whether libc looks itself at the word that others see. A program may have a
 * copy of its own, which libc sets once, for the first thread, and not again.
 */
static bool libc_sees_word(void)
{
    Dl_info word, libc;
    return dladdr(&__libc_single_threaded, &word) &&
           dladdr((void *)(uintptr_t)gnu_get_libc_version, &libc) &&
           word.dli_fbase == libc.dli_fbase;
}

/* The thread has come and gone. A process that had one before has one again,
 * and what asks libc for that need not pay for more. */
static const char *make_template(void)
{
    bool alone = __libc_single_threaded && libc_sees_word();
    template.memory = mmap(NULL, TEMPLATE_STACK, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    template.bytes = malloc(tls_libc.size);
    if (template.memory == MAP_FAILED || !template.bytes)
        return "there is no memory for a thread to learn from";
    if (run_template() != 0)
        return "there can be no thread to learn from";
    munmap(template.memory, TEMPLATE_STACK);
    if (alone)
        __libc_single_threaded = true;
    return template.refused;
}

static void put_word(void *tp, size_t offset, uintptr_t word)
{
    memcpy((char *)tp + offset, &word, sizeof(word));
}

void tls_libc_copy_pthread(void *tp)
{
    const size_t dtv_offset = sizeof(void *); /* the ABI's */
    void *dtv = *(void **)tls_at(tp, (ptrdiff_t)dtv_offset);
    struct tls_node node = *(struct tls_node *)((char *)tp + tls_libc.node);
    if (!template.bytes) /* nobody asks, where none can be made */
        return;
    memcpy(tp, template.bytes, tls_libc.size);
    for (size_t i = 0; i < template.fixups_used; i++) {
        const struct fixup *f = &template.fixups[i];
        if (f->kind == INSIDE)
            put_word(tp, f->offset, (uintptr_t)tp + f->inside);
    }
    put_word(tp, dtv_offset, (uintptr_t)dtv);
    *(struct tls_node *)((char *)tp + tls_libc.node) = node;
    *(void **)tls_at(tp, tls_libc.resp) = (char *)tp + tls_libc.res;
    if (tls_libc.rseq) { /* not registered: who asks goes to the kernel */
        int32_t unregistered[2] = {0, -2};
        memcpy(tls_at(tp, tls_libc.rseq), unregistered, sizeof(unregistered));
    }
}

void tls_libc_put_stack(void *tp, void *low, size_t size)
{
    for (size_t i = 0; i < template.fixups_used; i++) {
        const struct fixup *f = &template.fixups[i];
        if (f->kind == STACK_LOW)
            put_word(tp, f->offset, (uintptr_t)low);
        else if (f->kind == STACK_SIZE)
            put_word(tp, f->offset, size);
    }
}

#if defined(__x86_64__)
#define MACHINE_KNOWN true
#else
#define MACHINE_KNOWN false
#endif

const char *tls_libc_find(void)
{
    if (!MACHINE_KNOWN)
        return "thread-local storage is switched on x86-64 only";
    if (FIBER_ANNOTATED)
        return "a sanitizer keeps its own words in each thread's storage";
    choose_instruction();
    if (!find_symbols())
        return "this libc does not export what makes a thread's storage";
    return make_template();
}
