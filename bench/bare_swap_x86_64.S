/*
 * The bare swap on x86-64; see bare_swap.h. From the stack pointer up: the
 * control words, r15 to r12, rbx, rbp, the address to go on at.
 */
    .text
    .globl bare_swap
    .type bare_swap, @function
    .balign 64
bare_swap:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    leaq -8(%rsp), %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    leaq 8(%rsp), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx
    jmpq *%rcx
    .size bare_swap, . - bare_swap

    .globl bare_start
    .type bare_start, @function
    .balign 16
bare_start:
    movq %r12, %rdi
    jmpq *%rbx
    .size bare_start, . - bare_start
    .section .note.GNU-stack, "", @progbits
