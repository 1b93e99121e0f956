/* SPDX-License-Identifier: MIT */
/* The error texts are for people who write clients: they name the field. */
#include "facebox/check.h"

#include <jansson.h>
#include <string.h>

#include "facebox/base64.h"
#include "lib/base/limits.h"

/* A string that was handed over, under one of the names that it may have. */
struct given {
    const char *text; /* NULL: not given */
    size_t len;
};

static enum app_err check_size(size_t len, struct err_buf *why)
{
    if (len > LIMIT_PICTURE_BYTES)
        return err_set(why, APP_TOO_LARGE, "the picture has more than %d bytes",
                       LIMIT_PICTURE_BYTES);
    return APP_OK;
}

static enum app_err take_file(const struct given *file, struct check_input *input,
                              struct err_buf *why)
{
    input->source = "file";
    if (file->len == 0)
        return err_set(why, APP_BAD_REQUEST, "the file is empty");
    input->picture = file->text;
    input->len = file->len;
    return check_size(file->len, why);
}

static enum app_err take_url(const struct given *url, struct check_input *input,
                             struct err_buf *why)
{
    input->source = "url";
    if (url->len == 0 || memchr(url->text, '\0', url->len))
        return err_set(why, APP_BAD_REQUEST, "url must be absolute");
    if (url->len > LIMIT_REQUEST_URL)
        return err_set(why, APP_TOO_LARGE, "url has more than %d bytes", LIMIT_REQUEST_URL);
    return buf_append(&input->owned, url->text, url->len);
}

static enum app_err take_base64(const struct given *base64, struct check_input *input,
                                struct err_buf *why)
{
    input->source = "base64";
    enum app_err err = base64_decode(base64->text, base64->len, &input->owned);
    if (err == APP_TOO_LARGE)
        return check_size(LIMIT_PICTURE_BYTES + 1, why);
    if (err == APP_BAD_REQUEST || (!err && input->owned.len == 0))
        return err_set(why, APP_BAD_REQUEST, "base64 cannot be decoded");
    input->picture = input->owned.data;
    input->len = input->owned.len;
    return err;
}

static enum app_err take_url_or_base64(const struct given *url, const struct given *base64,
                                       struct check_input *input, struct err_buf *why)
{
    if (url->text)
        return take_url(url, input, why);
    if (base64->text)
        return take_base64(base64, input, why);
    return err_set(why, APP_BAD_REQUEST, "a file, url or base64 is needed");
}

/* A string member; APP_BAD_REQUEST when there is one that is no string. */
static enum app_err read_member(const json_t *object, const char *name, struct given *given,
                                struct err_buf *why)
{
    const json_t *member = json_object_get(object, name);
    if (!member || json_is_null(member))
        return APP_OK;
    if (!json_is_string(member))
        return err_set(why, APP_BAD_REQUEST, "%s is not a string", name);
    given->text = json_string_value(member);
    given->len = json_string_length(member);
    return APP_OK;
}

static enum app_err read_json(const struct httpd_request *request, struct check_input *input,
                              struct err_buf *why)
{
    struct given url = {0};
    struct given base64 = {0};
    json_error_t error;
    json_t *root = json_loadb(request->body, request->body_len, 0, &error);
    enum app_err err = APP_OK;
    if (!json_is_object(root)) {
        err_detail(why, "%s", root ? "not an object" : error.text);
        err = err_set(why, APP_BAD_REQUEST, "the body is not a JSON object");
        goto out;
    }
    err = read_member(root, "url", &url, why);
    if (!err)
        err = read_member(root, "base64", &base64, why);
    if (!err)
        err = take_url_or_base64(&url, &base64, input, why);
out:
    json_decref(root);
    return err;
}

static struct given read_field(const struct httpd_request *request, const char *name)
{
    struct given given = {0};
    given.text = httpd_request_field(request, name, &given.len);
    return given;
}

enum app_err check_read(const struct httpd_request *request, struct check_input *input,
                        struct err_buf *why)
{
    memset(input, 0, sizeof(*input));
    input->source = "";
    buf_init(&input->owned, LIMIT_PICTURE_BYTES);
    if (strcmp(request->content_type, "application/json") == 0)
        return read_json(request, input, why);

    struct given file = read_field(request, "file");
    if (file.text)
        return take_file(&file, input, why);
    struct given url = read_field(request, "url");
    struct given base64 = read_field(request, "base64");
    return take_url_or_base64(&url, &base64, input, why);
}

void check_input_release(struct check_input *input)
{
    buf_release(&input->owned);
}
