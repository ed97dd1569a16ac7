/* What is sent to a process and to its threads, some of which block it. Says
 * who took it, and what became of the calls that waited. Knows nothing of
 * fibers. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic int handled;

static void handler(int n)
{
    (void)n;
    handled++;
}

static void handle(int n)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(n, &action, NULL);
    handled = 0;
}

static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void block_none(void)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static void alarm_soon(void)
{
    static const struct itimerval soon = {.it_value = {0, 50000}};
    setitimer(ITIMER_REAL, &soon, NULL);
}

/* In a process of its own: what ends it. */
static void in_child(const char *what, void (*fn)(void))
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        fn();
        fflush(stdout);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0) {
    }
    printf("%s: signal %d, status %d\n", what, WTERMSIG(status),
           WEXITSTATUS(status));
}

/* ---- for the process ------------------------------------------------------------ */

static void *open_to_all(void *arg)
{
    block_none();
    alarm_soon();
    int r = pause();
    printf("pause: %d, %s\n", r, errno == EINTR ? "EINTR" : "another");
    return arg;
}

/* Nobody but a thread that waits would take it. */
static void one_is_open(void)
{
    pthread_t id;
    block_all();
    pthread_create(&id, NULL, open_to_all, NULL);
    pthread_join(id, NULL);
}

static void one_is_open_and_handles(void)
{
    handle(SIGALRM);
    one_is_open();
    printf("handled: %d\n", handled);
}

/* ---- after a fork ------------------------------------------------------------------ */

static void wait_for_alarm(void)
{
    alarm_soon();
    pause();
}

static void *fork_here(void *arg)
{
    in_child("a thread's child", wait_for_alarm);
    return arg;
}

/* ---- all of it ---------------------------------------------------------------------- */

int main(void)
{
    pthread_t id;
    in_child("one is open", one_is_open);
    in_child("one handles", one_is_open_and_handles);
    for (int i = 0; i < 2; i++) { /* wherever they run */
        pthread_create(&id, NULL, fork_here, NULL);
        pthread_join(id, NULL);
    }
    return 0;
}
