/* SPDX-License-Identifier: MIT */
/*
 * Digests are compared instead of the tokens themselves, so that neither the
 * place of the first difference nor the length shows in the time it takes.
 */
#include "api/auth/admin_guard.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/auth/guess_limit.h"
#include "lib/base/clock.h"
#include "lib/base/host_port.h"
#include "lib/net/host_list.h"

enum { BASIC_MAX = 1024 }; /* base64 of user:token */

bool admin_guard_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned char first[EVP_MAX_MD_SIZE], second[EVP_MAX_MD_SIZE];
    unsigned int first_len = 0, second_len = 0;
    return EVP_Digest(a, a_len, first, &first_len, EVP_sha256(), NULL) &&
           EVP_Digest(b, b_len, second, &second_len, EVP_sha256(), NULL) &&
           first_len == second_len && CRYPTO_memcmp(first, second, first_len) == 0;
}

/* The password of "user:password" in base64 (RFC 7617); false when it is malformed. */
static bool basic_password(const char *encoded, unsigned char *plain, const char **password,
                           size_t *len)
{
    size_t encoded_len = strlen(encoded);
    if (encoded_len == 0 || encoded_len > BASIC_MAX || encoded_len % 4 != 0)
        return false;
    int plain_len = EVP_DecodeBlock(plain, (const unsigned char *)encoded, (int)encoded_len);
    if (plain_len < 0)
        return false;
    for (size_t i = encoded_len; i > encoded_len - 2 && encoded[i - 1] == '='; i--)
        plain_len--;
    const unsigned char *colon = memchr(plain, ':', (size_t)plain_len);
    if (!colon)
        return false;
    *password = (const char *)colon + 1;
    *len = (size_t)(plain + plain_len - (colon + 1));
    return true;
}

static bool has_token(const struct admin_guard *guard, const struct request *request)
{
    const char *header = request_header(request, "Authorization");
    size_t token_len = strlen(guard->token);
    if (!header || token_len == 0)
        return false;
    if (strncasecmp(header, "Bearer ", 7) == 0)
        return admin_guard_equal(header + 7, strlen(header + 7), guard->token, token_len);
    if (strncasecmp(header, "Basic ", 6) == 0) {
        unsigned char plain[BASIC_MAX];
        const char *password;
        size_t len;
        return basic_password(header + 6, plain, &password, &len) &&
               admin_guard_equal(password, len, guard->token, token_len);
    }
    return false;
}

/* Whether the browser says that another site's page made it send this. */
static bool is_cross_site(const struct request *request)
{
    const char *site = request_header(request, "Sec-Fetch-Site");
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return true;
    const char *origin = request_header(request, "Origin");
    const char *host = request_header(request, "Host");
    if (!origin)
        return false;
    const char *authority = strstr(origin, "://");
    return !authority || !host || strcasecmp(authority + 3, host) != 0;
}

static void log_refusal(const struct request *request, const char *reason)
{
    log_warn(&request->log, "Admin request refused",
             LOG_FIELDS(LOG_STR("path", request->path), LOG_STR("reason", reason),
                        LOG_STR("remote", request_param(request, "REMOTE_ADDR"))));
}

static enum app_err refuse_site(const struct request *request, struct err_buf *why)
{
    log_refusal(request, "another site's page");
    return err_set(why, APP_FORBIDDEN, "requests from other sites' pages are not taken");
}

/* Whether the Host is one of ours: see admin_guard.h. */
static bool is_known_host(const struct admin_guard *guard, const char *host)
{
    char name[HOST_PORT_HOST_MAX + 1];
    struct in_addr v4;
    struct in6_addr v6;
    bool bracket = host[0] == '[';
    const char *from = host + bracket;
    size_t len = strcspn(from, bracket ? "]" : ":");
    if (len == 0 || len > HOST_PORT_HOST_MAX)
        return false;
    memcpy(name, from, len);
    name[len] = '\0';
    if (bracket)
        return inet_pton(AF_INET6, name, &v6) == 1;
    return inet_pton(AF_INET, name, &v4) == 1 || host_list_has("localhost", name) ||
           host_list_has(guard->hosts, name);
}

enum app_err admin_guard_check_host(const struct admin_guard *guard, const struct request *request,
                                    struct err_buf *why)
{
    const char *host = request_header(request, "Host");
    if (!host || is_known_host(guard, host))
        return APP_OK;
    log_refusal(request, "a Host that is not in ADMIN_HOSTS");
    return err_set(why, APP_FORBIDDEN,
                   "this name of the server is not known here: see ADMIN_HOSTS");
}

enum app_err admin_guard_check_site(const struct admin_guard *guard, const struct request *request,
                                    struct err_buf *why)
{
    if (!is_cross_site(request))
        return admin_guard_check_host(guard, request, why);
    return refuse_site(request, why);
}

/* Whether the token is there, counting wrong ones. APP_BUSY: this address has guessed too often. */
static enum app_err check_token(const struct admin_guard *guard, const struct request *request,
                                struct response *response, struct err_buf *why)
{
    const char *address = request_param(request, "REMOTE_ADDR");
    int64_t now_ns = clock_now_ns();
    int64_t blocked_ms = guess_limit_blocked_ms(guard->guesses, address, now_ns);
    if (blocked_ms > 0) {
        char seconds[24];
        (void)snprintf(seconds, sizeof(seconds), "%" PRId64, (blocked_ms + 999) / 1000);
        enum app_err err = response_header(response, "Retry-After", seconds);
        return err ? err : err_set(why, APP_BUSY, "too many wrong tokens came from this address");
    }
    if (has_token(guard, request))
        return APP_OK;
    guess_limit_wrong(guard->guesses, address, now_ns);
    log_refusal(request, "wrong token");
    return APP_UNAUTHORIZED;
}

enum app_err admin_guard_check(const struct admin_guard *guard, const struct request *request,
                               struct response *response, struct err_buf *why)
{
    if (is_cross_site(request))
        return refuse_site(request, why);
    enum app_err err = request_header(request, "Authorization")
                           ? check_token(guard, request, response, why)
                           : APP_UNAUTHORIZED;
    if (err != APP_UNAUTHORIZED)
        return err;
    err = response_header(response, "WWW-Authenticate",
                          "Basic realm=\"emojify-api admin\", charset=\"UTF-8\"");
    return err ? err : err_set(why, APP_UNAUTHORIZED, "the admin token is needed");
}
