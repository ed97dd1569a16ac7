/* C++ in fibers with thread-local storage of their own: thread_local objects
 * are made at first use and destroyed at the fiber's end, and exceptions are
 * the fiber's. */
#include <cstdarg>
#include <cstddef>
#include <cstdint>

#include <csetjmp>
extern "C" {
#include <cmocka.h>
}

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include "grove.h"

namespace
{

int made, destroyed;

struct Counted {
    std::string text;
    Counted() : text("begun, and long enough to be allocated") { made++; }
    ~Counted()
    {
        grove_yield(); /* it may wait */
        destroyed += text == "ended, and long enough to be allocated";
    }
};

thread_local Counted counted;

void *use_object(void *arg)
{
    if (counted.text != "begun, and long enough to be allocated")
        return nullptr;
    grove_yield();
    counted.text = "ended, and long enough to be allocated";
    grove_yield();
    return arg;
}

void *throw_some(void *arg)
{
    const std::string mine = "fiber " + std::to_string((intptr_t)arg);
    for (int i = 0; i < 20; i++) {
        try {
            try {
                throw std::runtime_error(mine);
            } catch (const std::exception &) {
                grove_yield();
                if (std::uncaught_exceptions() != 0)
                    return nullptr;
                throw;
            }
        } catch (const std::runtime_error &e) {
            grove_sleep(i % 3);
            if (e.what() != mine)
                return nullptr;
        }
    }
    return arg;
}

/* Every other fiber of n has storage of its own if half is set, else all. */
void run(void *(*fn)(void *), int n, bool half)
{
    grove_fiber *f[100];
    grove_attr attr = {};
    attr.size = sizeof(attr);
    for (intptr_t i = 0; i < n; i++) {
        attr.own_tls = !half || i % 2;
        assert_int_equal(grove_spawn_with(&f[i], &attr, fn, (void *)(i + 1)),
                         0);
    }
    for (intptr_t i = 0; i < n; i++) {
        void *value;
        assert_int_equal(grove_join(f[i], &value), 0);
        assert_ptr_equal(value, (void *)(i + 1));
        grove_release(f[i]);
    }
}

bool there_is_none()
{
    if (!grove_own_tls_refused())
        return false;
    std::printf("no fiber has storage of its own here: %s\n",
                grove_own_tls_refused());
    return true;
}

void thread_local_objects_live_as_long_as_the_fiber(void **)
{
    if (there_is_none())
        skip();
    for (int round = 1; round <= 3; round++) {
        run(use_object, 100, false);
        assert_int_equal(made, 100 * round);
        assert_int_equal(destroyed, 100 * round);
    }
}

void exceptions_are_the_fibers(void **)
{
    if (there_is_none())
        skip();
    try {
        throw 42;
    } catch (int) {
        run(throw_some, 10, false);
        run(throw_some, 10, true);
        try {
            throw;
        } catch (int n) {
            assert_int_equal(n, 42);
        }
    }
}

} // namespace

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_local_objects_live_as_long_as_the_fiber),
        cmocka_unit_test(exceptions_are_the_fibers),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
