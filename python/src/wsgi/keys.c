/*
 * Strings of environments: those that are there once, and what fields are
 * called.
 *
 * A field's name is looked up as it came, whatever its case, in a table of open
 * addressing. The first KEYS_MOST different ones stay there; clients that think
 * of more have their strings made each time.
 *
 *     "User-Agent" --hash of lower case--> slot --> "HTTP_USER_AGENT"
 */
#include "wsgi/private.h"

struct keys names;
PyObject *keys_skip;

/* Slots; a power of two. */
#define KEYS_SLOTS 1024
#define KEYS_MOST (KEYS_SLOTS / 2)
/* Bytes of the longest name that is kept. */
#define KEYS_SIZE 48

struct slot {
    PyObject *key;        /* NULL: the slot is free */
    uint8_t size;         /* of the name */
    char name[KEYS_SIZE]; /* in lower case */
};

static struct slot slots[KEYS_SLOTS];
static size_t slots_taken;

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static size_t hash_of(grove_http_text name)
{
    size_t hash = name.size;
    for (size_t i = 0; i < name.size; i++)
        hash = hash * 31 + (unsigned char)lower(name.at[i]);
    return hash ^ hash >> 10;
}

static bool is(const struct slot *s, grove_http_text name)
{
    if (s->size != name.size)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        if (s->name[i] != lower(name.at[i]))
            return false;
    }
    return true;
}

/* ---- making one --------------------------------------------------------------------- */

static bool is_name(grove_http_text name, const char *string)
{
    return grove_http_equal_nocase(name, string);
}

static PyObject *spell(grove_http_text name)
{
    PyObject *key = PyUnicode_New((Py_ssize_t)name.size + 5, 127);
    if (!key)
        return NULL;
    char *to = (char *)PyUnicode_1BYTE_DATA(key);
    memcpy(to, "HTTP_", 5);
    for (size_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        to[5 + i] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    return key;
}

static PyObject *make(grove_http_text name)
{
    if (memchr(name.at, '_', name.size))
        return Py_NewRef(keys_skip);
    if (is_name(name, "Content-Type"))
        return Py_NewRef(names.CONTENT_TYPE);
    if (is_name(name, "Content-Length"))
        return Py_NewRef(names.CONTENT_LENGTH);
    return spell(name);
}

/* ---- looking one up ------------------------------------------------------------------- */

static struct slot *find(grove_http_text name)
{
    size_t i = hash_of(name) % KEYS_SLOTS;
    while (slots[i].key && !is(&slots[i], name))
        i = (i + 1) % KEYS_SLOTS;
    return &slots[i];
}

static void keep(struct slot *s, grove_http_text name, PyObject *key)
{
    assert(!s->key && name.size <= KEYS_SIZE);
    for (size_t i = 0; i < name.size; i++)
        s->name[i] = lower(name.at[i]);
    s->size = (uint8_t)name.size;
    s->key = key;
    slots_taken++;
}

PyObject *keys_of(grove_http_text name)
{
    struct slot *s = name.size <= KEYS_SIZE ? find(name) : NULL;
    if (s && s->key)
        return Py_NewRef(s->key);
    PyObject *key = make(name);
    if (!key || !s || slots_taken == KEYS_MOST)
        return key;
    /* Only those that stay: CPython 3.12 keeps what is interned for good, and
     * clients may send names without end. */
    PyUnicode_InternInPlace(&key);
    keep(s, name, Py_NewRef(key));
    return key;
}

static PyObject *methods[4]; /* the usual ones */

PyObject *keys_method(grove_http_text method)
{
    for (size_t i = 0; i < 4; i++) {
        if (grove_http_equal(method, PyUnicode_AsUTF8(methods[i])))
            return Py_NewRef(methods[i]);
    }
    return head_str(method);
}

/* ---- the strings that are there ---------------------------------------------------------- */

static const struct interned interned[] = {
#define X(name) {&names.name, #name},
    NAMES(X)
#undef X
        {&names.input, "wsgi.input"},
    {&names.input_terminated, "wsgi.input_terminated"},
    {&names.empty, ""},
    {&names.http_1_0, "HTTP/1.0"},
    {&names.http_1_1, "HTTP/1.1"},
    {&keys_skip, "_"},
    {&methods[0], "GET"},
    {&methods[1], "POST"},
    {&methods[2], "HEAD"},
    {&methods[3], "PUT"},
    {NULL, NULL},
};

int keys_init(PyObject *module)
{
    (void)module;
    return intern(interned);
}
