/*
 * The stack size that the environment asks for, GROVE_STACK_SIZE: bytes, or
 * with a unit (see units). Each kind of fiber has a default of its own, the
 * host's too, and keeps it when the value is bad; that is told on stderr once a
 * process, however many ask.
 *
 * Any thread may call it.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fiber/log.h"
#include "fiber/stack.h"
#include "grove.h"

/* Binary ones under every name, as stacks are powers of two. */
static const struct {
    const char *name;
    unsigned shift;
} units[] = {
    {"", 0},    {"K", 10},   {"KB", 10}, {"KiB", 10}, {"M", 20},
    {"MB", 20}, {"MiB", 20}, {"G", 30},  {"GB", 30},  {"GiB", 30},
};

static atomic_flag complained = ATOMIC_FLAG_INIT;

size_t stack_size_parse(const char *text)
{
    if (!isdigit((unsigned char)*text))
        return 0;
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (errno)
        return 0;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcasecmp(end, units[i].name) == 0)
            return n > GROVE_STACK_MAX >> units[i].shift
                       ? 0
                       : (size_t)n << units[i].shift;
    }
    return 0;
}

static void complain(const char *text, size_t smallest)
{
    if (!atomic_flag_test_and_set(&complained))
        log_tell(GROVE_LOG_WARNING,
                 "GROVE_STACK_SIZE is \"%s\"; expected %zu to %zu bytes, plain "
                 "or with a unit (K, KB, KiB, M, MB, MiB); the default is kept",
                 text, smallest, GROVE_STACK_MAX);
}

unsigned stack_shift_from_environment(size_t smallest)
{
    assert(smallest >= GROVE_STACK_MIN && smallest <= GROVE_STACK_MAX);
    const char *text = getenv("GROVE_STACK_SIZE");
    if (!text)
        return 0;
    size_t size = stack_size_parse(text);
    if (size >= smallest)
        return stack_shift(size);
    complain(text, smallest);
    return 0;
}
