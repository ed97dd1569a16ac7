/* For test_inspect.py: the subcommands that look at processes, and nothing
 * else, to be compiled with sanitizers. */
#include <string.h>

#include "bt.h"
#include "ps.h"
#include "stat.h"
#include "top.h"

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "bt") == 0)
        return show_stack(argc - 1, argv + 1);
    if (strcmp(name, "ps") == 0)
        return list_fibers(argc - 1, argv + 1);
    if (strcmp(name, "stat") == 0)
        return tell_numbers(argc - 1, argv + 1);
    return watch_fibers(argc - 1, argv + 1);
}
