/* SPDX-License-Identifier: MIT */
/* The table of settings; a new one is a row here and a member in config.h. */
#include "api/config.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "api/auth/admin_guard.h"
#include "lib/base/host_port.h"
#include "lib/http/cors.h"
#include "lib/net/address_guard.h"
#include "lib/net/host_list.h"
#include "lib/rpc/tls.h"
#include "lib/telemetry/statsd.h"

static enum app_err check_api_path(const char *value, struct err_buf *why)
{
    size_t len = strlen(value);
    if (len == 0 || value[0] != '/' || value[len - 1] != '/' || strchr(value, '{'))
        return err_set(why, APP_CONFIG, "must begin and end with /, without {");
    return APP_OK;
}

static bool is_host_and_port(const char *text, size_t len)
{
    struct host_port found;
    return host_port_read(text, len, &found) && found.host[0] && !strchr(found.host, ',');
}

static bool is_address_list(const char *list)
{
    size_t len;
    for (;; list += len + 1) {
        len = strcspn(list, ",");
        if (!is_host_and_port(list, len))
            return false;
        if (list[len] == '\0')
            return true;
    }
}

/* Of the targets that gRPC knows those whose port is said, so that none is guessed. */
static enum app_err check_address(const char *value, struct err_buf *why)
{
    static const char words[] = "must be host:port, unix:/path, dns:///host:port or, for several "
                                "caches, ipv4:address:port,... or ipv6:[address]:port,...";
    bool ok;
    if (strncmp(value, "unix:", 5) == 0)
        ok = value[5] == '/';
    else if (strncmp(value, "ipv4:", 5) == 0 || strncmp(value, "ipv6:", 5) == 0)
        ok = is_address_list(value + 5);
    else if (strncmp(value, "dns:///", 7) == 0)
        ok = is_host_and_port(value + 7, strlen(value + 7));
    else
        ok = is_host_and_port(value, strlen(value));
    return ok ? APP_OK : err_set(why, APP_CONFIG, "%s", words);
}

static enum app_err check_metrics_address(const char *value, struct err_buf *why)
{
    if (*value &&
        (strncmp(value, "unix:", 5) == 0 || strpbrk(value, "/@?#") || check_address(value, why)))
        return err_set(why, APP_CONFIG, "must be host:port");
    return APP_OK;
}

static enum app_err check_base_url(const char *value, struct err_buf *why)
{
    if (strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0)
        return err_set(why, APP_CONFIG, "must begin with http:// or https://");
    return APP_OK;
}

static enum app_err check_optional_url(const char *value, struct err_buf *why)
{
    return *value ? check_base_url(value, why) : APP_OK;
}

static enum app_err check_run_dir(const char *value, struct err_buf *why)
{
    return value[0] == '/' ? APP_OK : err_set(why, APP_CONFIG, "must be an absolute path");
}

static enum app_err check_local_cache_dir(const char *value, struct err_buf *why)
{
    enum { LEN_MAX = 1024 };
    if (value[0] != '\0' && (value[0] != '/' || value[1] == '\0' || strlen(value) > LEN_MAX))
        return err_set(why, APP_CONFIG, "must be an absolute path of at most %d bytes", LEN_MAX);
    return APP_OK;
}

static enum app_err check_profile_token(const char *value, struct err_buf *why)
{
    if (value[0] != '\0' && strlen(value) < ADMIN_TOKEN_MIN)
        return err_set(why, APP_CONFIG, "must have at least %d characters", ADMIN_TOKEN_MIN);
    return APP_OK;
}

/* What no row can say alone. */
static enum app_err check_all(const void *checked, struct err_buf *why)
{
    const struct api_config *config = checked;
    if (config->profile && config->profile_auth == PROFILE_AUTH_TOKEN &&
        config->profile_token[0] == '\0')
        return err_set(why, APP_CONFIG,
                       "PROFILE=on needs PROFILE_TOKEN, or PROFILE_AUTH=none when the web server "
                       "guards /debug/ and /pprof/");
    if (config->metrics_auth == METRICS_AUTH_TOKEN && config->profile_token[0] == '\0')
        return err_set(why, APP_CONFIG, "METRICS_AUTH=token needs PROFILE_TOKEN");
    const struct rpc_tls tls = {config->cache_tls_ca, config->cache_tls_cert,
                                config->cache_tls_key};
    return rpc_tls_check(&tls, "CACHE_TLS_", why);
}

#define MEMBER(name) offsetof(struct api_config, name)

static const struct config_entry entries[] = {
    {"API_PATH", CONFIG_STRING, MEMBER(api_path), "/", NULL, NULL, NULL,
     "Path below which the API's routes lie, as clients see it", check_api_path},
    {"ALLOW_ORIGIN", CONFIG_STRING, MEMBER(allow_origin), "*", NULL, NULL, NULL,
     "Sites whose pages may use the API: *, or a list such as https://a.example, "
     "http://*.b.example",
     cors_check_origins},
    {"AUTHN_SERVER", CONFIG_STRING, MEMBER(authn_server), NULL, NULL, NULL, NULL,
     "Authentication server: POST needs a token with exactly this URL as its iss, signed with a "
     "key of {AUTHN_SERVER}/jwks; empty: POST is open to everybody",
     check_optional_url},
    {"AUTHN_AUDIENCE", CONFIG_STRING, MEMBER(authn_audience), "emojify", NULL, NULL, NULL,
     "What a token's aud must hold", NULL},
    {"CACHE_ADDRESS", CONFIG_STRING, MEMBER(cache_address), "127.0.0.1:9090", NULL, NULL, NULL,
     "Where the cache service listens: host:port or unix:/path; of several caches that share their "
     "store: dns:///host:port, ipv4:address:port,... or ipv6:[address]:port,...",
     check_address},
    {"CACHE_TIMEOUT", CONFIG_DURATION, MEMBER(cache_timeout_ms), "2s", "10ms", "60s", NULL,
     "Longest wait for the cache to find a picture", NULL},
    {"CACHE_TLS_CA", CONFIG_STRING, MEMBER(cache_tls_ca), NULL, NULL, NULL, NULL,
     "File with the authority that has issued the cache's certificate; empty: no TLS", NULL},
    {"CACHE_TLS_CERT", CONFIG_STRING, MEMBER(cache_tls_cert), NULL, NULL, NULL, NULL,
     "File with the certificate that is shown to the cache", NULL},
    {"CACHE_TLS_KEY", CONFIG_STRING, MEMBER(cache_tls_key), NULL, NULL, NULL, NULL,
     "File with its private key", NULL},
    {"CACHE_TLS_IDENTITY", CONFIG_STRING, MEMBER(cache_tls_identity), NULL, NULL, NULL, NULL,
     "SPIFFE URI that the cache's certificate must have; empty: its host name, or any such URI",
     rpc_tls_check_identity},
    {"CACHE_METRICS_ADDRESS", CONFIG_STRING, MEMBER(cache_metrics_address), NULL, NULL, NULL, NULL,
     "host:port where the cache service serves /metrics, for its CPU time on /debug/; empty: not "
     "shown",
     check_metrics_address},
    {"FACEBOX", CONFIG_STRING, MEMBER(facebox), "http://127.0.0.1:8090", NULL, NULL, NULL,
     "Base URL of the face detection service", check_base_url},
    {"FACEBOX_USER", CONFIG_STRING, MEMBER(facebox_user), NULL, NULL, NULL, NULL,
     "User for the face detection service; empty: no authorization", NULL},
    {"FACEBOX_PASS", CONFIG_SECRET, MEMBER(facebox_pass), NULL, NULL, NULL, NULL,
     "Password for the face detection service", NULL},
    {"FACEBOX_TIMEOUT", CONFIG_DURATION, MEMBER(facebox_timeout_ms), "30s", "100ms", "5m", NULL,
     "Longest wait for the faces of one picture", NULL},
    {"FETCH_TIMEOUT", CONFIG_DURATION, MEMBER(fetch_timeout_ms), "3s", "100ms", "60s", NULL,
     "Longest time to fetch a picture, redirects included", NULL},
    {"FETCH_CONCURRENCY", CONFIG_INT, MEMBER(fetch_concurrency), "0", "0", "1024", NULL,
     "Pictures that the processes of the pool fetch at a time; 0: a quarter of their WORKERS. "
     "While others wait, one origin has a quarter of it at most",
     NULL},
    {"FETCH_ALLOW_CIDR", CONFIG_STRING, MEMBER(fetch_allow_cidr), NULL, NULL, NULL, NULL,
     "Address ranges that may be fetched from though they are private: 10.1.0.0/16, ::1/128",
     address_guard_check_cidr_list},
    {"FETCH_ALLOW_PORTS", CONFIG_STRING, MEMBER(fetch_allow_ports), NULL, NULL, NULL, NULL,
     "Ports that may be fetched from besides 80 and 443: 8080, 9000-9100",
     address_guard_check_port_list},
    {"FETCH_ALLOW_HOSTS", CONFIG_STRING, MEMBER(fetch_allow_hosts), NULL, NULL, NULL, NULL,
     "The only hosts that may be fetched from: example.org, *.example.net; empty: any",
     host_list_check},
    {"FETCH_DENY_HOSTS", CONFIG_STRING, MEMBER(fetch_deny_hosts), NULL, NULL, NULL, NULL,
     "Hosts that are never fetched from, whatever FETCH_ALLOW_HOSTS says", host_list_check},
    {"PAYMENT_ADDRESS", CONFIG_STRING, MEMBER(payment_address), NULL, NULL, NULL, NULL,
     "URL of the payment gateway that POST /payments hands cards to; empty: it answers 501",
     check_optional_url},
    {"EMOJIFY_FORMAT", CONFIG_CHOICE, MEMBER(emojify_format), "auto", NULL, NULL,
     "auto|jpeg|png|webp",
     "Format of the result; auto is PNG where the source has alpha, else JPEG", NULL},
    {"EMOJIFY_TIMEOUT", CONFIG_DURATION, MEMBER(emojify_timeout_ms), "10s", "100ms", "60s", NULL,
     "Longest time to decode, and again to draw, one picture", NULL},
    {"EMOJIFY_CONCURRENCY", CONFIG_INT, MEMBER(emojify_concurrency), "0", "0", "1024", NULL,
     "Pictures that the processes of the pool work on at a time; 0: as many as there are cores, "
     "but no more than half of WORKERS less two",
     NULL},
    {"EMOJIFY_QUEUE", CONFIG_INT, MEMBER(emojify_queue), "0", "0", "1024", NULL,
     "Requests that may wait for that; 0: the rest of half of WORKERS less two, at least one",
     NULL},
    {"PICTURE_MEMORY", CONFIG_SIZE, MEMBER(picture_memory_bytes), "1G", "1M", "1T", NULL,
     "Memory that all pictures of a process may take at one time, estimated from their headers",
     NULL},
    {"REQUEST_TIMEOUT", CONFIG_DURATION, MEMBER(request_timeout_ms), "45s", "1s", "10m", NULL,
     "Longest time for one request from the end of its body on, all its steps together", NULL},
    {"UPLOAD_TIMEOUT", CONFIG_DURATION, MEMBER(upload_timeout_ms), "5m", "1s", "1h", NULL,
     "Longest time for a request's body to come", NULL},
    {"UPLOAD_MIN_RATE", CONFIG_SIZE, MEMBER(upload_min_rate), "1000", "1", "1G", NULL,
     "Bytes a second at which a body must come on average, after its first 30 seconds", NULL},
    {"UPLOAD_MEMORY", CONFIG_SIZE, MEMBER(upload_memory_bytes), "64M", "16M", "1T", NULL,
     "Memory of a process for bodies that are coming, and for answers that are read slowly; the "
     "slowest give way",
     NULL},
    {"SEND_TIMEOUT", CONFIG_DURATION, MEMBER(send_timeout_ms), "60s", "1s", "10m", NULL,
     "How long the web server may take nothing of an answer", NULL},
    {"KEEPALIVE_TIMEOUT", CONFIG_DURATION, MEMBER(keepalive_timeout_ms), "65s", "1s", "1h", NULL,
     "How long a connection of the web server is kept without a request; longer than there", NULL},
    {"LOCAL_CACHE_TTL", CONFIG_DURATION, MEMBER(local_cache_ttl_ms), "30s", "0s", "24h", NULL,
     "How long an answer of /cache/ may be kept by browsers, proxies and the local tier without "
     "asking the cache again; 0: not at all",
     NULL},
    {"LOCAL_CACHE_DIR", CONFIG_STRING, MEMBER(local_cache_dir), NULL, NULL, NULL, NULL,
     "Directory, in memory best, for files of the cache that the web server sends itself; empty: "
     "none",
     check_local_cache_dir},
    {"LOCAL_CACHE_BYTES", CONFIG_SIZE, MEMBER(local_cache_bytes), "256M", "64K", "1024G", NULL,
     "Most that it may hold; what was longest unused goes first", NULL},
    {"RUN_DIR", CONFIG_STRING, MEMBER(run_dir), "/run/emojify-api", NULL, NULL, NULL,
     "Directory that the processes of one pool share; nobody else may write to it", check_run_dir},
    {"PROFILE", CONFIG_BOOL, MEMBER(profile), "off", NULL, NULL, NULL,
     "Whether the profiling routes exist: /debug/pprof/ and /pprof/", NULL},
    {"PROFILE_TOKEN", CONFIG_SECRET, MEMBER(profile_token), NULL, NULL, NULL, NULL,
     "The admin token, of at least 16 characters: the profiling routes ask for it, and so do "
     "/debug/log and DELETE of a picture",
     check_profile_token},
    {"PROFILE_AUTH", CONFIG_CHOICE, MEMBER(profile_auth), "token", NULL, NULL, "token|none",
     "none: the web server guards the profiling routes, and they ask for nothing", NULL},
    {"ADMIN_HOSTS", CONFIG_STRING, MEMBER(admin_hosts), NULL, NULL, NULL, NULL,
     "Names of this server under which /metrics, and with PROFILE_AUTH=none /debug/, may be asked "
     "without a token, besides localhost and addresses: emojify.example.org, *.internal",
     host_list_check},
    {"METRICS_AUTH", CONFIG_CHOICE, MEMBER(metrics_auth), "none", NULL, NULL, "none|token",
     "token: /metrics asks for the admin token; none: the web server guards it", NULL},
    {"PROFILE_HZ", CONFIG_INT, MEMBER(profile_hz), "100", "1", "250", NULL,
     "Samples a second of CPU time while a profile is taken", NULL},
    {"PROFILE_RING", CONFIG_INT, MEMBER(profile_ring_hz), "0", "0", "250", NULL,
     "Samples a second that are always taken and kept for ten minutes, for profile?ago=; 0: none",
     NULL},
    {"PROFILE_MAX_SECONDS", CONFIG_INT, MEMBER(profile_max_seconds), "60", "1", "3600", NULL,
     "Longest profile that may be asked for; the web server must wait as long", NULL},
    {"PROFILE_HEAP", CONFIG_SIZE, MEMBER(profile_heap_bytes), "0", "0", "1G", NULL,
     "Sample one allocation in so many bytes for the heap profile, 512K is usual; 0: none", NULL},
    {"PROFILE_AUTO", CONFIG_BOOL, MEMBER(profile_auto), "on", NULL, NULL, NULL,
     "Whether a profile is saved when a route's CPU time a request triples (with PROFILE=on)",
     NULL},
    {"CACHE_ERROR_RATE", CONFIG_FRACTION, MEMBER(cache_fault.rate), "0", NULL, NULL, NULL,
     "Share of the requests to /cache/ that get a fault on purpose", NULL},
    {"CACHE_ERROR_TYPE", CONFIG_CHOICE, MEMBER(cache_fault.type), "http_error", NULL, NULL,
     "http_error|delay|dump",
     "Which: an error instead of the answer, a pause before it, or the cache's whole reply printed "
     "to standard error",
     NULL},
    {"CACHE_ERROR_CODE", CONFIG_INT, MEMBER(cache_fault.code), "500", "400", "599", NULL,
     "Status of such an error", NULL},
    {"CACHE_ERROR_DELAY", CONFIG_DURATION, MEMBER(cache_fault.delay_ms), "1s", "0s", "10m", NULL,
     "Length of such a pause", NULL},
    {"EMOJIFY_ERROR_RATE", CONFIG_FRACTION, MEMBER(emojify_fault.rate), "0", NULL, NULL, NULL,
     "Share of the requests for a new picture that get a fault on purpose", NULL},
    {"EMOJIFY_ERROR_TYPE", CONFIG_CHOICE, MEMBER(emojify_fault.type), "http_error", NULL, NULL,
     "http_error|delay", "Which: an error instead of the answer, or a pause before it", NULL},
    {"EMOJIFY_ERROR_CODE", CONFIG_INT, MEMBER(emojify_fault.code), "500", "400", "599", NULL,
     "Status of such an error", NULL},
    {"EMOJIFY_ERROR_DELAY", CONFIG_DURATION, MEMBER(emojify_fault.delay_ms), "1s", "0s", "10m",
     NULL, "Length of such a pause", NULL},
    {"STATSD_SERVER", CONFIG_STRING, MEMBER(statsd_server), NULL, NULL, NULL, NULL,
     "host:port of a statsd server that takes DogStatsD's tags; empty: none is told",
     statsd_check_server},
    {"STATSD_TAGS", CONFIG_STRING, MEMBER(statsd_tags), NULL, NULL, NULL, NULL,
     "Tags that each metric for statsd carries besides its own: env:production,region:eu",
     statsd_check_tags},
    {"WORKERS", CONFIG_INT, MEMBER(workers), "0", "0", "1024", NULL,
     "Threads that answer requests; 0: four a core, at least 16", NULL},
    {"SHUTDOWN_GRACE", CONFIG_DURATION, MEMBER(shutdown_grace_ms), "30s", "0s", "10m", NULL,
     "How long a stop waits for the requests in hand", NULL},
    {"LOG_LEVEL", CONFIG_CHOICE, MEMBER(log_level), "info", NULL, NULL,
     "trace|debug|info|warn|error|off", "Least important level that is logged", NULL},
    {"LOG_FORMAT", CONFIG_CHOICE, MEMBER(log_format), "text", NULL, NULL, "text|json",
     "Shape of a log line", NULL},
};

const struct config_table api_config_table = {entries, sizeof(entries) / sizeof(entries[0]),
                                              check_all};

unsigned api_config_workers(const struct api_config *config)
{
    enum { PER_CORE = 4, LEAST = 16 };
    if (config->workers > 0)
        return (unsigned)config->workers;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long workers = cores > 0 ? cores * PER_CORE : LEAST;
    return (unsigned)(workers > LEAST ? workers : LEAST);
}
