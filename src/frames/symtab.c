/*
 * The symbols of a file, which the loader does not load: those of functions
 * that no other object is to find. A file is mapped, looked through and
 * unmapped again; what it says is not trusted. Any thread that may wait.
 */
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frames/frames.h"

/* A file that is mapped. */
struct file {
    const char *data;
    size_t size;
};

static bool map(struct file *file, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    void *data = MAP_FAILED;
    if (fstat(fd, &st) == 0 && st.st_size > 0)
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (data == MAP_FAILED)
        return false;
    *file = (struct file){data, (size_t)st.st_size};
    return true;
}

/* n bytes at offset; NULL: the file has not got them. */
static const void *part(const struct file *file, size_t offset, size_t n)
{
    return offset <= file->size && n <= file->size - offset
               ? file->data + offset
               : NULL;
}

/* The section headers, and how many there are; NULL: none. */
static const ElfW(Shdr) * sections(const struct file *file, size_t *count)
{
    const ElfW(Ehdr) *header = part(file, 0, sizeof(*header));
    if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_shentsize != sizeof(ElfW(Shdr)))
        return NULL;
    *count = header->e_shnum;
    return part(file, header->e_shoff, *count * sizeof(ElfW(Shdr)));
}

static bool holds(const ElfW(Sym) * symbol, uintptr_t address)
{
    return (symbol->st_info & 0xf) == STT_FUNC && symbol->st_shndx &&
           address >= symbol->st_value &&
           address - symbol->st_value < symbol->st_size;
}

static bool copy_name(const struct file *file, const ElfW(Shdr) * strings,
                      size_t index, char *name, size_t size)
{
    if (index >= strings->sh_size)
        return false;
    size_t most = strings->sh_size - index;
    const char *at = part(file, strings->sh_offset + index, most);
    if (!at)
        return false;
    size_t n = strnlen(at, most < size - 1 ? most : size - 1);
    memcpy(name, at, n);
    name[n] = '\0';
    return n > 0;
}

static bool find(const struct file *file, uintptr_t address, char *name,
                 size_t size, uintptr_t *begins)
{
    size_t count = 0;
    const ElfW(Shdr) *section = sections(file, &count);
    for (size_t i = 0; section && i < count; i++) {
        if (section[i].sh_type != SHT_SYMTAB || section[i].sh_link >= count)
            continue;
        const ElfW(Sym) *symbol =
            part(file, section[i].sh_offset, section[i].sh_size);
        size_t n = symbol ? section[i].sh_size / sizeof(*symbol) : 0;
        for (size_t j = 0; j < n; j++) {
            if (!holds(&symbol[j], address))
                continue;
            *begins = symbol[j].st_value;
            return copy_name(file, &section[section[i].sh_link],
                             symbol[j].st_name, name, size);
        }
    }
    return false;
}

bool frames_symbol(const char *path, uintptr_t offset, char *name, size_t size,
                   uintptr_t *begins)
{
    struct file file;
    if (!map(&file, path))
        return false;
    bool found = find(&file, offset, name, size, begins);
    munmap((void *)(uintptr_t)file.data, file.size);
    return found;
}
