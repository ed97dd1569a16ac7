/* Patched calls on locks, queues, children, names, ends of descriptors, and of
 * the loader. */
#include "patch_stage.h"

#include <aio.h>
#include <arpa/nameser.h>
#include <dlfcn.h>
#include <mqueue.h>
#include <netdb.h>
#include <resolv.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>

int __close(int fd);
int __dup2(int from, int to);
int __fcntl(int fd, int command, ...);
pid_t __wait(int *status);
pid_t __vfork(void) __attribute__((returns_twice));
pid_t __waitpid(pid_t pid, int *status, int options);
int fcntl_plain(int fd, int command, ...) __asm__("fcntl");
int aio_suspend_plain(const struct aiocb *const list[], int count,
                      const struct timespec *timeout) __asm__("aio_suspend");
int lio_listio_plain(int mode, struct aiocb *const list[], int count,
                     struct sigevent *event) __asm__("lio_listio");
int lockf_plain(int fd, int command, off_t length) __asm__("lockf");

extern char **environ;

/* ---- locks -------------------------------------------------------------------- */

struct file {
    char path[32];
    int fd;    /* the program's */
    int other; /* another's, who holds the lock */
};

static void open_file(struct file *f)
{
    strcpy(f->path, "/tmp/grove-XXXXXX");
    f->fd = mkstemp(f->path);
    f->other = open(f->path, O_RDWR);
    assert_true(f->fd >= 0 && f->other >= 0);
    unlink(f->path);
}

static void close_other(void *arg)
{
    close(((struct file *)arg)->other);
}

static void locks_wait(struct stage *s)
{
    struct file f;
    open_file(&f);
    say(s, flock(f.other, LOCK_EX));
    say(s, flock(f.fd, LOCK_EX | LOCK_NB));
    later(s, close_other, &f);
    say(s, flock(f.fd, LOCK_EX));
    say(s, flock(f.fd, LOCK_UN));
    await_peer(s);
    close(f.fd);
    say(s, flock(f.fd, LOCK_EX));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    open_file(&f);
    say(s, fcntl(f.other, F_OFD_SETLK, &lock));
    say(s, fcntl(f.fd, F_OFD_SETLK, &lock));
    later(s, close_other, &f);
    say(s, fcntl(f.fd, F_OFD_SETLKW, &lock));
    await_peer(s);
    say(s, __fcntl(f.fd, F_GETFD));
    say(s, fcntl_plain(f.fd, F_SETFD, FD_CLOEXEC));
    say(s, fcntl(f.fd, F_GETFD));
    say(s, fcntl(f.fd, 12345));
    await_peer(s);
    close(f.fd);
}

struct holder {
    pid_t pid;
    int ends[2]; /* closed when it is to go */
};

/* A process that holds the lock of all of fd. */
static void start_holder(struct holder *h, int fd)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(h->ends), 0);
    assert_int_equal(pipe(ready), 0);
    h->pid = fork();
    if (h->pid == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        close(h->ends[1]);
        fcntl(fd, F_SETLK, &lock);
        (void)!write(ready[1], "r", 1);
        (void)!read(h->ends[0], &byte, 1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    close(h->ends[0]);
}

static void end_holder(void *arg)
{
    close(((struct holder *)arg)->ends[1]);
}

static void record_locks_wait(struct stage *s)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct holder h;
    struct file f;
    open_file(&f);
    for (int i = 0; i < 3; i++) {
        start_holder(&h, f.fd);
        say(s, lockf(f.fd, F_TLOCK, 0));
        later(s, end_holder, &h);
        say(s, i == 0   ? fcntl(f.fd, F_SETLKW, &lock)
               : i == 1 ? lockf(f.fd, F_LOCK, 0)
                        : lockf_plain(f.fd, F_LOCK, 0));
        await_peer(s);
        say(s, lockf(f.fd, F_ULOCK, 0));
        waitpid(h.pid, NULL, 0);
    }
    await_peer(s);
    close(f.fd);
    close(f.other);
}

/* ---- queues --------------------------------------------------------------------- */

struct letter {
    long type;
    char text[8];
};

static int queue; /* of this and the next, the one in use */
static int set;
static mqd_t posix_queue;

static void send_letter(void *arg)
{
    struct letter l = {1, "word"};
    assert_int_equal(msgsnd(queue, &l, 4, 0), 0);
}

static void take_letter(void *arg)
{
    struct letter l;
    assert_int_equal(msgrcv(queue, &l, sizeof(l.text), 0, 0), 4);
}

static void remove_queue(void *arg)
{
    assert_int_equal(msgctl(queue, IPC_RMID, NULL), 0);
}

static void system_queues(struct stage *s)
{
    struct letter l;
    struct msqid_ds d;
    queue = msgget(IPC_PRIVATE, 0600);
    say(s, msgrcv(queue, &l, sizeof(l.text), 0, IPC_NOWAIT));
    later(s, send_letter, NULL);
    say(s, msgrcv(queue, &l, sizeof(l.text), 0, 0));
    say(s, memcmp(l.text, "word", 4));
    await_peer(s);
    say(s, msgctl(queue, IPC_STAT, &d));
    d.msg_qbytes = 4;
    say(s, msgctl(queue, IPC_SET, &d));
    say(s, msgsnd(queue, &l, 4, 0));
    say(s, msgsnd(queue, &l, 4, IPC_NOWAIT));
    later(s, take_letter, NULL);
    say(s, msgsnd(queue, &l, 4, 0));
    await_peer(s);
    later(s, remove_queue, NULL);
    say(s, msgsnd(queue, &l, 4, 0)); /* it is full */
    await_peer(s);
    say(s, msgsnd(queue, &l, 4, 0));
    queue = msgget(IPC_PRIVATE, 0600);
    later(s, remove_queue, NULL);
    say(s, msgrcv(queue, &l, sizeof(l.text), 0, 0));
    await_peer(s);
}

static void raise_semaphore(void *arg)
{
    struct sembuf up = {0, 1, 0};
    assert_int_equal(semop(set, &up, 1), 0);
}

static void remove_semaphores(void *arg)
{
    assert_int_equal(semctl(set, 0, IPC_RMID), 0);
}

static void semaphores(struct stage *s)
{
    struct sembuf down = {0, -1, 0}, try = {0, -1, IPC_NOWAIT};
    struct timespec little = {0, 20000000}, minute = {60, 0}, wrong = {0, -1};
    set = semget(IPC_PRIVATE, 1, 0600);
    say(s, semop(set, &try, 1));
    say(s, semtimedop(set, &down, 1, &little));
    say(s, semtimedop(set, &down, 1, &wrong));
    later(s, raise_semaphore, NULL);
    say(s, semop(set, &down, 1));
    await_peer(s);
    later(s, raise_semaphore, NULL);
    say(s, semtimedop(set, &down, 1, &minute));
    await_peer(s);
    later(s, remove_semaphores, NULL);
    say(s, semop(set, &down, 1));
    await_peer(s);
    say(s, semop(set, &down, 1));
}

static void post_word(void *arg)
{
    assert_int_equal(mq_send(posix_queue, "word", 4, 1), 0);
}

static void take_word(void *arg)
{
    char buf[8];
    assert_int_equal(mq_receive(posix_queue, buf, 8, NULL), 4);
}

static struct timespec soon(long ms)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void posix_queues(struct stage *s)
{
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
    struct timespec t = soon(20), wrong = {0, -1};
    char buf[8], name[32];
    unsigned priority = 0;
    snprintf(name, sizeof(name), "/grove-%d", (int)getpid());
    posix_queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    say(s, posix_queue >= 0);
    mq_unlink(name);
    later(s, post_word, NULL);
    say(s, mq_receive(posix_queue, buf, 8, &priority));
    say(s, priority);
    await_peer(s);
    say(s, mq_timedreceive(posix_queue, buf, 8, NULL, &t));
    say(s, mq_timedreceive(posix_queue, buf, 8, NULL, &wrong));
    say(s, mq_send(posix_queue, "word", 4, 0));
    later(s, take_word, NULL);
    say(s, mq_send(posix_queue, "word", 4, 0));
    await_peer(s);
    t = soon(20);
    say(s, mq_timedsend(posix_queue, "word", 4, 0, &t));
    attr.mq_flags = O_NONBLOCK;
    say(s, mq_setattr(posix_queue, &attr, NULL));
    say(s, mq_send(posix_queue, "word", 4, 0));
    say(s, mq_close(posix_queue));
}

/* ---- children ----------------------------------------------------------------------- */

static int child_ends[2]; /* a child ends when the second is closed */

static pid_t child(int status)
{
    assert_int_equal(pipe(child_ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(child_ends[1]);
        (void)!read(child_ends[0], &byte, 1);
        _exit(status);
    }
    close(child_ends[0]);
    return pid;
}

static void end_child(void *arg)
{
    close(child_ends[1]);
}

static void children(struct stage *s)
{
    int status = 0;
    struct rusage usage = {0};
    for (int i = 0; i < 6; i++) {
        pid_t pid = child(i), got = -1;
        say(s, waitpid(pid, &status, WNOHANG));
        later(s, end_child, NULL);
        got = i == 0   ? waitpid(pid, &status, 0)
              : i == 1 ? __waitpid(-1, &status, 0)
              : i == 2 ? wait(&status)
              : i == 3 ? wait3(&status, 0, &usage)
              : i == 4 ? wait4(pid, &status, WUNTRACED, &usage)
                       : waitpid(pid, NULL, 0);
        say(s, got == pid);
        say(s, i < 5 ? WEXITSTATUS(status) : 0);
        await_peer(s);
    }
    say(s, wait(&status));
    say(s, __wait(&status));
    say(s, waitpid(getpid(), &status, 0));
}

static void on_signal(int signum)
{
}

static void signal_thread(void *arg)
{
    assert_int_equal(pthread_kill(*(pthread_t *)arg, SIGCHLD), 0);
}

/* By the handler of the signal that tells of the child's end, which does not
 * keep the kernel from giving the child; and with nobody to be given. */
static void children_signalled(struct stage *s)
{
    struct sigaction action = {.sa_handler = on_signal}, old;
    siginfo_t info = {0};
    pthread_t self = pthread_self();
    int status = 0;
    sigaction(SIGCHLD, &action, &old);
    for (int i = 0; i < 5; i++) {
        pid_t pid = child(i), got = -1;
        if (i == 4) {
            later(s, signal_thread, &self);
            say(s, wait(&status));
            await_peer(s);
        }
        later(s, end_child, NULL);
        got = i == 0   ? wait(&status)
              : i == 1 ? waitpid(0, &status, 0)
              : i == 2 ? waitpid(-getpgrp(), &status, 0)
              : i == 3 ? waitid(P_ALL, 0, &info, WEXITED)
                       : waitpid(pid, &status, 0);
        say(s, got == (i == 3 ? 0 : pid));
        say(s, i == 3 ? info.si_status : WEXITSTATUS(status));
        await_peer(s);
    }
    sigaction(SIGCHLD, &old, NULL);
}

static void waitid_waits(struct stage *s)
{
    siginfo_t info = {0};
    pid_t pid = child(3);
    say(s, waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG));
    later(s, end_child, NULL);
    say(s, waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    say(s, info.si_pid == pid && info.si_status == 3);
    await_peer(s);
    say(s, waitid(P_ALL, 0, &info, WEXITED));
    say(s, info.si_pid == pid);
    say(s, waitid(P_ALL, 0, &info, WEXITED));
    say(s, waitid(P_ALL, 0, &info, 0));
}

static void programs_end(struct stage *s)
{
    char text[8] = "";
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"exit 5", NULL};
    pid_t pid;
    int status;
    say(s, system("exit 3"));
    say(s, system(NULL) != 0);
    FILE *f = popen("echo word; exit 4", "r");
    say(s, fgets(text, sizeof(text), f) != NULL);
    say(s, strcmp(text, "word\n"));
    say(s, pclose(f));
    say(s, posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ));
    say(s, waitpid(pid, &status, 0) == pid);
    say(s, WEXITSTATUS(status));
    say(s, posix_spawnp(&pid, "sh", NULL, NULL, argv, environ));
    say(s, waitpid(pid, &status, 0) == pid);
}

static void vforks_child_ends(struct stage *s)
{
    int status;
    pid_t pid = vfork();
    if (pid == 0)
        _exit(3);
    say(s, pid > 0);
    say(s, waitpid(pid, &status, 0) == pid);
    say(s, WEXITSTATUS(status));
    pid = __vfork();
    if (pid == 0)
        _exit(4);
    say(s, waitpid(pid, &status, 0) == pid);
    say(s, WEXITSTATUS(status));
}

/* ---- requests that libc's own threads see to --------------------------------------------- */

static void write_byte(void *arg)
{
    assert_int_equal(write(*(int *)arg, "x", 1), 1);
}

static void file_requests(struct stage *s)
{
    struct timespec little = {0, 1000000};
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    for (int i = 0; i < 4; i++) {
        int ends[2];
        char byte;
        assert_int_equal(pipe(ends), 0);
        struct aiocb request = {.aio_fildes = ends[0],
                                .aio_buf = &byte,
                                .aio_nbytes = 1,
                                .aio_lio_opcode = LIO_READ,
                                .aio_sigevent = none};
        struct aiocb *list[] = {&request};
        if (i < 2) {
            say(s, aio_read(&request));
            say(s, aio_suspend((const struct aiocb *const *)list, 1, &little));
            later(s, write_byte, &ends[1]);
            say(s, i == 0 ? aio_suspend_plain((const struct aiocb *const *)list,
                                              1, NULL)
                          : aio_suspend64((const struct aiocb64 *const *)list,
                                          1, NULL));
        } else {
            later(s, write_byte, &ends[1]);
            say(s, i == 2 ? lio_listio_plain(LIO_WAIT, list, 1, NULL)
                          : lio_listio64(LIO_WAIT, (struct aiocb64 **)list, 1,
                                         NULL));
        }
        say(s, aio_return(&request));
        await_peer(s);
        close(ends[0]);
        close(ends[1]);
    }
    struct aiocb *none_of_them[1] = {NULL};
    say(s, lio_listio(77, none_of_them, 0, NULL));
}

static void name_requests(struct stage *s)
{
    struct gaicb request = {.ar_name = "127.0.0.1", .ar_service = "80"};
    struct gaicb *list[] = {&request};
    say(s, getaddrinfo_a(GAI_NOWAIT, list, 1, NULL));
    int r = gai_suspend((const struct gaicb *const *)list, 1, NULL);
    say(s, r == 0 || r == EAI_ALLDONE);
    say(s, gai_suspend((const struct gaicb *const *)list, 1, NULL));
    say(s, gai_error(&request));
    freeaddrinfo(request.ar_result);
}

/* ---- ends of descriptors --------------------------------------------------------------- */

static void descriptors_end(struct stage *s)
{
    int fds[2], other[2];
    char byte;
    say(s, pipe(fds));
    say(s, pipe(other));
    say(s, write(other[1], "o", 1));
    say(s, dup2(other[0], fds[0]) == fds[0]);
    say(s, read(fds[0], &byte, 1));
    say(s, byte);
    say(s, __dup2(fds[0], fds[0]) == fds[0]);
    say(s, dup2(-1, fds[0]));
    say(s, dup3(other[0], fds[0], O_CLOEXEC) == fds[0]);
    say(s, dup3(fds[0], fds[0], 0));
    say(s, fcntl(fds[0], F_GETFD));
    await_peer(s);
    say(s, __close(fds[0]));
    await_peer(s);
    say(s, close(fds[0]));
    FILE *f = fdopen(fds[1], "w");
    say(s, fclose(f));
    await_peer(s);
    say(s, close(fds[1]));
    int high = dup2(other[0], 700);
    say(s, dup2(other[1], 701));
    say(s, close_range(700, 710, 0));
    say(s, close(high));
    say(s, close_range(5, 4, 0));
    say(s, dup2(other[0], 700)); /* above the hub's own */
    closefrom(690);
    await_peer(s);
    say(s, close(700));
    close(other[0]);
    close(other[1]);
}

/* ---- names --------------------------------------------------------------------------------- */

static void names(struct stage *s)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct sockaddr_in addr = loopback();
    char host[64], text[1024];
    struct hostent buffer, *h;
    in_addr_t address = htonl(INADDR_LOOPBACK);
    int error;
    say(s, getaddrinfo("localhost", "80", &hints, &found));
    say(s, found && memcmp(&((struct sockaddr_in *)found->ai_addr)->sin_addr,
                           &address, 4) == 0);
    freeaddrinfo(found);
    say(s, getaddrinfo("localhost", "no-such-service", &hints, &found));
    say(s, getnameinfo((struct sockaddr *)&addr, sizeof(addr), host,
                       sizeof(host), NULL, 0, NI_NUMERICHOST));
    say(s, strcmp(host, "127.0.0.1"));
    h = gethostbyname("localhost");
    say(s, h && memcmp(h->h_addr_list[0], &address, 4) == 0);
    h = gethostbyname2("localhost", AF_INET);
    say(s, h && memcmp(h->h_addr_list[0], &address, 4) == 0);
    h = gethostbyaddr(&address, 4, AF_INET);
    say(s, h && strcmp(h->h_name, "localhost") == 0);
    say(s,
        gethostbyname_r("localhost", &buffer, text, sizeof(text), &h, &error));
    say(s, h && memcmp(h->h_addr_list[0], &address, 4) == 0);
    say(s, gethostbyname_r("localhost", &buffer, text, 1, &h, &error));
    say(s, gethostbyname2_r("localhost", AF_INET, &buffer, text, sizeof(text),
                            &h, &error));
    say(s, gethostbyaddr_r(&address, 4, AF_INET, &buffer, text, sizeof(text),
                           &h, &error));
    say(s, gethostbyname("bad name") == NULL);
    say(s, h_errno);
    unsigned char answer[512];
    char longer[300];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0'; /* no name of a host: nobody is asked */
    say(s, res_query(longer, ns_c_in, ns_t_a, answer, sizeof(answer)));
    say(s, res_search(longer, ns_c_in, ns_t_a, answer, sizeof(answer)));
}

/* ---- the loader ------------------------------------------------------------------------------- */

static void loader(struct stage *s)
{
    void *libm = dlopen("libm.so.6", RTLD_LAZY);
    say(s, libm != NULL);
    say(s, dlsym(libm, "cos") != NULL);
    say(s, dlsym(libm, "no_such_symbol") == NULL);
    say(s, dlvsym(libm, "cos", "GLIBC_2.2.5") != NULL);
    say(s, dlclose(libm));
    say(s, dlopen("/no/such/file", RTLD_LAZY) == NULL);
    say(s, dlopen(NULL, RTLD_LAZY) != NULL);
    ssize_t (*receive)(int, void *, size_t, int) = dlsym(RTLD_DEFAULT, "recv");
    struct pair p = tcp_pair();
    char buf[8];
    say(s, write(p.out, "word", 4));
    say(s, receive(p.in, buf, sizeof(buf), 0));
    say(s, (receive == dlsym(RTLD_NEXT, "recv")) == !s->patched);
    await_peer(s);
    close(p.in);
    close(p.out);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void between_processes(void **state)
{
    static const struct program programs[] = {
        PROGRAM("flock fcntl fcntl64 __fcntl", locks_wait),
        PROGRAM("msgrcv msgsnd", system_queues),
        PROGRAM("semop semtimedop", semaphores),
        PROGRAM("mq_receive mq_timedreceive mq_send mq_timedsend",
                posix_queues),
    };
    if (unit_valgrind())
        unit_skip(UNIT_VALGRIND_CALLS);
    stage_perform(programs, UNIT_COUNT(programs));
}

static void processes(void **state)
{
    static const struct program programs[] = {
        PROGRAM("fcntl64 lockf lockf64", record_locks_wait),
        PROGRAM("waitpid __waitpid wait __wait wait3 wait4", children),
        PROGRAM("wait waitpid waitid", children_signalled),
        PROGRAM("waitid", waitid_waits),
        PROGRAM("vfork __vfork", vforks_child_ends),
        PROGRAM("system popen pclose posix_spawn posix_spawnp", programs_end),
    };
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    stage_perform(programs, UNIT_COUNT(programs));
}

static void others(void **state)
{
    static const struct program programs[] = {
        PROGRAM("close __close dup2 __dup2 dup3 close_range closefrom fclose",
                descriptors_end),
        PROGRAM("getaddrinfo getnameinfo gethostbyname gethostbyname2 "
                "gethostbyaddr gethostbyname_r gethostbyname2_r "
                "gethostbyaddr_r res_query res_search",
                names),
        PROGRAM("dlopen dlsym dlvsym", loader),
    };
    stage_perform(programs, UNIT_COUNT(programs));
}

static void requests(void **state)
{
    static const struct program programs[] = {
        PROGRAM("aio_suspend aio_suspend64 lio_listio lio_listio64",
                file_requests),
        PROGRAM("gai_suspend", name_requests),
    };
    if (UNIT_TSAN)
        unit_skip("ThreadSanitizer does not see threads that libc makes for "
                  "itself; every other build runs it");
    stage_perform(programs, UNIT_COUNT(programs));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(between_processes),
        cmocka_unit_test(processes),
        cmocka_unit_test(others),
        cmocka_unit_test(requests),
    };
    if (UNIT_HAS_NO_SLOTS)
        return unit_skip_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
