/* Fibers with thread-local storage of their own. */
#include "unit.h"

#include <ctype.h>
#include <dlfcn.h>
#include <locale.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "faults.h"
#include "fiber/tls_block.h"
#include "hub/hub.h"

#define MANY 1000

static __thread long initialised = 5;
static __thread long zero;

static void *never(void *arg)
{
    exit(1);
    return arg;
}

/* Where it is refused there is a reason, and the error. */
static bool there_is_none(void)
{
    const char *why = grove_own_tls_refused();
    if (!why)
        return false;
    grove_attr attr = {.size = sizeof(attr), .own_tls = true};
    grove_fiber *f = NULL;
    assert_int_equal(grove_spawn_with(&f, &attr, never, NULL), -ENOTSUP);
    assert_int_equal(grove_hub_spawn_with(grove_hub_self(), &attr, never, NULL),
                     -ENOTSUP);
    printf("no fiber has its own here: %s\n", why);
    return true;
}

#define NEEDS_TLS \
    do { \
        if (there_is_none()) \
            unit_skip("no storage of its own; a plain build on x86-64 runs " \
                      "it"); \
    } while (0)

static grove_fiber *spawn(void *(*fn)(void *), void *arg)
{
    grove_attr attr = {.size = sizeof(attr), .own_tls = true};
    grove_fiber *f;
    assert_int_equal(grove_spawn_with(&f, &attr, fn, arg), 0);
    return f;
}

/* Joins f, whose value is that it went well. */
static void join_good(grove_fiber *f)
{
    void *value;
    assert_int_equal(grove_join(f, &value), 0);
    grove_release(f);
    if (value != (void *)1)
        fail_msg("a check of the fiber failed: %s", (char *)value);
}

#define STRING(x) #x
#define LINE_OF(x) STRING(x)
#define FIBER_CHECK(condition) \
    do { \
        if (!(condition)) \
            return (void *)(uintptr_t)(LINE_OF(__LINE__) ": " #condition); \
    } while (0)
#define GOOD ((void *)1)

static void run_many(void *(*fn)(void *), size_t n)
{
    grove_fiber **fs = calloc(n, sizeof(*fs));
    assert_non_null(fs);
    for (size_t i = 0; i < n; i++)
        fs[i] = spawn(fn, (void *)i);
    for (size_t i = 0; i < n; i++)
        join_good(fs[i]);
    free(fs);
}

/* ---- variables -------------------------------------------------------------- */

static void *use_variables(void *arg)
{
    long mine = (long)(intptr_t)arg + 100;
    FIBER_CHECK(initialised == 5 && zero == 0 && errno == 0);
    initialised = mine;
    for (int i = 0; i < 5; i++) {
        zero++;
        errno = (int)mine;
        grove_yield();
        FIBER_CHECK(initialised == mine && zero == i + 1);
        FIBER_CHECK(errno == (int)mine);
    }
    return GOOD;
}

static void variables_are_its_own(void **state)
{
    (void)state;
    NEEDS_TLS;
    initialised = 6;
    run_many(use_variables, MANY);
    run_many(use_variables, MANY); /* with the blocks of those before */
    assert_int_equal(initialised, 6);
    assert_int_equal(zero, 0);
}

static void *end_with_errno(void *arg)
{
    errno = 12;
    return arg;
}

static void *plain_errno(void *arg)
{
    (void)arg;
    FIBER_CHECK(errno == 0 && initialised == 6);
    for (int i = 0; i < 5; i++) {
        errno = 33 + i;
        grove_yield();
        FIBER_CHECK(errno == 33 + i);
    }
    return GOOD;
}

static void errno_of_the_others_is_kept(void **state)
{
    (void)state;
    NEEDS_TLS;
    initialised = 6;
    grove_fiber *plain;
    assert_int_equal(grove_spawn(&plain, plain_errno, NULL), 0);
    errno = 44;
    for (int i = 0; i < 10; i++) {
        grove_fiber *f = spawn(end_with_errno, NULL);
        grove_yield();
        assert_int_equal(errno, 44);
        grove_release(f);
    }
    join_good(plain);
}

static void *know_who_runs(void *arg)
{
    (void)arg;
    FIBER_CHECK((void *)pthread_self() == tls_pointer());
    FIBER_CHECK(grove_self() == hub_self()->current);
    FIBER_CHECK(tls_block_current() != NULL);
    struct hub *hub = hub_self();
    pthread_t self = pthread_self();
    FIBER_CHECK(grove_sleep(MS) == 0); /* by way of the hub's own fiber */
    FIBER_CHECK(hub_self() == hub && pthread_equal(self, pthread_self()));
    FIBER_CHECK(syscall(SYS_gettid) == getpid());
    return GOOD;
}

static void it_finds_its_hub(void **state)
{
    (void)state;
    NEEDS_TLS;
    pthread_t self = pthread_self();
    run_many(know_who_runs, 20);
    assert_true(pthread_equal(self, pthread_self()));
    assert_null(tls_block_current());
}

static __thread long *of_the_thread;
static long pointed_to;

static void *same_as_the_threads(void *arg)
{
    return of_the_thread == &pointed_to ? GOOD : NULL;
}

/* As the handlers of overflows do whenever they are installed. */
static void a_variable_may_be_shared_again_and_again(void **state)
{
    (void)state;
    NEEDS_TLS;
    for (int i = 0; i < 100; i++)
        tls_block_share(&of_the_thread);
    of_the_thread = &pointed_to;
    run_many(same_as_the_threads, 3);
}

/* ---- libraries ----------------------------------------------------------------- */

static long (*module_count)(void);
static long (*module_fixed)(void);

static void *count_in_module(void *arg)
{
    (void)arg;
    for (long i = 43; i < 48; i++) {
        FIBER_CHECK(module_count() == i);
        grove_yield();
    }
    return GOOD;
}

static void *load(const char *path)
{
    void *module = dlopen(path, RTLD_NOW);
    if (!module)
        fail_msg("%s", dlerror());
    return module;
}

static void loaded_libraries_have_theirs(void **state)
{
    (void)state;
    NEEDS_TLS;
    void *module = load(TLS_MODULE);
    *(void **)&module_count = dlsym(module, "module_count");
    run_many(count_in_module, 100);
    run_many(count_in_module, 100);
    dlclose(module);
    module = load(TLS_MODULE);
    *(void **)&module_count = dlsym(module, "module_count");
    run_many(count_in_module, 100);
    dlclose(module);
}

static bool loaded;

static void *wait_for_the_load(void *arg)
{
    (void)arg;
    while (!loaded)
        grove_yield();
    for (long i = 8; i < 11; i++) {
        FIBER_CHECK(module_fixed() == i);
        grove_yield();
    }
    return GOOD;
}

static void a_variable_at_a_fixed_place_reaches_who_is_there(void **state)
{
    (void)state;
    NEEDS_TLS;
    assert_non_null(tls_libc.threads);
    grove_fiber *fs[20];
    for (size_t i = 0; i < UNIT_COUNT(fs); i++)
        fs[i] = spawn(wait_for_the_load, NULL);
    grove_yield();
    void *module = load(TLS_MODULE_FIXED);
    *(void **)&module_fixed = dlsym(module, "module_fixed");
    loaded = true;
    for (size_t i = 0; i < UNIT_COUNT(fs); i++)
        join_good(fs[i]);
    run_many(wait_for_the_load, 20);
}

/* ---- what libc keeps -------------------------------------------------------------- */

static pthread_key_t key, other_keys[40];
static int destroyed, set_again;

static void destroy(void *value)
{
    check(tls_block_current() != NULL, "on the fiber's own");
    destroyed += *(int *)value;
    grove_yield(); /* it may wait */
    if (set_again > 0) {
        set_again--;
        pthread_setspecific(key, value);
    }
}

static void *use_keys(void *arg)
{
    static int one = 1;
    FIBER_CHECK(!pthread_getspecific(key));
    FIBER_CHECK(!pthread_getspecific(other_keys[39]));
    FIBER_CHECK(pthread_setspecific(key, &one) == 0);
    FIBER_CHECK(pthread_setspecific(other_keys[39], arg) == 0);
    grove_yield();
    FIBER_CHECK(pthread_getspecific(key) == &one);
    FIBER_CHECK(pthread_getspecific(other_keys[39]) == arg);
    return GOOD;
}

static void keys_are_its_own_and_destroyed(void **state)
{
    (void)state;
    NEEDS_TLS;
    assert_int_equal(pthread_key_create(&key, destroy), 0);
    for (size_t i = 0; i < UNIT_COUNT(other_keys); i++)
        assert_int_equal(pthread_key_create(&other_keys[i], NULL), 0);
    run_many(use_keys, 100);
    run_many(use_keys, 100);
    assert_int_equal(destroyed, 200);
    destroyed = 0;
    set_again = 2;
    run_many(use_keys, 1);
    assert_int_equal(destroyed, 3);
    for (size_t i = 0; i < UNIT_COUNT(other_keys); i++)
        pthread_key_delete(other_keys[i]);
    pthread_key_delete(key);
}

static void *churn(void *arg)
{
    void *mine[50] = {NULL};
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (int i = 0; i < 500; i++) {
        unsigned at = (unsigned)rand_r(&seed) % UNIT_COUNT(mine);
        free(mine[at]);
        size_t size = (size_t)rand_r(&seed) % 900 + 1;
        mine[at] = malloc(size);
        FIBER_CHECK(mine[at]);
        memset(mine[at], i, size);
        if (i % 50 == 0)
            grove_yield();
    }
    for (size_t i = 0; i < UNIT_COUNT(mine); i++)
        free(mine[i]);
    return GOOD;
}

static void memory_is_allocated_and_freed(void **state)
{
    (void)state;
    NEEDS_TLS;
    run_many(churn, 100);
    run_many(churn, 100);
}

static void *use_locale(void *arg)
{
    FIBER_CHECK(uselocale(NULL) == LC_GLOBAL_LOCALE && isalpha('a'));
    locale_t other = newlocale(LC_ALL_MASK, "C", NULL);
    if (arg)
        uselocale(other);
    grove_yield();
    FIBER_CHECK(uselocale(NULL) == (arg ? other : LC_GLOBAL_LOCALE));
    FIBER_CHECK(isdigit('1') && toupper('q') == 'Q');
    if (!arg)
        freelocale(other);
    FIBER_CHECK(!dlerror());
    if (arg) {
        FIBER_CHECK(!dlopen("/there/is/no/such.so", RTLD_NOW));
        grove_yield();
        FIBER_CHECK(dlerror());
    }
    return GOOD;
}

static void locales_and_errors_are_its_own(void **state)
{
    (void)state;
    NEEDS_TLS;
    run_many(use_locale, 50);
}

static void *jump(void *arg)
{
    jmp_buf back;
    volatile int times = 0;
    (void)arg;
    if (setjmp(back) < 3) {
        grove_yield();
        times++;
        longjmp(back, times);
    }
    FIBER_CHECK(times == 3);
    return GOOD;
}

static void jumps_come_back(void **state)
{
    (void)state;
    NEEDS_TLS;
    run_many(jump, 20);
}

/* ---- locks -------------------------------------------------------------------------- */

static pthread_mutex_t recursive;
static int inside, violations;

static void *lock_recursively(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        while (pthread_mutex_trylock(&recursive) != 0)
            grove_yield();
        FIBER_CHECK(pthread_mutex_trylock(&recursive) == 0);
        violations += inside++;
        grove_yield();
        inside--;
        FIBER_CHECK(pthread_mutex_unlock(&recursive) == 0);
        FIBER_CHECK(pthread_mutex_unlock(&recursive) == 0);
    }
    return GOOD;
}

static void it_owns_the_locks_that_it_takes(void **state)
{
    (void)state;
    NEEDS_TLS;
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&recursive, &attr);
    run_many(lock_recursively, 20);
    assert_int_equal(violations, 0);
    pthread_mutex_destroy(&recursive);
    pthread_mutexattr_destroy(&attr);
}

/* ---- its end ---------------------------------------------------------------------------- */

static char order[8];

static void deferred(void *arg)
{
    (void)arg;
    check(zero == 3, "it is still its own");
    strcat(order, "d");
}

static void key_ends(void *value)
{
    (void)value;
    strcat(order, "k");
}

static void *defer_something(void *arg)
{
    (void)arg;
    zero = 3;
    FIBER_CHECK(pthread_setspecific(key, order) == 0);
    FIBER_CHECK(grove_defer(deferred, NULL) == 0);
    return GOOD;
}

static void its_own_handlers_come_first(void **state)
{
    (void)state;
    NEEDS_TLS;
    assert_int_equal(pthread_key_create(&key, key_ends), 0);
    run_many(defer_something, 1);
    assert_string_equal(order, "dk");
    pthread_key_delete(key);
}

static int dropped;

static void drop(void *arg)
{
    (void)arg;
    dropped++;
}

static void one_that_never_runs_leaves_its_block(void **state)
{
    (void)state;
    NEEDS_TLS;
    grove_attr attr = {.size = sizeof(attr), .own_tls = true, .drop = drop};
    grove_fiber *f;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(grove_spawn_with(&f, &attr, never, NULL), 0);
        assert_int_equal(grove_kill(f), 0);
        assert_int_equal(grove_join(f, NULL), -ECANCELED);
        grove_release(f);
    }
    assert_int_equal(dropped, 10);
    run_many(use_variables, 10);
}

static unsigned deep(volatile char *above, unsigned n)
{
    volatile char here[512];
    here[0] = above[0];
    return n == 0 ? 0 : deep(here, n - 1) + (unsigned)here[0];
}

static void *run_over(void *arg)
{
    volatile char first[1] = {0};
    (void)arg;
    grove_set_name(grove_self(), "deep");
    return (void *)(uintptr_t)deep(first, 1000000);
}

static int overflows(void)
{
    grove_join(spawn(run_over, NULL), NULL);
    return 0;
}

static void a_stack_overflow_is_named(void **state)
{
    (void)state;
    NEEDS_TLS;
    struct unit_child child;
    unit_in_child(&child, overflows);
    assert_true(unit_died_of(&child, SIGSEGV));
    if (!strstr(child.text, "stack overflow in fiber") ||
        !strstr(child.text, "\"deep\""))
        fail_msg("%s", child.text);
}

/* ---- a fork -------------------------------------------------------------------------------- */

static void *fork_there(void *arg)
{
    (void)arg;
    zero = 9;
    grove_fiber *lost = spawn(use_variables, NULL);
    grove_yield();
    pid_t pid = fork();
    if (pid == 0) {
        alarm(UNIT_HANG);
        if (zero != 9 || grove_sleep(MS) != 0 ||
            grove_join(lost, NULL) != -ECANCELED)
            _exit(2);
        grove_fiber *f = spawn(use_variables, NULL);
        void *value;
        if (grove_join(f, &value) != 0 || value != GOOD)
            _exit(3);
        _exit(0);
    }
    int status;
    FIBER_CHECK(waitpid(pid, &status, 0) == pid);
    FIBER_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    join_good(lost);
    FIBER_CHECK(zero == 9);
    return GOOD;
}

static void a_fork_keeps_the_one_that_calls_it(void **state)
{
    (void)state;
    NEEDS_TLS;
    for (int i = 0; i < 3; i++)
        run_many(fork_there, 1);
}

static int root_goes_on(void)
{
    pthread_mutex_t checking;
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&checking, &attr);
    CHILD_CHECK(pthread_mutex_lock(&checking) == 0);
    CHILD_CHECK(checking.__data.__owner == (int)getpid());
    CHILD_CHECK(pthread_mutex_unlock(&checking) == 0);
    return 0;
}

static bool is_child;

static void *fork_and_leave(void *arg)
{
    pid_t pid = fork();
    if (pid == 0) {
        is_child = true;
        alarm(UNIT_HANG);
        return arg; /* the thread's own stack goes on with its join */
    }
    int status;
    FIBER_CHECK(waitpid(pid, &status, 0) == pid);
    FIBER_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return GOOD;
}

static void the_threads_own_stack_goes_on_in_the_child(void **state)
{
    (void)state;
    NEEDS_TLS;
    void *value;
    grove_fiber *f = spawn(fork_and_leave, NULL);
    int r = grove_join(f, &value);
    if (is_child) {
        CHILD_CHECK(r == 0 && root_goes_on() == 0);
        void *module = dlopen(TLS_MODULE_FIXED, RTLD_NOW);
        CHILD_CHECK(module && zero == 0);
        _exit(0);
    }
    assert_int_equal(r, 0);
    grove_release(f);
    if (value != GOOD)
        fail_msg("%s", (char *)value);
}

/* ---- failures --------------------------------------------------------------------------------- */

static void no_memory_is_an_error(void **state)
{
    (void)state;
    NEEDS_TLS;
    grove_attr attr = {.size = sizeof(attr), .own_tls = true};
    static grove_fiber *fs[MANY + 200]; /* more than there were at a time */
    grove_fiber *f = NULL;
    for (size_t i = 0; i < UNIT_COUNT(fs); i++)
        fs[i] = spawn(use_variables, NULL);
    size_t before = hub_fibers(hub_self());
    fault_arm(FAULT_calloc, 1, ENOMEM);
    assert_int_equal(grove_spawn_with(&f, &attr, use_variables, NULL), -ENOMEM);
    assert_true(fault_disarm());
    assert_int_equal(hub_fibers(hub_self()), before);
    for (size_t i = 0; i < UNIT_COUNT(fs); i++)
        join_good(fs[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* The first: the child's handler is installed with its hub. */
        cmocka_unit_test(a_stack_overflow_is_named),
        cmocka_unit_test(variables_are_its_own),
        cmocka_unit_test(errno_of_the_others_is_kept),
        cmocka_unit_test(it_finds_its_hub),
        cmocka_unit_test(a_variable_may_be_shared_again_and_again),
        cmocka_unit_test(loaded_libraries_have_theirs),
        cmocka_unit_test(a_variable_at_a_fixed_place_reaches_who_is_there),
        cmocka_unit_test(keys_are_its_own_and_destroyed),
        cmocka_unit_test(memory_is_allocated_and_freed),
        cmocka_unit_test(locales_and_errors_are_its_own),
        cmocka_unit_test(jumps_come_back),
        cmocka_unit_test(it_owns_the_locks_that_it_takes),
        cmocka_unit_test(its_own_handlers_come_first),
        cmocka_unit_test(one_that_never_runs_leaves_its_block),
        cmocka_unit_test(a_fork_keeps_the_one_that_calls_it),
        cmocka_unit_test(the_threads_own_stack_goes_on_in_the_child),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
