/*
 * Messages with faults that nobody has thought of: good ones, changed at
 * random. Whatever comes, each is taken the same whole and in pieces, nothing
 * behind its bytes is looked at (ASan, valgrind), and what is taken for a head
 * is one by a second opinion, which looks at lines and nothing else.
 *
 * The seed is printed. GROVE_FUZZ_SEED sets it, GROVE_FUZZ_SECONDS has it go on
 * for so long.
 */
#include "http_messages.h"

#include <strings.h>

#define SIZE_MAX_OF_MESSAGE 2048

static const char *const requests[] = {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ("GET /a/b?c=d HTTP/1.1\r\nHost: a.test:80\r\nAccept: */*\r\n"
     "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789",
    ("PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
     "4\r\nabcd\r\n10;e=\"f\"\r\n0123456789abcdef\r\n0\r\nT: u\r\n\r\n"),
    "POST / HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]\r\nExpect: 100-continue\r\n\r\n",
    "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ("DELETE /~%41?b=|c HTTP/1.1\r\nHost: a\r\nCookie:\t a=\"\xe9\" \t\r\n"
     "Content-Length: 12\r\nConnection: close\r\n\r\n0123456789ab"),
    "HEAD http://a.test/ HTTP/1.1\r\nHost:a.test\r\nX:\r\nY: \t z \t\r\n\r\n",
};

static const char *const responses[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"),
    "HTTP/1.0 301 Moved\r\nLocation: http://b/\r\n\r\nto the end",
    "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 9\r\n\r\n",
};

/* What matters is put where it does not belong. */
static const char *const words[] = {
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    "\0",
    ":",
    ",",
    "\r\n ",
    ";",
    "0",
    "chunked",
    "+",
    "0\r\n\r\n",
    "\x7f",
    "\xff",
    "-",
    "\"",
    "HTTP/1.1",
    "#",
    "ffffffffffffffff",
    "Host",
    "GET / ",
    "99999999999999999999",
    "\r\n\r\n",
    "\r\nContent-Length: 3",
    "\r\nTransfer-Encoding: chunked",
    "\r\nHost: b",
    "\r\nTransfer-Encoding : chunked",
    "\nContent-Length: 7\r\n",
};

/* ---- what is random ------------------------------------------------------------ */

static uint64_t random_state;

/* From 0 to below; xorshift64*. */
static size_t pick(size_t below)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (size_t)((random_state * 2685821657736338717u) >> 33) % below;
}

struct message {
    char bytes[SIZE_MAX_OF_MESSAGE];
    size_t size;
};

static void replace(struct message *m, size_t at, size_t gone, const char *with,
                    size_t size)
{
    char rest[SIZE_MAX_OF_MESSAGE];
    size_t left = m->size - at - gone;
    if (at + size + left > sizeof(m->bytes))
        return;
    memcpy(rest, m->bytes + at + gone, left);
    memcpy(m->bytes + at, with, size);
    memcpy(m->bytes + at + size, rest, left);
    m->size = at + size + left;
}

static void change(struct message *m)
{
    size_t at = pick(m->size + 1), left = m->size - at;
    char copy[32], byte = (char)pick(256);
    const char *word = words[pick(UNIT_COUNT(words))];
    size_t n = pick(left < sizeof(copy) ? left + 1 : sizeof(copy));
    switch (pick(6)) {
    case 0: /* another byte */
        replace(m, at, left > 0, &byte, 1);
        break;
    case 1: /* fewer */
        replace(m, at, n, "", 0);
        break;
    case 2: /* a word */
        replace(m, at, 0, word, word[0] ? strlen(word) : 1);
        break;
    case 3: /* a word instead */
        replace(m, at, n, word, word[0] ? strlen(word) : 1);
        break;
    case 4: /* some of it again, elsewhere */
        memcpy(copy, m->bytes + at, n);
        replace(m, pick(m->size + 1), 0, copy, n);
        break;
    default: /* a bit */
        if (left > 0)
            m->bytes[at] ^= (char)(1 << pick(8));
    }
}

static void make(struct message *m, int kind)
{
    const char *from = kind == GROVE_HTTP_REQUESTS
                           ? requests[pick(UNIT_COUNT(requests))]
                           : responses[pick(UNIT_COUNT(responses))];
    m->size = strlen(from);
    memcpy(m->bytes, from, m->size);
    for (size_t changes = 1 + pick(4); changes > 0; changes--)
        change(m);
}

/* ---- the second opinion ----------------------------------------------------------- */

static bool is_named(const char *line, size_t size, const char *name)
{
    size_t n = strlen(name);
    return size > n && strncasecmp(line, name, n) == 0 && line[n] == ':';
}

/* Why a head is none; NULL: it looks like one. */
static const char *fault_of(const char *head, size_t size)
{
    int lengths = 0, codings = 0, hosts = 0;
    if (size < 4 || memcmp(head + size - 4, "\r\n\r\n", 4) != 0)
        return "it does not end in an empty line";
    while (*head == '\r' || *head == '\n') { /* before it */
        head++;
        size--;
    }
    size_t line = 0, lines = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)head[i];
        if (c == '\n' && (i == 0 || head[i - 1] != '\r'))
            return "a bare LF";
        if (c == '\r' && (i + 1 == size || head[i + 1] != '\n'))
            return "a bare CR";
        if ((c < ' ' && !strchr("\t\r\n", c)) || c == 127 || c == 0)
            return "a control character";
        if (c != '\n')
            continue;
        const char *at = head + line;
        if (*at == ' ' || *at == '\t')
            return "a continued line";
        if (lines > 0 && i - line > 1 && !memchr(at, ':', i - line))
            return "a field without a colon";
        lengths += is_named(at, i - line, "content-length");
        codings += is_named(at, i - line, "transfer-encoding");
        hosts += is_named(at, i - line, "host");
        if (i - line <= 1 && i + 1 != size)
            return "an empty line within";
        line = i + 1;
        lines++;
    }
    return lengths + codings > 1 || hosts > 1 ? "a field twice" : NULL;
}

/* ---- all of it ---------------------------------------------------------------------- */

static void show(const struct message *m, uint64_t seed, size_t round)
{
    printf("seed %llu, round %zu:\n", (unsigned long long)seed, round);
    for (size_t i = 0; i < m->size; i++) {
        unsigned char c = (unsigned char)m->bytes[i];
        printf(c >= ' ' && c < 127 && c != '\\' ? "%c" : "\\x%02x", c);
    }
    printf("\n");
    fflush(stdout);
}

static void expect_same(const struct outcome *a, const struct outcome *b)
{
    check(a->head == b->head && a->body == b->body && a->end == b->end &&
              a->status == b->status && strcmp(a->text, b->text) == 0,
          "whole: head %zd, body %d, end %d, %d, %s; in pieces: head %zd, body "
          "%d, end %d, %d, %s",
          a->head, a->body, a->end, a->status, a->text, b->head, b->body,
          b->end, b->status, b->text);
}

static grove_http_parser *parsers[3];

/* Whether it was taken for a message. */
static bool try(const struct message *m, int kind)
{
    static struct outcome whole, pieces;
    parse_cut(parsers[kind], m->bytes, m->size, m->size, m->size, &whole);
    grove_http_parser_reset(parsers[kind]);
    parse_cut(parsers[kind], m->bytes, m->size, pick(m->size + 1),
              1 + pick(m->size + 1), &pieces);
    grove_http_parser_reset(parsers[kind]);
    /* Which of two faults is found first may depend on what is there. */
    if (whole.head < 0 || whole.body < 0) {
        assert_int_equal(pieces.head < 0 || pieces.body < 0, true);
        return false;
    }
    expect_same(&whole, &pieces);
    if (whole.head == 0)
        return false;
    const char *fault = fault_of(m->bytes, (size_t)whole.head);
    check(!fault, "taken for a head: %s", fault);
    return true;
}

static size_t number_from(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static const struct message *message;
static uint64_t seed;
static size_t round_number;

static void test_mutated(void **state)
{
    static struct message m;
    size_t rounds = 200000, taken = 0;
    int64_t until =
        grove_now() +
        (int64_t)number_from("GROVE_FUZZ_SECONDS", 0) * GROVE_SECOND;
    if (getenv("GROVE_UNDER_VALGRIND"))
        rounds = 5000;
    seed = number_from("GROVE_FUZZ_SEED", 20261121);
    random_state = seed | 1;
    message = &m;
    for (int kind = 1; kind <= 2; kind++)
        assert_int_equal(grove_http_parser_new(&parsers[kind], kind, NULL), 0);
    for (size_t i = 0; i < rounds || grove_now() < until; i++) {
        int kind = pick(4) ? GROVE_HTTP_REQUESTS : GROVE_HTTP_RESPONSES;
        make(&m, kind);
        round_number = i;
        taken += try(&m, kind);
    }
    printf("seed %llu: %zu of %zu were taken for messages\n",
           (unsigned long long)seed, taken, round_number + 1);
    message = NULL;
    check(taken > round_number / 50 && taken < round_number / 2,
          "%zu were taken", taken);
}

static int end(void **state)
{
    if (message)
        show(message, seed, round_number);
    for (int kind = 1; kind <= 2; kind++)
        grove_http_parser_free(parsers[kind]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_mutated, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
