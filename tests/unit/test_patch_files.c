/* FILEs that fibers share, through patched calls of stdio: whose they are, for
 * how long, and that nobody is held up. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/syscall.h>

#include "unit.h"

#define PIPE_SIZE 4096

struct files {
    FILE *in, *out; /* the ends of a pipe, a small one */
};

static struct files open_files(void)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE), PIPE_SIZE);
    struct files files = {fdopen(ends[0], "r"), fdopen(ends[1], "w")};
    assert_true(files.in && files.out);
    return files;
}

static void close_files(struct files *files)
{
    if (files->out)
        fclose(files->out);
    if (files->in)
        fclose(files->in);
}

static int patch(void **state)
{
    assert_true(grove_patch("", NULL, 0) > 0);
    return 0;
}

static int unpatch(void **state)
{
    assert_true(grove_unpatch_all() > 0);
    return 0;
}

static grove_fiber *start(void *(*fn)(void *), void *arg)
{
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, fn, arg), 0);
    return f;
}

static void *end(grove_fiber *f)
{
    void *value = NULL;
    assert_int_equal(grove_join_until(f, &value, grove_now() + HANG), 0);
    grove_release(f);
    return value;
}

/* ---- lines stay whole ------------------------------------------------------------ */

#define WRITERS 3
#define LINES 200

struct writer {
    FILE *out;
    char letter;
};

/* By three calls of which each may park, in one line. */
static void *write_lines(void *arg)
{
    const struct writer *w = arg;
    for (int i = 0; i < LINES; i++) {
        flockfile(w->out);
        for (int j = 0; j < 40; j++)
            putc(w->letter, w->out);
        fprintf(w->out, "%40d", i);
        fputs("\n", w->out);
        funlockfile(w->out);
    }
    return NULL;
}

static void lines_of_several_writers_stay_whole(void **state)
{
    struct files files = open_files();
    struct writer writers[WRITERS];
    grove_fiber *fibers[WRITERS];
    int next[WRITERS] = {0};
    char line[128];
    setvbuf(files.out, NULL, _IONBF, 0);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){files.out, (char)('a' + i)};
        fibers[i] = start(write_lines, &writers[i]);
    }
    for (int n = 0; n < WRITERS * LINES; n++) {
        assert_non_null(fgets(line, sizeof(line), files.in));
        int i = line[0] - 'a';
        assert_int_equal(strlen(line), 81);
        for (int j = 0; j < 40; j++)
            assert_int_equal(line[j], line[0]);
        assert_int_equal(atoi(line + 40), next[i]);
        next[i]++;
    }
    for (int i = 0; i < WRITERS; i++)
        end(fibers[i]);
    close_files(&files);
}

/* ---- who reads does not hold up others --------------------------------------------- */

static void *read_line(void *arg)
{
    static char lines[8][32];
    static int n;
    char *line = lines[n++ % 8];
    return fgets(line, 32, arg);
}

static void readers_of_one_file_get_a_line_each(void **state)
{
    struct files files = open_files();
    grove_fiber *a = start(read_line, files.in);
    grove_fiber *b = start(read_line, files.in);
    grove_yield();
    assert_int_equal(ftrylockfile(files.in), EBUSY);
    fputs("one\ntwo\n", files.out);
    assert_int_equal(fflush(files.out), 0);
    assert_string_equal(end(a), "one\n");
    assert_string_equal(end(b), "two\n");
    assert_int_equal(ftrylockfile(files.in), 0);
    funlockfile(files.in);
    close_files(&files);
}

/* libc's own would wait for the reader's FILE, with all FILEs locked. */
static void all_are_flushed_while_one_is_read(void **state)
{
    struct files input = open_files(), output = open_files();
    char text[8] = "";
    grove_fiber *f = start(read_line, input.in);
    grove_yield();
    fputs("text", output.out);
    assert_int_equal(fflush(NULL), 0);
    assert_int_equal(read(fileno(output.in), text, sizeof(text)), 4);
    fputs("line\n", input.out);
    fclose(input.out);
    input.out = NULL;
    assert_string_equal(end(f), "line\n");
    close_files(&input);
    close_files(&output);
}

static void *flush_all(void *arg)
{
    return (void *)(intptr_t)fflush(NULL);
}

/* Two have something to write, and one is closed while the other is full. */
static void a_file_may_be_closed_while_all_are_flushed(void **state)
{
    struct files other = open_files(); /* opened first, flushed last */
    struct files full = open_files();
    char fill[PIPE_SIZE] = "";
    assert_int_equal(write(fileno(full.out), fill, PIPE_SIZE), PIPE_SIZE);
    fputs("text", other.out);
    fputs("text", full.out);
    grove_fiber *f = start(flush_all, NULL);
    grove_yield();
    fclose(other.out);
    other.out = NULL;
    assert_int_equal(read(fileno(full.in), fill, PIPE_SIZE), PIPE_SIZE);
    assert_null(end(f));
    assert_int_equal(read(fileno(full.in), fill, PIPE_SIZE), 4);
    close_files(&full);
    close_files(&other);
}

static void *write_much(void *arg)
{
    for (int i = 0; i < 10000; i++)
        fprintf(arg, "line %d\n", i);
    return fflush(arg) == 0 ? arg : NULL;
}

static void a_file_on_a_disk_is_written_without_a_wait(void **state)
{
    FILE *file = tmpfile();
    void *value = NULL;
    grove_fiber *f = start(write_much, file);
    grove_yield();
    assert_int_equal(grove_join_until(f, &value, grove_now()), 0);
    assert_ptr_equal(value, file);
    assert_int_equal(ftell(file), 98890);
    grove_release(f);
    fclose(file);
}

/* ---- threads without a hub ------------------------------------------------------------ */

struct owner {
    FILE *file;
    sem_t has, may_go;
};

static void *own(void *arg)
{
    struct owner *o = arg;
    flockfile(o->file);
    sem_post(&o->has);
    sem_wait(&o->may_go);
    funlockfile(o->file);
    return NULL;
}

static void *write_word(void *arg)
{
    return fputs("word", arg) >= 0 ? arg : NULL;
}

static void a_threads_lock_does_not_hold_up_the_hub(void **state)
{
    struct files files = open_files();
    struct owner o = {.file = files.out};
    pthread_t thread;
    sem_init(&o.has, 0, 0);
    sem_init(&o.may_go, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, own, &o), 0);
    sem_wait(&o.has);
    grove_fiber *f = start(write_word, files.out);
    grove_yield();
    grove_sleep(MS); /* others run */
    assert_int_equal(grove_join_until(f, NULL, grove_now()), -ETIMEDOUT);
    sem_post(&o.may_go);
    pthread_join(thread, NULL);
    assert_ptr_equal(end(f), files.out);
    close_files(&files);
}

/* ---- ends in the middle ------------------------------------------------------------------ */

static void a_killed_reader_lets_go(void **state)
{
    struct files files = open_files();
    grove_fiber *f = start(read_line, files.in);
    grove_yield();
    grove_kill(f);
    assert_null(end(f));
    assert_int_equal(ftrylockfile(files.in), 0);
    funlockfile(files.in);
    clearerr(files.in);
    fputs("line\n", files.out);
    fflush(files.out);
    assert_string_equal(read_line(files.in), "line\n");
    close_files(&files);
}

/* Its own cleanup handler finds the FILE free. */
static void try_lock(void *arg)
{
    struct owner *o = arg;
    if (ftrylockfile(o->file) == 0) {
        funlockfile(o->file);
        sem_post(&o->may_go);
    }
}

static void *read_until_cancelled(void *arg)
{
    struct owner *o = arg;
    char text[8];
    pthread_cleanup_push(try_lock, o);
    sem_post(&o->has);
    (void)!fgets(text, sizeof(text), o->file);
    pthread_cleanup_pop(0);
    return NULL;
}

static void a_cancelled_thread_lets_go(void **state)
{
    struct files files = open_files();
    struct owner o = {.file = files.in};
    void *value = NULL;
    pthread_t thread;
    if (grove_own_tls_refused()) {
        close_files(&files);
        unit_skip("no storage of its own; a plain build on x86-64 runs it");
    }
    assert_true(grove_patch("", NULL, GROVE_PATCH_THREADS) > 0);
    sem_init(&o.has, 0, 0);
    sem_init(&o.may_go, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, read_until_cancelled, &o),
                     0);
    sem_wait(&o.has);
    sched_yield();
    pthread_cancel(thread);
    assert_int_equal(pthread_join(thread, &value), 0);
    assert_ptr_equal(value, PTHREAD_CANCELED);
    assert_int_equal(sem_trywait(&o.may_go), 0);
    assert_int_equal(ftrylockfile(files.in), 0);
    funlockfile(files.in);
    close_files(&files);
}

struct writer_to_be {
    FILE *file;
    _Atomic bool there, cancelled;
};

static void *write_when_cancelled(void *arg)
{
    struct writer_to_be *w = arg;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    w->there = true;
    while (!w->cancelled)
        sched_yield();
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    fputs("word", w->file);
    pthread_testcancel();
    return NULL;
}

/* To wait for a FILE is no cancellation point, as in libc. */
static void a_cancelled_thread_waits_for_a_file_all_the_same(void **state)
{
    struct files files = open_files();
    struct writer_to_be w = {.file = files.out};
    char text[8] = "";
    void *value = NULL;
    pthread_t thread;
    if (grove_own_tls_refused()) {
        close_files(&files);
        unit_skip("no storage of its own; a plain build on x86-64 runs it");
    }
    assert_true(grove_patch("", NULL, GROVE_PATCH_THREADS) > 0);
    assert_int_equal(pthread_create(&thread, NULL, write_when_cancelled, &w),
                     0);
    while (!w.there)
        sched_yield();
    flockfile(files.out);
    pthread_cancel(thread);
    w.cancelled = true;
    for (int i = 0; i < 10; i++)
        sched_yield(); /* it waits */
    funlockfile(files.out);
    assert_int_equal(pthread_join(thread, &value), 0);
    assert_ptr_equal(value, PTHREAD_CANCELED);
    assert_int_equal(ftrylockfile(files.out), 0);
    funlockfile(files.out);
    assert_int_equal(fflush(files.out), 0);
    assert_int_equal(read(fileno(files.in), text, sizeof(text)), 4);
    assert_string_equal(text, "word");
    close_files(&files);
}

static void a_child_has_files_that_others_held(void **state)
{
    struct files files = open_files();
    int status;
    grove_fiber *f = start(read_line, files.in);
    grove_yield();
    flockfile(files.out); /* which the child keeps */
    pid_t pid = fork();
    if (pid == 0) {
        bool own = ftrylockfile(files.out) == 0;
        bool others = ftrylockfile(files.in) == 0;
        _exit(own && others ? 0 : 1);
    }
    funlockfile(files.out);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    fputs("line\n", files.out);
    fflush(files.out);
    assert_string_equal(end(f), "line\n");
    close_files(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_of_several_writers_stay_whole,
                                        patch, unpatch),
        cmocka_unit_test_setup_teardown(readers_of_one_file_get_a_line_each,
                                        patch, unpatch),
        cmocka_unit_test_setup_teardown(all_are_flushed_while_one_is_read,
                                        patch, unpatch),
        cmocka_unit_test_setup_teardown(
            a_file_may_be_closed_while_all_are_flushed, patch, unpatch),
        cmocka_unit_test_setup_teardown(
            a_file_on_a_disk_is_written_without_a_wait, patch, unpatch),
        cmocka_unit_test_setup_teardown(a_threads_lock_does_not_hold_up_the_hub,
                                        patch, unpatch),
        cmocka_unit_test_setup_teardown(a_killed_reader_lets_go, patch,
                                        unpatch),
        cmocka_unit_test_setup_teardown(a_cancelled_thread_lets_go, patch,
                                        unpatch),
        cmocka_unit_test_setup_teardown(
            a_cancelled_thread_waits_for_a_file_all_the_same, patch, unpatch),
        cmocka_unit_test_setup_teardown(a_child_has_files_that_others_held,
                                        patch, unpatch),
    };
    if (UNIT_HAS_NO_SLOTS)
        return unit_skip_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
