/* SPDX-License-Identifier: MIT */
/*
 * A group is those who share one call. For each key there are two groups at
 * most: the one whose leader works now, and the one that gathers meanwhile. One
 * lock for all: it is held for a few list operations, never while anybody works.
 */
#include "lib/base/coalesce.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"

enum { BUCKETS = 64 };

struct coalesce_group {
    struct coalesce_group *next;           /* in its bucket */
    struct coalesce_member *first, **last; /* who waits, in the order of coming */
    uint32_t hash;
    bool runs; /* a leader works; false: it gathers */
    unsigned members;
    enum app_err err;
    void *result;
    void (*release)(void *result);
    char text[ERR_TEXT_MAX];
    char key[COALESCE_KEY_MAX + 1];
    _Alignas(max_align_t) unsigned char room[];
};

struct coalescer {
    size_t room;
    pthread_mutex_t lock;
    struct coalesce_group *buckets[BUCKETS]; /* of groups that run or gather */
    struct coalesce_group *spare;            /* that nobody is in any more */
};

enum app_err coalescer_new(size_t room, struct coalescer **coalescer)
{
    *coalescer = calloc(1, sizeof(**coalescer));
    if (!*coalescer)
        return APP_NO_MEMORY;
    (*coalescer)->room = room;
    pthread_mutex_init(&(*coalescer)->lock, NULL);
    return APP_OK;
}

void coalescer_free(struct coalescer **coalescer)
{
    if (!*coalescer)
        return;
    struct coalesce_group *next;
    for (struct coalesce_group *group = (*coalescer)->spare; group; group = next) {
        next = group->next;
        free(group);
    }
    pthread_mutex_destroy(&(*coalescer)->lock);
    free(*coalescer);
    *coalescer = NULL;
}

/* FNV-1a: keys are short, and a bad one costs a longer list. */
static uint32_t hash_of(const char *key)
{
    uint32_t hash = 2166136261U;
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619U;
    return hash;
}

/* --- Groups: the caller holds the lock ------------------------------------------- */

static struct coalesce_group **bucket_of(struct coalescer *coalescer, uint32_t hash)
{
    return &coalescer->buckets[hash % BUCKETS];
}

static struct coalesce_group *find_group(struct coalescer *coalescer, uint32_t hash,
                                         const char *key, bool runs)
{
    struct coalesce_group *group = *bucket_of(coalescer, hash);
    while (group && (group->hash != hash || group->runs != runs || strcmp(group->key, key) != 0))
        group = group->next;
    return group;
}

/* A sanitizer is to see who still uses it, and gets it back. */
static void keep_spare(struct coalescer *coalescer, struct coalesce_group *group)
{
#ifdef ARENA_MALLOC
    (void)coalescer;
    free(group);
#else
    group->next = coalescer->spare;
    coalescer->spare = group;
#endif
}

static struct coalesce_group *take_spare(struct coalescer *coalescer)
{
    struct coalesce_group *group = coalescer->spare;
    if (!group)
        return malloc(sizeof(*group) + coalescer->room);
    coalescer->spare = group->next;
    return group;
}

static struct coalesce_group *add_group(struct coalescer *coalescer, uint32_t hash, const char *key,
                                        bool runs)
{
    size_t size = strlen(key) + 1;
    assert(size <= sizeof(((struct coalesce_group *)NULL)->key));
    struct coalesce_group *group = take_spare(coalescer);
    if (!group)
        return NULL;
    memcpy(group->key, key, size);
    group->hash = hash;
    group->runs = runs;
    group->first = NULL;
    group->last = &group->first;
    group->members = 0;
    group->release = NULL;
    struct coalesce_group **bucket = bucket_of(coalescer, hash);
    group->next = *bucket;
    *bucket = group;
    return group;
}

/* From now on nobody can join it. */
static void unlink_group(struct coalescer *coalescer, const struct coalesce_group *group)
{
    struct coalesce_group **at = bucket_of(coalescer, group->hash);
    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
}

static void add_waiter(struct coalesce_group *group, struct coalesce_member *member)
{
    *group->last = member;
    group->last = &member->next;
}

static void remove_waiter(struct coalesce_group *group, const struct coalesce_member *member)
{
    struct coalesce_member **at = &group->first;
    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    if (group->last == &member->next)
        group->last = at;
}

/* From the post on the member may be gone. */
static void wake_first(struct coalesce_group *group, bool leads)
{
    struct coalesce_member *member = group->first;
    remove_waiter(group, member);
    member->leads = leads;
    member->woken = true;
    (void)sem_post(&member->wake);
}

/* Nobody works on the group's key any more: those who have gathered may. */
static void run_next(struct coalescer *coalescer, const struct coalesce_group *ended)
{
    struct coalesce_group *next = find_group(coalescer, ended->hash, ended->key, false);
    if (!next)
        return;
    next->runs = true;
    wake_first(next, true);
}

/* --- Members --------------------------------------------------------------------- */

/* Takes the lock. Whoever is the last of a group that has ended takes it along. */
static void drop_member(struct coalescer *coalescer, struct coalesce_group *group)
{
    pthread_mutex_lock(&coalescer->lock);
    bool last = --group->members == 0;
    pthread_mutex_unlock(&coalescer->lock);
    if (!last)
        return;
    if (group->release)
        group->release(group->result);
    pthread_mutex_lock(&coalescer->lock);
    keep_spare(coalescer, group);
    pthread_mutex_unlock(&coalescer->lock);
}

/* True when the member was woken, false when the deadline has come first. */
static bool wait_for_wake(struct coalesce_member *member, int64_t deadline_ns)
{
    const struct timespec until = {deadline_ns / NS_PER_S, deadline_ns % NS_PER_S};
    while (sem_clockwait(&member->wake, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR)
        continue;

    struct coalescer *coalescer = member->coalescer;
    struct coalesce_group *group = member->group;
    pthread_mutex_lock(&coalescer->lock);
    bool woken = member->woken; /* be it in the last moment */
    if (!woken) {
        remove_waiter(group, member);
        if (!group->runs && group->members == 1)
            unlink_group(coalescer, group);
    }
    bool leads = member->leads;
    pthread_mutex_unlock(&coalescer->lock);
    /* Where the cores are all busy, those who are ready to run may join before the call. */
    if (leads)
        (void)sched_yield();
    return woken;
}

static void take_result(struct coalesce_member *member)
{
    if (member->leads)
        return;
    member->err = member->group->err;
    member->result = member->group->result;
    member->text = member->group->text;
}

enum app_err coalesce_join(struct coalescer *coalescer, const char *key, int64_t deadline_ns,
                           struct coalesce_member *member)
{
    uint32_t hash = hash_of(key);
    *member = (struct coalesce_member){.coalescer = coalescer, .text = ""};
    (void)sem_init(&member->wake, 0, 0);

    pthread_mutex_lock(&coalescer->lock);
    struct coalesce_group *group = find_group(coalescer, hash, key, false);
    bool leads = !group && !find_group(coalescer, hash, key, true);
    if (!group)
        group = add_group(coalescer, hash, key, leads);
    member->group = group;
    member->leads = leads;
    if (group)
        group->members++;
    if (group && !leads) /* from the unlock on others may make it the leader */
        add_waiter(group, member);
    pthread_mutex_unlock(&coalescer->lock);

    if (!group)
        return APP_NO_MEMORY;
    if (!leads && !wait_for_wake(member, deadline_ns)) {
        drop_member(coalescer, group);
        return APP_UPSTREAM_TIMEOUT;
    }
    take_result(member);
    return APP_OK;
}

void *coalesce_room(const struct coalesce_member *member)
{
    return member->group->room;
}

void coalesce_share(struct coalesce_member *member, enum app_err err, const char *text,
                    void *result, void (*release)(void *result))
{
    struct coalescer *coalescer = member->coalescer;
    struct coalesce_group *group = member->group;
    group->err = err;
    group->result = result;
    group->release = release;
    (void)snprintf(group->text, sizeof(group->text), "%s", text);
    member->leads = false;
    take_result(member);

    pthread_mutex_lock(&coalescer->lock);
    unlink_group(coalescer, group);
    run_next(coalescer, group);
    while (group->first)
        wake_first(group, false);
    pthread_mutex_unlock(&coalescer->lock);
}

void coalesce_leave(struct coalesce_member *member)
{
    drop_member(member->coalescer, member->group);
}
