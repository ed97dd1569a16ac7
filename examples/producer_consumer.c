/*
 * A producer and two consumers share a small buffer. Fibers of one thread need
 * no locks: nothing else runs until one waits. Events tell of room and of
 * things to take.
 *
 *     $ producer_consumer
 *     ...
 *     20 made, 20 taken
 */
#include <stdbool.h>
#include <stdio.h>

#include <grove.h>

#define ROOM 4
#define ITEMS 20

static int buffer[ROOM];
static int made, taken; /* in all; the difference is in the buffer */
static bool done;
static grove_event has_item = GROVE_EVENT_INIT;
static grove_event has_room = GROVE_EVENT_INIT;

static void *produce(void *arg)
{
    for (int item = 1; item <= ITEMS; item++) {
        /* Others may have run between the event and here: look again. */
        while (made - taken == ROOM) {
            grove_event_clear(&has_room);
            grove_event_wait(&has_room);
        }
        buffer[made++ % ROOM] = item;
        grove_event_set(&has_item);
    }
    done = true;
    grove_event_set(&has_item);
    return NULL;
}

/* The next item, or 0 when there will be none. */
static int take(void)
{
    while (made == taken) {
        if (done)
            return 0;
        grove_event_clear(&has_item);
        grove_event_wait(&has_item);
    }
    int item = buffer[taken++ % ROOM];
    grove_event_set(&has_room);
    return item;
}

static void *consume(void *name)
{
    int item;
    while ((item = take()) != 0) {
        printf("%s takes %d\n", (const char *)name, item);
        grove_sleep(GROVE_MILLISECOND); /* its work */
    }
    return NULL;
}

int main(void)
{
    grove_fiber *fibers[3];
    grove_spawn(&fibers[0], consume, (void *)"Ann");
    grove_spawn(&fibers[1], consume, (void *)"Bob");
    grove_spawn(&fibers[2], produce, NULL);
    grove_join_all(fibers, 3, 0);
    for (int i = 0; i < 3; i++)
        grove_release(fibers[i]);
    printf("%d made, %d taken\n", made, taken);
    return made == taken ? 0 : 1;
}
