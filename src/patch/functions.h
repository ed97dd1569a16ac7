/*
 * What is called instead of libc's functions: of the same arguments and
 * results.
 */
#ifndef GROVE_PATCH_FUNCTIONS_H
#define GROVE_PATCH_FUNCTIONS_H

#include <aio.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- sockets.c ----------------------------------------------------------- */

ssize_t patch_recv(int fd, void *buf, size_t len, int flags);
ssize_t patch_recvfrom(int fd, void *buf, size_t len, int flags,
                       struct sockaddr *addr, socklen_t *addrlen);
ssize_t patch_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t patch_send(int fd, const void *buf, size_t len, int flags);
ssize_t patch_sendto(int fd, const void *buf, size_t len, int flags,
                     const struct sockaddr *addr, socklen_t addrlen);
ssize_t patch_sendmsg(int fd, const struct msghdr *msg, int flags);
int patch_sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags);
int patch_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags,
                   struct timespec *timeout);
int patch_setsockopt(int fd, int level, int name, const void *value,
                     socklen_t size);
ssize_t patch_recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t patch_recvfrom_chk(int fd, void *buf, size_t len, size_t size,
                           int flags, struct sockaddr *addr,
                           socklen_t *addrlen);

/* ---- stream.c ------------------------------------------------------------ */

ssize_t patch_read(int fd, void *buf, size_t len);
ssize_t patch_write(int fd, const void *buf, size_t len);
ssize_t patch_readv(int fd, const struct iovec *iov, int count);
ssize_t patch_writev(int fd, const struct iovec *iov, int count);
ssize_t patch_read_chk(int fd, void *buf, size_t len, size_t size);
int patch_eventfd_read(int fd, eventfd_t *value);
int patch_eventfd_write(int fd, eventfd_t value);

/* ---- accept.c ------------------------------------------------------------ */

/* The number is a listener's no more; others may accept on all of them. */
void patch_listener_ends(int fd);
void patch_listeners_shared(void);
int patch_listen(int fd, int backlog);
int patch_accept4(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags);
int patch_accept(int fd, struct sockaddr *addr, socklen_t *addrlen);
int patch_connect(int fd, const struct sockaddr *addr, socklen_t addrlen);

/* ---- transfer.c ---------------------------------------------------------- */

ssize_t patch_sendfile(int out, int in, off_t *offset, size_t count);
ssize_t patch_splice(int in, off_t *in_offset, int out, off_t *out_offset,
                     size_t count, unsigned flags);
ssize_t patch_tee(int in, int out, size_t count, unsigned flags);
ssize_t patch_copy_file_range(int in, off_t *in_offset, int out,
                              off_t *out_offset, size_t count, unsigned flags);

/* ---- polling.c ----------------------------------------------------------- */

int patch_poll(struct pollfd *fds, nfds_t n, int timeout);
int patch_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                const sigset_t *mask);
int patch_poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int patch_ppoll_chk(struct pollfd *fds, nfds_t n,
                    const struct timespec *timeout, const sigset_t *mask,
                    size_t size);
int patch_pselect(int n, fd_set *in, fd_set *out, fd_set *except,
                  const struct timespec *timeout, const sigset_t *mask);
int patch_select(int n, fd_set *in, fd_set *out, fd_set *except,
                 struct timeval *timeout);
int patch_epoll_pwait(int epoll, struct epoll_event *events, int max,
                      int timeout, const sigset_t *mask);
int patch_epoll_wait(int epoll, struct epoll_event *events, int max,
                     int timeout);
int patch_epoll_pwait2(int epoll, struct epoll_event *events, int max,
                       const struct timespec *timeout, const sigset_t *mask);

/* ---- sleeping.c ---------------------------------------------------------- */

int patch_clock_nanosleep(clockid_t clock, int flags,
                          const struct timespec *time, struct timespec *left);
int patch_nanosleep(const struct timespec *time, struct timespec *left);
int patch_usleep(useconds_t us);
int patch_thrd_sleep(const struct timespec *time, struct timespec *left);
unsigned patch_sleep(unsigned seconds);

/* ---- handlers.c ---------------------------------------------------------- */

int patch_sigaction(int signum, const struct sigaction *action,
                    struct sigaction *old);
void (*patch_signal(int signum, void (*function)(int)))(int);

/* ---- signals.c ----------------------------------------------------------- */

int patch_pause(void);
int patch_sigsuspend(const sigset_t *mask);
int patch_sigtimedwait(const sigset_t *set, siginfo_t *info,
                       const struct timespec *timeout);
int patch_sigwaitinfo(const sigset_t *set, siginfo_t *info);
int patch_sigwait(const sigset_t *set, int *signum);
int patch_pthread_sigmask(int how, const sigset_t *set, sigset_t *before);
int patch_sigprocmask(int how, const sigset_t *set, sigset_t *before);

/* ---- descriptors.c ------------------------------------------------------- */

int patch_close(int fd);
int patch_dup2(int from, int to);
int patch_dup3(int from, int to, int flags);
int patch_close_range(unsigned first, unsigned last, int flags);
void patch_closefrom(int first);

/* ---- locks.c ------------------------------------------------------------- */

int patch_flock(int fd, int operation);
int patch_lockf(int fd, int command, off_t length);
int patch_fcntl(int fd, int command, ...);

/* ---- queues.c ------------------------------------------------------------ */

ssize_t patch_msgrcv(int queue, void *message, size_t size, long type,
                     int flags);
int patch_msgsnd(int queue, const void *message, size_t size, int flags);
int patch_semtimedop(int set, struct sembuf *operations, size_t n,
                     const struct timespec *timeout);
int patch_semop(int set, struct sembuf *operations, size_t n);
ssize_t patch_mq_timedreceive(mqd_t queue, char *message, size_t size,
                              unsigned *priority, const struct timespec *until);
ssize_t patch_mq_receive(mqd_t queue, char *message, size_t size,
                         unsigned *priority);
int patch_mq_timedsend(mqd_t queue, const char *message, size_t size,
                       unsigned priority, const struct timespec *until);
int patch_mq_send(mqd_t queue, const char *message, size_t size,
                  unsigned priority);

/* ---- processes.c --------------------------------------------------------- */

pid_t patch_wait4(pid_t pid, int *status, int options, struct rusage *usage);
pid_t patch_wait3(int *status, int options, struct rusage *usage);
pid_t patch_waitpid(pid_t pid, int *status, int options);
pid_t patch_wait(int *status);
int patch_waitid(idtype_t type, id_t id, siginfo_t *info, int options);
int patch_posix_spawn(pid_t *pid, const char *path,
                      const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attributes, char *const argv[],
                      char *const envp[]);
int patch_posix_spawnp(pid_t *pid, const char *file,
                       const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const argv[],
                       char *const envp[]);
FILE *patch_popen(const char *command, const char *mode);
pid_t patch_vfork(void);
pid_t patch_vfork_failed(int error);
void *patch_vfork_mark(void);
int patch_system(const char *command);
int patch_pclose(FILE *file);

/* ---- names.c ------------------------------------------------------------- */

int patch_getaddrinfo(const char *node, const char *service,
                      const struct addrinfo *hints, struct addrinfo **result);
int patch_getnameinfo(const struct sockaddr *addr, socklen_t addrlen,
                      char *host, socklen_t hostlen, char *service,
                      socklen_t servicelen, int flags);
struct hostent *patch_gethostbyname(const char *name);
struct hostent *patch_gethostbyname2(const char *name, int family);
struct hostent *patch_gethostbyaddr(const void *addr, socklen_t addrlen,
                                    int family);
int patch_gethostbyname_r(const char *name, struct hostent *buffer, char *text,
                          size_t size, struct hostent **found, int *host_error);
int patch_gethostbyname2_r(const char *name, int family, struct hostent *buffer,
                           char *text, size_t size, struct hostent **found,
                           int *host_error);
int patch_gethostbyaddr_r(const void *addr, socklen_t addrlen, int family,
                          struct hostent *buffer, char *text, size_t size,
                          struct hostent **found, int *host_error);
int patch_res_query(const char *name, int class, int type,
                    unsigned char *answer, int size);
int patch_res_search(const char *name, int class, int type,
                     unsigned char *answer, int size);

/* ---- files.c ------------------------------------------------------------- */

ssize_t patch_pread(int fd, void *buf, size_t len, off_t offset);
ssize_t patch_pwrite(int fd, const void *buf, size_t len, off_t offset);
ssize_t patch_preadv(int fd, const struct iovec *iov, int count, off_t offset);
ssize_t patch_pwritev(int fd, const struct iovec *iov, int count, off_t offset);
ssize_t patch_pread_chk(int fd, void *buf, size_t len, off_t offset,
                        size_t size);
ssize_t patch_preadv2(int fd, const struct iovec *iov, int count, off_t offset,
                      int flags);
ssize_t patch_pwritev2(int fd, const struct iovec *iov, int count, off_t offset,
                       int flags);
int patch_fsync(int fd);
int patch_fdatasync(int fd);
int patch_syncfs(int fd);

/* ---- requests.c ---------------------------------------------------------- */

int patch_aio_suspend(const struct aiocb *const list[], int count,
                      const struct timespec *timeout);
int patch_lio_listio(int mode, struct aiocb *const list[], int count,
                     struct sigevent *event);
int patch_gai_suspend(const struct gaicb *const list[], int count,
                      const struct timespec *timeout);

/* ---- system_v.c ---------------------------------------------------------- */

int patch_sigpause(int mask);
int patch_xpg_sigpause(int signum);
int patch_sigpause_either(int value, int is_signum);
void (*patch_sysv_signal(int signum, void (*function)(int)))(int);

/* ---- numbered.c ---------------------------------------------------------- */

long patch_syscall(long number, long a, long b, long c, long d, long e, long f);

/* ---- rings.c ------------------------------------------------------------- */

int patch_io_uring_enter(int fd, unsigned submit, unsigned least,
                         unsigned flags, const void *arg, size_t size);

/* ---- loader.c ------------------------------------------------------------ */

void *patch_dlopen(const char *file, int mode);
void *patch_dlsym(void *handle, const char *symbol);
void *patch_dlvsym(void *handle, const char *symbol, const char *version);

#endif
