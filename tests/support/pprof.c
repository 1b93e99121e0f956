/* SPDX-License-Identifier: MIT */
/* The wire format is read by hand (protobuf's encoding guide): varints and lengths are all it has.
 */
#include "support/pprof.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "support/cmocka.h"

enum {
    LOAD_THREADS = 8,
    TIMEOUT_MS = 60000,
    BYTES_MAX = 64 * 1024 * 1024,
    /* Fields of profile.proto. */
    PROFILE_SAMPLE = 2,
    PROFILE_STRING = 6,
    PROFILE_DURATION = 10,
    SAMPLE_LABEL = 3,
    LABEL_KEY = 1,
    LABEL_NUM = 3,
};

static const char *const with_token[] = {"Authorization: Bearer " PPROF_TOKEN, NULL};

int pprof_scene_start(void **state)
{
    return scene_start(state, (const char *const[]){"API_PROCESSES=4", "PROFILE=on",
                                                    "PROFILE_TOKEN=" PPROF_TOKEN, "PROFILE_RING=19",
                                                    "PROFILE_HEAP=512K", "START_SECONDS=60",
                                                    "EMOJIFY_QUEUE=8", "LOCAL_CACHE_TTL=0", NULL});
}

/* --- Asking ------------------------------------------------------------------------- */

void pprof_get(const struct scene *scene, const char *path, struct http_reply *reply)
{
    scene_ask(scene,
              &(struct http_call){.url = path, .headers = with_token, .timeout_ms = TIMEOUT_MS},
              reply);
}

void pprof_post(const struct scene *scene, const char *path, const char *form,
                struct http_reply *reply)
{
    scene_ask(scene,
              &(struct http_call){
                  .url = path, .headers = with_token, .body = form, .body_len = strlen(form)},
              reply);
}

struct pprof_job {
    char url[256];
    struct http_job *job;
};

struct pprof_job *pprof_job_start(const struct scene *scene, const char *path)
{
    struct pprof_job *job = calloc(1, sizeof(*job));
    assert_non_null(job);
    (void)snprintf(job->url, sizeof(job->url), "%s%s", scene->stack.base, path);
    job->job = http_job_start(
        &(struct http_call){.url = job->url, .headers = with_token, .timeout_ms = TIMEOUT_MS});
    return job;
}

void pprof_job_wait(struct pprof_job **job, struct http_reply *reply)
{
    bool answered = http_job_wait(&(*job)->job, reply);
    if (!answered || reply->status != 200)
        fail_msg("%s: %d %s %s", (*job)->url, reply->status, reply->error, http_reply_text(reply));
    free(*job);
    *job = NULL;
}

static int compare_pids(const void *a, const void *b)
{
    const pid_t *first = a, *second = b;
    return (*first > *second) - (*first < *second);
}

struct pprof_pids pprof_pids(const struct scene *scene)
{
    struct pprof_pids pids;
    pid_t found[PPROF_SIBLINGS + 1];
    assert_int_equal(stack_pids(&scene->stack, "api", found, PPROF_SIBLINGS + 1), PPROF_SIBLINGS);
    memcpy(pids.all, found, sizeof(pids.all));
    qsort(pids.all, PPROF_SIBLINGS, sizeof(pid_t), compare_pids);
    return pids;
}

/* --- Load --------------------------------------------------------------------------- */

struct pprof_load {
    char url[128];
    pthread_t threads[LOAD_THREADS];
    _Atomic bool stop;
    _Atomic unsigned requests;
    _Atomic unsigned failed;
    char first_failure[512]; /* of whoever made `failed` 1 */
};

static void *run_load(void *object)
{
    struct pprof_load *load = object;
    while (!atomic_load(&load->stop)) {
        struct http_reply reply;
        bool answered = http_perform(&(struct http_call){.url = load->url}, &reply);
        if ((!answered || reply.status != 200) && atomic_fetch_add(&load->failed, 1) == 0)
            (void)snprintf(load->first_failure, sizeof(load->first_failure), "%d %s %s",
                           reply.status, reply.error, http_reply_text(&reply));
        atomic_fetch_add(&load->requests, 1);
        http_reply_release(&reply);
    }
    return NULL;
}

struct pprof_load *pprof_load_start(const struct scene *scene)
{
    char key[33];
    struct pprof_load *load = calloc(1, sizeof(*load));
    assert_non_null(load);
    scene_emojify(scene, scene_url(scene, "/pictures/camera.png").text, key);
    (void)snprintf(load->url, sizeof(load->url), "%s/api/cache/%s", scene->stack.base, key);
    for (int i = 0; i < LOAD_THREADS; i++)
        assert_int_equal(pthread_create(&load->threads[i], NULL, run_load, load), 0);
    return load;
}

void pprof_load_stop(struct pprof_load **stopped, unsigned *requests, unsigned *failed)
{
    struct pprof_load *load = *stopped;
    atomic_store(&load->stop, true);
    for (int i = 0; i < LOAD_THREADS; i++)
        pthread_join(load->threads[i], NULL);
    if (requests)
        *requests = load->requests;
    if (failed)
        *failed = load->failed;
    if (load->failed)
        print_message("%u of %u requests failed, the first: %s\n", load->failed, load->requests,
                      load->first_failure);
    free(load);
    *stopped = NULL;
}

/* --- Reading -------------------------------------------------------------------------- */

struct wire {
    const unsigned char *at, *end;
};

struct field {
    unsigned number;
    uint64_t value;       /* of a varint */
    struct wire contents; /* of what has a length */
};

static uint64_t next_varint(struct wire *wire)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (wire->at == wire->end)
            fail_msg("the profile ends within a number");
        unsigned char byte = *wire->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    fail_msg("a number of the profile has no end");
    return 0;
}

static bool next_field(struct wire *wire, struct field *field)
{
    if (wire->at == wire->end)
        return false;
    uint64_t key = next_varint(wire);
    *field = (struct field){.number = (unsigned)(key >> 3)};
    field->value = next_varint(wire);
    if ((key & 7) == 2) {
        if (field->value > (uint64_t)(wire->end - wire->at))
            fail_msg("the profile ends within a field");
        field->contents = (struct wire){wire->at, wire->at + field->value};
        wire->at += field->value;
    } else if ((key & 7) != 0) {
        fail_msg("the profile has a field of type %d", (int)(key & 7));
    }
    return true;
}

static bool wire_is(const struct wire *wire, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(wire->end - wire->at) == len && memcmp(wire->at, text, len) == 0;
}

/* The index of a string; UINT64_MAX when the profile has none such. */
static uint64_t find_string(const struct pprof_file *file, const char *text)
{
    struct wire wire = {file->bytes, file->bytes + file->len};
    struct field field;
    uint64_t index = 0;
    while (next_field(&wire, &field)) {
        if (field.number == PROFILE_STRING && wire_is(&field.contents, text))
            return index;
        index += field.number == PROFILE_STRING;
    }
    return UINT64_MAX;
}

bool pprof_has_string(const struct pprof_file *file, const char *text)
{
    return find_string(file, text) != UINT64_MAX;
}

static void note_pid(struct pprof_file *file, pid_t pid)
{
    size_t at = 0;
    while (at < file->pid_count && file->pids[at] != pid)
        at++;
    if (at < file->pid_count)
        return;
    if (at == sizeof(file->pids) / sizeof(file->pids[0]))
        fail_msg("the profile has more processes than there are");
    file->pids[file->pid_count++] = pid;
}

static void note_sample(struct pprof_file *file, struct wire sample, uint64_t pid_key)
{
    struct field field, part;
    file->samples++;
    while (next_field(&sample, &field)) {
        uint64_t key = 0, number = 0;
        while (field.number == SAMPLE_LABEL && next_field(&field.contents, &part)) {
            if (part.number == LABEL_KEY)
                key = part.value;
            if (part.number == LABEL_NUM)
                number = part.value;
        }
        if (field.number == SAMPLE_LABEL && key == pid_key)
            note_pid(file, (pid_t)number);
    }
}

static void decompress(const struct http_reply *reply, struct pprof_file *file)
{
    z_stream stream = {.next_in = (unsigned char *)reply->body.data,
                       .avail_in = (unsigned)reply->body.len};
    file->bytes = malloc(BYTES_MAX);
    assert_non_null(file->bytes);
    stream.next_out = file->bytes;
    stream.avail_out = BYTES_MAX;
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    int status = inflate(&stream, Z_FINISH);
    file->len = stream.total_out;
    unsigned left = stream.avail_in;
    (void)inflateEnd(&stream);
    if (status != Z_STREAM_END || left != 0)
        fail_msg("not gzip from one end to the other: %d, %u bytes left", status, left);
}

void pprof_read(const struct http_reply *reply, struct pprof_file *file)
{
    struct field field;
    *file = (struct pprof_file){.samples = 0};
    assert_int_equal(reply->status, 200);
    assert_header(reply, "Content-Type", "application/octet-stream");
    decompress(reply, file);
    uint64_t pid_key = find_string(file, "pid");
    struct wire wire = {file->bytes, file->bytes + file->len};
    while (next_field(&wire, &field)) {
        if (field.number == PROFILE_SAMPLE)
            note_sample(file, field.contents, pid_key);
        if (field.number == PROFILE_DURATION)
            file->duration_ns = (int64_t)field.value;
    }
}

void pprof_release(struct pprof_file *file)
{
    free(file->bytes);
    *file = (struct pprof_file){.samples = 0};
}
