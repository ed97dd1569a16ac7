#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"

struct site {
    CURL *curl;        /* keeps the connection from page to page */
    const char *where; /* the address without a path */
};

static size_t take(char *data, size_t size, size_t n, void *arg)
{
    strncat(arg, data, size * n < 8 ? size * n : 8);
    return size * n;
}

/* Whether the page after so many seconds is what it should be. */
static bool get(struct site *s, const char *seconds)
{
    char url[128], text[16] = "";
    snprintf(url, sizeof(url), "%s/%s", s->where, seconds);
    curl_easy_setopt(s->curl, CURLOPT_URL, url);
    curl_easy_setopt(s->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(s->curl, CURLOPT_WRITEDATA, text);
    return curl_easy_perform(s->curl) == CURLE_OK && strcmp(text, "7") == 0;
}

void *client_connect(const char *where)
{
    struct site *s = malloc(sizeof(*s));
    *s = (struct site){.curl = curl_easy_init(), .where = where};
    if (get(s, "0"))
        return s;
    client_disconnect(s);
    return NULL;
}

bool client_wait(void *connection)
{
    return get(connection, "0.5");
}

void client_disconnect(void *connection)
{
    struct site *s = connection;
    if (s)
        curl_easy_cleanup(s->curl);
    free(s);
}
