/*
 * The trace of the process: whether there is one is found out before the first
 * hub, and it is written at the end of the process, as the library's own last
 * act, or for who asks. Any thread. The hubs of other threads may go on
 * meanwhile.
 *
 * A process that ends by _exit or by a signal writes nothing, and leaves what
 * is there of an earlier one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fiber/log.h"
#include "grove.h"
#include "trace/chrome.h"
#include "trace/file.h"
#include "trace/format.h"
#include "trace/perfetto.h"
#include "trace/rings.h"
#include "trace/settings.h"
#include "trace/slices.h"
#include "trace/trace.h"

void trace_once(void)
{
    trace_settings_read();
    if (trace_path())
        trace_clock_begin();
}

/* ---- writing -------------------------------------------------------------------- */

static void write_ring(const struct trace_ring *ring, void *arg)
{
    struct trace_output *to = arg;
    struct trace_copy copy;
    int r = trace_copy_make(&copy, ring);
    if (r < 0) {
        to->error = r;
        return;
    }
    trace_slices_write(to, &copy);
    trace_copy_free(&copy);
}

/* 0 or -errno. */
static int write_all(FILE *file, const char *path)
{
    union {
        struct trace_output output; /* with which each begins */
        struct trace_chrome chrome;
        struct trace_perfetto perfetto;
    } to;
    if (trace_format_is_perfetto(path))
        trace_perfetto_begin(&to.perfetto, file);
    else
        trace_chrome_begin(&to.chrome, file);
    trace_rings_each(write_ring, &to.output);
    to.output.format->end(&to.output);
    return to.output.error;
}

int grove_trace_write(const char *path)
{
    struct trace_file file;
    const char *own = trace_path();
    if (!own)
        return -ENODATA;
    if (!path)
        path = own;
    int r = trace_file_begin(&file, path);
    return r < 0 ? r : trace_file_end(&file, write_all(file.stream, path));
}

__attribute__((destructor)) static void write_at_end(void)
{
    const char *path = trace_path();
    int r = path ? grove_trace_write(NULL) : 0;
    if (r < 0)
        log_tell(GROVE_LOG_WARNING, "no trace: cannot write \"%s\": %s", path,
                 strerror(-r));
}
