/*
 * Reading and writing of regular files without holding up the hub: for the
 * calls of net/ that work on any descriptor, and between the files of os/.
 */
#ifndef GROVE_OS_FILE_H
#define GROVE_OS_FILE_H

#include <sys/uio.h>

#include "hub/wait.h"

/* The offset that means the file's own position, which is moved. */
#define FILE_POSITION ((off_t)-1)

/* As preadv(2) and pwritev(2), on a regular file or block device; in a callback
 * of the hub, where nothing can wait, they hold up the thread. */
ssize_t file_readv(struct hub *hub, int fd, const struct iovec *iov, int count,
                   off_t offset, int64_t deadline);
ssize_t file_writev(struct hub *hub, int fd, const struct iovec *iov, int count,
                    off_t offset, int64_t deadline);

/* Make a system call on a worker. -1 with errno, its own or why there was none
 * made. what is for grove_dump. */
GROVE_HOST_API long file_syscall(struct hub *hub, int64_t deadline,
                                 const char *what, long number,
                                 const long args[6]);

/* Which of the two engines reads what is not in memory: as found out and asked
 * for by GROVE_FILES. Tests set it. */
enum file_engine { FILE_UNKNOWN, FILE_POOL, FILE_URING };
extern _Atomic int file_engine;

/* ---- file_uring.c --------------------------------------------------------- */

/* preadv by the hub's ring. False: it cannot, and the engine is FILE_POOL from
 * here on. Otherwise *result is what preadv would return, or -1 with errno. */
bool uring_readv(struct hub *hub, int fd, const struct iovec *iov, int count,
                 off_t offset, int64_t deadline, ssize_t *result);

#endif
