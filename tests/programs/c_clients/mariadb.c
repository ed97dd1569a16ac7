#include <mysql.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"

int wait_at_server(const char *where)
{
    MYSQL *c = mysql_init(NULL);
    MYSQL_RES *r = NULL;
    MYSQL_ROW row;
    unsigned port = (unsigned)strtoul(where, NULL, 10);
    int well =
        mysql_real_connect(c, "127.0.0.1", "root", NULL, NULL, port, NULL, 0) &&
        mysql_query(c, "select sleep(0.5)") == 0 &&
        (r = mysql_store_result(c)) && (row = mysql_fetch_row(r)) &&
        strcmp(row[0], "0") == 0;
    mysql_free_result(r);
    mysql_close(c);
    return well;
}
