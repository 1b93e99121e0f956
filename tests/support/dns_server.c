/* SPDX-License-Identifier: MIT */
#include "support/dns_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/cmocka.h"

enum {
    PORT = 53,
    HEADER = 12,
    MESSAGE_MAX = 512,
    NAME_MAX_LEN = 255,
    NAMES_MAX = 16,
    ADDRESSES_MAX = 255, /* characters of one answer's list */
    RECORD_MAX = 28,     /* bytes of an address record */
    ROOM = 2 * MESSAGE_MAX,
    TYPE_A = 1,
    TYPE_AAAA = 28,
    NXDOMAIN = 3,
    POLL_MS = 50
};

enum kind { KIND_A, KIND_AAAA, KIND__MAX };

struct name {
    const char *text;
    const char *answers[KIND__MAX]; /* glibc asks for both at once, in either order */
    unsigned questions;             /* of KIND_A */
};

struct dns_server {
    int fd;
    pthread_t thread;
    _Atomic bool stopping;
    pthread_mutex_t lock; /* guards the names */
    struct name names[NAMES_MAX];
    size_t count;
};

/* --- Namespaces ------------------------------------------------------------------ */

static bool write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    bool written = file && fputs(text, file) >= 0;
    return file && fclose(file) == 0 && written;
}

static bool put_over(const char *directory, const char *name, const char *text, const char *target)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return write_file(path, text) && mount(path, target, NULL, MS_BIND, NULL) == 0;
}

static bool bring_loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
    up = up && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (fd >= 0)
        (void)close(fd);
    return up;
}

static bool map_to_itself(const char *path, unsigned id)
{
    char line[64];
    (void)snprintf(line, sizeof(line), "%u %u 1\n", id, id);
    return write_file(path, line);
}

static bool enter_namespaces(void)
{
    uid_t user = geteuid();
    gid_t group = getegid();
    if (user == 0)
        return unshare(CLONE_NEWNET | CLONE_NEWNS) == 0;
    return unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) == 0 &&
           map_to_itself("/proc/self/uid_map", user) &&
           write_file("/proc/self/setgroups", "deny") && map_to_itself("/proc/self/gid_map", group);
}

bool dns_namespaces(const char *directory)
{
    return enter_namespaces() && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           bring_loopback_up() &&
           put_over(directory, "resolv.conf",
                    "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n", "/etc/resolv.conf") &&
           put_over(directory, "nsswitch.conf", "hosts: dns\n", "/etc/nsswitch.conf");
}

/* --- Answers --------------------------------------------------------------------- */

/* The question's name as text; returns the bytes that it takes, 0: not a proper one. */
static size_t read_name(const unsigned char *message, size_t len, char *name)
{
    size_t at = HEADER;
    size_t used = 0;
    while (at < len && message[at] != 0) {
        size_t label = message[at];
        if (label > 63 || at + 1 + label >= len || used + label + 1 > NAME_MAX_LEN)
            return 0;
        memcpy(name + used, message + at + 1, label);
        used += label;
        name[used++] = '.';
        at += 1 + label;
    }
    name[used > 0 ? used - 1 : 0] = '\0';
    return at + 1 + 4 <= len ? at + 1 - HEADER : 0;
}

/* The addresses for this question, and one step on. */
static void next_addresses(struct name *name, enum kind kind, char *addresses, size_t size)
{
    const char *answers = name->answers[kind];
    size_t len = strcspn(answers, "|");
    (void)snprintf(addresses, size, "%.*s", (int)len, answers);
    if (answers[len] == '|')
        name->answers[kind] += len + 1;
    if (kind == KIND_A)
        name->questions++;
}

static struct name *find(struct dns_server *server, const char *text)
{
    for (size_t i = 0; i < server->count; i++) {
        if (strcasecmp(server->names[i].text, text) == 0)
            return &server->names[i];
    }
    return NULL;
}

/* One address record, whose name is that of the question. */
static size_t put_address(unsigned char *at, enum kind kind, const char *address)
{
    static const unsigned char heads[KIND__MAX][12] = {
        [KIND_A] = {0xc0, HEADER, 0, TYPE_A, 0, 1, 0, 0, 0, 0, 0, 4},
        [KIND_AAAA] = {0xc0, HEADER, 0, TYPE_AAAA, 0, 1, 0, 0, 0, 0, 0, 16},
    };
    const unsigned char *head = heads[kind];
    int family = kind == KIND_A ? AF_INET : AF_INET6;
    memcpy(at, head, sizeof(heads[kind]));
    assert_int_equal(inet_pton(family, address, at + sizeof(heads[kind])), 1);
    return sizeof(heads[kind]) + head[sizeof(heads[kind]) - 1];
}

/* Those of the list that are of this kind, behind the question, which ends at `end`. */
static size_t put_addresses(unsigned char *message, size_t end, enum kind kind, char *list)
{
    unsigned char count = 0;
    for (char *address; (address = strsep(&list, ",")) && *address;) {
        bool is_v6 = strchr(address, ':') != NULL;
        if (is_v6 != (kind == KIND_AAAA))
            continue;
        assert_true(end + RECORD_MAX <= ROOM);
        end += put_address(message + end, kind, address);
        count++;
    }
    message[7] = count;
    return end;
}

/* Turn the question into its answer; returns its length, 0: none. */
static size_t answer(struct dns_server *server, unsigned char *message, size_t len)
{
    char text[NAME_MAX_LEN + 1];
    char addresses[ADDRESSES_MAX + 1] = "";
    size_t name_len = len > HEADER ? read_name(message, len, text) : 0;
    if (name_len == 0)
        return 0;
    size_t end = HEADER + name_len + 4;
    unsigned type = (unsigned)message[end - 4] << 8 | message[end - 3];
    enum kind kind = type == TYPE_AAAA ? KIND_AAAA : KIND_A;
    pthread_mutex_lock(&server->lock);
    struct name *name = find(server, text);
    if (name && (type == TYPE_A || type == TYPE_AAAA))
        next_addresses(name, kind, addresses, sizeof(addresses));
    pthread_mutex_unlock(&server->lock);

    message[2] = 0x84; /* an answer, with authority */
    message[3] = name ? 0 : NXDOMAIN;
    memset(message + 6, 0, 6); /* no other sections, such as EDNS's */
    return put_addresses(message, end, kind, addresses);
}

static void *serve(void *argument)
{
    struct dns_server *server = argument;
    while (!atomic_load(&server->stopping)) {
        unsigned char message[ROOM];
        struct sockaddr_in peer;
        socklen_t peer_len = sizeof(peer);
        struct pollfd readable = {server->fd, POLLIN, 0};
        if (poll(&readable, 1, POLL_MS) <= 0)
            continue;
        ssize_t len =
            recvfrom(server->fd, message, MESSAGE_MAX, 0, (struct sockaddr *)&peer, &peer_len);
        size_t answer_len = len > 0 ? answer(server, message, (size_t)len) : 0;
        if (answer_len > 0)
            (void)sendto(server->fd, message, answer_len, 0, (struct sockaddr *)&peer, peer_len);
    }
    return NULL;
}

/* --- Life ------------------------------------------------------------------------ */

struct dns_server *dns_server_start(void)
{
    struct dns_server *server = calloc(1, sizeof(*server));
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_non_null(server);
    pthread_mutex_init(&server->lock, NULL);
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(server->fd >= 0);
    assert_int_equal(bind(server->fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    return server;
}

void dns_server_stop(struct dns_server **server)
{
    atomic_store(&(*server)->stopping, true);
    assert_int_equal(pthread_join((*server)->thread, NULL), 0);
    (void)close((*server)->fd);
    pthread_mutex_destroy(&(*server)->lock);
    free(*server);
    *server = NULL;
}

void dns_server_say(struct dns_server *server, const char *name, const char *answers)
{
    pthread_mutex_lock(&server->lock);
    assert_true(server->count < NAMES_MAX);
    server->names[server->count++] =
        (struct name){.text = name, .answers = {[KIND_A] = answers, [KIND_AAAA] = answers}};
    pthread_mutex_unlock(&server->lock);
}

unsigned dns_server_questions(struct dns_server *server, const char *name)
{
    pthread_mutex_lock(&server->lock);
    const struct name *found = find(server, name);
    unsigned questions = found ? found->questions : 0;
    pthread_mutex_unlock(&server->lock);
    return questions;
}
