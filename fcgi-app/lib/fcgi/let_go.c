/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/let_go.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum {
    DRAIN_MS = 1000,
    DRAIN_LOOK_MS = 1,
    HANDSHAKE_MS = 2 /* several round trips to a web server in the same network */
};

/*
 * The kernel shuts a TCP socket by closing it only, and resets who waits there. So drop the
 * beginnings of handshakes (SYN without ACK) first, and wait for the ends of those that are
 * under way. Who was dropped asks again after a second, and is refused.
 */
static void drop_handshakes(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetof(struct tcphdr, th_flags)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
        (void)poll(NULL, 0, HANDSHAKE_MS);
}

/*
 * Once nobody waits at the socket, close it by putting another file in its place: who comes
 * then is refused by the kernel, upon which a web server asks another process. One that were
 * let in and never accepted would be lost.
 */
static void close_when_empty(int fd)
{
    struct pollfd waiting = {fd, POLLIN, 0};
    int64_t deadline = deadline_in_ms(DRAIN_MS);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0)
        return;
    while (poll(&waiting, 1, 0) > 0 && deadline_left_ms(deadline) > 0)
        (void)poll(NULL, 0, DRAIN_LOOK_MS);
    (void)dup3(nothing, fd, O_CLOEXEC);
    (void)close(nothing);
}

/*
 * Who comes to a Unix socket that is shut is refused, and who waits there is still accepted.
 * Others are closed; where the socket is another's as well, that one has it still. Where it is
 * ours alone but we cannot know (lighttpd made it), who comes between the last look and the
 * closing is lost: some microseconds.
 */
enum let_go_way let_go_of_listener(int fd, bool is_tcp, bool is_own)
{
    if (is_own && !is_tcp && shutdown(fd, SHUT_RD) == 0)
        return LET_GO_SHUT;
    if (is_own && is_tcp)
        drop_handshakes(fd);
    close_when_empty(fd);
    return LET_GO_CLOSED;
}
