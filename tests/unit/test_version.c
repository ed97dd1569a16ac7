/* The version at run time is that of the header and of the build files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <grove.h>

static void version_is_the_headers(void **state)
{
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", GROVE_VERSION_MAJOR,
             GROVE_VERSION_MINOR, GROVE_VERSION_PATCH);
    assert_string_equal(grove_version(), expected);
    assert_string_equal(grove_version(), PROJECT_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_is_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
