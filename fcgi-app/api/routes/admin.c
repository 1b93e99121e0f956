/* SPDX-License-Identifier: MIT */
/*
 * /debug/: the admin page, and /debug/status, the one JSON that its charts and tables
 * are drawn from. What it switches are routes of their own: /debug/pprof/ and /debug/log.
 */
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "api/admin/page.h"
#include "api/admin/series.h"
#include "api/routes/answer.h"
#include "api/routes/routes.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/query.h"
#include "lib/fcgi/response.h"

enum { PAGE_MAX = 256 * 1024, POLICY_MAX = 4096, STATUS_MAX = 1024 * 1024 };

static enum app_err put_headers(struct exchange *exchange, const char *policy)
{
    enum app_err err = response_header(exchange->response, "Cache-Control", "no-store");
    if (!err)
        err = response_header(exchange->response, "Content-Security-Policy", policy);
    return err ? err : response_header(exchange->response, "Referrer-Policy", "no-referrer");
}

enum app_err route_admin(struct exchange *exchange)
{
    struct buf page, policy;
    buf_init(&page, PAGE_MAX);
    buf_init(&policy, POLICY_MAX);
    enum app_err err = admin_page_write(&page);
    if (!err)
        err = admin_page_policy(&policy);
    if (!err)
        err = put_headers(exchange, policy.data);
    if (!err)
        err =
            response_send(exchange->response, 200, "text/html; charset=utf-8", page.data, page.len);
    buf_release(&policy);
    buf_release(&page);
    return err;
}

/* Times are CLOCK_MONOTONIC in milliseconds; `time` is what a clock on the wall says now. */
static enum app_err put_head(struct exchange *exchange, int64_t now_ns, struct buf *out)
{
    const struct api_config *config = &exchange->app->config;
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return buf_printf(out,
                      "{\"now\":%" PRId64 ",\"time\":%" PRId64 ",\"pid\":%ld,\"version\":\"%s\","
                      "\"profile\":{\"max_seconds\":%lld,\"hz\":%lld,\"ring_hz\":%lld},"
                      "\"tier\":{\"on\":%s,\"max_bytes\":%lld},\"log\":%s,",
                      now_ns / NS_PER_MS, (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / NS_PER_MS,
                      (long)getpid(), APP_VERSION, (long long)config->profile_max_seconds,
                      (long long)config->profile_hz, (long long)config->profile_ring_hz,
                      exchange->app->tier ? "true" : "false", (long long)config->local_cache_bytes,
                      config->profile_token[0] ? "true" : "false");
}

static enum app_err put_processes(struct exchange *exchange, struct buf *out)
{
    struct metrics_process processes[LIMIT_METRICS_PROCESSES];
    size_t count = telemetry_processes(&exchange->app->telemetry, processes);
    enum app_err err = buf_append_str(out, "\"processes\":[");
    for (size_t i = 0; i < count && !err; i++) {
        const struct process_stats *stats = &processes[i].stats;
        err = buf_printf(out,
                         "%s{\"pid\":%" PRId64 ",\"started\":%.0f,\"cpu_s\":%.3f,"
                         "\"resident_bytes\":%" PRIu64 ",\"threads\":%" PRIu64
                         ",\"descriptors\":%" PRIu64 "}",
                         i ? "," : "", processes[i].pid, stats->start_unix_time,
                         (double)stats->cpu_ns / NS_PER_S, stats->resident_bytes, stats->threads,
                         stats->descriptors);
    }
    return err ? err : buf_append_str(out, "],");
}

enum app_err route_admin_status(struct exchange *exchange)
{
    struct buf out;
    int64_t now_ns = clock_now_ns();
    double since_ms = query_number(exchange->request->query, "since", 0);
    int64_t since_ns = 0;
    /* What lies in the future was said before the machine was started anew. */
    if (since_ms > 0 && since_ms <= (double)now_ns / NS_PER_MS)
        since_ns = ((int64_t)since_ms + 1) * NS_PER_MS - 1; /* rows are told to the millisecond */
    buf_init(&out, STATUS_MAX);
    enum app_err err = put_head(exchange, now_ns, &out);
    if (!err)
        err = put_processes(exchange, &out);
    if (!err)
        err = series_write(exchange->app->history, since_ns, now_ns, &out);
    if (!err)
        err = buf_append_str(&out, "}\n");
    if (!err)
        err = response_header(exchange->response, "Cache-Control", "no-store");
    if (!err)
        err = response_send(exchange->response, 200, "application/json", out.data, out.len);
    buf_release(&out);
    return err;
}
