#include <curl/curl.h>
#include <string.h>

#include "clients.h"

static size_t take(char *data, size_t size, size_t n, void *arg)
{
    strncat(arg, data, size * n < 8 ? size * n : 8);
    return size * n;
}

int wait_at_server(const char *where)
{
    char text[16] = "";
    CURL *c = curl_easy_init();
    curl_easy_setopt(c, CURLOPT_URL, where);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, text);
    int well = curl_easy_perform(c) == CURLE_OK && strcmp(text, "slow") == 0;
    curl_easy_cleanup(c);
    return well;
}
