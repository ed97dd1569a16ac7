#include <libpq-fe.h>
#include <string.h>

#include "clients.h"

void *client_connect(const char *where)
{
    PGconn *c = PQconnectdb(where);
    if (PQstatus(c) == CONNECTION_OK)
        return c;
    PQfinish(c);
    return NULL;
}

bool client_wait(void *connection)
{
    PGresult *r = PQexec(connection, "select 'a' || pg_sleep(0.5)");
    bool well = PQresultStatus(r) == PGRES_TUPLES_OK &&
                strcmp(PQgetvalue(r, 0, 0), "a") == 0;
    PQclear(r);
    return well;
}

void client_disconnect(void *connection)
{
    PQfinish(connection);
}
