/* C++ exceptions and fibers: each fiber handles its own, also when the C++
 * runtime came with a library loaded later; one that escapes is the end. */
#include <cstdarg>
#include <cstddef>
#include <cstdint>

#include <csetjmp>
extern "C" {
#include <cmocka.h>
}

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "grove.h"

namespace
{

/* Catches, lets others do so meanwhile, and throws again what it caught. */
void *rethrow_own(void *arg)
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
                throw; /* the innermost that is being handled: ours? */
            }
        } catch (const std::runtime_error &e) {
            grove_sleep(i % 3);
            if (e.what() != mine)
                return nullptr;
        }
    }
    return arg;
}

void catch_blocks_belong_to_the_fiber(void **)
{
    grove_fiber *f[10];
    for (intptr_t i = 0; i < 10; i++)
        assert_int_equal(grove_spawn(&f[i], rethrow_own, (void *)(i + 1)), 0);
    try {
        throw 42;
    } catch (int) {
        assert_int_equal(grove_join_all(f, 10, 0), 10);
        try {
            throw;
        } catch (int n) {
            assert_int_equal(n, 42);
        }
    }
    for (intptr_t i = 0; i < 10; i++) {
        void *value;
        assert_int_equal(grove_join(f[i], &value), 0);
        assert_ptr_equal(value, (void *)(i + 1));
        grove_release(f[i]);
    }
}

/* Ends with an exception still being handled: the next fiber on this stack,
 * and main, must not see it. */
void *end_while_handling(void *arg)
{
    try {
        throw 1;
    } catch (int) {
        grove_yield();
        return std::current_exception() ? arg : nullptr;
    }
}

void *handles_nothing(void *arg)
{
    return std::current_exception() ? nullptr : arg;
}

void the_next_fiber_starts_clean(void **)
{
    for (int i = 0; i < 5; i++) {
        grove_fiber *a, *b;
        void *value;
        assert_int_equal(grove_spawn(&a, end_while_handling, &a), 0);
        grove_yield();
        assert_int_equal(grove_spawn(&b, handles_nothing, &b), 0);
        assert_int_equal(grove_join(b, &value), 0);
        assert_ptr_equal(value, &b);
        assert_int_equal(grove_join(a, &value), 0);
        assert_ptr_equal(value, &a);
        assert_false(bool(std::current_exception()));
        grove_release(a);
        grove_release(b);
    }
}

/* Destructors see an unwinding that belongs to their own fiber. */
struct yields_in_destructor {
    bool *good;
    ~yields_in_destructor()
    {
        bool before = std::uncaught_exceptions() == 1;
        grove_yield();
        *good = before && std::uncaught_exceptions() == 1;
    }
};

void *unwind_and_yield(void *arg)
{
    bool good = false;
    try {
        yields_in_destructor y{&good};
        throw 1;
    } catch (int) {
    }
    return good ? arg : nullptr;
}

void unwinding_belongs_to_the_fiber(void **)
{
    grove_fiber *f[4];
    for (auto &g : f)
        assert_int_equal(grove_spawn(&g, unwind_and_yield, &g), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(std::uncaught_exceptions(), 0);
        grove_yield();
    }
    for (auto &g : f) {
        void *value;
        assert_int_equal(grove_join(g, &value), 0);
        assert_ptr_equal(value, &g);
        grove_release(g);
    }
}

void *throw_out(void *)
{
    throw std::runtime_error("escaped");
}

void escape()
{
    std::signal(SIGABRT, SIG_DFL); /* cmocka's handlers are for tests */
    std::signal(SIGSEGV, SIG_DFL);
    std::set_terminate([] { _exit(std::current_exception() ? 43 : 44); });
    grove_fiber *f;
    if (grove_spawn(&f, throw_out, nullptr) == 0)
        grove_join(f, nullptr);
    _exit(1);
}

void an_exception_that_escapes_terminates(void **)
{
#if defined(__SANITIZE_THREAD__)
    std::puts("ThreadSanitizer loses track of fibers in the child of "
              "a fork; every other build runs it");
    std::fflush(stdout);
    skip();
#endif
    std::fflush(nullptr);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        escape();
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 43);
}

} // namespace

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(catch_blocks_belong_to_the_fiber),
        cmocka_unit_test(the_next_fiber_starts_clean),
        cmocka_unit_test(unwinding_belongs_to_the_fiber),
        cmocka_unit_test(an_exception_that_escapes_terminates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
