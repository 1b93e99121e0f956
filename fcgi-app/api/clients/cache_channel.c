/* SPDX-License-Identifier: MIT */
/*
 * Four channels, each with a connection of its own, because a connection is
 * served by about one core: with four, four threads got 57 % more pictures of
 * 100 KiB through than with one.
 *
 * gRPC does I/O only while some thread waits in one of its queues. When no calls
 * run the watcher thread does, in a queue that carries one state watch for each
 * channel, so that a connection closed by the server and the server's return are
 * noticed soon and not when the next call fails. While calls run it keeps out of
 * the way: the callers do the I/O themselves, and a watcher that polls beside
 * them would take in every answer only to wake the caller for it.
 */
#include "api/clients/cache_channel.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <grpc/grpc_security.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/rpc/rpc.h"

enum {
    CHANNELS = 4,
    RECEIVE_ROOM = 1024, /* for fields of an item that we do not know */
    NAP_MS = 50,         /* of the watcher, while there are calls */
    WATCH_MS = 200,      /* after which it looks whether there are */
    CONNECT_LOOK_MS = 1,
};

/* Methods are registered by name once, so that a call need not hash it again. */
static const char *const method_names[CACHE_METHOD__MAX] = {
    [CACHE_GET] = "/Cache/Get",
    [CACHE_PUT] = "/Cache/Put",
    [CACHE_EXISTS] = "/Cache/Exists",
    [CACHE_CHECK] = "/Cache/Check",
};

/* The watcher thread's own view of one channel. */
struct watch {
    grpc_channel *channel;
    grpc_connectivity_state seen;
};

struct cache_client {
    const struct log *log;
    struct cache_gate gate;
    struct cache_channel channels[CHANNELS];
    _Atomic unsigned next_channel;

    grpc_completion_queue *watch_queue;
    pthread_t watcher;
    struct watch watches[CHANNELS];
    unsigned calls_seen;                                               /* watcher's */
    enum { REACHABLE_UNKNOWN, REACHABLE_YES, REACHABLE_NO } reachable; /* watcher's, for the log */

    /* Guards `stopping`; held while the watcher touches a channel, so none goes away under it. */
    pthread_mutex_t lock;
    bool stopping;
};

static grpc_channel *create_channel(const char *address, grpc_channel_credentials *credentials)
{
    grpc_arg args[] = {
        rpc_arg_int(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, LIMIT_CACHE_MESSAGE + RECEIVE_ROOM),
        /* http_proxy in the environment would be used even for 127.0.0.1. */
        rpc_arg_int(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        /* Service within 2 s of the cache's return; the "min" is really the connect timeout. */
        rpc_arg_int(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200),
        rpc_arg_int(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000),
        rpc_arg_int(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000),
        /*
         * Only while a call runs: servers as they come, in Go or C, take pings
         * on an idle connection for an attack, and say so by GOAWAY. A call ends
         * at its deadline in any case. The timeout is also TCP_USER_TIMEOUT,
         * which drops a connection that was cut off 5 s after the next call.
         */
        rpc_arg_int(GRPC_ARG_KEEPALIVE_TIME_MS, 20000),
        rpc_arg_int(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000),
        rpc_arg_int(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0),
        /* Without it equal channels share one connection. */
        rpc_arg_int(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
        /* Reconnects by itself, and spreads the calls when a name has several addresses. */
        rpc_arg_str(GRPC_ARG_SERVICE_CONFIG, "{\"loadBalancingConfig\":[{\"round_robin\":{}}]}"),
        rpc_arg_str(GRPC_ARG_PRIMARY_USER_AGENT_STRING, "emojify-api/" APP_VERSION),
        rpc_arg_no_compression(),
    };
    const grpc_channel_args all = {sizeof(args) / sizeof(args[0]), args};
    return grpc_channel_create(address, credentials, &all);
}

/* An address that gRPC cannot read gives a channel that fails every call and cannot be watched. */
static enum app_err open_channels(struct cache_client *client,
                                  grpc_channel_credentials *credentials, const char *address,
                                  struct err_buf *why)
{
    for (size_t i = 0; i < CHANNELS; i++) {
        struct cache_channel *channel = &client->channels[i];
        channel->channel = create_channel(address, credentials);
        if (!grpc_channel_support_connectivity_watcher(channel->channel))
            return err_set(why, APP_CONFIG, "%s: not an address of a cache service", address);
        for (size_t method = 0; method < CACHE_METHOD__MAX; method++)
            channel->methods[method] =
                grpc_channel_register_call(channel->channel, method_names[method], NULL, NULL);
    }
    return APP_OK;
}

static void close_channels(struct cache_client *client)
{
    for (size_t i = 0; i < CHANNELS; i++) {
        if (client->channels[i].channel)
            grpc_channel_destroy(client->channels[i].channel);
        client->channels[i].channel = NULL;
    }
}

static bool any_ready(const struct cache_client *client)
{
    for (size_t i = 0; i < CHANNELS; i++) {
        if (client->watches[i].seen == GRPC_CHANNEL_READY)
            return true;
    }
    return false;
}

/* One line when the cache comes and one when it goes, however many channels there are. */
static void log_change(struct cache_client *client, grpc_connectivity_state state)
{
    if (state == GRPC_CHANNEL_READY && client->reachable != REACHABLE_YES) {
        log_info(client->log, "Cache connected", NULL);
        client->reachable = REACHABLE_YES;
    } else if (state == GRPC_CHANNEL_TRANSIENT_FAILURE && client->reachable != REACHABLE_NO &&
               !any_ready(client)) {
        log_warn(client->log, "Cache cannot be reached", NULL);
        client->reachable = REACHABLE_NO;
    }
}

/* Ask for the next change of the channel's state. Caller holds the lock. */
static void arm(struct cache_client *client, struct watch *watch)
{
    grpc_channel_watch_connectivity_state(watch->channel, watch->seen,
                                          gpr_inf_future(GPR_CLOCK_MONOTONIC), client->watch_queue,
                                          watch);
}

/* Whether there were calls since it was asked last. Watcher's. */
static bool is_used(struct cache_client *client)
{
    unsigned calls = 0;
    for (size_t i = 0; i < CHANNELS; i++)
        calls += atomic_load_explicit(&client->channels[i].calls, memory_order_relaxed);
    bool used = calls != client->calls_seen;
    client->calls_seen = calls;
    return used;
}

/*
 * One connection stands: the others need not wait for the end of their pauses, which have
 * grown to a second in an outage, while their callers fail. Caller holds the lock.
 */
static void hurry_others(struct cache_client *client)
{
    for (size_t i = 0; i < CHANNELS; i++) {
        if (client->watches[i].seen != GRPC_CHANNEL_READY)
            grpc_channel_reset_connect_backoff(client->watches[i].channel);
    }
}

static void *run_watcher(void *argument)
{
    struct cache_client *client = argument;
    for (;;) {
        int64_t patience_ms = WATCH_MS;
        if (is_used(client)) {
            (void)nanosleep(&(struct timespec){0, NAP_MS * NS_PER_MS}, NULL);
            patience_ms = 0;
        }
        grpc_event event = grpc_completion_queue_next(
            client->watch_queue, rpc_deadline(deadline_in_ms(patience_ms)), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (event.type == GRPC_QUEUE_TIMEOUT)
            continue;
        struct watch *watch = event.tag;
        pthread_mutex_lock(&client->lock);
        if (!client->stopping) {
            watch->seen = grpc_channel_check_connectivity_state(watch->channel, 0);
            log_change(client, watch->seen);
            if (watch->seen == GRPC_CHANNEL_READY)
                hurry_others(client);
            arm(client, watch);
        }
        pthread_mutex_unlock(&client->lock);
    }
}

static void start_watches(struct cache_client *client)
{
    pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < CHANNELS; i++) {
        client->watches[i] = (struct watch){client->channels[i].channel, GRPC_CHANNEL_IDLE};
        arm(client, &client->watches[i]);
    }
    pthread_mutex_unlock(&client->lock);
}

/* Destroying a channel completes its watch, so that the queue runs empty and the watcher ends. */
static void stop_watcher(struct cache_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->stopping = true;
    pthread_mutex_unlock(&client->lock);
    close_channels(client);
    grpc_completion_queue_shutdown(client->watch_queue);
    pthread_join(client->watcher, NULL);
    grpc_completion_queue_destroy(client->watch_queue);
}

/* Whatever stays when there is no watcher. */
static void release(struct cache_client *client)
{
    close_channels(client);
    rpc_down(client->log);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

enum app_err cache_client_new(const struct cache_client_options *options,
                              struct cache_client **client, struct err_buf *why)
{
    enum app_err err = rpc_tls_check(&options->tls, "CACHE_TLS_", why);
    if (err)
        return err;
    struct cache_client *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->log = options->log;
    made->gate.breaker = options->breaker;
    made->gate.budget.most = options->patient;
    pthread_mutex_init(&made->lock, NULL);

    /* Read by grpc_init: the library's own poller, should no thread be in a queue. */
    (void)setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "200", 0);
    rpc_up(made->log);
    /* One for all channels, since a thread watches the files of each. */
    grpc_channel_credentials *credentials = rpc_tls_client(&options->tls, options->tls_identity);
    err = open_channels(made, credentials, options->address, why);
    grpc_channel_credentials_release(credentials);
    if (err) {
        release(made);
        return err;
    }

    made->watch_queue = grpc_completion_queue_create_for_next(NULL);
    if (pthread_create(&made->watcher, NULL, run_watcher, made) != 0) {
        grpc_completion_queue_shutdown(made->watch_queue);
        grpc_completion_queue_destroy(made->watch_queue);
        release(made);
        return err_set(why, APP_INTERNAL, "cannot start the thread that watches the cache");
    }
    start_watches(made);
    log_info(made->log, "Connecting to cache",
             LOG_FIELDS(LOG_STR("address", options->address),
                        LOG_STR("tls", rpc_tls_is_on(&options->tls) ? "on" : "off")));
    *client = made;
    return APP_OK;
}

/* Tells those that are idle to connect. */
static bool is_connecting(struct cache_client *client)
{
    bool connecting = false;
    for (size_t i = 0; i < CHANNELS; i++) {
        grpc_connectivity_state state =
            grpc_channel_check_connectivity_state(client->channels[i].channel, 1);
        connecting |= state == GRPC_CHANNEL_IDLE || state == GRPC_CHANNEL_CONNECTING;
    }
    return connecting;
}

void cache_client_connect(struct cache_client *client, int64_t ms)
{
    int64_t until_ns = deadline_in_ms(ms);
    while (is_connecting(client) && clock_now_ns() < until_ns)
        deadline_sleep(deadline_in_ms(CONNECT_LOOK_MS));
}

void cache_client_free(struct cache_client **client)
{
    if (!*client)
        return;
    stop_watcher(*client);
    release(*client);
    *client = NULL;
}

struct cache_gate *cache_client_gate(struct cache_client *client)
{
    return &client->gate;
}

bool cache_wait_begin(struct cache_client *client, int64_t *deadline_ns)
{
    return wait_budget_enter(&client->gate.budget, deadline_ns);
}

void cache_wait_end(struct cache_client *client, bool at_length, bool heard)
{
    wait_budget_leave(&client->gate.budget, at_length, heard);
}

struct cache_channel *cache_client_channel(struct cache_client *client)
{
    return &client->channels[atomic_fetch_add(&client->next_channel, 1) % CHANNELS];
}
