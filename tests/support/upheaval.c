/* SPDX-License-Identifier: MIT */
#include "support/upheaval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"

enum { POLL_MS = 10 };

bool upheaval_can_run(void)
{
    if (stack_web() == STACK_LIGHTTPD)
        return true;
    puts("faults are the same behind every web server: tried through lighttpd only");
    return false;
}

size_t upheaval_siblings(pid_t web, pid_t *pids, size_t max)
{
    char path[64];
    long pid;
    size_t count = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)web, (int)web);
    FILE *file = fopen(path, "re");
    while (file && count < max && fscanf(file, "%ld", &pid) == 1)
        pids[count++] = (pid_t)pid;
    if (file)
        (void)fclose(file);
    return count;
}

/* The value of a series in the text of /metrics; -1: it is not there. */
static double value_of(const char *text, const char *series)
{
    size_t len = strlen(series);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, len) == 0 && line[len] == ' ')
            return strtod(line + len, NULL);
    }
    return -1;
}

static bool pool_is_full(const struct scene *scene, size_t count, pid_t gone)
{
    char url[64];
    char series[64];
    struct http_reply reply;
    (void)snprintf(url, sizeof(url), "%s/metrics", scene->stack.base);
    (void)snprintf(series, sizeof(series), "emojify_process_open_fds{pid=\"%d\"}", (int)gone);
    bool full = http_perform(&(struct http_call){.url = url}, &reply) && reply.status == 200;
    const char *text = http_reply_text(&reply);
    full = full && value_of(text, "emojify_pool_processes") == (double)count &&
           (gone == 0 || value_of(text, series) < 0);
    http_reply_release(&reply);
    return full;
}

int64_t upheaval_await_pool(const struct scene *scene, size_t count, pid_t gone, int limit_ms)
{
    int64_t begun_ns = clock_now_ns();
    while (!pool_is_full(scene, count, gone)) {
        if (clock_now_ns() - begun_ns > limit_ms * NS_PER_MS)
            fail_msg("there are not %zu processes again after %d ms", count, limit_ms);
        sleep_ms(POLL_MS);
    }
    return (clock_now_ns() - begun_ns) / NS_PER_MS;
}

void upheaval_add(struct upheaval_times *times, int64_t ms)
{
    if (times->count < UPHEAVAL_TIMES_MAX)
        times->ms[times->count++] = ms;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

void upheaval_print(struct upheaval_times *times)
{
    if (times->count == 0)
        return;
    qsort(times->ms, times->count, sizeof(times->ms[0]), compare);
    printf("recovery: %s: n=%zu min=%lld median=%lld max=%lld ms\n", times->name, times->count,
           (long long)times->ms[0], (long long)times->ms[times->count / 2],
           (long long)times->ms[times->count - 1]);
    (void)fflush(stdout);
}

const struct checked_failure *upheaval_outside(const struct checked_load_result *result,
                                               const struct upheaval_window *windows, size_t count)
{
    for (size_t i = 0; i < result->failure_count; i++) {
        const struct checked_failure *failure = &result->failures[i];
        size_t at = 0;
        while (at < count &&
               (failure->ended_ns < windows[at].begin_ns || failure->begun_ns > windows[at].end_ns))
            at++;
        if (at == count)
            return failure;
    }
    return NULL;
}

void upheaval_assert_right(const struct checked_load_result *result)
{
    printf("%u GETs and %u POSTs, %zu failed, %u refused, %u wrong\n", result->gets, result->posts,
           result->failure_count, result->refused, result->wrong);
    (void)fflush(stdout);
    if (result->wrong > 0)
        fail_msg("%u wrong answers, the first: %s", result->wrong, result->first_wrong);
    assert_true(result->good_gets > 0);
}

int upheaval_seconds(int usual)
{
    const char *text = getenv("SOAK_FAULT_SECONDS");
    return text && *text ? (int)strtol(text, NULL, 10) : usual;
}
