/* The trace: what is kept of a small program, what of a long one, and the files
 * that are written. */
#include "told_programs.h"
#include "traced.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "hub/hub.h"
#include "trace/copy.h"
#include "trace/file.h"
#include "trace/rings.h"
#include "turns.h"

static char file[PATH_MAX]; /* GROVE_TRACE */

/* ---- what was kept, as lines -------------------------------------------------- */

struct lines {
    struct told told;
    uint64_t left; /* who the hub was gone to from */
};

static const char *name(const struct trace_copy *copy, uint64_t fiber)
{
    static char names[2][TRACE_NAME_SIZE];
    static int turn;
    turn = !turn;
    if (fiber == 0)
        return "hub";
    return trace_copy_name(copy, fiber, names[turn]) ? names[turn] : "?";
}

/* When the hub looks around depends on how fast all this is: from whom it was
 * gone to, and whom it goes to, is as good as a switch. */
static void add_switch(struct lines *t, const struct trace_copy *copy,
                       const struct trace_event *e)
{
    if (!e->other)
        t->left = e->fiber;
    else if (e->fiber || t->left != e->other)
        tell(&t->told, "%s -> %s\n", name(copy, e->fiber ? e->fiber : t->left),
             name(copy, e->other));
}

static void add_event(struct lines *t, const struct trace_copy *copy,
                      const struct trace_event *e)
{
    const char *fiber = name(copy, e->fiber), *other = NULL;
    if (e->kind != TRACE_PARK)
        other = name(copy, e->other);
    if (e->kind == TRACE_SPAWN)
        tell(&t->told, "%s spawned by %s\n", fiber, other);
    else if (e->kind == TRACE_END)
        tell(&t->told, "%s ends\n", fiber);
    else if (e->kind == TRACE_SWITCH)
        add_switch(t, copy, e);
    else if (e->kind == TRACE_PARK)
        tell(&t->told, "%s parks in %s %d\n", fiber, (const char *)e->other,
             e->value);
    else if (e->kind == TRACE_WAKE)
        tell(&t->told, "%s woken by %s with %d\n", fiber, other, e->value);
}

static uint64_t added(void)
{
    return atomic_load(&hub_self()->trace->next);
}

/* Of those from number `first` on. */
static void expect(uint64_t first, const char *expected)
{
    struct lines lines = {.left = 0};
    struct trace_copy copy;
    assert_int_equal(trace_copy_make(&copy, hub_self()->trace), 0);
    assert_true(copy.lost <= first);
    for (size_t i = first - copy.lost; i < copy.count; i++)
        add_event(&lines, &copy, &copy.events[i]);
    trace_copy_free(&copy);
    assert_string_equal(lines.told.text, expected);
}

/* ---- programs ------------------------------------------------------------------- */

static void a_small_program_in_order(void **state)
{
    (void)state;
    turn_after(TURN_NEVER);
    uint64_t first = added();
    run_small_program();
    expect(first, SMALL_PROGRAM);
}

static void *read_byte(void *fd)
{
    char byte;
    grove_set_name(grove_self(), "reader");
    assert_int_equal(grove_read(*(int *)fd, &byte, 1), 1);
    return NULL;
}

static void descriptors_names_and_sleeps(void **state)
{
    (void)state;
    int ends[2];
    char expected[512];
    assert_int_equal(pipe(ends), 0);
    turn_after(TURN_NEVER);
    uint64_t first = added();
    grove_fiber *a = spawn("a", read_byte, &ends[0]);
    grove_yield();
    assert_int_equal(write(ends[1], "x", 1), 1);
    join(a);
    snprintf(expected, sizeof(expected),
             "reader spawned by main\n"
             "main -> reader\n"
             "reader parks in read %d\n"
             "reader -> main\n"
             "main parks in join -1\n"
             "reader woken by hub with 0\n"
             "main -> reader\n"
             "main woken by reader with 0\n"
             "reader ends\n"
             "reader -> main\n",
             ends[0]);
    expect(first, expected);
    assert_int_equal(grove_close(ends[0]), 0);
    close(ends[1]);
}

static size_t count(const struct trace_copy *copy, enum trace_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < copy->count; i++)
        n += copy->events[i].kind == kind;
    return n;
}

/* How often the hub has slept and is back. */
static size_t slept(void)
{
    struct trace_copy copy;
    assert_int_equal(trace_copy_make(&copy, hub_self()->trace), 0);
    size_t n = count(&copy, TRACE_SLEEP);
    assert_int_equal(count(&copy, TRACE_AWAKE), n);
    trace_copy_free(&copy);
    return n;
}

static void times_are_those_of_the_clock(void **state)
{
    (void)state;
    struct trace_copy copy;
    uint64_t before = trace_clock();
    /* On a slow machine a time is over before its wait begins. */
    for (size_t n = slept(); slept() == n;)
        assert_int_equal(grove_sleep(5 * MS), 0);
    assert_int_equal(trace_copy_make(&copy, hub_self()->trace), 0);
    struct trace_scale scale = trace_scale_now();
    uint64_t after = trace_clock();
    const struct trace_event *last = &copy.events[copy.count - 1];
    assert_int_equal(last->kind, TRACE_SWITCH);
    /* The looks at both are some hundred nanoseconds apart, or interrupted. */
    assert_uint_in_range(trace_nanoseconds(&scale, last->time), before,
                         after + 5 * MS);
    trace_copy_free(&copy);
}

static void *yield_often(void *arg)
{
    for (int i = 0; i < 2 * ROOM; i++)
        grove_yield();
    return arg;
}

static void the_newest_are_kept(void **state)
{
    (void)state;
    struct trace_copy copy;
    grove_fiber *a = spawn("a", yield_often, NULL);
    join(spawn("b", yield_often, NULL));
    join(a);
    assert_int_equal(trace_copy_make(&copy, hub_self()->trace), 0);
    assert_int_equal(copy.count, ROOM - EARLY);
    assert_int_equal(copy.lost, added() - copy.count);
    const struct trace_event *last = &copy.events[copy.count - 1];
    assert_int_equal(last->other, 1);
    for (size_t i = 1; i < copy.count; i++)
        assert_true(copy.events[i].time >= copy.events[i - 1].time);
    trace_copy_free(&copy);
}

/* ---- another thread -------------------------------------------------------------- */

static void *run_thread(void *arg)
{
    join(spawn("elsewhere", yield_often, NULL));
    return arg;
}

static void count_ring(const struct trace_ring *ring, void *arg)
{
    (void)ring;
    ++*(size_t *)arg;
}

static size_t rings(void)
{
    size_t n = 0;
    trace_rings_each(count_ring, &n);
    return n;
}

static void hubs_that_end_are_kept_up_to_a_number(void **state)
{
    (void)state;
    size_t most = 0;
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, run_thread, NULL), 0);
        pthread_join(thread, NULL);
        assert_int_equal(rings(), i < 16 ? i + 2 : 17);
        most = rings();
    }
    assert_int_equal(most, 17);
}

struct runner {
    _Atomic bool stop;
    _Atomic bool begun;
};

static void *run_until_told(void *arg)
{
    struct runner *r = arg;
    while (!atomic_load(&r->stop)) {
        join(spawn("one of many", yield_often, NULL));
        atomic_store(&r->begun, true);
    }
    return NULL;
}

static void check_ring(const struct trace_ring *ring, void *arg)
{
    struct trace_copy copy;
    size_t *events = arg;
    assert_int_equal(trace_copy_make(&copy, ring), 0);
    for (size_t i = 0; i < copy.count; i++)
        assert_true(copy.events[i].kind <= TRACE_AWAKE);
    *events += copy.count;
    trace_copy_free(&copy);
}

static void a_ring_is_copied_while_its_hub_goes_on(void **state)
{
    (void)state;
    struct runner r = {false, false};
    pthread_t thread;
    size_t events = 0;
    assert_int_equal(pthread_create(&thread, NULL, run_until_told, &r), 0);
    while (!atomic_load(&r.begun))
        grove_sleep(MS);
    for (size_t i = 0; i < unit_scale(2000, 50); i++)
        trace_rings_each(check_ring, &events);
    atomic_store(&r.stop, true);
    pthread_join(thread, NULL);
    assert_true(events > 0);
}

/* ---- files -------------------------------------------------------------------------- */

static void what_is_written_is_whole(void **state)
{
    (void)state;
    char path[PATH_MAX];
    grove_event e = GROVE_EVENT_INIT;
    snprintf(path, sizeof(path), "%s/asked.json", folder);
    grove_fiber *f = spawn("\"quoted\" </\xc3\xa4\xc3", wait_for_event, &e);
    grove_yield();
    assert_int_equal(grove_trace_write(path), 0);
    const char *text = contents(path);
    assert_true(occurrences(text, "\"ph\":\"B\"") > 10);
    assert_int_equal(occurrences(text, "\"ph\":\"B\""),
                     occurrences(text, "\"ph\":\"E\""));
    assert_int_equal(
        occurrences(text, "\\u0022quoted\\u0022 \\u003c/\xc3\xa4?"), 1);
    assert_int_equal(occurrences(text, "</"), 0);
    /* Of the 16 that were kept one was taken for the thread after them. */
    assert_int_equal(occurrences(text, "\"name\":\"elsewhere\""), 15);
    grove_event_set(&e);
    join(f);
    unlink(path);
}

static size_t files_in_folder(void)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void a_file_is_replaced_once_it_is_whole(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct trace_file whole, failed;
    size_t before = files_in_folder();
    snprintf(path, sizeof(path), "%s/replaced", folder);
    assert_int_equal(trace_file_begin(&whole, path), 0);
    fputs("whole", whole.stream);
    assert_int_equal(trace_file_end(&whole, 0), 0);
    assert_int_equal(trace_file_begin(&failed, path), 0);
    fputs("a part", failed.stream);
    fflush(failed.stream);
    assert_string_equal(contents(path), "whole");
    assert_int_equal(files_in_folder(), before + 2);
    assert_int_equal(trace_file_end(&failed, -ENOMEM), -ENOMEM);
    assert_string_equal(contents(path), "whole");
    unlink(path);
    assert_int_equal(files_in_folder(), before);
}

/* Where its place may not be taken by another it is written to all the same. */
static void another_users_file_is_written_to(void **state)
{
    (void)state;
    enum { OTHER = 65534 };
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof(path), "%s/others", folder);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    if (chown(path, OTHER, (gid_t)-1) < 0) {
        unlink(path);
        unit_skip("only root can give a file to another user");
    }
    assert_int_equal(grove_trace_write(path), 0);
    assert_true(stat(path, &st) == 0 && st.st_uid == OTHER);
    assert_true(occurrences(contents(path), "\"ph\":\"B\"") > 10);
    unlink(path);
}

static void a_link_is_written_to(void **state)
{
    (void)state;
    char path[PATH_MAX], link[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof(path), "%s/linked", folder);
    snprintf(link, sizeof(link), "%s/link", folder);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(grove_trace_write(link), 0);
    assert_true(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
    assert_true(occurrences(contents(path), "\"ph\":\"B\"") > 10);
    unlink(link);
    unlink(path);
}

static void no_name_is_the_file_of_the_process(void **state)
{
    (void)state;
    char own[PATH_MAX];
    snprintf(own, sizeof(own), "%s/trace.json", folder);
    unlink(own);
    assert_int_equal(grove_trace_write(NULL), 0);
    assert_true(occurrences(contents(own), "\"ph\":\"B\"") > 10);
}

static void errors_of_writing_are_returned(void **state)
{
    (void)state;
    assert_int_equal(grove_trace_write("/nonexistent/x"), -ENOENT);
    assert_int_equal(grove_trace_write("/dev/full"), -ENOSPC);
    /* So is one of the first bytes, when the last were written. */
    struct trace_file full;
    assert_int_equal(trace_file_begin(&full, "/dev/full"), 0);
    fprintf(full.stream, "[");
    assert_int_equal(fflush(full.stream), EOF);
    assert_int_equal(trace_file_end(&full, 0), -ENOSPC);
}

/* What a child ends with that does what fn does and returns. */
static int in_child(int (*fn)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        exit(fn());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    snprintf(file, sizeof(file), "%s/trace.json.%ld", folder, (long)pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int sleep_as_child(void)
{
    grove_set_name(grove_self(), "child");
    for (uint64_t n = added(); added() == n;)
        grove_sleep(MS);
    return 0;
}

static void a_forked_child_has_a_file_of_its_own(void **state)
{
    (void)state;
    if (UNIT_TSAN) /* it ignores some threads after a fork, fibers among them */
        unit_skip("tsan loses sight of fibers in a child: tools/check unit");
    assert_int_equal(in_child(sleep_as_child), 0);
    const char *text = contents(file);
    assert_int_equal(occurrences(text, "process_name"), 1);
    assert_int_equal(occurrences(text, "\"name\":\"child\""), 1);
    assert_int_equal(occurrences(text, "\"cat\":\"wait\",\"name\":\"sleep\""),
                     1);
    assert_int_equal(occurrences(text, "\"lost\":0"), 1);
    unlink(file);
}

/* ---- before there is a hub ----------------------------------------------------------- */

static int messages;

static void count_message(grove_log_level level, const char *text, void *arg)
{
    (void)arg;
    messages += level == GROVE_LOG_WARNING && strstr(text, "no trace") != NULL;
}

static int trace_into_nothing(void)
{
    setenv("GROVE_TRACE", "/nonexistent/x", 1);
    grove_log_set(count_message, NULL);
    bool works = grove_sleep(MS) == 0;
    bool refused = grove_trace_write("/dev/null") == -ENODATA;
    return works && refused && messages == 1 && !hub_self()->trace ? 0 : 1;
}

static void a_file_that_cannot_be_written_is_told_once(void **state)
{
    (void)state;
    assert_int_equal(in_child(trace_into_nothing), 0);
}

static int trace_with_a_bad_size(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%%p.json", folder);
    setenv("GROVE_TRACE", path, 1);
    setenv("GROVE_TRACE_SIZE", "3K", 1);
    grove_log_set(count_message, NULL);
    grove_sleep(MS);
    return hub_self()->trace->mask + 1 == (8 << 20) / 32 ? 0 : 1;
}

static void the_number_of_the_process_and_a_bad_size(void **state)
{
    (void)state;
    assert_int_equal(in_child(trace_with_a_bad_size), 0);
    char *number = strrchr(file, '.') + 1;
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s.json", folder, number);
    assert_int_equal(unlink(path), 0);
}

static int untraced(void)
{
    unsetenv("GROVE_TRACE");
    bool works = grove_sleep(MS) == 0;
    return works && !hub_self()->trace && !hub_self()->watched ? 0 : 1;
}

static void without_the_variable_nothing_is_kept(void **state)
{
    (void)state;
    assert_int_equal(in_child(untraced), 0);
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        /* In children, before there is a hub: they ask the environment anew. */
        cmocka_unit_test(a_file_that_cannot_be_written_is_told_once),
        cmocka_unit_test(the_number_of_the_process_and_a_bad_size),
        cmocka_unit_test(without_the_variable_nothing_is_kept),
        cmocka_unit_test(a_small_program_in_order),
        cmocka_unit_test(descriptors_names_and_sleeps),
        cmocka_unit_test(times_are_those_of_the_clock),
        cmocka_unit_test(the_newest_are_kept),
        cmocka_unit_test(hubs_that_end_are_kept_up_to_a_number),
        cmocka_unit_test(a_ring_is_copied_while_its_hub_goes_on),
        cmocka_unit_test(what_is_written_is_whole),
        cmocka_unit_test(a_file_is_replaced_once_it_is_whole),
        cmocka_unit_test(another_users_file_is_written_to),
        cmocka_unit_test(a_link_is_written_to),
        cmocka_unit_test(no_name_is_the_file_of_the_process),
        cmocka_unit_test(errors_of_writing_are_returned),
        cmocka_unit_test(a_forked_child_has_a_file_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return traced_main(run_all);
}
