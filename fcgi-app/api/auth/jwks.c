/* SPDX-License-Identifier: MIT */
/*
 * A fetched document replaces the set as a whole, so that a key that its owner
 * has taken back is gone with the first fetch after.
 */
#include "api/auth/jwks.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/clients/wait_budget.h"
#include "lib/base/clock.h"
#include "lib/base/condition.h"
#include "lib/telemetry/lock.h"

enum { FETCH_TIMEOUT_MS = 3000, UNKNOWN_IDS = 64 };

static const int64_t set_lifetime_ns = 3600 * NS_PER_S;
static const int64_t renewal_age_ns = 2700 * NS_PER_S;
static const int64_t renewal_retry_ns = 60 * NS_PER_S;
static const int64_t unknown_lifetime_ns = 60 * NS_PER_S;
static const int64_t refresh_interval_ns = 10 * NS_PER_S;
static const int64_t retry_interval_ns = 1 * NS_PER_S;

/* An id that the server did not know. */
struct unknown_id {
    char id[LIMIT_JWT_KEY_ID + 1];
    int64_t until_ns;
};

/* `lock` guards what follows it. */
struct jwks {
    struct jwks_options options;
    pthread_mutex_t lock;
    pthread_cond_t fetched; /* CLOCK_MONOTONIC */
    bool fetching;
    struct wait_budget budget;
    struct jwt_key *keys[LIMIT_JWKS_KEYS];
    size_t key_count;    /* 0: there is no set */
    int64_t fetched_ns;  /* when the set came */
    int64_t renew_at_ns; /* then the next who comes fetches it anew, good as it still is */
    int64_t retry_at_ns; /* after a failure: not before */
    struct unknown_id unknown[UNKNOWN_IDS];
    size_t next_unknown; /* the oldest, which is overwritten next */
};

/* Keys on their way from the server into the set. */
struct key_list {
    struct jwt_key *keys[LIMIT_JWKS_KEYS];
    size_t count;
};

enum app_err jwks_new(const struct jwks_options *options, struct jwks **jwks)
{
    struct jwks *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->options = *options;
    made->budget.most = options->patient;
    if (!made->options.now_ns)
        made->options.now_ns = clock_now_ns;
    pthread_cond_init(&made->fetched, NULL);
    pthread_mutex_init(&made->lock, NULL);
    *jwks = made;
    return APP_OK;
}

static void release_keys(struct jwt_key **keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        jwt_key_put(&keys[i]);
}

void jwks_free(struct jwks **jwks)
{
    struct jwks *old = *jwks;
    *jwks = NULL;
    if (!old)
        return;
    release_keys(old->keys, old->key_count);
    pthread_cond_destroy(&old->fetched);
    pthread_mutex_destroy(&old->lock);
    free(old);
}

/* --- What is known; under the lock --- */

static bool has_set(const struct jwks *jwks, int64_t now_ns)
{
    return jwks->key_count > 0 && now_ns - jwks->fetched_ns < set_lifetime_ns;
}

/*
 * Whether this one should fetch the set, though it can be used, so that the end of its hour
 * finds nobody without one. Not who has no time left for a fetch.
 */
static bool should_renew(const struct jwks *jwks, const struct jwks_call *call, int64_t now_ns)
{
    return !jwks->fetching && now_ns >= jwks->renew_at_ns && now_ns >= jwks->retry_at_ns &&
           deadline_left_ms(call->deadline_ns) >= FETCH_TIMEOUT_MS;
}

static struct jwt_key *find(const struct jwks *jwks, const char *id)
{
    for (size_t i = 0; i < jwks->key_count; i++) {
        if (strcmp(jwt_key_id(jwks->keys[i]), id) == 0)
            return jwks->keys[i];
    }
    return NULL;
}

static void remember_unknown(struct jwks *jwks, const char *id)
{
    struct unknown_id *unknown = &jwks->unknown[jwks->next_unknown];
    jwks->next_unknown = (jwks->next_unknown + 1) % UNKNOWN_IDS;
    memcpy(unknown->id, id, strlen(id) + 1);
    unknown->until_ns = jwks->options.now_ns() + unknown_lifetime_ns;
}

static bool is_known_unknown(const struct jwks *jwks, const char *id, int64_t now_ns)
{
    for (size_t i = 0; i < UNKNOWN_IDS; i++) {
        if (now_ns < jwks->unknown[i].until_ns && strcmp(jwks->unknown[i].id, id) == 0)
            return true;
    }
    return false;
}

/* Whether the server may be asked for an id that is not in the set: APP_OK. */
static enum app_err may_ask(const struct jwks *jwks, const char *id, struct err_buf *why)
{
    int64_t now_ns = jwks->options.now_ns();
    if (has_set(jwks, now_ns) &&
        (is_known_unknown(jwks, id, now_ns) || now_ns - jwks->fetched_ns < refresh_interval_ns))
        return APP_NOT_FOUND;
    if (now_ns < jwks->retry_at_ns) {
        err_detail(why, "JWKS: the server could not be asked a moment ago");
        return APP_UNAVAILABLE;
    }
    return APP_OK;
}

/* --- Asking the server --- */

/* Keys that are not taken are passed over; the last one's reason stays in `why`. */
static enum app_err fetch(const struct jwks *jwks, const struct jwks_call *call,
                          struct key_list *list, struct err_buf *why)
{
    json_t *keys = NULL;
    size_t index;
    json_t *jwk;
    struct jwks_call bounded = *call;
    bounded.deadline_ns = deadline_min(call->deadline_ns, deadline_in_ms(FETCH_TIMEOUT_MS));
    enum app_err err = jwks_client_fetch(jwks->options.server, &bounded, &keys, why);
    json_array_foreach(keys, index, jwk)
    {
        err = jwt_key_new(jwk, &list->keys[list->count], why);
        if (!err)
            list->count++;
        else if (err == APP_NO_MEMORY)
            break;
    }
    json_decref(keys);
    if (list->count > 0 && err != APP_NO_MEMORY)
        return APP_OK;
    release_keys(list->keys, list->count);
    return err;
}

/* Called and left with the lock held, without it while the server is asked. */
static enum app_err refresh(struct jwks *jwks, const struct jwks_call *call, struct err_buf *why)
{
    struct key_list list = {.count = 0};
    int64_t no_deadline_ns = INT64_MAX; /* the fetch has one of its own */
    jwks->fetching = true;
    bool at_length = wait_budget_enter(&jwks->budget, &no_deadline_ns);
    pthread_mutex_unlock(&jwks->lock);
    enum app_err err = fetch(jwks, call, &list, why);
    lock_mutex(&jwks->lock);
    wait_budget_leave(&jwks->budget, at_length, !err);
    int64_t now_ns = jwks->options.now_ns();
    if (err) {
        jwks->retry_at_ns = now_ns + retry_interval_ns;
        if (jwks->renew_at_ns < now_ns + renewal_retry_ns)
            jwks->renew_at_ns = now_ns + renewal_retry_ns;
    } else {
        release_keys(jwks->keys, jwks->key_count);
        memcpy(jwks->keys, list.keys, sizeof(jwks->keys));
        jwks->key_count = list.count;
        jwks->fetched_ns = now_ns;
        jwks->renew_at_ns = now_ns + renewal_age_ns;
    }
    jwks->fetching = false;
    pthread_cond_broadcast(&jwks->fetched);
    return err == APP_OK || err == APP_NO_MEMORY ? err : APP_UNAVAILABLE;
}

/* Until the thread that fetches has done so. */
static enum app_err wait_for_fetch(struct jwks *jwks, int64_t deadline_ns, struct err_buf *why)
{
    bool at_length = wait_budget_enter(&jwks->budget, &deadline_ns);
    while (jwks->fetching && condition_wait(&jwks->fetched, &jwks->lock, deadline_ns))
        continue;
    wait_budget_leave(&jwks->budget, at_length, false);
    if (!jwks->fetching)
        return APP_OK;
    err_detail(why, "JWKS: another request still waits for the server");
    return APP_UNAVAILABLE;
}

/* A reference to a key of that id, of a set that was good when it was asked for; or NULL. */
static struct jwt_key *known_key(struct jwks *jwks, const struct jwks_call *call, const char *id)
{
    int64_t now_ns = jwks->options.now_ns();
    struct jwt_key *found = has_set(jwks, now_ns) ? find(jwks, id) : NULL;
    if (!found)
        return NULL;
    struct jwt_key *key = jwt_key_get(found);
    if (!should_renew(jwks, call, now_ns) || refresh(jwks, call, NULL))
        return key;
    jwt_key_put(&key); /* it may have been taken back */
    found = find(jwks, id);
    return found ? jwt_key_get(found) : NULL;
}

enum app_err jwks_get(struct jwks *jwks, const struct jwks_call *call, const char *id,
                      struct jwt_key **key, struct err_buf *why)
{
    enum app_err err = APP_OK;
    struct jwt_key *found = NULL;
    lock_mutex(&jwks->lock);
    while (!err && !(found = known_key(jwks, call, id))) {
        err = may_ask(jwks, id, why);
        if (!err && jwks->fetching) {
            err = wait_for_fetch(jwks, call->deadline_ns, why);
        } else if (!err) {
            err = refresh(jwks, call, why);
            if (!err && !find(jwks, id))
                remember_unknown(jwks, id);
        }
    }
    if (!err)
        *key = found;
    pthread_mutex_unlock(&jwks->lock);
    return err;
}
