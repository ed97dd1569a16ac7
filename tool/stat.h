/*
 * `grove stat`: the numbers of a process's hubs, once.
 */
#ifndef GROVE_TOOL_STAT_H
#define GROVE_TOOL_STAT_H

/* argv[0] is "stat". The exit status. */
int tell_numbers(int argc, char **argv);

#endif
