/*
 * The location table of PEP 626, as Objects/locations.md of CPython describes
 * it. It is a row of entries, one for some code units each:
 *
 *     1 kkkk lll    a kind and a length, of 1 to 8 units
 *     0 .......     what belongs to the kind: no byte of it has the highest bit
 *
 * A line is told as the difference from the last one. Columns are skipped.
 */
#include "look/linetable.h"

enum { SHORT_MOST = 9, ONE_LINE = 10, NO_COLUMNS = 13, LONG = 14, NONE = 15 };

struct table {
    const unsigned char *at, *end;
};

/* A number of six bits a byte, the lowest first; 0x40: more follow. */
static unsigned read_number(struct table *t)
{
    unsigned value = 0, shift = 0;
    while (t->at < t->end) {
        unsigned byte = *t->at++;
        if (shift < 32)
            value |= (byte & 0x3f) << shift;
        shift += 6;
        if (!(byte & 0x40))
            break;
    }
    return value;
}

/* The sign is in the lowest bit. */
static int read_signed(struct table *t)
{
    unsigned value = read_number(t);
    return value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
}

/* The difference that an entry of that kind tells. */
static int difference(struct table *t, unsigned kind)
{
    if (kind >= ONE_LINE && kind < NO_COLUMNS)
        return (int)(kind - ONE_LINE);
    if (kind == NO_COLUMNS || kind == LONG)
        return read_signed(t);
    return 0;
}

int linetable_line(const unsigned char *table, size_t size, int first,
                   uint64_t unit)
{
    struct table t = {table, table + size};
    uint64_t units = 0;
    int64_t line = first;
    while (t.at < t.end) {
        unsigned head = *t.at++;
        unsigned kind = head >> 3 & 15;
        units += (head & 7) + 1;
        line += difference(&t, kind);
        if (unit < units)
            return kind == NONE || line < 1 || line > INT32_MAX ? -1
                                                                : (int)line;
        while (t.at < t.end && !(*t.at & 0x80)) /* columns */
            t.at++;
    }
    return -1;
}
