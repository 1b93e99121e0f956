/* SPDX-License-Identifier: MIT */
/* The URL in the body of a POST, and the target of a request: line one, and the rest. */
#include "fuzz/input.h"

#include "lib/base/limits.h"
#include "lib/http/uri.h"
#include "lib/http/url.h"
#include "lib/http/url_canonical.h"

/*
 * A key must not depend on how often a URL went through here. The exception is Go's:
 * raw bytes in the zone of an IPv6 address come out as escapes that it does not take.
 */
static void check_normalised(const struct buf *once)
{
    struct buf twice;
    struct err_buf why;
    if (memmem(once->data, once->len, "%25", 3) && memchr(once->data, '[', once->len))
        return;
    buf_init(&twice, 4 * LIMIT_REQUEST_URL);
    must(memchr(once->data, '\n', once->len) == NULL);
    must(url_normalise(once->data, once->len, &twice, &why) == APP_OK);
    must(twice.len == once->len && memcmp(twice.data, once->data, once->len) == 0);
    buf_release(&twice);
}

/* Nothing that the names of sources must not have, and a whole URL. */
static void check_canonical(const char *url)
{
    struct buf canonical;
    buf_init(&canonical, 3 * strlen(url) + 1);
    must(url_canonical(url, &canonical) == APP_OK);
    must(strncmp(canonical.data, "http", 4) == 0 && strlen(canonical.data) == canonical.len);
    must(strstr(canonical.data, "/../") == NULL || strchr(canonical.data, '?') != NULL);
    buf_release(&canonical);
}

static void normalise(const char *text, size_t len)
{
    struct buf out;
    struct err_buf why = {.text = ""};
    buf_init(&out, 4 * LIMIT_REQUEST_URL);
    enum app_err err = url_normalise(text, len, &out, &why);
    if (err == APP_OK) {
        check_normalised(&out);
        check_canonical(out.data);
    } else {
        must(err == APP_TOO_LARGE || why.text[0] != '\0');
    }
    buf_release(&out);
}

static void split(const char *target)
{
    char small[16];
    size_t size = strlen(target) + 1;
    char *path = malloc(size);
    const char *query = NULL;
    struct err_buf why;
    must(path != NULL);
    if (uri_split(target, path, size, &query, &why) == APP_OK)
        must(path[0] == '/' && strlen(path) < size &&
             (*query == '\0' || (query > target && query < target + size)));
    if (uri_split(target, small, sizeof(small), &query, NULL) == APP_OK)
        must(strlen(small) < sizeof(small));
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t len = end ? (size_t)(end - data) : size;
    char *url = fuzz_line(&input);
    char *target = fuzz_text(&input, input.left);
    normalise(url, len);
    split(target);
    split(url);
    free(target);
    free(url);
    return 0;
}
