/*
 * Structures that begin with their own size; see sized.h. Any thread.
 */
#include "hub/sized.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* No structure ever gets as large: a size above is memory that nobody has
 * initialised. */
#define LARGEST ((size_t)4096)

/* The size that the caller's structure says it has; 0: that cannot be. */
static size_t size_of(const void *given, size_t first)
{
    size_t size;
    memcpy(&size, given, sizeof(size));
    if (size == 0)
        return first;
    return size >= first && size <= LARGEST ? size : 0;
}

static int is_zero(const char *bytes, size_t n)
{
    while (n > 0 && bytes[n - 1] == 0)
        n--;
    return n == 0;
}

int sized_take(void *ours, size_t size, size_t first, const void *given)
{
    size_t theirs = size_of(given, first);
    assert(first <= size && size <= LARGEST);
    if (!theirs)
        return -EINVAL;
    if (theirs > size && !is_zero((const char *)given + size, theirs - size))
        return -EINVAL;
    size_t both = theirs < size ? theirs : size;
    memcpy(ours, given, both);
    memset((char *)ours + both, 0, size - both);
    return 0;
}

int sized_give(void *given, const void *ours, size_t size, size_t first)
{
    size_t theirs = size_of(given, first);
    assert(first <= size && size <= LARGEST);
    if (!theirs)
        return -EINVAL;
    size_t both = theirs < size ? theirs : size;
    const size_t skip = sizeof(size_t); /* the size is the caller's */
    memcpy((char *)given + skip, (const char *)ours + skip, both - skip);
    memset((char *)given + both, 0, theirs - both);
    return 0;
}
