/*
 * Waiting for requests that threads of libc's own see to: of files, and of
 * names. libc waits for them inside, so that a worker does it here.
 */
#include <aio.h>
#include <netdb.h>

#include "patch/call.h"
#include "patch/functions.h"

/* A wait; on the stack of who waits, and not given up. */
struct request_wait {
    int (*wait)(struct request_wait *w);
    void *list;                     /* of requests */
    int count;                      /* of them */
    const struct timespec *timeout; /* NULL: none */
    struct sigevent *event;         /* lio_listio's */
    int result, error;
};

static void *run(void *arg)
{
    struct request_wait *w = arg;
    w->result = w->wait(w);
    w->error = errno;
    return NULL;
}

static int on_worker(struct request_wait *w, int refused)
{
    int r = grove_offload(run, w, NULL);
    errno = r < 0 ? -r : w->error;
    return r < 0 ? refused : w->result;
}

static int wait_for_files(struct request_wait *w)
{
    return aio_suspend(w->list, w->count, w->timeout);
}

int patch_aio_suspend(const struct aiocb *const list[], int count,
                      const struct timespec *timeout)
{
    struct request_wait w = {.wait = wait_for_files,
                             .list = (void *)list,
                             .count = count,
                             .timeout = timeout};
    PATCHED(int, PATCH_INTERRUPTED, aio_suspend(list, count, timeout),
            on_worker(&w, -1));
}

static int do_files(struct request_wait *w)
{
    return lio_listio(LIO_WAIT, w->list, w->count, w->event);
}

int patch_lio_listio(int mode, struct aiocb *const list[], int count,
                     struct sigevent *event)
{
    struct request_wait w = {
        .wait = do_files, .list = (void *)list, .count = count, .event = event};
    if (mode != LIO_WAIT)
        return lio_listio(mode, list, count, event);
    PATCHED(int, PATCH_INTERRUPTED, lio_listio(mode, list, count, event),
            on_worker(&w, -1));
}

static int wait_for_names(struct request_wait *w)
{
    return gai_suspend(w->list, w->count, w->timeout);
}

/* Its results are errors of their own: negative, too. */
int patch_gai_suspend(const struct gaicb *const list[], int count,
                      const struct timespec *timeout)
{
    struct request_wait w = {.wait = wait_for_names,
                             .list = (void *)list,
                             .count = count,
                             .timeout = timeout};
    struct hub *hub = patch_hub();
    if (likely(!hub))
        return gai_suspend(list, count, timeout);
    struct patch_call call;
    patch_call_begin(&call, hub, PATCH_INTERRUPTED);
    int r = on_worker(&w, EAI_AGAIN);
    patch_call_end(&call, true);
    return r;
}
