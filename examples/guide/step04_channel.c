/* A channel hands values over, and its end is told by closing it. */
#include <stdio.h>

#include <grove.h>

static void *count(void *arg)
{
    grove_channel *numbers = arg;
    for (int n = 1; n <= 3; n++) {
        if (grove_channel_send(numbers, &n) < 0)
            break;
    }
    grove_channel_close(numbers);
    return NULL;
}

int main(void)
{
    grove_channel *numbers;
    /* Without room for values: who sends waits for who receives. */
    if (grove_channel_create(&numbers, sizeof(int), 0) < 0 ||
        grove_spawn(NULL, count, numbers) < 0)
        return 1;
    int n;
    while (grove_channel_recv(numbers, &n) == 0)
        printf("got %d\n", n);
    puts("closed");
    grove_channel_release(numbers);
    return 0;
}
