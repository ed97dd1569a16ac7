/*
 * Functions by their addresses, from the symbols of the files that a process
 * has loaded.
 */
#ifndef GROVE_TOOL_SYMBOLS_H
#define GROVE_TOOL_SYMBOLS_H

#include "look/target.h"

struct symbol_table;

struct symbols {
    const struct modules *modules;
    pid_t pid;
    struct symbol_table **tables; /* of each module; NULL: not read yet */
};

/* 0 or -ENOMEM. t must live longer. */
int symbols_open(struct symbols *s, const struct target *t);
void symbols_close(struct symbols *s);

/* Writes "function", or "function+0x1c", of an address; of one that is in no
 * function that is known "file+0x1c"; where there is no file, the address. */
void symbols_name(struct symbols *s, uint64_t address, char *text, size_t room);

/* Opens the file of a module, as the process has it, to be read. A descriptor,
 * or -1: it is gone, and only root may have what is left of it. */
int symbols_open_file(pid_t pid, const struct module *module);

#endif
