/*
 * The public calls: which slots are patched, now and when objects are loaded
 * later.
 *
 * What was asked for is kept as rules. Whenever objects may have come or gone
 * the loaded ones are walked: slots that a rule is for are added, those whose
 * object is gone are forgotten. All of it happens under one lock, within
 * dl_iterate_phdr, which keeps the loader from unloading anything meanwhile.
 * Functions are asked of the loader before, since it may wait for its lock then
 * that a thread holds which waits for ours.
 *
 * Any thread may call these.
 */
#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grove.h"
#include "hub/stall.h"
#include "patch/call.h"
#include "patch/raw/places.h"
#include "patch/raw/raw.h"
#include "patch/slots.h"
#include "patch/stdio/tables.h"
#include "patch/threads/deal.h"
#include "patch/threads/thread.h"

/* What was asked for. */
struct rule {
    struct rule *next; /* asked for before it */
    bool later;        /* also of objects that are loaded later */
    bool threads;      /* threads are fibers */
    char *objects;     /* patterns; the second is in the same block */
    char *symbols;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the following */
static struct rule *rules;
static struct rule *exceptions; /* what is left alone all the same */
static struct slots patched;
/* What the loader had loaded and unloaded when it was last looked at. */
static unsigned long long seen_adds, seen_subs;

/* ---- rules ------------------------------------------------------------------------ */

static struct rule *new_rule(const char *objects, const char *symbols,
                             unsigned flags)
{
    struct rule *r = malloc(sizeof(*r));
    size_t n = strlen(objects) + 1;
    char *text = r ? malloc(n + strlen(symbols) + 1) : NULL;
    if (!text) {
        free(r);
        return NULL;
    }
    r->next = NULL;
    r->later = !(flags & GROVE_PATCH_LOADED);
    r->threads = flags & GROVE_PATCH_THREADS;
    r->objects = strcpy(text, objects);
    r->symbols = strcpy(text + n, symbols);
    return r;
}

static void free_rules(struct rule *r)
{
    while (r) {
        struct rule *next = r->next;
        free(r->objects);
        free(r);
        r = next;
    }
}

/* ---- a walk through what is loaded --------------------------------------------------- */

struct walk {
    const struct rule *rules; /* those that count */
    bool only_later;          /* of them those for objects loaded later */
    struct slots found;       /* to be patched */
    bool first;               /* nothing was looked at yet */
    int result;               /* 0, or a negative errno */
};

static bool is_excepted(const char *object, const char *symbol)
{
    const struct rule *r = exceptions;
    while (r && !(fnmatch(r->objects, object, 0) == 0 &&
                  fnmatch(r->symbols, symbol, 0) == 0))
        r = r->next;
    return r != NULL;
}

/* What the rule has called instead of row's symbol, if that is its name, or
 * whichever was said before. */
static void *by_rule(const struct rule *r, const struct patch_row *row,
                     void *before)
{
    if (fnmatch(r->symbols, row->name, 0) != 0)
        return before;
    if (r->threads && row->threads)
        return row->threads;
    return before ? before : row->function;
}

/* libc's tables serve whichever object calls it. */
static bool concerns(const struct rule *r, const struct object *o)
{
    return tables_are_in(o) || fnmatch(r->objects, o->name, 0) == 0;
}

/* What is to be called by the object instead; NULL: nothing is. */
static void *wanted_by(const struct walk *w, const struct object *o,
                       const struct patch_row *row)
{
    void *function = NULL;
    if (is_excepted(o->name, row->name))
        return NULL;
    for (const struct rule *r = w->rules; r; r = r->next) {
        if ((r->later || !w->only_later) && concerns(r, o))
            function = by_rule(r, row, function);
    }
    return function;
}

/* Whether a slot has what it is to be changed from: libc's function, or, where
 * the loader has not been asked yet, a way to ask it; or ours, where threads
 * are no fibers. */
static bool may_change(const struct object *o, void **slot,
                       const struct patch_row *row)
{
    void *original = patch_original(row);
    return original &&
           (*slot == original || object_contains(o, (uintptr_t)*slot) ||
            (row->function && *slot == row->function));
}

static bool find_slot(const struct object *o, void **slot, const char *symbol,
                      void *arg)
{
    struct walk *w = arg;
    const struct patch_row *row = patch_row_of(symbol);
    if (!row || !object_may_write(o, (uintptr_t)slot) ||
        !may_change(o, slot, row))
        return true;
    void *function = wanted_by(w, o, row);
    if (!function || *slot == function)
        return true;
    w->result = slots_reserve(&w->found, 1);
    if (w->result < 0)
        return false;
    w->found.slots[w->found.count++] =
        (struct slot){.at = slot,
                      .before = *slot,
                      .function = function,
                      .row = row,
                      .headers = o->headers,
                      .relro = o->relro,
                      .relro_end = o->relro_end,
                      .in_tables = tables_are_in(o)};
    return true;
}

static int find(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct walk *w = arg;
    struct object o;
    seen_adds = info->dlpi_adds;
    seen_subs = info->dlpi_subs;
    if (!object_describe(&o, info))
        return 0;
    if (tables_are_in(&o))
        tables_each_slot(&o, find_slot, w);
    else if (!object_exempt(&o))
        object_each_slot(&o, find_slot, w);
    return w->result < 0;
}

/* ---- what has gone -------------------------------------------------------------------- */

struct presence {
    const ElfW(Phdr) * headers;
    uintptr_t at;
};

static int is_there(struct dl_phdr_info *info, size_t size, void *arg)
{
    const struct presence *p = arg;
    struct object o;
    return info->dlpi_phdr == p->headers && object_describe(&o, info) &&
           object_may_write(&o, p->at);
}

static void forget_gone(struct slots *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct presence p = {s->slots[i].headers, (uintptr_t)s->slots[i].at};
        if (dl_iterate_phdr(is_there, &p))
            s->slots[kept++] = s->slots[i];
    }
    s->count = kept;
}

/* ---- patching ---------------------------------------------------------------------------- */

/* Add what was found to what is patched, for which there is room. */
static void add_found(const struct slots *found)
{
    for (size_t i = 0; i < found->count; i++) {
        struct slot *known = slots_find(&patched, found->slots[i].at);
        if (known)
            known->function = found->slots[i].function;
        else
            patched.slots[patched.count++] = found->slots[i];
    }
}

/* Runs once, within dl_iterate_phdr: the outer call holds the loader's lock for
 * those that it makes. 1 ends it. */
static int patch_found(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct walk *w = arg;
    if (info->dlpi_subs != seen_subs)
        forget_gone(&patched);
    dl_iterate_phdr(find, w);
    if (w->result == 0)
        w->result = slots_reserve(&patched, w->found.count);
    if (w->result == 0)
        w->result = slots_apply(&w->found);
    if (w->result == 0)
        add_found(&w->found);
    return 1;
}

/* How many were patched, or a negative errno. */
static int patch_by(const struct rule *by, bool only_later)
{
    struct walk w = {.rules = by, .only_later = only_later};
    dl_iterate_phdr(patch_found, &w);
    int r = w.result < 0 ? w.result : (int)slots_own(&w.found);
    slots_free(&w.found);
    return r;
}

/* A thread that had the loader fill a slot at that moment has undone it. */
static int patch_twice(const struct rule *by)
{
    int r = patch_by(by, false);
    int again = r < 0 ? 0 : patch_by(by, false);
    return again > 0 ? r + again : r;
}

#define FLAGS (GROVE_PATCH_LOADED | GROVE_PATCH_THREADS | GROVE_PATCH_SYSCALLS)

int grove_patch(const char *objects, const char *symbols, unsigned flags)
{
    if (flags & ~FLAGS)
        return -EINVAL;
    if ((flags & GROVE_PATCH_THREADS) && tls_block_refused())
        return -ENOTSUP;
    if ((flags & GROVE_PATCH_SYSCALLS) && raw_refused())
        return -ENOTSUP;
    int r = patch_resolve() ? patch_calls_begin() : -ENOSYS;
    if (r < 0)
        return r;
    struct rule *rule =
        new_rule(objects ? objects : "*", symbols ? symbols : "*", flags);
    if (!rule)
        return -ENOMEM;
    pthread_mutex_lock(&lock);
    bool raw = (flags & GROVE_PATCH_SYSCALLS) && !raw_is_on();
    r = raw ? raw_begin() : 0;
    if (r == 0)
        r = patch_twice(rule);
    if (r >= 0) {
        handlers_take_over();
        if (rule->threads) {
            hub_threads_are_fibers = true;
            hub_stall_prefer_watch();
        }
        rule->next = rules;
        rules = rule;
    } else if (raw) {
        raw_end();
    }
    pthread_mutex_unlock(&lock);
    if (r < 0)
        free_rules(rule);
    return r;
}

int grove_patch_except(const char *objects, const char *symbols)
{
    struct rule *rule =
        new_rule(objects ? objects : "*", symbols ? symbols : "*", 0);
    if (!rule)
        return -ENOMEM;
    pthread_mutex_lock(&lock);
    rule->next = exceptions;
    exceptions = rule;
    pthread_mutex_unlock(&lock);
    return 0;
}

int grove_patch_all(unsigned flags)
{
    return grove_patch(NULL, NULL, flags);
}

const char *grove_patch_syscalls_refused(void)
{
    return raw_refused();
}

/* ---- later ------------------------------------------------------------------------------- */

static int has_changed(struct dl_phdr_info *info, size_t size, void *arg)
{
    return info->dlpi_adds == seen_adds ? 1 : 2;
}

void patch_later_objects(void)
{
    int error = errno;
    pthread_mutex_lock(&lock);
    if (rules && dl_iterate_phdr(has_changed, NULL) == 2)
        patch_by(rules, true); /* without memory they wait for the next time */
    if (raw_is_on())
        places_look();
    pthread_mutex_unlock(&lock);
    errno = error;
}

/* Who asks for an address is not known, nor who will call it. */
void *patch_wanted(const char *symbol)
{
    const struct patch_row *row = patch_row_of(symbol);
    void *function = NULL;
    pthread_mutex_lock(&lock);
    for (const struct rule *r = rules; row && r; r = r->next)
        function = by_rule(r, row, function);
    pthread_mutex_unlock(&lock);
    return function;
}

/* ---- undoing ----------------------------------------------------------------------------- */

static int restore_all(struct dl_phdr_info *info, size_t size, void *arg)
{
    int *result = arg;
    forget_gone(&patched);
    *result = slots_restore(&patched);
    return 1;
}

int grove_unpatch_all(void)
{
    int r = 0;
    if (threads_living() > 0)
        return -EBUSY;
    pthread_mutex_lock(&lock);
    struct rule *old = rules, *old_exceptions = exceptions;
    dl_iterate_phdr(restore_all, &r);
    if (r == 0) {
        r = (int)slots_own(&patched);
        slots_free(&patched);
        handlers_give_back();
        raw_end();
        hub_threads_are_fibers = false;
        rules = exceptions = NULL;
    } else {
        old = old_exceptions = NULL;
    }
    pthread_mutex_unlock(&lock);
    free_rules(old);
    free_rules(old_exceptions);
    return r;
}

/* ---- the report ------------------------------------------------------------ */

static const char *name_of(const struct object *o)
{
    return *o->name ? o->name : "(program)";
}

static int tell_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    FILE *text = arg;
    struct object o;
    if (!object_describe(&o, info))
        return 0;
    const char *why = object_exempt(&o);
    if (why)
        fprintf(text, "%s: left alone (%s)\n", name_of(&o), why);
    for (size_t i = 0; i < patched.count; i++) {
        if (patched.slots[i].headers == o.headers)
            fprintf(text, "%s: %s\n", name_of(&o), patched.slots[i].row->name);
    }
    return 0;
}

static int write_text(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno != EINTR)
            return -errno;
        text += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Written when nothing is locked any more, for it may take its time. */
int grove_patch_report(int fd)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return -ENOMEM;
    pthread_mutex_lock(&lock);
    dl_iterate_phdr(tell_object, to);
    if (raw_is_on())
        fputs("raw system calls: of threads with a hub\n", to);
    pthread_mutex_unlock(&lock);
    bool complete = !ferror(to);
    int r = fclose(to) == 0 && complete ? write_text(fd, text, size) : -ENOMEM;
    free(text);
    return r;
}

/* ---- forks -------------------------------------------------------------------------------- */

static void hold(void)
{
    pthread_mutex_lock(&lock);
    raw_hold();
}

static void let_go(void)
{
    raw_let_go();
    pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
    patch_calls_forked();
    raw_forked();
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(hold, let_go, in_child);
}
