/*
 * A timeout scope ends whatever waits inside it, in any function called from
 * there. Scopes nest, and each tells whether it was the one that ended a wait.
 *
 *     $ timeouts
 *     patient: all three steps in time
 *     hasty: the step was too slow, went on
 *     hasty: the step was too slow, went on
 *     hasty: the whole was too slow
 */
#include <errno.h>
#include <stdio.h>

#include <grove.h>

#include "usage.h"

#define MS GROVE_MILLISECOND

/* Knows nothing of timeouts; a real one would read and write. */
static int step(void)
{
    return grove_sleep(20 * MS);
}

static int step_within(int64_t ns)
{
    grove_timeout t;
    grove_timeout_begin(&t, grove_now() + ns);
    int r = step();
    /* The inner scope's own timeout is dealt with here; a wait that an outer
     * one has ended returned -ETIMEDOUT as well, but this one was not it. */
    int mine = grove_timeout_end(&t);
    return mine < 0 ? 1 : r;
}

static void three_steps(const char *name, int64_t each, int64_t all)
{
    grove_timeout t;
    grove_timeout_begin(&t, grove_now() + all);
    int r = 0;
    for (int i = 0; i < 3 && r >= 0; i++) {
        r = step_within(each);
        if (r == 1)
            printf("%s: the step was too slow, went on\n", name);
    }
    if (grove_timeout_end(&t) == -ETIMEDOUT)
        printf("%s: the whole was too slow\n", name);
    else if (r == 0)
        printf("%s: all three steps in time\n", name);
}

int main(int argc, char **argv)
{
    usage_check(
        argc, argv, 0, 0,
        "usage: timeouts\n\nTimeout scopes end what waits inside them.");
    three_steps("patient", 200 * MS, 1000 * MS);
    three_steps("hasty", 10 * MS, 25 * MS);
    return 0;
}
