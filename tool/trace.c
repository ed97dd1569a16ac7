/*
 * `grove trace`: starts a program with GROVE_TRACE in its environment, waits
 * for its end, and says so if there is no trace then. The library itself does
 * the rest; so it may as well be a script, or `grove run`, that starts the
 * program.
 *
 *     grove trace ----fork----> the program
 *        |  signals that ask for an end are handed on
 *        |<------ its end
 *        +--> its status
 */
#include "trace.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "look/options.h"
#include "page.h"
#include "trace/format.h"

/* Exit statuses as of env(1); of a program that a signal has ended, as of a
 * shell. */
enum { CANNOT_RUN = 126, NOT_FOUND = 127, SIGNALLED = 128 };

#define FILE_NAME "grove-trace.json"

static const char usage[] =
    "usage: grove trace [-o FILE] [--] PROGRAM [ARGUMENT...]\n"
    "       grove trace --html PAGE FILE\n"
    "\n"
    "Runs a program that uses Grove, and has it write what its fibers did at "
    "its\n"
    "end, to FILE (" FILE_NAME "): the newest of it, for Chrome and Perfetto.\n"
    "FILE is JSON, or in Perfetto's own format if its name ends in .pftrace "
    "or\n"
    ".perfetto-trace: smaller, with arrows, for https://ui.perfetto.dev and\n"
    "trace_processor.\n"
    "For other programs: grove trace grove run PROGRAM. The exit status is "
    "the\n"
    "program's, 128 and more for a signal.\n"
    "\n"
    "  -o FILE       %p in the name stands for the number of the process\n"
    "  --html PAGE   make a page of the trace in FILE that a browser shows\n";

/* ---- the file ------------------------------------------------------------------ */

/* The program may go elsewhere. */
static void make_absolute(char path[PATH_MAX], const char *name)
{
    char folder[PATH_MAX];
    if (name[0] == '/' || !getcwd(folder, sizeof(folder)))
        snprintf(path, PATH_MAX, "%s", name);
    else if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        snprintf(path, PATH_MAX, "%s", name);
}

/* What is there, or nothing. */
static struct stat look_at(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        memset(&st, 0, sizeof(st));
    return st;
}

/* What is left of an earlier run is not to be taken for this one's. */
static bool is_written(const char *path, const struct stat *before)
{
    struct stat now = look_at(path);
    if (strstr(path, "%p") || (now.st_mode && !S_ISREG(now.st_mode)))
        return true;
    return now.st_size > 0 &&
           (now.st_ino != before->st_ino || now.st_size != before->st_size ||
            now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
            now.st_mtim.tv_nsec != before->st_mtim.tv_nsec);
}

static void tell_why_not(const char *program, int status)
{
    if (WIFSIGNALED(status))
        fprintf(stderr,
                "grove: no trace: %s was ended by a signal (%s), and it is "
                "written at exit\n",
                program, strsignal(WTERMSIG(status)));
    else
        fprintf(stderr,
                "grove: no trace: %s has no fibers; one that knows nothing of "
                "Grove is traced by: grove trace grove run %s\n",
                program, program);
}

static void tell_what_is_there(const char *name, const struct stat *before)
{
    if (before->st_size > 0)
        fprintf(stderr, "grove: %s is of an earlier run\n", name);
}

/* JSON has a page to be made of it; see --html. */
static void tell_who_reads(const char *name, const char *path)
{
    bool is_file = strstr(path, "%p") || S_ISREG(look_at(path).st_mode);
    if (is_file && trace_format_is_perfetto(name))
        fprintf(stderr,
                "grove: %s is for https://ui.perfetto.dev, and for "
                "trace_processor, which takes SQL\n",
                name);
}

/* ---- the program ------------------------------------------------------------------ */

static volatile sig_atomic_t child;

static void hand_on(int signum)
{
    kill((pid_t)child, signum);
}

/* The terminal sends these to both. */
static void leave_to_child(int signum)
{
    (void)signum;
}

static const struct {
    int number;
    void (*handler)(int);
} signals[] = {
    {SIGTERM, hand_on}, {SIGHUP, hand_on},        {SIGUSR1, hand_on},
    {SIGUSR2, hand_on}, {SIGINT, leave_to_child}, {SIGQUIT, leave_to_child},
};

static const size_t nsignals = sizeof(signals) / sizeof(signals[0]);

/* What is ignored stays so, for both. */
static void handle_signals(void)
{
    for (size_t i = 0; i < nsignals; i++) {
        struct sigaction action = {.sa_handler = signals[i].handler,
                                   .sa_flags = SA_RESTART};
        struct sigaction before;
        sigaction(signals[i].number, NULL, &before);
        if (before.sa_handler != SIG_IGN)
            sigaction(signals[i].number, &action, NULL);
    }
}

static void start(char **argv, const sigset_t *mask)
{
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    int error = errno;
    fprintf(stderr, "grove: cannot run %s: %s\n", argv[0], strerror(error));
    _exit(error == ENOENT ? NOT_FOUND : CANNOT_RUN);
}

/* Its status, as of waitpid; -1: it could not be started, which was told. */
static int run(char **argv)
{
    sigset_t handled, mask;
    int status;
    sigemptyset(&handled);
    for (size_t i = 0; i < nsignals; i++)
        sigaddset(&handled, signals[i].number);
    sigprocmask(SIG_BLOCK, &handled, &mask); /* until it is known who is who */
    pid_t pid = fork();
    if (pid == 0)
        start(argv, &mask);
    if (pid < 0) {
        perror("grove: fork");
        return -1;
    }
    child = pid;
    handle_signals();
    sigprocmask(SIG_SETMASK, &mask, NULL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int trace(char **argv, const char *name)
{
    char path[PATH_MAX];
    make_absolute(path, name);
    struct stat before = look_at(path);
    setenv("GROVE_TRACE", path, 1);
    int status = run(argv);
    if (status < 0)
        return CANNOT_RUN;
    bool failed = WIFEXITED(status) && (WEXITSTATUS(status) == NOT_FOUND ||
                                        WEXITSTATUS(status) == CANNOT_RUN);
    if (failed)
        return WEXITSTATUS(status);
    if (is_written(path, &before)) {
        tell_who_reads(name, path);
    } else {
        tell_why_not(argv[0], status);
        tell_what_is_there(name, &before);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status)
                             : SIGNALLED + WTERMSIG(status);
}

/* ---- options ------------------------------------------------------------------------ */

/* The page, with argv[0] "--html". */
static int make_page(int argc, char **argv)
{
    if (argc < 3)
        return options_missing("trace", argc < 2 ? "PAGE" : "FILE");
    return argc > 3 ? options_surplus("trace", argv[3])
                    : page_write(argv[1], argv[2]);
}

int trace_program(int argc, char **argv)
{
    const char *name = FILE_NAME;
    int i = 1;
    if (argc > 1 &&
        (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0))
        return fputs(usage, stdout) < 0;
    if (argc > 1 && strcmp(argv[1], "--html") == 0)
        return make_page(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "-o") == 0) {
        if (argc < 3 || !*argv[2])
            return options_refuse("trace", "-o", "", "the name of a file");
        name = argv[2];
        i = 3;
    }
    if (i < argc && strcmp(argv[i], "--") == 0)
        i++;
    else if (i < argc && argv[i][0] == '-')
        return options_refuse("trace", "no option", argv[i], NULL);
    return i < argc ? trace(argv + i, name)
                    : options_missing("trace", "PROGRAM");
}
