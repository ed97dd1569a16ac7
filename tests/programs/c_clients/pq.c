#include <libpq-fe.h>
#include <string.h>

#include "clients.h"

int wait_at_server(const char *where)
{
    PGconn *c = PQconnectdb(where);
    PGresult *r = PQexec(c, "select 'a' || pg_sleep(0.5)");
    int well = PQresultStatus(r) == PGRES_TUPLES_OK &&
               strcmp(PQgetvalue(r, 0, 0), "a") == 0;
    PQclear(r);
    PQfinish(c);
    return well;
}
