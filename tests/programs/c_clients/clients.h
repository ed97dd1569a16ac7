/* A client library at work: one file each. */
#ifndef TESTS_PROGRAMS_CLIENTS_H
#define TESTS_PROGRAMS_CLIENTS_H

#include <stdbool.h>

/* A connection to where, on which the server has answered if it says anything
 * by itself. NULL: there is none. */
void *client_connect(const char *where);

/* Has the server wait for half a second. Whether it said what it should. */
bool client_wait(void *connection);

/* What client_connect made, NULL too, is gone. */
void client_disconnect(void *connection);

#endif
