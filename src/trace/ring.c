/*
 * The rings of the process, from the oldest on: those of hubs that go on, and
 * of as many that have ended as are worth their memory. A ring is one mapping:
 *
 *     | struct trace_ring, a page | records | names |
 *
 * of which the kernel gives what is written to. The list is under a lock, which
 * who writes the file holds as long as that takes; in the child of a fork it is
 * made anew, for another thread may have held it.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fiber/log.h"
#include "trace/rings.h"
#include "trace/settings.h"
#include "trace/trace.h"

/* Rings of ended hubs that are kept; after so many the oldest is taken for the
 * next hub, so that a program of many short threads stays small. */
#define ENDED_MOST 16

/* So many bytes of records have one of names. */
#define NAMES_SHARE 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static struct trace_ring *oldest;
static unsigned rings; /* that there have been */
static unsigned ended; /* in the list */

static size_t header_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- the list: locked ------------------------------------------------------------ */

static void append(struct trace_ring *ring)
{
    struct trace_ring **at = &oldest;
    while (*at)
        at = &(*at)->newer;
    ring->newer = NULL;
    *at = ring;
}

static struct trace_ring *take_oldest_ended(void)
{
    struct trace_ring **at = &oldest;
    while (!(*at)->ended)
        at = &(*at)->newer;
    struct trace_ring *ring = *at;
    *at = ring->newer;
    ended--;
    return ring;
}

static struct trace_ring *map_ring(void)
{
    size_t size = trace_size();
    size_t names = size / NAMES_SHARE;
    char *at = mmap(NULL, header_size() + size + names, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    struct trace_ring *ring = (struct trace_ring *)at;
    ring->records = (struct trace_record *)(at + header_size());
    ring->mask = size / sizeof(struct trace_record) - 1;
    ring->names = (struct trace_name *)(at + header_size() + size);
    ring->name_mask = names / sizeof(struct trace_name) - 1;
    return ring;
}

/* Not of a new one, whose pages are to stay untouched. */
static void clear_names(struct trace_ring *ring)
{
    memset(ring->names, 0, (ring->name_mask + 1) * sizeof(*ring->names));
}

static void clear(struct trace_ring *ring)
{
    atomic_store(&ring->next, 0);
    ring->number = ++rings;
    ring->thread = syscall(SYS_gettid);
    ring->began = trace_ticks();
    ring->ended = 0;
}

/* ---- hubs ------------------------------------------------------------------------ */

/* Nothing of the parent's is the child's to write. */
static void forget_all(void)
{
    pthread_mutex_init(&lock, NULL);
    oldest = NULL;
    rings = ended = 0;
}

static struct trace_ring *ring_new(void)
{
    struct trace_ring *ring =
        ended >= ENDED_MOST ? take_oldest_ended() : map_ring();
    if (!ring)
        return NULL;
    if (ring->ended)
        clear_names(ring);
    clear(ring);
    append(ring);
    return ring;
}

struct trace_ring *trace_ring_begin(void)
{
    if (trace_path_forked())
        forget_all();
    if (!trace_path())
        return NULL;
    pthread_mutex_lock(&lock);
    struct trace_ring *ring = ring_new();
    pthread_mutex_unlock(&lock);
    if (!ring)
        log_tell(GROVE_LOG_WARNING, "no trace of a thread: %s",
                 strerror(ENOMEM));
    return ring;
}

void trace_ring_end(struct trace_ring *ring)
{
    pthread_mutex_lock(&lock);
    assert(!ring->ended);
    ring->ended = trace_ticks();
    ended++;
    pthread_mutex_unlock(&lock);
}

void trace_ring_forked(struct trace_ring *ring)
{
    if (!trace_path_forked())
        return;
    forget_all();
    clear_names(ring);
    clear(ring);
    append(ring);
}

/* ---- who writes them --------------------------------------------------------------- */

void trace_rings_each(void (*fn)(const struct trace_ring *ring, void *arg),
                      void *arg)
{
    pthread_mutex_lock(&lock);
    for (const struct trace_ring *ring = oldest; ring; ring = ring->newer)
        fn(ring, arg);
    pthread_mutex_unlock(&lock);
}
