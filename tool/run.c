/*
 * `grove run`: looks whether the program is one whose calls can be reached, and
 * starts it with a library in front that patches them (preload.c).
 *
 *     program --> found in PATH --> script? its interpreter, likewise
 *                                   ELF: this architecture, dynamic, glibc's
 *                                   loader, no rights beyond the caller's
 *             --> execv, with LD_PRELOAD and GROVE_RUN in its environment
 */
#include "run.h"

#include <ctype.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grove.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fiber/stack.h"
#include "look/options.h"

/* What --cores takes at most. */
#define HUBS_MOST 256

/* Scripts whose interpreter is a script. */
#define SCRIPTS 4

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#define LOADER "ld-linux-x86-64.so"
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#define LOADER "ld-linux-aarch64.so"
#else
#define MACHINE EM_NONE
#define LOADER "no loader"
#endif

/* ---- what can be run --------------------------------------------------------- */

/* A file's beginning. */
struct head {
    union {
        Elf64_Ehdr elf;
        char text[4096];
    };
    size_t size; /* of what was read */
};

static bool read_head(struct head *h, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, h->text, sizeof(h->text) - 1);
    close(fd);
    h->size = n > 0 ? (size_t)n : 0;
    h->text[h->size] = '\0';
    return n >= 0;
}

static bool is_elf(const struct head *h)
{
    return h->size >= sizeof(h->elf) &&
           memcmp(h->elf.e_ident, ELFMAG, SELFMAG) == 0;
}

/* The path of its loader; NULL: it has none, or not where it can be seen. */
static const char *loader_of(const struct head *h)
{
    for (size_t i = 0; i < h->elf.e_phnum; i++) {
        size_t at = h->elf.e_phoff + i * sizeof(Elf64_Phdr);
        if (at + sizeof(Elf64_Phdr) > h->size)
            break;
        const Elf64_Phdr *p = (const void *)(h->text + at);
        if (p->p_type == PT_INTERP && p->p_offset + p->p_filesz < h->size)
            return h->text + p->p_offset;
    }
    return NULL;
}

static const char *wrong_with_elf(const struct head *h)
{
    if (h->elf.e_ident[EI_CLASS] != ELFCLASS64 || h->elf.e_machine != MACHINE)
        return "it is of another architecture";
    const char *loader = loader_of(h);
    if (!loader)
        return "it is linked statically, and its calls cannot be reached";
    if (!strstr(loader, LOADER))
        return "its C library is not glibc";
    return NULL;
}

/* The loader heeds no LD_PRELOAD for programs that have more rights than who
 * runs them. */
static bool has_rights(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return false;
    return ((st.st_mode & S_ISUID) && st.st_uid != getuid()) ||
           ((st.st_mode & S_ISGID) && st.st_gid != getgid()) ||
           (getuid() != 0 &&
            getxattr(path, "security.capability", NULL, 0) > 0);
}

/* The interpreter of a script, in its head; NULL: it is none. */
static const char *interpreter(struct head *h)
{
    if (strncmp(h->text, "#!", 2) != 0)
        return NULL;
    char *name = h->text + 2 + strspn(h->text + 2, " \t");
    name[strcspn(name, " \t\n")] = '\0';
    return *name ? name : NULL;
}

/* Why it cannot be run; NULL: it can. */
static const char *wrong_with(const char *path, int scripts)
{
    struct head h;
    if (has_rights(path))
        return "it runs with rights of its own (setuid)";
    if (!read_head(&h, path))
        return NULL; /* it may be run without being read */
    if (is_elf(&h))
        return wrong_with_elf(&h);
    const char *by = interpreter(&h);
    return by && scripts > 0 ? wrong_with(by, scripts - 1) : NULL;
}

/* ---- finding -------------------------------------------------------------------- */

/* 0, or the errno value that says why it cannot be run. */
static int wrong_with_file(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    if (!S_ISREG(st.st_mode))
        return EACCES;
    return access(path, X_OK) == 0 ? 0 : errno;
}

/* As execvp does. 0, or the errno value that says why there is none. */
static int find_program(char path[PATH_MAX], const char *name)
{
    const char *at = getenv("PATH");
    int error = ENOENT;
    if (strchr(name, '/')) {
        snprintf(path, PATH_MAX, "%s", name);
        return wrong_with_file(path);
    }
    for (at = at ? at : "/bin:/usr/bin"; at; at = strchr(at, ':')) {
        at += *at == ':';
        int n = (int)strcspn(at, ":");
        snprintf(path, PATH_MAX, "%.*s/%s", n ? n : 1, n ? at : ".", name);
        int wrong = wrong_with_file(path);
        if (wrong == 0)
            return 0;
        if (wrong == EACCES)
            error = wrong;
    }
    return error;
}

/* In the folder of `file`, below `below`. */
static bool is_beside(char path[PATH_MAX], const char *file, const char *below)
{
    const char *slash = strrchr(file, '/');
    snprintf(path, PATH_MAX, "%.*s/%s%s", slash ? (int)(slash - file) : 1,
             slash ? file : ".", below, RUN_LIBRARY);
    return access(path, R_OK) == 0;
}

/* Beside the command where that was built, else beside the library. */
static bool find_library(char path[PATH_MAX])
{
    char self[PATH_MAX] = "";
    Dl_info info;
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0 &&
        is_beside(path, self, ""))
        return true;
    return dladdr((void *)(uintptr_t)grove_version, &info) &&
           is_beside(path, info.dli_fname, "grove/");
}

/* ---- starting --------------------------------------------------------------------- */

static int cannot(const char *program, const char *why, int status)
{
    fprintf(stderr, "grove: cannot run %s: %s\n", program, why);
    return status;
}

/* Of a script the system does not say whether it is its interpreter that is not
 * there. */
static int cannot_begin(const char *program, const char *path, int error)
{
    char why[PATH_MAX];
    struct head h;
    const char *by = read_head(&h, path) ? interpreter(&h) : NULL;
    if (!by || access(by, X_OK) == 0)
        return cannot(program, strerror(error), CANNOT_RUN);
    snprintf(why, sizeof(why), "its interpreter %s: %s", by, strerror(error));
    return cannot(program, why, CANNOT_RUN);
}

/* What was asked for. */
struct wishes {
    char letters[8];
    unsigned hubs; /* 0: not said */
    size_t stack;  /* bytes; 0: not said */
};

static void set_environment(const char *library, const struct wishes *w)
{
    char preload[2 * PATH_MAX], text[64];
    const char *others = getenv("LD_PRELOAD");
    snprintf(preload, sizeof(preload), "%s%s%s", library,
             others && *others ? ":" : "", others ? others : "");
    snprintf(text, sizeof(text), "%s:%u:%zu", w->letters, w->hubs, w->stack);
    setenv("LD_PRELOAD", preload, 1);
    setenv(RUN_VARIABLE, text, 1);
}

static int start(char **argv, const struct wishes *w)
{
    char path[PATH_MAX], library[PATH_MAX];
    int error = find_program(path, argv[0]);
    if (error)
        return cannot(argv[0], strerror(error),
                      error == ENOENT ? NOT_FOUND : CANNOT_RUN);
    const char *wrong = wrong_with(path, SCRIPTS);
    if (wrong)
        return cannot(argv[0], wrong, CANNOT_RUN);
    if (!find_library(library))
        return cannot(argv[0], "there is no " RUN_LIBRARY, CANNOT_RUN);
    if (strchr(w->letters, RUN_THREADS) && grove_own_tls_refused())
        return cannot(argv[0], grove_own_tls_refused(), CANNOT_RUN);
    set_environment(library, w);
    execv(path, argv);
    return cannot_begin(argv[0], path, errno);
}

/* ---- options ----------------------------------------------------------------------- */

static const char usage[] =
    "usage: grove run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
    "\n"
    "Runs the program with its blocking calls of libc patched: made in a "
    "fiber,\n"
    "they park the fiber instead of the thread. The exit status is the\n"
    "program's; 126 and 127, when it cannot be run or is not there.\n"
    "\n"
    "  --threads     its threads are fibers\n"
    "  --cores N     the same, dealt over N threads of the system; as many as\n"
    "                there are processors, and 1 for CPython\n"
    "  --stack SIZE  the same, with stacks of so many bytes, K or M, where "
    "the\n"
    "                program says nothing; as the system has them, but at most "
    "2M\n"
    "  --syscalls    system calls that it makes without libc are patched, too\n"
    "  --stats       tell at the end, on standard error, what fibers waited "
    "for\n"
    "  --report      tell at the beginning what was patched\n"
    "  --children    run the programs so, too, that the program starts\n";

static bool takes_cores(struct wishes *w, const char *text)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    w->hubs = (unsigned)n;
    return isdigit((unsigned char)*text) && !*end && !errno && n >= 1 &&
           n <= HUBS_MOST;
}

static bool takes_stack(struct wishes *w, const char *text)
{
    w->stack = stack_size_parse(text);
    return w->stack >= 2 * GROVE_STACK_MIN;
}

static const struct run_option {
    const char *name;
    char letter;
    bool (*take)(struct wishes *w, const char *text); /* NULL: no value */
    const char *expected;                             /* of a value */
} options[] = {
    {"--threads", RUN_THREADS, NULL, NULL},
    {"--cores", RUN_THREADS, takes_cores, "1 to 256"},
    {"--stack", RUN_THREADS, takes_stack, "32K to 1G, as 256K"},
    {"--syscalls", RUN_SYSCALLS, NULL, NULL},
    {"--stats", RUN_STATS, NULL, NULL},
    {"--report", RUN_REPORT, NULL, NULL},
    {"--children", RUN_CHILDREN, NULL, NULL},
};

/* The option of that name, or of that name with a value behind "="; NULL: there
 * is none. */
static const struct run_option *option_of(const char *text)
{
    size_t n = strcspn(text, "=");
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const struct run_option *o = &options[i];
        if (strncmp(o->name, text, n) == 0 && !o->name[n] &&
            (o->take || !text[n]))
            return o;
    }
    return NULL;
}

/* How many arguments it takes; -1: it makes no sense, which has been told. */
static int take_option(struct wishes *w, char **argv)
{
    const struct run_option *o = option_of(argv[0]);
    const char *value = strchr(argv[0], '=');
    if (!o) {
        options_refuse("run", "no option", argv[0], NULL);
        return -1;
    }
    if (!strchr(w->letters, o->letter))
        w->letters[strlen(w->letters)] = o->letter;
    if (!o->take)
        return 1;
    int taken = value ? 1 : 2;
    value = value ? value + 1 : argv[1];
    if (value && o->take(w, value))
        return taken;
    options_refuse("run", o->name, value ? value : "", o->expected);
    return -1;
}

int run_program(int argc, char **argv)
{
    struct wishes w = {.letters = {RUN_PATCH}};
    int i = 1;
    while (i < argc && argv[i][0] == '-') {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            return fputs(usage, stdout) < 0;
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        int taken = take_option(&w, argv + i);
        if (taken < 0)
            return BAD_USE;
        i += taken;
    }
    return i < argc ? start(argv + i, &w) : options_missing("run", "PROGRAM");
}
