/*
 * The stack of a thread that waits in the kernel, which is not disturbed: what
 * lies on it is looked through for words that look like return addresses, as
 * Linux's own dumps once did. The first frame is certain, the others may be
 * left over from calls that have returned.
 *
 * A return address is one in code of a loaded object, behind a call. Code that
 * was made at run time is not found. Other processors than x86-64: the first
 * frame alone. All is read by a system call, which tells what is not there.
 */
#include <link.h>
#include <sys/uio.h>
#include <unistd.h>

#include "frames/call.h"
#include "frames/frames.h"

/* How much of a stack is looked through. */
#define STACK_MOST ((uintptr_t)128 << 10)

/* Pieces of code that are known, of as many objects. */
#define PIECES 256

struct code {
    size_t count;
    struct {
        uintptr_t begin, end;
    } piece[PIECES];
};

static int add_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct code *code = arg;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum && code->count < PIECES; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X))
            continue;
        uintptr_t begin = info->dlpi_addr + header->p_vaddr;
        code->piece[code->count].begin = begin;
        code->piece[code->count++].end = begin + header->p_memsz;
    }
    return 0;
}

#if defined(__x86_64__)

#define PAGE ((uintptr_t)4096)
#define PAGES (STACK_MOST / PAGE)

static bool is_in(const struct code *code, uintptr_t address)
{
    for (size_t i = 0; i < code->count; i++) {
        if (address >= code->piece[i].begin + CALL_MOST &&
            address < code->piece[i].end)
            return true;
    }
    return false;
}

/* Memory that may not be there, or not any more: how much of it is. */
static size_t read_memory(void *to, uintptr_t from, size_t size)
{
    struct iovec local = {to, size}, remote[PAGES + 1];
    size_t n = 0;
    for (uintptr_t at = from; at < from + size && n < PAGES + 1; n++) {
        uintptr_t next = (at & ~(PAGE - 1)) + PAGE;
        uintptr_t end = next < from + size ? next : from + size;
        remote[n] = (struct iovec){(void *)at, end - at};
        at = end;
    }
    ssize_t got = process_vm_readv(getpid(), &local, 1, remote, n, 0);
    return got > 0 ? (size_t)got : 0;
}

static bool follows_call(uintptr_t address)
{
    unsigned char call[CALL_MOST];
    return read_memory(call, address - CALL_MOST, CALL_MOST) == CALL_MOST &&
           ends_in_call(call + CALL_MOST);
}

static void look_through(const struct code *code, uintptr_t sp, uintptr_t top,
                         struct frames *frames)
{
    static uintptr_t words[STACK_MOST / sizeof(uintptr_t)];
    uintptr_t begin = sp & ~(uintptr_t)7;
    size_t size =
        top > begin && top - begin < STACK_MOST ? top - begin : STACK_MOST;
    size_t n = read_memory(words, begin, size) / sizeof(words[0]);
    for (size_t i = 0; i < n && frames->count < FRAMES_MOST; i++) {
        if (is_in(code, words[i]) && follows_call(words[i]))
            frames->at[frames->count++] = (void *)words[i];
    }
}

#else

static void look_through(const struct code *code, uintptr_t sp, uintptr_t top,
                         struct frames *frames)
{
    (void)code;
    (void)sp;
    (void)top;
    (void)frames;
}

#endif

void frames_scan(const struct frames_wait *wait, uintptr_t top,
                 struct frames *frames)
{
    struct code code = {.count = 0};
    frames->at[0] = (void *)wait->pc;
    frames->count = 1;
    frames->guessed = true;
    dl_iterate_phdr(add_object, &code);
    look_through(&code, wait->sp, top, frames);
}
