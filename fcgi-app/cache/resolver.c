/* SPDX-License-Identifier: MIT */
/*
 * getaddrinfo in a thread of its own, at most one at a time. glibc's own
 * getaddrinfo_a does the same, but with threads that ThreadSanitizer hangs on.
 */
#include "cache/resolver.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/base/condition.h"

struct resolver {
    char *host;
    char *port;
    pthread_mutex_t lock; /* guards what follows, and is the last that a thread lets go of */
    pthread_cond_t answered;
    enum { LOOKUP_NONE, LOOKUP_RUNS, LOOKUP_DONE } lookup;
    bool abandoned; /* the thread that runs frees it all */
    int error;      /* of getaddrinfo, once done */
    struct addrinfo *list;
};

static void release(struct resolver *resolver)
{
    if (resolver->lookup == LOOKUP_DONE && resolver->error == 0)
        freeaddrinfo(resolver->list);
    pthread_cond_destroy(&resolver->answered);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver->host);
    free(resolver->port);
    free(resolver);
}

enum app_err resolver_new(const char *host, const char *port, struct resolver **resolver)
{
    struct resolver *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->host = strdup(host);
    made->port = strdup(port);
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->answered, NULL);
    if (!made->host || !made->port) {
        release(made);
        return APP_NO_MEMORY;
    }
    *resolver = made;
    return APP_OK;
}

static void *run_lookup(void *argument)
{
    struct resolver *resolver = argument;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int error = getaddrinfo(resolver->host, resolver->port, &hints, &list);
    pthread_mutex_lock(&resolver->lock);
    resolver->lookup = LOOKUP_DONE;
    resolver->error = error;
    resolver->list = list;
    bool abandoned = resolver->abandoned;
    pthread_cond_signal(&resolver->answered);
    pthread_mutex_unlock(&resolver->lock);
    if (abandoned)
        release(resolver);
    return NULL;
}

/* Caller holds the lock. */
static enum app_err start_lookup(struct resolver *resolver, struct err_buf *why)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &attributes, run_lookup, resolver);
    pthread_attr_destroy(&attributes);
    if (error) {
        err_detail(why, "%s: %s", resolver->host, strerror(error));
        return APP_UPSTREAM_FAILED;
    }
    resolver->lookup = LOOKUP_RUNS;
    return APP_OK;
}

/* Take the lookup's result. Caller holds the lock. */
static enum app_err take_list(struct resolver *resolver, struct addrinfo **list,
                              struct err_buf *why)
{
    if (resolver->lookup != LOOKUP_DONE) {
        err_detail(why, "%s: no name server answers", resolver->host);
        return APP_UPSTREAM_TIMEOUT;
    }
    resolver->lookup = LOOKUP_NONE;
    if (resolver->error) {
        err_detail(why, "%s: %s", resolver->host, gai_strerror(resolver->error));
        return resolver->error == EAI_MEMORY ? APP_NO_MEMORY : APP_UPSTREAM_FAILED;
    }
    *list = resolver->list;
    return APP_OK;
}

enum app_err resolver_lookup(struct resolver *resolver, int64_t deadline_ns, struct addrinfo **list,
                             struct err_buf *why)
{
    enum app_err err = APP_OK;
    pthread_mutex_lock(&resolver->lock);
    if (resolver->lookup == LOOKUP_NONE)
        err = start_lookup(resolver, why);
    while (resolver->lookup == LOOKUP_RUNS &&
           condition_wait(&resolver->answered, &resolver->lock, deadline_ns))
        continue;
    if (!err)
        err = take_list(resolver, list, why);
    pthread_mutex_unlock(&resolver->lock);
    return err;
}

void resolver_free(struct resolver **resolver)
{
    struct resolver *self = *resolver;
    *resolver = NULL;
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    bool runs = self->lookup == LOOKUP_RUNS;
    self->abandoned = true;
    pthread_mutex_unlock(&self->lock);
    if (!runs)
        release(self);
}
