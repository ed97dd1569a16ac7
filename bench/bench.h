/*
 * What the benchmarks share: the clock, rounds, and the line they print.
 *
 * A benchmark prints a line a figure: name, value, unit and, where there is a
 * peer, the ratio to it and its name. The machine may be busy with other work,
 * so ours and the peer's turns are short and alternate; the value is the least
 * time of all rounds, the ratio the median of the ratios within each round.
 */
#ifndef GROVE_BENCH_H
#define GROVE_BENCH_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_ROUNDS_MAX 1001

/* The monotonic clock, in nanoseconds. */
int64_t bench_now(void);

/* A measured thing: its nanoseconds an operation, of one short turn. */
typedef double bench_turn(void);

/* Take turns for rounds rounds, after one unmeasured, and print the line.
 * Without a peer (NULL) there is no ratio. */
void bench_run(const char *name, bench_turn *ours, bench_turn *peer,
               const char *peer_name, size_t rounds);

/* Print a line. */
void bench_print(const char *name, double value, const char *unit);
void bench_print_ratio(const char *name, double value, const char *unit,
                       double ratio, const char *peer_name);

/* The median of n values, which get sorted; their least. */
double bench_median(double *values, size_t n);
double bench_least(const double *values, size_t n);

/* The i-th argument as a number, or a default when there are fewer. */
long bench_argument(int argc, char **argv, int i, long otherwise);

/* A size in bytes as people say it, 64K or 1M; in a static buffer. */
const char *bench_size(size_t bytes);

/* Prints why and ends the program when r, what an action returned, is not 0. */
void bench_check(int r, const char *action);

#endif
