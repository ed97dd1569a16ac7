/*
 * From when on a stall is one, and who is told: as GROVE_STALLS in the
 * environment has it, or as was set since. The limit is looked at by every hub
 * and stands apart; the rest is under a lock. Any thread.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fiber/log.h"
#include "hub/stall.h"

#define LIMIT (100 * GROVE_MILLISECOND)

/* Milliseconds that the environment may ask for. */
#define MOST 3600000

_Atomic int64_t hub_stall_limit = LIMIT;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static grove_stalls current; /* under the lock; its limit is not used */
static bool said;            /* the environment says whether to watch */
static pthread_once_t once = PTHREAD_ONCE_INIT; /* it was read */

void hub_stall_settings_lock(void)
{
    pthread_mutex_lock(&lock);
}

void hub_stall_settings_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

static void set_limit(int64_t ns)
{
    atomic_store(&hub_stall_limit, ns > 0 ? ns : STALL_NEVER);
}

grove_stalls hub_stall_settings(void)
{
    hub_stall_read_environment();
    hub_stall_settings_lock();
    grove_stalls settings = current;
    hub_stall_settings_unlock();
    int64_t limit = atomic_load(&hub_stall_limit);
    settings.size = sizeof(settings);
    settings.limit = limit == STALL_NEVER ? 0 : limit;
    return settings;
}

void hub_stall_set(const grove_stalls *settings)
{
    hub_stall_read_environment();
    hub_stall_settings_lock();
    current = *settings;
    hub_stall_settings_unlock();
    set_limit(settings->limit);
}

void hub_stall_prefer_watch(void)
{
    hub_stall_read_environment();
    hub_stall_settings_lock();
    current.watch |= !said;
    hub_stall_settings_unlock();
}

/* "100", "100,watch", "100,late", "watch" or "late". */
static bool take(const char *text)
{
    char *end = (char *)(uintptr_t)text;
    long ms = LIMIT / GROVE_MILLISECOND;
    if (isdigit((unsigned char)*text)) {
        ms = strtol(text, &end, 10);
        if (*end == ',')
            end++;
        else if (*end)
            return false;
    }
    bool watch = strcmp(end, "watch") == 0;
    if (ms > MOST || (*end && !watch && strcmp(end, "late") != 0))
        return false;
    current.watch = watch;
    said = *end;
    set_limit(ms * GROVE_MILLISECOND);
    return true;
}

/* Where the machine is not itself, nothing is a stall that is not asked for. */
static bool is_slow(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return annotate_watched();
#endif
}

static void read_environment(void)
{
    const char *text = getenv("GROVE_STALLS");
    if (is_slow())
        set_limit(0);
    if (!text || !*text || take(text))
        return;
    log_tell(GROVE_LOG_WARNING,
             "GROVE_STALLS is \"%s\"; expected milliseconds from 0 to %d, "
             "\"watch\" or \"late\", or both with a comma between them; "
             "using %d",
             text, MOST, (int)(LIMIT / GROVE_MILLISECOND));
}

void hub_stall_read_environment(void)
{
    pthread_once(&once, read_environment);
}
