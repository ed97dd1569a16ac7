/*
 * The head of a request, parsed by src/http: by its short way or by llhttp.
 *
 * One parser serves all connections: what it found is copied before anybody
 * else runs, and a connection that waits for the rest of a head needs none. A
 * head that comes piece by piece is parsed again as its lines come.
 *
 * Bytes above 127 in a target are no part of HTTP's grammar, but clients send
 * them: such a head is parsed with other bytes in their place, and what was
 * found is then of the true ones.
 */
#include "wsgi/private.h"

/* Bytes of a head that is parsed at all. */
#define HEAD_SIZE READER_PIECE

static grove_http_parser *parser;

/* ---- bytes above 127 --------------------------------------------------------------- */

static size_t first_line(const char *at, size_t len)
{
    const char *end = memchr(at, '\n', len);
    return end ? (size_t)(end - at) : len;
}

static bool has_high(const char *at, size_t len)
{
    bool high = false;
    for (size_t i = 0; i < len; i++)
        high |= (unsigned char)at[i] > 127;
    return high;
}

/* As grove_http_parse_head, of a copy without them. */
static ssize_t parse_masked(const char *at, size_t len,
                            const grove_http_head **head)
{
    char *copy = PyMem_Malloc(len);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, at, len);
    for (size_t i = 0, line = first_line(at, len); i < line; i++) {
        if ((unsigned char)copy[i] > 127)
            copy[i] = 'x';
    }
    grove_http_parser_reset(parser);
    ssize_t n = grove_http_parse_head(parser, copy, len, head);
    if (n > 0)
        grove_http_parser_move(parser, at);
    PyMem_Free(copy);
    return n;
}

/* ---- what was found ------------------------------------------------------------------ */

void head_end(struct head *head)
{
    PyMem_Free((void *)head->parsed.fields);
    Py_CLEAR(head->bytes);
}

/* Without the empty lines that may stand before it. */
static grove_http_text line_of(PyObject *bytes)
{
    const char *at = PyBytes_AS_STRING(bytes);
    size_t size = (size_t)PyBytes_GET_SIZE(bytes);
    while (*at == '\r' || *at == '\n') {
        at++;
        size--;
    }
    /* The parser takes no line that ends in "\n" alone. */
    return (grove_http_text){at, first_line(at, size) - 1};
}

/* Nothing of Python's runs here, and so nobody else parses. */
static int keep(struct head *head, const grove_http_head *parsed,
                const char *at, size_t size)
{
    size_t fields = parsed->field_count * sizeof(*parsed->fields);
    grove_http_field *own = PyMem_Malloc(fields);
    head->bytes = own ? PyBytes_FromStringAndSize(at, (Py_ssize_t)size) : NULL;
    if (!head->bytes) {
        PyMem_Free(own);
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        return -1;
    }
    grove_http_parser_move(parser, PyBytes_AS_STRING(head->bytes));
    memcpy(own, parsed->fields, fields);
    head->parsed = *parsed;
    head->parsed.fields = own;
    head->line = line_of(head->bytes);
    return 0;
}

/* ---- parsing ------------------------------------------------------------------------- */

/* Whether a field's line has more than `line` bytes. */
static bool has_long_line(const grove_http_head *head, size_t line)
{
    for (size_t i = 0; i < head->field_count; i++) {
        const grove_http_field *f = &head->fields[i];
        if (f->name.size + f->value.size + 4 > line)
            return true;
    }
    return false;
}

/* -1: as head_parse, for a reason of its own. */
static int refuse(int *status, const char **error, int as, const char *why)
{
    *status = as;
    *error = why;
    return -1;
}

static int not_there(ssize_t n, int *status, const char **error)
{
    if (n == 0)
        return 0;
    if (n == -ENOMEM) {
        PyErr_NoMemory();
        return refuse(status, error, 0, "");
    }
    return refuse(status, error, grove_http_parser_status(parser),
                  grove_http_parser_error(parser));
}

int head_parse(const char *at, size_t len, size_t line, struct head *head,
               int *status, const char **error)
{
    if (first_line(at, len) > line)
        return refuse(status, error, 414, "the request line is too long");
    grove_http_parser_reset(parser);
    if (len > HEAD_SIZE)
        len = HEAD_SIZE;
    const grove_http_head *parsed;
    ssize_t n = grove_http_parse_head(parser, at, len, &parsed);
    if (n == -EPROTO && has_high(at, first_line(at, len)))
        n = parse_masked(at, len, &parsed);
    if (n <= 0)
        return not_there(n, status, error);
    if (has_long_line(parsed, line))
        return refuse(status, error, 431, "a header is too long");
    if (keep(head, parsed, at, (size_t)n) == 0)
        return 1;
    return refuse(status, error, 0, "");
}

int head_again(PyObject *bytes, struct head *head)
{
    int status;
    const char *error;
    int r =
        head_parse(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes),
                   HEAD_SIZE, head, &status, &error);
    assert(r == 1 || PyErr_Occurred());
    return r == 1 ? 0 : -1;
}

int head_init(PyObject *module)
{
    (void)module;
    grove_http_limits limits = {.head_size = HEAD_SIZE,
                                .line_size = HEAD_SIZE,
                                .fields = HEAD_FIELDS,
                                .body_size = -1};
    if (grove_http_parser_new(&parser, GROVE_HTTP_REQUESTS, &limits) == 0)
        return 0;
    PyErr_NoMemory();
    return -1;
}
