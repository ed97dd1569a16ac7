/*
 * `grove ps`: the fibers of a process.
 */
#ifndef GROVE_TOOL_PS_H
#define GROVE_TOOL_PS_H

/* argv[0] is "ps". The exit status. */
int list_fibers(int argc, char **argv);

#endif
