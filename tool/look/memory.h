/*
 * The memory of another process, read without stopping it and without its help.
 */
#ifndef GROVE_TOOL_MEMORY_H
#define GROVE_TOOL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct memory_page;

struct memory {
    pid_t pid;
    int error; /* what keeps us from reading anything: ESRCH, EPERM ...; 0 */
    unsigned generation;       /* of the pages that count */
    size_t burst;              /* how much was read since the last pause */
    struct memory_page *pages; /* what was read of late */
};

/* 0 or -ENOMEM. */
int memory_open(struct memory *m, pid_t pid);
void memory_close(struct memory *m);

/* What is read from here on is read anew. */
void memory_forget(struct memory *m);

/* Copies size bytes from that address. Whether all of them could be read; what
 * is at `to` is not said if not. The pages that they lie in are read once
 * between two calls of memory_forget. */
bool memory_read(struct memory *m, uint64_t from, void *to, size_t size);

/* The same without the pages: for what is large, or must be new. */
bool memory_read_now(struct memory *m, uint64_t from, void *to, size_t size);

/* The word at that address; 0 where nothing can be read. */
uint64_t memory_word(struct memory *m, uint64_t from);

/* A text that ends with a zero, cut to what there is room for. Whether it could
 * be read; to[0] is 0 if not. */
bool memory_text(struct memory *m, uint64_t from, char *to, size_t room);

/* Many pieces at once. */
struct memory_piece {
    uint64_t from;
    void *to;
    size_t size;
    bool there; /* set: it could be read */
};
void memory_gather(struct memory *m, struct memory_piece *pieces, size_t n);

#endif
