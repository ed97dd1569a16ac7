#include <mysql.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"

void *client_connect(const char *where)
{
    MYSQL *c = mysql_init(NULL);
    unsigned port = (unsigned)strtoul(where, NULL, 10);
    if (mysql_real_connect(c, "127.0.0.1", "root", NULL, NULL, port, NULL, 0))
        return c;
    mysql_close(c);
    return NULL;
}

bool client_wait(void *connection)
{
    MYSQL_RES *r = NULL;
    MYSQL_ROW row;
    bool well = mysql_query(connection, "select sleep(0.5)") == 0 &&
                (r = mysql_store_result(connection)) &&
                (row = mysql_fetch_row(r)) && strcmp(row[0], "0") == 0;
    mysql_free_result(r);
    return well;
}

void client_disconnect(void *connection)
{
    mysql_close(connection);
}
