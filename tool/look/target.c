/*
 * Finding Grove in a process, and saying why not: the process is another
 * user's, is gone, knows nothing of Grove, or has another release of it.
 */
#include "look/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fiber/layout_note.h"

/* ---- what the kernel refuses --------------------------------------------------- */

/* The number behind a word in a file of /proc; -1: there is none. */
static long proc_number(const char *path, const char *word)
{
    char line[256];
    long found = -1;
    FILE *f = fopen(path, "re");
    while (f && found < 0 && fgets(line, sizeof(line), f)) {
        if (strncmp(line, word, strlen(word)) == 0)
            found = strtol(line + strlen(word), NULL, 10);
    }
    if (f)
        fclose(f);
    return found;
}

static void tell_refusal(pid_t pid)
{
    char status[64];
    snprintf(status, sizeof(status), "/proc/%d/status", (int)pid);
    long owner = proc_number(status, "Uid:");
    long scope = proc_number("/proc/sys/kernel/yama/ptrace_scope", "");
    if (geteuid() == 0)
        fprintf(stderr,
                "grove: the kernel lets not even this root read process %d: "
                "run grove where it has CAP_SYS_PTRACE\n",
                (int)pid);
    else if (owner >= 0 && owner != (long)geteuid())
        fprintf(stderr,
                "grove: process %d belongs to user %ld, and this is user %ld: "
                "run grove as that user, or as root\n",
                (int)pid, owner, (long)geteuid());
    else if (scope > 0)
        fprintf(stderr,
                "grove: the kernel lets nobody but root read process %d "
                "(/proc/sys/kernel/yama/ptrace_scope is %ld): run grove as "
                "root, or write 0 there\n",
                (int)pid, scope);
    else
        fprintf(stderr,
                "grove: the kernel lets nobody but root read process %d, which "
                "may know secrets (prctl(2), PR_SET_DUMPABLE): run grove as "
                "root\n",
                (int)pid);
}

static void tell_error(pid_t pid, int error)
{
    if (error == EPERM || error == EACCES)
        tell_refusal(pid);
    else if (error == ESRCH || error == ENOENT)
        fprintf(stderr, "grove: there is no process %d\n", (int)pid);
    else
        fprintf(stderr, "grove: cannot read process %d: %s\n", (int)pid,
                strerror(error));
}

bool target_was_read(const struct target *t)
{
    if (t->memory.error == ESRCH)
        fprintf(stderr, "grove: process %d has ended\n", (int)t->memory.pid);
    else if (t->memory.error)
        tell_error(t->memory.pid, t->memory.error);
    return t->memory.error == 0;
}

/* ---- the tables ------------------------------------------------------------------ */

/* Reads the table that a note tells of, if it is of that version and size. 1;
 * 0: nobody has such a note; -1: it is another, which was told. */
static int read_table(struct target *t, unsigned type, void *table,
                      uint32_t version, uint32_t size)
{
    const struct module *module = modules_noted(&t->modules, type);
    struct layout_head head;
    if (!module)
        return 0;
    uint64_t at = module->notes[type];
    if (!memory_read(&t->memory, at, &head, sizeof(head)) ||
        head.magic != LAYOUT_MAGIC)
        return 0;
    head.release[sizeof(head.release) - 1] = '\0';
    if (head.version == version && head.size == size)
        return memory_read(&t->memory, at, table, size);
    fprintf(stderr,
            "grove: process %d has Grove %s (layout %u.%u of %u bytes), which "
            "this command, of %s (%u.%u of %u), cannot read: use that one's\n",
            (int)t->memory.pid, head.release, type, (unsigned)head.version,
            (unsigned)head.size, LAYOUT_RELEASE, type, (unsigned)version,
            (unsigned)size);
    return -1;
}

static uint64_t address(const void *there)
{
    return (uint64_t)(uintptr_t)there;
}

/* The small tables that the large one points to, and what is known once a
 * process: how far from a hub its marks and numbers are. */
static bool read_details(struct target *t)
{
    struct memory *m = &t->memory;
    if (!memory_read(m, address(t->layout.numbers), &t->numbers,
                     sizeof(t->numbers)) ||
        !memory_read(m, address(t->layout.mailbox), &t->mailbox,
                     sizeof(t->mailbox)))
        return false;
    t->mark_at = memory_word(m, address(t->layout.mark.offset));
    t->numbers_at = memory_word(m, address(t->numbers.offset));
    t->mailbox_at = memory_word(m, address(t->mailbox.offset));
    return true;
}

static void note_package(struct target *t)
{
    const struct module *module =
        modules_noted(&t->modules, LAYOUT_NOTE_GREENLET);
    t->package = strdup(module->path);
    if (t->package && strrchr(t->package, '/'))
        strrchr(t->package, '/')[1] = '\0';
}

/* 0; -1: there is a table of another release, which was told. */
static int read_python(struct target *t)
{
    int interp = read_table(t, LAYOUT_NOTE_INTERP, &t->interp,
                            INTERP_LAYOUT_VERSION, sizeof(t->interp));
    int greenlet =
        interp <= 0 ? interp
                    : read_table(t, LAYOUT_NOTE_GREENLET, &t->greenlet,
                                 GREENLET_LAYOUT_VERSION, sizeof(t->greenlet));
    t->has_python = greenlet > 0;
    if (t->has_python)
        note_package(t);
    return greenlet < 0 ? -1 : 0;
}

static int find_grove(struct target *t)
{
    int r = modules_read(&t->modules, &t->memory);
    if (r < 0) {
        tell_error(t->memory.pid, -r);
        return -1;
    }
    r = read_table(t, LAYOUT_NOTE_HUB, &t->layout, HUB_LAYOUT_VERSION,
                   sizeof(t->layout));
    if (r < 0 || !target_was_read(t))
        return -1;
    if (r == 0 || !read_details(t)) {
        fprintf(stderr, "grove: process %d does not use Grove\n",
                (int)t->memory.pid);
        return -1;
    }
    return read_python(t);
}

/* ---- open and close ---------------------------------------------------------------- */

int target_open(struct target *t, pid_t pid)
{
    *t = (struct target){.package = NULL};
    if (memory_open(&t->memory, pid) < 0) {
        fprintf(stderr, "grove: out of memory\n");
        return -1;
    }
    if (find_grove(t) < 0) {
        target_close(t);
        return -1;
    }
    return 0;
}

void target_close(struct target *t)
{
    modules_free(&t->modules);
    memory_close(&t->memory);
    free(t->package);
}
