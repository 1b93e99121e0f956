/* SPDX-License-Identifier: MIT */
/* The list stays a text: it is short, and read once for each fetch of milliseconds. */
#include "lib/net/host_list.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 253 }; /* RFC 1035, 2.3.4, as text */

static const char separators[] = ", \t\r\n";

/* The next item from *at on, of *len bytes; NULL behind the last. Moves *at behind it. */
static const char *next_item(const char **at, size_t *len)
{
    const char *item = *at + strspn(*at, separators);
    *len = strcspn(item, separators);
    *at = item + *len;
    return *len > 0 ? item : NULL;
}

/* Letters, digits and what stands in addresses; all else is a mistake. */
static bool is_host(const char *text, size_t len)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789.-_:[]";
    if (len == 0 || len > HOST_MAX || text[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!strchr(allowed, text[i]))
            return false;
    }
    return true;
}

enum app_err host_list_check(const char *list, struct err_buf *why)
{
    size_t len;
    const char *item;
    while ((item = next_item(&list, &len))) {
        size_t star = len > 2 && item[0] == '*' && item[1] == '.' ? 2 : 0;
        if (!is_host(item + star, len - star))
            return err_set(why, APP_CONFIG,
                           "\"%.*s\" is not a host like example.org or *.example.org",
                           (int)(len > HOST_MAX ? HOST_MAX : len), item);
    }
    return APP_OK;
}

static size_t length_without_dot(const char *host, size_t len)
{
    return len > 0 && host[len - 1] == '.' ? len - 1 : len;
}

static bool item_has(const char *item, size_t len, const char *host, size_t host_len)
{
    len = length_without_dot(item, len);
    if (item[0] != '*')
        return len == host_len && strncasecmp(item, host, len) == 0;
    item++; /* ".example.org" */
    len--;
    return host_len > len && strncasecmp(host + host_len - len, item, len) == 0;
}

bool host_list_has(const char *list, const char *host)
{
    size_t host_len = length_without_dot(host, strlen(host));
    size_t len;
    const char *item;
    while ((item = next_item(&list, &len))) {
        if (item_has(item, len, host, host_len))
            return true;
    }
    return false;
}
