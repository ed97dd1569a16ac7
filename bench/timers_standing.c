/*
 * The dearest single operation on timers while COUNT (300,000 and 1,000,000)
 * stand, with deadlines in no order: processor time of adding one, cancelling
 * one, and having the first expire. The same operations are done ROUNDS times,
 * and the least time of each counts, so that an interrupt is not taken for a
 * stall.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "hub/timer.h"

#define ROUNDS 7
#define OPERATIONS 20000 /* a round, of each kind */

/* As far apart as they are in the records of fibers. */
struct far {
    struct timer timer;
    char rest[256 - sizeof(struct timer)];
};

static struct timer_heap heap;
static struct far *timers;
static int64_t *deadlines;
static size_t count;

enum operation { ADD, CANCEL, EXPIRE, KINDS };
static double least[KINDS][OPERATIONS];

static void nothing(struct timer *timer)
{
    (void)timer;
}

static double processor_time(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void add(size_t i)
{
    timer_add(&heap, &timers[i].timer, deadlines[i]);
}

/* The i-th operation of a kind. */
static void operate(enum operation what, size_t i)
{
    switch (what) {
    case ADD:
        add(count + i);
        break;
    case CANCEL:
        timer_remove(&heap, &timers[count + i].timer);
        break;
    default:
        heap.now = 0; /* a round begins at the beginning */
        timer_expire(&heap, timer_first(&heap));
    }
}

static void measure(enum operation what)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        double start = processor_time();
        operate(what, i);
        double taken = processor_time() - start;
        if (least[what][i] == 0 || taken < least[what][i])
            least[what][i] = taken;
    }
}

static void round_of_all(void)
{
    for (size_t i = 0; i < count; i++)
        add(i);
    for (enum operation what = 0; what < KINDS; what++)
        measure(what);
    for (size_t i = 0; i < count; i++)
        timer_remove(&heap, &timers[i].timer);
}

static double worst(void)
{
    double most = 0;
    for (enum operation what = 0; what < KINDS; what++) {
        for (size_t i = 0; i < OPERATIONS; i++) {
            if (least[what][i] > most)
                most = least[what][i];
        }
    }
    return most;
}

static void prepare(size_t all)
{
    timers = calloc(all, sizeof(*timers));
    deadlines = calloc(all, sizeof(*deadlines));
    if (!timers || !deadlines)
        bench_check(-ENOMEM, "timers");
    uint64_t random = 1;
    for (size_t i = 0; i < all; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        deadlines[i] = (int64_t)(random >> 24);
        timers[i].timer.fn = nothing;
        bench_check(timer_claim(&heap), "timers");
    }
}

int main(int argc, char **argv)
{
    count = (size_t)bench_argument(argc, argv, 1, 1000000);
    prepare(count + OPERATIONS);
    for (int i = 0; i < ROUNDS; i++)
        round_of_all();
    bench_print(count >= 1000000 ? "timers_standing_1M"
                                 : "timers_standing_300k",
                worst() / 1e3, "us");
    return 0;
}
