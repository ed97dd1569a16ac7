/* Plugins that link the library, or hold a copy of it, in a program that does
 * not know it: they may be closed while threads that have used it go on. */
#include "unit.h"

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>

struct user {
    void *(*run)(void *); /* of the plugin */
    sem_t ran;            /* by the thread, when it has a hub */
    sem_t closed;         /* by the test, when the plugin is closed */
};

static void *use_and_outlive(void *arg)
{
    struct user *user = arg;
    void *value = user->run(user);
    sem_post(&user->ran);
    sem_wait(&user->closed);
    return value;
}

static void run_and_close(void *plugin, struct user *user)
{
    pthread_t thread;
    void *value;
    *(void **)&user->run = dlsym(plugin, "plugin_run");
    assert_non_null(user->run);
    assert_int_equal(pthread_create(&thread, NULL, use_and_outlive, user), 0);
    sem_wait(&user->ran);
    assert_int_equal(dlclose(plugin), 0);
    sem_post(&user->closed);
    assert_int_equal(pthread_join(thread, &value), 0);
    assert_ptr_equal(value, user);
}

static void close_while_a_thread_has_a_hub(const char *path)
{
    for (int round = 0; round < 3; round++) {
        struct user user;
        sem_init(&user.ran, 0, 0);
        sem_init(&user.closed, 0, 0);
        void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!plugin)
            fail_msg("%s", dlerror());
        run_and_close(plugin, &user);
        sem_destroy(&user.ran);
        sem_destroy(&user.closed);
    }
}

static void a_plugin_that_links_the_library_can_be_closed(void **state)
{
    (void)state;
    close_while_a_thread_has_a_hub(PLUGIN_SHARED);
}

static void a_plugin_with_a_copy_of_its_own_can_be_closed(void **state)
{
    (void)state;
    close_while_a_thread_has_a_hub(PLUGIN_STATIC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plugin_that_links_the_library_can_be_closed),
        cmocka_unit_test(a_plugin_with_a_copy_of_its_own_can_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
