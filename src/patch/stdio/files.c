/*
 * Holds of FILEs that last longer than a call, or end with the FILE; and
 * fflush of all of them.
 */
#include <stdio_ext.h>
#include <stdlib.h>

#include "patch/functions.h"
#include "patch/stdio/calls.h"
#include "patch/stdio/hold.h"
#include "patch/threads/lot.h"

/* ---- flockfile ----------------------------------------------------------------- */

/* A record that stays, or counts in the one that there is. */
static void settle(struct file_hold *h)
{
    if (h->counts == h)
        h->own_memory = true;
    else
        free(h);
}

/* Without memory for a record, only libc's lock. */
void held_flockfile(FILE *f)
{
    struct hub *hub = lot_hub();
    struct file_hold *h = hub ? malloc(sizeof(*h)) : NULL;
    if (h) {
        h->hub = hub;
        while (!file_hold_or_wait(h, f)) {
        }
        settle(h);
    }
    if (hub)
        file_lock_libcs(hub, f);
    else
        flockfile(f);
}

int held_ftrylockfile(FILE *f)
{
    struct hub *hub = lot_hub();
    struct file_hold *h = hub ? malloc(sizeof(*h)) : NULL;
    if (!h)
        return ftrylockfile(f);
    h->hub = hub;
    if (!file_hold_try(h, f)) {
        free(h);
        return EBUSY;
    }
    struct file_hold *counts = h->counts;
    settle(h);
    int r = ftrylockfile(f);
    if (r != 0)
        file_let_go_once(counts);
    return r;
}

void held_funlockfile(FILE *f)
{
    struct file_hold *counts = file_held(f);
    funlockfile(f);
    if (counts)
        file_let_go_once(counts);
}

/* ---- fflush ---------------------------------------------------------------------- */

/* libc's list of FILEs, and its lock, which is exported for who walks it. */
extern FILE *libcs_files __asm__("_IO_list_all");
void libcs_list_lock(void) __asm__("_IO_list_lock");
void libcs_list_unlock(void) __asm__("_IO_list_unlock");

static bool is_pending(const FILE *f)
{
    return __fpending((FILE *)f) > 0;
}

/* Those with something to write: how many, and of them the first `room`. */
static size_t list_pending(FILE **files, size_t room)
{
    size_t n = 0;
    libcs_list_lock();
    for (FILE *f = libcs_files; f; f = f->_chain) {
        if (!is_pending(f))
            continue;
        if (n < room)
            files[n] = f;
        n++;
    }
    libcs_list_unlock();
    return n;
}

static bool is_listed(const FILE *file)
{
    const FILE *f = libcs_files;
    while (f && f != file)
        f = f->_chain;
    return f != NULL;
}

/* Holds the file if it is open and has something to write, for who closes it
 * holds it first; h->hub tells. Whether another has it. */
static bool hold_pending(struct file_hold *h, struct hub *hub, FILE *f)
{
    h->hub = hub;
    libcs_list_lock();
    bool pending = is_listed(f) && is_pending(f);
    bool taken = pending && file_hold_try(h, f);
    libcs_list_unlock();
    if (!taken)
        h->hub = NULL;
    return pending && !taken;
}

static void await_other(struct hub *hub, FILE *f)
{
    struct file_hold h = {.hub = hub};
    if (file_hold_or_wait(&h, f))
        file_let_go_slow(&h);
}

static int flush_pending(struct hub *hub, FILE *f)
{
    struct file_hold h __attribute__((cleanup(file_let_go))) = {.hub = NULL};
    while (hold_pending(&h, hub, f))
        await_other(hub, f);
    return h.hub ? fflush(f) : 0;
}

static void free_files(FILE ***files)
{
    free(*files);
}

/* libc's own would have all others wait who open or close a file. */
static int flush_all(struct hub *hub)
{
    size_t room = list_pending(NULL, 0);
    FILE **files __attribute__((cleanup(free_files))) =
        malloc((room + 1) * sizeof(FILE *));
    if (!files)
        return EOF; /* ENOMEM */
    size_t n = list_pending(files, room);
    int r = 0;
    for (size_t i = 0; i < n && i < room; i++) {
        if (flush_pending(hub, files[i]) == EOF)
            r = EOF;
    }
    return r;
}

int held_fflush(FILE *f)
{
    struct hub *hub = f ? NULL : patch_hub();
    if (hub)
        return flush_all(hub);
    if (!f)
        return fflush(NULL);
    HOLD(f);
    return fflush(f);
}

/* ---- ends ------------------------------------------------------------------------- */

/* libc closes inside; what is to be written before that is, while waiting for
 * its descriptor is not yet over. Its error is told again by the close. */
static bool is_to_close(FILE *f)
{
    if (fileno(f) < 0 || patch_in_handler())
        return false;
    held_fflush(f);
    return true;
}

int held_fclose(FILE *f)
{
    HOLD(f);
    file_give_up_libcs(&hold_); /* the FILE, and it, are gone then */
    if (!is_to_close(f))
        return fclose(f);
    int fd = fileno(f);
    patch_listener_ends(fd);
    hub_closing(fd);
    int r = fclose(f), error = errno;
    hub_closed(fd);
    errno = error;
    return r;
}

/* Of the same number, as a rule; but it is another file. */
FILE *held_freopen(const char *path, const char *mode, FILE *f)
{
    HOLD(f);
    if (!is_to_close(f))
        return freopen(path, mode, f);
    int fd = fileno(f);
    patch_listener_ends(fd);
    hub_closing(fd);
    FILE *r = freopen(path, mode, f);
    int error = errno;
    hub_closed(fd);
    errno = error;
    return r;
}
