/* What is sent to threads, cancels and signals, while they wait in calls of
 * libc. Says what became of the calls. Knows nothing of fibers. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int waited_in[2], other[2]; /* pipes */
static _Atomic int handled, returned;
static _Atomic long handled_on;

static void handler(int n)
{
    (void)n;
    handled_on = (long)pthread_self();
    handled++;
}

static void handle(int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(SIGUSR1, &action, NULL);
    handled = returned = 0;
}

static const char *error_of(long result)
{
    return result >= 0 ? "none" : errno == EINTR ? "EINTR" : "another";
}

static void say(const char *what, long result)
{
    const char *error = error_of(result);
    printf("%s: %ld, %s\n", what, result, error);
    returned++;
}

/* ---- calls that wait --------------------------------------------------------- */

static void *in_read(void *arg)
{
    char c;
    say("read", read(waited_in[0], &c, 1));
    return arg;
}

static void *in_recv(void *arg)
{
    char c;
    say("recv", recv(*(int *)arg, &c, 1, 0));
    return arg;
}

static void *in_poll(void *arg)
{
    struct pollfd p = {.fd = waited_in[0], .events = POLLIN};
    say("poll", poll(&p, 1, -1));
    return arg;
}

static void *in_sleep(void *arg)
{
    struct timespec time = {1000, 0}, left = {0, 0};
    long r = nanosleep(&time, &left);
    say("nanosleep", r);
    printf("left: %d\n", left.tv_sec > 900);
    return arg;
}

static void *in_other(void *arg)
{
    char c;
    say("other's read", read(other[0], &c, 1));
    return arg;
}

/* ---- signals ------------------------------------------------------------------- */

/* Again and again, lest the thread was not waiting yet. */
static void interrupt(pthread_t id, int returns)
{
    while (returned < returns) {
        pthread_kill(id, SIGUSR1);
        usleep(2000);
    }
}

static void a_signal_ends(void *(*fn)(void *), void *arg)
{
    pthread_t id;
    handle(0);
    pthread_create(&id, NULL, fn, arg);
    interrupt(id, 1);
    printf("handled there: %d\n", handled_on == (long)id);
    pthread_join(id, NULL);
}

/* Only its call is ended, not that of another thread. */
static void others_stay(void)
{
    pthread_t id, stays;
    handle(0);
    pthread_create(&stays, NULL, in_other, NULL);
    pthread_create(&id, NULL, in_read, NULL);
    interrupt(id, 1);
    pthread_join(id, NULL);
    printf("written: %zd\n", write(other[1], "x", 1));
    pthread_join(stays, NULL);
}

static void a_call_goes_on(void)
{
    pthread_t id;
    handle(SA_RESTART);
    pthread_create(&id, NULL, in_read, NULL);
    for (int n = 1; n <= 3; n++) {
        while (handled < n) {
            pthread_kill(id, SIGUSR1);
            usleep(2000);
        }
    }
    printf("written: %zd\n", write(waited_in[1], "x", 1));
    pthread_join(id, NULL);
}

/* One for the process ends a wait of the thread that has begun it. */
static void main_is_interrupted(void)
{
    static const struct itimerval again = {{0, 2000}, {0, 2000}}, never = {0};
    struct sigaction action = {.sa_handler = handler};
    pthread_t id;
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    pthread_create(&id, NULL, in_other, NULL);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &again, NULL);
    say("sem_wait", sem_wait(&semaphore));
    setitimer(ITIMER_REAL, &never, NULL);
    printf("written: %zd\n", write(other[1], "x", 1));
    pthread_join(id, NULL);
}

/* ---- masks ------------------------------------------------------------------------ */

static int blocks(int n)
{
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    return sigismember(&now, n);
}

static int is_pending(int n)
{
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, n);
}

static void *blocking_read(void *arg)
{
    sigset_t all, usr1;
    char c;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    sem_post(arg);
    say("read", read(waited_in[0], &c, 1));
    printf("it blocks: %d\n", blocks(SIGUSR1));
    raise(SIGUSR1);
    printf("raised: %d pending, %d handled\n", is_pending(SIGUSR1), handled);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &usr1, NULL);
    printf("handled there: %d\n", handled_on == (long)pthread_self());
    return arg;
}

/* What one thread blocks is nobody else's. */
static void masks(void)
{
    pthread_t id;
    sem_t blocked;
    handle(0);
    sem_init(&blocked, 0, 0);
    pthread_create(&id, NULL, blocking_read, &blocked);
    while (sem_wait(&blocked) < 0) {
    }
    printf("main blocks: %d\n", blocks(SIGUSR1));
    kill(getpid(), SIGUSR1);
    printf("handled by main: %d\n",
           handled == 1 && handled_on == (long)pthread_self());
    handled = 0;
    printf("written: %zd\n", write(waited_in[1], "x", 1));
    pthread_join(id, NULL);
    printf("handled: %d\n", handled);
}

/* ---- cancels --------------------------------------------------------------------- */

static void clean(void *what)
{
    printf("cleanup of %s\n", (const char *)what);
}

static void *cleaned_read(void *arg)
{
    char c, name[] = "a read";
    pthread_cleanup_push(clean, name);
    say("read", read(waited_in[0], &c, 1));
    pthread_cleanup_pop(0);
    return arg;
}

static void *uncancelled_read(void *arg)
{
    char c;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    sem_post(arg);
    say("read", read(waited_in[0], &c, 1));
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    pthread_testcancel();
    return NULL;
}

static void cancels(void)
{
    pthread_t id;
    void *value;
    sem_t disabled;
    pthread_create(&id, NULL, cleaned_read, NULL);
    usleep(2000);
    printf("cancel: %d\n", pthread_cancel(id));
    pthread_join(id, &value);
    printf("cancelled: %d\n", value == PTHREAD_CANCELED);
    pthread_create(&id, NULL, in_sleep, NULL);
    usleep(2000);
    printf("cancel: %d\n", pthread_cancel(id));
    pthread_join(id, &value);
    printf("cancelled: %d\n", value == PTHREAD_CANCELED);
    sem_init(&disabled, 0, 0);
    pthread_create(&id, NULL, uncancelled_read, &disabled);
    while (sem_wait(&disabled) < 0) {
    }
    usleep(2000);
    printf("cancel: %d\n", pthread_cancel(id));
    printf("written: %zd\n", write(waited_in[1], "x", 1));
    pthread_join(id, &value);
    printf("cancelled: %d\n", value == PTHREAD_CANCELED);
}

/* ---- a fork ------------------------------------------------------------------------- */

static void *fork_here(void *arg)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t id;
        usleep(1000);
        pthread_create(&id, NULL, in_other, NULL);
        if (write(other[1], "x", 1) != 1)
            _exit(1);
        pthread_join(id, NULL);
        fflush(stdout);
        _exit(7);
    }
    waitpid(pid, &status, 0);
    printf("child: %d\n", WEXITSTATUS(status));
    return arg;
}

int main(void)
{
    int pair[2];
    pthread_t id;
    if (pipe(waited_in) < 0 || pipe(other) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 1;
    a_signal_ends(in_read, NULL);
    a_signal_ends(in_recv, &pair[0]);
    a_signal_ends(in_poll, NULL);
    a_signal_ends(in_sleep, NULL);
    others_stay();
    a_call_goes_on();
    main_is_interrupted();
    masks();
    cancels();
    for (int i = 0; i < 3; i++) { /* wherever they run */
        pthread_create(&id, NULL, fork_here, NULL);
        pthread_join(id, NULL);
    }
    return 0;
}
