/*
 * `grove trace`: a program whose fibers are traced, and a page of what they
 * did.
 */
#ifndef GROVE_TOOL_TRACE_H
#define GROVE_TOOL_TRACE_H

/* argv[0] is "trace". The exit status: the program's. */
int trace_program(int argc, char **argv);

#endif
