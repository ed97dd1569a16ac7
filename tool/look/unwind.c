/*
 * Unwinding a parked fiber from the three registers that its context keeps: the
 * compiler has saved the others, and the unwind tables of the function that
 * switched say where. libdw does it, on the memory as it is read here.
 */
#include "look/unwind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "look/scan.h"

#if GROVE_LIBDW

#include <elfutils/libdwfl.h>

#define FRAMES_MOST 4096

/* A stack that is unwound. */
struct unwinding {
    struct target *t;
    const struct look_fiber *f;
    void (*fn)(const struct native_frame *frame, void *arg);
    void *arg;
    Dwfl *dwfl;
    size_t frames; /* that were told */
};

/* ---- what libdw asks ------------------------------------------------------------- */

/* There is one thread: the fiber. */
static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
    struct unwinding *u = arg;
    if (*thread_arg)
        return 0;
    *thread_arg = arg;
    return u->t->memory.pid;
}

static bool read_word(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result,
                      void *arg)
{
    struct unwinding *u = arg;
    uint64_t word;
    if (!memory_read(&u->t->memory, address, &word, sizeof(word)))
        return false;
    *result = word;
    return true;
}

/* The registers by their numbers in DWARF. */
static bool set_registers(Dwfl_Thread *thread, void *arg)
{
    struct unwinding *u = arg;
    Dwarf_Word sp = u->f->sp, bp = u->f->bp, ip = u->f->ip;
    dwfl_thread_state_register_pc(thread, ip);
#if defined(__aarch64__)
    return dwfl_thread_state_registers(thread, 31, 1, &sp) &&
           dwfl_thread_state_registers(thread, 29, 1, &bp);
#else
    return dwfl_thread_state_registers(thread, 7, 1, &sp) &&
           dwfl_thread_state_registers(thread, 6, 1, &bp) &&
           dwfl_thread_state_registers(thread, 16, 1, &ip);
#endif
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
    .next_thread = next_thread,
    .memory_read = read_word,
    .set_initial_registers = set_registers,
};

/* ---- frames ------------------------------------------------------------------------- */

/* What debug information tells of a frame: of the call, where it is in one, for
 * behind a call that never returns another function may begin. */
static void describe(Dwfl_Module *module, struct native_frame *frame)
{
    GElf_Sym symbol;
    Dwarf_Addr at = frame->ip - frame->calls;
    frame->function = dwfl_module_addrinfo(module, at, &frame->offset, &symbol,
                                           NULL, NULL, NULL);
    frame->offset += frame->calls;
    Dwfl_Line *line = dwfl_module_getsrc(module, at);
    if (line)
        frame->file = dwfl_lineinfo(line, NULL, &frame->line, NULL, NULL, NULL);
}

static int take_frame(Dwfl_Frame *state, void *arg)
{
    struct unwinding *u = arg;
    struct native_frame frame = {.file = NULL};
    Dwarf_Addr pc;
    bool innermost;
    if (!dwfl_frame_pc(state, &pc, &innermost) || pc == 0 ||
        u->frames == FRAMES_MOST)
        return DWARF_CB_ABORT;
    frame.ip = pc;
    frame.calls = !innermost;
    Dwfl_Module *module = dwfl_addrmodule(u->dwfl, pc);
    if (module)
        describe(module, &frame);
    u->frames++;
    u->fn(&frame, u->arg);
    return DWARF_CB_OK;
}

/* Nobody is to wait for a server of debug information. */
static int find_debuginfo(Dwfl_Module *module, void **user, const char *name,
                          Dwarf_Addr base, const char *file, const char *link,
                          GElf_Word crc, char **found)
{
    unsetenv("DEBUGINFOD_URLS");
    return dwfl_standard_find_debuginfo(module, user, name, base, file, link,
                                        crc, found);
}

static int find_elf(Dwfl_Module *module, void **user, const char *name,
                    Dwarf_Addr base, char **file, Elf **elf)
{
    return -1; /* all were given */
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = find_elf,
    .find_debuginfo = find_debuginfo,
};

static void report_modules(Dwfl *dwfl, const struct symbols *s)
{
    dwfl_report_begin(dwfl);
    for (size_t i = 0; i < s->modules->count; i++) {
        const struct module *module = &s->modules->list[i];
        int fd = symbols_open_file(s->pid, module);
        if (fd >= 0 && !dwfl_report_elf(dwfl, module->path, module->path, fd,
                                        module->bias, true))
            close(fd);
    }
    dwfl_report_end(dwfl, NULL, NULL);
}

/* How many frames were told. */
static size_t unwind_by_tables(struct unwinding *u, const struct symbols *s)
{
    u->dwfl = dwfl_begin(&callbacks);
    if (!u->dwfl)
        return 0;
    report_modules(u->dwfl, s);
    if (dwfl_attach_state(u->dwfl, NULL, s->pid, &thread_callbacks, u))
        dwfl_getthread_frames(u->dwfl, s->pid, take_frame, u);
    dwfl_end(u->dwfl);
    return u->frames;
}

void unwind(struct target *t, struct symbols *s, const struct look_fiber *f,
            void (*fn)(const struct native_frame *frame, void *arg), void *arg)
{
    struct unwinding u = {.t = t, .f = f, .fn = fn, .arg = arg};
    if (unwind_by_tables(&u, s) == 0)
        scan(t, s, f, fn, arg);
}

#else

void unwind(struct target *t, struct symbols *s, const struct look_fiber *f,
            void (*fn)(const struct native_frame *frame, void *arg), void *arg)
{
    scan(t, s, f, fn, arg);
}

#endif
