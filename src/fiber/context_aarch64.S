/*
 * The root of every fiber's stack on aarch64; see context_x86_64.S.
 */
    .text
    .globl grove_context_start
    .hidden grove_context_start
    .type grove_context_start, %function
    .balign 16
grove_context_start:
    .cfi_startproc
    .cfi_undefined x30
    hint #36                /* bti j */
    ldp x0, x9, [sp], #16   /* the argument, the function */
    mov x29, xzr
    mov x30, xzr
    blr x9
    brk #1
    .cfi_endproc
    .size grove_context_start, . - grove_context_start
    .section .note.GNU-stack, "", %progbits
