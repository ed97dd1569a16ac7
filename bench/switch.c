/*
 * The raw context switch: two contexts, back and forth, against the bare swap.
 *
 *   switch         with as many values live across the switch as there are
 *                  registers that the swap saves, so that all are saved here
 *   switch lean    with none: the compiler saves what is live, and no more
 *
 * It is measured in place, as the scheduler has it. Inside a function of its
 * own it would return to the caller of the context that was left, as far as the
 * processor can predict: context.h.
 */
#include <stdbool.h>
#include <string.h>

#include "bare_pair.h"
#include "fiber/context.h"

#define TURNS 100000

static struct context here, there;
static char stack[16384] __attribute__((aligned(64)));

/* The values a..e are needed in registers here. With the frame pointer, which
 * context_switch saves itself, that makes six. */
#define LIVE(a, b, c, d, e) \
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e))

static void pong(void *unused)
{
    long a = 0, b = 0, c = 0, d = 0, e = 0;
    for (;;) {
        LIVE(a, b, c, d, e);
        context_switch(&there, &here);
    }
}

static double turn(void)
{
    long a = 0, b = 0, c = 0, d = 0, e = 0;
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++) {
        LIVE(a, b, c, d, e);
        context_switch(&here, &there);
    }
    return (double)(bench_now() - start) / (2 * TURNS);
}

static void lean_pong(void *unused)
{
    for (;;)
        context_switch(&there, &here);
}

static double lean_turn(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++)
        context_switch(&here, &there);
    return (double)(bench_now() - start) / (2 * TURNS);
}

int main(int argc, char **argv)
{
    bool lean = argc > 1 && strcmp(argv[1], "lean") == 0;
    context_make(&there, stack, stack + sizeof(stack), lean ? lean_pong : pong,
                 NULL);
    bench_run(lean ? "switch_lean" : "switch", lean ? lean_turn : turn,
              bare_pair_turn, "bare swap", 301);
    return 0;
}
