/*
 * Numbers of hubs as text that Prometheus reads.
 */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "metrics/text.h"

/* Whether text has that line. */
static bool has_line(const char *text, const char *line)
{
    size_t n = strlen(line);
    for (const char *at = text; (at = strstr(at, line)); at++) {
        if ((at == text || at[-1] == '\n') && at[n] == '\n')
            return true;
    }
    return false;
}

static void numbers_are_told_of_each_hub(void **state)
{
    (void)state;
    struct metrics_hub hubs[2] = {
        {.thread = 11,
         .switches = 7,
         .polls = 8,
         .offloads = 9,
         .live = 3,
         .idle_for = 1500000000},
        {.thread = 12,
         .waits = {[GROVE_WAIT_SYNC] = 5},
         .names_asked = 4,
         .names_found = 2,
         .names_timed_out = 1,
         .names_time = 2500000000,
         .stalls = 6,
         .switches = UINT64_MAX,
         .asleep = true,
         .idle_for = 9},
    };
    struct metrics m = {.release = "1.2.3", .hubs = hubs, .hub_count = 2};
    size_t size;
    char *text = metrics_text(&m, &size);
    assert_non_null(text);
    assert_int_equal(strlen(text), size);
    assert_true(has_line(text, "grove_info{version=\"1.2.3\"} 1"));
    assert_true(has_line(text, "# TYPE grove_hub_switches_total counter"));
    assert_true(
        has_line(text, "grove_hub_switches_total{hub=\"0\",thread=\"11\"} 7"));
    assert_true(has_line(text,
                         "grove_hub_switches_total{hub=\"1\",thread=\"12\"} "
                         "18446744073709551615"));
    assert_true(has_line(text, "grove_hub_waits_total{hub=\"0\",thread="
                               "\"11\",kind=\"sync\"} 0"));
    assert_true(has_line(text, "grove_hub_waits_total{hub=\"1\",thread="
                               "\"12\",kind=\"sync\"} 5"));
    assert_true(has_line(
        text, "grove_hub_dns_questions_total{hub=\"1\",thread=\"12\"} 4"));
    assert_true(has_line(
        text, "grove_hub_dns_answers_total{hub=\"1\",thread=\"12\"} 2"));
    assert_true(has_line(
        text, "grove_hub_dns_timeouts_total{hub=\"1\",thread=\"12\"} 1"));
    assert_true(has_line(
        text, "grove_hub_dns_failures_total{hub=\"1\",thread=\"12\"} 0"));
    assert_true(has_line(text, "grove_hub_dns_seconds_total{hub=\"1\",thread="
                               "\"12\"} 2.500000000"));
    assert_true(
        has_line(text, "grove_hub_polls_total{hub=\"0\",thread=\"11\"} 8"));
    assert_true(
        has_line(text, "grove_hub_offloads_total{hub=\"0\",thread=\"11\"} 9"));
    assert_true(
        has_line(text, "grove_stalls_total{hub=\"1\",thread=\"12\"} 6"));
    assert_true(has_line(text, "grove_hub_fibers{hub=\"0\",thread=\"11\"} 3"));
    assert_true(has_line(text, "grove_hub_turn_seconds{hub=\"0\",thread="
                               "\"11\"} 1.500000000"));
    assert_true(has_line(text, "grove_hub_turn_seconds{hub=\"1\",thread="
                               "\"12\"} 0.000000000"));
    assert_null(strstr(text, "grove_fibers"));
    free(text);
}

static void delays_are_cumulative(void **state)
{
    (void)state;
    struct metrics_hub hub = {
        .thread = 1, .delays = {2, 0, 3, 4}, .delay_sum = 12345678901};
    struct metrics m = {.release = "",
                        .hubs = &hub,
                        .hub_count = 1,
                        .delays = 4,
                        .delay_shortest = 10};
    size_t size;
    char *text = metrics_text(&m, &size);
    static const char *const lines[] = {
        "_bucket{hub=\"0\",thread=\"1\",le=\"1.024e-06\"} 2",
        "_bucket{hub=\"0\",thread=\"1\",le=\"2.048e-06\"} 2",
        "_bucket{hub=\"0\",thread=\"1\",le=\"4.096e-06\"} 5",
        "_bucket{hub=\"0\",thread=\"1\",le=\"+Inf\"} 9",
        "_sum{hub=\"0\",thread=\"1\"} 12.345678901",
        "_count{hub=\"0\",thread=\"1\"} 9",
    };
    assert_non_null(text);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char line[128];
        snprintf(line, sizeof(line), "grove_hub_run_queue_delay_seconds%s",
                 lines[i]);
        assert_true(has_line(text, line));
    }
    free(text);
}

static void labels_are_escaped(void **state)
{
    (void)state;
    struct metrics_count waits[] = {{"re\"cv\\\n", 5}};
    struct metrics m = {.release = "", .waits = waits, .wait_count = 1};
    size_t size;
    char *text = metrics_text(&m, &size);
    assert_non_null(text);
    assert_true(
        has_line(text, "grove_fibers_waiting{reason=\"re\\\"cv\\\\\\n\"} 5"));
    free(text);
}

/* ---- of this process ------------------------------------------------------------- */

static void *nothing(void *arg)
{
    return arg;
}

/* The number of the only hub. */
static long number_in(const char *text, const char *name)
{
    char line[96];
    snprintf(line, sizeof(line), "\n%s{hub=\"0\",thread=\"%d\"} ", name,
             (int)gettid());
    const char *at = strstr(text, line);
    assert_non_null(at);
    return atol(at + strlen(line));
}

static void those_of_the_process_are_written(void **state)
{
    (void)state;
    char text[65536] = "";
    int fd = memfd_create("metrics", MFD_CLOEXEC);
    assert_true(fd >= 0);
    for (int i = 0; i < 5; i++)
        grove_sleep(20 * MS); /* some may be over before they begin */
    for (int i = 0; i < 3; i++)
        assert_int_equal(grove_offload(nothing, NULL, NULL), 0);
    assert_int_equal(grove_metrics_write(fd), 0);
    assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
    assert_true(number_in(text, "grove_hub_polls_total") >= 2);
    assert_int_equal(number_in(text, "grove_hub_offloads_total"), 3);
    assert_int_equal(number_in(text, "grove_stalls_total"), 0);
    char line[96];
    snprintf(line, sizeof(line), "grove_hub_fibers{hub=\"0\",thread=\"%d\"} 0",
             (int)gettid());
    assert_true(has_line(text, line));
    close(fd);
}

static void what_cannot_be_written_is_told(void **state)
{
    (void)state;
    assert_int_equal(grove_metrics_write(-1), -EBADF);
    int fd = open("/dev/full", O_WRONLY);
    assert_int_equal(grove_metrics_write(fd), -ENOSPC);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_told_of_each_hub),
        cmocka_unit_test(delays_are_cumulative),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(those_of_the_process_are_written),
        cmocka_unit_test(what_cannot_be_written_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
