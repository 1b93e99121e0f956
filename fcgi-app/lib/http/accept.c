/* SPDX-License-Identifier: MIT */
#include "lib/http/accept.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { WHOLE = 1000 };

static const char blanks[] = " \t";

/* The length up to one of `stops` that does not stand in a quoted string, or to the end. */
static size_t span_until(const char *text, const char *stops)
{
    bool quoted = false;
    const char *at = text;
    for (; *at; at++) {
        if (*at == '\\' && quoted && at[1])
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted && strchr(stops, *at))
            break;
    }
    return (size_t)(at - text);
}

/* "0.5" is 500; what is no weight counts as none given. */
static unsigned read_weight(const char *text, size_t len)
{
    unsigned weight = 0;
    unsigned unit = WHOLE;
    if (len == 0 || (text[0] != '0' && text[0] != '1') || (len > 1 && text[1] != '.') || len > 5)
        return WHOLE;
    for (size_t i = 0; i < len; i++) {
        if (i == 1)
            continue;
        if (text[i] < '0' || text[i] > '9')
            return WHOLE;
        weight += unit * (unsigned)(text[i] - '0');
        unit /= 10;
    }
    return weight < WHOLE ? weight : WHOLE;
}

/* The weight among a range's parameters, which begin at the first ';'. */
static unsigned weight_of(const char *parameters, const char *end)
{
    while (parameters < end && *parameters == ';') {
        parameters++;
        parameters += strspn(parameters, blanks);
        size_t len = span_until(parameters, ";,");
        if (len >= 2 && strncasecmp(parameters, "q=", 2) == 0)
            return read_weight(parameters + 2, strcspn(parameters + 2, " \t;,"));
        parameters += len;
    }
    return WHOLE;
}

static enum accept_fit fit_of(const char *range, size_t len, const char *type)
{
    size_t major = strcspn(type, "/") + 1; /* with its slash */
    if (len == strlen(type) && strncasecmp(range, type, len) == 0)
        return ACCEPT_NAMED;
    if (len == 3 && memcmp(range, "*/*", len) == 0)
        return ACCEPT_ANY;
    if (len == major + 1 && range[major] == '*' && strncasecmp(range, type, major) == 0)
        return ACCEPT_MAJOR;
    return ACCEPT_NONE;
}

struct accept_weight accept_weigh(const char *accept, const char *type)
{
    struct accept_weight best = {ACCEPT_NONE, 0};
    if (!accept)
        return (struct accept_weight){ACCEPT_ANY, WHOLE};
    while (*accept) {
        accept += strspn(accept, " \t,");
        const char *end = accept + span_until(accept, ",");
        size_t len = strcspn(accept, "; \t,");
        enum accept_fit fit = fit_of(accept, len, type);
        const char *parameters = accept + len;
        parameters += strspn(parameters, blanks);
        if (fit > best.fit)
            best = (struct accept_weight){fit, weight_of(parameters, end)};
        accept = end;
    }
    return best;
}

bool accept_prefers_json(const char *accept)
{
    struct accept_weight json = accept_weigh(accept, "application/json");
    struct accept_weight problem = accept_weigh(accept, "application/problem+json");
    struct accept_weight text = accept_weigh(accept, "text/plain");
    /* Only errors come as that, so it counts where it was meant. */
    if (problem.fit == ACCEPT_NAMED && problem.thousandths > json.thousandths)
        json = problem;
    if (json.thousandths == text.thousandths)
        return json.thousandths > 0 && json.fit == ACCEPT_NAMED;
    return json.thousandths > text.thousandths;
}
