/*
 * The tests of reading from streams, by TLS.
 */
#define STREAM_OVER_TLS 1
#include "test_stream.c"
