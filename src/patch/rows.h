/*
 * The table: a row a symbol of libc's, in the order of docs/libc.md, which is
 * made of it (tools/libc-table).
 *
 *     ROW(symbol, what is called instead, what becomes of it, how)
 *     THREAD(the same)    of threads: patched_symbol is called where they are
 *                         fibers (threads/threads.h)
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
    "until the connection stands, has failed, or SO_SNDTIMEO has passed; "
    "O_NONBLOCK is set for the one system call")
ROW(__connect, patch_connect, PATCH_PARKS,
    "until the connection stands, has failed, or SO_SNDTIMEO has passed; "
    "O_NONBLOCK is set for the one system call")
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
ROW(setsockopt, NULL, PATCH_PASSED,
    "does not block; options are looked at by each call that has to wait")

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
ROW(fread, NULL, PATCH_REFUSED,
    "stdio reads and writes inside libc, which has no slots")
ROW(fwrite, NULL, PATCH_REFUSED,
    "stdio reads and writes inside libc, which has no slots")
ROW(fgets, NULL, PATCH_REFUSED,
    "stdio reads and writes inside libc, which has no slots")
ROW(fgetc, NULL, PATCH_REFUSED,
    "stdio reads and writes inside libc, which has no slots")
ROW(getline, NULL, PATCH_REFUSED,
    "stdio reads and writes inside libc, which has no slots")
ROW(fprintf, NULL, PATCH_REFUSED,
    "stdio reads and writes inside libc, which has no slots")
ROW(fflush, NULL, PATCH_REFUSED,
    "stdio reads and writes inside libc, which has no slots")

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
ROW(sigprocmask, NULL, PATCH_PASSED, "does not block")
ROW(pthread_sigmask, NULL, PATCH_PASSED, "does not block")
ROW(kill, NULL, PATCH_PASSED, "does not block")
ROW(raise, NULL, PATCH_PASSED, "does not block")

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
ROW(fclose, patch_fclose, PATCH_PARKS,
    "as close; what is still to be written is written by libc")
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
ROW(semop, patch_semop, PATCH_PARKS, "as msgrcv; with IPC_NOWAIT as it is")
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
    "calls of the above by their numbers; those with a mask, futexes and all "
    "others as they are")

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
THREAD(raise, NULL, PATCH_THREADS, "as pthread_kill")
THREAD(pthread_sigmask, NULL, PATCH_THREADS, "of such a fiber")
THREAD(sigprocmask, NULL, PATCH_THREADS, "of such a fiber")
THREAD(sigpending, NULL, PATCH_THREADS, "of such a fiber")
ROW(pthread_sigqueue, NULL, PATCH_REFUSED, "not of such a fiber: ESRCH")
