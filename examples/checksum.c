/*
 * Checksums of files, as cksum(1) prints them, several at once: a fiber a file
 * reads it without holding up the others, and large pieces are summed on worker
 * threads, on all cores.
 *
 *     checksum FILE...
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grove.h>

#include "usage.h"

#define PIECE (256 << 10)

static uint32_t table[256];

struct file {
    const char *name;
    grove_fiber *fiber;
    uint32_t crc;
    unsigned long long size;
    int error;
    char *piece;
    ssize_t length; /* of what piece holds */
};

/* The polynomial of POSIX's cksum, most significant bit first. */
static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i << 24;
        for (int bit = 0; bit < 8; bit++)
            c = c & 0x80000000 ? c << 1 ^ 0x04c11db7 : c << 1;
        table[i] = c;
    }
}

static uint32_t add_byte(uint32_t crc, unsigned char byte)
{
    return crc << 8 ^ table[crc >> 24 ^ byte];
}

/* On a worker thread. */
static void *add_piece(void *arg)
{
    struct file *f = arg;
    for (ssize_t i = 0; i < f->length; i++)
        f->crc = add_byte(f->crc, (unsigned char)f->piece[i]);
    return NULL;
}

static int add_file(struct file *f)
{
    int fd = grove_open(f->name, O_RDONLY, 0);
    if (fd < 0)
        return errno;
    int error = 0;
    while ((f->length = grove_read(fd, f->piece, PIECE)) > 0 && error == 0) {
        f->size += (unsigned long long)f->length;
        error = -grove_offload(add_piece, f, NULL);
    }
    if (f->length < 0)
        error = errno;
    grove_close(fd);
    for (unsigned long long n = f->size; n; n >>= 8)
        f->crc = add_byte(f->crc, (unsigned char)n);
    f->crc = ~f->crc;
    return error;
}

static void *check(void *arg)
{
    struct file *f = arg;
    f->piece = malloc(PIECE);
    f->error = f->piece ? add_file(f) : ENOMEM;
    free(f->piece);
    return NULL;
}

static int run(int argc, char **argv)
{
    int failed = 0;
    struct file *files = calloc((size_t)argc, sizeof(*files));
    if (!files)
        return 1;
    make_table();
    for (int i = 1; i < argc; i++) {
        files[i].name = argv[i];
        int r = grove_spawn(&files[i].fiber, check, &files[i]);
        if (r < 0)
            files[i].error = -r;
    }
    for (int i = 1; i < argc; i++) { /* printed in the order given */
        struct file *f = &files[i];
        if (f->fiber) {
            if (grove_join(f->fiber, NULL) == -ECANCELED)
                exit(130);
            grove_release(f->fiber);
        }
        if (f->error) {
            fprintf(stderr, "checksum: %s: %s\n", f->name, strerror(f->error));
            failed = 1;
        } else {
            printf("%lu %llu %s\n", (unsigned long)f->crc, f->size, f->name);
        }
    }
    free(files);
    return failed;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 1, INT_MAX,
                "usage: checksum FILE...\n\nPrint checksums of files as cksum "
                "does, several at once.");
    return grove_main(run, argc, argv);
}
