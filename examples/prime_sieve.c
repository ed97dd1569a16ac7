/*
 * The primes below a limit, by a chain of fibers spread over all cores: each
 * holds a prime, and passes on to the next the numbers that it does not divide.
 * The channels between them cross from thread to thread.
 *
 *     $ prime_sieve 100 2
 *     2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71 73 79 83 89 97
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <grove.h>

#include "usage.h"

static int limit;

/* A filter: the first number that reaches it is its prime. */
struct filter {
    const grove_crew *crew;
    unsigned number;    /* of the filter, from 0 */
    grove_channel *in;  /* given back by the filter */
    grove_channel *out; /* the last one's primes go there, too */
};

static void *run_filter(void *arg);

/* Starts the next filter, on the next hub. What it reads from. */
static grove_channel *start_next(const struct filter *f)
{
    struct filter *next = malloc(sizeof(*next));
    if (!next)
        return NULL;
    *next = *f;
    next->number++;
    if (grove_channel_create(&next->in, sizeof(int), 16) < 0) {
        free(next);
        return NULL;
    }
    grove_channel *c = grove_channel_retain(next->in);
    grove_hub *hub = f->crew->hubs[next->number % f->crew->count];
    if (grove_hub_spawn(hub, run_filter, next) == 0)
        return c;
    grove_channel_release(next->in);
    grove_channel_release(c);
    free(next);
    return NULL;
}

/* Passes on what the prime does not divide. */
static void pass_on(struct filter *f, int prime)
{
    grove_channel *next = NULL;
    int n;
    while (grove_channel_recv(f->in, &n) == 0) {
        if (n % prime == 0)
            continue;
        if (!next && !(next = start_next(f)))
            grove_channel_close(f->in); /* no memory: let this be the last */
        else
            grove_channel_send(next, &n);
    }
    if (next)
        grove_channel_close(next);
    else
        grove_channel_close(f->out); /* the last prime of all */
    grove_channel_release(next);
}

static void *run_filter(void *arg)
{
    struct filter *f = arg;
    int prime;
    if (grove_channel_recv(f->in, &prime) == 0) {
        grove_channel_send(f->out, &prime);
        pass_on(f, prime);
    }
    grove_channel_release(f->in);
    free(f);
    return NULL;
}

static void *count_up(void *arg)
{
    grove_channel *numbers = arg;
    for (int n = 2; n < limit; n++)
        grove_channel_send(numbers, &n);
    grove_channel_close(numbers);
    grove_channel_release(numbers);
    return NULL;
}

/* On the first hub; the others serve until it has returned. */
static int sieve(const grove_crew *crew, void *arg)
{
    grove_channel *primes;
    int prime;
    if (crew->index != 0)
        return 0;
    int r = grove_channel_create(&primes, sizeof(int), 16);
    if (r < 0)
        return r;
    struct filter before = {.crew = crew, .number = -1u, .out = primes};
    grove_channel *numbers = start_next(&before);
    if (!numbers || grove_spawn(NULL, count_up, numbers) < 0)
        return -1;
    for (int i = 0; grove_channel_recv(primes, &prime) == 0; i++)
        printf("%s%d", i ? " " : "", prime);
    printf("\n");
    grove_channel_release(primes);
    return 0;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 0, 2,
                "usage: prime_sieve [LIMIT [HUBS]]\n\nThe primes below LIMIT, "
                "100, by fibers on HUBS threads.");
    limit = argc > 1 ? usage_number(argv[1], 3, INT_MAX) : 100;
    unsigned hubs = argc > 2 ? (unsigned)usage_number(argv[2], 0, 1000) : 0;
    return grove_hubs(hubs, sieve, NULL) == 0 ? 0 : 1;
}
