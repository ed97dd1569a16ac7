/*
 * What a parked fiber costs: memory (resident, and the page tables that map
 * it), mappings of the process, and the time to spawn it and to have it park.
 *
 *   parked [COUNT [STACK]]    100000 fibers; stacks of the default size
 *
 * A page table costs 8 bytes a page of 4 KiB, and a whole page of it is there
 * once one entry is used: 512 bytes for each stack of 256 KiB, 128 for 64 KiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "grove.h"

static grove_event never = GROVE_EVENT_INIT;

static void *parker(void *unused)
{
    grove_event_wait(&never);
    return NULL;
}

/* A line of /proc/self/status, in bytes. */
static double status(const char *key)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    long kib = 0;
    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtol(line + strlen(key), NULL, 10);
    }
    if (file)
        fclose(file);
    return (double)kib * 1024;
}

static long mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "re");
    long lines = 0;
    for (int c; file && (c = getc(file)) != EOF;)
        lines += c == '\n';
    if (file)
        fclose(file);
    return lines;
}

int main(int argc, char **argv)
{
    long count = bench_argument(argc, argv, 1, 100000);
    size_t stack =
        (size_t)bench_argument(argc, argv, 2, (long)grove_stack_size_default());
    grove_attr attr = {.stack_size = stack};
    grove_yield(); /* the hub is made */
    double resident = status("VmRSS:");
    double tables = status("VmPTE:");
    int64_t start = bench_now();
    for (long i = 0; i < count; i++)
        bench_check(grove_spawn_with(NULL, &attr, parker, NULL), "spawn");
    grove_yield();
    double ns = (double)(bench_now() - start) / (double)count;
    resident = (status("VmRSS:") - resident) / (double)count;
    tables = (status("VmPTE:") - tables) / (double)count;

    char name[80];
    char unit[64];
    bool millions = count % 1000000 == 0;
    int n = snprintf(name, sizeof(name), "parked_%ld%c_%s",
                     count / (millions ? 1000000 : 1000), millions ? 'M' : 'k',
                     bench_size(stack));
    snprintf(unit, sizeof(unit), "bytes (%.0f of them page tables)", tables);
    bench_print(name, resident + tables, unit);
    strcpy(name + n, "_maps");
    bench_print(name, (double)mappings(), "mappings");
    strcpy(name + n, "_time");
    bench_print(name, ns, "ns");
    exit(0); /* unmapping a million stacks is not what is measured */
}
