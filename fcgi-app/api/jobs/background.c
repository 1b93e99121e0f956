/* SPDX-License-Identifier: MIT */
#include "api/jobs/background.h"
#include "api/picture_key.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/jobs/work.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/condition.h"
#include "lib/base/limits.h"
#include "lib/telemetry/trace.h"

static const char stopping_text[] = "the service is being stopped: try again";

/* One job, with copies of all it needs. */
struct task {
    struct task *next;
    struct job job;
    struct pipeline_source source; /* into the members below */
    char key[PICTURE_KEY_LEN + 1];
    char id[LIMIT_REQUEST_ID + 1];
    struct trace trace;
    char state[LIMIT_TRACESTATE + 1];
    int64_t since_ns;
    char data[]; /* the URL or the picture */
};

struct background_thread {
    pthread_t thread;
    struct background *background;
    struct worker *worker;
    struct arena *arena;
};

struct background {
    struct background_options options;
    atomic_bool closed;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;
    pthread_cond_t ended;
    struct task *first;
    struct task **last;
    unsigned queued;
    size_t bytes;     /* of all tasks, running ones included */
    unsigned started; /* threads; each is joined by background_free */
    unsigned idle;
    unsigned running; /* threads that have not ended */
    struct background_thread threads[];
};

/* --- A job ----------------------------------------------------------------------- */

static void note_step(void *context, enum pipeline_step step)
{
    job_step(context, step);
}

static void log_end(const struct log *log, const struct task *task, enum app_err err,
                    const struct err_buf *why, const struct pipeline_result *result)
{
    if (!err)
        log_info(log, "Job finished",
                 LOG_FIELDS(LOG_STR("key", task->key), LOG_INT("faces", result->faces),
                            LOG_INT("width", result->width), LOG_INT("height", result->height)));
    else
        LOG_AT(log, app_err_status(err) >= 500 ? LOG_ERROR : LOG_INFO, "Job failed",
               LOG_FIELDS(LOG_STR("key", task->key), LOG_STR("error", app_err_slug(err)),
                          LOG_STR("reason", why->text), LOG_STR("detail", why->detail)));
}

static void run_task(struct background_thread *thread, struct task *task)
{
    struct background *background = thread->background;
    struct app *app = background->options.app;
    struct log log = log_child(&app->log, task->id, task->trace.trace_id);
    struct err_buf why = {.text = ""};
    struct pipeline_result result;
    struct telemetry_request measured;
    bool shared;
    struct pipeline pipeline = {
        .app = app,
        .worker = thread->worker,
        .arena = thread->arena,
        .request_id = task->id,
        .trace = &task->trace,
        .log = &log,
        .deadline_ns = deadline_in_ms(app->config.request_timeout_ms),
        .why = &why,
        .progress = note_step,
        .progress_context = &task->job,
    };
    const struct work_call call = {TURN_JOB, task->since_ns, &background->closed};
    telemetry_job_begin(&measured);
    enum app_err err = work_run(&pipeline, &call, &task->source, &result, &shared);
    if (err == APP_UNAVAILABLE && atomic_load(&background->closed))
        err_set(&why, err, "%s", stopping_text);
    if (!err)
        job_note_faces(&task->job, result.faces);
    job_end(&task->job, err, why.text);
    log_end(&log, task, err, &why, &result);
    telemetry_job_end(&app->telemetry, &measured);
    arena_reset(thread->arena);
}

/* --- The threads ----------------------------------------------------------------- */

/* The next one; NULL when there will be none. With the lock held. */
static struct task *next_task(struct background *background)
{
    background->idle++;
    while (!background->first && !atomic_load(&background->closed))
        pthread_cond_wait(&background->work, &background->lock);
    background->idle--;
    struct task *task = background->first;
    if (!task)
        return NULL;
    background->first = task->next;
    if (!background->first)
        background->last = &background->first;
    background->queued--;
    return task;
}

static void *run_thread(void *argument)
{
    struct background_thread *thread = argument;
    struct background *background = thread->background;
    const struct background_options *options = &background->options;
    struct task *task;
    (void)pthread_setname_np(pthread_self(), "jobs");
    pthread_mutex_lock(&background->lock);
    while ((task = next_task(background))) {
        pthread_mutex_unlock(&background->lock);
        telemetry_queue(&options->app->telemetry, -1);
        run_task(thread, task);
        pthread_mutex_lock(&background->lock);
        background->bytes -= task->source.len;
        free(task);
    }
    pthread_mutex_unlock(&background->lock);
    options->worker_release(options->app, thread->worker);
    arena_free(&thread->arena);
    pthread_mutex_lock(&background->lock);
    background->running--;
    pthread_cond_signal(&background->ended);
    pthread_mutex_unlock(&background->lock);
    return NULL;
}

/* One thread more, with the lock held. */
static enum app_err start_thread(struct background *background, struct err_buf *why)
{
    const struct background_options *options = &background->options;
    struct background_thread *thread = &background->threads[background->started];
    void *worker = NULL;
    enum app_err err = options->worker_init(options->app, &worker, why);
    if (err)
        return err;
    *thread = (struct background_thread){.background = background, .worker = worker};
    thread->arena = arena_new(LIMIT_REQUEST_ARENA);
    if (!thread->arena || pthread_create(&thread->thread, NULL, run_thread, thread) != 0) {
        arena_free(&thread->arena);
        options->worker_release(options->app, worker);
        return APP_NO_MEMORY;
    }
    background->started++;
    background->running++;
    return APP_OK;
}

/* --- Adding ---------------------------------------------------------------------- */

static struct task *copy_request(const struct background_request *request)
{
    const struct pipeline_source *source = &request->source;
    size_t len = source->url ? strlen(source->url) + 1 : source->len;
    struct task *task = calloc(1, sizeof(*task) + len);
    if (!task)
        return NULL;
    memcpy(task->data, source->url ? (const void *)source->url : source->bytes, len);
    (void)snprintf(task->key, sizeof(task->key), "%s", source->key);
    (void)snprintf(task->id, sizeof(task->id), "%s", request->id);
    task->source = (struct pipeline_source){.key = task->key, .len = len};
    if (source->url)
        task->source.url = task->data;
    else
        task->source.bytes = task->data;
    task->trace = *request->trace;
    if (task->trace.state) {
        (void)snprintf(task->state, sizeof(task->state), "%s", task->trace.state);
        task->trace.state = task->state;
    }
    task->since_ns = request->since_ns;
    return task;
}

/* With the lock held. The task is taken over when job->table is set, and it went well. */
static enum app_err enqueue(struct background *background, struct task *task, struct job_view *view,
                            struct err_buf *why)
{
    struct app *app = background->options.app;
    if (atomic_load(&background->closed))
        return err_set(why, APP_UNAVAILABLE, "%s", stopping_text);
    if (background->bytes + task->source.len > LIMIT_JOBS_BYTES)
        return err_set(why, APP_BUSY,
                       "the pictures that wait are too large together: "
                       "try again later");
    enum app_err err = APP_OK;
    if (background->queued >= background->idle && background->started < background->options.threads)
        err = start_thread(background, why);
    if (err && background->started == 0)
        return err;
    err = job_add(app->table, task->key, &task->job, view, why);
    if (err || !task->job.table)
        return err;
    background->bytes += task->source.len;
    *background->last = task;
    background->last = &task->next;
    background->queued++;
    telemetry_queue(&app->telemetry, 1);
    pthread_cond_signal(&background->work);
    return APP_OK;
}

enum app_err background_add(struct background *background, const struct background_request *request,
                            struct job_view *view, struct err_buf *why)
{
    struct task *task = copy_request(request);
    if (!task)
        return APP_NO_MEMORY;
    pthread_mutex_lock(&background->lock);
    enum app_err err = enqueue(background, task, view, why);
    bool taken = !err && task->job.table;
    pthread_mutex_unlock(&background->lock);
    if (!taken)
        free(task);
    return err;
}

/* --- Life ------------------------------------------------------------------------ */

enum app_err background_new(const struct background_options *options,
                            struct background **background)
{
    struct background *made =
        calloc(1, sizeof(*made) + options->threads * sizeof(made->threads[0]));
    if (!made)
        return APP_NO_MEMORY;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->work, NULL);
    pthread_cond_init(&made->ended, NULL);
    made->options = *options;
    made->last = &made->first;
    *background = made;
    return APP_OK;
}

void background_close(struct background *background)
{
    if (!background)
        return;
    pthread_mutex_lock(&background->lock);
    atomic_store(&background->closed, true);
    struct task *task = background->first;
    background->first = NULL;
    background->last = &background->first;
    background->queued = 0;
    pthread_cond_broadcast(&background->work);
    pthread_mutex_unlock(&background->lock);
    while (task) {
        struct task *next = task->next;
        telemetry_queue(&background->options.app->telemetry, -1);
        job_end(&task->job, APP_UNAVAILABLE, stopping_text);
        free(task);
        task = next;
    }
}

unsigned background_stop(struct background *background, int64_t grace_ms)
{
    if (!background)
        return 0;
    int64_t until_ns = deadline_in_ms(grace_ms);
    background_close(background);
    pthread_mutex_lock(&background->lock);
    while (background->running > 0 &&
           condition_wait(&background->ended, &background->lock, until_ns))
        continue;
    unsigned busy = background->running;
    pthread_mutex_unlock(&background->lock);
    return busy;
}

void background_free(struct background **background)
{
    struct background *freed = *background;
    if (!freed)
        return;
    *background = NULL;
    for (unsigned i = 0; i < freed->started; i++)
        pthread_join(freed->threads[i].thread, NULL);
    pthread_cond_destroy(&freed->work);
    pthread_cond_destroy(&freed->ended);
    pthread_mutex_destroy(&freed->lock);
    free(freed);
}
