/* SPDX-License-Identifier: MIT */
#include "api/admin/cache_watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"

enum { URL_MAX = 512, ANSWER_MAX = 256 * 1024, STATUS_OK = 200 };

/* The number of a line "name 1.5" or "name{labels} 1.5" whose name ends so. */
static bool read_line(const char *line, size_t len, double *number)
{
    static const char name[] = "process_cpu_seconds_total";
    const char *at = memmem(line, len, name, sizeof(name) - 1);
    if (!at || *line == '#')
        return false;
    at += sizeof(name) - 1;
    if (*at == '{')
        at = memchr(at, '}', (size_t)(line + len - at));
    if (!at || (*at != ' ' && *at++ != '}') || *at != ' ')
        return false;
    char *end;
    *number = strtod(at, &end);
    return end != at && end <= line + len && isfinite(*number) && *number >= 0 && *number < 1e9;
}

bool cache_watch_parse(const char *text, uint64_t *cpu_ns)
{
    double seconds = 0;
    bool found = false;
    while (*text) {
        size_t len = strcspn(text, "\n");
        double number;
        if (read_line(text, len, &number)) {
            seconds += number;
            found = true;
        }
        text += len + (text[len] == '\n');
    }
    *cpu_ns = (uint64_t)(seconds * (double)NS_PER_S);
    return found;
}

static bool ask(struct cache_watch *watch, uint64_t *cpu_ns, struct err_buf *why)
{
    char url[URL_MAX];
    struct http_answer answer = {.status = 0};
    if (!watch->http && http_client_new(&watch->http))
        return false;
    (void)snprintf(url, sizeof(url), "http://%s/metrics", watch->address);
    const struct http_request request = {
        .method = "GET",
        .url = url,
        .deadline_ns = deadline_in_ms(CACHE_WATCH_TIMEOUT_MS),
        .max_answer = ANSWER_MAX,
    };
    enum app_err err = http_client_request(watch->http, &request, &answer, why);
    bool found = !err && answer.status == STATUS_OK && answer.body.data &&
                 cache_watch_parse(answer.body.data, cpu_ns);
    if (!err)
        buf_release(&answer.body);
    return found;
}

struct cache_watch_sight cache_watch_look(struct cache_watch *watch)
{
    struct cache_watch_sight sight = {false, 0};
    struct err_buf why = {.text = ""};
    int64_t now_ns = clock_now_ns();
    uint64_t cpu_ns = 0;
    if (!watch->address || !*watch->address || now_ns < watch->not_before_ns)
        return sight;
    sight.up = ask(watch, &cpu_ns, &why);
    if (!sight.up) {
        watch->not_before_ns = now_ns + CACHE_WATCH_PAUSE_MS * NS_PER_MS;
        if (!watch->complained)
            log_warn(watch->log, "The cache service does not tell its CPU time",
                     LOG_FIELDS(LOG_STR("address", watch->address), LOG_STR("detail", why.detail)));
    } else if (watch->seen && cpu_ns > watch->cpu_ns) { /* less: it was started anew */
        sight.cpu_ns = cpu_ns - watch->cpu_ns;
    }
    watch->complained = !sight.up;
    watch->seen = sight.up;
    watch->cpu_ns = cpu_ns;
    return sight;
}

void cache_watch_release(struct cache_watch *watch)
{
    http_client_free(&watch->http);
}
