/*
 * `grove run`: a program that is already built, with its calls of libc patched.
 */
#ifndef GROVE_TOOL_RUN_H
#define GROVE_TOOL_RUN_H

/* What the command tells the library that it loads in front of the program, in
 * this variable: letters, and two numbers, "LETTERS:HUBS:STACK", each of which
 * is 0 where it was not asked for. */
#define RUN_VARIABLE "GROVE_RUN"
#define RUN_PATCH 'p'    /* always there */
#define RUN_STATS 's'    /* tell at the end what was parked */
#define RUN_REPORT 'r'   /* tell at the beginning what was patched */
#define RUN_CHILDREN 'c' /* programs that it starts are run so, too */
#define RUN_THREADS 't'  /* its threads are fibers */
#define RUN_SYSCALLS 'y' /* system calls without libc are patched, too */
#define RUN_LIBRARY "libgrove-run.so"

/* Exit statuses as of env(1). */
enum { CANNOT_RUN = 126, NOT_FOUND = 127 };

/* argv[0] is "run". Does not return if the program could be started. */
int run_program(int argc, char **argv);

#endif
