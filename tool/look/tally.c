/*
 * Counting fibers by what they wait for, which is a text in the process: its
 * address is looked up in a small table, and equal texts at several addresses
 * are one.
 */
#include "look/tally.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "look/utf8.h"

#define KNOWN \
    (sizeof(((struct tally *)0)->known) / sizeof(((struct tally *)0)->known[0]))

static size_t find_text(struct tally *tally, const char *text)
{
    size_t i = 0;
    while (i < tally->reason_count && strcmp(tally->reasons[i].text, text) != 0)
        i++;
    if (i == REASONS)
        return REASONS - 1;
    if (i == REASONS - 1)
        text = "others";
    if (i == tally->reason_count) {
        snprintf(tally->reasons[i].text, REASON_SIZE, "%s", text);
        tally->reason_count++;
    }
    return i;
}

static size_t find(struct tally *tally, struct target *t, uint64_t at)
{
    size_t place = at / 4 % KNOWN;
    if (tally->known[place].at != at) {
        char text[REASON_SIZE];
        memory_text(&t->memory, at, text, sizeof(text));
        utf8_clean(text);
        tally->known[place].at = at;
        tally->known[place].reason = find_text(tally, text);
    }
    return tally->known[place].reason;
}

const char *tally_text(struct tally *tally, struct target *t,
                       const struct look_fiber *f)
{
    return f->what ? tally->reasons[find(tally, t, f->what)].text : "";
}

const char *tally_count(struct tally *tally, struct target *t,
                        const struct look_fiber *f)
{
    tally->fibers++;
    tally->states[f->state]++;
    if (!f->what)
        return "";
    struct reason *reason = &tally->reasons[find(tally, t, f->what)];
    reason->count++;
    return reason->text;
}

void tally_reset(struct tally *tally)
{
    tally->fibers = 0;
    memset(tally->states, 0, sizeof(tally->states));
    for (size_t i = 0; i < tally->reason_count; i++)
        tally->reasons[i].count = 0;
}

static int more_first(const void *a, const void *b)
{
    const struct reason *x = *(const struct reason *const *)a;
    const struct reason *y = *(const struct reason *const *)b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1)
                                : strcmp(x->text, y->text);
}

static void write_reasons(const struct tally *tally, FILE *to)
{
    const struct reason *sorted[REASONS];
    for (size_t i = 0; i < tally->reason_count; i++)
        sorted[i] = &tally->reasons[i];
    qsort(sorted, tally->reason_count, sizeof(sorted[0]), more_first);
    const char *between = "; waiting: ";
    for (size_t i = 0; i < tally->reason_count && sorted[i]->count; i++) {
        fprintf(to, "%s%" PRIu64 " %s", between, sorted[i]->count,
                sorted[i]->text);
        between = ", ";
    }
}

void tally_write(const struct tally *tally, FILE *to)
{
    const char *between = ": ";
    fprintf(to, "%" PRIu64 " fiber%s", tally->fibers,
            tally->fibers == 1 ? "" : "s");
    for (int i = 0; i < LOOK_STATES; i++) {
        if (tally->states[i]) {
            fprintf(to, "%s%" PRIu64 " %s", between, tally->states[i],
                    look_state_names[i]);
            between = ", ";
        }
    }
    write_reasons(tally, to);
    fputc('\n', to);
}
