/* A C program that loads C++ code when its hub is already there. */
#include "unit.h"

#include <dlfcn.h>

#include "grove.h"
#include "hub/hub.h"

static int (*throw_and_catch)(int number, void (*meanwhile)(void));

static void *catch_some(void *arg)
{
    for (int i = 0; i < 10; i++) {
        if (!throw_and_catch((int)(intptr_t)arg + i, grove_yield))
            return NULL;
    }
    return arg;
}

static void *return_arg(void *arg)
{
    return arg;
}

static void assert_exceptions_are_kept_apart(void)
{
    grove_fiber *f[10];
    for (intptr_t i = 0; i < 10; i++)
        assert_int_equal(grove_spawn(&f[i], catch_some, (void *)(100 * i + 1)),
                         0);
    for (intptr_t i = 0; i < 10; i++) {
        void *value;
        assert_int_equal(grove_join(f[i], &value), 0);
        assert_ptr_equal(value, (void *)(100 * i + 1));
        grove_release(f[i]);
    }
}

static void a_runtime_loaded_later_is_noticed(void **state)
{
    (void)state;
    /* A hub with a little past. */
    assert_int_equal(grove_spawn(NULL, return_arg, NULL), 0);
    assert_int_equal(grove_sleep(GROVE_MILLISECOND), 0);
    if (UNIT_ASAN || dlsym(RTLD_DEFAULT, "__cxa_get_globals"))
        unit_skip("a sanitizer brings the C++ runtime along, or must know it "
                  "from the start; a build without runs it");
    assert_null(hub_self()->thread.eh);
    void *module = dlopen(CXX_MODULE, RTLD_NOW | RTLD_LOCAL);
    if (!module)
        fail_msg("%s", dlerror());
    *(void **)&throw_and_catch = dlsym(module, "throw_and_catch");
    assert_non_null(throw_and_catch);
    assert_exceptions_are_kept_apart();
    assert_non_null(hub_self()->thread.eh);
    /* It stays, whatever becomes of the module. */
    assert_int_equal(dlclose(module), 0);
    assert_int_equal(grove_sleep(GROVE_MILLISECOND), 0);
    module = dlopen(CXX_MODULE, RTLD_NOW | RTLD_LOCAL);
    *(void **)&throw_and_catch = dlsym(module, "throw_and_catch");
    assert_exceptions_are_kept_apart();
    dlclose(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_runtime_loaded_later_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
