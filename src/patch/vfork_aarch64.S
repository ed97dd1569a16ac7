/*
 * patch_vfork(void) on aarch64; vfork_x86_64.S tells what it is and why nothing
 * is kept on the stack.
 */

    .text
    .globl patch_vfork
    .hidden patch_vfork
    .type patch_vfork, %function
    .balign 16
patch_vfork:
    hint #34                  /* bti c */
    stp x29, x30, [sp, #-16]!
    bl patch_vfork_mark       /* where the innermost handler is kept */
    ldp x29, x30, [sp], #16
    mov x9, x0
    ldr x10, [x9]             /* the parent's */
    adrp x11, handlers_vforked
    add x11, x11, :lo12:handlers_vforked
    str x11, [x9]
    mov x8, #220              /* SYS_clone */
    mov x0, #0x4111           /* CLONE_VM | CLONE_VFORK | SIGCHLD */
    mov x1, xzr               /* on this stack */
    mov x2, xzr
    mov x3, xzr
    mov x4, xzr
    svc #0
    cbz x0, 1f
    str x10, [x9]
    cmn x0, #4095
    b.cs 2f
1:  ret
2:  b patch_vfork_failed
    .size patch_vfork, . - patch_vfork

    .section .note.GNU-stack, "", %progbits
