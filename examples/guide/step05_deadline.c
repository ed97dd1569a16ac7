/* A deadline ends one call; a timeout scope whatever waits inside it. */
#include <errno.h>
#include <stdio.h>

#include <grove.h>

/* Knows nothing of time. */
static int work(void)
{
    return grove_sleep(3600 * GROVE_SECOND);
}

int main(void)
{
    grove_event never;
    grove_event_init(&never);
    int64_t soon = grove_now() + 10 * GROVE_MILLISECOND;
    if (grove_event_wait_until(&never, soon) == -ETIMEDOUT)
        puts("the event did not come in time");

    grove_timeout scope;
    grove_timeout_begin(&scope, grove_now() + 10 * GROVE_MILLISECOND);
    int r = work();
    if (grove_timeout_end(&scope) == -ETIMEDOUT)
        printf("work was ended%s\n", r == -ETIMEDOUT ? ", and knows it" : "");
    return 0;
}
