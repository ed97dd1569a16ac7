/*
 * A hub's life: made by the first call of a thread that needs one, ended with
 * its thread, freed with its last reference. Its loop is in run.c; what states
 * fibers go through, and the invariants, are in hub.h.
 *
 * What hangs on a hub is known here as fixtures only (part.h). A hub and the
 * memory of its fixtures are one block:
 *
 *     | struct hub | fixture | fixture | ...      each on cache lines of its
 * own
 */
#include <assert.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fiber/tls_block.h"
#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/links.h"
#include "hub/list.h"
#include "hub/part.h"
#include "hub/stall.h"
#include "hub/visit.h"

#define LINE ((size_t)64) /* of the cache */

static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static size_t hub_size; /* with its fixtures; set once */

static void end_fixtures(struct hub *hub)
{
    size_t n = 0;
    hub->ending = true;
    while (hub->fixtures[n])
        n++;
    while (n-- > 0) {
        if (hub->fixtures[n]->end)
            hub->fixtures[n]->end(hub);
    }
}

static void hub_destroy(void *arg)
{
    struct hub *hub = arg;
    assert(hub == hub_of_thread && !hub->ending);
    hub_list_remove(hub);
    end_fixtures(hub);
    loop_destroy(&hub->loop);
    timer_heap_free(&hub->timers);
    if (!hub->keep_stacks)
        stack_pool_destroy(&hub->stacks);
    hub_of_thread = NULL;
    hub_unref(hub);
}

static size_t on_lines(size_t size)
{
    return (size + LINE - 1) & ~(LINE - 1);
}

/* Threads end by our code, and signals come to it: what it stands in is never
 * unloaded. libgrove.so is linked so; this is for a plugin with a copy of its
 * own. (In the program itself there is nothing to do, and dlopen fails.) */
static void stay_loaded(void)
{
    Dl_info own;
    if (dladdr((void *)(uintptr_t)hub_destroy, &own))
        (void)dlopen(own.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

static void once_a_process(void)
{
    stay_loaded();
    tls_block_share(&hub_of_thread);
    pthread_key_create(&thread_end, hub_destroy);
    hub_size = on_lines(sizeof(struct hub));
    for (size_t i = 0; hub_fixtures[i]; i++) {
        const struct hub_fixture *fixture = hub_fixtures[i];
        if (fixture->offset)
            *fixture->offset = hub_size;
        hub_size += on_lines(fixture->size);
        if (fixture->once)
            fixture->once();
    }
}

static void loop_entry(void *arg)
{
    struct grove_fiber *f = arg;
    keep_frame();
    fiber_started(&f->hub->thread, &f->fiber);
    if (f->host)
        f->hub->host->begin(f);
    hub_run(f->hub);
}

static void root_init(struct hub *hub)
{
    struct grove_fiber *root = &hub->root;
    fiber_adopt_thread(&root->fiber);
    root->fiber.id = 1;
    fiber_set_name(&root->fiber, "main");
    root->hub = hub;
    root->state = FIBER_RUNNING;
    root->references = 1;
    root->identity = hub_new_identity(hub);
    links_init(&root->links);
    hub->current = root;
    hub->next_id = 2;
}

/* 0 or -errno; end_fixtures is to be called either way. */
static int begin_fixtures(struct hub *hub)
{
    int r = 0;
    for (size_t i = 0; r == 0 && hub->fixtures[i]; i++) {
        if (hub->fixtures[i]->begin)
            r = hub->fixtures[i]->begin(hub);
    }
    return r;
}

static void hub_init(struct hub *hub)
{
    hub->fixtures = hub_fixtures;
    stack_pool_init(&hub->stacks, sizeof(struct grove_fiber),
                    offsetof(struct grove_fiber, fiber.special));
    fiber_thread_init(&hub->thread);
    run_queue_init(&hub->queue);
    hub_pace_reset(hub);
    atomic_store(&hub->references, 1);
    hub->now = hub_clock();
    hub_pass_begin(hub, hub->now);
    hub_pass_narrow(hub); /* the first switch is seen: hub->turned */
    root_init(hub);
}

struct hub *hub_create(void)
{
    assert(!hub_of_thread);
    pthread_once(&once, once_a_process);
    struct hub *hub = NULL;
    if (posix_memalign((void **)&hub, LINE, hub_size)) {
        errno = ENOMEM;
        return NULL;
    }
    memset(hub, 0, hub_size);
    int r = loop_init(&hub->loop);
    if (r < 0)
        goto fail_loop;
    hub_init(hub);
    r = timer_claim(&hub->timers);
    if (r < 0)
        goto fail_stack;
    r = hub_set_loop_stack(hub, STACK_PLAIN, hub_stack_shift());
    if (r < 0)
        goto fail_stack;
    r = begin_fixtures(hub);
    if (r == 0 && pthread_setspecific(thread_end, hub) != 0)
        r = -ENOMEM;
    if (r < 0)
        goto fail_fixtures;
    hub_of_thread = hub;
    hub_list_add(hub);
    hub_visit_begin();
    hub_stall_awake();
    return hub;

fail_fixtures:
    end_fixtures(hub);
fail_stack:
    stack_pool_destroy(&hub->stacks);
    timer_heap_free(&hub->timers);
    loop_destroy(&hub->loop);
fail_loop:
    free(hub);
    errno = -r;
    return NULL;
}

void hub_ends_with_keys(struct hub *hub, bool ends)
{
    assert(hub == hub_of_thread);
    pthread_setspecific(thread_end, ends ? hub : NULL);
}

int hub_set_loop_stack(struct hub *hub, enum stack_kind kind, unsigned shift)
{
    assert(!hub->in_callback && hub->current != hub->loop_fiber);
    struct grove_fiber *f = hub_fiber_new(hub, kind, shift, loop_entry);
    if (!f)
        return -ENOMEM;
    hub_fiber_gone(hub); /* it is none of the user's, and never sleeps */
    hub->loop_fibers++;
    fiber_set_name(&f->fiber, "hub");
    f->state = FIBER_PARKED;
    if (hub->loop_fiber)
        stack_put(&hub->loop_fiber->fiber.stack);
    hub->loop_fiber = f;
    return 0;
}

/* ---- handles ---------------------------------------------------------------- */

grove_hub *grove_hub_self(void)
{
    return (grove_hub *)hub_self();
}

grove_hub *grove_hub_retain(grove_hub *handle)
{
    unsigned before = atomic_fetch_add(&((struct hub *)handle)->references, 1);
    assert(before > 0);
    (void)before;
    return handle;
}

void hub_unref(struct hub *hub)
{
    unsigned before = atomic_fetch_sub(&hub->references, 1);
    assert(before > 0);
    if (before == 1)
        free(hub);
}

void grove_hub_release(grove_hub *handle)
{
    if (handle)
        hub_unref((struct hub *)handle);
}

/* ---- holds ------------------------------------------------------------------- */

void grove_hub_hold(grove_hub *handle)
{
    ((struct hub *)handle)->holds++;
}

void grove_hub_unhold(grove_hub *handle)
{
    struct hub *hub = (struct hub *)handle;
    if (hub->holds) /* a fork may have let go since */
        hub->holds--;
}
