/*
 * Greenlet, as the files that start it, wait for it and end it see it.
 */
#ifndef GROVE_PYTHON_GREENLET_PRIVATE_H
#define GROVE_PYTHON_GREENLET_PRIVATE_H

#include "hub_object/hub_object.h"
#include "timeout/timeout.h"

/* ---- spawned greenlets --------------------------------------------------- */

/* What every greenlet has that the hub starts: spawn_raw's and Greenlet. */
typedef struct Spawned {
    PyGreenlet base; /* first: extensions and the raw room see only this */
    /* Queued with a birth until its turn comes; a Greenlet's, once it has
     * ended, with a call that notifies its links. The queue holds a
     * reference. */
    struct run run;
    PyObject *spawner; /* owned: weak reference to who made it; NULL: unknown */
    PyObject *locals;  /* owned: spawn_tree_locals, which its children share;
                          NULL: made when asked for */
} Spawned;

extern PyTypeObject RawGreenlet_Type;

/* Have the hub start s, which is UNSTARTED: it takes a stack when its turn
 * comes. */
void spawned_queue(Spawned *s);

/* Take it out of the queue again; nothing if it is not queued. */
void spawned_unqueue(Spawned *s);

/* config.track_greenlet_tree */
extern bool spawned_tracking;

/* The thread of hub ends: whatever waits for its turn never gets it. */
void spawned_abandon(struct hub *hub);

/* s->base was just made: remember who made it and share its locals. -1 with
 * MemoryError. */
int spawned_remember(Spawned *s, struct py_thread *t);

void spawned_traverse_fields(Spawned *s, visitproc visit, void *arg, int *r);
void spawned_clear_fields(Spawned *s);

/* spawning_greenlet and spawn_tree_locals, for tp_getset. */
PyObject *spawned_get_spawner(PyObject *self, void *closure);
int spawned_set_spawner(PyObject *self, PyObject *value, void *closure);
PyObject *spawned_get_locals(PyObject *self, void *closure);
int spawned_set_locals(PyObject *self, PyObject *value, void *closure);

/* The loop object of its Hub, for tp_getset. */
PyObject *spawned_get_loop(PyObject *self, void *closure);

/* ---- Greenlet ------------------------------------------------------------ */

/* Somebody in C who waits for a Greenlet's end. In place: on a stack, or in a
 * larger wait. */
struct green_node {
    struct green_node *next; /* NULL: not linked; itself: it is the last */
    struct green_node *prev; /* NULL: it is the first. Valid while linked */
    /* Called, unlinked, when its turn among the links has come; never NULL once
     * it is linked. Returns who goes on now; NULL: nobody. In whatever fiber
     * parks: no code may run, unless in_hub is set. */
    struct grove_fiber *(*fired)(struct green_node *node);
    Py_ssize_t behind; /* how many of the Greenlet's links come before it */
    bool in_hub;       /* fired is called in the Hub, and returns NULL */
};

/* Its start, when that is delayed. */
struct green_delay;

/* So many arguments need no tuple: as many as the allocator's next step of 16
 * bytes has room for. */
#define GREEN_FEW 3

/* All PyObjects in it are owned. Until it has finished both value and exception
 * are NULL; then at least one is not. What its end touches stands together. */
typedef struct Greenlet {
    Spawned base; /* its place in the queue, until its turn and for its links */
    struct green_node *first; /* of those who wait, in order; NULL: nobody */
    struct green_node *last;  /* NULL: nobody */
    uint64_t told_at;  /* the number of the switch to who was told last */
    uint32_t ident;    /* minimal_ident + 1; 0: not asked for */
    bool begun;        /* start() was called, or it runs */
    bool finished;     /* value or exception is what it will be */
    bool notifying;    /* it has finished, and links and nodes are being told */
    uint8_t few_count; /* of few; 0 where there is args or kwargs */
    PyObject *value;   /* what it returned, or its GreenletExit */
    PyObject *links;   /* list of callables; NULL: none */
    PyObject *fn;      /* NULL: the method _run */
    PyObject *few[GREEN_FEW];  /* its arguments, where they are in no tuple */
    PyObject *args;            /* tuple; NULL: none, or see few */
    PyObject *kwargs;          /* dict; NULL: none */
    PyObject *exception;       /* the instance that ended it */
    PyObject *traceback;       /* as it was then: raising it again adds to it */
    PyObject *name;            /* NULL: not set and not asked for */
    PyObject *described;       /* what it runs, as text; NULL: not asked for */
    struct green_delay *delay; /* owned: start_later's; NULL: its time has
                                  come, or it has none */
    struct spawn_stack *made_at; /* owned; NULL: not known */
} Greenlet;

extern PyTypeObject Greenlet_Type;

static inline bool greenlet_is_green(PyObject *o)
{
    return Py_TYPE(o) == &Greenlet_Type ||
           PyObject_TypeCheck(o, &Greenlet_Type);
}

static inline PyGreenlet *green_base(Greenlet *g)
{
    return &g->base.base;
}

static inline struct green *green_state(Greenlet *g)
{
    return g->base.base.green;
}

/* Whether nothing more is to be expected of it. */
static inline bool green_ready(Greenlet *g)
{
    return g->finished || green_state(g)->phase == GREEN_DEAD ||
           green_state(g)->thread->dead;
}

static inline bool green_node_linked(const struct green_node *node)
{
    return node->next != NULL;
}

/* The last of a list points to itself, so that a linked node's next is never
 * NULL. */
void green_node_add(Greenlet *g, struct green_node *node);
void green_node_remove(Greenlet *g, struct green_node *node);

/* Parts of the three below, for calls with arguments. */
int green_call_keep_args(Greenlet *g, PyObject *const *args, Py_ssize_t n,
                         PyObject *names);
void green_call_forget_args(Greenlet *g);
int green_call_traverse_args(Greenlet *g, visitproc visit, void *arg);

/* Whether it calls without any argument. */
static inline bool green_call_bare(const Greenlet *g)
{
    return !g->few_count && !g->args && !g->kwargs;
}

/* What it is going to call with: the n arguments of a vectorcall, and those
 * that names has behind them. It was just made. -1 with MemoryError. */
static inline int green_call_keep(Greenlet *g, PyObject *const *args,
                                  Py_ssize_t n, PyObject *names)
{
    assert(green_call_bare(g) && !g->begun);
    return n == 0 && !names ? 0 : green_call_keep_args(g, args, n, names);
}

/* Its arguments without names, as a tuple that stays the same; a new reference.
 * NULL with MemoryError. */
PyObject *green_call_args(Greenlet *g);

/* They are those of the tuple (borrowed; NULL: none). May run code. */
void green_call_set_args(Greenlet *g, PyObject *args);

/* The call itself, its result or NULL with an exception. */
PyObject *green_call(Greenlet *g);

/* Let go of what it calls, and for the collector. */
static inline void green_call_forget(Greenlet *g)
{
    Py_CLEAR(g->fn);
    if (unlikely(!green_call_bare(g)))
        green_call_forget_args(g);
}

static inline int green_call_traverse(Greenlet *g, visitproc visit, void *arg)
{
    Py_VISIT(g->fn);
    return green_call_bare(g) ? 0 : green_call_traverse_args(g, visit, arg);
}

/* What its fiber runs; a greenlet_body. */
PyObject *green_body(PyGreenlet *self);

/* cls(*args, **kwargs), not started: a vectorcall whose n arguments are
 * followed by those that names has. */
PyObject *green_make(PyObject *cls, PyObject *const *args, Py_ssize_t n,
                     PyObject *names);

/* What start() does. -1 with an exception. */
int green_start(Greenlet *g);

/* Whom every start tells; static methods of the type. */
PyObject *green_add_spawn_callback(PyObject *none, PyObject *callback);
PyObject *green_remove_spawn_callback(PyObject *none, PyObject *callback);

/* If it has not run, it never will. */
void green_cancel_start(Greenlet *g);

/* The thread of hub ends: the same for all whose time has not come. */
void green_delays_abandon(struct hub *hub);

/* A Greenlet that has not run and never will ends with exception (stolen). */
void green_end_unrun(Greenlet *g, PyObject *exception);

/* Have all who wait for g's end told of it, and its links called, in the order
 * they came. g is ready. */
void green_notify(Greenlet *g);

/* Whether run is queued for that. */
bool green_notifies(const struct run *run);

/* The link at index `at` of g->links is none any more; -1: all are. */
void green_link_gone(Greenlet *g, Py_ssize_t at);

/* Raise what ended g, which failed. Returns NULL. */
PyObject *green_raise(Greenlet *g);

/* Wait for g's end until deadline: which of them came first, or CORE_FAILED
 * with an exception. */
enum core_wait_result green_join(struct py_thread *t, Greenlet *g,
                                 int64_t deadline);

/* An instance for the exception argument of kill and throw: a class, an
 * instance or a tuple (type, value, tb). NULL with TypeError. */
PyObject *green_exception(PyObject *spec);

/* The same; where it cannot be made, the Exception of that is what kills. NULL
 * with another exception. */
PyObject *green_kill_exception(PyObject *spec);

/* Who waits until what it has asked for was thrown, the last of several. On its
 * stack. */
struct green_killer {
    struct grove_fiber *fiber;
    struct throw_later *thrown; /* NULL: it was */
};

/* Have exception, as greenlet_throw takes it, thrown into g (borrowed) from the
 * Hub. From any thread; with a killer (NULL: nobody waits) from g's own. -1
 * with MemoryError. */
int green_throw_later(PyGreenlet *g, PyObject *exception,
                      struct green_killer *killer);

/* Nobody waits for what is still to be thrown. Before the killer goes. */
void green_killer_leave(struct green_killer *killer);

/* The thread of hub ends: what was to be thrown is not. */
void green_throws_abandon(struct hub *hub);

/* Until it was thrown, or deadline; then the killer is left. -1 with an
 * exception, else 0. */
int green_await_throw(struct py_thread *t, struct green_killer *killer,
                      int64_t deadline);

/* If g never ran: end it now, as kill does. Whether that is so. */
bool green_kill_unstarted(Greenlet *g, PyObject *exception);

extern PyMethodDef green_start_methods[]; /* start.c */
extern PyMethodDef green_run_methods[];   /* run.c */
extern PyMethodDef green_methods[];       /* methods.c */
extern PyGetSetDef green_getset[];        /* attributes.c */
int green_attributes_init(void);
int green_call_init(void);
int green_run_init(void); /* after the type is ready */
int green_bool(PyObject *self);
PyObject *green_repr(PyObject *self);
/* The number behind minimal_ident is free again. */
void green_ident_give(uint32_t ident);
/* Notifying and linking; links.c. */
PyObject *green_rawlink(PyObject *self, PyObject *callback);
PyObject *green_link(PyObject *self, PyObject *const *args, Py_ssize_t n,
                     PyObject *names);
PyObject *green_link_value(PyObject *self, PyObject *const *args, Py_ssize_t n,
                           PyObject *names);
PyObject *green_link_exception(PyObject *self, PyObject *const *args,
                               Py_ssize_t n, PyObject *names);
PyObject *green_unlink(PyObject *self, PyObject *callback);
PyObject *green_unlink_all(PyObject *self, PyObject *none);
PyObject *green_has_links(PyObject *self, PyObject *none);

/* ---- parts of greenlet_init: each adds its names; 0 or -1 ------------------ */

int green_init(PyObject *module);
int green_links_init(PyObject *module);
int spawned_init(PyObject *module);
int gather_init(PyObject *module);
int joinall_init(PyObject *module);
int group_init(PyObject *module);
int local_init(PyObject *module);
void describe_init(void);

#endif
