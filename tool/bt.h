/*
 * `grove bt`: the stack of a fiber of a process.
 */
#ifndef GROVE_TOOL_BT_H
#define GROVE_TOOL_BT_H

/* argv[0] is "bt". The exit status. */
int show_stack(int argc, char **argv);

#endif
