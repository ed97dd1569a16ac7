/* grove_dump: a line a fiber. */
#include "unit.h"

#include <fcntl.h>

#include "grove.h"
#include "hub/wait.h"
#include "stopped_clock.h"

static void dump(char *text, size_t size)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    grove_dump(fileno(f));
    rewind(f);
    text[fread(text, 1, size - 1, f)] = '\0';
    fclose(f);
}

static void *wait_as(void *arg)
{
    hub_wait(hub_self(), GROVE_WAIT_OTHER, GROVE_NEVER, arg, 42);
    return NULL;
}

static void *wait_pipe(void *arg)
{
    hub_wait_fd(hub_self(), *(int *)arg, LOOP_READ, GROVE_NEVER, "recv");
    return NULL;
}

static void *yield_twice(void *arg)
{
    grove_yield();
    grove_yield();
    return arg;
}

static void a_line_a_fiber(void **state)
{
    (void)state;
    char text[4096], expected[64];
    int ends[2];
    grove_fiber *f[4];
    grove_attr late = {.name = "late", .delay = 3600 * GROVE_SECOND};
    grove_attr fresh = {.name = "fresh"};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(grove_spawn(&f[0], wait_pipe, &ends[0]), 0);
    assert_int_equal(grove_spawn(&f[1], yield_twice, NULL), 0);
    grove_yield();
    assert_int_equal(grove_spawn_with(&f[2], &late, yield_twice, NULL), 0);
    assert_int_equal(grove_spawn_with(&f[3], &fresh, yield_twice, NULL), 0);
    dump(text, sizeof(text));
    assert_non_null(strstr(text, "fiber 1 \"main\" running\n"));
    assert_non_null(strstr(text, "\"\" ready\n"));
    assert_non_null(strstr(text, "\"late\" new\n"));
    assert_non_null(strstr(text, "\"fresh\" new\n"));
    snprintf(expected, sizeof(expected),
             "\"\" parked in recv on descriptor %d for ", ends[0]);
    assert_non_null(strstr(text, expected));
    assert_null(strstr(text, "hub"));
    size_t lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 5);
    assert_int_equal(grove_kill(f[0]), 0);
    assert_int_equal(grove_kill(f[2]), 0);
    assert_int_equal(grove_join_all(f, 4, 0), 4);
    for (int i = 0; i < 4; i++)
        grove_release(f[i]);
    grove_close(ends[0]);
    close(ends[1]);
}

/* How long one has waited, though no timer ever made the hub look at the
 * clock. */
static void since_when_is_true(void **state)
{
    (void)state;
    char text[4096];
    grove_fiber *f;
    clock_stop();
    clock_skip(30 * MS); /* the hub is older than the wait */
    for (int i = 0; i < 2 * HUB_PASS; i++)
        grove_yield();
    char what[] = "ages";
    assert_int_equal(grove_spawn(&f, wait_as, what), 0);
    for (int i = 0; i < 2 * HUB_PASS; i++)
        grove_yield();
    dump(text, sizeof(text));
    const char *at = strstr(text, "ages on descriptor 42 for ");
    assert_non_null(at);
    double seconds = strtod(at + 26, NULL);
    assert_true(seconds == 0);
    clock_skip(20 * MS);
    dump(text, sizeof(text));
    seconds = strtod(strstr(text, "ages on descriptor 42 for ") + 26, NULL);
    assert_true(seconds > 0.0199 && seconds < 0.0201);
    clock_go_on(0);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

static void a_long_reason_is_cut(void **state)
{
    (void)state;
    char text[4096], what[1000];
    grove_fiber *f;
    memset(what, 'w', sizeof(what) - 1);
    what[sizeof(what) - 1] = '\0';
    assert_int_equal(grove_spawn(&f, wait_as, what), 0);
    grove_yield();
    dump(text, sizeof(text));
    const char *at = strstr(text, "parked in wwww");
    assert_non_null(at);
    assert_non_null(strchr(at, '\n'));
    assert_true(strchr(at, '\n') - at < 200);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_a_fiber),
        cmocka_unit_test(since_when_is_true),
        cmocka_unit_test(a_long_reason_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
