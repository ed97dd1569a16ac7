/*
 * Texts, and fields of a head by name. Any thread.
 */
#include "http/http.h"

/* RFC 9110, 5.6.2. */
const bool http_token_chars[256] = {
    ['!'] = true,         ['#' ... '\''] = true, ['*'] = true,
    ['+'] = true,         ['-'] = true,          ['.'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true,  ['^' ... 'z'] = true,
    ['|'] = true,         ['~'] = true,
};

const bool http_value_chars[256] = {
    ['\t'] = true,
    [' ' ... '~'] = true,
    [128 ... 255] = true,
};

bool http_is_token(grove_http_text text)
{
    const unsigned char *at = (const unsigned char *)text.at;
    const unsigned char *end = at + text.size;
    bool good = text.size > 0;
    for (; end - at >= 4; at += 4) /* a name is most of what a field costs */
        good &= http_token_chars[at[0]] & http_token_chars[at[1]] &
                http_token_chars[at[2]] & http_token_chars[at[3]];
    while (at < end)
        good &= http_token_chars[*at++];
    return good;
}

bool grove_http_equal(grove_http_text text, const char *string)
{
    return text.size == strlen(string) &&
           memcmp(text.at, string, text.size) == 0;
}

bool grove_http_equal_nocase(grove_http_text text, const char *string)
{
    return text.size == strlen(string) &&
           strncasecmp(text.at, string, text.size) == 0;
}

/* ---- fields ----------------------------------------------------------------- */

static const grove_http_field *find_from(const grove_http_head *head, size_t i,
                                         const char *name)
{
    size_t size = strlen(name);
    for (; i < head->field_count; i++) {
        const grove_http_field *f = &head->fields[i];
        if (f->name.size == size && strncasecmp(f->name.at, name, size) == 0)
            return f;
    }
    return NULL;
}

const grove_http_field *grove_http_find(const grove_http_head *head,
                                        const char *name)
{
    return find_from(head, 0, name);
}

const grove_http_field *grove_http_find_next(const grove_http_head *head,
                                             const grove_http_field *after,
                                             const char *name)
{
    assert(after >= head->fields && after < head->fields + head->field_count);
    return find_from(head, (size_t)(after - head->fields) + 1, name);
}

/* ---- lists -------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next element of a list, which is cut off it. False: there is none. */
static bool next_element(grove_http_text *list, grove_http_text *element)
{
    if (list->size == 0)
        return false;
    const char *comma = memchr(list->at, ',', list->size);
    size_t size = comma ? (size_t)(comma - list->at) : list->size;
    *element = (grove_http_text){list->at, size};
    size_t gone = size + (comma != NULL);
    list->at += gone;
    list->size -= gone;
    while (element->size && is_blank(element->at[0])) {
        element->at++;
        element->size--;
    }
    while (element->size && is_blank(element->at[element->size - 1]))
        element->size--;
    return true;
}

static bool list_has(grove_http_text list, grove_http_text token)
{
    grove_http_text element;
    while (next_element(&list, &element)) {
        if (element.size == token.size &&
            strncasecmp(element.at, token.at, token.size) == 0)
            return true;
    }
    return false;
}

static bool any_list_has(const grove_http_head *head, const char *name,
                         grove_http_text token)
{
    const grove_http_field *f = grove_http_find(head, name);
    for (; f; f = grove_http_find_next(head, f, name)) {
        if (list_has(f->value, token))
            return true;
    }
    return false;
}

bool grove_http_has_token(const grove_http_head *head, const char *name,
                          const char *token)
{
    return any_list_has(head, name, grove_http_text_of(token));
}

bool grove_http_is_hop(const grove_http_head *head,
                       const grove_http_field *field)
{
    /* RFC 9110, 7.6.1. Content-Length is written anew as well. */
    static const char *const names[] = {
        "Connection", "Content-Length",      "Keep-Alive",
        "TE",         "Proxy-Connection",    "Transfer-Encoding",
        "Upgrade",    "Proxy-Authorization", "Proxy-Authenticate",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (grove_http_equal_nocase(field->name, names[i]))
            return true;
    }
    return any_list_has(head, "Connection", field->name);
}
