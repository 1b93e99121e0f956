/* SPDX-License-Identifier: MIT */
/* The whole of "user:password" is compared, so that neither is guessed singly. */
#include "facebox/basic_auth.h"

#include <string.h>
#include <strings.h>

#include "facebox/base64.h"
#include "lib/base/buf.h"

enum { CREDENTIALS_MAX = 8192 }; /* a secret from a file may have 4096 bytes */

/* Looks at each byte that was given, whatever the earlier ones were. */
static bool equal_in_constant_time(const char *given, size_t given_len, const char *expected,
                                   size_t expected_len)
{
    unsigned difference = given_len != expected_len;
    for (size_t i = 0; i < given_len; i++) {
        unsigned char other = (unsigned char)expected[i < expected_len ? i : expected_len];
        difference |= (unsigned)((unsigned char)given[i] ^ other);
    }
    return difference == 0;
}

bool basic_auth_matches(const char *header, const char *user, const char *password)
{
    static const char scheme[] = "Basic ";
    if (!header || strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
        return false;
    const char *encoded = header + sizeof(scheme) - 1;

    struct buf given;
    struct buf expected;
    buf_init(&given, CREDENTIALS_MAX);
    buf_init(&expected, CREDENTIALS_MAX);
    bool matches = base64_decode(encoded, strlen(encoded), &given) == APP_OK &&
                   buf_printf(&expected, "%s:%s", user, password) == APP_OK &&
                   equal_in_constant_time(given.data, given.len, expected.data, expected.len);
    if (expected.data)
        explicit_bzero(expected.data, expected.len);
    if (given.data)
        explicit_bzero(given.data, given.len);
    buf_release(&expected);
    buf_release(&given);
    return matches;
}

enum app_err basic_auth_check_user(const char *user, struct err_buf *why)
{
    if (strchr(user, ':'))
        return err_set(why, APP_CONFIG, "a user's name has no colon");
    return APP_OK;
}
