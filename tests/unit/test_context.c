/* What a switch keeps and how a stack begins: registers, control words,
 * alignment, depth, the end of the unwinder's road. */
#include "unit.h"

#include <unwind.h>

#include "fiber/context.h"
#include "grove.h"

/* ---- registers ---------------------------------------------------------- */

/* Puts seed + 1, seed + 2 ... into the registers that a call must keep, yields,
 * and tells whether they are still there. */
extern long registers_survive(uint64_t seed);

#if defined(__x86_64__)
__asm__(".text\n"
        ".type registers_survive, @function\n"
        "registers_survive:\n\t"
        ".cfi_startproc\n\t"
        "pushq %rbx\n\t.cfi_adjust_cfa_offset 8\n\t"
        "pushq %rbp\n\t.cfi_adjust_cfa_offset 8\n\t"
        "pushq %r12\n\t.cfi_adjust_cfa_offset 8\n\t"
        "pushq %r13\n\t.cfi_adjust_cfa_offset 8\n\t"
        "pushq %r14\n\t.cfi_adjust_cfa_offset 8\n\t"
        "pushq %r15\n\t.cfi_adjust_cfa_offset 8\n\t"
        "pushq %rdi\n\t.cfi_adjust_cfa_offset 8\n\t"
        "leaq 1(%rdi), %rbx\n\t"
        "leaq 2(%rdi), %rbp\n\t"
        "leaq 3(%rdi), %r12\n\t"
        "leaq 4(%rdi), %r13\n\t"
        "leaq 5(%rdi), %r14\n\t"
        "leaq 6(%rdi), %r15\n\t"
        "call grove_yield@PLT\n\t"
        "popq %rdi\n\t.cfi_adjust_cfa_offset -8\n\t"
        "xorl %eax, %eax\n\t"
        "subq %rdi, %rbx\n\tcmpq $1, %rbx\n\tjne 1f\n\t"
        "subq %rdi, %rbp\n\tcmpq $2, %rbp\n\tjne 1f\n\t"
        "subq %rdi, %r12\n\tcmpq $3, %r12\n\tjne 1f\n\t"
        "subq %rdi, %r13\n\tcmpq $4, %r13\n\tjne 1f\n\t"
        "subq %rdi, %r14\n\tcmpq $5, %r14\n\tjne 1f\n\t"
        "subq %rdi, %r15\n\tcmpq $6, %r15\n\tjne 1f\n\t"
        "incl %eax\n"
        "1:\n\t"
        "popq %r15\n\t.cfi_adjust_cfa_offset -8\n\t"
        "popq %r14\n\t.cfi_adjust_cfa_offset -8\n\t"
        "popq %r13\n\t.cfi_adjust_cfa_offset -8\n\t"
        "popq %r12\n\t.cfi_adjust_cfa_offset -8\n\t"
        "popq %rbp\n\t.cfi_adjust_cfa_offset -8\n\t"
        "popq %rbx\n\t.cfi_adjust_cfa_offset -8\n\t"
        "ret\n\t"
        ".cfi_endproc\n\t"
        ".size registers_survive, . - registers_survive\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".type registers_survive, %function\n"
        "registers_survive:\n\t"
        "stp x29, x30, [sp, #-176]!\n\t"
        "stp x19, x20, [sp, #16]\n\t"
        "stp x21, x22, [sp, #32]\n\t"
        "stp x23, x24, [sp, #48]\n\t"
        "stp x25, x26, [sp, #64]\n\t"
        "stp x27, x28, [sp, #80]\n\t"
        "stp d8, d9, [sp, #96]\n\t"
        "stp d10, d11, [sp, #112]\n\t"
        "stp d12, d13, [sp, #128]\n\t"
        "stp d14, d15, [sp, #144]\n\t"
        "str x0, [sp, #160]\n\t"
        ".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29\n\t"
        "add x\\n, x0, #\\n\n\t"
        ".endr\n\t"
        ".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n\t"
        "add x1, x0, #\\n\n\t"
        "fmov d\\n, x1\n\t"
        ".endr\n\t"
        "bl grove_yield\n\t"
        "ldr x2, [sp, #160]\n\t"
        "mov x0, #0\n\t"
        ".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29\n\t"
        "sub x1, x\\n, x2\n\tcmp x1, #\\n\n\tb.ne 1f\n\t"
        ".endr\n\t"
        ".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n\t"
        "fmov x1, d\\n\n\tsub x1, x1, x2\n\tcmp x1, #\\n\n\tb.ne 1f\n\t"
        ".endr\n\t"
        "mov x0, #1\n"
        "1:\n\t"
        "ldp x19, x20, [sp, #16]\n\t"
        "ldp x21, x22, [sp, #32]\n\t"
        "ldp x23, x24, [sp, #48]\n\t"
        "ldp x25, x26, [sp, #64]\n\t"
        "ldp x27, x28, [sp, #80]\n\t"
        "ldp d8, d9, [sp, #96]\n\t"
        "ldp d10, d11, [sp, #112]\n\t"
        "ldp d12, d13, [sp, #128]\n\t"
        "ldp d14, d15, [sp, #144]\n\t"
        "ldp x29, x30, [sp], #176\n\t"
        "ret\n\t"
        ".size registers_survive, . - registers_survive\n");
#else
long registers_survive(uint64_t seed)
{
    (void)seed;
    grove_yield();
    return 1;
}
#endif

static void *keep_registers(void *seed)
{
    for (int i = 0; i < 1000; i++) {
        if (!registers_survive((uint64_t)(uintptr_t)seed + (uint64_t)i))
            return NULL;
    }
    return seed;
}

static void a_switch_keeps_the_callers_registers(void **state)
{
    (void)state;
    grove_fiber *f[5];
    for (size_t i = 0; i < UNIT_COUNT(f); i++)
        assert_int_equal(
            grove_spawn(&f[i], keep_registers, (void *)(0x100000 * (i + 1))),
            0);
    for (size_t i = 0; i < UNIT_COUNT(f); i++) {
        void *value;
        assert_int_equal(grove_join(f[i], &value), 0);
        assert_ptr_equal(value, (void *)(0x100000 * (i + 1)));
        grove_release(f[i]);
    }
}

/* ---- control words ------------------------------------------------------ */

/* How this thread computes: MXCSR's control bits and the x87 control word, or
 * FPCR. */
#if defined(__x86_64__)
static uint64_t control(void)
{
    uint32_t mxcsr;
    uint16_t fpucw;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(fpucw));
    uint64_t seen = (uint64_t)fpucw << 32 | (mxcsr & 0xffc0);
    if (getenv("GROVE_UNDER_VALGRIND")) /* it knows of nothing but rounding */
        seen = (seen & UINT64_C(0x0c0000006000)) | UINT64_C(0x037f00001f80);
    return seen;
}

static void set_control(uint64_t value)
{
    uint32_t mxcsr = (uint32_t)value;
    uint16_t fpucw = (uint16_t)(value >> 32);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    __asm__ volatile("fldcw %0" : : "m"(fpucw));
}

/* Rounding up; down; towards zero; the x87 alone; and flushing to zero, with
 * the x87 in single precision. */
static const uint64_t controls[] = {
    UINT64_C(0x0b7f00005f80), UINT64_C(0x077f00003f80),
    UINT64_C(0x0f7f00007f80), UINT64_C(0x077f00001f80),
    UINT64_C(0x007f00009fc0)};
#elif defined(__aarch64__)
static uint64_t control(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}

static void set_control(uint64_t value)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(value));
}

/* Rounding up; down, flushing to zero; towards zero; flushing to zero. */
static const uint64_t controls[] = {1 << 22, 2 << 22 | 1 << 24, 3 << 22,
                                    1 << 24};
#else
static uint64_t control(void)
{
    return 0;
}

static void set_control(uint64_t value)
{
    (void)value;
}

static const uint64_t controls[] = {0, 0, 0, 0};
#endif

static void *keep_control(void *arg)
{
    set_control(*(const uint64_t *)arg);
    uint64_t mine = control();
    for (int i = 0; i < 100; i++) {
        grove_yield();
        if (control() != mine)
            return NULL;
    }
    return arg;
}

static void *tell_control(void *arg)
{
    *(uint64_t *)arg = control();
    return arg;
}

static void control_words_belong_to_the_fiber(void **state)
{
    (void)state;
    uint64_t before = control();
    grove_fiber *f[UNIT_COUNT(controls)];
    for (size_t i = 0; i < UNIT_COUNT(f); i++)
        assert_int_equal(
            grove_spawn(&f[i], keep_control, (void *)(uintptr_t)&controls[i]),
            0);
    for (size_t i = 0; i < UNIT_COUNT(f); i++) {
        void *value;
        assert_int_equal(grove_join(f[i], &value), 0);
        assert_ptr_equal(value, &controls[i]);
        grove_release(f[i]);
        assert_true(control() == before);
    }
    set_control(controls[0]);
    assert_true(control() == controls[0]); /* they can be told apart */
    set_control(before);
}

static void a_fiber_begins_with_the_usual_control_words(void **state)
{
    (void)state;
#if defined(GROVE_CONTEXT_UCONTEXT)
    unit_skip("with ucontext a fiber takes over its spawner's control words; a "
              "build with -Dcontext=asm runs it");
#endif
    uint64_t before = control(), seen = 0;
    grove_fiber *f;
    set_control(controls[1]);
    int r = grove_spawn(&f, tell_control, &seen);
    set_control(before);
    assert_int_equal(r, 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_true(seen == before);
    assert_true(control() == before);
}

/* ---- the stack ---------------------------------------------------------- */

static void *look_at_alignment(void *arg)
{
    (void)arg;
    /* movaps, here and in printf, faults where the stack is off by eight. */
    typedef float vector __attribute__((vector_size(16)));
    volatile vector v = {1, 2, 3, 4};
    char text[32];
    snprintf(text, sizeof(text), "%.1f", (double)(v[0] + v[3]));
    bool aligned = (uintptr_t)__builtin_frame_address(0) % 16 == 0 &&
                   (uintptr_t)&v % 16 == 0;
    return aligned && strcmp(text, "5.0") == 0 ? (void *)1 : NULL;
}

static void a_stack_begins_aligned(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        grove_fiber *f;
        void *value;
        assert_int_equal(grove_spawn(&f, look_at_alignment, NULL), 0);
        assert_int_equal(grove_join(f, &value), 0);
        assert_non_null(value);
        grove_release(f);
    }
}

/* Fills the stack a frame a level, yielding on the way down and on the way
 * back, where it must find what it left. */
static __attribute__((noinline)) bool descend(unsigned levels, unsigned seed)
{
    volatile unsigned char frame[512];
    for (unsigned i = 0; i < sizeof(frame); i++)
        frame[i] = (unsigned char)(seed + levels + i);
    grove_yield();
    bool good = levels == 0 || descend(levels - 1, seed);
    grove_yield();
    for (unsigned i = 0; i < sizeof(frame); i++)
        good = good && frame[i] == (unsigned char)(seed + levels + i);
    return good;
}

static void *go_deep(void *arg)
{
    return descend(200, (unsigned)(uintptr_t)arg) ? arg : NULL;
}

static void deep_stacks_do_not_meet(void **state)
{
    (void)state;
    grove_fiber *f[8];
    for (size_t i = 0; i < UNIT_COUNT(f); i++)
        assert_int_equal(grove_spawn(&f[i], go_deep, (void *)(i + 1)), 0);
    for (size_t i = 0; i < UNIT_COUNT(f); i++) {
        void *value;
        assert_int_equal(grove_join(f[i], &value), 0);
        assert_ptr_equal(value, (void *)(i + 1));
        grove_release(f[i]);
    }
}

/* ---- unwinding ---------------------------------------------------------- */

struct walk {
    unsigned frames;
    void *last;
};

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *c, void *arg)
{
    struct walk *w = arg;
    void *ip = (void *)_Unwind_GetIP(c);
    if (ip) /* the end is told as a frame of its own */
        w->last = _Unwind_FindEnclosingFunction(ip);
    return ++w->frames < 100 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

static __attribute__((noinline)) void *walk_stack(void *arg)
{
    struct walk *w = arg;
    w->frames = 0;
    _Unwind_Reason_Code r = _Unwind_Backtrace(count_frame, w);
    return r == _URC_END_OF_STACK ? arg : NULL;
}

#if !defined(GROVE_CONTEXT_UCONTEXT)
extern void grove_context_start(void);
#endif

static void unwinding_ends_at_the_root(void **state)
{
    (void)state;
    struct walk w;
    grove_fiber *f;
    void *value;
    assert_int_equal(grove_spawn(&f, walk_stack, &w), 0);
    assert_int_equal(grove_join(f, &value), 0);
    grove_release(f);
    assert_ptr_equal(value, &w);
    assert_uint_in_range(w.frames, 3, 6);
#if !defined(GROVE_CONTEXT_UCONTEXT)
    assert_ptr_equal(w.last, (void *)(uintptr_t)grove_context_start);
#endif
}

/* ---- unwinding by frame pointers ---------------------------------------- */

#if !defined(GROVE_CONTEXT_UCONTEXT)
/* What a function with a frame begins with, on both machines. */
struct frame {
    const struct frame *caller;
    uintptr_t back; /* where it returns to */
};

#define DEEP 5

/* What perf sees of whoever runs now. */
struct chain {
    unsigned frames;
    bool strays; /* it leaves the stack, or goes down in it */
    uintptr_t root;
};

static __attribute__((noinline)) void follow(struct chain *c)
{
    const struct frame *f = __builtin_frame_address(0);
    const char *low = (const char *)f;
    c->frames = 0;
    c->strays = false;
    while (f && !c->strays && c->frames < 100) {
        c->root = f->back;
        c->frames++;
        c->strays = f->caller && (f->caller <= f ||
                                  (const char *)f->caller > low + (64 << 10));
        f = f->caller;
    }
}

static __attribute__((noinline)) int follow_deep(struct chain *c, int depth)
{
    const struct frame *here = __builtin_frame_address(0);
    if (depth > 1)
        follow_deep(c, depth - 1);
    else
        follow(c);
    return here != NULL;
}

static void *walk_frames(void *arg)
{
    return follow_deep(arg, DEEP) ? arg : NULL;
}

static int walk_frames_of_a_member(void *arg)
{
    return !follow_deep(arg, DEEP);
}

/* Behind our own frames, `between` of the library's, then the root and no more.
 */
static void check_chain(const struct chain *c, unsigned between)
{
    uintptr_t start = (uintptr_t)grove_context_start;
    assert_false(c->strays);
    assert_uint_in_range(c->root, start, start + 64);
    /* follow and those above it; walk_frames may have none of its own. */
    assert_uint_in_range(c->frames, DEEP + 1 + between, DEEP + 2 + between);
}
#endif

static void frame_pointers_end_at_the_root(void **state)
{
    (void)state;
#if defined(GROVE_CONTEXT_UCONTEXT)
    unit_skip("the root that ends the chain is made in assembly; a build with "
              "-Dcontext=asm runs it");
#else
    struct chain c;
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, walk_frames, &c), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    check_chain(&c, 1);
#endif
}

static void frame_pointers_of_a_member_end_at_the_root(void **state)
{
    (void)state;
#if defined(GROVE_CONTEXT_UCONTEXT)
    unit_skip("the root that ends the chain is made in assembly; a build with "
              "-Dcontext=asm runs it");
#else
    struct chain c;
    grove_group g;
    grove_group_begin(&g, NULL);
    assert_int_equal(grove_group_spawn(&g, NULL, walk_frames_of_a_member, &c),
                     0);
    assert_int_equal(grove_group_end(&g), 0);
    check_chain(&c, 2);
#endif
}

/* ---- the debugger's view ------------------------------------------------- */

/* Where gdb stops. */
__attribute__((noinline)) void stop_here(void);
__attribute__((noinline)) void stop_here(void)
{
    __asm__ volatile("");
}

static void *stop_in_fiber(void *arg)
{
    grove_yield();
    stop_here();
    return arg;
}

static int debuggee(void)
{
    grove_fiber *f;
    return grove_spawn(&f, stop_in_fiber, NULL) || grove_join(f, NULL);
}

static void gdb_ends_at_the_root(void **state)
{
    (void)state;
#if defined(GROVE_CONTEXT_UCONTEXT)
    unit_skip(
        "the root that ends a backtrace is made in assembly; a build with "
        "-Dcontext=asm runs it");
#endif
    if (unit_slow())
        unit_skip("gdb sees the sanitizer's or valgrind's own frames; a build "
                  "without runs it");
    if (system("command -v gdb >/dev/null 2>&1") != 0)
        unit_skip("gdb is missing; apt-get install gdb makes it run");
    FILE *gdb = popen("exec gdb -q -nx -batch -ex 'set debuginfod enabled off'"
                      " -ex 'break stop_here' -ex run -ex bt --args"
                      " /proc/$PPID/exe debuggee 2>&1 </dev/null",
                      "r");
    assert_non_null(gdb);
    char line[512], last[512] = "";
    bool stopped = false, garbage = false;
    while (fgets(line, sizeof(line), gdb)) {
        if (line[0] != '#')
            continue;
        stopped = stopped || strstr(line, "stop_here");
        garbage = garbage || strstr(line, "??");
        memcpy(last, line, sizeof(last));
    }
    pclose(gdb);
    if (!stopped)
        unit_skip("gdb may not trace processes here; it runs where ptrace is "
                  "allowed (kernel.yama.ptrace_scope, seccomp)");
    assert_false(garbage);
    assert_non_null(strstr(last, "grove_context_start"));
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "debuggee") == 0)
        return debuggee();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_switch_keeps_the_callers_registers),
        cmocka_unit_test(control_words_belong_to_the_fiber),
        cmocka_unit_test(a_fiber_begins_with_the_usual_control_words),
        cmocka_unit_test(a_stack_begins_aligned),
        cmocka_unit_test(deep_stacks_do_not_meet),
        cmocka_unit_test(unwinding_ends_at_the_root),
        cmocka_unit_test(frame_pointers_end_at_the_root),
        cmocka_unit_test(frame_pointers_of_a_member_end_at_the_root),
        cmocka_unit_test(gdb_ends_at_the_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
