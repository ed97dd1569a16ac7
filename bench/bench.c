/*
 * What the benchmarks share; see bench.h.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t bench_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void bench_run(const char *name, bench_turn *ours, bench_turn *peer,
               const char *peer_name, size_t rounds)
{
    static double times[BENCH_ROUNDS_MAX];
    static double ratios[BENCH_ROUNDS_MAX];
    ours();
    if (peer)
        peer();
    for (size_t i = 0; i < rounds; i++) {
        times[i] = ours();
        ratios[i] = peer ? times[i] / peer() : 0;
    }
    double value = bench_least(times, rounds);
    if (peer)
        bench_print_ratio(name, value, "ns", bench_median(ratios, rounds),
                          peer_name);
    else
        bench_print(name, value, "ns");
}

void bench_print(const char *name, double value, const char *unit)
{
    printf("%-18s %10.2f %s\n", name, value, unit);
    fflush(stdout);
}

void bench_print_ratio(const char *name, double value, const char *unit,
                       double ratio, const char *peer_name)
{
    printf("%-18s %10.2f %s, %.3f x %s\n", name, value, unit, ratio, peer_name);
    fflush(stdout);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double bench_least(const double *values, size_t n)
{
    double least = values[0];
    for (size_t i = 1; i < n; i++) {
        if (values[i] < least)
            least = values[i];
    }
    return least;
}

long bench_argument(int argc, char **argv, int i, long otherwise)
{
    if (i >= argc)
        return otherwise;
    char *end;
    long n = strtol(argv[i], &end, 0);
    if (*end || n <= 0) {
        fprintf(stderr,
                "%s: argument %d is \"%s\"; expected a number above 0\n",
                argv[0], i, argv[i]);
        exit(2);
    }
    return n;
}

const char *bench_size(size_t bytes)
{
    static char text[24];
    if (bytes % (1 << 20) == 0)
        snprintf(text, sizeof(text), "%zuM", bytes >> 20);
    else
        snprintf(text, sizeof(text), "%zuK", bytes >> 10);
    return text;
}

void bench_check(int r, const char *action)
{
    if (r == 0)
        return;
    fprintf(stderr, "bench: %s: %s\n", action, strerror(r < 0 ? -r : r));
    exit(1);
}
