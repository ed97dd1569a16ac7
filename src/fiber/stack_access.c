/*
 * Whether stacks are executable: as the threads' are, if the program or one of
 * the libraries that it began with asks for it, for code on its stack (gcc's
 * nested functions, mostly). Any thread.
 */
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>

#include "fiber/stack.h"

static int access_ = PROT_READ | PROT_WRITE;

static int ask(struct dl_phdr_info *info, size_t size, void *arg)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_GNU_STACK &&
            (info->dlpi_phdr[i].p_flags & PF_X)) {
            access_ |= PROT_EXEC;
            return 1;
        }
    }
    return 0;
}

static void ask_all(void)
{
    dl_iterate_phdr(ask, NULL);
}

int stack_access(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask_all);
    return access_;
}
