/* Threads that call code which they have on their stacks, as programs do that
 * take the address of a nested function. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static void *call_own_stack(void *arg)
{
    /* mov $42, %eax; ret */
    static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
    volatile unsigned char here[sizeof(code)];
    int (*volatile answer)(void);
    for (size_t i = 0; i < sizeof(code); i++)
        here[i] = code[i];
    answer = (int (*)(void))(uintptr_t)here;
    usleep(1000);
    *(int *)arg = answer();
    return NULL;
}

int main(void)
{
    pthread_t ids[2];
    int answers[3];
    for (int i = 0; i < 2; i++)
        pthread_create(&ids[i], NULL, call_own_stack, &answers[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(ids[i], NULL);
    call_own_stack(&answers[2]);
    printf("%d %d %d\n", answers[0], answers[1], answers[2]);
    return 0;
}
