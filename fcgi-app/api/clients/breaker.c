/* SPDX-License-Identifier: MIT */
/* A change of state begins a new history, so that an upstream that is back starts clean. */
#include "api/clients/breaker.h"

#include "lib/base/clock.h"
#include "lib/base/condition.h"

void breaker_init(struct breaker *breaker, const char *upstream,
                  void (*changed)(void *context, bool open), void *context)
{
    *breaker = (struct breaker){.upstream = upstream, .changed = changed, .context = context};
    pthread_mutex_init(&breaker->lock, NULL);
    pthread_cond_init(&breaker->probed, NULL);
}

void breaker_release(struct breaker *breaker)
{
    pthread_cond_destroy(&breaker->probed);
    pthread_mutex_destroy(&breaker->lock);
}

/* The functions below are called under the lock. */

static bool is_pausing(const struct breaker *breaker, int64_t now_ns)
{
    return breaker->open && now_ns - breaker->failed_ns < BREAKER_PAUSE_MS * NS_PER_MS;
}

static bool is_stale(const struct breaker *breaker, int64_t now_ns)
{
    return now_ns - breaker->failed_ns >= BREAKER_STALE_MS * NS_PER_MS;
}

static void change(struct breaker *breaker, bool open)
{
    breaker->open = open;
    breaker->probing = false;
    breaker->round++;
    breaker->in_row = 0;
    breaker->history = 0;
    breaker->known = 0;
    if (breaker->changed)
        breaker->changed(breaker->context, open);
}

static void note(struct breaker *breaker, bool failed)
{
    const uint32_t kept = (UINT32_C(1) << BREAKER_HISTORY) - 1;
    breaker->in_row = failed ? breaker->in_row + 1 : 0;
    breaker->history = ((breaker->history << 1) | (failed ? 1 : 0)) & kept;
    if (breaker->known < BREAKER_HISTORY)
        breaker->known++;
}

/* Asked after a failure only, so that it is never an answer that opens it. */
static bool has_failed_enough(const struct breaker *breaker)
{
    return breaker->in_row >= BREAKER_IN_ROW ||
           (breaker->known == BREAKER_HISTORY &&
            __builtin_popcount(breaker->history) >= BREAKER_HISTORY / 2);
}

static void end_probe(struct breaker *breaker, enum breaker_outcome outcome, int64_t now_ns)
{
    breaker->probing = false;
    pthread_cond_broadcast(&breaker->probed);
    if (outcome == BREAKER_ANSWERED)
        change(breaker, false);
    else if (outcome == BREAKER_FAILED)
        breaker->failed_ns = now_ns;
}

static void count(struct breaker *breaker, bool failed, int64_t now_ns)
{
    note(breaker, failed);
    if (failed && has_failed_enough(breaker)) {
        breaker->failed_ns = now_ns;
        change(breaker, true);
    }
}

static void wait_for_probe(struct breaker *breaker, int64_t patience_ns)
{
    while (breaker->probing && breaker->waited_for &&
           condition_wait(&breaker->probed, &breaker->lock, patience_ns))
        continue;
}

enum app_err breaker_enter(struct breaker *breaker, int64_t now_ns, int64_t patience_ns,
                           struct breaker_pass *pass, struct err_buf *why)
{
    *pass = (struct breaker_pass){.round = 0};
    if (!breaker)
        return APP_OK;
    pthread_mutex_lock(&breaker->lock);
    wait_for_probe(breaker, patience_ns);
    bool passes = !breaker->open || (!breaker->probing && !is_pausing(breaker, now_ns));
    if (passes) {
        *pass = (struct breaker_pass){breaker->round, breaker->open,
                                      breaker->open && is_stale(breaker, now_ns)};
        breaker->probing = pass->probe;
        breaker->waited_for = pass->stale;
    }
    pthread_mutex_unlock(&breaker->lock);
    if (passes)
        return APP_OK;
    err_detail(why, "the breaker is open");
    return err_set(why, APP_UNAVAILABLE, "%s is not available now, try again later",
                   breaker->upstream);
}

void breaker_vouch(struct breaker *breaker, struct breaker_pass *pass)
{
    if (!breaker || !pass->stale)
        return;
    pthread_mutex_lock(&breaker->lock);
    end_probe(breaker, BREAKER_ANSWERED, 0);
    *pass = (struct breaker_pass){.round = breaker->round};
    pthread_mutex_unlock(&breaker->lock);
}

void breaker_leave(struct breaker *breaker, const struct breaker_pass *pass,
                   enum breaker_outcome outcome, int64_t now_ns)
{
    if (!breaker)
        return;
    pthread_mutex_lock(&breaker->lock);
    if (pass->round == breaker->round) {
        if (pass->probe)
            end_probe(breaker, outcome, now_ns);
        else if (outcome != BREAKER_UNKNOWN)
            count(breaker, outcome == BREAKER_FAILED, now_ns);
    }
    pthread_mutex_unlock(&breaker->lock);
}

bool breaker_is_full_time(int64_t now_ns, int64_t deadline_ns, int64_t timeout_ms)
{
    return (deadline_ns - now_ns) / NS_PER_MS >= timeout_ms - timeout_ms / 10 - 1;
}

enum breaker_outcome breaker_judge_http(enum app_err err, int status, bool in_full)
{
    if (err == APP_OK)
        return status >= 500 ? BREAKER_FAILED : BREAKER_ANSWERED;
    if (err == APP_UPSTREAM_FAILED || (err == APP_UPSTREAM_TIMEOUT && in_full))
        return BREAKER_FAILED;
    return BREAKER_UNKNOWN;
}

enum breaker_state breaker_state(struct breaker *breaker, int64_t now_ns)
{
    pthread_mutex_lock(&breaker->lock);
    enum breaker_state state = BREAKER_CLOSED;
    if (breaker->open)
        state = is_pausing(breaker, now_ns) ? BREAKER_OPEN : BREAKER_HALF_OPEN;
    pthread_mutex_unlock(&breaker->lock);
    return state;
}

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half-open"};
    return names[state];
}
