/*
 * The root of every fiber's stack on x86-64. context_make leaves the argument
 * and the function on top of the new stack. The function is jumped to, with a
 * return address that stands for this root: a call would leave the return
 * predictor one entry off, since a fiber never returns. From here up rip is
 * undefined, so that debuggers, profilers and the C++ unwinder stop. No property
 * note: an object marked for shadow stacks must switch those too.
 */
    .text
    .globl grove_context_start
    .hidden grove_context_start
    .type grove_context_start, @function
    .balign 16
grove_context_start:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    popq %rdi               /* the argument */
    popq %rax               /* the function; rsp is now 16-byte aligned */
    xorl %ebp, %ebp
    leaq 1f(%rip), %rcx
    pushq %rcx              /* as a call leaves it */
    jmpq *%rax
    nop                     /* unwinders look up the address before 1 */
1:  ud2
    .cfi_endproc
    .size grove_context_start, . - grove_context_start
    .section .note.GNU-stack, "", @progbits
