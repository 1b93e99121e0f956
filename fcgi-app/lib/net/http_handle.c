/* SPDX-License-Identifier: MIT */
/* Options that have to be right for every transfer are set here and nowhere else. */
#include "lib/net/http_handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USER_AGENT "emojify-api/" APP_VERSION " (+https://github.com/emojify-app)"

enum { TIMEOUT_MAX_MS = 24 * 60 * 60 * 1000 };

enum app_err http_handle_prepare(struct http_client *client, CURL *curl, int64_t left_ms)
{
    long timeout_ms = left_ms < TIMEOUT_MAX_MS ? (long)left_ms : TIMEOUT_MAX_MS;
    client->error[0] = '\0';
    curl_easy_reset(curl);

    int failed = 0;
    failed |= (int)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_USERAGENT, USER_AGENT);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    failed |= (int)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    /* Otherwise http_proxy in the environment would send it elsewhere, past the guard. */
    failed |= (int)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    failed |= (int)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    /*
     * When the deadline comes while the resolver's thread is still in
     * getaddrinfo, curl would join that thread, which can take half a minute
     * without a name server. With this it is detached and frees what it holds
     * when it ends (asyn-thread.c of 7.88, destroy_async_data).
     */
    failed |= (int)curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    return failed ? APP_NO_MEMORY : APP_OK;
}

static int on_progress(void *object, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    (void)down_total, (void)down, (void)up_total, (void)up;
    return cancel_asked(object) ? 1 : 0;
}

enum app_err http_handle_set_cancel(CURL *curl, const struct cancel *cancel)
{
    if (!cancel->asked)
        return APP_OK;
    int failed = 0;
    failed |= (int)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, cancel);
    failed |= (int)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    return failed ? APP_NO_MEMORY : APP_OK;
}

CURLcode http_handle_perform(struct http_client *client, CURL *curl)
{
    /* International names are converted by the locale's character set; URLs are UTF-8. */
    locale_t before = uselocale(client->utf8);
    CURLcode code = curl_easy_perform(curl);
    (void)uselocale(before);
    return code;
}

const char *http_handle_error(const struct http_client *client, CURLcode code)
{
    return client->error[0] ? client->error : curl_easy_strerror(code);
}

static bool is_one_line(const char *text)
{
    return text[strcspn(text, "\r\n")] == '\0';
}

enum app_err http_handle_add_header(struct curl_slist **list, const char *name, const char *value)
{
    if (!is_one_line(name) || !is_one_line(value))
        return APP_INTERNAL;

    /* curl takes "Name:" as "send no such header" and "Name;" as one without a value. */
    char *line;
    if (asprintf(&line, *value ? "%s: %s" : "%s;%s", name, value) < 0)
        return APP_NO_MEMORY;
    struct curl_slist *longer = curl_slist_append(*list, line);
    free(line);
    if (!longer)
        return APP_NO_MEMORY;
    *list = longer;
    return APP_OK;
}
