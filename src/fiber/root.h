/*
 * The root of a fiber, for who walks its stack by frame pointers: perf as it is
 * called without options, and tracers in the kernel.
 *
 * grove_context_start begins the chain with a zero, which the fiber's own code
 * has to find where its caller's frame pointer is saved. A function without a
 * frame may have put anything there. So what stands between the two has one,
 * where the rest of the library has none.
 */
#ifndef GROVE_FIBER_ROOT_H
#define GROVE_FIBER_ROOT_H

/* To be called in each function between a fiber's root and the code that it is
 * for: asking for the frame's address has the compiler make one. */
__attribute__((always_inline)) static inline void keep_frame(void)
{
    __asm__ volatile("" : : "r"(__builtin_frame_address(0)));
}

#endif
