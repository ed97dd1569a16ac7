/*
 * vfork(2) where nothing is patched: it is never called.
 */
#include <unistd.h>

#include "patch/functions.h"

pid_t patch_vfork(void)
{
    return fork();
}
