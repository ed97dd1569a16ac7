/*
 * raw_through_pieces: 64 pieces of code of 32 bytes, each of which makes a
 * system call as it was about to be made elsewhere, and goes on there. See
 * through.c.
 *
 * A call leaves nothing in rcx and r11, so that these are ours afterwards; the
 * flags are as before it. Of the two who go on, 0 is the result of the child,
 * which may have another thread pointer: it touches nothing of the thread's.
 */

    .text
    .globl raw_through_pieces
    .hidden raw_through_pieces
    .type raw_through_pieces, @function
    .balign 32
raw_through_pieces:
    .set piece, 0
    .rept 64
    .balign 32
    syscall
    movq %rax, %rcx
    jrcxz 1f
    movq raw_through_selector@gottpoff(%rip), %rcx
    movq %fs:(%rcx), %rcx
    movb $1, (%rcx)           /* SYSCALL_DISPATCH_FILTER_BLOCK */
1:  jmpq *raw_through_targets + 8 * piece(%rip)
    .set piece, piece + 1
    .endr
    .size raw_through_pieces, . - raw_through_pieces

    .section .note.GNU-stack, "", @progbits
