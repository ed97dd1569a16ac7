/*
 * The symbols of ELF files: of each the functions of .symtab, or of .dynsym
 * where it was stripped, sorted. A table is read when its file is asked about
 * first. The files are not trusted: all that they say is held against their
 * size.
 */
#include "look/symbols.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct function {
    uint64_t begin, size; /* as the file has it */
    const char *name;     /* in the file */
};

struct symbol_table {
    void *file; /* mapped; NULL: it could not be read */
    size_t size;
    struct function *functions; /* by address */
    size_t count;
};

/* ---- files ---------------------------------------------------------------------- */

int symbols_open_file(pid_t pid, const struct module *module)
{
    char path[8192];
    const char *gone = strstr(module->path, " (deleted)");
    snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64,
             (int)pid, module->begin, module->first_end);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 || gone)
        return fd;
    snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, module->path);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void map_file(struct symbol_table *table, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
        return;
    table->file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    table->size = (size_t)st.st_size;
    if (table->file == MAP_FAILED)
        table->file = NULL;
}

/* n things of size bytes at that offset of the file; NULL: they are not in it.
 */
static const void *part(const struct symbol_table *table, uint64_t offset,
                        uint64_t n, size_t size)
{
    if (offset > table->size || n > (table->size - offset) / size)
        return NULL;
    return (const char *)table->file + offset;
}

/* ---- symbols ---------------------------------------------------------------------- */

/* The section of that type; NULL: there is none. */
static const Elf64_Shdr *section(const Elf64_Shdr *sections, size_t n,
                                 uint32_t type)
{
    for (size_t i = 0; i < n; i++) {
        if (sections[i].sh_type == type)
            return &sections[i];
    }
    return NULL;
}

static int by_address(const void *a, const void *b)
{
    uint64_t x = ((const struct function *)a)->begin;
    uint64_t y = ((const struct function *)b)->begin;
    return x < y ? -1 : x > y;
}

/* A name in a table of strings of size bytes, which ends in it. */
static const char *name_in(const char *strings, uint64_t size, uint32_t at)
{
    return at < size && memchr(strings + at, '\0', size - at) ? strings + at
                                                              : NULL;
}

static void take_symbols(struct symbol_table *table, const Elf64_Shdr *symbols,
                         const Elf64_Shdr *strings)
{
    size_t n = symbols->sh_size / sizeof(Elf64_Sym);
    const Elf64_Sym *all = part(table, symbols->sh_offset, n, sizeof(*all));
    const char *text = part(table, strings->sh_offset, strings->sh_size, 1);
    table->functions =
        all && text ? calloc(n + 1, sizeof(struct function)) : NULL;
    for (size_t i = 0; table->functions && i < n; i++) {
        const char *name = name_in(text, strings->sh_size, all[i].st_name);
        if (ELF64_ST_TYPE(all[i].st_info) == STT_FUNC && all[i].st_value &&
            name && *name)
            table->functions[table->count++] =
                (struct function){all[i].st_value, all[i].st_size, name};
    }
    if (table->functions)
        qsort(table->functions, table->count, sizeof(struct function),
              by_address);
}

static void read_symbols(struct symbol_table *table)
{
    const Elf64_Ehdr *head = part(table, 0, 1, sizeof(*head));
    if (!head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_shentsize != sizeof(Elf64_Shdr))
        return;
    const Elf64_Shdr *sections =
        part(table, head->e_shoff, head->e_shnum, sizeof(*sections));
    if (!sections)
        return;
    const Elf64_Shdr *symbols = section(sections, head->e_shnum, SHT_SYMTAB);
    if (!symbols)
        symbols = section(sections, head->e_shnum, SHT_DYNSYM);
    if (symbols && symbols->sh_link < head->e_shnum)
        take_symbols(table, symbols, &sections[symbols->sh_link]);
}

/* The table of that module; NULL: no memory. */
static struct symbol_table *table_of(struct symbols *s, size_t index)
{
    struct symbol_table *table = s->tables[index];
    if (table)
        return table;
    table = s->tables[index] = calloc(1, sizeof(*table));
    int fd = table ? symbols_open_file(s->pid, &s->modules->list[index]) : -1;
    if (fd < 0)
        return table;
    map_file(table, fd);
    close(fd);
    if (table->file)
        read_symbols(table);
    return table;
}

/* The function that holds an address of the file, or, where sizes are not told,
 * begins before it; NULL. */
static const struct function *find(const struct symbol_table *table,
                                   uint64_t address)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->functions[middle].begin <= address)
            low = middle + 1;
        else
            high = middle;
    }
    const struct function *f = low ? &table->functions[low - 1] : NULL;
    return f && (f->size == 0 || address - f->begin < f->size) ? f : NULL;
}

/* ---- what others call ---------------------------------------------------------------- */

int symbols_open(struct symbols *s, const struct target *t)
{
    s->modules = &t->modules;
    s->pid = t->memory.pid;
    s->tables = calloc(t->modules.count + 1, sizeof(s->tables[0]));
    return s->tables ? 0 : -ENOMEM;
}

void symbols_close(struct symbols *s)
{
    for (size_t i = 0; i < s->modules->count; i++) {
        if (s->tables[i] && s->tables[i]->file)
            munmap(s->tables[i]->file, s->tables[i]->size);
        if (s->tables[i])
            free(s->tables[i]->functions);
        free(s->tables[i]);
    }
    free(s->tables);
}

void symbols_name(struct symbols *s, uint64_t address, char *text, size_t room)
{
    const struct module *module = modules_at(s->modules, address);
    if (!module) {
        snprintf(text, room, "%#" PRIx64, address);
        return;
    }
    const struct symbol_table *table =
        table_of(s, (size_t)(module - s->modules->list));
    uint64_t in_file = address - module->bias;
    const struct function *f = table ? find(table, in_file) : NULL;
    const char *name = strrchr(module->path, '/');
    name = f ? f->name : name ? name + 1 : module->path;
    uint64_t offset = f ? in_file - f->begin : in_file;
    if (offset)
        snprintf(text, room, "%s+%#" PRIx64, name, offset);
    else
        snprintf(text, room, "%s", name);
}
