/* SPDX-License-Identifier: MIT */
#include "api/jobs/job.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "api/jobs/table_private.h"
#include "lib/base/clock.h"

static const char *const status_names[JOB_STATUS__MAX] = {
    [JOB_UNKNOWN] = "UNKNOWN",   [JOB_QUEUED] = "QUEUED", [JOB_PROCESSING] = "PROCESSING",
    [JOB_FINISHED] = "FINISHED", [JOB_FAILED] = "FAILED",
};

const char *job_status_name(enum job_status status)
{
    return status_names[status < JOB_STATUS__MAX ? status : JOB_UNKNOWN];
}

static bool is_live(const struct table_job *job)
{
    return job->status == JOB_QUEUED || job->status == JOB_PROCESSING;
}

/* One that ended too long ago is unknown. */
static struct table_job *find(struct table_memory *memory, const char *key)
{
    int64_t kept_ns = clock_now_ns() - JOB_KEPT_MS * NS_PER_MS;
    for (size_t i = 0; i < TABLE_JOBS; i++) {
        struct table_job *job = &memory->jobs[i];
        if (job->status != JOB_UNKNOWN && (is_live(job) || job->ended_ns >= kept_ns) &&
            strcmp(job->key, key) == 0)
            return job;
    }
    return NULL;
}

/* Free, or ended first. */
static struct table_job *find_room(struct table_memory *memory)
{
    struct table_job *oldest = NULL;
    for (size_t i = 0; i < TABLE_JOBS; i++) {
        struct table_job *job = &memory->jobs[i];
        if (job->status == JOB_UNKNOWN)
            return job;
        if (!is_live(job) && (!oldest || job->ended_ns < oldest->ended_ns))
            oldest = job;
    }
    return oldest;
}

static size_t count_queued(const struct table_memory *memory, uint64_t before)
{
    size_t queued = 0;
    for (size_t i = 0; i < TABLE_JOBS; i++)
        queued += memory->jobs[i].status == JOB_QUEUED && memory->jobs[i].sequence < before;
    return queued;
}

/* `job` NULL: unknown. */
static void view_job(const struct table_memory *memory, const struct table_job *job,
                     struct job_view *view)
{
    *view = (struct job_view){.length = count_queued(memory, UINT64_MAX), .faces = -1};
    if (!job)
        return;
    view->status = job->status < JOB_STATUS__MAX ? (enum job_status)job->status : JOB_UNKNOWN;
    view->step = job->step < PIPELINE_STEP__MAX ? (enum pipeline_step)job->step : PIPELINE_NONE;
    if (view->status == JOB_QUEUED)
        view->position = count_queued(memory, job->sequence) + 1;
    view->faces = job->faces;
    if (view->status != JOB_FAILED)
        return;
    view->err = job->err < APP_ERR__MAX ? (enum app_err)job->err : APP_INTERNAL;
    (void)snprintf(view->error, sizeof(view->error), "%s", job->error);
}

/* Under a key that has a job already, that one's room is used again. */
static struct table_job *begin(struct table *table, struct table_memory *memory, const char *key)
{
    struct table_job *room = find(memory, key);
    if (!room)
        room = find_room(memory);
    if (!room)
        return NULL;
    room->status = JOB_UNKNOWN;
    room->step = PIPELINE_NONE;
    room->owner = table_us(table, memory);
    room->sequence = table_next(memory);
    room->ended_ns = clock_now_ns();
    room->faces = -1;
    room->err = APP_OK;
    room->error[0] = '\0';
    (void)snprintf(room->key, sizeof(room->key), "%s", key);
    return room;
}

enum app_err job_add(struct table *table, const char *key, struct job *job, struct job_view *view,
                     struct err_buf *why)
{
    enum app_err err = APP_OK;
    *job = (struct job){.table = NULL};
    struct table_memory *memory = table_lock(table);
    table_sweep(table, memory);
    struct table_job *entry = find(memory, key);
    if (!entry || !is_live(entry)) {
        entry =
            count_queued(memory, UINT64_MAX) < LIMIT_JOBS_QUEUED ? begin(table, memory, key) : NULL;
        if (entry) {
            entry->status = JOB_QUEUED;
            *job = (struct job){table, memory, (size_t)(entry - memory->jobs), entry->sequence};
        } else {
            err = err_set(why, APP_BUSY, "%d pictures wait in the queue already: try again later",
                          LIMIT_JOBS_QUEUED);
        }
    }
    view_job(memory, entry, view);
    table_unlock(memory);
    return err;
}

void job_note_finished(struct table *table, const char *key, struct job_view *view)
{
    struct table_memory *memory = table_lock(table);
    struct table_job *entry = find(memory, key);
    if (!entry || entry->status == JOB_FAILED)
        entry = begin(table, memory, key);
    if (entry && !is_live(entry))
        entry->status = JOB_FINISHED;
    view_job(memory, entry, view);
    view->status = JOB_FINISHED;
    view->position = 0;
    table_unlock(memory);
}

/* With the lock held: our entry; NULL when somebody took it for dead. */
static struct table_job *entry_of(const struct job *job)
{
    struct table_job *entry = &job->memory->jobs[job->index];
    return entry->sequence == job->sequence && is_live(entry) ? entry : NULL;
}

void job_step(struct job *job, enum pipeline_step step)
{
    if (!job->memory || !table_lock_again(job->table, job->memory))
        return;
    struct table_job *entry = entry_of(job);
    if (entry) {
        entry->step = step;
        entry->status = JOB_PROCESSING;
    }
    table_unlock(job->memory);
}

void job_note_faces(struct job *job, size_t faces)
{
    if (!job->memory || !table_lock_again(job->table, job->memory))
        return;
    struct table_job *entry = entry_of(job);
    if (entry)
        entry->faces = (int32_t)faces;
    table_unlock(job->memory);
}

void job_end(struct job *job, enum app_err err, const char *text)
{
    struct table_memory *memory = job->memory;
    if (!memory || !table_lock_again(job->table, memory))
        return;
    struct table_job *entry = entry_of(job);
    if (entry) {
        if (err)
            (void)snprintf(entry->error, sizeof(entry->error), "%s",
                           text && text[0] ? text : app_strerror(err));
        entry->err = err;
        entry->ended_ns = clock_now_ns();
        entry->status = err ? JOB_FAILED : JOB_FINISHED;
    }
    table_unlock(memory);
    job->memory = NULL;
}

void job_read(struct table *table, const char *key, struct job_view *view)
{
    struct table_memory *memory = table_lock(table);
    struct table_job *entry = find(memory, key);
    if (entry && is_live(entry) && !table_is_alive(table, memory, entry->owner))
        table_sweep(table, memory);
    view_job(memory, entry, view);
    table_unlock(memory);
}
