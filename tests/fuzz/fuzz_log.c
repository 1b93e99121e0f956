/* SPDX-License-Identifier: MIT */
/*
 * Foreign text in a log record: a byte for the format, then a value. A record is
 * one line that nothing in it can end, of printable UTF-8, and JSON stays JSON.
 */
#include "fuzz/input.h"

#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/base/log.h"

/* What was written into the pipe. */
static size_t read_record(int fd, char out[LIMIT_LOG_RECORD + 1])
{
    ssize_t len = read(fd, out, LIMIT_LOG_RECORD);
    char more;
    must(len > 0);
    must(read(fd, &more, 1) < 0); /* one record is one write, and not longer */
    return (size_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fds[2] = {-1, -1};
    static char record[LIMIT_LOG_RECORD + 1];
    struct fuzz_input input = {data, size};
    bool json = fuzz_byte(&input) % 2;
    size_t len = input.left;
    char *value = fuzz_text(&input, len);
    if (fds[0] < 0)
        must(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
    struct log_sink sink = {fds[1], json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT, LOG_INFO};
    const struct log log = {&sink, "fuzz", value, NULL};
    log_info(&log, "Message",
             LOG_FIELDS(LOG_STR("first", value), LOG_STRN("second", value, len),
                        LOG_INT("number", len)));
    size_t record_len = read_record(fds[0], record);
    must(record[record_len - 1] == '\n');
    for (size_t i = 0; i + 1 < record_len; i++)
        must((unsigned char)record[i] >= ' ' && record[i] != 0x7f);
    if (json) {
        json_t *object = json_loadb(record, record_len, JSON_ALLOW_NUL, NULL);
        must(json_is_object(object));
        json_decref(object);
    }
    free(value);
    return 0;
}
