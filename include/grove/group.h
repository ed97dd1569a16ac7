/*
 * Groups: scopes that own fibers, pools of them, and mapping over an array.
 * Part of grove.h.
 */
#ifndef GROVE_GROUP_H
#define GROVE_GROUP_H

#include <grove/base.h>
#include <grove/fiber.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Groups ----------------------------------------------------------- */

/* How a group works; zero-initialised it means the defaults. */
typedef struct grove_group_attr {
    size_t size;             /* sizeof(grove_group_attr), or 0: see grove.h */
    size_t limit;            /* fibers at once; 0: any number */
    bool kill_on_error;      /* the first that fails has the others killed */
    const grove_attr *fiber; /* how its fibers are born, to be there until its
                                end; NULL: the defaults */
} grove_group_attr;

/* In place; its members are the library's own. It is of the thread that begins
 * it, whose fibers may all use it. */
typedef struct grove_group {
    grove_fiber *first, *last;    /* of those that have not ended */
    grove_fiber *victim;          /* that a kill comes to next; NULL: none */
    size_t count;                 /* of them */
    size_t taken;                 /* places: theirs, and promised ones */
    grove_link spawners, joiners; /* rings of those who wait */
    int error;                    /* the first; 0: none */
    bool closed;                  /* takes no more fibers */
    bool killed;                  /* who waits for them kills them again */
    grove_group_attr attr;
} grove_group;

/* Begin a group; attr may be NULL. grove_group_end must follow. With a size of
 * *attr that cannot be the group has failed with -EINVAL and takes no fibers.
 */
GROVE_API void grove_group_begin(grove_group *g, const grove_group_attr *attr);

/* Spawn a fiber of the group that runs fn(arg), after waiting until the limit
 * allows it. With out it gets a handle, as of grove_spawn. A negative value of
 * fn is an error, except for -ECANCELED: one that was killed. 0; -ESHUTDOWN
 * when the group takes no more (it was killed, has ended, or failed and has
 * kill_on_error); as grove_spawn_with; -ECANCELED, -ETIMEDOUT, -EDEADLK. */
GROVE_API int grove_group_spawn(grove_group *g, grove_fiber **out,
                                int (*fn)(void *arg), void *arg);
GROVE_API int grove_group_spawn_until(grove_group *g, grove_fiber **out,
                                      int (*fn)(void *arg), void *arg,
                                      int64_t deadline);
/* The same without waiting: -EAGAIN when the limit is reached. */
GROVE_API int grove_group_tryspawn(grove_group *g, grove_fiber **out,
                                   int (*fn)(void *arg), void *arg);

/* How many of its fibers have not ended. */
GROVE_API size_t grove_group_count(const grove_group *g);
/* The first error of its fibers so far; 0: none. */
GROVE_API int grove_group_error(const grove_group *g);

/* Wait until all of its fibers have ended: 0 or the first error; -ECANCELED,
 * -ETIMEDOUT, -EDEADLK with some left (see grove_group_count); -EDEADLK too for
 * one of its own fibers. */
GROVE_API int grove_group_join(grove_group *g);
GROVE_API int grove_group_join_until(grove_group *g, int64_t deadline);

/* Kill its fibers, without waiting. The group takes no more; whoever waits for
 * it, now or later, kills those that are left again, as by grove_kill_all. */
GROVE_API void grove_group_cancel(grove_group *g);
/* The same, and wait until all have ended. 0, or as grove_group_join. */
GROVE_API int grove_group_kill(grove_group *g);
GROVE_API int grove_group_kill_until(grove_group *g, int64_t deadline);

/* End the scope: none of its fibers is left when this returns, whatever it
 * returns. It joins them; when that is ended early (by a kill of the caller,
 * the deadline, a timeout scope, a deadlock), it kills them and waits on. 0 or
 * the first error; what ended the joining; -EDEADLK, without having done
 * anything, for one of its own fibers. */
GROVE_API int grove_group_end(grove_group *g);
GROVE_API int grove_group_end_until(grove_group *g, int64_t deadline);

/* ---- Mapping ---------------------------------------------------------- */

/* Call fn(item, arg) for each of the n items of size bytes, at most limit (0:
 * n) at once, in fibers of their own, beginning with the first. With results,
 * results[i] is what fn returned for the i-th item, -ECANCELED if it was not
 * called; without, the first negative value ends it all: the others are killed,
 * and it is returned. 0; that value; -EINVAL (fn NULL); as grove_spawn, with fn
 * never called; -ECANCELED, -ETIMEDOUT, -EDEADLK, with all calls ended. */
GROVE_API int grove_map_run(void *items, size_t n, size_t size, size_t limit,
                            int (*fn)(void *item, void *arg), void *arg,
                            int *results);
GROVE_API int grove_map_run_until(void *items, size_t n, size_t size,
                                  size_t limit,
                                  int (*fn)(void *item, void *arg), void *arg,
                                  int *results, int64_t deadline);

/* The same with the results as they come; in place. */
typedef struct grove_map {
    grove_group group; /* of the fibers that make the calls */
    char *items;
    size_t n, size;
    int (*fn)(void *item, void *arg);
    void *arg;
    size_t next;         /* the next item to be begun with */
    size_t fetched;      /* results */
    grove_link finished; /* the ring of results to be fetched */
    grove_link fetchers; /* the ring of those who wait for one */
    int *results;        /* of grove_map_run */
    int error;           /* its first */
} grove_map;

/* Begin. A call that has returned counts as one of the limit until its result
 * is fetched. grove_map_end must follow, unless this fails: -EINVAL, or as
 * grove_spawn. */
GROVE_API int grove_map_begin(grove_map *m, void *items, size_t n, size_t size,
                              size_t limit, int (*fn)(void *item, void *arg),
                              void *arg);
/* Fetch the next result: 1 with the item's *index and what fn returned for it
 * in *result (both may be NULL); 0 when all have been fetched; -ECANCELED,
 * -ETIMEDOUT, -EDEADLK. */
GROVE_API int grove_map_next(grove_map *m, size_t *index, int *result);
GROVE_API int grove_map_next_until(grove_map *m, size_t *index, int *result,
                                   int64_t deadline);
/* Kill what has not finished and wait for it. 0; -ECANCELED, -ETIMEDOUT or
 * -EDEADLK, with all calls ended all the same. */
GROVE_API int grove_map_end(grove_map *m);

#ifdef __cplusplus
}
#endif
#endif
