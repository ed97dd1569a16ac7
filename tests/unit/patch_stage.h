/*
 * Little programs that call libc, run twice: on the thread, and, with their
 * calls patched, in a fiber. What they say must be the same, word for word.
 *
 * Where a call is to wait, a peer (a native thread) acts on it only once the
 * thread sleeps, and, if the call is patched, once the hub has answered: it
 * runs others meanwhile.
 *
 *     static void recv_waits(struct stage *s)
 *     {
 *         ...
 *         later(s, write_one, &fd);
 *         say(s, recv(fd, buf, 1, 0));
 *     }
 */
#ifndef TESTS_UNIT_PATCH_STAGE_H
#define TESTS_UNIT_PATCH_STAGE_H

#include "socket_pairs.h"

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define SAYINGS 128

/* Of grove_patch, where programs are patched. */
static unsigned stage_flags;

struct stage;

struct action {
    struct stage *stage;
    void (*fn)(void *arg);
    void *arg;
    pthread_t thread;
};

struct stage {
    bool patched;
    pid_t thread;   /* that the program runs on */
    grove_hub *hub; /* its hub; NULL: plain */
    bool held_up;   /* the hub did not answer */
    int sayings;    /* how many there are */
    long said[SAYINGS];
    bool acting; /* the peer is at it */
    struct action action;
};

/* A program, and the symbols that it is about, with spaces between them. */
struct program {
    const char *symbols;
    void (*run)(struct stage *s);
};
#define PROGRAM(symbols, run) \
    { \
        symbols, run \
    }

/* ---- what programs call --------------------------------------------------- */

/* A result, and errno if it is a failure's. */
#define say(s, value) stage_say((s), (errno = 0, (long)(value)))

HELPER void stage_say(struct stage *s, long value)
{
    long error = value == -1 ? errno : 0;
    assert_true(s->sayings + 2 <= SAYINGS);
    s->said[s->sayings++] = value;
    s->said[s->sayings++] = error;
}

HELPER bool stage_sleeps(pid_t thread)
{
    char path[64], text[256];
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
    FILE *f = fopen(path, "r");
    bool sleeps = f && fgets(text, sizeof(text), f) &&
                  strncmp(strrchr(text, ')'), ") S", 3) == 0;
    if (f)
        fclose(f);
    return sleeps;
}

struct stage_question {
    grove_post post;
    sem_t answered;
};

HELPER void stage_answer(grove_post *post)
{
    sem_post(&((struct stage_question *)post)->answered);
}

HELPER bool stage_hub_answers(grove_hub *hub)
{
    /* One that never answers may do so later than this returns. */
    struct stage_question *q = calloc(1, sizeof(*q));
    struct timespec until;
    sem_init(&q->answered, 0, 0);
    q->post.fn = stage_answer;
    grove_hub_post(hub, &q->post);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HANG / GROVE_SECOND / 2;
    if (sem_timedwait(&q->answered, &until) < 0)
        return false;
    free(q);
    return true;
}

HELPER void *stage_act(void *arg)
{
    struct action *a = arg;
    struct stage *s = a->stage;
    while (!stage_sleeps(s->thread))
        nanosleep(&(struct timespec){0, 200000}, NULL);
    if (s->hub && !stage_hub_answers(s->hub))
        s->held_up = true;
    a->fn(a->arg);
    return NULL;
}

/* The peer has done what it was asked for. */
HELPER void await_peer(struct stage *s)
{
    if (s->acting)
        pthread_join(s->action.thread, NULL);
    s->acting = false;
}

/* The peer calls fn(arg) once the program waits: in a call that parks, if it is
 * patched. One at a time. */
HELPER void later(struct stage *s, void (*fn)(void *arg), void *arg)
{
    await_peer(s);
    struct action *a = &s->action;
    s->acting = true;
    *a = (struct action){.stage = s, .fn = fn, .arg = arg};
    assert_int_equal(pthread_create(&a->thread, NULL, stage_act, a), 0);
}

/* ---- running --------------------------------------------------------------- */

/* What stdio's tables hold; all others are called by the program. */
HELPER bool stage_is_in_tables(const char *symbol)
{
    return strncmp(symbol, "_IO_file_", strlen("_IO_file_")) == 0;
}

/* A libc that does not have a symbol has no slot for it. */
HELPER void stage_check_patched(const char *symbols)
{
    static char text[65536];
    int fd = memfd_create("report", 0);
    assert_int_equal(grove_patch_report(fd), 0);
    ssize_t n = pread(fd, text + 1, sizeof(text) - 2, 0);
    close(fd);
    assert_true(n > 0);
    text[0] = '\n';
    text[n + 1] = '\0';
    char copy[512], line[128], *rest;
    snprintf(copy, sizeof(copy), "%s", symbols);
    for (char *word = strtok_r(copy, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        snprintf(line, sizeof(line), "\n%s: %s\n",
                 stage_is_in_tables(word) ? "libc.so.6" : "(program)", word);
        check(strstr(text, line) || !dlsym(RTLD_DEFAULT, word),
              "no slot of %s is patched", word);
    }
}

struct stage_run {
    struct stage *stage;
    const struct program *program;
};

HELPER void *stage_run_in_fiber(void *arg)
{
    struct stage_run *r = arg;
    r->program->run(r->stage);
    await_peer(r->stage);
    return NULL;
}

HELPER void stage_run_plain(struct stage *s, const struct program *p)
{
    *s = (struct stage){.thread = (pid_t)syscall(SYS_gettid)};
    p->run(s);
    await_peer(s);
}

HELPER void stage_run_patched(struct stage *s, const struct program *p)
{
    struct stage_run r = {s, p};
    grove_fiber *f;
    *s = (struct stage){.patched = true,
                        .thread = (pid_t)syscall(SYS_gettid),
                        .hub = grove_hub_self()};
    assert_true(grove_patch("", NULL, stage_flags) > 0);
    stage_check_patched(p->symbols);
    assert_int_equal(grove_spawn(&f, stage_run_in_fiber, &r), 0);
    check(grove_join_until(f, NULL, grove_now() + HANG) == 0,
          "%s: hangs after %d sayings", p->symbols, s->sayings / 2);
    grove_release(f);
    assert_true(grove_unpatch_all() > 0);
    check(!s->held_up, "%s held up the hub", p->symbols);
}

HELPER void stage_compare(const struct program *p, const struct stage *plain,
                          const struct stage *patched)
{
    check(plain->sayings == patched->sayings, "%s: %d sayings, %d when patched",
          p->symbols, plain->sayings / 2, patched->sayings / 2);
    for (int i = 0; i < plain->sayings; i += 2) {
        const long *a = &plain->said[i], *b = &patched->said[i];
        check(a[0] == b[0] && a[1] == b[1],
              "%s, saying %d: %ld (%s), %ld (%s) when patched", p->symbols,
              i / 2 + 1, a[0], strerror((int)a[1]), b[0], strerror((int)b[1]));
    }
}

HELPER void stage_perform(const struct program *programs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct stage plain, patched;
        stage_run_plain(&plain, &programs[i]);
        stage_run_patched(&patched, &programs[i]);
        stage_compare(&programs[i], &plain, &patched);
    }
}

#endif
