/*
 * The rows by name, and where libc has their functions.
 *
 * A symbol of which another library, or the program, has its own function is
 * left alone: who put that there meant it. A sanitizer's are the exception,
 * for they call libc's.
 */
#include <assert.h>
#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "patch/functions.h"
#include "patch/patch.h"
#include "patch/stdio/calls.h"
#include "patch/stdio/tables.h"
#include "patch/threads/threads.h"

#define ROW(symbol, instead, way_, does) \
    {.name = #symbol, .function = (void *)(instead), .way = (way_)},
#define THREAD(symbol, instead, way_, does) \
    {.name = #symbol, \
     .function = (void *)(instead), \
     .threads = (void *)patched_##symbol, \
     .way = (way_)},
#define ALIAS(symbol, of, way_, does) \
    {.name = #symbol, .threads = (void *)patched_##of, .way = (way_)},
const struct patch_row patch_rows[] = {
#include "patch/rows.h"
};
#undef ROW
#undef THREAD
#undef ALIAS

#define ROWS (sizeof(patch_rows) / sizeof(patch_rows[0]))
const size_t patch_row_count = ROWS;

/* Of each row that is patched; NULL: not to be patched. */
static void *_Atomic originals[ROWS];

/* ---- by name ---------------------------------------------------------------------- */

#define BUCKETS 2048 /* a power of two, several times as many as rows */
_Static_assert(ROWS * 3 < BUCKETS, "the table is crowded");

/* A row's number and one; 0: empty. Filled once, always the same. */
static _Atomic uint16_t buckets[BUCKETS];

static unsigned hash_of(const char *name)
{
    unsigned h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

static void fill_buckets(void)
{
    for (size_t i = 0; i < ROWS; i++) {
        unsigned at = hash_of(patch_rows[i].name) % BUCKETS;
        while (buckets[at] != 0 && buckets[at] != i + 1)
            at = (at + 1) % BUCKETS;
        buckets[at] = (uint16_t)(i + 1);
    }
}

const struct patch_row *patch_row_of(const char *symbol)
{
    unsigned at = hash_of(symbol) % BUCKETS;
    for (uint16_t n; (n = buckets[at]) != 0; at = (at + 1) % BUCKETS) {
        const struct patch_row *row = &patch_rows[n - 1];
        if (strcmp(row->name, symbol) == 0)
            return row->function || row->threads ? row : NULL;
    }
    return NULL;
}

/* ---- libc's functions --------------------------------------------------------------- */

static bool is_sanitizers(const void *function)
{
    Dl_info info;
    return dladdr(function, &info) && info.dli_fname &&
           (strstr(info.dli_fname, "libasan.so") ||
            strstr(info.dli_fname, "libtsan.so"));
}

/* A program at a fixed address that takes a function's has its own way to it
 * stand for the function. */
static bool is_way_to_libcs(const void *function)
{
    Dl_info info;
    const ElfW(Sym) * symbol;
    return dladdr1(function, &info, (void **)&symbol, RTLD_DL_SYMENT) &&
           symbol && symbol->st_shndx == SHN_UNDEF;
}

/* What the symbol stands for in most objects, if that is to be replaced. */
static void *original_of(const char *symbol, void *libc)
{
    void *usual = dlsym(RTLD_DEFAULT, symbol);
    void *libcs = dlsym(libc, symbol);
    if (!usual || usual == libcs || is_sanitizers(usual))
        return usual;
    return is_way_to_libcs(usual) ? libcs : NULL;
}

bool patch_resolve(void)
{
#if defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))
    /* elsewhere it was not tried */
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    if (!libc)
        return false;
    for (size_t i = 0; i < ROWS; i++) {
        if (patch_rows[i].function || patch_rows[i].threads)
            originals[i] = original_of(patch_rows[i].name, libc);
    }
    dlclose(libc);
    fill_buckets();
    return true;
#else
    return false;
#endif
}

void *patch_original(const struct patch_row *row)
{
    size_t i = (size_t)(row - patch_rows);
    assert(i < ROWS);
    return originals[i];
}
