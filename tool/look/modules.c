/*
 * What a process has loaded, by /proc/PID/maps; where each file's addresses
 * begin and what its notes say is read from the process's memory, so that it
 * does not matter whether the file is still what it was, or where it is.
 */
#include "look/modules.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fiber/layout_note.h"

/* More program headers, or notes of more bytes, than any file has. */
#define HEADERS 64
#define NOTES_MOST 65536

/* ---- one file ----------------------------------------------------------------- */

static size_t padded(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/* Takes down what a note says, whose content stands at `address` there. */
static void take_note(struct module *module, const Elf64_Nhdr *note,
                      const char *name, const void *content, uint64_t address)
{
    int32_t distance;
    if (note->n_namesz != sizeof(LAYOUT_NOTE_NAME) ||
        memcmp(name, LAYOUT_NOTE_NAME, sizeof(LAYOUT_NOTE_NAME)) != 0 ||
        note->n_descsz != sizeof(distance) ||
        note->n_type >= sizeof(module->notes) / sizeof(module->notes[0]))
        return;
    memcpy(&distance, content, sizeof(distance));
    module->notes[note->n_type] = address + (uint64_t)(int64_t)distance;
}

static void take_notes(struct module *module, const unsigned char *bytes,
                       size_t size, size_t align, uint64_t address)
{
    size_t at = 0;
    Elf64_Nhdr note;
    while (at + sizeof(note) <= size) {
        memcpy(&note, bytes + at, sizeof(note));
        size_t name = at + sizeof(note);
        if (note.n_namesz > size || note.n_descsz > size)
            return;
        size_t content = padded(name + note.n_namesz, align);
        size_t end = content + note.n_descsz;
        if (end > size)
            return;
        take_note(module, &note, (const char *)bytes + name, bytes + content,
                  address + content);
        at = padded(end, align);
    }
}

static void read_notes(struct module *module, struct memory *m,
                       const Elf64_Phdr *segment)
{
    size_t size = segment->p_memsz;
    unsigned char *bytes = size <= NOTES_MOST ? malloc(size) : NULL;
    uint64_t address = module->bias + segment->p_vaddr;
    if (bytes && memory_read(m, address, bytes, size))
        take_notes(module, bytes, size, segment->p_align == 8 ? 8 : 4, address);
    free(bytes);
}

/* Whether an ELF file of ours begins at module->begin: then its bias is known,
 * and its notes. */
static bool read_headers(struct module *module, struct memory *m)
{
    Elf64_Ehdr head;
    Elf64_Phdr segments[HEADERS];
    if (!memory_read(m, module->begin, &head, sizeof(head)) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_phentsize != sizeof(segments[0]) || head.e_phnum > HEADERS ||
        !memory_read(m, module->begin + head.e_phoff, segments,
                     head.e_phnum * sizeof(segments[0])))
        return false;
    const Elf64_Phdr *first = NULL;
    for (int i = 0; i < head.e_phnum && !first; i++)
        first = segments[i].p_type == PT_LOAD ? &segments[i] : NULL;
    if (!first)
        return false;
    module->bias = module->begin - (first->p_vaddr - first->p_offset);
    for (int i = 0; i < head.e_phnum; i++) {
        if (segments[i].p_type == PT_NOTE)
            read_notes(module, m, &segments[i]);
    }
    return true;
}

/* ---- all of them ---------------------------------------------------------------- */

static int add(struct modules *modules, struct memory *m, uint64_t begin,
               uint64_t end, const char *path)
{
    struct module module = {.begin = begin, .end = end, .first_end = end};
    if (!read_headers(&module, m))
        return 0;
    size_t n = modules->count;
    if ((n & (n - 1)) == 0) { /* room for the next power of two */
        size_t room = n ? 2 * n : 1;
        void *list = realloc(modules->list, room * sizeof(module));
        if (!list)
            return -ENOMEM;
        modules->list = list;
    }
    module.path = strdup(path);
    if (!module.path)
        return -ENOMEM;
    modules->list[modules->count++] = module;
    return 0;
}

/* A line of the maps, its end cut off. 0 or -ENOMEM. */
static int take_line(struct modules *modules, struct memory *m,
                     const char *line)
{
    unsigned long begin, end, offset, inode;
    char mode[5];
    int path = 0;
    if (sscanf(line, "%lx-%lx %4s %lx %*s %lu %n", &begin, &end, mode, &offset,
               &inode, &path) < 5 ||
        inode == 0 || path == 0)
        return 0;
    struct module *last =
        modules->count ? &modules->list[modules->count - 1] : NULL;
    if (offset == 0 && mode[0] == 'r' &&
        !(last && strcmp(last->path, line + path) == 0 && last->end == begin))
        return add(modules, m, begin, end, line + path);
    if (last && strcmp(last->path, line + path) == 0)
        last->end = end;
    return 0;
}

int modules_read(struct modules *modules, struct memory *m)
{
    char name[64], *line = NULL;
    size_t room = 0;
    int r = 0;
    *modules = (struct modules){NULL, 0};
    snprintf(name, sizeof(name), "/proc/%d/maps", (int)m->pid);
    FILE *f = fopen(name, "re");
    if (!f)
        return -errno;
    ssize_t n;
    while (r == 0 && (n = getline(&line, &room, f)) > 0) {
        line[n - 1] = '\0';
        r = take_line(modules, m, line);
    }
    free(line);
    fclose(f);
    return r;
}

void modules_free(struct modules *modules)
{
    for (size_t i = 0; i < modules->count; i++)
        free(modules->list[i].path);
    free(modules->list);
}

const struct module *modules_at(const struct modules *modules, uint64_t address)
{
    for (size_t i = 0; i < modules->count; i++) {
        const struct module *module = &modules->list[i];
        if (module->begin <= address && address < module->end)
            return module;
    }
    return NULL;
}

const struct module *modules_noted(const struct modules *modules, unsigned type)
{
    for (size_t i = 0; i < modules->count; i++) {
        if (modules->list[i].notes[type])
            return &modules->list[i];
    }
    return NULL;
}
