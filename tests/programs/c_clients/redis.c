#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "clients.h"

void *client_connect(const char *where)
{
    redisContext *c = redisConnect("127.0.0.1", atoi(where));
    if (c && !c->err)
        return c;
    redisFree(c);
    return NULL;
}

bool client_wait(void *connection)
{
    redisReply *r = redisCommand(connection, "BLPOP nothing 0.5");
    bool well = r && r->type == REDIS_REPLY_NIL;
    if (r)
        freeReplyObject(r);
    return well;
}

void client_disconnect(void *connection)
{
    redisFree(connection);
}
