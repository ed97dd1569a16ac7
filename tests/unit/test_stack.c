/* Stacks: sizes, guards, the pool and what it gives back, and what happens when
 * there is no more. */
#include "unit.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "fiber/fiber.h"
#include "grove.h"
#include "hub/wait.h"

#if defined(GROVE_VALGRIND)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_DISABLE_ERROR_REPORTING
#define VALGRIND_ENABLE_ERROR_REPORTING
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static size_t mappings(void)
{
    size_t lines = 0;
    FILE *f = fopen("/proc/self/maps", "re");
    for (int c; f && (c = getc(f)) != EOF;)
        lines += c == '\n';
    if (f)
        fclose(f);
    return lines;
}

/* By the page tables: the counters of statm are not summed up over the cores.
 */
static size_t resident(void)
{
    size_t kib = 0;
    char line[256];
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    while (f && fgets(line, sizeof(line), f) &&
           sscanf(line, "Rss: %zu kB", &kib) != 1)
        ;
    if (f)
        fclose(f);
    assert_true(kib > 0);
    return kib << 10;
}

/* ---- sizes ---------------------------------------------------------------- */

/* Touches all but a little of a stack of the size. */
static void *use_stack(void *arg)
{
    size_t size = (size_t)(uintptr_t)arg;
    char *top = __builtin_frame_address(0);
    grove_fiber *self = grove_self();
    size_t room = size - self->fiber.stack.class->guard - 6 * 1024;
    assert_true((size_t)(top - self->fiber.stack.base) <= size);
    assert_true((size_t)(top - self->fiber.stack.base) > room);
    for (size_t i = 4096; i < room; i += 4096)
        ((volatile char *)top)[-(ptrdiff_t)i] = 1;
    return arg;
}

static void stacks_have_the_size_asked_for(void **state)
{
    (void)state;
    size_t largest = unit_scale(GROVE_STACK_MAX, (size_t)1 << 20);
    for (size_t size = GROVE_STACK_MIN; size <= largest; size *= 2) {
        for (int i = 0; i < 2; i++) { /* the second is a pooled one */
            grove_attr attr = {.stack_size = size};
            grove_fiber *f;
            void *value;
            void *(*fn)(void *) = use_stack;
            assert_int_equal(grove_spawn_with(&f, &attr, fn, (void *)size), 0);
            assert_int_equal(stack_size(&f->fiber.stack), size);
            assert_int_equal(grove_join(f, &value), 0);
            assert_ptr_equal(value, (void *)size);
            grove_release(f);
        }
    }
}

static void *return_arg(void *arg)
{
    return arg;
}

static void sizes_are_rounded_up(void **state)
{
    (void)state;
    grove_attr attr = {.stack_size = GROVE_STACK_MIN + 1};
    grove_fiber *f;
    assert_int_equal(grove_spawn_with(&f, &attr, return_arg, NULL), 0);
    assert_int_equal(stack_size(&f->fiber.stack), 2 * GROVE_STACK_MIN);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_int_equal(stack_shift(GROVE_STACK_MIN - 1), 0);
    assert_int_equal(stack_shift(GROVE_STACK_MIN), STACK_SHIFT_MIN);
    assert_int_equal(stack_shift(GROVE_STACK_MAX), STACK_SHIFT_MAX);
    assert_int_equal(stack_shift(GROVE_STACK_MAX + 1), 0);
    assert_int_equal(stack_shift(0), 0);
    assert_int_equal(stack_shift(SIZE_MAX), 0);
}

static void bad_sizes_are_invalid(void **state)
{
    (void)state;
    static const size_t bad[] = {1, GROVE_STACK_MIN - 1, GROVE_STACK_MAX + 1,
                                 SIZE_MAX};
    grove_fiber *f = NULL;
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        grove_attr attr = {.stack_size = bad[i]};
        assert_int_equal(grove_spawn_with(&f, &attr, return_arg, NULL),
                         -EINVAL);
        assert_null(f);
        assert_int_equal(grove_stack_size_set_default(bad[i]), -EINVAL);
    }
    assert_int_equal(grove_stack_size_set_default(0), -EINVAL);
    grove_attr attr = {.stack_size = 0};
    assert_int_equal(grove_spawn_with(&f, &attr, return_arg, NULL), 0);
    assert_int_equal(stack_size(&f->fiber.stack), grove_stack_size_default());
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

static void the_default_can_be_set(void **state)
{
    (void)state;
    size_t before = grove_stack_size_default();
    assert_int_equal(grove_stack_size_set_default(100 << 10), 0);
    assert_int_equal(grove_stack_size_default(), 128 << 10);
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, return_arg, NULL), 0);
    assert_int_equal(stack_size(&f->fiber.stack), 128 << 10);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_int_equal(grove_stack_size_set_default(before), 0);
}

static const char *environment_text;

static int default_from_environment(void)
{
    setenv("GROVE_STACK_SIZE", environment_text, 1);
    execl("/proc/self/exe", "test_stack", "default", (char *)NULL);
    return 2;
}

/* The environment is read once a process: each value in one of its own. */
static void the_environment_sets_the_default(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size; /* 0: it is complained of */
    } values[] = {
        {"16384", 16384},
        {"16K", 16384},
        {"1M", 1 << 20},
        {"64M", 64 << 20},
        {"64m", 64 << 20},
        {"300k", 512 << 10},
        {"64KB", 64 << 10},
        {"64KiB", 64 << 10},
        {"2MB", 2 << 20},
        {"2mib", 2 << 20},
        {"0G", 0},
        {"1GiB", 0},
        {"64KBB", 0},
        {"64 K", 0},
        {"64iB", 0},
        {"67108864", 64 << 20},
        {"65M", 0},
        {"15K", 0},
        {"0", 0},
        {"", 0},
        {"K", 0},
        {"-1", 0},
        {" 64K", 0},
        {"64G", 0},
        {"0x10000", 0},
        {"99999999999999999999", 0},
        {"18014398509482000K", 0},
    };
    if (getenv("GROVE_UNDER_VALGRIND"))
        unit_skip("valgrind does not follow an exec; run it without");
    for (size_t i = 0; i < UNIT_COUNT(values); i++) {
        struct unit_child child;
        environment_text = values[i].text;
        unit_in_child(&child, default_from_environment);
        unit_assert_exit(&child);
        bool complained = strstr(child.text, "GROVE_STACK_SIZE") != NULL;
        size_t size = values[i].size ? values[i].size : 256 << 10;
        size_t told = strtoul(strrchr(child.text, '=') + 1, NULL, 10);
        /* The complaint names the value and what was expected. */
        char complaint[128];
        snprintf(complaint, sizeof(complaint),
                 "GROVE_STACK_SIZE is \"%s\"; expected 16384 to 67108864 bytes",
                 values[i].text);
        if (complained != (values[i].size == 0) || told != size ||
            complained != (strstr(child.text, complaint) != NULL))
            fail_msg("\"%s\": %s", values[i].text, child.text);
    }
}

/* ---- guards --------------------------------------------------------------- */

/* Whether the kernel says that the byte cannot be read. Valgrind, where it may
 * not be read either, does not say so. */
static bool unreadable(const char *at)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    VALGRIND_DISABLE_ERROR_REPORTING;
    bool bad = write(ends[1], at, 1) < 0 && errno == EFAULT;
    VALGRIND_ENABLE_ERROR_REPORTING;
    close(ends[0]);
    close(ends[1]);
    return bad;
}

static void every_stack_has_its_guard(void **state)
{
    (void)state;
    for (size_t size = GROVE_STACK_MIN; size <= GROVE_STACK_MAX; size *= 4) {
        grove_fiber *f[20];
        grove_attr attr = {.stack_size = size};
        for (size_t i = 0; i < UNIT_COUNT(f); i++)
            assert_int_equal(grove_spawn_with(&f[i], &attr, return_arg, NULL),
                             0);
        for (size_t i = 0; i < UNIT_COUNT(f); i++) {
            char *base = f[i]->fiber.stack.base;
            size_t guard = size / 4 < 65536 ? size / 4 : 65536;
            for (size_t at = 0; at < guard; at += 4096)
                assert_true(unreadable(base + at));
            assert_true(unreadable(base + guard - 1));
            assert_false(unreadable(base + guard));
            assert_false(unreadable((char *)f[i]));
        }
        assert_int_equal(grove_join_all(f, UNIT_COUNT(f), 0), UNIT_COUNT(f));
        for (size_t i = 0; i < UNIT_COUNT(f); i++)
            grove_release(f[i]);
    }
}

static int run_out_of_guards(void)
{
    size_t most = 40000, n = 0;
    grove_fiber **f = calloc(most, sizeof(*f));
    grove_attr attr = {.stack_size = GROVE_STACK_MIN};
    int r = 0;
    while (n < most && (r = grove_spawn_with(&f[n], &attr, return_arg, f)) == 0)
        n++;
    CHILD_CHECK(stack_guard_mode() == STACK_GUARD_MPROTECT);
    CHILD_CHECK(r == -ENOMEM);
    CHILD_CHECK(n > 20000);
    CHILD_CHECK(mappings() < 65530);
    CHILD_CHECK(unreadable(f[n - 1]->fiber.stack.base));
    /* What there is goes on, and comes back. */
    void *value;
    CHILD_CHECK(grove_join_all(f, n, 0) == (ssize_t)n);
    CHILD_CHECK(grove_join(f[n - 1], &value) == 0 && value == f);
    for (size_t i = 0; i < n; i++)
        grove_release(f[i]);
    for (size_t i = 0; i < n; i++)
        CHILD_CHECK(grove_spawn_with(&f[i], &attr, return_arg, f) == 0);
    CHILD_CHECK(grove_spawn_with(&f[n], &attr, return_arg, f) == -ENOMEM);
    /* Most of them cold by now, and in slabs other than the newest. */
    CHILD_CHECK(grove_join_all(f, n, 0) == (ssize_t)n);
    for (size_t i = 0; i < n; i++)
        grove_release(f[i]);
    while (stack_class_of(&hub_self()->stacks, STACK_PLAIN, STACK_SHIFT_MIN)
               ->fresh_count)
        CHILD_CHECK(grove_sleep(GROVE_MILLISECOND) == 0);
    for (size_t i = 0; i < n; i++)
        CHILD_CHECK(grove_spawn_with(&f[i], &attr, return_arg, f) == 0);
    CHILD_CHECK(grove_join_all(f, n, 0) == (ssize_t)n);
    return 0;
}

static int exec_in_mprotect_mode(void)
{
    setenv("GROVE_GUARD", "mprotect", 1);
    execl("/proc/self/exe", "test_stack", "guards", (char *)NULL);
    return 2;
}

static void guards_that_cost_mappings_run_out_in_order(void **state)
{
    (void)state;
    if (unit_slow())
        unit_skip(UNIT_SLOW_MEMORY);
    struct unit_child child;
    unit_in_child(&child, exec_in_mprotect_mode);
    unit_assert_exit(&child);
}

/* ---- the pool ------------------------------------------------------------- */

static void *tell_base(void *arg)
{
    *(char **)arg = grove_self()->fiber.stack.base;
    return NULL;
}

static void the_last_stack_given_back_is_the_next_taken(void **state)
{
    (void)state;
    char *first, *second;
    assert_int_equal(grove_spawn(NULL, tell_base, &first), 0);
    grove_yield();
    assert_int_equal(grove_spawn(NULL, tell_base, &second), 0);
    grove_yield();
    assert_ptr_equal(first, second);
}

/* Trimming is done before the hub sleeps, some at a time. */
static void let_the_hub_idle(void)
{
    struct hub *hub = hub_self();
    const struct stack_class *class = stack_class_of(
        &hub->stacks, STACK_PLAIN, stack_shift(grove_stack_size_default()));
    do {
        assert_int_equal(grove_sleep(2 * GROVE_MILLISECOND), 0);
    } while (class->fresh_count);
}

#define DEEP ((size_t)180 << 10)

static void dig_deep(void)
{
    volatile char *at = __builtin_frame_address(0);
    for (size_t i = 4096; i < DEEP; i += 4096)
        at[-(ptrdiff_t)i] = 1;
}

static void *dig(void *arg)
{
    dig_deep();
    tell_base(arg);
    return NULL;
}

static size_t resident_pages(char *from, size_t bytes)
{
    unsigned char pages[64];
    size_t n = 0;
    assert_true(bytes / 4096 <= sizeof(pages));
    assert_int_equal(mincore(from, bytes, pages), 0);
    for (size_t i = 0; i < bytes / 4096; i++)
        n += pages[i] & 1;
    return n;
}

static void deep_pages_are_given_back(void **state)
{
    (void)state;
    char *base = NULL;
    size_t size = 256 << 10;
    grove_attr attr = {.stack_size = size};
    assert_int_equal(grove_spawn_with(NULL, &attr, dig, &base), 0);
    grove_yield();
    assert_true(resident_pages(base, size) >= DEEP / 4096);
    let_the_hub_idle();
    assert_int_equal(resident_pages(base, size - 4096), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(grove_spawn_with(NULL, &attr, dig, &base), 0);
    grove_yield();
}

static void *dig_and_rest(void *arg)
{
    const struct stack *stack = &hub_self()->current->fiber.stack;
    char *base = stack->base, *end = base + stack_size(stack);
    char kept[64] = "what stands on the stack is kept";
    for (int i = 0; i < 2; i++) {
        dig_deep();
        assert_true(resident_pages(base, stack_size(stack)) >= DEEP / 4096);
        stack_rest(stack, (char *)__builtin_frame_address(0) - 1024, end);
        /* Its own page, and another that this call may be on. */
        assert_true(resident_pages(base, stack_size(stack)) <= 2);
        assert_string_equal(kept, "what stands on the stack is kept");
    }
    return arg;
}

static void a_stack_that_rests_holds_what_it_stands_on(void **state)
{
    (void)state;
    grove_fiber *f;
    grove_attr attr = {.stack_size = 256 << 10};
    assert_int_equal(grove_spawn_with(&f, &attr, dig_and_rest, NULL), 0);
    assert_int_equal(grove_join(f, NULL), 0);
}

static void *yield_once(void *arg)
{
    grove_yield();
    return arg;
}

/* A hub that wakes again within a millisecond is busy: what it has in the pool
 * it is about to want. */
static void short_sleeps_give_few_back(void **state)
{
    (void)state;
    enum { MANY = 200, SLEEPS = 5 };
    const struct stack_class *class =
        stack_class_of(&hub_self()->stacks, STACK_PLAIN,
                       stack_shift(grove_stack_size_default()));
    grove_fiber *f[MANY];
    for (int i = 0; i < MANY; i++)
        assert_int_equal(grove_spawn(&f[i], yield_once, NULL), 0);
    assert_int_equal(grove_join_all(f, MANY, 0), MANY);
    for (int i = 0; i < MANY; i++)
        grove_release(f[i]);
    size_t before = class->fresh_count;
    assert_true(before >= MANY);
    for (int i = 0; i < SLEEPS; i++)
        assert_int_equal(grove_sleep(GROVE_MILLISECOND / 2), 0);
    /* One for each time that the hub has looked around. */
    assert_true(class->fresh_count < before);
    assert_true(class->fresh_count > before - MANY / 2);
    let_the_hub_idle();
}

static void a_spike_is_given_back_and_can_come_again(void **state)
{
    (void)state;
    size_t n = unit_scale(20000, UNIT_TSAN ? 50 : 6000);
    grove_fiber **f = calloc(n, sizeof(*f));
    let_the_hub_idle();
    size_t before = resident();
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++)
            assert_int_equal(grove_spawn(&f[i], yield_once, f), 0);
        size_t peak = resident();
        assert_int_equal(grove_join_all(f, n, 0), n);
        for (size_t i = 0; i < n; i++)
            grove_release(f[i]);
        let_the_hub_idle();
        size_t after = resident();
        if (unit_slow())
            continue;
        /* Before, too, there may have been a reserve of 4,096. */
        assert_true(peak - before >= (n - 4096) * 4096);
        /* What stays: the reserve, and bookkeeping. */
        if (after >= before + (4096 + n / 8) * 4096)
            fail_msg("round %d: %zu pages before, %zu at most, %zu after",
                     round, before >> 12, peak >> 12, after >> 12);
    }
    /* Every slot is one fiber's, whatever way it went. */
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(grove_spawn(&f[i], yield_once, NULL), 0);
        f[i]->wake_result = (int)i;
    }
    for (size_t i = 0; i < n; i++)
        assert_int_equal(f[i]->wake_result, i);
    assert_int_equal(grove_join_all(f, n, 0), n);
    for (size_t i = 0; i < n; i++) {
        assert_true(unreadable(f[i]->fiber.stack.base) || i % 64);
        grove_release(f[i]);
    }
    free(f);
}

static void *park(void *arg)
{
    hub_park(hub_self());
    return arg;
}

static int park_a_million(void)
{
    size_t n = 1000000, before = mappings();
    grove_fiber **f = calloc(n, sizeof(*f));
    for (size_t i = 0; i < n; i++)
        CHILD_CHECK(grove_spawn(&f[i], park, NULL) == 0);
    for (size_t i = 0; i <= n / HUB_PASS; i++)
        grove_yield();
    CHILD_CHECK(f[n - 1]->state == FIBER_PARKED);
    CHILD_CHECK(mappings() - before < 100);
    for (size_t i = 0; i < n; i += 997)
        CHILD_CHECK(unreadable(f[i]->fiber.stack.base));
    for (size_t i = 0; i < n; i++)
        hub_wake(f[i], 0);
    CHILD_CHECK(grove_join_all(f, n, 0) == (ssize_t)n);
    return 0;
}

/* KiB that can be had, what the kernel keeps of files among them; 0: unknown.
 */
static long available_memory(void)
{
    char line[128];
    long kib = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && kib == 0 && fgets(line, sizeof(line), f))
        sscanf(line, "MemAvailable: %ld kB", &kib);
    if (f)
        fclose(f);
    return kib;
}

static void a_million_parked_are_guarded_in_few_mappings(void **state)
{
    (void)state;
    if (unit_slow())
        unit_skip(UNIT_SLOW_MEMORY);
    if (stack_guard_mode() != STACK_GUARD_REGION)
        unit_skip("a million guards need guard regions; Linux 6.13 has them");
    if (available_memory() < 7L << 20)
        unit_skip("less than 7 GiB of memory are available; it runs where they "
                  "are");
    struct unit_child child;
    unit_in_child(&child, park_a_million);
    unit_assert_exit(&child);
}

/* ---- no more address space -------------------------------------------------- */

static int spawn_within_a_limit(void)
{
    CHILD_CHECK(grove_hub_self() != NULL);
    size_t now = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    CHILD_CHECK(f && fscanf(f, "%zu", &now) == 1);
    fclose(f);
    struct rlimit limit = {now * 4096 + (70 << 20), now * 4096 + (70 << 20)};
    CHILD_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    grove_fiber *all[1000];
    size_t n = 0;
    int r = 0;
    while (n < 1000 && (r = grove_spawn(&all[n], return_arg, all)) == 0)
        n++;
    /* Slabs of 32 and 64 MiB did not fit; smaller ones did. */
    CHILD_CHECK(r == -ENOMEM);
    CHILD_CHECK(n > 200);
    CHILD_CHECK(grove_join_all(all, n, 0) == (ssize_t)n);
    for (size_t i = 0; i < n; i++)
        grove_release(all[i]);
    void *value;
    CHILD_CHECK(grove_spawn(&all[0], return_arg, all) == 0);
    CHILD_CHECK(grove_join(all[0], &value) == 0 && value == all);
    grove_attr attr = {.stack_size = GROVE_STACK_MAX};
    CHILD_CHECK(grove_spawn_with(&all[1], &attr, return_arg, 0) == -ENOMEM);
    return 0;
}

/* In a process that has no slabs yet. */
static int exec_within_a_limit(void)
{
    execl("/proc/self/exe", "test_stack", "limit", (char *)NULL);
    return 2;
}

static void little_address_space_means_small_slabs_then_an_error(void **state)
{
    (void)state;
    if (unit_slow())
        unit_skip(UNIT_SLOW_MEMORY);
    struct unit_child child;
    unit_in_child(&child, exec_within_a_limit);
    unit_assert_exit(&child);
}

/* ---- the host's slots ------------------------------------------------------ */

static void hosted_slots_leave_room_for_the_host(void **state)
{
    (void)state;
    struct stack_pool pool;
    stack_pool_init(&pool, sizeof(struct grove_fiber), 0);
    struct stack_class *small = stack_class_of(&pool, STACK_HOSTED, 15);
    assert_null(stack_get(&pool, small));
    for (unsigned shift = 16; shift <= 20; shift++) {
        struct stack *s =
            stack_get(&pool, stack_class_of(&pool, STACK_HOSTED, shift));
        assert_non_null(s);
        char *end = s->base + stack_size(s);
        assert_true((char *)s + sizeof(struct grove_fiber) + STACK_HOST_AREA <=
                    end);
        memset((char *)s + sizeof(struct grove_fiber), 0, STACK_HOST_AREA);
        assert_ptr_equal(stack_by_address(&pool, s), s);
        assert_ptr_equal(stack_by_address(&pool, s->base), s);
        assert_ptr_equal(stack_by_address(&pool, end - 1), s);
        assert_null(stack_by_address(&pool, end));
        size_t guard = s->class->guard;
        assert_ptr_equal(stack_by_guard(&pool, s->base + guard - 1), s);
        assert_null(stack_by_guard(&pool, s->base + guard));
        stack_put(s);
        assert_null(stack_by_address(&pool, s));
    }
    stack_pool_destroy(&pool);
}

/* Whether n bytes can be used from `at` on and the one below cannot. */
static void assert_guarded_below(char *at, size_t n)
{
    assert_true(unreadable(at - 1));
    for (size_t i = 0; i < n; i += 4096) {
        assert_false(unreadable(at + i));
        at[i] = 1;
    }
}

static void a_spare_part_is_opened_and_closed(struct stack_pool *pool,
                                              size_t size)
{
    struct stack *s =
        stack_get(pool, stack_class_of(pool, STACK_HOSTED, stack_shift(size)));
    assert_non_null(s);
    size_t spare = pool->spare < size / 4 ? pool->spare : size / 4;
    size_t guard = s->class->guard;
    assert_true(guard >= 2 * (size_t)4096); /* see stack.c */
    assert_ptr_equal(stack_spare_end(s), s->base + spare + guard);
    for (int round = 0; round < 3; round++) {
        assert_guarded_below(stack_spare_end(s), 8192);
        assert_true(unreadable(s->base + spare));
        assert_ptr_equal(stack_by_guard(pool, s->base + spare), s);
        assert_null(stack_by_guard(pool, s->base));
        assert_true(stack_open_spare(s));
        assert_false(stack_open_spare(s)); /* there is but one */
        assert_guarded_below(s->base + guard, spare);
        assert_ptr_equal(stack_by_guard(pool, s->base), s);
        assert_null(stack_by_guard(pool, s->base + guard));
        assert_true(stack_close_spare(s));
        unsigned char resident[16] = {0};
        assert_int_equal(
            mincore(s->base, spare < 65536 ? spare : 65536, resident), 0);
        for (size_t i = 0; i < UNIT_COUNT(resident); i++)
            assert_int_equal(resident[i], 0);
    }
    stack_put(s);
}

static void a_host_can_have_a_spare_part(void **state)
{
    (void)state;
    struct stack_pool pool;
    stack_pool_init(&pool, sizeof(struct grove_fiber), 0);
    pool.spare = 64 << 10;
    for (size_t size = 64 << 10; size <= 8 << 20; size *= 2)
        a_spare_part_is_opened_and_closed(&pool, size);
    struct stack *plain =
        stack_get(&pool, stack_class_of(&pool, STACK_PLAIN, 16));
    assert_false(stack_open_spare(plain));
    stack_put(plain);
    stack_pool_destroy(&pool);
}

static int spare_parts_with_mprotect(void)
{
    setenv("GROVE_GUARD", "mprotect", 1);
    a_host_can_have_a_spare_part(NULL);
    return 0;
}

static void a_spare_part_with_guards_by_mprotect(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, spare_parts_with_mprotect);
    if (child.status != 0)
        fail_msg("status %#x: %s", (unsigned)child.status, child.text);
}

/* Those that are made ready together, in large slabs, too. */
static void each_of_many_stacks_has_its_guard(void **state)
{
    (void)state;
    enum { N = 4000 };
    static struct stack *stacks[N];
    struct stack_pool pool = {0};
    if (stack_guard_mode() != STACK_GUARD_REGION || unit_slow())
        unit_skip("a guard is looked for by populating it; it runs where "
                  "guards are regions, without a sanitizer or valgrind");
    stack_pool_init(&pool, sizeof(struct grove_fiber), 0);
    struct stack_class *class = stack_class_of(&pool, STACK_PLAIN, 16);
    for (size_t i = 0; i < N; i++) {
        struct stack *stack = stacks[i] = stack_get(&pool, class);
        assert_non_null(stack);
        char *above = stack->base + class->guard;
        assert_int_equal(madvise(stack->base, 4096, MADV_POPULATE_WRITE), -1);
        assert_int_equal(madvise(above - 4096, 4096, MADV_POPULATE_WRITE), -1);
        assert_int_equal(madvise(above, 4096, MADV_POPULATE_WRITE), 0);
    }
    for (size_t i = 0; i < N; i++)
        stack_put(stacks[i]);
    stack_pool_destroy(&pool);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "guards") == 0)
        return run_out_of_guards();
    if (argc == 2 && strcmp(argv[1], "limit") == 0)
        return spawn_within_a_limit();
    if (argc == 2 && strcmp(argv[1], "default") == 0) {
        size_t size = grove_stack_size_default();
        return fprintf(stderr, "=%zu\n", size) < 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stacks_have_the_size_asked_for),
        cmocka_unit_test(each_of_many_stacks_has_its_guard),
        cmocka_unit_test(sizes_are_rounded_up),
        cmocka_unit_test(bad_sizes_are_invalid),
        cmocka_unit_test(the_default_can_be_set),
        cmocka_unit_test(the_environment_sets_the_default),
        cmocka_unit_test(every_stack_has_its_guard),
        cmocka_unit_test(guards_that_cost_mappings_run_out_in_order),
        cmocka_unit_test(the_last_stack_given_back_is_the_next_taken),
        cmocka_unit_test(deep_pages_are_given_back),
        cmocka_unit_test(a_stack_that_rests_holds_what_it_stands_on),
        cmocka_unit_test(short_sleeps_give_few_back),
        cmocka_unit_test(a_spike_is_given_back_and_can_come_again),
        cmocka_unit_test(a_million_parked_are_guarded_in_few_mappings),
        cmocka_unit_test(little_address_space_means_small_slabs_then_an_error),
        cmocka_unit_test(hosted_slots_leave_room_for_the_host),
        cmocka_unit_test(a_host_can_have_a_spare_part),
        cmocka_unit_test(a_spare_part_with_guards_by_mprotect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
