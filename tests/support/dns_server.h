/* SPDX-License-Identifier: MIT */
/*
 * A name server for tests (RFC 1035, UDP only): answers for each name what it was told,
 * one answer after the other, with a time to live of 0. A failure inside ends the test by
 * an assertion.
 *
 * glibc asks port 53 of the servers in resolv.conf and nobody else, so it is used in
 * namespaces of its own: dns_namespaces first, in a process with one thread, then
 * dns_server_start, dns_server_say, look-ups, dns_server_stop.
 */
#ifndef TESTS_SUPPORT_DNS_SERVER_H
#define TESTS_SUPPORT_DNS_SERVER_H

#include <stdbool.h>

struct dns_server;

/*
 * Give this process a network with nothing but loopback, and files by which glibc asks
 * 127.0.0.1 for every name; `directory` is for them. Who is not root gets a user namespace
 * too. False: this is not allowed here, with errno.
 */
bool dns_namespaces(const char *directory);

/* On 127.0.0.1, port 53. */
struct dns_server *dns_server_start(void);

/* NULLs the caller's pointer. */
void dns_server_stop(struct dns_server **server);

/*
 * The addresses of `name`, as "10.0.0.1,::1" for the first question, then behind a bar those
 * for the next; the last ones stay. A and AAAA are counted apart, and each is told the
 * addresses of its own kind. Of a name that nothing was said about: NXDOMAIN. `answers` must
 * outlive the server.
 */
void dns_server_say(struct dns_server *server, const char *name, const char *answers);

/* How many questions for an IPv4 address of `name` came. */
unsigned dns_server_questions(struct dns_server *server, const char *name);

#endif
