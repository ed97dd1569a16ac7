/*
 * What people are told of a greenlet in a list of fibers, or when its stack
 * overflows: its name, what it runs, its minimal_ident.
 *
 * That may be in a signal handler, so objects are only read: no reference is
 * taken, nothing is allocated or called, and what is not of a type whose layout
 * is known is not looked into. tools/grove-gdb.py tells the same.
 */
#include "greenlet/private.h"

struct text {
    char *at;    /* the next byte goes here */
    size_t left; /* one is kept for the end */
};

static void add_byte(struct text *t, unsigned char byte)
{
    if (t->left > 1) {
        *t->at++ = (char)byte;
        t->left--;
    }
}

static void add(struct text *t, const char *s)
{
    while (*s)
        add_byte(t, (unsigned char)*s++);
}

static void add_number(struct text *t, unsigned n)
{
    if (n >= 10)
        add_number(t, n / 10);
    add_byte(t, (unsigned char)('0' + n % 10));
}

/* In UTF-8, whole or not at all; a line stays a line. */
static void add_character(struct text *t, Py_UCS4 c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (t->left <= n) {
        t->left = 1;
    } else if (n == 1) {
        add_byte(t, c < ' ' || c == 0x7f ? '?' : (unsigned char)c);
    } else {
        add_byte(t, (unsigned char)(0xf00 >> n | c >> 6 * (n - 1)));
        while (--n)
            add_byte(t, (unsigned char)(0x80 | (c >> 6 * (n - 1) & 0x3f)));
    }
}

static void add_unicode(struct text *t, PyObject *s)
{
    if (!PyUnicode_IS_READY(s))
        return;
    for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(s) && t->left > 1; i++)
        add_character(t, PyUnicode_READ_CHAR(s, i));
}

/* The name of a function, of a method or of a type. */
static void add_callable(struct text *t, PyObject *fn)
{
    if (PyMethod_Check(fn))
        fn = PyMethod_GET_FUNCTION(fn);
    PyObject *name =
        PyFunction_Check(fn) ? ((PyFunctionObject *)fn)->func_qualname : NULL;
    if (name && PyUnicode_Check(name))
        add_unicode(t, name);
    else if (PyCFunction_Check(fn))
        add(t, ((PyCFunctionObject *)fn)->m_ml->ml_name);
    else if (PyType_Check(fn))
        add(t, ((PyTypeObject *)fn)->tp_name);
    else
        add(t, Py_TYPE(fn)->tp_name);
}

static void add_type(struct text *t, PyObject *o)
{
    const char *name = Py_TYPE(o)->tp_name;
    const char *dot = strrchr(name, '.');
    add(t, dot ? dot + 1 : name);
}

static void add_green(struct text *t, const Greenlet *g)
{
    bool named = g->name && PyUnicode_Check(g->name);
    if (named)
        add_unicode(t, g->name);
    if (g->fn) {
        if (named)
            add(t, ": ");
        add_callable(t, g->fn);
    } else if (!named) {
        add_type(t, (PyObject *)g);
    }
    if (g->ident) {
        add(t, ", minimal_ident ");
        add_number(t, g->ident - 1);
    }
}

static void describe(const struct grove_fiber *f, char *text, size_t size)
{
    struct green *g = f->host;
    struct text t = {text, size};
    PyObject *self = (PyObject *)g->self;
    if (greenlet_is_green(self))
        add_green(&t, (Greenlet *)self);
    else if (g->run)
        add_callable(&t, g->run);
    else
        add_type(&t, self);
    *t.at = '\0';
}

void describe_init(void)
{
    raw_describe = describe;
}
