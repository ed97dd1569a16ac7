/*
 * What hubs tell each other of descriptors, which are the process's and not a
 * hub's: one is opened on one hub, handed to a fiber of another, and closed by
 * a thread that has none.
 *
 *     hub_closing, hub_opened      the loops that had registered the number are
 *                                  told; who waits there gets -EBADF
 *     a second hub waits for it,   the others end their registrations, unless
 *     hub_disown                   somebody waits there
 *
 * Which hubs are concerned the number's marks say (loop/number.h), so that one
 * that only a single hub has ever waited for costs nothing of this.
 *
 * A hub is told in memory of its own, for closing must not fail for want of it:
 * the numbers of some, under a lock, and that there were more. It looks at the
 * records itself, on its own thread, when the post arrives; what it finds there
 * is compared with the state of the number by then, so that news that come late
 * or twice do no harm. The kernel's registration alone is taken back at once,
 * by the thread that closes: afterwards it could not be.
 *
 * Any thread may call these, with a hub or without.
 */
#include <assert.h>
#include <sched.h>

#include "hub/hub.h"
#include "hub/list.h"
#include "hub/part.h"
#include "hub/wait.h"

#define NEWS 32 /* numbers a hub can be told of before it looks */

struct news {
    _Atomic bool locked; /* for the members up to the post */
    unsigned count;      /* of numbers */
    bool more;           /* than fit */
    int numbers[NEWS];   /* to look at */
    grove_post post;     /* on its way while there is anything */
};

static size_t offset;

static struct news *news_of(const struct hub *hub)
{
    return hub_keeps(hub, offset);
}

static void lock(struct news *news)
{
    while (atomic_exchange_explicit(&news->locked, true, memory_order_acquire))
        sched_yield();
}

static void unlock(struct news *news)
{
    atomic_store_explicit(&news->locked, false, memory_order_release);
}

/* ---- telling ---------------------------------------------------------------- */

struct announcement {
    int number;     /* what is told of */
    uint32_t marks; /* of the loops that are concerned */
    bool closing;   /* their registrations end now */
};

static void note(struct news *news, int number)
{
    lock(news);
    assert(news->count <= NEWS);
    if (news->count < NEWS)
        news->numbers[news->count++] = number;
    else
        news->more = true;
    unlock(news);
}

/* The ring of hubs is locked: hub is there. */
static void tell(struct hub *hub, void *arg)
{
    const struct announcement *a = arg;
    if (hub == hub_of_thread || !(hub->loop.mark & a->marks))
        return;
    if (a->closing)
        loop_leave(&hub->loop, a->number);
    note(news_of(hub), a->number);
    grove_hub_post((grove_hub *)hub, &news_of(hub)->post);
}

static void tell_others(int number, uint32_t marks, bool closing)
{
    const struct hub *self = hub_of_thread;
    if (self && !loop_mark_is_shared(&self->loop))
        marks &= ~self->loop.mark;
    if (likely(!marks))
        return;
    struct announcement a = {number, marks, closing};
    hub_list_each(tell, &a);
}

/* ---- being told ------------------------------------------------------------- */

static void look(grove_post *post)
{
    struct news *news = container_of(post, struct news, post);
    struct hub *hub = hub_of_thread;
    assert(news == news_of(hub));
    int numbers[NEWS];
    lock(news);
    unsigned n = news->count;
    bool more = news->more;
    for (unsigned i = 0; i < n; i++)
        numbers[i] = news->numbers[i];
    news->count = 0;
    news->more = false;
    unlock(news);
    for (unsigned i = 0; i < n; i++)
        loop_look(&hub->loop, numbers[i]);
    if (more)
        loop_look_at_all(&hub->loop);
}

/* A second loop has registered number. */
static void shared(struct loop *loop, int number, uint32_t marks)
{
    (void)loop;
    assert(loop == &hub_of_thread->loop);
    tell_others(number, marks, false);
}

/* ---- a fixture of every hub --------------------------------------------------- */

static int begin(struct hub *hub)
{
    hub->loop.shared = shared;
    news_of(hub)->post.fn = look;
    return 0;
}

/* The loop has looked at all of its records when it was renewed. */
static void forked(struct hub *hub)
{
    struct news *news = news_of(hub);
    assert(!atomic_load(&news->locked)); /* noted with the ring locked */
    news->count = 0;
    news->more = false;
}

const struct hub_fixture hub_descriptor_fixture = {
    .size = sizeof(struct news),
    .offset = &offset,
    .begin = begin,
    .forked = forked,
};

/* ---- what becomes of descriptors ---------------------------------------------- */

void hub_opened(int fd)
{
    struct hub *hub = hub_of_thread;
    uint32_t marks = hub ? loop_own(&hub->loop, fd) : loop_number_opened(fd);
    tell_others(fd, marks, true);
}

void hub_closing(int fd)
{
    uint32_t marks = loop_number_closed(fd);
    if (hub_of_thread)
        loop_forget(&hub_of_thread->loop, fd);
    tell_others(fd, marks, true);
}

void hub_closed(int fd)
{
    uint32_t marks = loop_number_marks(fd);
    if (unlikely(marks))
        tell_others(fd, marks, false);
}

void hub_adopt(int fd)
{
    struct hub *hub = hub_of_thread;
    if (hub)
        loop_adopt(&hub->loop, fd);
    else
        loop_number_adopted(fd, 0);
}

void hub_disown(int fd)
{
    uint32_t marks = loop_number_disowned(fd);
    if (hub_of_thread)
        loop_look(&hub_of_thread->loop, fd);
    tell_others(fd, marks, false);
}
