/* The trace in Perfetto's format: how messages are encoded, what is written of
 * events, whichever they are, and which files are written so. */
#include "faults.h"
#include "packets.h"
#include "told_programs.h"
#include "traced.h"

#include <inttypes.h>
#include <pthread.h>

#include "hub/hub.h"
#include "trace/chrome.h"
#include "trace/perfetto.h"
#include "trace/proto.h"
#include "trace/slices.h"

/* ---- the encoding ------------------------------------------------------------------ */

#define EXPECT(proto, ...) \
    do { \
        const unsigned char expected[] = {__VA_ARGS__}; \
        assert_int_equal((proto)->size, sizeof(expected)); \
        assert_memory_equal((proto)->bytes, expected, sizeof(expected)); \
        (proto)->size = 0; \
    } while (0)

static void numbers_have_seven_bits_a_byte(void **state)
{
    (void)state;
    struct proto p = {.size = 0};
    proto_number(&p, 1, 0);
    proto_number(&p, 15, 127);
    proto_number(&p, 16, 128);
    EXPECT(&p, 0x08, 0, 0x78, 127, 0x80, 1, 0x80, 1);
    proto_number(&p, 2, (uint64_t)-1);
    EXPECT(&p, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1);
    proto_fixed64(&p, 3, 0x0102030405060708);
    EXPECT(&p, 0x19, 8, 7, 6, 5, 4, 3, 2, 1);
}

static void texts_are_utf8_and_have_an_end(void **state)
{
    (void)state;
    struct proto p = {.size = 0};
    char text[PROTO_TEXT + 10];
    proto_text(&p, 1, "");
    proto_text(&p, 2, "\xc3\xa4\xe4\x80z");
    EXPECT(&p, 0x0a, 0, 0x12, 5, 0xc3, 0xa4, '?', '?', 'z');
    /* Longer than it has to be, half of a pair, behind the last. */
    proto_text(&p, 3, "\xe0\x9f\xbf\xed\xa0\x80\xf4\x90\x80\x80");
    EXPECT(&p, 0x1a, 10, '?', '?', '?', '?', '?', '?', '?', '?', '?', '?');
    proto_text(&p, 3, "\xed\x9f\xbf\xf4\x8f\xbf\xbf");
    EXPECT(&p, 0x1a, 7, 0xed, 0x9f, 0xbf, 0xf4, 0x8f, 0xbf, 0xbf);
    /* The last character would have its end behind the end. */
    memset(text, 'x', sizeof(text));
    memcpy(text + PROTO_TEXT - 1, "\xc3\xa4", 3);
    proto_text(&p, 1, text);
    assert_int_equal(p.size, 2 + PROTO_TEXT - 1);
    assert_int_equal(p.bytes[p.size - 1], 'x');
}

static void messages_are_in_messages(void **state)
{
    (void)state;
    struct proto p = {.size = 0};
    size_t outer = proto_begin(&p, 1), inner = proto_begin(&p, 2);
    proto_number(&p, 3, 4);
    proto_end(&p, inner);
    proto_end(&p, outer);
    EXPECT(&p, 0x0a, 4, 0x12, 2, 0x18, 4);
}

/* Of 127 bytes the length takes one, of 128 two. */
static void lengths_take_one_byte_or_two(void **state)
{
    (void)state;
    for (size_t length = 100; length < 300; length++) {
        struct proto p = {.size = 0};
        struct field f;
        size_t begin = proto_begin(&p, 1);
        for (size_t i = 0; i < length; i++)
            p.bytes[p.size++] = (unsigned char)i;
        proto_end(&p, begin);
        proto_number(&p, 2, 3);
        struct bytes from = {p.bytes, p.bytes + p.size};
        assert_true(read_field(&from, &f));
        assert_int_equal(f.bytes.end - f.bytes.at, length);
        for (size_t i = 0; i < length; i++)
            assert_int_equal(f.bytes.at[i], i & 0xff);
        assert_true(read_field(&from, &f) && f.value == 3);
        assert_false(read_field(&from, &f));
    }
}

/* ---- whatever the events are --------------------------------------------------------- */

#define EVENTS 2000
#define NAMES 64
#define TEXTS 100

static struct trace_name names[NAMES];
static struct trace_ring ring = {
    .names = names, .name_mask = NAMES - 1, .number = 7, .thread = 815};
static struct trace_event events[EVENTS];
static char texts[TEXTS][8];

static struct trace_copy copy_of(size_t count, uint64_t lost)
{
    return (struct trace_copy){.events = events,
                               .count = count,
                               .lost = lost,
                               .ring = &ring,
                               .end = events[count - 1].time};
}

/* The file that the slices of the copy make, to be freed. */
static char *file_of(const struct trace_copy *copy, bool is_json, size_t *size)
{
    union {
        struct trace_output output;
        struct trace_chrome chrome;
        struct trace_perfetto perfetto;
    } to;
    char *bytes;
    FILE *file = open_memstream(&bytes, size);
    if (is_json)
        trace_chrome_begin(&to.chrome, file);
    else
        trace_perfetto_begin(&to.perfetto, file);
    trace_slices_write(&to.output, copy);
    to.output.format->end(&to.output);
    assert_int_equal(to.output.error, 0);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

static const struct packets *packets_of(const struct trace_copy *copy)
{
    size_t size;
    char *bytes = file_of(copy, false, &size);
    const struct packets *p = read_packets(bytes, size);
    free(bytes);
    return p;
}

/* How many slices begin in the JSON of the same. */
static size_t begins_in_json(const struct trace_copy *copy)
{
    size_t size;
    char *bytes = file_of(copy, true, &size);
    size_t n = occurrences(bytes, "\"ph\":\"B\"");
    assert_int_equal(occurrences(bytes, "\"ph\":\"E\""), n);
    free(bytes);
    return n;
}

static struct trace_event random_event(uint64_t time)
{
    static const int values[] = {-1, 0, 3, -ETIMEDOUT};
    struct trace_event e = {.time = time,
                            .fiber = (uint64_t)(rand() % 20),
                            .other = (uint64_t)(rand() % 20),
                            .kind = (enum trace_kind)(rand() % 8),
                            .value = values[rand() % 4]};
    if (e.kind == TRACE_PARK)
        e.other = rand() % 9 ? (uintptr_t)texts[rand() % TEXTS] : 0;
    return e;
}

static void make_random_events(void)
{
    uint64_t time = trace_ticks();
    ring.began = time;
    for (size_t i = 0; i < EVENTS; i++) {
        time += (uint64_t)(rand() % 3) * (uint64_t)(rand() % 5000);
        events[i] = random_event(time);
    }
}

static void of_any_events_what_begins_ends(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= unit_scale(300, 20); seed++) {
        srand(seed);
        make_random_events();
        struct trace_copy copy = copy_of(1 + seed * 13 % EVENTS, seed % 2);
        size_t begins = begins_in_json(&copy);
        const struct packets *p = packets_of(&copy);
        assert_int_equal(p->begins, begins);
        assert_int_equal(p->hubs, 1);
        assert_int_equal(p->lost, seed % 2);
    }
}

static void texts_that_have_no_number_are_there(void **state)
{
    (void)state;
    uint64_t time = ring.began = trace_ticks();
    for (size_t i = 0; i < 2 * TEXTS; i++)
        events[i] = (struct trace_event){time, 3, (uintptr_t)texts[i / 2],
                                         TRACE_PARK, -1};
    struct trace_copy copy = copy_of(2 * TEXTS, 0);
    const struct packets *p = packets_of(&copy);
    assert_int_equal(p->begins, 2 * TEXTS + 1); /* it ran before */
    assert_int_equal(p->texts[2], TRACE_TEXTS);
}

static void no_events_are_a_hub_and_no_rows(void **state)
{
    (void)state;
    events[0].time = ring.began = trace_ticks();
    struct trace_copy copy = copy_of(1, 0);
    copy.count = 0;
    const struct packets *p = packets_of(&copy);
    assert_int_equal(p->begins + p->moments, 0);
    assert_int_equal(tracks_called(p, "hub 7, thread 815"), 1);
}

static void tracks_have_names_and_numbers(void **state)
{
    (void)state;
    uint64_t time = ring.began = trace_ticks();
    trace_name(&ring, 3, "reader");
    trace_name(&ring, 4, "latin \xe4");
    trace_name(&ring, 5, "");
    for (size_t i = 0; i < 6; i++)
        events[i] = (struct trace_event){time, i, 1, TRACE_BEGIN, 0};
    struct trace_copy copy = copy_of(6, 0);
    const struct packets *p = packets_of(&copy);
    memset(names, 0, sizeof(names));
    for (size_t i = 0; i < 6; i++) {
        static const char *const expected[] = {
            "hub", "fiber 1", "fiber 2", "reader 3", "latin ? 4", "fiber 5"};
        assert_int_equal(tracks_called(p, expected[i]), 1);
    }
}

/* ---- files --------------------------------------------------------------------------- */

static const struct packets *packets_in(const char *path)
{
    size_t size;
    const char *bytes = contents_of(path, &size);
    return read_packets(bytes, size);
}

static const char *in_folder(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void names_tell_the_format(void **state)
{
    (void)state;
    const struct {
        const char *name;
        bool is_json;
    } files[] = {
        {"x.pftrace", false},          {"x.perfetto-trace", false},
        {".pftrace", false},           {"x.pftrace.1234", false},
        {"x.json.pftrace", false},     {"x.json", true},
        {"x.pftrace.json", true},      {"pftrace", true},
        {"x.pftrace.", true},          {"x.pftrace1234", true},
        {"x.pftrace.12x", true},       {"1234", true},
        {"x.perfetto-trace.7", false}, {"x", true},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const char *path = in_folder(files[i].name);
        assert_int_equal(grove_trace_write(path), 0);
        check((contents(path)[0] == '{') == files[i].is_json, "%s", path);
        if (!files[i].is_json)
            assert_true(packets_in(path)->begins > 0);
        unlink(path);
    }
}

static void what_fibers_did_is_told(void **state)
{
    (void)state;
    const char *path = in_folder("did.pftrace");
    grove_event e = GROVE_EVENT_INIT;
    grove_fiber *f = spawn("waits", wait_for_event, &e);
    char name[32];
    snprintf(name, sizeof(name), "waits %" PRIu64, grove_id(f));
    grove_yield();
    grove_event_set(&e);
    join(f);
    assert_int_equal(grove_trace_write(path), 0);
    const struct packets *p = packets_in(path);
    assert_int_equal(tracks_called(p, name), 1);
    assert_true(p->arrows >= 3); /* spawned, woken, woken who joins */
    assert_true(p->moments > p->arrows);
    assert_int_equal(p->hubs, 1);
    unlink(path);
}

/* ---- other threads -------------------------------------------------------------------- */

struct runner {
    _Atomic bool stop;
    _Atomic bool begun;
};

static void *yields(void *arg)
{
    for (int i = 0; i < 2 * ROOM; i++)
        grove_yield();
    return arg;
}

static void *run_until_told(void *arg)
{
    struct runner *r = arg;
    while (!atomic_load(&r->stop)) {
        grove_fiber *f = spawn("of a thread", yields, NULL);
        join(spawn("of a thread", yields, NULL));
        join(f);
        atomic_store(&r->begun, true);
    }
    return NULL;
}

static void it_is_written_while_hubs_go_on(void **state)
{
    (void)state;
    struct runner r = {false, false};
    pthread_t thread;
    const char *path = in_folder("goes-on.pftrace");
    assert_int_equal(pthread_create(&thread, NULL, run_until_told, &r), 0);
    while (!atomic_load(&r.begun))
        grove_sleep(MS);
    for (size_t i = 0; i < unit_scale(200, 10); i++) {
        assert_int_equal(grove_trace_write(path), 0);
        const struct packets *p = packets_in(path);
        assert_int_equal(p->hubs, 2);
        assert_true(p->lost >= 1); /* the thread's hub has had more than ROOM */
    }
    atomic_store(&r.stop, true);
    pthread_join(thread, NULL);
    unlink(path);
}

/* ---- errors ---------------------------------------------------------------------------- */

static void without_memory_the_file_stays(void **state)
{
    (void)state;
    const char *path = in_folder("stays.pftrace");
    int failures = 0;
    for (int nth = 1;; nth++) {
        FILE *file = fopen(path, "w");
        fputs("of before", file);
        fclose(file);
        fault_arm(FAULT_malloc, nth, ENOMEM);
        int r = grove_trace_write(path);
        if (!fault_disarm()) {
            assert_int_equal(r, 0);
            break;
        }
        assert_int_equal(r, -ENOMEM);
        assert_string_equal(contents(path), "of before");
        failures++;
    }
    assert_true(failures >= 2); /* the copy, the states */
    assert_true(packets_in(path)->begins > 0);
    unlink(path);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    const char *path = in_folder("full.pftrace");
    assert_int_equal(symlink("/dev/full", path), 0);
    assert_int_equal(grove_trace_write(path), -ENOSPC);
    unlink(path);
    assert_int_equal(grove_trace_write("/nonexistent/x.pftrace"), -ENOENT);
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_seven_bits_a_byte),
        cmocka_unit_test(texts_are_utf8_and_have_an_end),
        cmocka_unit_test(messages_are_in_messages),
        cmocka_unit_test(lengths_take_one_byte_or_two),
        cmocka_unit_test(of_any_events_what_begins_ends),
        cmocka_unit_test(texts_that_have_no_number_are_there),
        cmocka_unit_test(no_events_are_a_hub_and_no_rows),
        cmocka_unit_test(tracks_have_names_and_numbers),
        cmocka_unit_test(what_fibers_did_is_told),
        cmocka_unit_test(names_tell_the_format),
        cmocka_unit_test(without_memory_the_file_stays),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(it_is_written_while_hubs_go_on),
    };
    for (int i = 0; i < TEXTS; i++)
        snprintf(texts[i], sizeof(texts[i]), "what%d", i);
    grove_yield(); /* there is a hub, and a trace */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return traced_main(run_all);
}
