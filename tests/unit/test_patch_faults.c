/* Patching and unpatching when memory cannot be had or made writable: all or
 * nothing. */
#include "faults.h"
#include "patch_modules.h"

#define MEMORY (FAULT_malloc | FAULT_calloc | FAULT_realloc | FAULT_mprotect)

#define SLOTS (READS + 1) /* of recv and read */

/* All of them or none: nothing between. */
static int patched_slots(void)
{
    return slots_told("patch_module", "recv") +
           slots_told("patch_module", "read");
}

static void patching_fails_whole(void **state)
{
    struct module m = module_open(MODULE_NOW);
    int nth = 1, r;
    for (;; nth++) {
        fault_arm(MEMORY, nth, ENOMEM);
        r = grove_patch("*patch_module*", "re*", 0);
        bool failed = fault_disarm();
        if (!failed)
            break;
        /* What only makes pages read-only again may fail. */
        check(r == -ENOMEM || r == SLOTS, "the %dth: %d", nth, r);
        assert_int_equal(patched_slots(), r < 0 ? 0 : SLOTS);
        assert_int_equal(grove_unpatch_all(), r < 0 ? 0 : SLOTS);
    }
    assert_true(nth > 4);
    assert_int_equal(r, SLOTS);
    assert_int_equal(grove_unpatch_all(), SLOTS);
    dlclose(m.handle);
}

static void unpatching_fails_whole(void **state)
{
    struct module m = module_open(MODULE_NOW);
    int nth = 1, r;
    for (;; nth++) {
        assert_int_equal(grove_patch("*patch_module*", "re*", 0), SLOTS);
        fault_arm(MEMORY, nth, ENOMEM);
        r = grove_unpatch_all();
        bool failed = fault_disarm();
        if (!failed)
            break;
        assert_true(r == -ENOMEM || r == SLOTS);
        assert_int_equal(patched_slots(), r < 0 ? SLOTS : 0);
        assert_int_equal(grove_unpatch_all(), r < 0 ? SLOTS : 0);
    }
    assert_true(nth > 1);
    assert_int_equal(r, SLOTS);
    dlclose(m.handle);
}

/* ---- threads --------------------------------------------------------------------- */

#define ALL_MEMORY \
    (MEMORY | FAULT_posix_memalign | FAULT_mmap64 | FAULT_madvise)
#define HIT 3 /* a child's status: it came to the failure */

static int failing; /* the how manyth call */

static void *nothing(void *arg)
{
    return arg;
}

/* What the first thread takes, its creator's hub included. */
static int create_first(void)
{
    struct module m = module_open(MODULE_NOW);
    pthread_t id;
    CHILD_CHECK(grove_patch("*patch_module*", NULL, GROVE_PATCH_THREADS) > 0);
    fault_arm(ALL_MEMORY, failing, ENOMEM);
    int r = m.create(&id, nothing, NULL);
    bool hit = fault_disarm();
    CHILD_CHECK(r == 0 || (hit && r == EAGAIN));
    CHILD_CHECK(r != 0 || m.join(id) == 0);
    CHILD_CHECK(m.create(&id, nothing, NULL) == 0 && m.join(id) == 0);
    CHILD_CHECK(grove_unpatch_all() > 0);
    return hit ? HIT : 0;
}

static void threads_are_created_or_not(void **state)
{
    struct unit_child child;
    if (grove_own_tls_refused())
        unit_skip("no storage of its own; a plain build on x86-64 runs it");
    for (failing = 1;; failing++) {
        unit_in_child(&child, create_first);
        assert_true(WIFEXITED(child.status));
        if (WEXITSTATUS(child.status) != HIT)
            break;
    }
    unit_assert_exit(&child);
    assert_true(failing > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patching_fails_whole),
        cmocka_unit_test(unpatching_fails_whole),
        cmocka_unit_test(threads_are_created_or_not),
    };
    if (UNIT_HAS_NO_SLOTS)
        return unit_skip_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
