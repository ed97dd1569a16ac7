/*
 * The tests of writing to streams, by TLS.
 */
#define STREAM_OVER_TLS 1
#include "test_stream_write.c"
