/*
 * A body in chunks, taken apart by the parser of src/http, as those of its own
 * server are.
 *
 *     rfile --> bytes --> parser --> data, which is done with at once
 *                  \
 *                   trailers, which are kept until all of them are there
 *
 * The parser never gets more than what was asked for, so that no data has to be
 * kept. From a file that is not ours it gets lines, for nothing behind the body
 * may be taken out of that, and a body in chunks ends with the end of a line.
 *
 * Two greenlets may read one body, which makes no sense, but must not break
 * anything: nothing is known of a body but what was looked at since the last
 * wait, and its parser lives as long as it.
 */
#include "wsgi/private.h"

/* What the parser is made to expect: a body in chunks. */
static const char head_before[] =
    "POST / HTTP/1.1\r\nHost: -\r\nTransfer-Encoding: chunked\r\n\r\n";

int chunks_begin(struct chunks *c)
{
    static const grove_http_limits limits = {.fields = HEAD_FIELDS,
                                             .body_size = -1};
    size_t size = sizeof(head_before) - 1;
    const grove_http_head *head;
    if (c->parser)
        grove_http_parser_reset(c->parser);
    else if (grove_http_parser_new(&c->parser, GROVE_HTTP_REQUESTS, &limits) <
             0)
        c->parser = NULL;
    if (!c->parser ||
        grove_http_parse_head(c->parser, head_before, size, &head) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    assert(head->length == -1);
    c->broken = false;
    chunks_clear(c);
    return 0;
}

void chunks_clear(struct chunks *c)
{
    Py_CLEAR(c->from);
    Py_CLEAR(c->line);
    Py_CLEAR(c->trailers);
    c->line_used = 0;
}

void chunks_end(struct chunks *c)
{
    chunks_clear(c);
    if (c->parser)
        grove_http_parser_free(c->parser);
    c->parser = NULL;
}

/* ---- bytes of the connection ------------------------------------------------- */

/* Bytes that have come: 0 of them at the connection's end. They stay where they
 * are until somebody else runs, or use_bytes. */
struct came {
    const char *at;
    size_t size;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Of the lines that are there, the first; else all. */
static int take_from_reader(struct reader *r, size_t most, bool line,
                            struct came *came)
{
    if (reader_count(r) == 0 && reader_fill(r, reader_deadline(r)) < 0)
        return -1;
    came->at = r->buffer + r->begin;
    came->size = least(reader_count(r), most);
    const char *end =
        line && came->size ? memchr(came->at, '\n', came->size) : NULL;
    if (end)
        came->size = (size_t)(end - came->at) + 1;
    return 0;
}

/* rfile.readline(), as bytes. */
static int next_line(struct body *b, size_t most)
{
    PyObject *size = PyLong_FromSize_t(least(most, READER_PIECE));
    PyObject *line =
        size ? body_call_file(b, names.readline, size, READER_PIECE) : NULL;
    Py_XDECREF(size);
    if (!line)
        return -1;
    handler_set(&b->chunks.line, line);
    b->chunks.line_used = 0;
    return 0;
}

static int take_from_file(struct body *b, size_t most, struct came *came)
{
    struct chunks *c = &b->chunks;
    bool rest = c->line && c->line_used < (size_t)PyBytes_GET_SIZE(c->line);
    if (!rest && next_line(b, most) < 0)
        return -1;
    came->at = PyBytes_AS_STRING(c->line) + c->line_used;
    came->size = least((size_t)PyBytes_GET_SIZE(c->line) - c->line_used, most);
    return 0;
}

/* Nothing is waited for, or taken, behind what was refused. */
static int take(struct body *b, size_t most, bool line, struct came *came)
{
    if (b->chunks.broken)
        return body_refuse(b, "the body made no sense", 400);
    PyObject *rfile = Py_NewRef(or_none(b->rfile));
    int r = Py_IS_TYPE(rfile, &Reader_Type)
                ? take_from_reader((struct reader *)rfile, most, line, came)
                : take_from_file(b, most, came);
    if (r == 0 && came->size == 0)
        r = body_refuse(b, "the body breaks off", 400);
    handler_set(&b->chunks.from, rfile);
    return r;
}

static void use_bytes(struct chunks *c, size_t n)
{
    if (Py_IS_TYPE(c->from, &Reader_Type))
        reader_drop((struct reader *)c->from, n);
    else
        c->line_used += n;
}

/* ---- what they are ------------------------------------------------------------- */

static int parse(struct body *b, const char *at, size_t size,
                 grove_http_piece *found)
{
    grove_http_parser *parser = b->chunks.parser;
    int r = grove_http_parse_body(parser, at, size, found);
    if (r == 0)
        return 0;
    b->chunks.broken = true;
    if (r == -EPROTO)
        return body_refuse(b, grove_http_parser_error(parser), 400);
    PyErr_NoMemory();
    return -1;
}

/* Keep bytes of the trailers, which have come. */
static int add_trailers(struct body *b, const struct came *came)
{
    struct chunks *c = &b->chunks;
    PyObject *bytes =
        PyBytes_FromStringAndSize(came->at, (Py_ssize_t)came->size);
    use_bytes(c, came->size);
    if (bytes && c->trailers)
        PyBytes_ConcatAndDel(&c->trailers, bytes);
    else
        c->trailers = bytes;
    c->broken |= !c->trailers;
    return c->trailers ? 0 : -1;
}

/* Behind the last chunk: the parser has seen those that are kept, and needs
 * more. */
static int read_trailers(struct body *b)
{
    struct came came;
    grove_http_piece found;
    while (!b->ended) {
        if (take(b, READER_PIECE, true, &came) < 0 ||
            add_trailers(b, &came) < 0)
            return -1;
        PyObject *trailers = b->chunks.trailers;
        if (parse(b, PyBytes_AS_STRING(trailers),
                  (size_t)PyBytes_GET_SIZE(trailers), &found) < 0)
            return -1;
        b->ended = found.end;
    }
    return 0;
}

int chunks_next(struct body *b, size_t most, bool line, grove_http_piece *piece)
{
    struct came came;
    assert(most > 0 && b->chunks.parser);
    while (!b->chunks.trailers && !b->ended) {
        if (take(b, most, line, &came) < 0 ||
            parse(b, came.at, came.size, piece) < 0)
            return -1;
        if (piece->data.size > 0)
            return 1;
        b->ended = piece->end;
        if (piece->used > 0)
            use_bytes(&b->chunks, piece->used);
        else if (add_trailers(b, &came) < 0)
            return -1;
    }
    return read_trailers(b);
}

void chunks_done(struct body *b, const grove_http_piece *piece)
{
    use_bytes(&b->chunks, piece->used);
}
