/* SPDX-License-Identifier: MIT */
#include "soak/soak.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"

enum { SERIES_MAX = 4096, SCRAPE_MS = 2000, PROFILE_PAUSE_MS = 1000, FAILURES_MAX = 4096 };

struct series {
    char *name;
    double value;
};

struct soak_watch {
    const struct scene *scene;
    pthread_t scraper, profiler;
    _Atomic bool stop;
    struct series series[SERIES_MAX]; /* the scraper's */
    size_t series_count;
    struct soak_watch_result
        result; /* scrapes and fallen are the scraper's, the rest the other's */
};

/* --- Counters --------------------------------------------------------------------------- */

static bool get(const struct scene *scene, const char *path, struct http_reply *reply)
{
    static const char *const headers[] = {"Authorization: Bearer " SOAK_TOKEN, NULL};
    char url[160];
    (void)snprintf(url, sizeof(url), "%s%s", scene->stack.base, path);
    return http_perform(&(struct http_call){.url = url, .headers = headers, .timeout_ms = 60000},
                        reply);
}

/* Whether a series must never fall. Those of one process end with it. */
static bool is_counter(const char *name, size_t len)
{
    static const char *const endings[] = {"_total", "_count", "_bucket"};
    if (strncmp(name, "emojify_process_", 16) == 0)
        return false;
    size_t bare = strcspn(name, "{ ");
    for (size_t i = 0; i < 3; i++) {
        size_t ending = strlen(endings[i]);
        if (bare <= len && bare > ending && strncmp(name + bare - ending, endings[i], ending) == 0)
            return true;
    }
    return false;
}

static void compare(struct soak_watch *watch, const char *name, size_t len, double value)
{
    size_t at = 0;
    while (at < watch->series_count &&
           (strncmp(watch->series[at].name, name, len) != 0 || watch->series[at].name[len] != '\0'))
        at++;
    if (at == watch->series_count) {
        if (at == SERIES_MAX || !(watch->series[at].name = strndup(name, len)))
            return;
        watch->series_count++;
    } else if (value < watch->series[at].value && !watch->result.fallen[0]) {
        (void)snprintf(watch->result.fallen, sizeof(watch->result.fallen), "%s: from %g to %g",
                       watch->series[at].name, watch->series[at].value, value);
    }
    watch->series[at].value = value;
}

static void *scrape(void *object)
{
    struct soak_watch *watch = object;
    while (!watch->stop) {
        struct http_reply reply;
        bool answered = get(watch->scene, "/metrics", &reply) && reply.status == 200;
        watch->result.scrapes += answered;
        for (const char *line = answered ? http_reply_text(&reply) : ""; *line;) {
            size_t len = strcspn(line, "\n");
            const char *space = memrchr(line, ' ', len);
            if (*line != '#' && space && is_counter(line, len))
                compare(watch, line, (size_t)(space - line), strtod(space, NULL));
            line += len + (line[len] == '\n');
        }
        http_reply_release(&reply);
        for (int waited = 0; waited < SCRAPE_MS && !watch->stop; waited += 100)
            sleep_ms(100);
    }
    return NULL;
}

double soak_metric_sum(const struct scene *scene, const char *name, const char *label)
{
    struct http_reply reply;
    double sum = 0;
    size_t name_len = strlen(name);
    scene_get(scene, "/metrics", NULL, &reply);
    assert_int_equal(reply.status, 200);
    for (const char *line = http_reply_text(&reply); *line;) {
        size_t len = strcspn(line, "\n");
        const char *space = memrchr(line, ' ', len);
        bool named = strncmp(line, name, name_len) == 0 && strchr("{ ", line[name_len]) != NULL;
        if (named && space && (!label || memmem(line, len, label, strlen(label))))
            sum += strtod(space, NULL);
        line += len + (line[len] == '\n');
    }
    http_reply_release(&reply);
    return sum;
}

/* --- Profiles --------------------------------------------------------------------------- */

static void note_profile(struct soak_watch *watch, int64_t begun_ns, bool answered,
                         const struct http_reply *reply)
{
    struct soak_watch_result *result = &watch->result;
    result->profiles++;
    if ((answered && reply->status == 200 && reply->body.len > 0) ||
        result->failure_count == FAILURES_MAX)
        return;
    struct checked_failure *failure = &result->failures[result->failure_count++];
    *failure = (struct checked_failure){.begun_ns = begun_ns,
                                        .ended_ns = clock_now_ns(),
                                        .status = answered ? reply->status : 0,
                                        .id = "profile"};
    (void)snprintf(failure->words, sizeof(failure->words), "%.99s",
                   answered ? http_reply_text(reply) : reply->error);
}

static void *take_profiles(void *object)
{
    static const char *const paths[] = {"/debug/pprof/profile?seconds=2", "/debug/pprof/heap",
                                        "/debug/pprof/profile?seconds=1", "/debug/pprof/goroutine"};
    struct soak_watch *watch = object;
    for (size_t i = 0; !watch->stop; i++) {
        struct http_reply reply;
        int64_t begun_ns = clock_now_ns();
        bool answered = get(watch->scene, paths[i % 4], &reply);
        note_profile(watch, begun_ns, answered, &reply);
        http_reply_release(&reply);
        sleep_ms(PROFILE_PAUSE_MS);
    }
    return NULL;
}

struct soak_watch *soak_watch_start(const struct scene *scene)
{
    struct soak_watch *watch = calloc(1, sizeof(*watch));
    assert_non_null(watch);
    watch->scene = scene;
    watch->result.failures = calloc(FAILURES_MAX, sizeof(*watch->result.failures));
    assert_non_null(watch->result.failures);
    assert_int_equal(pthread_create(&watch->scraper, NULL, scrape, watch), 0);
    assert_int_equal(pthread_create(&watch->profiler, NULL, take_profiles, watch), 0);
    return watch;
}

void soak_watch_stop(struct soak_watch **stopped, struct soak_watch_result *result)
{
    struct soak_watch *watch = *stopped;
    *stopped = NULL;
    watch->stop = true;
    pthread_join(watch->scraper, NULL);
    pthread_join(watch->profiler, NULL);
    *result = watch->result;
    for (size_t i = 0; i < watch->series_count; i++)
        free(watch->series[i].name);
    free(watch);
}

/* --- Processes --------------------------------------------------------------------------- */

long soak_rss_kb(pid_t pid)
{
    char path[64];
    char line[128];
    long kb = -1;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && kb < 0 && fgets(line, sizeof(line), file)) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    }
    if (file)
        (void)fclose(file);
    return kb;
}

int soak_descriptors(pid_t pid)
{
    char path[64];
    int count = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    if (!directory)
        return -1;
    while (readdir(directory))
        count++;
    (void)closedir(directory);
    return count - 2; /* . and .. */
}
