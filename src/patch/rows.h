/*
 * The table: a row a symbol of libc's, in the order of docs/libc.md, which is
 * made of it (tools/libc-table).
 *
 *     ROW(symbol, what is called instead, what becomes of it, how)
 *     THREAD(the same)    of threads: patched_symbol is called where they are
 *                         fibers (threads/threads.h)
 *
 *     ALIAS(symbol, another, what becomes of it, how)
 *                         another name of a function of threads
 *
 * A symbol without a function of ours is left as it is, and its row says why.
 */

/* ---- sockets ------------------------------------------------------------- */

ROW(recv, patch_recv, PATCH_PARKS,
    "until there is something to read, or SO_RCVTIMEO has passed; MSG_WAITALL "
    "is kept")
ROW(recvfrom, patch_recvfrom, PATCH_PARKS, "as recv")
ROW(recvmsg, patch_recvmsg, PATCH_PARKS, "as recv")
ROW(recvmmsg, patch_recvmmsg, PATCH_PARKS,
    "as recv for each message; the time-out is looked at between two, as the "
    "kernel does")
ROW(__recv_chk, patch_recv_chk, PATCH_PARKS,
    "recv of a program with _FORTIFY_SOURCE")
ROW(__recvfrom_chk, patch_recvfrom_chk, PATCH_PARKS,
    "recvfrom of a program with _FORTIFY_SOURCE")
ROW(send, patch_send, PATCH_PARKS,
    "until all is sent, or SO_SNDTIMEO has passed; a part that went is told")
ROW(__send, patch_send, PATCH_PARKS,
    "until all is sent, or SO_SNDTIMEO has passed; a part that went is told")
ROW(sendto, patch_sendto, PATCH_PARKS, "as send")
ROW(sendmsg, patch_sendmsg, PATCH_PARKS, "as send")
ROW(sendmmsg, patch_sendmmsg, PATCH_PARKS, "as send for each message")
ROW(accept, patch_accept, PATCH_PARKS,
    "until there is a connection; where others may accept on the same socket a "
    "worker takes it, and O_NONBLOCK stays as it is")
ROW(accept4, patch_accept4, PATCH_PARKS, "as accept")
ROW(connect, patch_connect, PATCH_PARKS,
    "until the connection stands, has failed, or SO_SNDTIMEO has passed; of a "
    "stream O_NONBLOCK is set for the one system call, which another process "
    "that shares it may see")
ROW(__connect, patch_connect, PATCH_PARKS,
    "until the connection stands, has failed, or SO_SNDTIMEO has passed; of a "
    "stream O_NONBLOCK is set for the one system call, which another process "
    "that shares it may see")
ROW(listen, patch_listen, PATCH_NOTED, "who accepts on the socket")
ROW(socket, NULL, PATCH_PASSED,
    "does not block; options are looked at by each call that has to wait")
ROW(socketpair, NULL, PATCH_PASSED,
    "does not block; options are looked at by each call that has to wait")
ROW(shutdown, NULL, PATCH_PASSED,
    "does not block; options are looked at by each call that has to wait")
ROW(bind, NULL, PATCH_PASSED,
    "does not block; options are looked at by each call that has to wait")
ROW(getsockname, NULL, PATCH_PASSED,
    "does not block; options are looked at by each call that has to wait")
ROW(getpeername, NULL, PATCH_PASSED,
    "does not block; options are looked at by each call that has to wait")
ROW(getsockopt, NULL, PATCH_PASSED,
    "does not block; options are looked at by each call that has to wait")
ROW(setsockopt, patch_setsockopt, PATCH_NOTED,
    "that SO_RCVLOWAT is to be looked at; others are by each call that has to "
    "wait")
ROW(__recv, NULL, PATCH_REFUSED,
    "of libc's own libraries alone (GLIBC_PRIVATE)")
ROW(__sendmmsg, NULL, PATCH_REFUSED,
    "of libc's own libraries alone (GLIBC_PRIVATE)")

/* ---- reading and writing ------------------------------------------------- */

ROW(read, patch_read, PATCH_PARKS,
    "on descriptors of every kind; of files by memory, io_uring or a worker")
ROW(__read, patch_read, PATCH_PARKS,
    "on descriptors of every kind; of files by memory, io_uring or a worker")
ROW(__read_chk, patch_read_chk, PATCH_PARKS,
    "read of a program with _FORTIFY_SOURCE")
ROW(write, patch_write, PATCH_PARKS,
    "until all is written; to a terminal or FIFO by a file description of its "
    "own, to other devices by a worker")
ROW(__write, patch_write, PATCH_PARKS,
    "until all is written; to a terminal or FIFO by a file description of its "
    "own, to other devices by a worker")
ROW(readv, patch_readv, PATCH_PARKS, "as read")
ROW(writev, patch_writev, PATCH_PARKS, "as write")
ROW(eventfd_read, patch_eventfd_read, PATCH_PARKS, "as read")
ROW(eventfd_write, patch_eventfd_write, PATCH_PARKS, "as write")
ROW(pread, patch_pread, PATCH_PARKS,
    "from memory at once, else by io_uring or a worker")
ROW(pread64, patch_pread, PATCH_PARKS,
    "from memory at once, else by io_uring or a worker")
ROW(__pread64, patch_pread, PATCH_PARKS,
    "from memory at once, else by io_uring or a worker")
ROW(__pread_chk, patch_pread_chk, PATCH_PARKS,
    "pread of a program with _FORTIFY_SOURCE")
ROW(__pread64_chk, patch_pread_chk, PATCH_PARKS,
    "pread of a program with _FORTIFY_SOURCE")
ROW(pwrite, patch_pwrite, PATCH_WORKER, "where RWF_NOWAIT does not do")
ROW(pwrite64, patch_pwrite, PATCH_WORKER, "where RWF_NOWAIT does not do")
ROW(__pwrite64, patch_pwrite, PATCH_WORKER, "where RWF_NOWAIT does not do")
ROW(preadv, patch_preadv, PATCH_PARKS, "as pread")
ROW(preadv64, patch_preadv, PATCH_PARKS, "as pread")
ROW(pwritev, patch_pwritev, PATCH_WORKER, "as pwrite")
ROW(pwritev64, patch_pwritev, PATCH_WORKER, "as pwrite")
ROW(preadv2, patch_preadv2, PATCH_WORKER,
    "with RWF_NOWAIT, or flags at the file's own position, as it is")
ROW(preadv64v2, patch_preadv2, PATCH_WORKER,
    "with RWF_NOWAIT, or flags at the file's own position, as it is")
ROW(pwritev2, patch_pwritev2, PATCH_WORKER, "as preadv2")
ROW(pwritev64v2, patch_pwritev2, PATCH_WORKER, "as preadv2")
ROW(sendfile, patch_sendfile, PATCH_PARKS,
    "from a file to a socket by reads and sends; else a worker")
ROW(sendfile64, patch_sendfile, PATCH_PARKS,
    "from a file to a socket by reads and sends; else a worker")
ROW(splice, patch_splice, PATCH_PARKS,
    "between pipes and files by SPLICE_F_NONBLOCK; else a worker")
ROW(tee, patch_tee, PATCH_WORKER, "")
ROW(copy_file_range, patch_copy_file_range, PATCH_WORKER, "")
ROW(vmsplice, NULL, PATCH_REFUSED,
    "it has the kernel keep pages of the fiber's stack; it blocks while the "
    "pipe is full")
ROW(fsync, patch_fsync, PATCH_WORKER, "")
ROW(fdatasync, patch_fdatasync, PATCH_WORKER, "")
ROW(syncfs, patch_syncfs, PATCH_WORKER, "")
ROW(open, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(openat, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(creat, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(stat, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(fstat, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(lstat, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(rename, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(unlink, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(mkdir, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(rmdir, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(link, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(symlink, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(readlink, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(lseek, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(ftruncate, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(fallocate, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(readahead, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(posix_fadvise, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(__open, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(open64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(__open64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(openat64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(creat64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(stat64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(fstat64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(lstat64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(fstatat, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(fstatat64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(lseek64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(__lseek, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(ftruncate64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(fallocate64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(posix_fadvise64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(posix_fallocate, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(posix_fallocate64, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(renameat, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(renameat2, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(linkat, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(unlinkat, NULL, PATCH_PASSED,
    "short on a local disk; grove_open(3) and its kin are there for the others")
ROW(aio_suspend, patch_aio_suspend, PATCH_WORKER, "")
ROW(aio_suspend64, patch_aio_suspend, PATCH_WORKER, "")
ROW(lio_listio, patch_lio_listio, PATCH_WORKER, "with LIO_NOWAIT as it is")
ROW(lio_listio64, patch_lio_listio, PATCH_WORKER, "with LIO_NOWAIT as it is")
ROW(aio_read, NULL, PATCH_PASSED, "does not block: threads of libc's own do it")
ROW(aio_write, NULL, PATCH_PASSED,
    "does not block: threads of libc's own do it")
ROW(aio_error, NULL, PATCH_PASSED,
    "does not block: threads of libc's own do it")
ROW(aio_return, NULL, PATCH_PASSED,
    "does not block: threads of libc's own do it")
ROW(aio_cancel, NULL, PATCH_PASSED,
    "does not block: threads of libc's own do it")

/* ---- stdio ---------------------------------------------------------------- */

ROW(_IO_file_read, patch_file_read, PATCH_PARKS,
    "in libc's own tables: what the following read by; as read, for who holds "
    "the FILE, unless that is a regular file")
ROW(_IO_file_write, patch_file_write, PATCH_PARKS,
    "in libc's own tables: what the following write by; as write, for who "
    "holds the FILE, unless that is a regular file")
ROW(fgetc, held_fgetc, PATCH_PARKS,
    "while another fiber has the FILE, and where it has to be read or written")
ROW(getc, held_getc, PATCH_PARKS, "as fgetc")
ROW(_IO_getc, held__IO_getc, PATCH_PARKS, "as fgetc")
ROW(getchar, held_getchar, PATCH_PARKS, "as fgetc")
ROW(fgetc_unlocked, held_fgetc_unlocked, PATCH_PARKS, "as fgetc")
ROW(getc_unlocked, held_getc_unlocked, PATCH_PARKS, "as fgetc")
ROW(getchar_unlocked, held_getchar_unlocked, PATCH_PARKS, "as fgetc")
ROW(getw, held_getw, PATCH_PARKS, "as fgetc")
ROW(ungetc, held_ungetc, PATCH_PARKS, "as fgetc")
ROW(__uflow, held___uflow, PATCH_PARKS, "as fgetc")
ROW(__underflow, held___underflow, PATCH_PARKS, "as fgetc")
ROW(fgets, held_fgets, PATCH_PARKS, "as fgetc")
ROW(fgets_unlocked, held_fgets_unlocked, PATCH_PARKS, "as fgetc")
ROW(__fgets_chk, held___fgets_chk, PATCH_PARKS, "as fgetc")
ROW(__fgets_unlocked_chk, held___fgets_unlocked_chk, PATCH_PARKS, "as fgetc")
ROW(fread, held_fread, PATCH_PARKS, "as fgetc")
ROW(fread_unlocked, held_fread_unlocked, PATCH_PARKS, "as fgetc")
ROW(__fread_chk, held___fread_chk, PATCH_PARKS, "as fgetc")
ROW(__fread_unlocked_chk, held___fread_unlocked_chk, PATCH_PARKS, "as fgetc")
ROW(getline, held_getline, PATCH_PARKS, "as fgetc")
ROW(getdelim, held_getdelim, PATCH_PARKS, "as fgetc")
ROW(__getdelim, held___getdelim, PATCH_PARKS, "as fgetc")
ROW(fputc, held_fputc, PATCH_PARKS, "as fgetc")
ROW(putc, held_putc, PATCH_PARKS, "as fgetc")
ROW(_IO_putc, held__IO_putc, PATCH_PARKS, "as fgetc")
ROW(putchar, held_putchar, PATCH_PARKS, "as fgetc")
ROW(fputc_unlocked, held_fputc_unlocked, PATCH_PARKS, "as fgetc")
ROW(putc_unlocked, held_putc_unlocked, PATCH_PARKS, "as fgetc")
ROW(putchar_unlocked, held_putchar_unlocked, PATCH_PARKS, "as fgetc")
ROW(putw, held_putw, PATCH_PARKS, "as fgetc")
ROW(__overflow, held___overflow, PATCH_PARKS, "as fgetc")
ROW(fputs, held_fputs, PATCH_PARKS, "as fgetc")
ROW(fputs_unlocked, held_fputs_unlocked, PATCH_PARKS, "as fgetc")
ROW(puts, held_puts, PATCH_PARKS, "as fgetc")
ROW(fwrite, held_fwrite, PATCH_PARKS, "as fgetc")
ROW(fwrite_unlocked, held_fwrite_unlocked, PATCH_PARKS, "as fgetc")
ROW(fgetwc, held_fgetwc, PATCH_PARKS, "as fgetc")
ROW(getwc, held_getwc, PATCH_PARKS, "as fgetc")
ROW(getwchar, held_getwchar, PATCH_PARKS, "as fgetc")
ROW(fgetwc_unlocked, held_fgetwc_unlocked, PATCH_PARKS, "as fgetc")
ROW(getwc_unlocked, held_getwc_unlocked, PATCH_PARKS, "as fgetc")
ROW(getwchar_unlocked, held_getwchar_unlocked, PATCH_PARKS, "as fgetc")
ROW(ungetwc, held_ungetwc, PATCH_PARKS, "as fgetc")
ROW(__wuflow, held___wuflow, PATCH_PARKS, "as fgetc")
ROW(__wunderflow, held___wunderflow, PATCH_PARKS, "as fgetc")
ROW(fgetws, held_fgetws, PATCH_PARKS, "as fgetc")
ROW(fgetws_unlocked, held_fgetws_unlocked, PATCH_PARKS, "as fgetc")
ROW(__fgetws_chk, held___fgetws_chk, PATCH_PARKS, "as fgetc")
ROW(__fgetws_unlocked_chk, held___fgetws_unlocked_chk, PATCH_PARKS, "as fgetc")
ROW(fputwc, held_fputwc, PATCH_PARKS, "as fgetc")
ROW(putwc, held_putwc, PATCH_PARKS, "as fgetc")
ROW(putwchar, held_putwchar, PATCH_PARKS, "as fgetc")
ROW(fputwc_unlocked, held_fputwc_unlocked, PATCH_PARKS, "as fgetc")
ROW(putwc_unlocked, held_putwc_unlocked, PATCH_PARKS, "as fgetc")
ROW(putwchar_unlocked, held_putwchar_unlocked, PATCH_PARKS, "as fgetc")
ROW(__woverflow, held___woverflow, PATCH_PARKS, "as fgetc")
ROW(fputws, held_fputws, PATCH_PARKS, "as fgetc")
ROW(fputws_unlocked, held_fputws_unlocked, PATCH_PARKS, "as fgetc")
ROW(fprintf, held_fprintf, PATCH_PARKS, "as fgetc")
ROW(printf, held_printf, PATCH_PARKS, "as fgetc")
ROW(__fprintf_chk, held___fprintf_chk, PATCH_PARKS, "as fgetc")
ROW(__printf_chk, held___printf_chk, PATCH_PARKS, "as fgetc")
ROW(fwprintf, held_fwprintf, PATCH_PARKS, "as fgetc")
ROW(wprintf, held_wprintf, PATCH_PARKS, "as fgetc")
ROW(__fwprintf_chk, held___fwprintf_chk, PATCH_PARKS, "as fgetc")
ROW(__wprintf_chk, held___wprintf_chk, PATCH_PARKS, "as fgetc")
ROW(dprintf, held_dprintf, PATCH_PARKS, "as write")
ROW(__dprintf_chk, held___dprintf_chk, PATCH_PARKS, "as write")
ROW(vfprintf, held_vfprintf, PATCH_PARKS, "as fgetc")
ROW(vprintf, held_vprintf, PATCH_PARKS, "as fgetc")
ROW(__vfprintf_chk, held___vfprintf_chk, PATCH_PARKS, "as fgetc")
ROW(__vprintf_chk, held___vprintf_chk, PATCH_PARKS, "as fgetc")
ROW(vfwprintf, held_vfwprintf, PATCH_PARKS, "as fgetc")
ROW(vwprintf, held_vwprintf, PATCH_PARKS, "as fgetc")
ROW(__vfwprintf_chk, held___vfwprintf_chk, PATCH_PARKS, "as fgetc")
ROW(__vwprintf_chk, held___vwprintf_chk, PATCH_PARKS, "as fgetc")
ROW(vfscanf, held_vfscanf, PATCH_PARKS, "as fgetc")
ROW(vscanf, held_vscanf, PATCH_PARKS, "as fgetc")
ROW(vfwscanf, held_vfwscanf, PATCH_PARKS, "as fgetc")
ROW(vwscanf, held_vwscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc99_vfscanf, held___isoc99_vfscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc99_vscanf, held___isoc99_vscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc99_vfwscanf, held___isoc99_vfwscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc99_vwscanf, held___isoc99_vwscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc23_vfscanf, held___isoc23_vfscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc23_vscanf, held___isoc23_vscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc23_vfwscanf, held___isoc23_vfwscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc23_vwscanf, held___isoc23_vwscanf, PATCH_PARKS, "as fgetc")
ROW(fscanf, held_fscanf, PATCH_PARKS, "as fgetc")
ROW(scanf, held_scanf, PATCH_PARKS, "as fgetc")
ROW(fwscanf, held_fwscanf, PATCH_PARKS, "as fgetc")
ROW(wscanf, held_wscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc99_fscanf, held___isoc99_fscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc99_scanf, held___isoc99_scanf, PATCH_PARKS, "as fgetc")
ROW(__isoc99_fwscanf, held___isoc99_fwscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc99_wscanf, held___isoc99_wscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc23_fscanf, held___isoc23_fscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc23_scanf, held___isoc23_scanf, PATCH_PARKS, "as fgetc")
ROW(__isoc23_fwscanf, held___isoc23_fwscanf, PATCH_PARKS, "as fgetc")
ROW(__isoc23_wscanf, held___isoc23_wscanf, PATCH_PARKS, "as fgetc")
ROW(fseek, held_fseek, PATCH_PARKS, "as fgetc")
ROW(fseeko, held_fseeko, PATCH_PARKS, "as fgetc")
ROW(fseeko64, held_fseeko64, PATCH_PARKS, "as fgetc")
ROW(ftell, held_ftell, PATCH_PARKS, "as fgetc")
ROW(ftello, held_ftello, PATCH_PARKS, "as fgetc")
ROW(ftello64, held_ftello64, PATCH_PARKS, "as fgetc")
ROW(fgetpos, held_fgetpos, PATCH_PARKS, "as fgetc")
ROW(fgetpos64, held_fgetpos64, PATCH_PARKS, "as fgetc")
ROW(fsetpos, held_fsetpos, PATCH_PARKS, "as fgetc")
ROW(fsetpos64, held_fsetpos64, PATCH_PARKS, "as fgetc")
ROW(setvbuf, held_setvbuf, PATCH_PARKS, "as fgetc")
ROW(feof, held_feof, PATCH_PARKS, "as fgetc")
ROW(ferror, held_ferror, PATCH_PARKS, "as fgetc")
ROW(fflush_unlocked, held_fflush_unlocked, PATCH_PARKS, "as fgetc")
ROW(rewind, held_rewind, PATCH_PARKS, "as fgetc")
ROW(setbuf, held_setbuf, PATCH_PARKS, "as fgetc")
ROW(setbuffer, held_setbuffer, PATCH_PARKS, "as fgetc")
ROW(setlinebuf, held_setlinebuf, PATCH_PARKS, "as fgetc")
ROW(clearerr, held_clearerr, PATCH_PARKS, "as fgetc")
ROW(vdprintf, held_vdprintf, PATCH_PARKS, "as write")
ROW(__vdprintf_chk, held___vdprintf_chk, PATCH_PARKS, "as write")
ROW(fflush, held_fflush, PATCH_PARKS,
    "as fgetc; of all FILEs, of one after the other")
ROW(fclose, held_fclose, PATCH_PARKS, "as fgetc, and as close")
ROW(freopen, held_freopen, PATCH_PARKS, "as fclose")
ROW(freopen64, held_freopen, PATCH_PARKS, "as fclose")
ROW(fcloseall, NULL, PATCH_REFUSED, "writes all FILEs inside libc")
ROW(flockfile, held_flockfile, PATCH_PARKS, "of fibers, and libc's own lock")
ROW(ftrylockfile, held_ftrylockfile, PATCH_PARKS,
    "of fibers, and libc's own lock")
ROW(funlockfile, held_funlockfile, PATCH_PARKS,
    "of fibers, and libc's own lock")
ROW(perror, held_perror, PATCH_PARKS, "as fgetc, of standard error")
ROW(psignal, held_psignal, PATCH_PARKS, "as fgetc, of standard error")
ROW(vwarn, held_vwarn, PATCH_PARKS, "as fgetc, of standard error")
ROW(vwarnx, held_vwarnx, PATCH_PARKS, "as fgetc, of standard error")
ROW(warn, held_warn, PATCH_PARKS, "as fgetc, of standard error")
ROW(warnx, held_warnx, PATCH_PARKS, "as fgetc, of standard error")
ROW(verr, held_verr, PATCH_PARKS, "as fgetc, of standard error")
ROW(verrx, held_verrx, PATCH_PARKS, "as fgetc, of standard error")
ROW(err, held_err, PATCH_PARKS, "as fgetc, of standard error")
ROW(errx, held_errx, PATCH_PARKS, "as fgetc, of standard error")
ROW(error, held_error, PATCH_PARKS, "as fgetc, of standard error")
ROW(error_at_line, held_error_at_line, PATCH_PARKS,
    "as fgetc, of standard error")
ROW(fopen, NULL, PATCH_PASSED, "as open")
ROW(fopen64, NULL, PATCH_PASSED, "as open")
ROW(fdopen, NULL, PATCH_PASSED, "does not block")
ROW(fopencookie, NULL, PATCH_PASSED,
    "does not block; the cookie's functions are the program's")
ROW(psiginfo, NULL, PATCH_REFUSED, "writes to descriptor 2 inside libc")
ROW(getpass, NULL, PATCH_REFUSED, "reads the terminal inside libc")
ROW(gets, NULL, PATCH_REFUSED, "nobody can use it safely")
ROW(syslog, NULL, PATCH_REFUSED, "writes to the system's log inside libc")
ROW(vsyslog, NULL, PATCH_REFUSED, "writes to the system's log inside libc")
ROW(__syslog_chk, NULL, PATCH_REFUSED, "writes to the system's log inside libc")
ROW(__vsyslog_chk, NULL, PATCH_REFUSED,
    "writes to the system's log inside libc")
ROW(_IO_fclose, held_fclose, PATCH_PARKS, "as fclose")
ROW(_IO_feof, held_feof, PATCH_PARKS, "as feof")
ROW(_IO_ferror, held_ferror, PATCH_PARKS, "as ferror")
ROW(_IO_fflush, held_fflush, PATCH_PARKS, "as fflush")
ROW(_IO_fgetpos, held_fgetpos, PATCH_PARKS, "as fgetpos")
ROW(_IO_fgetpos64, held_fgetpos64, PATCH_PARKS, "as fgetpos64")
ROW(_IO_fgets, held_fgets, PATCH_PARKS, "as fgets")
ROW(_IO_flockfile, held_flockfile, PATCH_PARKS, "as flockfile")
ROW(_IO_fprintf, held_fprintf, PATCH_PARKS, "as fprintf")
ROW(_IO_fputs, held_fputs, PATCH_PARKS, "as fputs")
ROW(_IO_fread, held_fread, PATCH_PARKS, "as fread")
ROW(_IO_fsetpos, held_fsetpos, PATCH_PARKS, "as fsetpos")
ROW(_IO_fsetpos64, held_fsetpos64, PATCH_PARKS, "as fsetpos64")
ROW(_IO_ftell, held_ftell, PATCH_PARKS, "as ftell")
ROW(_IO_ftrylockfile, held_ftrylockfile, PATCH_PARKS, "as ftrylockfile")
ROW(_IO_funlockfile, held_funlockfile, PATCH_PARKS, "as funlockfile")
ROW(_IO_fwrite, held_fwrite, PATCH_PARKS, "as fwrite")
ROW(_IO_printf, held_printf, PATCH_PARKS, "as printf")
ROW(_IO_puts, held_puts, PATCH_PARKS, "as puts")
ROW(_IO_setbuffer, held_setbuffer, PATCH_PARKS, "as setbuffer")
ROW(_IO_setvbuf, held_setvbuf, PATCH_PARKS, "as setvbuf")
ROW(_IO_ungetc, held_ungetc, PATCH_PARKS, "as ungetc")
ROW(_IO_vfprintf, held_vfprintf, PATCH_PARKS, "as vfprintf")
ROW(__vfscanf, held_vfscanf, PATCH_PARKS, "as vfscanf")
ROW(_IO_popen, patch_popen, PATCH_NOTED, "as popen")
ROW(_IO_fopen, NULL, PATCH_PASSED, "as open")
ROW(_IO_fdopen, NULL, PATCH_PASSED, "does not block")
ROW(_IO_gets, NULL, PATCH_REFUSED, "nobody can use it safely")

/* ---- waiting for descriptors --------------------------------------------- */

ROW(poll, patch_poll, PATCH_PARKS, "until one is ready, or the time is over")
ROW(__poll, patch_poll, PATCH_PARKS, "until one is ready, or the time is over")
ROW(__poll_chk, patch_poll_chk, PATCH_PARKS,
    "poll of a program with _FORTIFY_SOURCE")
ROW(ppoll, patch_ppoll, PATCH_PARKS,
    "as poll; a signal that the mask lets through ends it, what the mask "
    "blocks besides does not")
ROW(__ppoll_chk, patch_ppoll_chk, PATCH_PARKS,
    "ppoll of a program with _FORTIFY_SOURCE")
ROW(select, patch_select, PATCH_PARKS, "as poll; the time that is left is told")
ROW(__select, patch_select, PATCH_PARKS,
    "as poll; the time that is left is told")
ROW(pselect, patch_pselect, PATCH_PARKS, "as select and ppoll")
ROW(epoll_wait, patch_epoll_wait, PATCH_PARKS,
    "the program's own epoll descriptor is waited for as any other")
ROW(epoll_pwait, patch_epoll_pwait, PATCH_PARKS, "as epoll_wait and ppoll")
ROW(epoll_pwait2, patch_epoll_pwait2, PATCH_PARKS, "as epoll_pwait")
ROW(epoll_create, NULL, PATCH_PASSED, "does not block")
ROW(epoll_create1, NULL, PATCH_PASSED, "does not block")
ROW(epoll_ctl, NULL, PATCH_PASSED, "does not block")
ROW(eventfd, NULL, PATCH_PASSED, "does not block")
ROW(timerfd_create, NULL, PATCH_PASSED, "does not block")
ROW(signalfd, NULL, PATCH_PASSED, "does not block")
ROW(inotify_init, NULL, PATCH_PASSED, "does not block")
ROW(__fdelt_chk, NULL, PATCH_PASSED, "checks a number")
ROW(io_getevents, NULL, PATCH_REFUSED, "libaio's, not libc's")

/* ---- sleeping ------------------------------------------------------------ */

ROW(sleep, patch_sleep, PATCH_PARKS, "")
ROW(usleep, patch_usleep, PATCH_PARKS, "")
ROW(nanosleep, patch_nanosleep, PATCH_PARKS, "")
ROW(__nanosleep, patch_nanosleep, PATCH_PARKS, "")
ROW(thrd_sleep, patch_thrd_sleep, PATCH_PARKS, "")
ROW(clock_nanosleep, patch_clock_nanosleep, PATCH_PARKS,
    "on clocks of wall and monotonic time; on those of processor time as it is")

/* ---- signals ------------------------------------------------------------- */

ROW(pause, patch_pause, PATCH_PARKS, "until a handler has run")
ROW(sigsuspend, patch_sigsuspend, PATCH_PARKS, "until a handler has run")
THREAD(sigwait, patch_sigwait, PATCH_PARKS,
       "until a signal of the set is pending")
THREAD(sigwaitinfo, patch_sigwaitinfo, PATCH_PARKS, "as sigwait")
THREAD(sigtimedwait, patch_sigtimedwait, PATCH_PARKS, "as sigwait")
ROW(sigaction, patch_sigaction, PATCH_NOTED,
    "calls that a handler makes are libc's own; and it ends a call that waits, "
    "as the kernel has it")
ROW(__sigaction, patch_sigaction, PATCH_NOTED, "as sigaction")
ROW(signal, patch_signal, PATCH_NOTED, "as sigaction")
ROW(kill, NULL, PATCH_PASSED, "does not block")
ROW(__sigsuspend, patch_sigsuspend, PATCH_PARKS, "until a handler has run")
ROW(sigpause, patch_sigpause, PATCH_PARKS, "as sigsuspend")
ROW(__xpg_sigpause, patch_xpg_sigpause, PATCH_PARKS, "as sigsuspend")
ROW(__sigpause, patch_sigpause_either, PATCH_PARKS, "as sigsuspend")
ROW(bsd_signal, patch_signal, PATCH_NOTED, "as sigaction")
ROW(ssignal, patch_signal, PATCH_NOTED, "as sigaction")
ROW(sysv_signal, patch_sysv_signal, PATCH_NOTED, "as sigaction")
ROW(__sysv_signal, patch_sysv_signal, PATCH_NOTED, "as sigaction")
ALIAS(gsignal, raise, PATCH_THREADS, "as raise")
ROW(sigset, NULL, PATCH_REFUSED,
    "it sets handlers inside libc, which is not told of")
ROW(sigignore, NULL, PATCH_REFUSED,
    "it sets handlers inside libc, which is not told of")
ROW(sighold, NULL, PATCH_PASSED, "of the kernel's thread")
ROW(sigrelse, NULL, PATCH_PASSED, "of the kernel's thread")
ROW(siginterrupt, NULL, PATCH_PASSED,
    "the flag is looked at when a handler is set")

/* ---- ends of descriptors ------------------------------------------------- */

ROW(close, patch_close, PATCH_PARKS,
    "who waits for the descriptor, on any hub, gets EBADF")
ROW(__close, patch_close, PATCH_PARKS,
    "who waits for the descriptor, on any hub, gets EBADF")
ROW(dup2, patch_dup2, PATCH_PARKS, "as close of the number that is taken")
ROW(__dup2, patch_dup2, PATCH_PARKS, "as close of the number that is taken")
ROW(dup3, patch_dup3, PATCH_PARKS, "as dup2")
ROW(close_range, patch_close_range, PATCH_PARKS,
    "as close of each; the runtime's own stay")
ROW(closefrom, patch_closefrom, PATCH_PARKS, "as close_range")
ROW(pipe, NULL, PATCH_PASSED, "does not block")
ROW(pipe2, NULL, PATCH_PASSED, "does not block")
ROW(dup, NULL, PATCH_PASSED, "does not block")
ROW(ioctl, NULL, PATCH_PASSED,
    "does not block; FIONBIO is looked at by each call that has to wait")

/* ---- locks of files ------------------------------------------------------ */

ROW(fcntl, patch_fcntl, PATCH_PARKS,
    "F_SETLKW and F_OFD_SETLKW: by tries, with pauses of 16 ms at most; a ring "
    "of waiters is not told. All else as it is")
ROW(fcntl64, patch_fcntl, PATCH_PARKS,
    "F_SETLKW and F_OFD_SETLKW: by tries, with pauses of 16 ms at most; a ring "
    "of waiters is not told. All else as it is")
ROW(__fcntl, patch_fcntl, PATCH_PARKS,
    "F_SETLKW and F_OFD_SETLKW: by tries, with pauses of 16 ms at most; a ring "
    "of waiters is not told. All else as it is")
ROW(flock, patch_flock, PATCH_PARKS, "by tries, as fcntl")
ROW(lockf, patch_lockf, PATCH_PARKS, "by tries, as fcntl")
ROW(lockf64, patch_lockf, PATCH_PARKS, "by tries, as fcntl")

/* ---- between processes --------------------------------------------------- */

ROW(msgrcv, patch_msgrcv, PATCH_PARKS, "by tries, with pauses of 16 ms at most")
ROW(msgsnd, patch_msgsnd, PATCH_PARKS, "as msgrcv")
ROW(semop, patch_semop, PATCH_PARKS,
    "as msgrcv; with IPC_NOWAIT as it is. Who waits is not counted by GETNCNT "
    "and GETZCNT")
ROW(semtimedop, patch_semtimedop, PATCH_PARKS, "as semop")
ROW(mq_receive, patch_mq_receive, PATCH_PARKS, "until there is a message")
ROW(mq_timedreceive, patch_mq_timedreceive, PATCH_PARKS,
    "until there is a message, or the time has come")
ROW(mq_send, patch_mq_send, PATCH_PARKS, "until there is room")
ROW(mq_timedsend, patch_mq_timedsend, PATCH_PARKS,
    "until there is room, or the time has come")

/* ---- processes ----------------------------------------------------------- */

ROW(waitpid, patch_waitpid, PATCH_PARKS,
    "of one child by its pidfd; of any, or for one that stops, by tries, with "
    "pauses of 16 ms at most")
ROW(__waitpid, patch_waitpid, PATCH_PARKS,
    "of one child by its pidfd; of any, or for one that stops, by tries, with "
    "pauses of 16 ms at most")
ROW(wait, patch_wait, PATCH_PARKS, "as waitpid of any")
ROW(wait3, patch_wait3, PATCH_PARKS, "as waitpid of any")
ROW(wait4, patch_wait4, PATCH_PARKS, "as waitpid")
ROW(waitid, patch_waitid, PATCH_PARKS, "as waitpid")
ROW(system, patch_system, PATCH_WORKER, "")
ROW(pclose, patch_pclose, PATCH_WORKER, "a kill is told when it is over")
ROW(popen, patch_popen, PATCH_NOTED,
    "that listeners are shared with another program")
ROW(posix_spawn, patch_posix_spawn, PATCH_NOTED, "as popen")
ROW(posix_spawnp, patch_posix_spawnp, PATCH_NOTED, "as popen")
ROW(fork, NULL, PATCH_PASSED,
    "a fork leaves the child the calling fiber and a fresh loop")
ROW(vfork, patch_vfork, PATCH_NOTED,
    "the child, which has the memory of its parent, gets libc's own calls")
ROW(_exit, NULL, PATCH_PASSED,
    "a fork leaves the child the calling fiber and a fresh loop")
ROW(execve, NULL, PATCH_PASSED,
    "a fork leaves the child the calling fiber and a fresh loop")
ROW(__wait, patch_wait, PATCH_PARKS, "as waitpid of any")
ROW(__vfork, patch_vfork, PATCH_NOTED, "as vfork")
ROW(__fork, NULL, PATCH_PASSED, "as fork")
ROW(_Exit, NULL, PATCH_PASSED, "as _exit")

/* ---- names --------------------------------------------------------------- */

ROW(getaddrinfo, patch_getaddrinfo, PATCH_PARKS,
    "by c-ares in the loop, or libc on a worker, as nsswitch.conf says")
ROW(getnameinfo, patch_getnameinfo, PATCH_PARKS, "as getaddrinfo")
ROW(gethostbyname, patch_gethostbyname, PATCH_WORKER, "")
ROW(gethostbyname2, patch_gethostbyname2, PATCH_WORKER, "")
ROW(gethostbyaddr, patch_gethostbyaddr, PATCH_WORKER, "")
ROW(gethostbyname_r, patch_gethostbyname_r, PATCH_WORKER, "")
ROW(gethostbyname2_r, patch_gethostbyname2_r, PATCH_WORKER, "")
ROW(gethostbyaddr_r, patch_gethostbyaddr_r, PATCH_WORKER, "")
ROW(res_query, patch_res_query, PATCH_WORKER,
    "with the worker's resolver state, which is the system's")
ROW(__res_query, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(res_search, patch_res_search, PATCH_WORKER, "as res_query")
ROW(__res_search, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(res_nquery, NULL, PATCH_REFUSED,
    "they work on the caller's resolver state, or the thread's")
ROW(res_nsearch, NULL, PATCH_REFUSED,
    "they work on the caller's resolver state, or the thread's")
ROW(res_send, NULL, PATCH_REFUSED,
    "they work on the caller's resolver state, or the thread's")
ROW(res_nsend, NULL, PATCH_REFUSED,
    "they work on the caller's resolver state, or the thread's")
ROW(getpwnam, NULL, PATCH_REFUSED,
    "they wait inside libc where a directory service is asked")
ROW(getpwuid, NULL, PATCH_REFUSED,
    "they wait inside libc where a directory service is asked")
ROW(getgrnam, NULL, PATCH_REFUSED,
    "they wait inside libc where a directory service is asked")
ROW(getservbyname, NULL, PATCH_REFUSED,
    "they wait inside libc where a directory service is asked")
ROW(__res_nquery, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__res_nsearch, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__res_send, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__res_nsend, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__res_querydomain, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__res_nquerydomain, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(res_querydomain, NULL, PATCH_REFUSED,
    "it waits inside libc; res_query and res_search park")
ROW(res_nquerydomain, NULL, PATCH_REFUSED,
    "it waits inside libc; res_query and res_search park")
ROW(res_mkquery, NULL, PATCH_PASSED, "makes a message")
ROW(res_nmkquery, NULL, PATCH_PASSED, "makes a message")
ROW(__res_state, NULL, PATCH_PASSED,
    "the thread's; of threads that are fibers the fiber's")
ROW(gai_suspend, patch_gai_suspend, PATCH_WORKER, "")
ROW(getaddrinfo_a, NULL, PATCH_PASSED,
    "with GAI_NOWAIT, which threads of libc's own do; with GAI_WAIT it waits "
    "inside libc")

/* ---- the loader ---------------------------------------------------------- */

ROW(dlopen, patch_dlopen, PATCH_NOTED,
    "what is loaded is patched; a file without a path, asked for by an object "
    "with a RUNPATH, by the next call of the loader")
ROW(dlsym, patch_dlsym, PATCH_NOTED,
    "patched functions are told by their own address")
ROW(dlvsym, patch_dlvsym, PATCH_NOTED, "as dlsym")
ROW(dlmopen, NULL, PATCH_REFUSED, "another namespace has another libc")
ROW(dlclose, NULL, PATCH_PASSED, "slots of what is gone are forgotten")

/* ---- by number ----------------------------------------------------------- */

ROW(syscall, patch_syscall, PATCH_PARKS,
    "calls of the above by their numbers, and io_uring_enter where it waits; "
    "those with a mask, futexes and all others as they are")

/* ---- threads ------------------------------------------------------------- */

THREAD(pthread_create, NULL, PATCH_THREADS, "a fiber with storage of its own")
THREAD(thrd_create, NULL, PATCH_THREADS, "as pthread_create")
THREAD(pthread_join, NULL, PATCH_THREADS,
       "parks until it has ended; an ordinary thread is joined by a worker")
THREAD(pthread_tryjoin_np, NULL, PATCH_THREADS,
       "parks until it has ended; an ordinary thread is joined by a worker")
THREAD(pthread_timedjoin_np, NULL, PATCH_THREADS,
       "parks until it has ended; an ordinary thread is joined by a worker")
THREAD(pthread_clockjoin_np, NULL, PATCH_THREADS,
       "parks until it has ended; an ordinary thread is joined by a worker")
THREAD(thrd_join, NULL, PATCH_THREADS,
       "parks until it has ended; an ordinary thread is joined by a worker")
THREAD(pthread_detach, NULL, PATCH_THREADS, "of such a fiber")
THREAD(thrd_detach, NULL, PATCH_THREADS, "of such a fiber")
THREAD(pthread_exit, NULL, PATCH_THREADS, "of such a fiber")
THREAD(thrd_exit, NULL, PATCH_THREADS, "of such a fiber")
THREAD(pthread_cancel, NULL, PATCH_THREADS,
       "at its next cancellation point: a call of this page that parks, or one "
       "of POSIX's in this section")
THREAD(pthread_setcancelstate, NULL, PATCH_THREADS, "as pthread_cancel")
THREAD(pthread_setcanceltype, NULL, PATCH_THREADS, "as pthread_cancel")
THREAD(pthread_testcancel, NULL, PATCH_THREADS, "as pthread_cancel")
THREAD(pthread_setname_np, NULL, PATCH_THREADS, "of such a fiber")
THREAD(pthread_getname_np, NULL, PATCH_THREADS, "of such a fiber")
THREAD(pthread_getattr_np, NULL, PATCH_THREADS, "of such a fiber")
THREAD(pthread_getcpuclockid, NULL, PATCH_THREADS,
       "what all threads of a hub have in common; setting it changes nothing")
THREAD(pthread_getaffinity_np, NULL, PATCH_THREADS,
       "what all threads of a hub have in common; setting it changes nothing")
THREAD(pthread_setaffinity_np, NULL, PATCH_THREADS,
       "what all threads of a hub have in common; setting it changes nothing")
THREAD(pthread_getschedparam, NULL, PATCH_THREADS,
       "what all threads of a hub have in common; setting it changes nothing")
THREAD(pthread_setschedparam, NULL, PATCH_THREADS,
       "what all threads of a hub have in common; setting it changes nothing")
THREAD(pthread_setschedprio, NULL, PATCH_THREADS,
       "what all threads of a hub have in common; setting it changes nothing")
THREAD(sched_yield, NULL, PATCH_THREADS, "lets other fibers run")
THREAD(thrd_yield, NULL, PATCH_THREADS, "lets other fibers run")
THREAD(pthread_mutex_init, NULL, PATCH_THREADS,
       "libc's, without priorities that are inherited")
THREAD(pthread_mutex_lock, NULL, PATCH_THREADS,
       "libc's mutex, of every type; parks where it is held")
THREAD(pthread_mutex_timedlock, NULL, PATCH_THREADS,
       "libc's mutex, of every type; parks where it is held")
THREAD(pthread_mutex_clocklock, NULL, PATCH_THREADS,
       "libc's mutex, of every type; parks where it is held")
THREAD(mtx_lock, NULL, PATCH_THREADS,
       "libc's mutex, of every type; parks where it is held")
THREAD(mtx_timedlock, NULL, PATCH_THREADS,
       "libc's mutex, of every type; parks where it is held")
THREAD(pthread_mutex_trylock, NULL, PATCH_THREADS, "libc's mutex")
THREAD(pthread_mutex_unlock, NULL, PATCH_THREADS, "libc's mutex")
THREAD(mtx_trylock, NULL, PATCH_THREADS, "libc's mutex")
THREAD(mtx_unlock, NULL, PATCH_THREADS, "libc's mutex")
THREAD(pthread_cond_wait, NULL, PATCH_THREADS,
       "parks; of one that other processes share, libc's")
THREAD(pthread_cond_timedwait, NULL, PATCH_THREADS,
       "parks; of one that other processes share, libc's")
THREAD(pthread_cond_clockwait, NULL, PATCH_THREADS,
       "parks; of one that other processes share, libc's")
THREAD(cnd_wait, NULL, PATCH_THREADS,
       "parks; of one that other processes share, libc's")
THREAD(cnd_timedwait, NULL, PATCH_THREADS,
       "parks; of one that other processes share, libc's")
THREAD(pthread_cond_signal, NULL, PATCH_THREADS, "wakes fibers, else threads")
THREAD(pthread_cond_broadcast, NULL, PATCH_THREADS,
       "wakes fibers, else threads")
THREAD(cnd_signal, NULL, PATCH_THREADS, "wakes fibers, else threads")
THREAD(cnd_broadcast, NULL, PATCH_THREADS, "wakes fibers, else threads")
THREAD(pthread_rwlock_rdlock, NULL, PATCH_THREADS,
       "libc's lock; parks where it is held")
THREAD(pthread_rwlock_wrlock, NULL, PATCH_THREADS,
       "libc's lock; parks where it is held")
THREAD(pthread_rwlock_timedrdlock, NULL, PATCH_THREADS,
       "libc's lock; parks where it is held")
THREAD(pthread_rwlock_timedwrlock, NULL, PATCH_THREADS,
       "libc's lock; parks where it is held")
THREAD(pthread_rwlock_clockrdlock, NULL, PATCH_THREADS,
       "libc's lock; parks where it is held")
THREAD(pthread_rwlock_clockwrlock, NULL, PATCH_THREADS,
       "libc's lock; parks where it is held")
THREAD(pthread_rwlock_tryrdlock, NULL, PATCH_THREADS, "libc's lock")
THREAD(pthread_rwlock_trywrlock, NULL, PATCH_THREADS, "libc's lock")
THREAD(pthread_rwlock_unlock, NULL, PATCH_THREADS, "libc's lock")
THREAD(pthread_barrier_init, NULL, PATCH_THREADS,
       "parks; of one that other processes share, libc's")
THREAD(pthread_barrier_wait, NULL, PATCH_THREADS,
       "parks; of one that other processes share, libc's")
THREAD(pthread_barrier_destroy, NULL, PATCH_THREADS,
       "parks; of one that other processes share, libc's")
THREAD(pthread_once, NULL, PATCH_THREADS, "parks while another fiber is at it")
THREAD(call_once, NULL, PATCH_THREADS, "parks while another fiber is at it")
THREAD(pthread_spin_lock, NULL, PATCH_THREADS,
       "lets other fibers run while it is held")
THREAD(pthread_spin_trylock, NULL, PATCH_THREADS,
       "lets other fibers run while it is held")
THREAD(sem_wait, NULL, PATCH_THREADS,
       "libc's semaphore; parks where there is no unit")
THREAD(sem_timedwait, NULL, PATCH_THREADS,
       "libc's semaphore; parks where there is no unit")
THREAD(sem_clockwait, NULL, PATCH_THREADS,
       "libc's semaphore; parks where there is no unit")
THREAD(sem_trywait, NULL, PATCH_THREADS, "libc's semaphore")
THREAD(sem_post, NULL, PATCH_THREADS, "libc's semaphore")
THREAD(pthread_kill, NULL, PATCH_THREADS,
       "raised by the fiber itself when it goes on; a wait is ended by it")
THREAD(pthread_sigqueue, NULL, PATCH_THREADS, "as pthread_kill")
THREAD(raise, NULL, PATCH_THREADS, "as pthread_kill")
THREAD(pthread_sigmask, patch_pthread_sigmask, PATCH_NOTED,
       "SIGSYS stays unblocked where raw system calls are patched; of threads "
       "that are fibers, the fiber's")
THREAD(sigprocmask, patch_sigprocmask, PATCH_NOTED, "as pthread_sigmask")
THREAD(sigpending, NULL, PATCH_THREADS, "of such a fiber")
ALIAS(__sched_yield, sched_yield, PATCH_THREADS, "as sched_yield")
ROW(__pthread_mutex_init, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__pthread_mutex_destroy, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__pthread_mutex_lock, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__pthread_mutex_trylock, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__pthread_mutex_unlock, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__pthread_once, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__pthread_rwlock_init, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__pthread_rwlock_destroy, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__pthread_rwlock_rdlock, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__pthread_rwlock_wrlock, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__pthread_rwlock_tryrdlock, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__pthread_rwlock_trywrlock, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(__pthread_rwlock_unlock, NULL, PATCH_REFUSED,
    "of programs linked with glibc before 2.34 only")
ROW(pthread_self, NULL, PATCH_PASSED,
    "a fiber's storage is its own, and so is this")
ROW(thrd_current, NULL, PATCH_PASSED,
    "a fiber's storage is its own, and so is this")
ROW(thrd_equal, NULL, PATCH_PASSED,
    "a fiber's storage is its own, and so is this")
ROW(tss_create, NULL, PATCH_PASSED,
    "a fiber's storage is its own, and so is this")
ROW(tss_delete, NULL, PATCH_PASSED,
    "a fiber's storage is its own, and so is this")
ROW(tss_get, NULL, PATCH_PASSED, "a fiber's storage is its own, and so is this")
ROW(tss_set, NULL, PATCH_PASSED, "a fiber's storage is its own, and so is this")
ROW(pthread_mutex_destroy, NULL, PATCH_PASSED, "does not block")
ROW(mtx_init, NULL, PATCH_PASSED, "does not block")
ROW(mtx_destroy, NULL, PATCH_PASSED, "does not block")
ROW(cnd_init, NULL, PATCH_PASSED, "does not block")
ROW(cnd_destroy, NULL, PATCH_PASSED, "does not block")
ROW(sem_init, NULL, PATCH_PASSED, "does not block")
ROW(sem_destroy, NULL, PATCH_PASSED, "does not block")
ROW(sem_getvalue, NULL, PATCH_PASSED, "does not block")
ROW(sem_open, NULL, PATCH_PASSED, "short, as open")
ROW(sem_close, NULL, PATCH_PASSED, "short, as open")
ROW(getenv, NULL, PATCH_PASSED, "does not block")
ROW(setenv, NULL, PATCH_PASSED, "does not block")
