/*
 * The bare swap on aarch64; see bare_swap.h. From the stack pointer up: x19 to
 * x30, d8 to d15, fpcr. x30 is jumped to, not returned to.
 */
    .text
    .globl bare_swap
    .type bare_swap, %function
    .balign 64
bare_swap:
    sub sp, sp, #176
    stp x19, x20, [sp]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mrs x9, fpcr
    str x9, [sp, #160]
    mov x10, sp
    str x10, [x0]
    ldr x10, [x1]
    mov sp, x10
    ldr x9, [sp, #160]
    msr fpcr, x9
    ldp x19, x20, [sp]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #176
    br x30
    .size bare_swap, . - bare_swap

    .globl bare_start
    .type bare_start, %function
    .balign 16
bare_start:
    mov x0, x20
    br x19
    .size bare_start, . - bare_start
    .section .note.GNU-stack, "", %progbits
