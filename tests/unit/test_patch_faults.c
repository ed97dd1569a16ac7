/* Patching and unpatching when memory cannot be had or made writable: all or
 * nothing. */
#include "faults.h"
#include "patch_modules.h"

#define MEMORY (FAULT_malloc | FAULT_calloc | FAULT_realloc | FAULT_mprotect)

/* Three slots of recv and read: nothing between. */
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
        check(r == -ENOMEM || r == 3, "the %dth: %d", nth, r);
        assert_int_equal(patched_slots(), r < 0 ? 0 : 3);
        assert_int_equal(grove_unpatch_all(), r < 0 ? 0 : 3);
    }
    assert_true(nth > 4);
    assert_int_equal(r, 3);
    assert_int_equal(grove_unpatch_all(), 3);
    dlclose(m.handle);
}

static void unpatching_fails_whole(void **state)
{
    struct module m = module_open(MODULE_NOW);
    int nth = 1, r;
    for (;; nth++) {
        assert_int_equal(grove_patch("*patch_module*", "re*", 0), 3);
        fault_arm(MEMORY, nth, ENOMEM);
        r = grove_unpatch_all();
        bool failed = fault_disarm();
        if (!failed)
            break;
        assert_true(r == -ENOMEM || r == 3);
        assert_int_equal(patched_slots(), r < 0 ? 3 : 0);
        assert_int_equal(grove_unpatch_all(), r < 0 ? 3 : 0);
    }
    assert_true(nth > 1);
    assert_int_equal(r, 3);
    dlclose(m.handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patching_fails_whole),
        cmocka_unit_test(unpatching_fails_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
