/*
 * A producer and two consumers share a channel that holds a few items. Who
 * finds it full or empty waits; closing it ends the consumers once they have
 * taken what is left.
 *
 *     $ producer_consumer
 *     ...
 *     20 made, 20 taken
 */
#include <stdio.h>

#include <grove.h>

#include "usage.h"

#define ROOM 4
#define ITEMS 20

static int buffer[ROOM];
static grove_channel items = GROVE_CHANNEL_INIT(sizeof(int), buffer, ROOM);
static int made, taken;

static void *produce(void *arg)
{
    for (int item = 1; item <= ITEMS; item++) {
        if (grove_channel_send(&items, &item) < 0)
            break;
        made++;
    }
    grove_channel_close(&items);
    return NULL;
}

static void *consume(void *name)
{
    int item;
    while (grove_channel_recv(&items, &item) == 0) {
        printf("%s takes %d\n", (const char *)name, item);
        taken++;
        grove_sleep(GROVE_MILLISECOND); /* its work */
    }
    return NULL;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 0, 0,
                "usage: producer_consumer\n\nA producer and two consumers "
                "share a channel.");
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
