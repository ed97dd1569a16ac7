/*
 * The fibers of a process that are worth a row: of all, the first few in an
 * order.
 */
#ifndef GROVE_TOOL_ROWS_H
#define GROVE_TOOL_ROWS_H

#include "look/label.h"
#include "look/sample.h"
#include "look/tally.h"

#define ROWS_MOST 200

enum rows_order { BY_CPU, BY_READY, BY_WAIT, BY_NUMBER, ROWS_ORDERS };

struct row {
    struct look_fiber f;
    size_t hub; /* its number among the hubs that are sampled */
    uint64_t hub_at;
    double cpu;   /* of a processor: 1 is all of it */
    double ready; /* of the time: it could run and did not */
    const char *what;
    char name[LABEL_SIZE], where[LABEL_SIZE];
};

struct rows {
    struct target *t;
    struct symbols *symbols;
    const struct sampler *sampler;
    const double *cpu; /* of each hub's thread */
    enum rows_order order;
    const char *filter; /* what is to be in the row; "": nothing */
    struct tally tally;
    uint64_t ready[256]; /* of each of the first hubs: fibers that could run */
    struct row list[ROWS_MOST]; /* sorted */
    size_t count;
};

/* Walks all fibers anew, of the hubs that are sampled. 0 or -ENOMEM. */
int rows_walk(struct rows *rows);

/* Those that are there are read anew, and those that were seen to run join
 * them; the counts stay. */
void rows_renew(struct rows *rows);

#endif
