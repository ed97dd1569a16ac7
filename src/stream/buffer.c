/*
 * The memory of streams' buffers.
 *
 * A connection that waits for its peer has no use for a buffer, and most
 * connections wait. So a buffer has memory while it has bytes, or a call may
 * put some there, and gives it back before that parks. For this to cost
 * nothing, each thread keeps a pool of what was given back, the last first,
 * which the processor's caches know best: lists by size, powers of two up to
 * LARGEST. What is larger stays with its stream, since the system would have to
 * be asked for it each time.
 *
 * The pool is a part of the thread's hub, and ends with it; where there is no
 * hub, memory comes from malloc and goes back there.
 */
#include <stdlib.h>
#include <string.h>

#include "hub/part.h"
#include "stream/stream.h"

#define SMALLEST GROVE_STREAM_SIZE_MIN
#define LARGEST ((size_t)65536)
#define SIZES 9

_Static_assert(SMALLEST << (SIZES - 1) == LARGEST, "a list for each size");

#define LONG_BITS (8 * (unsigned)sizeof(long))

/* At most so many bytes of each size are kept. */
#define KEPT ((size_t)1 << 20)

/* Memory that nobody uses, in its own first bytes. */
struct spare {
    struct spare *next;
};

struct pool {
    struct hub_part part;        /* tells of the hub's end */
    struct spare *spares[SIZES]; /* given back last first */
    size_t count[SIZES];         /* of spares */
};

/* Which list serves size bytes, SIZES if none does. */
static unsigned list_of(size_t size)
{
    if (size > LARGEST)
        return SIZES;
    if (size <= SMALLEST)
        return 0;
    /* The bits of what is left above the smallest. */
    return LONG_BITS - (unsigned)__builtin_clzl((size - 1) / SMALLEST);
}

static size_t memory_of(size_t size)
{
    unsigned list = list_of(size);
    return list < SIZES ? SMALLEST << list : size;
}

/* ---- the pool --------------------------------------------------------------- */

/* The thread's; NULL: there is none yet, or no more. */
static __thread struct pool *pool_of_thread
    __attribute__((tls_model("initial-exec")));

static void end(struct hub_part *part)
{
    struct pool *pool = container_of(part, struct pool, part);
    for (unsigned i = 0; i < SIZES; i++) {
        while (pool->spares[i]) {
            struct spare *spare = pool->spares[i];
            pool->spares[i] = spare->next;
            free(spare);
        }
    }
    assert(pool == pool_of_thread);
    pool_of_thread = NULL;
    free(pool);
}

static __attribute__((noinline)) struct pool *make_pool(void)
{
    struct hub *hub = hub_of_thread;
    struct pool *pool = hub ? calloc(1, sizeof(*pool)) : NULL;
    if (pool) {
        pool->part.end = end;
        hub_part_add(hub, &pool->part);
        pool_of_thread = pool;
    }
    return pool;
}

/* NULL: there is no hub, or no memory. */
static inline struct pool *find_pool(void)
{
    return likely(pool_of_thread) ? pool_of_thread : make_pool();
}

static void *take(unsigned list)
{
    struct pool *pool = find_pool();
    if (!pool || !pool->spares[list])
        return malloc(SMALLEST << list);
    struct spare *spare = pool->spares[list];
    assert(pool->count[list] > 0);
    pool->spares[list] = spare->next;
    pool->count[list]--;
    return spare;
}

static void give(void *memory, unsigned list)
{
    struct pool *pool = find_pool();
    if (!pool || pool->count[list] >= KEPT / (SMALLEST << list)) {
        free(memory);
        return;
    }
    struct spare *spare = memory;
    spare->next = pool->spares[list];
    pool->spares[list] = spare;
    pool->count[list]++;
}

/* ---- buffers ------------------------------------------------------------------ */

bool stream_buffer_take(struct stream_buffer *b)
{
    assert(b->size > 0);
    if (likely(b->bytes))
        return true;
    unsigned list = list_of(b->size);
    b->bytes = list < SIZES ? take(list) : malloc(b->size);
    return b->bytes != NULL;
}

void stream_buffer_give(struct stream_buffer *b)
{
    assert(stream_buffer_count(b) == 0);
    unsigned list = list_of(b->size);
    if (!b->bytes || list == SIZES)
        return;
    give(b->bytes, list);
    b->bytes = NULL;
}

void stream_buffer_end(struct stream_buffer *b)
{
    b->from = b->to = 0;
    stream_buffer_give(b);
    free(b->bytes);
    b->bytes = NULL;
}

size_t stream_buffer_memory(const struct stream_buffer *b)
{
    return b->bytes ? memory_of(b->size) : 0;
}

void stream_buffer_make_room(struct stream_buffer *b, size_t n)
{
    size_t count = stream_buffer_count(b);
    /* Each byte is moved less often than others were dropped before it. */
    if (b->from == 0 || (count > b->from && b->size - b->to >= n))
        return;
    memmove(b->bytes, b->bytes + b->from, count);
    b->from = 0;
    b->to = (uint32_t)count;
}
