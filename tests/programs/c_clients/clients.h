/* A client library at work: one file each. */
#ifndef TESTS_PROGRAMS_CLIENTS_H
#define TESTS_PROGRAMS_CLIENTS_H

/* Connects to where, has the server wait for half a second, and disconnects.
 * Whether all went well and the server said what it should. */
int wait_at_server(const char *where);

#endif
