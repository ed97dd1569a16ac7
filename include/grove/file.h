/*
 * Files: the calls on paths and on files' contents. Part of grove.h.
 */
#ifndef GROVE_FILE_H
#define GROVE_FILE_H

#include <dirent.h>
#include <grove/base.h>
#include <sys/stat.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Files ------------------------------------------------------------- */
/*
 * Shaped like POSIX, in what they return and set as well; where the disk would
 * hold up the thread, the fiber waits. Reads of what is in memory are made at
 * once, others by io_uring or on a worker thread (GROVE_FILES in the
 * environment), all else on a worker (see grove_offload). A call that ends
 * early has not been made; one under way is waited for, but for grove_open.
 * Also ETIMEDOUT, ECANCELED (see the top), ENOMEM, and EAGAIN when no worker
 * thread can be started.
 */
/* mode counts with O_CREAT and O_TMPFILE. */
GROVE_API int grove_open(const char *path, int flags, mode_t mode);
GROVE_API int grove_open_until(const char *path, int flags, mode_t mode,
                               int64_t deadline);
GROVE_API int grove_openat(int dir, const char *path, int flags, mode_t mode);
GROVE_API int grove_openat_until(int dir, const char *path, int flags,
                                 mode_t mode, int64_t deadline);
GROVE_API ssize_t grove_pread(int fd, void *buf, size_t len, off_t offset);
GROVE_API ssize_t grove_pread_until(int fd, void *buf, size_t len, off_t offset,
                                    int64_t deadline);
GROVE_API ssize_t grove_preadv(int fd, const struct iovec *iov, int iovcnt,
                               off_t offset);
GROVE_API ssize_t grove_preadv_until(int fd, const struct iovec *iov,
                                     int iovcnt, off_t offset,
                                     int64_t deadline);
GROVE_API ssize_t grove_pwrite(int fd, const void *buf, size_t len,
                               off_t offset);
GROVE_API ssize_t grove_pwrite_until(int fd, const void *buf, size_t len,
                                     off_t offset, int64_t deadline);
GROVE_API ssize_t grove_pwritev(int fd, const struct iovec *iov, int iovcnt,
                                off_t offset);
GROVE_API ssize_t grove_pwritev_until(int fd, const struct iovec *iov,
                                      int iovcnt, off_t offset,
                                      int64_t deadline);
GROVE_API int grove_fsync(int fd);
GROVE_API int grove_fsync_until(int fd, int64_t deadline);
GROVE_API int grove_fdatasync(int fd);
GROVE_API int grove_fdatasync_until(int fd, int64_t deadline);
GROVE_API int grove_ftruncate(int fd, off_t length);
GROVE_API int grove_ftruncate_until(int fd, off_t length, int64_t deadline);
/* As the system's own fallocate(2): mode is 0 or FALLOC_FL_... */
GROVE_API int grove_fallocate(int fd, int mode, off_t offset, off_t length);
GROVE_API int grove_fallocate_until(int fd, int mode, off_t offset,
                                    off_t length, int64_t deadline);
GROVE_API int grove_stat(const char *path, struct stat *st);
GROVE_API int grove_stat_until(const char *path, struct stat *st,
                               int64_t deadline);
GROVE_API int grove_lstat(const char *path, struct stat *st);
GROVE_API int grove_lstat_until(const char *path, struct stat *st,
                                int64_t deadline);
GROVE_API int grove_fstat(int fd, struct stat *st);
GROVE_API int grove_fstat_until(int fd, struct stat *st, int64_t deadline);

/* ---- Directories ------------------------------------------------------- */

/* grove_unlink is something else; hence these two by their longer names. */
GROVE_API int grove_unlinkat(int dir, const char *path, int flags);
GROVE_API int grove_unlinkat_until(int dir, const char *path, int flags,
                                   int64_t deadline);
GROVE_API int grove_linkat(int from_dir, const char *from, int to_dir,
                           const char *to, int flags);
GROVE_API int grove_linkat_until(int from_dir, const char *from, int to_dir,
                                 const char *to, int flags, int64_t deadline);
GROVE_API int grove_rename(const char *from, const char *to);
GROVE_API int grove_rename_until(const char *from, const char *to,
                                 int64_t deadline);
GROVE_API int grove_mkdir(const char *path, mode_t mode);
GROVE_API int grove_mkdir_until(const char *path, mode_t mode,
                                int64_t deadline);
GROVE_API int grove_rmdir(const char *path);
GROVE_API int grove_rmdir_until(const char *path, int64_t deadline);
GROVE_API int grove_symlink(const char *target, const char *path);
GROVE_API int grove_symlink_until(const char *target, const char *path,
                                  int64_t deadline);
GROVE_API ssize_t grove_readlink(const char *path, char *buf, size_t len);
GROVE_API ssize_t grove_readlink_until(const char *path, char *buf, size_t len,
                                       int64_t deadline);
/* As scandir(3); filter and compare (either may be NULL) are called on a worker
 * thread. */
GROVE_API int grove_scandir(const char *path, struct dirent ***list,
                            int (*filter)(const struct dirent *entry),
                            int (*compare)(const struct dirent **a,
                                           const struct dirent **b));
GROVE_API int grove_scandir_until(const char *path, struct dirent ***list,
                                  int (*filter)(const struct dirent *entry),
                                  int (*compare)(const struct dirent **a,
                                                 const struct dirent **b),
                                  int64_t deadline);

#ifdef __cplusplus
}
#endif
#endif
