/* SPDX-License-Identifier: MIT */
/*
 * What is kept in Redis, command by command. Connections are redis_pool's; see
 * there for what happens while Redis is away.
 */
#include "cache/store_redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/redis_pool.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"

enum { KEY_MAX = sizeof(STORE_REDIS_PREFIX) + LIMIT_CACHE_FOREIGN_ID };

/* Besides the entries, so that a user with access to emojify:* only can do it. */
static const char check_key[] = "emojify:check";

/* SET unless there is an empty value; ARGV: the bytes, milliseconds or 0. Returns whether it did.
 */
static const char put_script[] =
    "if redis.call('STRLEN', KEYS[1]) == 0 and redis.call('EXISTS', KEYS[1]) == 1 then "
    "return 0 end "
    "if ARGV[2] == '0' then redis.call('SET', KEYS[1], ARGV[1]) "
    "else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end "
    "return 1";

/* The length of the value; -1 when there is none. */
static const char exists_script[] =
    "local length = redis.call('STRLEN', KEYS[1]) "
    "if length == 0 and redis.call('EXISTS', KEYS[1]) == 0 then return -1 end "
    "return length";

struct store_redis {
    struct store base; /* first, so that a struct store is one of these */
    struct redis_pool *pool;
    char max_life_ms[24];
};

static struct store_redis *self_of(struct store *store)
{
    return (struct store_redis *)(void *)store;
}

/* An id's key, in `room` of KEY_MAX bytes. */
static struct redis_word key_of(const char *id, size_t id_len, char *room)
{
    static const char prefix[] = STORE_REDIS_PREFIX;
    const size_t prefix_len = sizeof(prefix) - 1;
    memcpy(room, prefix, sizeof(prefix));
    memcpy(room + prefix_len, id, id_len);
    return (struct redis_word){room, prefix_len + id_len};
}

/* What an error of Redis's means. Its first word is a code, but a script's may come before. */
static enum app_err judge_error(const struct redis_reply *reply, struct err_buf *why)
{
    err_detail(why, "Redis: %s", reply->data);
    if (strstr(reply->data, "OOM command not allowed"))
        return err_set(why, APP_TOO_LARGE, "no room is left in Redis");
    if (strstr(reply->data, "WRONGTYPE"))
        return err_set(why, APP_INTERNAL, "Redis has something else under this key");
    return err_set(why, APP_UNAVAILABLE, "Redis refuses to serve");
}

/* Run a command. On APP_OK the reply is of `type`; the caller releases it. */
static enum app_err call(struct store_redis *self, const struct redis_word *words, size_t count,
                         enum redis_type type, struct redis_reply *reply, struct err_buf *why)
{
    int64_t deadline_ns = deadline_in_ms(STORE_REDIS_TIMEOUT_MS);
    struct redis_reply found;
    store_before_wait(&self->base);
    enum app_err err = redis_pool_call(self->pool, words, count, deadline_ns, &found, why);
    if (err)
        return err == APP_NO_MEMORY ? err : APP_UNAVAILABLE;
    if (found.type == type) {
        *reply = found;
        return APP_OK;
    }
    if (found.type == REDIS_ERROR)
        err = judge_error(&found, why);
    else
        err = err_set(why, APP_UNAVAILABLE, "Redis answers something else than it is asked");
    redis_reply_release(&found);
    return err;
}

/* GETRANGE instead of GET, because somebody may have put half a gigabyte there. */
static enum app_err redis_get(struct store *store, const char *id, size_t id_len,
                              struct content **content, struct err_buf *why)
{
    char room[KEY_MAX];
    char last[16];
    struct redis_reply reply = {.type = REDIS_NIL};
    (void)snprintf(last, sizeof(last), "%d", LIMIT_RESULT_BYTES); /* one byte more */
    const struct redis_word words[] = {REDIS_WORD("GETRANGE"), key_of(id, id_len, room),
                                       REDIS_WORD("0"), REDIS_WORD(last)};
    enum app_err err = call(self_of(store), words, 4, REDIS_BYTES, &reply, why);
    if (err)
        return err;
    struct content *made = NULL;
    if (reply.len == 0)
        err = APP_NOT_FOUND;
    else if (reply.len > LIMIT_RESULT_BYTES)
        err = err_set(why, APP_TOO_LARGE, "the entry is larger than an answer may be");
    else if (!(made = content_new(reply.data, reply.len)))
        err = APP_NO_MEMORY;
    if (err) {
        redis_reply_release(&reply);
        return err;
    }
    *content = made;
    return APP_OK;
}

/* A mark, which replaces everything and stays. */
static enum app_err take_down(struct store_redis *self, struct redis_word key, struct err_buf *why)
{
    struct redis_reply reply = {.type = REDIS_NIL};
    const struct redis_word words[] = {REDIS_WORD("SET"), key, REDIS_WORD("")};
    enum app_err err = call(self, words, 3, REDIS_STATUS, &reply, why);
    if (!err)
        redis_reply_release(&reply);
    return err;
}

static enum app_err redis_put(struct store *store, const char *id, size_t id_len, const void *data,
                              size_t len, struct err_buf *why)
{
    struct store_redis *self = self_of(store);
    char room[KEY_MAX];
    struct redis_reply reply = {.type = REDIS_NIL};
    struct redis_word key = key_of(id, id_len, room);
    if (len == 0)
        return take_down(self, key, why);
    const struct redis_word words[] = {REDIS_WORD("EVAL"), REDIS_WORD(put_script),
                                       REDIS_WORD("1"),    key,
                                       {data, len},        REDIS_WORD(self->max_life_ms)};
    enum app_err err = call(self, words, 6, REDIS_NUMBER, &reply, why);
    if (err)
        return err;
    err = reply.number == 0 ? APP_GONE : APP_OK;
    redis_reply_release(&reply);
    return err;
}

static enum app_err redis_exists(struct store *store, const char *id, size_t id_len, bool *exists,
                                 struct err_buf *why)
{
    char room[KEY_MAX];
    struct redis_reply reply = {.type = REDIS_NIL};
    const struct redis_word words[] = {REDIS_WORD("EVAL"), REDIS_WORD(exists_script),
                                       REDIS_WORD("1"), key_of(id, id_len, room)};
    enum app_err err = call(self_of(store), words, 4, REDIS_NUMBER, &reply, why);
    if (err)
        return err;
    err = reply.number == 0 ? APP_GONE : APP_OK;
    if (!err)
        *exists = reply.number > 0;
    redis_reply_release(&reply);
    return err;
}

/* A replica cannot be written, for example. A full memory passes: what is stored can be read. */
static enum app_err redis_check(struct store *store, struct err_buf *why)
{
    struct redis_reply reply = {.type = REDIS_NIL};
    const struct redis_word words[] = {REDIS_WORD("SET"), REDIS_WORD(check_key), REDIS_WORD("1"),
                                       REDIS_WORD("EX"), REDIS_WORD("60")};
    enum app_err err = call(self_of(store), words, 5, REDIS_STATUS, &reply, why);
    if (!err)
        redis_reply_release(&reply);
    return err == APP_TOO_LARGE ? APP_OK : err;
}

static void redis_look(struct store *store, struct store_state *state)
{
    redis_pool_look(self_of(store)->pool, &state->redis_away, &state->redis_connects);
}

static void redis_free(struct store *store)
{
    struct store_redis *self = self_of(store);
    redis_pool_free(&self->pool);
    free(self);
}

static const struct store_operations operations = {
    .get = redis_get,
    .put = redis_put,
    .exists = redis_exists,
    .check = redis_check,
    .look = redis_look,
    .free = redis_free,
};

enum app_err store_redis_new(const struct store_redis_options *options, struct store **store,
                             struct err_buf *why)
{
    struct redis_url url;
    enum app_err err = redis_url_parse(options->url, &url, why);
    if (err)
        return err;
    struct store_redis *self = calloc(1, sizeof(*self));
    if (!self)
        return APP_NO_MEMORY;
    self->base.operations = &operations;
    (void)snprintf(self->max_life_ms, sizeof(self->max_life_ms), "%" PRId64, options->max_life_ms);
    err = redis_pool_new(&url, options->log, &self->pool, why);
    if (err) {
        free(self);
        return err;
    }
    *store = &self->base;
    return APP_OK;
}
