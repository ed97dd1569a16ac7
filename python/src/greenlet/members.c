/*
 * The members of a group: how they come in and how they go.
 *
 * A member that is a Greenlet is told of by a node in its list of those who
 * wait for its end; anything else that can be linked gets a link. Either leaves
 * in the Hub, in its turn among the links. A group refers to its members and
 * not the other way round.
 *
 *   group->members --> member --> member --> NULL
 *                        |  ^        struct member.node is in the list of the
 *                 greenlet  |        Greenlet that has not ended; .greenlet
 *                        v  node     keeps it alive, so the node's list is
 *                      Greenlet      there as long as the node
 */
#include "greenlet/group.h"

static PyObject *str__discard, *str_rawlink, *str_unlink, *str_release;
static PyObject *str_set, *str_clear;
static PyObject *base__discard; /* borrowed: GroupBase's */

/* A Greenlet that has not ended and its group. */
struct member {
    struct green_node node; /* in the Greenlet's list; fired: on_end */
    struct member *next;    /* of the group's; NULL: the last */
    struct member **prev;   /* what points to it in group->members */
    Group *group;           /* borrowed: a group that goes frees it */
    PyObject *greenlet;     /* owned */
};

/* ---- leaving ------------------------------------------------------------- */

static void member_free(struct member *m)
{
    assert(*m->prev == m && (!m->next || m->next->prev == &m->next));
    assert(!green_node_linked(&m->node));
    *m->prev = m->next;
    if (m->next)
        m->next->prev = m->prev;
    Py_DECREF(m->greenlet);
    PyMem_Free(m);
}

int group_leave(Group *self, PyObject *greenlet)
{
    assert(self->greenlets && self->dying && !PyErr_Occurred());
    int was = PySet_Discard(self->greenlets, greenlet);
    if (was < 0)
        return -1;
    if (PySet_GET_SIZE(self->dying) && PySet_Discard(self->dying, greenlet) < 0)
        return -1;
    if (!was)
        return 0;
    if (PySet_GET_SIZE(self->greenlets) == 0 &&
        group_call(self->empty, str_set) < 0)
        return -1;
    return self->limited ? group_call(self->semaphore, str_release) : 0;
}

static struct grove_fiber *on_end(struct green_node *node)
{
    struct member *m = container_of(node, struct member, node);
    assert(((Greenlet *)m->greenlet)->finished && m->group->members);
    Group *self = (Group *)Py_NewRef((PyObject *)m->group);
    PyObject *greenlet = Py_NewRef(m->greenlet);
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    member_free(m);
    if (group_leave(self, greenlet) < 0)
        hub_object_report(green_of(greenlet)->thread, (PyObject *)self);
    Py_DECREF(greenlet);
    Py_DECREF(self);
    PyErr_Restore(type, value, tb);
    return NULL;
}

int group_unlink(Group *self, PyObject *greenlet)
{
    if (greenlet_is_green(greenlet)) {
        struct green_node *node = ((Greenlet *)greenlet)->first;
        while (node) {
            struct member *m = container_of(node, struct member, node);
            if (node->fired == on_end && m->group == self) {
                green_node_remove((Greenlet *)greenlet, node);
                member_free(m);
                return 0;
            }
            node = node->next == node ? NULL : node->next;
        }
    }
    PyObject *unlink = PyObject_GetAttr(greenlet, str_unlink);
    if (!unlink) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    PyObject *link = PyObject_GetAttr((PyObject *)self, str__discard);
    PyObject *result = link ? PyObject_CallOneArg(unlink, link) : NULL;
    Py_DECREF(unlink);
    Py_XDECREF(link);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

void group_unlink_all(Group *self)
{
    while (self->members) {
        struct member *m = self->members;
        green_node_remove((Greenlet *)m->greenlet, &m->node);
        member_free(m);
    }
}

int group_visit_members(Group *self, visitproc visit, void *arg)
{
    for (struct member *m = self->members; m; m = m->next)
        Py_VISIT(m->greenlet);
    return 0;
}

/* ---- coming in ----------------------------------------------------------- */

static int link_by_method(Group *self, PyObject *greenlet)
{
    PyObject *rawlink = PyObject_GetAttr(greenlet, str_rawlink);
    if (!rawlink) { /* a raw greenlet: nobody tells when it ends */
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    PyObject *link = PyObject_GetAttr((PyObject *)self, str__discard);
    PyObject *result = link ? PyObject_CallOneArg(rawlink, link) : NULL;
    Py_DECREF(rawlink);
    Py_XDECREF(link);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int link_member(Group *self, PyObject *greenlet)
{
    if (!greenlet_is_green(greenlet) || green_ready((Greenlet *)greenlet) ||
        !group_has_own(self, str__discard, base__discard, base__discard))
        return link_by_method(self, greenlet);
    struct member *m = PyMem_Malloc(sizeof(*m));
    if (!m) {
        PyErr_NoMemory();
        return -1;
    }
    *m = (struct member){.node = {.fired = on_end, .in_hub = true},
                         .next = self->members,
                         .prev = &self->members,
                         .group = self,
                         .greenlet = Py_NewRef(greenlet)};
    if (self->members)
        self->members->prev = &m->next;
    self->members = m;
    green_node_add((Greenlet *)greenlet, &m->node);
    return 0;
}

int group_enter(Group *self, PyObject *greenlet)
{
    assert(self->greenlets && !PyErr_Occurred());
    int member = PySet_Contains(self->greenlets, greenlet);
    if (member != 0)
        return member < 0 ? -1 : 0;
    if (link_member(self, greenlet) < 0 ||
        PySet_Add(self->greenlets, greenlet) < 0)
        return -1;
    if (PySet_GET_SIZE(self->greenlets) == 1 &&
        group_call(self->empty, str_clear) < 0)
        return -1;
    return 1;
}

int group_members_init(PyTypeObject *base)
{
    const struct {
        PyObject **where;
        const char *name;
    } all[] = {
        {&str__discard, "_discard"}, {&str_rawlink, "rawlink"},
        {&str_unlink, "unlink"},     {&str_release, "release"},
        {&str_set, "set"},           {&str_clear, "clear"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        if (!(*all[i].where = PyUnicode_InternFromString(all[i].name)))
            return -1;
    }
    base__discard = _PyType_Lookup(base, str__discard);
    return 0;
}
