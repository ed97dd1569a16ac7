/* What is sent to a process and to its threads, some of which block it. Says
 * who took it, and what became of the calls that waited. Knows nothing of
 * fibers. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Atomic int handled;
static _Atomic long handled_on;

static void handler(int n)
{
    (void)n;
    handled_on = (long)pthread_self();
    handled++;
}

static void handle(int n)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(n, &action, NULL);
    handled = 0;
}

static void block(int n)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, n);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
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
    printf("handled there: %d\n", handled_on == (long)pthread_self());
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

/* Only the call of who takes it is ended, though main has waited for longer. */
static void *open_later(void *arg)
{
    usleep(10000);
    return open_to_all(arg);
}

static void main_goes_on(void)
{
    pthread_t id;
    handle(SIGALRM);
    block(SIGALRM);
    pthread_create(&id, NULL, open_later, NULL);
    printf("main's poll: %d\n", poll(NULL, 0, 200));
    pthread_join(id, NULL);
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

/* ---- for one thread ------------------------------------------------------------------ */

static pthread_t target; /* of what is sent a little later */
static int to_send;

static void *send(void *arg)
{
    usleep(30000);
    pthread_kill(target, to_send);
    return arg;
}

static pthread_t sender;

static void send_later(int n)
{
    target = pthread_self();
    to_send = n;
    pthread_create(&sender, NULL, send, NULL);
}

static void sent(const char *what, int r)
{
    printf("%s: %d, %s, handled %d\n", what, r,
           r >= 0            ? "none"
           : errno == EINTR  ? "EINTR"
           : errno == EAGAIN ? "EAGAIN"
                             : "another",
           handled);
    pthread_join(sender, NULL);
    handled = 0;
}

static int is_pending(int n)
{
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, n);
}

/* What the calling thread blocks, calls let through by the mask that they bring
 * along. */
static void *masks_let_through(void *arg)
{
    static const struct timespec long_time = {5, 0}, at_once;
    struct epoll_event event;
    sigset_t none, usr1;
    int p[2], epoll = epoll_create1(0);
    struct pollfd ready = {.events = POLLIN};
    if (epoll < 0 || pipe(p) < 0 || write(p[1], "x", 1) != 1)
        return NULL;
    ready.fd = p[0];
    handle(SIGUSR1);
    block(SIGUSR1);
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    send_later(SIGUSR1);
    sent("ppoll", ppoll(NULL, 0, &long_time, &none));
    send_later(SIGUSR1);
    sent("pselect", pselect(0, NULL, NULL, NULL, &long_time, &none));
    send_later(SIGUSR1);
    sent("epoll_pwait", epoll_pwait(epoll, &event, 1, 5000, &none));
    send_later(SIGUSR1);
    sent("sigsuspend", sigsuspend(&none));
    send_later(SIGUSR1);
    sent("poll", poll(NULL, 0, 100));
    printf("pending: %d\n", is_pending(SIGUSR1));
    int r = ppoll(&ready, 1, &long_time, &none);
    printf("ready: %d, handled %d\n", r, handled);
    r = ppoll(NULL, 0, &at_once, &none);
    printf("at once: %d, handled %d\n", r, handled);
    raise(SIGUSR1);
    send_later(SIGUSR1);
    sent("pselect of one that is pending",
         pselect(0, NULL, NULL, NULL, &long_time, &none));
    raise(SIGUSR1);
    r = sigtimedwait(&usr1, NULL, &at_once);
    printf("sigtimedwait: %d\n", r == SIGUSR1);
    printf("pending: %d, handled %d\n", is_pending(SIGUSR1), handled);
    send_later(SIGUSR1);
    int n = 0;
    r = sigwait(&usr1, &n);
    sent(n == SIGUSR1 ? "sigwait" : "?", r);
    send_later(SIGUSR1);
    pthread_join(sender, NULL);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    printf("unblocked: handled %d, there %d\n", handled,
           handled_on == (long)pthread_self());
    return arg;
}

static void *be_open(void *arg)
{
    while (sem_wait(arg) < 0) {
    }
    return arg;
}

/* Another of the same hub would take what main blocks. */
static void main_blocks(void)
{
    pthread_t id;
    sem_t over;
    sem_init(&over, 0, 0);
    pthread_create(&id, NULL, be_open, &over);
    masks_let_through(NULL);
    sem_post(&over);
    pthread_join(id, NULL);
}

/* What a mask blocks is handled when the call is over. */
static void *mask_holds_back(void *arg)
{
    static const struct timespec time = {0, 100000000};
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    handle(SIGUSR1);
    send_later(SIGUSR1);
    int r = ppoll(NULL, 0, &time, &usr1);
    sent("held back", r);
    return arg;
}

/* ---- what it is sent with ------------------------------------------------------------ */

static int values[4], codes[4];

static void take_value(int n, siginfo_t *info, void *context)
{
    (void)n;
    (void)context;
    int i = handled++;
    values[i] = info->si_value.sival_int;
    codes[i] = info->si_code;
}

static void handle_values(int n)
{
    struct sigaction action = {.sa_sigaction = take_value,
                               .sa_flags = SA_SIGINFO};
    sigaction(n, &action, NULL);
    handled = 0;
}

static void send_values(int n)
{
    pthread_t self = pthread_self();
    int killed = pthread_kill(self, n);
    int first = pthread_sigqueue(self, n, (union sigval){.sival_int = 5});
    int second = pthread_sigqueue(self, n, (union sigval){.sival_int = 6});
    int bad = pthread_sigqueue(self, 65, (union sigval){.sival_int = 6});
    printf("sent: %d %d %d %d\n", killed, first, second, bad);
}

/* Those of real time come as often as they were sent, others once. */
static void *queue(void *arg)
{
    const int n = SIGRTMIN + 2;
    sigset_t both;
    siginfo_t info;
    handle_values(n);
    sigemptyset(&both);
    sigaddset(&both, n);
    sigaddset(&both, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &both, NULL);
    send_values(n);
    printf("taken: %d", sigwaitinfo(&both, &info) == n);
    printf(", by kill %d, pid %d\n", info.si_code == SI_TKILL,
           info.si_pid == getpid());
    send_values(SIGUSR1);
    printf("taken: %d\n", sigwaitinfo(&both, &info) == SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &both, NULL);
    printf("handled %d: %d %d, queued %d\n", handled, values[0], values[1],
           codes[1] == SI_QUEUE);
    return arg;
}

static void *nothing(void *arg)
{
    return arg;
}

/* Nobody gets it, and the process goes on. */
static void to_one_that_has_ended(void)
{
    pthread_t id;
    pthread_create(&id, NULL, nothing, NULL);
    usleep(30000);
    printf("ended: %d %d %d\n", pthread_kill(id, 0), pthread_kill(id, SIGUSR2),
           pthread_kill(id, SIGTERM));
    pthread_join(id, NULL);
}

static void in_thread(void *(*fn)(void *))
{
    pthread_t id;
    pthread_create(&id, NULL, fn, NULL);
    pthread_join(id, NULL);
}

static void for_threads(void)
{
    in_thread(masks_let_through);
    main_blocks();
    in_thread(mask_holds_back);
    in_thread(queue);
    queue(NULL);
    to_one_that_has_ended();
}

/* ---- all of it ---------------------------------------------------------------------- */

int main(void)
{
    pthread_t id;
    in_child("one is open", one_is_open);
    in_child("one handles", one_is_open_and_handles);
    in_child("main goes on", main_goes_on);
    in_child("for threads", for_threads);
    for (int i = 0; i < 2; i++) { /* wherever they run */
        pthread_create(&id, NULL, fork_here, NULL);
        pthread_join(id, NULL);
    }
    return 0;
}
