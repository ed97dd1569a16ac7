/*
 * Where raw calls are not patched: no other architecture was tried.
 */
#include <errno.h>

#include "patch/raw/places.h"
#include "patch/raw/raw.h"

__thread struct raw_thread raw_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

const char *raw_refused(void)
{
    return "raw system calls are patched on x86-64 only";
}

int raw_begin(void)
{
    return -ENOTSUP;
}

void raw_end(void)
{
}

bool raw_is_on(void)
{
    return false;
}

const sigset_t *raw_mask(const sigset_t *set, sigset_t *room)
{
    return set;
}

void raw_unmask(void)
{
}

void raw_hold(void)
{
}

void raw_let_go(void)
{
}

void raw_forked(void)
{
}

void places_look(void)
{
}
