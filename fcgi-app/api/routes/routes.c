/* SPDX-License-Identifier: MIT */
/* A new route is a row here, a name in api/route_name.h and a file beside this one. */
#include "api/routes/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where routes live. Operators' places lie at the root, whatever API_PATH is. */
enum place { API, METRICS, DEBUG, PPROF, PLACE__MAX };

/* Below it when it ends in a slash, else the path itself. The API's is API_PATH. */
static const char *const prefixes[PLACE__MAX] = {
    [METRICS] = "/metrics", [DEBUG] = "/debug/", [PPROF] = "/pprof/"};

enum existence {
    ALWAYS,
    WITH_PROFILE, /* PROFILE=on */
    WITH_TOKEN    /* there is an admin token; without one nobody could pass */
};

/* Who may pass, or which setting says so. */
enum rule { FOR_EVERYONE, BY_AUTHN_SERVER, BY_METRICS_AUTH, BY_PROFILE_AUTH, FOR_ADMIN };

enum speed { SLOW, QUICK };

struct row {
    enum http_method method;
    enum place place;
    const char *pattern; /* behind the prefix */
    enum route_name name;
    route_handler *handler;
    enum existence existence;
    enum rule rule;
    enum speed speed; /* see struct route_policy */
};

static const struct row rows[] = {
    {HTTP_GET, METRICS, "", ROUTE_METRICS, route_metrics, ALWAYS, BY_METRICS_AUTH, SLOW},
    {HTTP_GET, DEBUG, "log", ROUTE_LOG, route_log_level, WITH_TOKEN, FOR_ADMIN, SLOW},
    {HTTP_POST, DEBUG, "log", ROUTE_LOG, route_log_level_set, WITH_TOKEN, FOR_ADMIN, SLOW},
    {HTTP_GET, DEBUG, "", ROUTE_ADMIN, route_admin, WITH_PROFILE, BY_PROFILE_AUTH, SLOW},
    {HTTP_GET, DEBUG, "status", ROUTE_ADMIN_STATUS, route_admin_status, WITH_PROFILE,
     BY_PROFILE_AUTH, SLOW},
    {HTTP_GET, DEBUG, "pprof", ROUTE_PPROF, route_pprof, WITH_PROFILE, BY_PROFILE_AUTH, SLOW},
    {HTTP_GET, DEBUG, "pprof/", ROUTE_PPROF, route_pprof, WITH_PROFILE, BY_PROFILE_AUTH, SLOW},
    {HTTP_GET, DEBUG, "pprof/{name}", ROUTE_PPROF, route_pprof, WITH_PROFILE, BY_PROFILE_AUTH,
     SLOW},
    {HTTP_POST, DEBUG, "pprof/{name}", ROUTE_PPROF, route_pprof, WITH_PROFILE, BY_PROFILE_AUTH,
     SLOW},
    {HTTP_GET, DEBUG, "pprof/saved/{name}", ROUTE_PPROF, route_pprof, WITH_PROFILE, BY_PROFILE_AUTH,
     SLOW},
    {HTTP_GET, PPROF, "{name}", ROUTE_PPROF, route_pprof, WITH_PROFILE, BY_PROFILE_AUTH, SLOW},
    {HTTP_POST, PPROF, "{name}", ROUTE_PPROF, route_pprof, WITH_PROFILE, BY_PROFILE_AUTH, SLOW},
    {HTTP_POST, API, "", ROUTE_EMOJIFY, route_emojify, ALWAYS, BY_AUTHN_SERVER, SLOW},
    {HTTP_POST, API, "emojify/", ROUTE_EMOJIFY_CREATE, route_emojify_create, ALWAYS,
     BY_AUTHN_SERVER, SLOW},
    {HTTP_GET, API, "emojify/{id}", ROUTE_EMOJIFY_QUERY, route_emojify_query, ALWAYS, FOR_EVERYONE,
     SLOW},
    {HTTP_GET, API, "cache/{file}", ROUTE_CACHE, route_cache, ALWAYS, FOR_EVERYONE, QUICK},
    {HTTP_DELETE, API, "cache/{file}", ROUTE_CACHE, route_cache_delete, WITH_TOKEN, FOR_ADMIN,
     SLOW},
    {HTTP_GET, API, "health", ROUTE_HEALTH, route_health, ALWAYS, FOR_EVERYONE, SLOW},
    {HTTP_GET, API, "health/live", ROUTE_HEALTH_LIVE, route_health_live, ALWAYS, FOR_EVERYONE,
     QUICK},
    {HTTP_GET, API, "health/ready", ROUTE_HEALTH_READY, route_health_ready, ALWAYS, FOR_EVERYONE,
     SLOW},
    {HTTP_POST, API, "payments", ROUTE_PAYMENTS, route_payments, ALWAYS, BY_AUTHN_SERVER, SLOW},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

struct routes {
    const char *api_path;
    size_t api_path_len;
    char *patterns[ROW_COUNT];
    struct route at[ROW_COUNT];
    struct route_policy policies[ROW_COUNT];
    size_t count;
};

static bool exists(const struct row *row, const struct api_config *config)
{
    switch (row->existence) {
    case ALWAYS:
        return true;
    case WITH_PROFILE:
        return config->profile;
    case WITH_TOKEN:
        return config->profile_token[0] != '\0';
    }
    return false;
}

static enum route_access access_of(const struct row *row, const struct api_config *config)
{
    switch (row->rule) {
    case FOR_EVERYONE:
        return ROUTE_FOR_EVERYONE;
    case BY_AUTHN_SERVER:
        return config->authn_server[0] ? ROUTE_FOR_TOKEN_HOLDERS : ROUTE_FOR_EVERYONE;
    case BY_METRICS_AUTH:
        return config->metrics_auth == METRICS_AUTH_TOKEN ? ROUTE_FOR_ADMIN : ROUTE_FOR_KNOWN_HOSTS;
    case BY_PROFILE_AUTH:
        return config->profile_auth == PROFILE_AUTH_NONE ? ROUTE_FOR_OWN_SITE : ROUTE_FOR_ADMIN;
    case FOR_ADMIN:
        return ROUTE_FOR_ADMIN;
    }
    return ROUTE_FOR_ADMIN;
}

static char *make_pattern(const struct row *row, const char *api_path)
{
    const char *prefix = row->place == API ? api_path : prefixes[row->place];
    size_t size = strlen(prefix) + strlen(row->pattern) + 1;
    char *pattern = malloc(size);
    if (pattern)
        (void)snprintf(pattern, size, "%s%s", prefix, row->pattern);
    return pattern;
}

static bool add(struct routes *routes, const struct row *row, const struct api_config *config)
{
    size_t at = routes->count;
    char *pattern = make_pattern(row, config->api_path);
    if (!pattern)
        return false;
    routes->patterns[at] = pattern;
    routes->policies[at] =
        (struct route_policy){access_of(row, config), row->speed == QUICK, row->name};
    routes->at[at] = (struct route){row->method, pattern, route_name_text(row->name), row->handler,
                                    &routes->policies[at]};
    routes->count++;
    return true;
}

enum app_err routes_new(const struct api_config *config, struct routes **routes)
{
    struct routes *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->api_path = config->api_path;
    made->api_path_len = strlen(config->api_path);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct row *row = &rows[i];
        if (exists(row, config) && !add(made, row, config)) {
            routes_free(&made);
            return APP_NO_MEMORY;
        }
    }
    *routes = made;
    return APP_OK;
}

void routes_free(struct routes **routes)
{
    struct routes *freed = *routes;
    *routes = NULL;
    for (size_t i = 0; freed && i < freed->count; i++)
        free(freed->patterns[i]);
    free(freed);
}

enum app_err routes_match(const struct routes *routes, enum http_method method, const char *path,
                          struct route_match *match)
{
    return router_match(routes->at, routes->count, method, path, match);
}

static bool lies_in(const char *path, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(path, prefix, len) == 0 && (prefix[len - 1] == '/' || path[len] == '\0');
}

bool routes_is_for_pages(const struct routes *routes, const char *path)
{
    if (strncmp(path, routes->api_path, routes->api_path_len) != 0)
        return false;
    for (enum place place = METRICS; place < PLACE__MAX; place++) {
        if (lies_in(path, prefixes[place]))
            return false;
    }
    return true;
}

const struct route *routes_all(const struct routes *routes, size_t *count)
{
    *count = routes->count;
    return routes->at;
}
