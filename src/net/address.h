/*
 * Addresses as people write them.
 */
#ifndef GROVE_NET_ADDRESS_H
#define GROVE_NET_ADDRESS_H

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "grove.h"

/* A socket address of a kind we know. */
union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

/* The socket address to bind to, of what grove_listen takes. *wildcard: no host
 * is given; then it is IPv6's. Its length, or -1 with errno. */
socklen_t address_of(const char *text, int socktype, int64_t deadline,
                     union address *address, bool *wildcard);

/* The same of a Unix socket's path, or @ and an abstract name. */
socklen_t address_of_path(const char *path, union address *address);

#define ADDRESS_NONE ((socklen_t)-1)

/* An EAI_ code as errno. Returns -1. */
int address_error(int eai);

#endif
