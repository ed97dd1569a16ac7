/*
 * patch_vfork(void): vfork(2), whose child is known for one to patched calls.
 *
 * Child and parent return from one call, on one stack, the child first: nothing
 * of the parent's may be kept on the stack meanwhile, so it stands in registers
 * that the kernel keeps for it. While the child runs, the thread's innermost
 * handler is the one that stands for it; the parent, which goes on when the child
 * has gone, sets it back.
 */

    .text
    .globl patch_vfork
    .hidden patch_vfork
    .type patch_vfork, @function
    .balign 16
patch_vfork:
    subq $8, %rsp
    call patch_vfork_mark     /* where the innermost handler is kept */
    addq $8, %rsp
    movq %rax, %r8
    popq %rdi                 /* where both return to */
    movq (%r8), %rsi          /* the parent's */
    leaq handlers_vforked(%rip), %rdx
    movq %rdx, (%r8)
    movl $58, %eax            /* SYS_vfork */
    syscall
    pushq %rdi
    testl %eax, %eax
    jz 1f
    movq %rsi, (%r8)
    cmpl $-4095, %eax
    jae 2f
1:  ret
2:  movl %eax, %edi
    jmp patch_vfork_failed
    .size patch_vfork, . - patch_vfork

    .section .note.GNU-stack, "", @progbits
