/* SPDX-License-Identifier: MIT */
/* run: web=nginx web=apache-proxy alone seconds=40 */
/*
 * Web servers that keep connections, pass slow bodies on as they come, read slowly, or have
 * two hosts of which one restarts. Behind nginx also HAProxy, which is started here.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/fcgi_peer.h"
#include "support/process.h"
#include "support/raw_http.h"
#include "support/scene.h"
#include "support/temp_dir.h"

enum {
    SLOW_UPLOADS = 300,
    SLOW_STEP_BYTES = 600, /* so many, twice a second */
    SLOW_STEP_MS = 500,
    SLOW_SECONDS = 8,
    HONEST_BYTES = 5 * 1000 * 1000,
    HONEST_STEP_MS = 10, /* a hundredth of a megabyte each */
    HONEST_STEP_BYTES = 10 * 1000,
    MEDIAN_MS = SCENE_SANITIZED ? 1000 : 100,
    WORST_MS = SCENE_SANITIZED ? 10000 : 1000,
    BURST_CLIENTS = 60,
    BURST_ROUNDS = 5,
    START_MS = 10000,
    PORT_STEP = 9000 /* from the stack's port to those of servers that are started here */
};

static int start(void **state)
{
    return scene_start(state, (const char *const[]){NULL});
}

/* --- A web server of the test's own --- */

struct front {
    struct temp_dir dir;
    pid_t pid;
    uint16_t port;
};

/* The socket of the stack's api process, see httpd-conf/stack/proxied.sh. */
static void api_socket(const struct scene *scene, char out[108])
{
    (void)snprintf(out, 108, "/dev/shm/emojify-%u-%u/sockets/api.sock-0", (unsigned)getuid(),
                   scene->stack.port);
}

static void await_port(uint16_t port)
{
    char address[32];
    int64_t deadline = deadline_in_ms(START_MS);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    int fd;
    while ((fd = fcgi_peer_connect(address)) < 0 && deadline_left_ms(deadline) > 0)
        sleep_ms(20);
    assert_true(fd >= 0);
    (void)close(fd);
}

static void start_front(struct front *front, const char *const *arguments, uint16_t port)
{
    front->port = port;
    front->pid =
        process_start(&(struct process_options){.arguments = arguments, .in = -1, .out = -1});
    assert_true(front->pid > 0);
    await_port(port);
}

static void stop_front(struct front *front)
{
    assert_int_equal(kill(front->pid, SIGTERM), 0);
    (void)process_wait(front->pid);
    temp_dir_release(&front->dir);
}

/* nginx with that upstream and those lines in its location. */
static void start_nginx(struct front *front, uint16_t port, const char *upstream, const char *lines)
{
    char conf[PATH_MAX], text[4096];
    temp_dir_init(&front->dir);
    const char *dir = front->dir.path;
    int len =
        snprintf(text, sizeof(text),
                 "daemon off; master_process off; pid %s/pid; error_log %s/error.log;\n"
                 "events { worker_connections 2048; }\n"
                 "http { access_log off; client_body_temp_path %s/b; fastcgi_temp_path %s/f;\n"
                 "proxy_temp_path %s/p; uwsgi_temp_path %s/u; scgi_temp_path %s/s;\n"
                 "upstream api { %s keepalive 32; }\n"
                 "server { listen 127.0.0.1:%u backlog=1024; client_max_body_size 10m;\n"
                 "location / { include /etc/nginx/fastcgi_params; fastcgi_pass api;\n"
                 "fastcgi_keep_conn on; fastcgi_read_timeout 90s; %s } } }\n",
                 dir, dir, dir, dir, dir, dir, dir, upstream, port, lines);
    assert_true(len > 0 && (size_t)len < sizeof(text));
    temp_dir_write(&front->dir, "nginx.conf", text, (size_t)len);
    temp_dir_path(&front->dir, "nginx.conf", conf);
    start_front(front, (const char *const[]){"nginx", "-e", "stderr", "-c", conf, NULL}, port);
}

static void start_haproxy(struct front *front, uint16_t port, const char *socket,
                          const char *options)
{
    char conf[PATH_MAX], text[2048];
    temp_dir_init(&front->dir);
    int len = snprintf(text, sizeof(text),
                       "defaults\n mode http\n timeout connect 5s\n timeout client 90s\n"
                       " timeout server 90s\nfcgi-app api\n docroot /\n%s\n"
                       "frontend web\n bind 127.0.0.1:%u\n default_backend api\n"
                       "backend api\n use-fcgi-app api\n server one unix@%s proto fcgi\n",
                       options, port, socket);
    assert_true(len > 0 && (size_t)len < sizeof(text));
    temp_dir_write(&front->dir, "haproxy.cfg", text, (size_t)len);
    temp_dir_path(&front->dir, "haproxy.cfg", conf);
    start_front(front, (const char *const[]){"haproxy", "-db", "-f", conf, NULL}, port);
}

/* --- Asking --- */

/* Milliseconds until a GET was answered with 200; -1: it was not. */
static int64_t ask(uint16_t port, const char *path)
{
    struct buf answer;
    int64_t begun_ns = clock_now_ns();
    buf_init(&answer, 1 << 24);
    int status = raw_http_get(port, "GET", path, "", &answer);
    buf_release(&answer);
    return status == 200 ? (clock_now_ns() - begun_ns) / NS_PER_MS : -1;
}

struct asker {
    pthread_t thread;
    uint16_t port;
    int64_t worst_ms; /* -1: one failed */
};

static void *ask_in_a_row(void *argument)
{
    struct asker *asker = argument;
    for (int i = 0; i < BURST_ROUNDS && asker->worst_ms >= 0; i++) {
        int64_t ms = ask(asker->port, "/api/health/live");
        if (ms < 0 || ms > asker->worst_ms)
            asker->worst_ms = ms;
    }
    return NULL;
}

/* Sixty clients at once: more than the connections that are kept, and than the workers. */
static void assert_burst(uint16_t port)
{
    struct asker askers[BURST_CLIENTS];
    for (int i = 0; i < BURST_CLIENTS; i++) {
        askers[i] = (struct asker){.port = port};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_in_a_row, &askers[i]), 0);
    }
    for (int i = 0; i < BURST_CLIENTS; i++) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_in_range(askers[i].worst_ms, 0, WORST_MS);
    }
}

static void a_burst_over_kept_connections_waits_for_nobody(void **state)
{
    const struct scene *scene = *state;
    assert_burst(scene->stack.port);
    assert_burst(scene->stack.port);
}

/* Longer than connections without a request were once kept. */
static void a_post_after_idleness_is_answered(void **state)
{
    const struct scene *scene = *state;
    for (int i = 0; i < 2; i++) {
        struct http_reply reply;
        sleep_ms(2500);
        scene_post(scene, "nonsense", NULL, &reply);
        assert_int_equal(reply.status, 400);
        http_reply_release(&reply);
    }
}

/* HAProxy makes a 302 of a 200 that has a Location. */
static void assert_posted(const struct front *front, const char *text)
{
    char url[64];
    struct http_reply reply;
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/api/", front->port);
    assert_true(http_perform(
        &(struct http_call){.url = url, .body = text, .body_len = strlen(text)}, &reply));
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.len, 32);
    http_reply_release(&reply);
}

static void haproxy_is_served_in_each_of_its_ways(void **state)
{
    static const char *const ways[] = {"", " option get-values", " option mpxs-conns",
                                       " option get-values\n option mpxs-conns",
                                       " no option keep-conn"};
    const struct scene *scene = *state;
    struct scene_url url = scene_url(scene, "/pictures/astronaut.png");
    char socket[108];
    api_socket(scene, socket);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct front front;
        start_haproxy(&front, scene->stack.port + PORT_STEP, socket, ways[i]);
        assert_burst(front.port);
        assert_posted(&front, url.text);
        stop_front(&front);
    }
}

/* nginx's configuration names no directory from which it sends files. */
static void a_file_of_the_tier_is_sent_as_bytes(void **state)
{
    const struct scene *scene = *state;
    struct http_reply first, second;
    char key[33], path[64];
    double hits = scene_metric(scene, "emojify_local_cache_hits_total");
    scene_emojify(scene, scene_url(scene, "/pictures/astronaut.png").text, key);
    (void)snprintf(path, sizeof(path), "/api/cache/%s", key);
    scene_get(scene, path, NULL, &first);
    scene_get(scene, path, NULL, &second);
    assert_int_equal(first.status, 200);
    assert_int_equal(second.status, 200);
    assert_null(http_reply_header(&second, "X-Sendfile"));
    assert_true(first.body.len > 1000);
    assert_int_equal(second.body.len, first.body.len);
    assert_memory_equal(second.body.data, first.body.data, first.body.len);
    scene_wait_metric(scene, "emojify_local_cache_hits_total", hits + 1);
    http_reply_release(&first);
    http_reply_release(&second);
}

/* --- Slow bodies --- */

static const char upload_head[] = "POST /api/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                  "Content-Type: image/jpeg\r\nContent-Length: %u\r\n\r\n";

struct uploads {
    pthread_t thread;
    uint16_t port;
    _Atomic bool ended;
    unsigned failed;
};

/* Three hundred of them, 1200 bytes a second each. */
static void *upload_slowly(void *argument)
{
    struct uploads *uploads = argument;
    static int fds[SLOW_UPLOADS];
    static const char some[SLOW_STEP_BYTES];
    char head[256];
    (void)snprintf(head, sizeof(head), upload_head, 1000 * 1000);
    for (int i = 0; i < SLOW_UPLOADS; i++) {
        fds[i] = raw_http_connect(uploads->port);
        uploads->failed += !raw_http_send_str(fds[i], head);
    }
    while (!atomic_load(&uploads->ended)) {
        for (int i = 0; i < SLOW_UPLOADS; i++)
            uploads->failed += !raw_http_send(fds[i], some, sizeof(some));
        sleep_ms(SLOW_STEP_MS);
    }
    for (int i = 0; i < SLOW_UPLOADS; i++)
        (void)close(fds[i]);
    return NULL;
}

/* 5 MB at 1 MB/s; its status. They are no picture, which the application says when it has all. */
static int upload_honestly(uint16_t port)
{
    static const char some[HONEST_STEP_BYTES];
    struct buf answer;
    char head[256];
    buf_init(&answer, 1 << 20);
    (void)snprintf(head, sizeof(head), upload_head, HONEST_BYTES);
    int fd = raw_http_connect(port);
    int64_t next_ns = clock_now_ns();
    assert_true(raw_http_send_str(fd, head));
    for (int sent = 0; sent < HONEST_BYTES; sent += HONEST_STEP_BYTES) {
        assert_true(raw_http_send(fd, some, sizeof(some)));
        next_ns += HONEST_STEP_MS * NS_PER_MS;
        deadline_sleep(next_ns);
    }
    (void)raw_http_read_all(fd, &answer);
    int status = raw_http_status(&answer);
    (void)close(fd);
    buf_release(&answer);
    return status;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void assert_quick(uint16_t port, const char *path)
{
    enum { COUNT = 21 };
    int64_t ms[COUNT];
    for (int i = 0; i < COUNT; i++) {
        ms[i] = ask(port, path);
        assert_in_range(ms[i], 0, WORST_MS);
        sleep_ms(50);
    }
    qsort(ms, COUNT, sizeof(ms[0]), compare);
    assert_in_range(ms[COUNT / 2], 0, MEDIAN_MS);
}

static void assert_slow_uploads_hold_nobody(uint16_t port, const char *picture)
{
    struct uploads uploads = {.port = port};
    assert_int_equal(pthread_create(&uploads.thread, NULL, upload_slowly, &uploads), 0);
    /* Apache starts the processes that it needs for so many by and by. */
    sleep_ms(stack_web() == STACK_APACHE_PROXY ? 8000 : 2000);
    assert_quick(port, "/api/health/live");
    assert_quick(port, picture);
    assert_int_equal(upload_honestly(port), 415);
    atomic_store(&uploads.ended, true);
    assert_int_equal(pthread_join(uploads.thread, NULL), 0);
    assert_int_equal(uploads.failed, 0);
}

static void slow_uploads_hold_nobody(void **state)
{
    const struct scene *scene = *state;
    char key[33], picture[64], socket[108], upstream[160];
    scene_emojify(scene, scene_url(scene, "/pictures/astronaut.png").text, key);
    (void)snprintf(picture, sizeof(picture), "/api/cache/%s", key);
    if (stack_web() == STACK_APACHE_PROXY) { /* which passes on what comes */
        assert_slow_uploads_hold_nobody(scene->stack.port, picture);
        return;
    }
    struct front front;
    api_socket(scene, socket);
    (void)snprintf(upstream, sizeof(upstream), "server unix:%s max_fails=0;", socket);
    start_nginx(&front, scene->stack.port + PORT_STEP, upstream, "fastcgi_request_buffering off;");
    assert_slow_uploads_hold_nobody(front.port, picture);
    stop_front(&front);
}

/* --- Two hosts --- */

struct host {
    pid_t pid;
    char address[32];
    struct temp_dir run;
};

static void start_host(struct host *host, bool again)
{
    char run_dir[PATH_MAX], program[PATH_MAX], path[PATH_MAX];
    if (!again)
        temp_dir_init(&host->run);
    const char *build = getenv("BUILD");
    (void)snprintf(run_dir, sizeof(run_dir), "RUN_DIR=%s", host->run.path);
    (void)snprintf(program, sizeof(program), "%s/emojify-api", build ? build : "build/release");
    (void)snprintf(path, sizeof(path), "PATH=%s", getenv("PATH"));
    const char *const environment[] = {path, run_dir, "API_PATH=/api/", "LOG_LEVEL=error", NULL};
    const char *const arguments[] = {program, "--listen", host->address, NULL};
    host->pid = process_start(&(struct process_options){
        .arguments = arguments, .environment = environment, .in = -1, .out = -1});
    assert_true(host->pid > 0);
    await_port((uint16_t)strtoul(strchr(host->address, ':') + 1, NULL, 10));
}

static void stop_host(const struct host *host)
{
    assert_int_equal(kill(host->pid, SIGTERM), 0);
    assert_int_equal(process_wait(host->pid), 0);
}

struct client {
    pthread_t thread;
    uint16_t port;
    _Atomic bool ended;
    unsigned answered, lost;
};

/* GETs and POSTs, one after the other, without a pause. */
static void *ask_on(void *argument)
{
    struct client *client = argument;
    while (!atomic_load(&client->ended)) {
        struct buf answer;
        buf_init(&answer, 1 << 20);
        int status = client->answered % 2
                         ? raw_http_post(client->port, "/api/", "Connection: close\r\n", "nonsense",
                                         8, &answer)
                         : raw_http_get(client->port, "GET", "/api/health/live", "", &answer);
        client->answered += status == 200 || status == 400;
        client->lost += status != 200 && status != 400;
        buf_release(&answer);
    }
    return NULL;
}

/* Each host restarts three times under eight clients. */
static void assert_restarts_lose_nobody(uint16_t port, struct host *hosts)
{
    enum { CLIENTS = 8, RESTARTS = 6 };
    struct client clients[CLIENTS];
    unsigned answered = 0, lost = 0;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.port = port};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, ask_on, &clients[i]), 0);
    }
    for (int i = 0; i < RESTARTS; i++) {
        sleep_ms(300);
        stop_host(&hosts[i % 2]);
        start_host(&hosts[i % 2], true);
    }
    for (int i = 0; i < CLIENTS; i++) {
        atomic_store(&clients[i].ended, true);
        assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
        answered += clients[i].answered;
        lost += clients[i].lost;
    }
    print_message("%u of %u requests lost in %d restarts\n", lost, answered + lost, RESTARTS);
    assert_true(answered > 100);
    assert_int_equal(lost, 0);
}

static void start_hosts(const struct scene *scene, struct host hosts[2])
{
    for (int i = 0; i < 2; i++) {
        (void)snprintf(hosts[i].address, sizeof(hosts[i].address), "127.0.0.1:%d",
                       scene->stack.port + PORT_STEP + 1 + i);
        start_host(&hosts[i], false);
    }
}

static void stop_hosts(struct host hosts[2])
{
    for (int i = 0; i < 2; i++) {
        stop_host(&hosts[i]);
        temp_dir_release(&hosts[i].run);
    }
}

static void a_host_that_restarts_loses_no_request_behind_nginx(void **state)
{
    const struct scene *scene = *state;
    struct host hosts[2];
    struct front front;
    char upstream[160];
    start_hosts(scene, hosts);
    (void)snprintf(upstream, sizeof(upstream), "server %s max_fails=0; server %s max_fails=0;",
                   hosts[0].address, hosts[1].address);
    start_nginx(&front, scene->stack.port + PORT_STEP, upstream, "");
    assert_restarts_lose_nobody(front.port, hosts);
    stop_front(&front);
    stop_hosts(hosts);
}

static void a_host_that_restarts_loses_no_request_behind_lighttpd(void **state)
{
    const struct scene *scene = *state;
    struct host hosts[2];
    struct front front;
    char text[2048], conf[PATH_MAX];
    uint16_t port = (uint16_t)(scene->stack.port + PORT_STEP);
    start_hosts(scene, hosts);
    temp_dir_init(&front.dir);
    int len =
        snprintf(text, sizeof(text),
                 "server.port = %u\nserver.bind = \"127.0.0.1\"\nserver.document-root = \"%s\"\n"
                 "server.upload-dirs = ( \"%s\" )\nserver.modules = ( \"mod_fastcgi\" )\n"
                 "fastcgi.balance = \"least-connection\"\nfastcgi.server = ( \"/\" => (\n"
                 "( \"host\" => \"127.0.0.1\", \"port\" => %d, \"check-local\" => \"disable\", "
                 "\"disable-time\" => 1 ),\n"
                 "( \"host\" => \"127.0.0.1\", \"port\" => %d, \"check-local\" => \"disable\", "
                 "\"disable-time\" => 1 ) ) )\n",
                 port, front.dir.path, front.dir.path, port + 1, port + 2);
    assert_true(len > 0 && (size_t)len < sizeof(text));
    temp_dir_write(&front.dir, "lighttpd.conf", text, (size_t)len);
    temp_dir_path(&front.dir, "lighttpd.conf", conf);
    start_front(&front, (const char *const[]){"lighttpd", "-D", "-f", conf, NULL}, port);
    assert_restarts_lose_nobody(front.port, hosts);
    stop_front(&front);
    stop_hosts(hosts);
}

int main(void)
{
    const struct CMUnitTest everywhere[] = {
        cmocka_unit_test(a_burst_over_kept_connections_waits_for_nobody),
        cmocka_unit_test(a_post_after_idleness_is_answered),
        cmocka_unit_test(slow_uploads_hold_nobody),
    };
    const struct CMUnitTest once[] = {
        cmocka_unit_test(a_file_of_the_tier_is_sent_as_bytes),
        cmocka_unit_test(haproxy_is_served_in_each_of_its_ways),
        cmocka_unit_test(a_host_that_restarts_loses_no_request_behind_nginx),
        cmocka_unit_test(a_host_that_restarts_loses_no_request_behind_lighttpd),
    };
    int failed = cmocka_run_group_tests(everywhere, start, scene_stop);
    return stack_web() == STACK_NGINX ? failed + cmocka_run_group_tests(once, start, scene_stop)
                                      : failed;
}
