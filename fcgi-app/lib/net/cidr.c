/* SPDX-License-Identifier: MIT */
/* Both lists go through one reader, so that they agree on blanks and commas. */
#include "lib/net/cidr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { V4_BITS = 32, V6_BITS = 128, PORT_MAX = 65535, ITEM_MAX = 64 };

static unsigned address_bits(const struct address *address)
{
    return address->family == AF_INET ? V4_BITS : V6_BITS;
}

struct address address_v4_at(const uint8_t *bytes, uint8_t mask)
{
    struct address v4 = {.family = AF_INET};
    for (size_t i = 0; i < 4; i++)
        v4.bytes[i] = bytes[i] ^ mask;
    return v4;
}

bool address_is_v4_mapped(const struct address *address)
{
    static const uint8_t prefix[12] = {[10] = 0xff, 0xff};
    return address->family == AF_INET6 && memcmp(address->bytes, prefix, sizeof(prefix)) == 0;
}

bool cidr_has(const struct cidr *cidr, const struct address *address)
{
    if (cidr->base.family != address->family)
        return false;
    size_t whole = cidr->bits / 8;
    if (memcmp(cidr->base.bytes, address->bytes, whole) != 0)
        return false;
    unsigned rest = cidr->bits % 8;
    return rest == 0 || (cidr->base.bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

void address_print(const struct address *address, char out[INET6_ADDRSTRLEN])
{
    if (!inet_ntop(address->family, address->bytes, out, INET6_ADDRSTRLEN))
        out[0] = '\0';
}

/* A decimal number of digits only, up to `max`; *end is behind it. */
static bool parse_number(const char *text, unsigned max, unsigned *number, const char **end)
{
    unsigned value = 0;
    const char *at = text;
    for (; isdigit((unsigned char)*at); at++) {
        value = value * 10 + (unsigned)(*at - '0');
        if (value > max)
            return false;
    }
    *number = value;
    *end = at;
    return at > text;
}

static bool has_bits_beyond_prefix(const struct cidr *cidr)
{
    for (unsigned bit = cidr->bits; bit < address_bits(&cidr->base); bit++) {
        if (cidr->base.bytes[bit / 8] & (0x80 >> bit % 8))
            return true;
    }
    return false;
}

static bool parse_cidr(const char *item, void *slot)
{
    struct cidr cidr = {.bits = 0};
    char text[ITEM_MAX];
    size_t address_len = strcspn(item, "/");
    memcpy(text, item, address_len);
    text[address_len] = '\0';
    cidr.base.family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(cidr.base.family, text, cidr.base.bytes) != 1)
        return false;

    const char *end = item + address_len;
    cidr.bits = address_bits(&cidr.base);
    if (*end == '/' && !parse_number(end + 1, cidr.bits, &cidr.bits, &end))
        return false;
    if (*end != '\0' || has_bits_beyond_prefix(&cidr))
        return false;

    /* Mapped addresses are looked up as IPv4 ones. */
    if (address_is_v4_mapped(&cidr.base) && cidr.bits >= V6_BITS - V4_BITS) {
        cidr.base = address_v4_at(cidr.base.bytes + 12, 0);
        cidr.bits -= V6_BITS - V4_BITS;
    }
    *(struct cidr *)slot = cidr;
    return true;
}

static bool parse_port_range(const char *item, void *slot)
{
    struct port_range range;
    const char *end;
    if (!parse_number(item, PORT_MAX, &range.first, &end))
        return false;
    range.last = range.first;
    if (*end == '-' && !parse_number(end + 1, PORT_MAX, &range.last, &end))
        return false;
    if (*end != '\0' || range.first == 0 || range.first > range.last)
        return false;
    *(struct port_range *)slot = range;
    return true;
}

struct list_kind {
    size_t item_size;
    bool (*parse)(const char *item, void *slot);
    const char *wanted;
};

static const struct list_kind cidr_list = {
    sizeof(struct cidr), parse_cidr,
    "an address range like 10.0.0.0/8 or fd00::/8, with no bits set behind the prefix"};
static const struct list_kind port_list = {sizeof(struct port_range), parse_port_range,
                                           "a port or a range like 8000-8999"};

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static size_t count_commas(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == ',';
    return count;
}

/* The text up to the comma without the blanks around it; false when it is too long. */
static bool copy_item(const char *from, const char *end, char out[ITEM_MAX])
{
    while (from < end && isspace((unsigned char)*from))
        from++;
    while (end > from && isspace((unsigned char)end[-1]))
        end--;
    size_t len = (size_t)(end - from);
    bool fits = len < ITEM_MAX;
    if (!fits)
        len = ITEM_MAX - 1;
    memcpy(out, from, len);
    out[len] = '\0';
    return fits;
}

/* A malloc'ed array of the items of a comma list. APP_CONFIG, APP_NO_MEMORY. */
static enum app_err parse_list(const struct list_kind *kind, const char *list, void **items,
                               size_t *count, struct err_buf *why)
{
    size_t items_given = is_blank(list) ? 0 : count_commas(list) + 1;
    char *parsed = calloc(items_given + 1, kind->item_size);
    if (!parsed)
        return APP_NO_MEMORY;

    for (size_t i = 0; i < items_given; i++) {
        char item[ITEM_MAX];
        const char *comma = strchrnul(list, ',');
        if (!copy_item(list, comma, item) || !kind->parse(item, parsed + i * kind->item_size)) {
            free(parsed);
            return err_set(why, APP_CONFIG, "\"%s\" is not %s", item, kind->wanted);
        }
        list = comma + 1;
    }
    *items = parsed;
    *count = items_given;
    return APP_OK;
}

enum app_err cidr_parse_list(const char *list, struct cidr **ranges, size_t *count,
                             struct err_buf *why)
{
    void *items = NULL;
    enum app_err err = parse_list(&cidr_list, list, &items, count, why);
    if (!err)
        *ranges = items;
    return err;
}

enum app_err port_range_parse_list(const char *list, struct port_range **ranges, size_t *count,
                                   struct err_buf *why)
{
    void *items = NULL;
    enum app_err err = parse_list(&port_list, list, &items, count, why);
    if (!err)
        *ranges = items;
    return err;
}
