/*
 * The command `grove`: tells which library is installed and what it finds on
 * this machine, and runs programs (run.c, trace.c). One table of subcommands;
 * each returns the exit status.
 */
#include <grove.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bt.h"
#include "ps.h"
#include "run.h"
#include "stat.h"
#include "top.h"
#include "trace.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13; newer than most headers */
#endif

enum { OK = 0, FAILED = 1, BAD_USE = 2 };

struct command {
    const char *name;
    const char *what;
    int (*run)(void);
    /* Instead, of one that takes arguments: its own name is the first. */
    int (*run_with)(int argc, char **argv);
};

static int run_help(void);
static int run_info(void);
static int run_version(void);

static const struct command commands[] = {
    {"bt", "show the stack of a fiber of a process", NULL, show_stack},
    {"help", "print this list", run_help, NULL},
    {"info", "print what the library finds on this machine", run_info, NULL},
    {"ps", "list the fibers of a process", NULL, list_fibers},
    {"run", "run a program that is built, its calls of libc patched", NULL,
     run_program},
    {"stat", "write the numbers of a process's hubs", NULL, tell_numbers},
    {"top", "show what hubs and fibers of a process do", NULL, watch_fibers},
    {"trace", "run a program and keep what its fibers did", NULL,
     trace_program},
    {"version", "print the version of the library", run_version, NULL},
};

static const size_t ncommands = sizeof commands / sizeof commands[0];

static void print_usage(FILE *to)
{
    fputs("usage: grove <command>\n\ncommands:\n", to);
    for (size_t i = 0; i < ncommands; i++)
        fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].what);
    fputs("\noptions: -h, --help; -V, --version\n", to);
}

static int run_help(void)
{
    print_usage(stdout);
    return OK;
}

static int run_version(void)
{
    printf("grove %s\n", grove_version());
    return OK;
}

/* Whether a guard region can be installed in an anonymous mapping: 0, or the
 * errno that says why not. */
static int probe_guard_regions(size_t page)
{
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return errno;
    int err = madvise(p, page, MADV_GUARD_INSTALL) == 0 ? 0 : errno;
    munmap(p, page);
    return err;
}

static int run_info(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int err = probe_guard_regions(page);

    printf("version        %s\n", grove_version());
    printf("default stack  %zu bytes\n", grove_stack_size_default());
    printf("page size      %zu bytes\n", page);
    if (err == 0)
        printf("stack guards   guard regions (MADV_GUARD_INSTALL)\n");
    else
        printf("stack guards   mprotect (MADV_GUARD_INSTALL: %s)\n",
               strerror(err));
    return OK;
}

/* The command called name, also as the option --name, or -h or -V as other
 * programs have them; NULL if there is none. */
static const struct command *find_command(const char *name)
{
    if (strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "-V") == 0)
        name = "version";
    else if (strncmp(name, "--", 2) == 0)
        name += 2;
    for (size_t i = 0; i < ncommands; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return BAD_USE;
    }
    const struct command *command = find_command(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "grove: no command '%s'; see 'grove help'\n", argv[1]);
        return BAD_USE;
    }
    if (command->run_with)
        return command->run_with(argc - 1, argv + 1);
    if (argc > 2) {
        fprintf(stderr, "grove: '%s' takes no argument, but was given '%s'\n",
                argv[1], argv[2]);
        return BAD_USE;
    }
    int status = command->run();
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "grove: cannot write: %s\n", strerror(errno));
        return FAILED;
    }
    return status;
}
