/* SPDX-License-Identifier: MIT */
/* run: web=all */
/* GET and HEAD of /api/cache/{file}: the stored bytes, whoever stored them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/digest.h"
#include "support/cmocka.h"
#include "support/grpc_client.h"
#include "support/scene.h"

static int start(void **state)
{
    /* The application's answers: test_local_tier.c has those that lighttpd gives by itself. */
    return scene_start(state, (const char *const[]){"DIRECT=off", NULL});
}

/* The file that the cache keeps an id's entry in. */
static FILE *open_entry(const struct scene *scene, const char *id, const char *mode)
{
    char path[PATH_MAX];
    char name[MD5_HEX_LEN + 1];
    assert_int_equal(md5_hex(id, strlen(id), name), APP_OK);
    (void)snprintf(path, sizeof(path), "%.4000s/cache/%s", scene->stack.state, name);
    FILE *file = fopen(path, mode);
    if (!file)
        fail_msg("%s (the entry of %s) cannot be opened", path, id);
    return file;
}

/* What another program that shares the cache's directory would do. */
static void put_file(const struct scene *scene, const char *id, const void *data, size_t len)
{
    FILE *file = open_entry(scene, id, "wb");
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void get_id(const struct scene *scene, const char *method, const char *id,
                   struct http_reply *reply)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "/api/cache/%s", id);
    scene_ask(scene, &(struct http_call){.method = method, .url = path}, reply);
}

static void the_answer_is_what_the_cache_stores(void **state)
{
    const struct scene *scene = *state;
    char key[MD5_HEX_LEN + 1];
    struct http_reply reply;
    scene_emojify(scene, scene_url(scene, "/pictures/coffee.png").text, key);
    get_id(scene, "GET", key, &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Type", "image/jpeg");
    assert_header(&reply, "Cache-Control", "public, max-age=30");
    assert_header(&reply, "X-Content-Type-Options", "nosniff");

    char *stored = malloc(reply.body.len + 1);
    assert_non_null(stored);
    FILE *file = open_entry(scene, key, "rb");
    assert_int_equal(fread(stored, 1, reply.body.len + 1, file), reply.body.len);
    (void)fclose(file);
    assert_memory_equal(stored, reply.body.data, reply.body.len);
    free(stored);
    http_reply_release(&reply);
}

static void head_has_the_headers_of_get_and_no_body(void **state)
{
    static const char *const names[] = {"Content-Type", "Content-Length", "Cache-Control", "ETag",
                                        "X-Content-Type-Options"};
    const struct scene *scene = *state;
    char key[MD5_HEX_LEN + 1];
    char length[24];
    struct http_reply get, head;
    scene_emojify(scene, scene_url(scene, "/pictures/coffee.png").text, key);
    get_id(scene, "GET", key, &get);
    get_id(scene, "HEAD", key, &head);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.body.len, 0);
    (void)snprintf(length, sizeof(length), "%zu", get.body.len);
    assert_header(&get, "Content-Length", length);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = http_reply_header(&get, names[i]);
        if (value)
            assert_header(&head, names[i], value);
        else
            assert_null(http_reply_header(&head, names[i]));
    }
    http_reply_release(&get);
    http_reply_release(&head);
}

static void files_of_other_writers_are_served_with_the_type_of_their_bytes(void **state)
{
    static const struct {
        const char *id;
        const char *data;
        size_t len;
        const char *type;
    } files[] = {
        {"some-picture.jpg", "\xff\xd8\xff\xe0 rest", 9, "image/jpeg"},
        {"a.b_c~d=e-f", "\x89PNG\r\n\x1a\n rest", 13, "image/png"},
        {"gif", "GIF89a rest", 11, "image/gif"},
        {"webp", "RIFF\x04\0\0\0WEBPVP8 ", 16, "image/webp"},
        {"text", "abc", 3, "text/plain; charset=utf-8"},
        {"bytes", "\0\1\2\3", 4, "application/octet-stream"},
        {"named-like-a.png", "GIF87a", 6, "image/gif"},
    };
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct http_reply reply;
        put_file(scene, files[i].id, files[i].data, files[i].len);
        get_id(scene, "GET", files[i].id, &reply);
        assert_int_equal(reply.status, 200);
        assert_header(&reply, "Content-Type", files[i].type);
        assert_header(&reply, "X-Content-Type-Options", "nosniff");
        assert_int_equal(reply.body.len, files[i].len);
        assert_memory_equal(reply.body.data, files[i].data, files[i].len);
        http_reply_release(&reply);
    }
}

/* Longer than an FCGI record and than lighttpd keeps in memory, and not a picture. */
static void a_file_of_several_megabytes_comes_back_whole(void **state)
{
    enum { SIZE = 5 * 1000 * 1000 + 17 };
    const struct scene *scene = *state;
    struct http_reply reply;
    unsigned char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 2654435761U >> 13);
    put_file(scene, "large", bytes, SIZE);
    get_id(scene, "GET", "large", &reply);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.len, SIZE);
    assert_memory_equal(reply.body.data, bytes, SIZE);
    http_reply_release(&reply);
    free(bytes);
}

static void what_is_not_stored_is_not_found(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    get_id(scene, "GET", "00000000000000000000000000000000", &reply);
    assert_error(&reply, 404, NULL);
    http_reply_release(&reply);
    get_id(scene, "HEAD", "00000000000000000000000000000000", &reply);
    assert_int_equal(reply.status, 404);
    assert_int_equal(reply.body.len, 0);
    http_reply_release(&reply);
}

static void an_empty_entry_is_not_found(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    put_file(scene, "empty", "", 0);
    get_id(scene, "GET", "empty", &reply);
    assert_error(&reply, 404, NULL);
    http_reply_release(&reply);
}

/* As an administrator's program would, over gRPC. */
static void take_down(const struct scene *scene, const char *key)
{
    char address[256];
    char message[2 + MD5_HEX_LEN + 1];
    struct grpc_client_answer answer = {0};
    (void)snprintf(message, sizeof(message), "\x0a%c%s", MD5_HEX_LEN, key);
    assert_true(stack_setting(&scene->stack, "cache", "BIND_ADDRESS", address, sizeof(address)));
    struct grpc_client *client = grpc_client_new(&(struct grpc_client_options){.address = address});
    grpc_client_call(client, "/Cache/Put", message, 2 + MD5_HEX_LEN, &answer);
    assert_int_equal(answer.status, 0);
    grpc_client_answer_release(&answer);
    grpc_client_free(&client);
}

static void a_picture_that_was_taken_down_is_gone_and_not_made_again(void **state)
{
    const struct scene *scene = *state;
    char key[MD5_HEX_LEN + 1];
    struct http_reply reply;
    struct scene_url url = scene_url(scene, "/pictures/astronaut.png");
    scene_emojify(scene, url.text, key);
    take_down(scene, key);
    get_id(scene, "GET", key, &reply);
    assert_int_equal(reply.status, 404);
    http_reply_release(&reply);
    scene_post(scene, url.text, NULL, &reply);
    assert_error(&reply, 410, "this picture was taken down\n");
    http_reply_release(&reply);
    scene_post(scene, url.text, SCENE_JSON, &reply);
    assert_problem(&reply, 410, "gone");
    http_reply_release(&reply);
    get_id(scene, "GET", key, &reply);
    assert_int_equal(reply.status, 404);
    http_reply_release(&reply);
}

static void an_id_may_have_200_characters_and_no_more(void **state)
{
    const struct scene *scene = *state;
    char id[202];
    struct http_reply reply;
    memset(id, 'x', 201);
    id[201] = '\0';
    put_file(scene, id, "abc", 3); /* which must not be asked for */
    get_id(scene, "GET", id, &reply);
    assert_error(&reply, 404, NULL);
    http_reply_release(&reply);

    id[200] = '\0';
    put_file(scene, id, "abc", 3);
    get_id(scene, "GET", id, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

/* Each has an entry under the id that a careless decoder would ask the cache for. */
static void ids_with_other_characters_are_not_found(void **state)
{
    static const struct {
        const char *path;
        const char *id;
    } cases[] = {
        {".hidden", ".hidden"},
        {"%2ehidden", ".hidden"},
        {"a%20b", "a b"},
        {"a+b", "a+b"},
        {"a@b", "a@b"},
        {"a%25b", "a%b"},
        {"caf%C3%A9", "caf\xc3\xa9"},
        {"a,b", "a,b"},
        {"a'b", "a'b"},
        {"a%5Cb", "a\\b"},
    };
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_reply reply;
        put_file(scene, cases[i].id, "abc", 3);
        get_id(scene, "GET", cases[i].path, &reply);
        if (reply.status != 404)
            fail_msg("%s: %d", cases[i].path, reply.status);
        assert_error(&reply, 404, NULL);
        http_reply_release(&reply);
    }
}

/* What lighttpd or the application refuses is a matter of who sees it first; a 200 is not. */
static void paths_that_try_to_leave_the_cache_are_refused(void **state)
{
    static const char *const paths[] = {"",          "..",         "../health/x",  "a/b",
                                        "%2e%2e%2f", "a%2fb",      "a%00b",        "%ff%fe",
                                        "/a",        "..%2fcache", "a%0d%0aX:%20y"};
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_reply reply;
        get_id(scene, "GET", paths[i], &reply);
        if (reply.status != 404 && reply.status != 400)
            fail_msg("%s: %d", paths[i], reply.status);
        assert_null(http_reply_header(&reply, "X"));
        http_reply_release(&reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_is_what_the_cache_stores),
        cmocka_unit_test(head_has_the_headers_of_get_and_no_body),
        cmocka_unit_test(files_of_other_writers_are_served_with_the_type_of_their_bytes),
        cmocka_unit_test(a_file_of_several_megabytes_comes_back_whole),
        cmocka_unit_test(what_is_not_stored_is_not_found),
        cmocka_unit_test(an_empty_entry_is_not_found),
        cmocka_unit_test(a_picture_that_was_taken_down_is_gone_and_not_made_again),
        cmocka_unit_test(an_id_may_have_200_characters_and_no_more),
        cmocka_unit_test(ids_with_other_characters_are_not_found),
        cmocka_unit_test(paths_that_try_to_leave_the_cache_are_refused),
    };
    return cmocka_run_group_tests(tests, start, scene_stop);
}
