/*
 * Child processes. Part of grove.h.
 */
#ifndef GROVE_PROCESS_H
#define GROVE_PROCESS_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_process grove_process;

/* What a child's standard descriptors are. */
enum grove_io {
    GROVE_IO_INHERIT, /* the caller's */
    GROVE_IO_NULL,    /* /dev/null */
    GROVE_IO_PIPE,    /* a pipe to the caller: grove_process_fd */
    GROVE_IO_FD,      /* the descriptor given; it stays the caller's */
    GROVE_IO_OUT      /* err only: where out goes */
};

/* How a process is started; zero-initialised it means the defaults. */
typedef struct grove_process_attr {
    size_t size;      /* sizeof(grove_process_attr), or 0: see grove.h */
    char *const *env; /* NULL: the caller's environment */
    const char *cwd;  /* NULL: the caller's working directory */
    enum grove_io in, out, err;
    int in_fd, out_fd, err_fd; /* for GROVE_IO_FD */
    bool new_session;          /* as by setsid(2) */
    bool new_group;            /* as by setpgid(2) */
} grove_process_attr;

/* Start the program argv[0], searched for in PATH if it has no slash, with
 * arguments argv, which NULL ends; attr may be NULL. *out gets a handle, to be
 * given back by grove_process_release; it may be used on any thread.
 * 0, or -ENOENT, -EACCES, ... as exec(3) has it or for cwd, -EINVAL (no
 * program, attributes that exclude each other), -EMFILE, -ENFILE, -ENOMEM,
 * -EAGAIN, -ECANCELED, -ETIMEDOUT. */
GROVE_API int grove_process_spawn(grove_process **out,
                                  const grove_process_attr *attr,
                                  char *const argv[]);
GROVE_API int grove_process_spawn_until(grove_process **out,
                                        const grove_process_attr *attr,
                                        char *const argv[], int64_t deadline);

GROVE_API pid_t grove_process_pid(const grove_process *p);

/* Our end of the pipe to the child's descriptor 0, 1 or 2; -1: there is none,
 * or it was closed. It is closed by grove_process_close or with the handle. */
GROVE_API int grove_process_fd(const grove_process *p, int number);
GROVE_API void grove_process_close(grove_process *p, int number);

/* Wait until the child has ended and store its status, as waitpid(2) has it, in
 * *status (may be NULL). Any number of fibers of any hub may. 0, -ECHILD when
 * the program ignores SIGCHLD or waited for it elsewhere, or -ECANCELED,
 * -ETIMEDOUT, -ENOMEM. */
GROVE_API int grove_process_wait(grove_process *p, int *status);
GROVE_API int grove_process_wait_until(grove_process *p, int *status,
                                       int64_t deadline);

/* Send the child a signal. 0, -ESRCH once it has ended, -EINVAL, -EPERM. Never
 * reaches another process. */
GROVE_API int grove_process_kill(grove_process *p, int signum);

/* What a child has written: allocated, with a zero byte behind it. */
typedef struct grove_output {
    char *data; /* to be freed by free; NULL: nothing yet */
    size_t size;
} grove_output;

/* Write input to the child and read what it writes, all at once, until it has
 * closed its ends, then wait for it. The pipes are those there are; out and err
 * (may be NULL: thrown away) are appended to and must be zero at first. A child
 * that does not read all its input is no error. When it fails, out and err have
 * what has come, and it may be called again with the same arguments to go on.
 * Returns as grove_process_wait. */
GROVE_API int grove_process_communicate(grove_process *p, const void *input,
                                        size_t size, grove_output *out,
                                        grove_output *err, int *status);
GROVE_API int grove_process_communicate_until(grove_process *p,
                                              const void *input, size_t size,
                                              grove_output *out,
                                              grove_output *err, int *status,
                                              int64_t deadline);

/* Give the handle back and close its pipes. A child that has not ended goes on;
 * the calling thread's hub sees to it that it leaves no zombie. */
GROVE_API void grove_process_release(grove_process *p);

#ifdef __cplusplus
}
#endif
#endif
