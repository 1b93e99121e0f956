/* SPDX-License-Identifier: MIT */
/*
 * Both ends of the pool's commands: `serve` answers one for this process,
 * profiling_gather asks everybody and puts the answers together. A
 * profile travels as profile.proto without names, so that the names are looked
 * up once, and by the process that has somebody waiting for them.
 */
#include "profiling/profiling.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "profiling/legacy.h"
#include "profiling/pool.h"
#include "profiling/profile_proto.h"
#include "profiling/symbols.h"
#include "profiling/symbols_map.h"

enum {
    GATHERS_MAX = 4,      /* profiles under way for clients of this process */
    ANSWER_MS = 3000,     /* for a sibling to answer what is there already */
    LATE_PERCENT = 25,    /* of its seconds that a sibling may be late */
    PLACE_MS = 60 * 1000, /* that a profile may take beyond its seconds, to keep its place */
    COMMENT_MAX = 160,
};

struct profiling {
    struct pool *pool;
    struct provider_sources sources;
    struct symbols *symbols;
    struct route_table routes;
    const struct log *log;
    struct state state; /* but for what the sampler says */
    _Atomic int gathers;
};

/* --- Answering for this process ---------------------------------------------------- */

static enum app_err answer_state(struct profiling *profiling, struct buf *answer)
{
    struct state state = profiling->state;
    sampler_state(profiling->sources.sampler, &state.sampler);
    return state_write(&state, answer);
}

/* "name", "name seconds" or "name seconds ago"; false when it is something else. */
static bool parse_command(const char *command, struct provider_call *call)
{
    char name[32];
    int used = 0;
    if (sscanf(command, "%31s%n", name, &used) != 1)
        return false;
    char *end;
    call->provider = provider_find(name);
    call->seconds = strtod(command + used, &end);
    call->ago = strtod(end, NULL);
    return call->provider != NULL;
}

static enum app_err serve(void *context, const char *command, bool (*gone)(void *gone_context),
                          void *gone_context, struct buf *answer, struct err_buf *why)
{
    struct profiling *profiling = context;
    struct provider_call call = {.gone = gone, .gone_context = gone_context};
    struct profile *profile = NULL;
    static const char toggle_on[] = "toggle on ";
    if (strcmp(command, "state") == 0)
        return answer_state(profiling, answer);
    if (strcmp(command, "toggle off") == 0)
        return sampler_toggle(profiling->sources.sampler, false, 0, why);
    if (strncmp(command, toggle_on, sizeof(toggle_on) - 1) == 0)
        return sampler_toggle(profiling->sources.sampler, true,
                              (int)strtol(command + sizeof(toggle_on) - 1, NULL, 10), why);
    if (!parse_command(command, &call))
        return err_set(why, APP_NOT_IMPLEMENTED, "this process does not know %.40s", command);

    enum app_err err = call.provider->collect(&profiling->sources, &call, &profile, why);
    if (!err)
        err = profile_proto_write(profile, false, answer);
    profile_free(&profile);
    return err;
}

static void tick(void *context)
{
    struct profiling *profiling = context;
    sampler_tick(profiling->sources.sampler);
    heap_tick(profiling->sources.heap, clock_now_ns());
}

/* --- Asking everybody ----------------------------------------------------------------- */

struct gathering {
    const struct provider *provider;
    struct profile *merged;
    size_t answered;
    enum app_err err; /* the first that a sibling gave */
    struct err_buf *why;
    const struct log *log;
};

static void add_missing(struct gathering *gathering, const struct pool_answer *answer,
                        enum app_err err, const char *text)
{
    char comment[COMMENT_MAX];
    (void)snprintf(comment, sizeof(comment), "process %ld is missing: %s", (long)answer->pid,
                   text[0] ? text : app_strerror(err));
    (void)profile_add_comment(gathering->merged, comment);
    log_warn(gathering->log, "A sibling is missing in a profile",
             LOG_FIELDS(LOG_INT("pid", answer->pid), LOG_STR("error", app_err_slug(err)),
                        LOG_STR("reason", text)));
    if (!gathering->err)
        gathering->err = err_set(gathering->why, err, "%s", text);
}

static void add_answer(void *context, const struct pool_answer *answer)
{
    struct gathering *gathering = context;
    struct profile *profile = NULL;
    struct err_buf why = {.text = ""};
    if (answer->err) {
        add_missing(gathering, answer, answer->err, answer->text);
        return;
    }
    enum app_err err =
        profile_proto_read(gathering->provider->kind, answer->data, answer->len, &profile, &why);
    if (!err)
        err = gathering->provider->merge(gathering->merged, profile);
    profile_free(&profile);
    if (err)
        add_missing(gathering, answer, err, why.detail);
    else
        gathering->answered++;
}

/* When pprof's own clients stop waiting is 1.5 times the seconds, and some. */
static int64_t gather_deadline(const struct profiling_query *query)
{
    double wait_s = query->provider->seconds == PROVIDER_COLLECTS ? query->seconds : 0;
    return deadline_in_ms((int64_t)(wait_s * 1000 * (100 + LATE_PERCENT) / 100) + ANSWER_MS);
}

static void add_coverage(struct profile *profile, size_t answered, size_t asked)
{
    char comment[COMMENT_MAX];
    (void)snprintf(comment, sizeof(comment), "processes %zu/%zu", answered, asked);
    (void)profile_add_comment(profile, comment);
}

static enum app_err gather(struct profiling *profiling, const struct profiling_query *query,
                           struct profiling_result *result, struct err_buf *why)
{
    struct gathering gathering = {
        .provider = query->provider,
        .merged = profile_new(query->provider->kind),
        .why = why,
        .log = profiling->log,
    };
    char command[POOL_MAX_COMMAND];
    size_t asked = 0;
    if (!gathering.merged)
        return APP_NO_MEMORY;
    (void)snprintf(command, sizeof(command), "%s %.3f %.3f", query->provider->name, query->seconds,
                   query->ago);
    enum app_err err = pool_ask(profiling->pool, command, gather_deadline(query), add_answer,
                                &gathering, &asked, why);
    if (!err && gathering.answered == 0)
        err = gathering.err ? gathering.err : APP_UNAVAILABLE;
    if (!err)
        err = symbols_profile(profiling->symbols, gathering.merged);
    if (err) {
        profile_free(&gathering.merged);
        return err;
    }
    add_coverage(gathering.merged, gathering.answered, asked);
    *result = (struct profiling_result){gathering.merged, gathering.answered, asked};
    return APP_OK;
}

enum app_err profiling_gather(struct profiling *profiling, const struct profiling_query *query,
                              struct profiling_result *result, struct err_buf *why)
{
    enum app_err err = APP_BUSY;
    if (atomic_fetch_add(&profiling->gathers, 1) < GATHERS_MAX)
        err = gather(profiling, query, result, why);
    else
        (void)err_set(why, err, "%d profiles are being taken already", GATHERS_MAX);
    atomic_fetch_sub(&profiling->gathers, 1);
    /* A symbolized profile took tens of megabytes for a moment. */
    heap_release_memory();
    return err;
}

enum app_err profiling_place(struct profiling *profiling, double seconds, struct place *place,
                             struct err_buf *why)
{
    int64_t deadline_ns = deadline_in_ms((int64_t)(seconds * 1000) + PLACE_MS);
    return place_take(profiling->pool, deadline_ns, place, why);
}

/* --- Toggle, states, symbols -------------------------------------------------------------- */

struct toggling {
    size_t done;
    enum app_err err;
    struct err_buf *why;
    const struct log *log;
};

static void note_toggled(void *context, const struct pool_answer *answer)
{
    struct toggling *toggling = context;
    if (answer->err == APP_OK) {
        toggling->done++;
        return;
    }
    log_warn(toggling->log, "A sibling's sampling was not switched",
             LOG_FIELDS(LOG_INT("pid", answer->pid), LOG_STR("error", app_err_slug(answer->err)),
                        LOG_STR("reason", answer->text)));
    toggling->err =
        err_set(toggling->why, answer->err, "process %ld: %s", (long)answer->pid, answer->text);
}

enum app_err profiling_toggle(struct profiling *profiling, bool on, int for_s,
                              struct profiling_coverage *coverage, struct err_buf *why)
{
    struct toggling toggling = {.why = why, .log = profiling->log};
    size_t asked = 0;
    char command[POOL_MAX_COMMAND] = "toggle off";
    if (on)
        (void)snprintf(command, sizeof(command), "toggle on %d", for_s);
    enum app_err err = pool_ask(profiling->pool, command, deadline_in_ms(ANSWER_MS), note_toggled,
                                &toggling, &asked, why);
    *coverage = (struct profiling_coverage){toggling.done, asked};
    if (!err && toggling.done == 0)
        err = toggling.err;
    return err;
}

struct state_list {
    struct state *states; /* POOL_MAX_SIBLINGS of them */
    size_t count;
};

static void add_state(void *context, const struct pool_answer *answer)
{
    struct state_list *list = context;
    struct state *state = &list->states[list->count];
    if (list->count == POOL_MAX_SIBLINGS)
        return;
    if (answer->err) {
        *state = (struct state){.pid = answer->pid, .err = answer->err};
        list->count++;
    } else if (state_read(answer->data, answer->len, state)) {
        list->count++;
    }
}

enum app_err profiling_states(struct profiling *profiling, struct state **states, size_t *count)
{
    struct err_buf why = {.text = ""};
    struct state_list list = {.states = calloc(POOL_MAX_SIBLINGS, sizeof(*list.states))};
    if (!list.states)
        return APP_NO_MEMORY;
    enum app_err err =
        pool_ask(profiling->pool, "state", deadline_in_ms(ANSWER_MS), add_state, &list, NULL, &why);
    if (err) {
        free(list.states);
        return err;
    }
    *states = list.states;
    *count = list.count;
    return APP_OK;
}

enum app_err profiling_symbols(struct profiling *profiling, const char *question, size_t len,
                               bool inlined, struct buf *out)
{
    struct symbols_map *map = NULL;
    enum app_err err = symbols_map_new(&map);
    if (err)
        return err;
    size_t count = symbols_map_count(map);
    struct profile_mapping *mappings = calloc(count ? count : 1, sizeof(*mappings));
    if (mappings) {
        for (size_t i = 0; i < count; i++)
            mappings[i] = *symbols_map_at(map, i);
        struct legacy_resolver resolver = {
            .mappings = mappings,
            .mapping_count = count,
            .resolve = symbols_resolve,
            .context = profiling->symbols,
            .inlined = inlined,
        };
        symbols_begin(profiling->symbols);
        err = legacy_symbol_answer(&resolver, question, len, out);
        symbols_end(profiling->symbols);
    } else {
        err = APP_NO_MEMORY;
    }
    free(mappings);
    symbols_map_free(&map);
    return err;
}

void profiling_waited(struct profiling *profiling, enum contention_kind kind, int64_t waited_ns,
                      const void *return_address)
{
    contention_waited(profiling->sources.contention, kind, waited_ns, return_address);
}

/* --- Life ------------------------------------------------------------------------------------ */

void profiling_stop(struct profiling *profiling)
{
    pool_stop(profiling->pool);
}

void profiling_free(struct profiling **freed)
{
    struct profiling *profiling = *freed;
    if (!profiling)
        return;
    *freed = NULL;
    pool_free(&profiling->pool);
    sampler_free(&profiling->sources.sampler);
    threads_free(&profiling->sources.threads);
    symbols_free(&profiling->symbols);
    contention_free(&profiling->sources.contention);
    heap_free(&profiling->sources.heap);
    free(profiling);
}

enum app_err profiling_new(const struct pprof_options *options, struct profiling **out,
                           struct err_buf *why)
{
    struct profiling *profiling = calloc(1, sizeof(*profiling));
    if (!profiling)
        return APP_NO_MEMORY;
    profiling->routes = (struct route_table){options->routes, options->route_count};
    profiling->log = options->log;
    profiling->state.pid = getpid();
    state_set_version(&profiling->state, options->words.version);

    struct sampler_options sampler = {
        .hz = options->hz,
        .ring_hz = options->ring_hz,
        .routes = options->routes,
        .route_count = options->route_count,
        .log = options->log,
    };
    struct pool_options pool = {
        .run_dir = options->run_dir,
        .log = options->log,
        .context = profiling,
        .serve = serve,
        .tick = tick,
    };
    enum app_err err = contention_new(&profiling->routes, &profiling->sources.contention);
    if (!err)
        err = symbols_new(profiling->sources.contention, &profiling->symbols);
    if (!err)
        err = heap_new(&profiling->routes, options->words.heap_setting, &profiling->sources.heap);
    if (!err)
        err = threads_new(&profiling->routes, &profiling->sources.threads, why);
    if (!err)
        err = sampler_new(&sampler, &profiling->sources.sampler, why);
    if (!err)
        err = pool_new(&pool, &profiling->pool, why);
    if (err) {
        profiling_free(&profiling);
        return err;
    }
    *out = profiling;
    return APP_OK;
}
