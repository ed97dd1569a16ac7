/* Threads made of fibers: what they wait for each other with. */
#include "threads_calls.h"

#include <sys/mman.h>
#include <sys/time.h>

#include "patch/threads/lot.h"

#define THREADS 8

static void run_threads(void *(*fn)(void *), long n)
{
    pthread_t ids[THREADS];
    for (long i = 0; i < n; i++) {
        if (CALL(pthread_create)(&ids[i], NULL, fn, (void *)i) != 0)
            _exit(7);
    }
    for (long i = 0; i < n; i++)
        CALL(pthread_join)(ids[i], NULL);
}

static struct timespec past = {1, 0}, bad = {1, 1000000000};

/* ---- mutexes ----------------------------------------------------------------- */

static pthread_mutex_t mutexes[] = {PTHREAD_MUTEX_INITIALIZER,
                                    PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
                                    PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP,
                                    PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP};
static pthread_mutex_t *mutex;
static long counted, inside;

static void *count_locked(void *arg)
{
    for (int i = 0; i < 200; i++) {
        CALL(pthread_mutex_lock)(mutex);
        if (inside++)
            SAY("two are inside");
        if (i % 16 == 0)
            CALL(sched_yield)();
        counted++;
        inside--;
        CALL(pthread_mutex_unlock)(mutex);
    }
    return arg;
}

static void *try_held(void *arg)
{
    struct timespec soon = in_time(CLOCK_REALTIME, 5000000);
    struct timespec mono = in_time(CLOCK_MONOTONIC, 5000000);
    SAY("try %d", CALL(pthread_mutex_trylock)(mutex));
    SAY("past %d", CALL(pthread_mutex_timedlock)(mutex, &past));
    SAY("bad %d", CALL(pthread_mutex_timedlock)(mutex, &bad));
    SAY("soon %d", CALL(pthread_mutex_timedlock)(mutex, &soon));
    SAY("clock %d",
        CALL(pthread_mutex_clocklock)(mutex, CLOCK_MONOTONIC, &mono));
    SAY("no clock %d",
        CALL(pthread_mutex_clocklock)(mutex, CLOCK_PROCESS_CPUTIME_ID, &mono));
    if (mutex != &mutexes[0] && mutex != &mutexes[3])
        SAY("unlock %d", CALL(pthread_mutex_unlock)(mutex));
    return arg;
}

static int lock_mutexes(void)
{
    for (size_t i = 0; i < UNIT_COUNT(mutexes); i++) {
        mutex = &mutexes[i];
        counted = 0;
        run_threads(count_locked, THREADS);
        SAY("kind %zu counted %ld", i, counted);
        SAY("%d", CALL(pthread_mutex_lock)(mutex));
        SAY("again %d", CALL(pthread_mutex_trylock)(mutex));
        if (i == 1 || i == 2)
            SAY("again %d", CALL(pthread_mutex_lock)(mutex));
        if (i == 2) {
            SAY("timed %d", CALL(pthread_mutex_timedlock)(mutex, &past));
            SAY("timed %d", CALL(pthread_mutex_timedlock)(mutex, &bad));
        }
        run_threads(try_held, 1);
        for (int n = 0; n < (i == 1 ? 3 : 1); n++)
            SAY("%d", CALL(pthread_mutex_unlock)(mutex));
        if (i == 1 || i == 2)
            SAY("too often %d", CALL(pthread_mutex_unlock)(mutex));
        run_threads(try_held, 0);
        SAY("destroy %d", pthread_mutex_destroy(mutex));
    }
    return 0;
}

static pthread_mutex_t robust;
static sem_t has_it, may_end;

static void *die_with_it(void *arg)
{
    SAY("%d", CALL(pthread_mutex_lock)(&robust));
    CALL(sem_post)(&has_it);
    CALL(sem_wait)(&may_end);
    return arg;
}

static void *inherit_it(void *arg)
{
    int r = CALL(pthread_mutex_lock)(&robust);
    SAY("owner died %d", r == EOWNERDEAD);
    if (arg)
        SAY("%d", pthread_mutex_consistent(&robust));
    SAY("%d", CALL(pthread_mutex_unlock)(&robust));
    return NULL;
}

static int robust_mutexes(void)
{
    pthread_t first, second;
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    SAY("%d", CALL(pthread_mutex_init)(&robust, &attr));
    sem_init(&has_it, 0, 0);
    sem_init(&may_end, 0, 0);
    for (long consistent = 1; consistent >= 0; consistent--) {
        CALL(pthread_create)(&first, NULL, die_with_it, NULL);
        CALL(sem_wait)(&has_it);
        CALL(pthread_create)(&second, NULL, inherit_it, (void *)consistent);
        CALL(sched_yield)();
        CALL(sem_post)(&may_end);
        CALL(pthread_join)(first, NULL);
        CALL(pthread_join)(second, NULL);
    }
    SAY("lost %d", CALL(pthread_mutex_lock)(&robust) == ENOTRECOVERABLE);
    return 0;
}

static int mutexes_of_attributes(void)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    SAY("%d", CALL(pthread_mutex_init)(m, &attr));
    mutex = m;
    counted = 0;
    run_threads(count_locked, THREADS);
    SAY("inherits %ld", counted);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_NONE);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    SAY("%d", CALL(pthread_mutex_init)(m, &attr));
    counted = 0;
    run_threads(count_locked, THREADS);
    SAY("shared %ld", counted);
    /* Another process has it for a while. */
    sem_t *sems = (sem_t *)(m + 1);
    sem_init(&sems[0], 1, 0);
    sem_init(&sems[1], 1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_mutex_lock(m);
        sem_post(&sems[0]);
        sem_wait(&sems[1]);
        pthread_mutex_unlock(m);
        _exit(0);
    }
    SAY("%d", CALL(sem_wait)(&sems[0]));
    SAY("try %d", CALL(pthread_mutex_trylock)(m));
    SAY("past %d", CALL(pthread_mutex_timedlock)(m, &past));
    CALL(sem_post)(&sems[1]);
    SAY("%d", CALL(pthread_mutex_lock)(m));
    int status;
    waitpid(pid, &status, 0);
    SAY("child %d", status);
    return 0;
}

static void mutexes_are_locked(void **state)
{
    (void)state;
    compare_hubs(lock_mutexes);
    compare_hubs(robust_mutexes);
    compare_hubs(mutexes_of_attributes);
}

/* ---- conditions ----------------------------------------------------------------- */

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER,
                      emptied = PTHREAD_COND_INITIALIZER;
static long items, taken;

static void *produce(void *arg)
{
    for (int i = 0; i < 300; i++) {
        CALL(pthread_mutex_lock)(&guard);
        while (items == 5)
            CALL(pthread_cond_wait)(&emptied, &guard);
        items++;
        CALL(pthread_cond_signal)(&filled);
        CALL(pthread_mutex_unlock)(&guard);
    }
    return arg;
}

static void *consume(void *arg)
{
    for (int i = 0; i < 300; i++) {
        CALL(pthread_mutex_lock)(&guard);
        while (items == 0)
            CALL(pthread_cond_wait)(&filled, &guard);
        items--;
        taken++;
        CALL(pthread_cond_signal)(&emptied);
        CALL(pthread_mutex_unlock)(&guard);
    }
    return arg;
}

static void *either(void *arg)
{
    return (intptr_t)arg % 2 ? produce(arg) : consume(arg);
}

static bool opened;
static int passed;

static void *wait_for_all(void *arg)
{
    CALL(pthread_mutex_lock)(&guard);
    if (++items == THREADS - 1)
        CALL(pthread_cond_signal)(&emptied);
    while (!opened)
        CALL(pthread_cond_wait)(&filled, &guard);
    passed++;
    CALL(pthread_mutex_unlock)(&guard);
    return arg;
}

static void *open_for_all(void *arg)
{
    if (arg != (void *)(THREADS - 1))
        return wait_for_all(arg);
    CALL(pthread_mutex_lock)(&guard);
    while (items < THREADS - 1)
        CALL(pthread_cond_wait)(&emptied, &guard);
    opened = true;
    CALL(pthread_mutex_unlock)(&guard);
    CALL(pthread_cond_broadcast)(&filled);
    return arg;
}

static int conditions(void)
{
    run_threads(either, THREADS);
    SAY("%ld of %ld", taken, items);
    run_threads(open_for_all, THREADS);
    SAY("passed %d", passed);
    pthread_cond_t c;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c, &attr);
    struct timespec real = in_time(CLOCK_REALTIME, 5000000);
    struct timespec mono = in_time(CLOCK_MONOTONIC, 5000000);
    CALL(pthread_mutex_lock)(&guard);
    SAY("%d", CALL(pthread_cond_timedwait)(&filled, &guard, &real));
    SAY("%d", CALL(pthread_cond_timedwait)(&c, &guard, &mono));
    SAY("%d", CALL(pthread_cond_timedwait)(&c, &guard, &past));
    SAY("%d", CALL(pthread_cond_timedwait)(&c, &guard, &bad));
    SAY("%d", CALL(pthread_cond_clockwait)(&c, &guard, CLOCK_REALTIME, &real));
    SAY("%d", CALL(pthread_cond_clockwait)(&c, &guard, 77, &real));
    SAY("%d", CALL(pthread_mutex_unlock)(&guard));
    SAY("%d", CALL(pthread_cond_signal)(&c));
    SAY("%d", pthread_cond_destroy(&c));
    return 0;
}

static void conditions_are_waited_for(void **state)
{
    (void)state;
    compare_hubs(conditions);
}

/* ---- read-write locks, barriers, once, spin locks ------------------------------------ */

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static _Atomic int readers, writers;

static void *read_and_write(void *arg)
{
    for (int i = 0; i < 100; i++) {
        if ((i + (intptr_t)arg) % 4 == 0) {
            CALL(pthread_rwlock_wrlock)(&rwlock);
            if (writers++ || readers)
                SAY("not alone");
            CALL(sched_yield)();
            counted++;
            writers--;
        } else {
            CALL(pthread_rwlock_rdlock)(&rwlock);
            readers++;
            if (writers)
                SAY("a writer is there");
            CALL(sched_yield)();
            readers--;
        }
        CALL(pthread_rwlock_unlock)(&rwlock);
    }
    return arg;
}

static void *try_rwlock(void *arg)
{
    struct timespec soon = in_time(CLOCK_REALTIME, 5000000);
    SAY("%d", CALL(pthread_rwlock_tryrdlock)(&rwlock));
    SAY("%d", CALL(pthread_rwlock_trywrlock)(&rwlock));
    SAY("%d", CALL(pthread_rwlock_timedrdlock)(&rwlock, &soon));
    SAY("%d", CALL(pthread_rwlock_timedwrlock)(&rwlock, &past));
    SAY("%d", CALL(pthread_rwlock_timedwrlock)(&rwlock, &bad));
    SAY("%d",
        CALL(pthread_rwlock_clockrdlock)(&rwlock, CLOCK_MONOTONIC, &past));
    SAY("%d",
        CALL(pthread_rwlock_clockwrlock)(&rwlock, CLOCK_MONOTONIC, &past));
    return arg;
}

static int rwlocks(void)
{
    counted = 0;
    run_threads(read_and_write, THREADS);
    SAY("%ld", counted);
    SAY("%d", CALL(pthread_rwlock_wrlock)(&rwlock));
    SAY("own %d", CALL(pthread_rwlock_rdlock)(&rwlock));
    SAY("own %d", CALL(pthread_rwlock_wrlock)(&rwlock));
    run_threads(try_rwlock, 1);
    SAY("%d", CALL(pthread_rwlock_unlock)(&rwlock));
    SAY("%d", CALL(pthread_rwlock_rdlock)(&rwlock));
    SAY("%d", CALL(pthread_rwlock_rdlock)(&rwlock));
    SAY("%d", CALL(pthread_rwlock_trywrlock)(&rwlock));
    SAY("%d", CALL(pthread_rwlock_unlock)(&rwlock));
    SAY("%d", CALL(pthread_rwlock_unlock)(&rwlock));
    SAY("%d", pthread_rwlock_destroy(&rwlock));
    return 0;
}

static void *write_once(void *arg)
{
    struct timespec soon = in_time(CLOCK_REALTIME, 200000000);
    int r = arg ? CALL(pthread_rwlock_timedwrlock)(&rwlock, &soon)
                : CALL(pthread_rwlock_wrlock)(&rwlock);
    SAY("writer %d", r);
    if (r == 0)
        CALL(pthread_rwlock_unlock)(&rwlock);
    return NULL;
}

/* As tryrdlock says once a writer waits, or never. */
static int reader_while_writing(void)
{
    int64_t end = grove_now() + HANG / 2;
    int r;
    while ((r = CALL(pthread_rwlock_tryrdlock)(&rwlock)) == 0 &&
           grove_now() < end) {
        CALL(pthread_rwlock_unlock)(&rwlock);
        CALL(sched_yield)();
    }
    return r;
}

/* New readers wait behind a writer that waits, until it has had its turn or has
 * given up. */
static int rwlocks_of_writers(void)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr,
                                  PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&rwlock, &attr);
    for (int i = 0; i < 2; i++) {
        pthread_t id;
        CALL(pthread_rwlock_rdlock)(&rwlock);
        CALL(pthread_create)(&id, NULL, write_once, i ? &id : NULL);
        SAY("reader %d", reader_while_writing());
        if (i == 0) {
            struct timespec soon = in_time(CLOCK_REALTIME, 5000000);
            SAY("%d", CALL(pthread_rwlock_timedrdlock)(&rwlock, &soon));
        } else {
            SAY("%d", CALL(pthread_rwlock_rdlock)(&rwlock));
            CALL(pthread_rwlock_unlock)(&rwlock);
        }
        CALL(pthread_rwlock_unlock)(&rwlock);
        CALL(pthread_join)(id, NULL);
        SAY("%d", CALL(pthread_rwlock_tryrdlock)(&rwlock));
        SAY("%d", CALL(pthread_rwlock_unlock)(&rwlock));
    }
    SAY("%d", pthread_rwlock_destroy(&rwlock));
    return 0;
}

static pthread_barrier_t barrier;
static _Atomic int serials, rounds[50];

static void *meet(void *arg)
{
    for (int i = 0; i < 50; i++) {
        rounds[i]++;
        int r = CALL(pthread_barrier_wait)(&barrier);
        if (rounds[i] != THREADS)
            SAY("too early");
        serials += r == PTHREAD_BARRIER_SERIAL_THREAD;
    }
    return arg;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void initialise(void)
{
    for (int i = 0; i < 3; i++)
        CALL(sched_yield)();
    counted++;
}

static void *begin(void *arg)
{
    CALL(pthread_once)(&once, initialise);
    if (counted != 1)
        SAY("not begun");
    return arg;
}

static pthread_once_t left = PTHREAD_ONCE_INIT;

static void leave_early(void)
{
    if (counted++ == 0)
        CALL(pthread_exit)(NULL);
}

static void *begin_twice(void *arg)
{
    CALL(pthread_once)(&left, leave_early);
    return arg;
}

static pthread_spinlock_t spin;

static void *count_spinning(void *arg)
{
    for (int i = 0; i < 100; i++) {
        CALL(pthread_spin_lock)(&spin);
        if (inside++)
            SAY("two are inside");
        if (i % 10 == 0)
            CALL(sched_yield)();
        counted++;
        inside--;
        pthread_spin_unlock(&spin);
    }
    return arg;
}

static int meetings(void)
{
    SAY("%d", CALL(pthread_barrier_init)(&barrier, NULL, 0));
    SAY("%d", CALL(pthread_barrier_init)(&barrier, NULL, THREADS));
    run_threads(meet, THREADS);
    SAY("%d", serials);
    SAY("%d", CALL(pthread_barrier_destroy)(&barrier));
    counted = 0;
    run_threads(begin, THREADS);
    SAY("%ld", counted);
    counted = 0;
    run_threads(begin_twice, 3);
    SAY("%ld", counted);
    counted = 0;
    pthread_spin_init(&spin, 0);
    run_threads(count_spinning, THREADS);
    SAY("%ld", counted);
    CALL(pthread_spin_trylock)(&spin);
    SAY("%d", CALL(pthread_spin_trylock)(&spin));
    return 0;
}

static void the_others_are(void **state)
{
    (void)state;
    compare_hubs(rwlocks);
    compare_hubs(rwlocks_of_writers);
    compare_hubs(meetings);
}

/* ---- semaphores --------------------------------------------------------------------- */

static sem_t here, there;

static void *play(void *arg)
{
    sem_t *mine = arg ? &here : &there, *other = arg ? &there : &here;
    for (int i = 0; i < 300; i++) {
        while (CALL(sem_wait)(mine) < 0)
            SAY("interrupted");
        counted++;
        CALL(sem_post)(other);
    }
    return NULL;
}

static void post_here(int n)
{
    (void)n;
    CALL(sem_post)(&here);
}

static void *wait_here(void *arg)
{
    while (CALL(sem_wait)(&here) < 0) {
    }
    return arg;
}

static int semaphores(void)
{
    pthread_t id;
    struct timespec soon = in_time(CLOCK_REALTIME, 5000000);
    sem_init(&here, 0, 1);
    sem_init(&there, 0, 0);
    run_threads(play, 2);
    SAY("%ld", counted);
    SAY("%d", CALL(sem_trywait)(&there));
    SAY("%d", errno == EAGAIN);
    SAY("%d", CALL(sem_wait)(&here));
    SAY("%d", CALL(sem_timedwait)(&here, &soon));
    SAY("%d", errno == ETIMEDOUT);
    SAY("%d", CALL(sem_timedwait)(&here, &bad));
    SAY("%d", errno == EINVAL);
    SAY("%d", CALL(sem_clockwait)(&here, CLOCK_MONOTONIC, &past));
    SAY("%d", errno == ETIMEDOUT);
    /* By a signal's handler. */
    signal(SIGALRM, post_here);
    CALL(pthread_create)(&id, NULL, wait_here, NULL);
    struct itimerval at = {.it_value = {.tv_usec = 5000}};
    setitimer(ITIMER_REAL, &at, NULL);
    SAY("%d", CALL(pthread_join)(id, NULL));
    /* Of several processes. */
    sem_t *both = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sem_init(&both[0], 1, 0);
    sem_init(&both[1], 1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        sem_wait(&both[0]);
        sem_post(&both[1]);
        _exit(0);
    }
    CALL(sem_post)(&both[0]);
    SAY("%d", CALL(sem_wait)(&both[1]));
    waitpid(pid, NULL, 0);
    return 0;
}

static void semaphores_are_waited_for(void **state)
{
    (void)state;
    compare_hubs(semaphores);
}

static sem_t ready, go_on, answered;

/* A wait with a deadline gives its hub a place among those told of units. */
static void *wait_on_own_hub(void *arg)
{
    if (is_ours())
        lot_hub_made();
    CALL(sem_timedwait)(&here, &past);
    sem_post(&ready);
    sem_wait(&go_on);
    for (int i = 0; arg && i < 300; i++) {
        CALL(sem_wait)(&there);
        sem_post(&answered);
    }
    return NULL;
}

/* The first thread's hub ends before the second is posted to. */
static int hubs_that_end(void)
{
    pthread_t ids[2];
    sem_t *all[] = {&there, &ready, &go_on, &answered};
    for (size_t i = 0; i < UNIT_COUNT(all); i++)
        sem_init(all[i], 0, 0);
    sem_init(&here, 0, 0);
    for (int i = 0; i < 2; i++) {
        pthread_create(&ids[i], NULL, wait_on_own_hub, i ? &there : NULL);
        sem_wait(&ready);
    }
    sem_post(&go_on);
    sem_post(&go_on);
    pthread_join(ids[0], NULL);
    for (int i = 0; i < 300; i++) {
        CALL(sem_post)(&there);
        sem_wait(&answered);
    }
    SAY("%d", pthread_join(ids[1], NULL));
    return 0;
}

static void semaphores_outlive_hubs(void **state)
{
    (void)state;
    compare(hubs_that_end);
}

/* ---- C11 ------------------------------------------------------------------------------ */

static mtx_t c_mutex;
static cnd_t c_cond;
static once_flag c_once = ONCE_FLAG_INIT;
static tss_t c_key;

static void c_begin(void)
{
    counted++;
}

static void c_end(void *value)
{
    SAY("of the thread %s", (char *)value);
}

static int c_thread(void *arg)
{
    static char name[] = "c";
    CALL(call_once)(&c_once, c_begin);
    tss_set(c_key, name);
    CALL(mtx_lock)(&c_mutex);
    items++;
    CALL(cnd_signal)(&c_cond);
    CALL(mtx_unlock)(&c_mutex);
    CALL(thrd_yield)();
    if (arg)
        CALL(thrd_exit)(-5);
    return -4;
}

static int c11(void)
{
    thrd_t ids[4];
    int value = 0;
    items = counted = 0;
    tss_create(&c_key, c_end);
    mtx_init(&c_mutex, mtx_timed | mtx_recursive);
    cnd_init(&c_cond);
    for (intptr_t i = 0; i < 4; i++)
        SAY("%d", CALL(thrd_create)(&ids[i], c_thread, (void *)(i % 2)));
    CALL(mtx_lock)(&c_mutex);
    while (items < 4)
        CALL(cnd_wait)(&c_cond, &c_mutex);
    struct timespec soon = in_time(CLOCK_REALTIME, 5000000);
    SAY("%d", CALL(cnd_timedwait)(&c_cond, &c_mutex, &soon) == thrd_timedout);
    SAY("%d", CALL(mtx_trylock)(&c_mutex) == thrd_success);
    SAY("%d", CALL(mtx_timedlock)(&c_mutex, &soon) == thrd_success);
    for (int i = 0; i < 3; i++)
        SAY("%d", CALL(mtx_unlock)(&c_mutex));
    SAY("%d", CALL(cnd_broadcast)(&c_cond));
    for (int i = 0; i < 4; i++) {
        int r = CALL(thrd_join)(ids[i], &value);
        SAY("%d %d", r, value);
    }
    SAY("%ld", counted);
    SAY("%d", CALL(thrd_create)(&ids[0], c_thread, NULL));
    SAY("%d", CALL(thrd_detach)(ids[0]));
    CALL(mtx_lock)(&c_mutex);
    while (items < 5)
        CALL(cnd_wait)(&c_cond, &c_mutex);
    CALL(mtx_unlock)(&c_mutex);
    CALL(pthread_exit)(NULL); /* that one's key is still to be told of */
    return 0;
}

static void threads_of_c_are_the_same(void **state)
{
    (void)state;
    compare_hubs(c11);
}

/* ---- ordinary threads beside them ------------------------------------------------------- */

/* Every other thread is one of libc's; all use the same objects. */
static void *mixed(void *arg)
{
    for (int i = 0; i < 300; i++) {
        CALL(pthread_mutex_lock)(&guard);
        if (inside++)
            SAY("two are inside");
        counted++;
        inside--;
        CALL(pthread_cond_broadcast)(&filled);
        if (i % 7 == 0 && counted < THREADS * 200)
            CALL(pthread_cond_wait)(&filled, &guard);
        CALL(pthread_mutex_unlock)(&guard);
        CALL(pthread_rwlock_wrlock)(&rwlock);
        taken++;
        CALL(pthread_rwlock_unlock)(&rwlock);
        CALL(sem_post)(&there);
        while (CALL(sem_wait)(&there) < 0) {
        }
    }
    CALL(pthread_mutex_lock)(&guard);
    CALL(pthread_cond_broadcast)(&filled);
    CALL(pthread_mutex_unlock)(&guard);
    CALL(pthread_barrier_wait)(&barrier);
    return arg;
}

static int mix(void)
{
    pthread_t ids[THREADS];
    counted = taken = 0;
    sem_init(&there, 0, 0);
    CALL(pthread_barrier_init)(&barrier, NULL, THREADS);
    for (long i = 0; i < THREADS; i++) {
        int r = i % 2 ? pthread_create(&ids[i], NULL, mixed, NULL)
                      : CALL(pthread_create)(&ids[i], NULL, mixed, NULL);
        if (r != 0)
            return 7;
    }
    for (long i = 0; i < THREADS; i++)
        SAY("%d", CALL(pthread_join)(ids[i], NULL));
    SAY("%ld %ld", counted, taken);
    return 0;
}

static void ordinary_threads_share_them(void **state)
{
    (void)state;
    compare_hubs(mix);
}

/* ---- between a try and a wait ---------------------------------------------------------- */

static _Atomic bool unlocked;

static void *unlock_late(void *arg)
{
    patched_pthread_mutex_lock(&guard);
    sem_post(&ready);
    sem_wait(&go_on);
    patched_pthread_mutex_unlock(&guard);
    unlocked = true;
    return arg;
}

/* Who has tried in vain, and is about to enter the row, is not missed. */
static void who_unlocks_sees_who_is_about_to_wait(void **state)
{
    struct hub *hub = lot_hub_made();
    struct lot_wait w;
    pthread_t id;
    (void)state;
    if (grove_own_tls_refused())
        unit_skip("no storage of its own; a plain build on x86-64 runs it");
    sem_init(&ready, 0, 0);
    sem_init(&go_on, 0, 0);
    assert_int_equal(pthread_create(&id, NULL, unlock_late, NULL), 0);
    sem_wait(&ready);
    grove_waiters *q = lot_lock(&guard);
    assert_int_equal(pthread_mutex_trylock(&guard), EBUSY);
    sem_post(&go_on);
    while (__atomic_load_n(&guard.__data.__lock, __ATOMIC_RELAXED) != 0)
        sched_yield();
    for (int i = 0; i < 20 && !unlocked; i++)
        usleep(1000); /* one that does not look is through with it by then */
    lot_enter(&w, hub, q, &guard);
    lot_unlock(q);
    assert_int_equal(lot_await(&w, grove_now() + HANG, "mutex", false), 0);
    pthread_join(id, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutexes_are_locked),
        cmocka_unit_test(conditions_are_waited_for),
        cmocka_unit_test(the_others_are),
        cmocka_unit_test(semaphores_are_waited_for),
        cmocka_unit_test(semaphores_outlive_hubs),
        cmocka_unit_test(threads_of_c_are_the_same),
        cmocka_unit_test(ordinary_threads_share_them),
        cmocka_unit_test(who_unlocks_sees_who_is_about_to_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
