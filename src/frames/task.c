/*
 * What a thread does, as the kernel tells it in /proc/self/task. Any thread.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frames/frames.h"

/* The beginning of a file, as a text. Its length; 0: it cannot be read. */
static size_t read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static size_t read_task(long tid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%ld/%s", tid, name);
    return read_file(path, text, size);
}

/* "1234 (name, which may hold anything) S ..." */
enum frames_doing frames_doing(long tid)
{
    char text[512];
    if (!read_task(tid, "stat", text, sizeof(text)))
        return FRAMES_UNKNOWN;
    const char *end = strrchr(text, ')');
    char state = end && end[1] ? end[2] : '?';
    if (state == 'R')
        return FRAMES_RUNS;
    return state == 'S' || state == 'D' ? FRAMES_WAITS : FRAMES_UNKNOWN;
}

/* "nanoseconds run, nanoseconds ready to run, turns", all 0 if it keeps none */
bool frames_times(long tid, struct frames_times *times)
{
    char text[128];
    *times = (struct frames_times){0};
    return read_task(tid, "schedstat", text, sizeof(text)) &&
           sscanf(text, "%" SCNd64 " %" SCNd64, &times->ran,
                  &times->preempted) == 2 &&
           times->ran > 0;
}

/* "running", "number and six arguments, sp pc", or "-1 sp pc" */
bool frames_waits_in(long tid, struct frames_wait *wait)
{
    char text[256];
    int read = 0;
    if (!read_task(tid, "syscall", text, sizeof(text)) ||
        sscanf(text, "%ld%n", &wait->number, &read) != 1)
        return false;
    char *at = text + read;
    for (int i = wait->number < 0 ? 6 : 0; i < 6; i++)
        strtoul(at, &at, 16);
    wait->sp = strtoul(at, &at, 16);
    wait->pc = strtoul(at, &at, 16);
    return wait->sp && wait->pc;
}

bool frames_traced(void)
{
    char text[2048];
    if (!read_file("/proc/self/status", text, sizeof(text)))
        return false;
    const char *at = strstr(text, "\nTracerPid:");
    return at && strtol(at + 11, NULL, 10) != 0;
}
