/*
 * Stalls, for Python: the settings, and a function that is called with each
 * that was told of.
 *
 * What the watcher's thread tells of is posted to the hub that is held up, and
 * the function is called there once that turns again: so that thread never
 * waits for the GIL, which who forks may hold while it waits for that thread.
 *
 *     the watcher's thread: on_stall --> a post --> the Hub: function(...)
 */
#include "hub/mailbox.h"
#include "hub/stall.h"
#include "hub_object/private.h"

#include "frames/frames.h"

#define FRAME_SIZE 256 /* of a frame in words */

/* A stall that was told of, on its way. */
struct news {
    grove_post post;
    long thread;
    int64_t length;
    bool waits, guessed;
    size_t count; /* of frames */
    char name[128];
    char frames[FRAMES_MOST][FRAME_SIZE];
    char python[8192]; /* a line a frame below a headline; empty: none */
};

static PyObject *function; /* NULL: none; with the GIL held */

/* ---- on the hub's thread --------------------------------------------------------- */

static PyObject *text_of(const char *text)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

static PyObject *frames_of(const struct news *n)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < n->count; i++) {
        PyObject *text = text_of(n->frames[i]);
        if (!text || PyList_Append(list, text) < 0)
            Py_CLEAR(list);
        Py_XDECREF(text);
    }
    return list;
}

static PyObject *call(PyObject *fn, const struct news *n)
{
    PyObject *name = text_of(n->name);
    PyObject *frames = name ? frames_of(n) : NULL;
    PyObject *python = frames ? text_of(n->python) : NULL;
    PyObject *result =
        python ? PyObject_CallFunction(
                     fn, "OdlOOOO", name, (double)n->length / 1e9, n->thread,
                     n->waits ? Py_True : Py_False,
                     n->guessed ? Py_True : Py_False, frames, python)
               : NULL;
    Py_XDECREF(name);
    Py_XDECREF(frames);
    Py_XDECREF(python);
    return result;
}

static void on_post(grove_post *post)
{
    struct news *n = container_of(post, struct news, post);
    struct green *main = hub_of_thread->root.host;
    PyObject *fn = Py_XNewRef(function);
    if (fn) {
        PyObject *result = call(fn, n);
        if (!result)
            hub_object_report(main->thread, fn);
        Py_XDECREF(result);
        Py_DECREF(fn);
    }
    free(n);
}

static void drop(grove_post *post)
{
    free(container_of(post, struct news, post));
}

void stalls_abandon(struct hub *hub)
{
    hub_take_posts(hub, on_post, drop);
}

/* ---- on the watcher's thread ------------------------------------------------------ */

static void on_stall(const grove_stall *stall, void *arg)
{
    struct frames taken = {.count = stall->count, .guessed = stall->guessed};
    struct news *n = hub_hosted(stall->hub) ? calloc(1, sizeof(*n)) : NULL;
    if (!n)
        return;
    n->post.fn = on_post;
    n->thread = stall->thread;
    n->length = stall->length;
    n->waits = stall->waits;
    n->guessed = stall->guessed;
    n->count = stall->count;
    snprintf(n->name, sizeof(n->name), "%s", stall->name);
    if (stall->host)
        snprintf(n->python, sizeof(n->python), "%s", stall->host);
    memcpy(taken.at, stall->frames, stall->count * sizeof(taken.at[0]));
    for (size_t i = 0; i < stall->count; i++)
        frames_describe(&taken, i, n->frames[i], FRAME_SIZE);
    if (grove_hub_post(stall->hub, &n->post) < 0)
        free(n);
}

/* ---- what Python calls ------------------------------------------------------------- */

static PyObject *stalls_settings(PyObject *module, PyObject *none)
{
    grove_stalls now = {.size = sizeof(now)};
    grove_stalls_get(&now);
    return Py_BuildValue("dO", (double)now.limit / 1e9,
                         now.watch ? Py_True : Py_False);
}

static int take_limit(PyObject *seconds, int64_t *ns)
{
    double limit = PyFloat_AsDouble(seconds);
    if (limit == -1 && PyErr_Occurred())
        return -1;
    if (limit != 0 && !(limit >= 0.001 && limit < 1e9)) {
        PyErr_SetString(PyExc_ValueError,
                        "the limit must be 0 or at least 0.001 seconds");
        return -1;
    }
    *ns = (int64_t)(limit * 1e9 + 0.5);
    return 0;
}

static PyObject *stalls_set(PyObject *module, PyObject *const *args,
                            Py_ssize_t n)
{
    grove_stalls settings = {.size = sizeof(settings)};
    if (arguments_count("stalls_set", n, 3, 3) < 0 ||
        take_limit(args[0], &settings.limit) < 0)
        return NULL;
    int watch = PyObject_IsTrue(args[1]);
    if (watch < 0)
        return NULL;
    settings.watch = watch;
    settings.fn = args[2] == Py_None ? NULL : on_stall;
    Py_XSETREF(function, args[2] == Py_None ? NULL : Py_NewRef(args[2]));
    grove_stalls_set(&settings);
    Py_RETURN_NONE;
}

static PyObject *stalls_elsewhere(PyObject *module, PyObject *const *args,
                                  Py_ssize_t n)
{
    if (arguments_count("stalls_elsewhere", n, 2, 2) < 0)
        return NULL;
    struct py_thread *t = hub_object_thread(args[0]);
    int on = t ? PyObject_IsTrue(args[1]) : -1;
    if (on < 0)
        return NULL;
    if (!t->dead)
        t->hub->told_elsewhere = on;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"stalls_settings", stalls_settings, METH_NOARGS,
     "stalls_settings(): the limit in seconds, and whether the watcher is "
     "there "
     "before the first."},
    {"stalls_set", (PyCFunction)(void (*)(void))stalls_set, METH_FASTCALL,
     "stalls_set(limit, watch, function): function(name, seconds, thread, "
     "waits, guessed, frames, python) is called in the hub that was held up, "
     "if it is not None."},
    {"stalls_elsewhere", (PyCFunction)(void (*)(void))stalls_elsewhere,
     METH_FASTCALL,
     "stalls_elsewhere(hub, on): somebody else tells of its stalls."},
    {NULL}};

int stalls_init(PyObject *module)
{
    hub_stall_prefer_watch();
    return PyModule_AddFunctions(module, functions);
}
