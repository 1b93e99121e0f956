/* SPDX-License-Identifier: MIT */
/*
 * The settings of emojify-cache, see lib/base/config.h; `emojify-cache --help`
 * prints them with their defaults.
 */
#ifndef CACHE_CONFIG_H
#define CACHE_CONFIG_H

#include <stdint.h>

#include "lib/base/config.h"

enum cache_type { CACHE_TYPE_FILE, CACHE_TYPE_REDIS };

struct cache_config {
    const char *bind_address; /* or unix:/path */
    int64_t bind_port;
    const char *tls_ca;
    const char *tls_cert;
    const char *tls_key;
    const char *health_bind_address;
    int64_t health_bind_port; /* 0: no health page */
    int cache_type;           /* enum cache_type */
    const char *file_location;
    const char *redis_url;
    int64_t max_life; /* milliseconds; 0: for ever */
    int64_t max_bytes;
    int64_t memory;             /* bytes */
    const char *statsd_address; /* "": nobody is told */
    const char *statsd_tags;    /* of all that it is told */
    int log_level;
    int log_format;
};

struct config_table cache_config_table(void);

#endif
