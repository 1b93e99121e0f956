/* SPDX-License-Identifier: MIT */
/*
 * Load balancers ask often and together, and an upstream in trouble is the
 * last that should be asked by every thread at once.
 */
#include "api/health.h"

#include "api/clients/cache_client.h"
#include "api/clients/face_client.h"
#include "api/telemetry.h"
#include "lib/base/clock.h"
#include "lib/base/condition.h"
#include "lib/telemetry/lock.h"

enum { KEPT_MS = 1000, CACHE_CHECK_MS = 1000, FACEBOX_INFO_MS = 2000, SERVING = 1 };

void health_init(struct health *health)
{
    *health = (struct health){.known = false};
    pthread_cond_init(&health->done, NULL);
    pthread_mutex_init(&health->lock, NULL);
}

void health_release(struct health *health)
{
    pthread_cond_destroy(&health->done);
    pthread_mutex_destroy(&health->lock);
}

static void ask(const struct health_call *call, struct health_report *report)
{
    *report = (struct health_report){.facebox = APP_OK};

    struct face_call face_call = {
        .http = call->http,
        .deadline_ns = deadline_min(call->deadline_ns, deadline_in_ms(FACEBOX_INFO_MS)),
        .request_id = call->request_id,
        .headers = call->headers,
        .header_count = call->header_count,
    };
    int64_t started_ns = clock_now_ns();
    report->facebox =
        face_client_info(call->faces, &face_call, &report->facebox_version, &report->facebox_why);
    telemetry_upstream(call->telemetry, UPSTREAM_FACEBOX_INFO, started_ns, report->facebox);

    struct cache_call cache_call = {
        .deadline_ns = deadline_min(call->deadline_ns, deadline_in_ms(CACHE_CHECK_MS)),
        .request_id = call->request_id,
        .headers = call->headers,
        .header_count = call->header_count,
    };
    started_ns = clock_now_ns();
    report->cache =
        cache_check(call->cache, &cache_call, &report->cache_status, &report->cache_why);
    telemetry_upstream(call->telemetry, UPSTREAM_CACHE_CHECK, started_ns, report->cache);
    if (report->cache == APP_OK && report->cache_status != SERVING)
        report->cache = APP_UNAVAILABLE;
}

enum app_err health_get(struct health *health, const struct health_call *call,
                        struct health_report *report)
{
    enum app_err err = APP_OK;

    lock_mutex(&health->lock);
    while (health->asking && !health->known && err == APP_OK) {
        if (!condition_wait(&health->done, &health->lock, call->deadline_ns))
            err = APP_UPSTREAM_TIMEOUT;
    }
    if (err)
        goto out;
    if (health->asking) {
        *report = health->report;
        goto out;
    }
    if (!health->known || clock_now_ns() - health->answered_ns > KEPT_MS * NS_PER_MS) {
        struct health_report fresh;
        health->asking = true;
        pthread_mutex_unlock(&health->lock);
        ask(call, &fresh);
        lock_mutex(&health->lock);
        health->report = fresh;
        health->answered_ns = clock_now_ns();
        health->known = true;
        health->asking = false;
        pthread_cond_broadcast(&health->done);
    }
    *report = health->report;
out:
    pthread_mutex_unlock(&health->lock);
    return err;
}
