/*
 * `grove top`: what a process does, again and again.
 */
#ifndef GROVE_TOOL_TOP_H
#define GROVE_TOOL_TOP_H

/* argv[0] is "top". The exit status. */
int watch_fibers(int argc, char **argv);

#endif
