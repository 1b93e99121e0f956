/* SPDX-License-Identifier: MIT */
/*
 * Whether the two upstreams answer, asked at most once a second whatever the
 * number of health requests: an answer younger than a second is given again, and
 * so is an older one while a thread asks anew: an upstream that hangs must not
 * hold a thread for each request. Only the very first answer is waited for.
 *
 * health_init at start, health_get from any thread, health_release at the end.
 */
#ifndef API_HEALTH_H
#define API_HEALTH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

struct cache_caller;
struct face_client;
struct http_client;
struct http_header;
struct telemetry;

/* What the upstreams said. An error's `detail` is for the log. */
struct health_report {
    enum app_err facebox;
    int facebox_version; /* when facebox is APP_OK */
    enum app_err cache;  /* APP_UNAVAILABLE when it answered that it does not serve */
    int cache_status;    /* HealthCheckResponse.ServingStatus, when it answered */
    struct err_buf facebox_why;
    struct err_buf cache_why;
};

struct health {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t done;
    bool asking;
    bool known;          /* report holds an answer */
    int64_t answered_ns; /* CLOCK_MONOTONIC */
    struct health_report report;
};

/* What one thread asks with. */
struct health_call {
    struct cache_caller *cache;
    struct http_client *http;
    const struct face_client *faces;
    const char *request_id;
    const struct http_header *headers; /* further ones, see struct cache_call */
    size_t header_count;
    struct telemetry *telemetry; /* told how the upstreams fared */
    int64_t deadline_ns;
};

void health_init(struct health *health);
void health_release(struct health *health);

/* APP_OK with a report (which may say that both are down); APP_UPSTREAM_TIMEOUT. */
enum app_err health_get(struct health *health, const struct health_call *call,
                        struct health_report *report) __attribute__((warn_unused_result));

#endif
