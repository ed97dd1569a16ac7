/* Cores: a hub is a thread with fibers of its own; what several share, as a
 * channel, any of them may use. */
#include <stdio.h>

#include <grove.h>

#define HUBS 3

static grove_channel *squares;

static int work(const grove_crew *crew, void *arg)
{
    (void)arg;
    int square = (int)(crew->index * crew->index);
    return grove_channel_send(squares, &square);
}

int main(void)
{
    if (grove_channel_create(&squares, sizeof(int), HUBS) < 0)
        return 1;
    if (grove_hubs(HUBS, work, NULL) < 0) /* until all of them are done */
        return 1;
    int sum = 0, square;
    for (int i = 0; i < HUBS && grove_channel_recv(squares, &square) == 0; i++)
        sum += square;
    printf("0 + 1 + 4 = %d\n", sum);
    grove_channel_release(squares);
    return 0;
}
