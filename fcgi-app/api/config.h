/* SPDX-License-Identifier: MIT */
/*
 * The settings of emojify-api. config.c has the one table that says each
 * setting's name, default, bounds and meaning; `emojify-api --help` prints it.
 * Read-only after start, any thread.
 */
#ifndef API_CONFIG_H
#define API_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/config.h"

/* One route's CACHE_ERROR_... or EMOJIFY_ERROR_..., see api/faults.h. */
struct fault_config {
    double rate; /* of the requests, 0 to 1 */
    int type;    /* enum fault_type */
    int64_t code;
    int64_t delay_ms;
};

/* Values of metrics_auth and profile_auth, in the order of their choices. */
enum { METRICS_AUTH_NONE, METRICS_AUTH_TOKEN };
enum { PROFILE_AUTH_TOKEN, PROFILE_AUTH_NONE };

struct api_config {
    const char *api_path; /* begins and ends with '/' */
    const char *allow_origin;
    const char *authn_server; /* "": requests are not authorized */
    const char *authn_audience;
    const char *cache_address;
    int64_t cache_timeout_ms;
    const char *cache_tls_ca;
    const char *cache_tls_cert;
    const char *cache_tls_key;
    const char *cache_tls_identity;
    const char *cache_metrics_address; /* "": the cache is not watched */
    const char *facebox;
    const char *facebox_user;
    const char *facebox_pass;
    int64_t facebox_timeout_ms;
    int64_t fetch_timeout_ms;
    int64_t fetch_concurrency; /* 0: by the number of workers */
    const char *fetch_allow_cidr;
    const char *fetch_allow_ports;
    const char *fetch_allow_hosts;
    const char *fetch_deny_hosts;
    const char *payment_address; /* "": no payments */
    int emojify_format;          /* enum emojify_format */
    int64_t emojify_timeout_ms;
    int64_t emojify_concurrency; /* 0: the cores */
    int64_t emojify_queue;       /* 0: by the number of workers */
    int64_t picture_memory_bytes;
    int64_t request_timeout_ms;
    int64_t upload_timeout_ms;
    int64_t upload_min_rate; /* bytes a second */
    int64_t upload_memory_bytes;
    int64_t send_timeout_ms;
    int64_t keepalive_timeout_ms;
    int64_t local_cache_ttl_ms;
    const char *local_cache_dir; /* "": there is no local tier */
    int64_t local_cache_bytes;
    const char *run_dir;
    bool profile;
    const char *profile_token;
    const char *admin_hosts;
    int metrics_auth; /* METRICS_AUTH_... */
    int profile_auth; /* PROFILE_AUTH_... */
    int64_t profile_hz;
    int64_t profile_ring_hz;
    int64_t profile_max_seconds;
    int64_t profile_heap_bytes;
    bool profile_auto;
    struct fault_config cache_fault;
    struct fault_config emojify_fault;
    const char *statsd_server;
    const char *statsd_tags; /* of all that it is told */
    int64_t workers;         /* 0: by the number of cores */
    int64_t shutdown_grace_ms;
    int log_level;  /* enum log_level */
    int log_format; /* enum log_format */
};

extern const struct config_table api_config_table;

/* The number of worker threads that `config` asks for. */
unsigned api_config_workers(const struct api_config *config);

#endif
