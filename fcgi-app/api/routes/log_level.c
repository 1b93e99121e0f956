/* SPDX-License-Identifier: MIT */
/*
 * /debug/log: the log level of the whole pool. GET says what holds; POST
 * ?level=debug&for=600 changes it for so many seconds, in every process within a
 * second. See api/log_level.h.
 */
#include "api/log_level.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/app.h"
#include "api/routes/routes.h"
#include "lib/base/query.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"

enum { VALUE_MAX = 16, TEXT_MAX = 160 };

static enum app_err answer_state(struct exchange *exchange)
{
    const struct log_level_state state = log_level_look(&exchange->app->log_level);
    char text[TEXT_MAX];
    int len =
        snprintf(text, sizeof(text),
                 "{\"level\":\"%s\",\"configured\":\"%s\",\"seconds_left\":%" PRId64 "}\n",
                 log_level_name(state.level), log_level_name(state.configured), state.seconds_left);
    enum app_err err = response_header(exchange->response, "Cache-Control", "no-store");
    return err ? err
               : response_send(exchange->response, 200, "application/json", text, (size_t)len);
}

enum app_err route_log_level(struct exchange *exchange)
{
    return answer_state(exchange);
}

/* The seconds in `for`, or so many when it is not given; 0: it is no number that may be. */
static int64_t read_seconds(const char *query)
{
    char text[VALUE_MAX];
    if (!query_value(query, "for", text, sizeof(text)))
        return strstr(query, "for=") ? 0 : LOG_LEVEL_SECONDS;
    char *end;
    long long seconds = strtoll(text, &end, 10);
    return end != text && *end == '\0' && seconds <= LOG_LEVEL_SECONDS_MAX && seconds > 0 ? seconds
                                                                                          : 0;
}

enum app_err route_log_level_set(struct exchange *exchange)
{
    const char *query = exchange->request->query;
    char name[VALUE_MAX];
    enum log_level level;
    if (!query_value(query, "level", name, sizeof(name)) || !log_level_parse(name, &level))
        return err_set(&exchange->why, APP_BAD_REQUEST,
                       "level must be trace, debug, info, warn, error or off");
    int64_t seconds = read_seconds(query);
    if (seconds == 0)
        return err_set(&exchange->why, APP_BAD_REQUEST, "for must be seconds from 1 to %d",
                       LOG_LEVEL_SECONDS_MAX);
    enum app_err err = log_level_set(&exchange->app->log_level, level, seconds, &exchange->why);
    return err ? err : answer_state(exchange);
}
