/* SPDX-License-Identifier: MIT */
/* One row a setting. */
#include "cache/config.h"

#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "cache/redis_url.h"
#include "lib/rpc/tls.h"
#include "lib/telemetry/statsd.h"

/* A name or number, or unix: and a path that fits a socket's address. */
static enum app_err check_bind_address(const char *value, struct err_buf *why)
{
    static const char prefix[] = "unix:";
    const size_t path_max = sizeof(((struct sockaddr_un *)NULL)->sun_path);
    if (strncmp(value, prefix, strlen(prefix)) == 0) {
        const char *path = value + strlen(prefix);
        if (path[0] != '/' || strlen(path) >= path_max)
            return err_set(why, APP_CONFIG, "must be unix:/path of less than %zu bytes", path_max);
    } else if (strchr(value, '/') || strchr(value, ',')) {
        return err_set(why, APP_CONFIG, "must be a host or unix:/path");
    }
    return APP_OK;
}

static enum app_err check_directory(const char *value, struct err_buf *why)
{
    return value[0] == '/' ? APP_OK : err_set(why, APP_CONFIG, "must be an absolute path");
}

static enum app_err check_redis_url(const char *value, struct err_buf *why)
{
    struct redis_url url;
    return redis_url_parse(value, &url, why);
}

static const struct config_entry entries[] = {
    {.name = "BIND_ADDRESS",
     .type = CONFIG_STRING,
     .offset = offsetof(struct cache_config, bind_address),
     .initial = "127.0.0.1",
     .help = "Address that gRPC is served on, or unix:/path, a socket for the program's own user "
             "and group; unless TLS is on nothing but a trusted network may reach it",
     .check = check_bind_address},
    {.name = "BIND_PORT",
     .type = CONFIG_INT,
     .offset = offsetof(struct cache_config, bind_port),
     .initial = "9090",
     .min = "0",
     .max = "65535",
     .help = "Its port; 0 takes any free one and logs it"},
    {.name = "TLS_CA",
     .type = CONFIG_STRING,
     .offset = offsetof(struct cache_config, tls_ca),
     .help = "File with the authority whose certificates clients must show; empty: no TLS"},
    {.name = "TLS_CERT",
     .type = CONFIG_STRING,
     .offset = offsetof(struct cache_config, tls_cert),
     .help = "File with the certificate of the service"},
    {.name = "TLS_KEY",
     .type = CONFIG_STRING,
     .offset = offsetof(struct cache_config, tls_key),
     .help = "File with its private key"},
    {.name = "HEALTH_BIND_ADDRESS",
     .type = CONFIG_STRING,
     .offset = offsetof(struct cache_config, health_bind_address),
     .initial = "127.0.0.1",
     .help = "Address that GET /health and /metrics are served on"},
    {.name = "HEALTH_BIND_PORT",
     .type = CONFIG_INT,
     .offset = offsetof(struct cache_config, health_bind_port),
     .initial = "9091",
     .min = "0",
     .max = "65535",
     .help = "Its port; 0 serves neither"},
    {.name = "CACHE_TYPE",
     .type = CONFIG_CHOICE,
     .offset = offsetof(struct cache_config, cache_type),
     .initial = "file",
     .choices = "file|redis",
     .help = "Where entries are kept: file is a directory, redis a Redis server, which several "
             "caches may share"},
    {.name = "CACHE_FILE_LOCATION",
     .type = CONFIG_STRING,
     .offset = offsetof(struct cache_config, file_location),
     .initial = "/var/lib/emojify-cache",
     .help = "The directory, made if it is missing",
     .check = check_directory},
    {.name = "REDIS_URL",
     .type = CONFIG_SECRET,
     .offset = offsetof(struct cache_config, redis_url),
     .initial = "redis://127.0.0.1:6379/0",
     .help = "The Redis server: redis://[[user]:password@]host[:port][/database] or "
             "unix://[[user]:password@]/path[?db=database]",
     .check = check_redis_url},
    {.name = "CACHE_MAX_LIFE",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct cache_config, max_life),
     .initial = "720h",
     .min = "0",
     .max = "1000000h",
     .help = "Older entries are not found and get removed; 0 keeps them for ever; what was taken "
             "down stays so in any case"},
    {.name = "CACHE_MAX_BYTES",
     .type = CONFIG_SIZE,
     .offset = offsetof(struct cache_config, max_bytes),
     .initial = "1G",
     .min = "0",
     .help = "Beyond it the least recently used entries of the directory are removed; 0 is no "
             "limit; Redis has a setting of its own, maxmemory"},
    {.name = "CACHE_MEMORY",
     .type = CONFIG_SIZE,
     .offset = offsetof(struct cache_config, memory),
     .initial = "64M",
     .min = "0",
     .max = "64G",
     .help = "Memory for files of the directory that are asked for often, of up to a sixteenth of "
             "it each; 0 reads each file for each answer"},
    {.name = "STATSD_ADDRESS",
     .type = CONFIG_STRING,
     .offset = offsetof(struct cache_config, statsd_address),
     .help = "host:port of a statsd server that takes DogStatsD's tags; empty: none is told",
     .check = statsd_check_server},
    {.name = "STATSD_TAGS",
     .type = CONFIG_STRING,
     .offset = offsetof(struct cache_config, statsd_tags),
     .help = "Tags that each metric for statsd carries besides its own: env:production,region:eu",
     .check = statsd_check_tags},
    {.name = "LOG_LEVEL",
     .type = CONFIG_CHOICE,
     .offset = offsetof(struct cache_config, log_level),
     .initial = "info",
     .choices = "trace|debug|info|warn|error|off",
     .help = "Records below it are not written"},
    {.name = "LOG_FORMAT",
     .type = CONFIG_CHOICE,
     .offset = offsetof(struct cache_config, log_format),
     .initial = "text",
     .choices = "text|json",
     .help = "Form of a record"},
};

/* What no row can say alone. */
static enum app_err check_all(const void *checked, struct err_buf *why)
{
    const struct cache_config *config = checked;
    const struct rpc_tls tls = {config->tls_ca, config->tls_cert, config->tls_key};
    return rpc_tls_check(&tls, "TLS_", why);
}

struct config_table cache_config_table(void)
{
    return (struct config_table){
        .entries = entries, .count = sizeof(entries) / sizeof(entries[0]), .check = check_all};
}
