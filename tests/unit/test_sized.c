/* Structures that begin with their size, as older and newer programs pass
 * them. */
#include "unit.h"

#include "hub/hub.h"
#include "hub/sized.h"

/* What this library knows; its first version ended with `b`. */
struct ours {
    size_t size;
    int a, b;
    int c; /* came later */
};

#define FIRST SIZED_TO(struct ours, b)

/* What a newer one does. */
struct newer {
    struct ours ours;
    int d[4];
};

static void of_size_zero_is_the_first_version(void **state)
{
    struct ours given = {.a = 1, .b = 2, .c = 3}, taken;
    (void)state;
    assert_int_equal(sized_take(&taken, sizeof(taken), FIRST, &given), 0);
    assert_int_equal(taken.a, 1);
    assert_int_equal(taken.b, 2);
    assert_int_equal(taken.c, 0);
    given.size = sizeof(given);
    assert_int_equal(sized_take(&taken, sizeof(taken), FIRST, &given), 0);
    assert_int_equal(taken.c, 3);
}

static void what_a_newer_program_does_not_ask_for_is_taken(void **state)
{
    struct newer given = {.ours = {.size = sizeof(given), .a = 1, .c = 3}};
    struct ours taken;
    (void)state;
    assert_int_equal(sized_take(&taken, sizeof(taken), FIRST, &given), 0);
    assert_int_equal(taken.c, 3);
    given.d[3] = 1;
    assert_int_equal(sized_take(&taken, sizeof(taken), FIRST, &given), -EINVAL);
}

static void a_size_that_cannot_be_is_told(void **state)
{
    static const size_t bad[] = {1, FIRST - 1, 4097, SIZE_MAX};
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        struct ours given = {.size = bad[i]}, taken = {.a = 7};
        assert_int_equal(sized_take(&taken, sizeof(taken), FIRST, &given),
                         -EINVAL);
        assert_int_equal(taken.a, 7);
        assert_int_equal(sized_give(&given, &taken, sizeof(taken), FIRST),
                         -EINVAL);
        assert_int_equal(given.a, 0);
    }
}

static void no_more_is_given_than_fits(void **state)
{
    const struct ours known = {.a = 1, .b = 2, .c = 3};
    struct ours given = {.c = -1};
    struct newer larger = {.ours = {.size = sizeof(larger)}, .d = {9, 9, 9, 9}};
    (void)state;
    assert_int_equal(sized_give(&given, &known, sizeof(known), FIRST), 0);
    assert_int_equal(given.size, 0);
    assert_int_equal(given.b, 2);
    assert_int_equal(given.c, -1);
    assert_int_equal(sized_give(&larger, &known, sizeof(known), FIRST), 0);
    assert_int_equal(larger.ours.size, sizeof(larger));
    assert_int_equal(larger.ours.c, 3);
    assert_int_equal(larger.d[0], 0);
    assert_int_equal(larger.d[3], 0);
}

static void *nothing(void *arg)
{
    return arg;
}

/* Each structure of the API, with a size that cannot be. */
static void every_call_says_so(void **state)
{
    const grove_attr attr = {.size = 1};
    const grove_group_attr group_attr = {.size = 1};
    const grove_server_attr server_attr = {.size = 1};
    const grove_process_attr process_attr = {.size = 1};
    const grove_listen_options options = {.size = 1};
    const grove_stream_attr stream_attr = {.size = 1};
    grove_stats stats = {.size = 1};
    grove_stream_stats stream_stats = {.size = 1};
    grove_stream *stream;
    grove_group group;
    grove_server *server;
    grove_process *process;
    char name[] = "true";
    char *const argv[] = {name, NULL};
    assert_int_equal(grove_spawn_with(NULL, &attr, nothing, state), -EINVAL);
    grove_group_begin(&group, &group_attr);
    assert_int_equal(grove_group_spawn(&group, NULL,
                                       (int (*)(void *))(uintptr_t)nothing,
                                       state),
                     -ESHUTDOWN);
    assert_int_equal(grove_group_end(&group), -EINVAL);
    assert_int_equal(
        grove_server_start(&server, &server_attr,
                           (void (*)(grove_connection *))(uintptr_t)nothing,
                           state),
        -EINVAL);
    assert_int_equal(grove_process_spawn(&process, &process_attr, argv),
                     -EINVAL);
    assert_int_equal(grove_listen("127.0.0.1:0", &options), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(grove_hub_stats(grove_hub_self(), &stats), -EINVAL);
    int fd = dup(STDIN_FILENO);
    assert_int_equal(grove_stream_new(&stream, fd, &stream_attr), -EINVAL);
    assert_int_equal(grove_stream_new(&stream, fd, NULL), 0);
    assert_int_equal(grove_stream_get_stats(stream, &stream_stats), -EINVAL);
    grove_stream_free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_size_zero_is_the_first_version),
        cmocka_unit_test(what_a_newer_program_does_not_ask_for_is_taken),
        cmocka_unit_test(a_size_that_cannot_be_is_told),
        cmocka_unit_test(no_more_is_given_than_fits),
        cmocka_unit_test(every_call_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
