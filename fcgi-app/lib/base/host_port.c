/* SPDX-License-Identifier: MIT */
#include "lib/base/host_port.h"

#include <stdlib.h>
#include <string.h>

static bool read_port(const char *text, size_t len, struct host_port *found)
{
    if (len == 0 || len >= sizeof(found->port))
        return false;
    memcpy(found->port, text, len);
    found->port[len] = '\0';
    unsigned long number = strtoul(found->port, NULL, 10);
    found->number = (uint16_t)number;
    return strspn(found->port, "0123456789") == len && number <= UINT16_MAX;
}

static bool read_host(const char *text, size_t len, struct host_port *found)
{
    bool is_bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
    if (is_bracketed) {
        text++;
        len -= 2;
    }
    if (len >= sizeof(found->host))
        return false;
    memcpy(found->host, text, len);
    found->host[len] = '\0';
    return strlen(found->host) == len && (is_bracketed || strcspn(found->host, ":[]") == len);
}

bool host_port_read(const char *text, size_t len, struct host_port *found)
{
    const char *colon = memrchr(text, ':', len);
    if (!colon)
        return false;
    size_t host_len = (size_t)(colon - text);
    return read_port(colon + 1, len - host_len - 1, found) && read_host(text, host_len, found);
}
