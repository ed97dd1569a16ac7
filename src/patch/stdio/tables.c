/*
 * How libc's stdio reads and writes descriptors: inside libc, which has no
 * slots; but through tables of functions, one for each kind of FILE, as C++'s
 * streams of old could derive kinds of their own. The tables are read-only
 * words of libc's, and what they are filled with for descriptors has names:
 * _IO_file_read and _IO_file_write. Words that hold these are treated as slots.
 *
 *     fgets, by a patched slot --> hold the FILE (hold.h)
 *       libc's fgets --> libc's lock, buffer empty
 *         table --> patch_file_read: the fiber parks here
 *
 * Who calls stdio otherwise (libc itself, objects left alone, a thread without
 * a hub) does not hold the FILE, and gets libc's own; and so do those whose
 * FILE is on a disk, for which nobody waits long: it would be a worker's every
 * 4 KB, and code that logs with a lock in hand does not expect others to run.
 */
#include "patch/stdio/tables.h"

#include <string.h>
#include <sys/stat.h>

#include "patch/functions.h"
#include "patch/stdio/hold.h"

ssize_t _IO_file_read(FILE *file, void *buf, ssize_t size);
ssize_t _IO_file_write(FILE *file, const void *data, ssize_t size);

bool tables_are_in(const struct object *o)
{
    return strcmp(o->name, "libc.so.6") == 0;
}

/* What the function is called by its row; NULL: it is another. */
static const char *symbol_of(const void *function)
{
    if (function == (void *)_IO_file_read ||
        function == (void *)patch_file_read)
        return "_IO_file_read";
    if (function == (void *)_IO_file_write ||
        function == (void *)patch_file_write)
        return "_IO_file_write";
    return NULL;
}

bool tables_each_slot(const struct object *o,
                      bool (*fn)(const struct object *o, void **slot,
                                 const char *symbol, void *arg),
                      void *arg)
{
    for (void **word = (void **)o->relro; word < (void **)o->relro_end;
         word++) {
        const char *symbol = symbol_of(*word);
        if (symbol && !fn(o, word, symbol, arg))
            return false;
    }
    return true;
}

static bool may_park(const FILE *file)
{
    struct stat st;
    return file_held(file) && fstat(file->_fileno, &st) == 0 &&
           !S_ISREG(st.st_mode);
}

ssize_t patch_file_read(FILE *file, void *buf, ssize_t size)
{
    if (!may_park(file))
        return _IO_file_read(file, buf, size);
    return patch_read(file->_fileno, buf, (size_t)size);
}

/* As libc's: it writes on after a part, marks an error, and moves the offset
 * that it knows of the file. */
ssize_t patch_file_write(FILE *file, const void *data, ssize_t size)
{
    if (!may_park(file))
        return _IO_file_write(file, data, size);
    ssize_t done = 0, n = 0;
    while (done < size && n >= 0) {
        n = patch_write(file->_fileno, (const char *)data + done,
                        (size_t)(size - done));
        done += n > 0 ? n : 0;
    }
    if (n < 0)
        file->_flags |= _IO_ERR_SEEN;
    if (file->_offset >= 0)
        file->_offset += done;
    return done;
}
