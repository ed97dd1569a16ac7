/*
 * The version of the library at run time, which may differ from that of the
 * header a program was compiled with. Any thread may ask.
 */
#include <grove.h>

#define STRING(x) #x
#define EXPANDED_STRING(x) STRING(x)

const char *grove_version(void)
{
    return EXPANDED_STRING(GROVE_VERSION_MAJOR) "." EXPANDED_STRING(
        GROVE_VERSION_MINOR) "." EXPANDED_STRING(GROVE_VERSION_PATCH);
}
