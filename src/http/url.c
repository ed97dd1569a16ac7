/*
 * Where a URL leads: scheme, host, port, and what is asked for there (RFC 3986,
 * 3; RFC 9110, 4.2). One with a user is refused: it names what it seems to be
 * the host's (RFC 9110, 4.2.4). Any thread.
 */
#include <strings.h>

#include "http/http.h"

/* The scheme, which is cut off. */
static bool take_scheme(grove_http_url *out, const char **at)
{
    if (strncasecmp(*at, "http://", 7) == 0) {
        out->tls = false;
        *at += 7;
    } else if (strncasecmp(*at, "https://", 8) == 0) {
        out->tls = true;
        *at += 8;
    } else {
        return false;
    }
    strcpy(out->port, out->tls ? "443" : "80");
    return true;
}

static bool is_host_char(char c)
{
    return http_token_chars[(unsigned char)c] && c != '#' && c != '`' &&
           c != '^' && c != '|';
}

/* A name, or an address in brackets. */
static bool take_host(grove_http_url *out, const char **at)
{
    bool brackets = **at == '[';
    const char *from = *at + brackets, *to = from;
    if (brackets)
        to += strspn(from, "0123456789abcdefABCDEF:.");
    else
        while (is_host_char(*to))
            to++;
    size_t size = (size_t)(to - from);
    if (size == 0 || size >= sizeof(out->host) || (brackets && *to != ']'))
        return false;
    memcpy(out->host, from, size);
    out->host[size] = 0;
    *at = to + brackets;
    return true;
}

static bool take_port(grove_http_url *out, const char **at)
{
    if (**at != ':')
        return true;
    const char *from = *at + 1;
    size_t size = strspn(from, "0123456789");
    *at = from + size;
    if (size == 0) /* that of the scheme */
        return true;
    unsigned number = 0;
    for (size_t i = 0; i < size && number <= 65535; i++)
        number = number * 10 + (unsigned)(from[i] - '0');
    if (size >= sizeof(out->port) || number == 0 || number > 65535)
        return false;
    memcpy(out->port, from, size);
    out->port[size] = 0;
    return true;
}

/* A path and a query, up to a fragment, which is the client's own. */
static bool take_target(grove_http_url *out, const char *at)
{
    size_t size = strcspn(at, "#");
    if (size == 0) {
        out->target = grove_http_text_of("/");
        return true;
    }
    out->target = (grove_http_text){at, size};
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)at[i];
        if (c <= ' ' || c >= 127)
            return false;
    }
    return *at == '/';
}

int grove_http_url_parse(grove_http_url *out, const char *url)
{
    bool good = take_scheme(out, &url) && take_host(out, &url) &&
                take_port(out, &url) && take_target(out, url);
    return good ? 0 : -EINVAL;
}
