/* SPDX-License-Identifier: MIT */
/* run: web=all tsan seconds=30 */
/* POST /api/: from a URL or a picture to a key, and what is behind that key then. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vips/vips.h>

#include "lib/base/digest.h"
#include "support/cmocka.h"
#include "support/sample_picture.h"
#include "support/scene.h"

enum { FACES_MAX = 16 };

struct face {
    int left;
    int top;
    int width;
    int height;
};

static int start(void **state)
{
    return scene_start(state, NULL);
}

/* --- Pictures ----------------------------------------------------------------- */

static struct http_reply get_result(const struct scene *scene, const char *key)
{
    char path[64];
    struct http_reply reply;
    (void)snprintf(path, sizeof(path), "/api/cache/%s", key);
    scene_get(scene, path, NULL, &reply);
    assert_int_equal(reply.status, 200);
    return reply;
}

/* In sRGB with three bands, whatever it was. */
static VipsImage *decode_colour(const struct buf *bytes)
{
    VipsImage *image = sample_decode(bytes->data, bytes->len);
    VipsImage *colour, *memory;
    if (vips_colourspace(image, &colour, VIPS_INTERPRETATION_sRGB, NULL) ||
        vips_image_get_bands(colour) != 3)
        fail_msg("not a picture in colour or grey: %s", vips_error_buffer());
    memory = vips_image_copy_memory(colour);
    assert_non_null(memory);
    g_object_unref(colour);
    g_object_unref(image);
    return memory;
}

static bool is_near(const struct face *face, int x, int y, double sides)
{
    return x >= face->left - sides * face->width && x < face->left + (1 + sides) * face->width &&
           y >= face->top - sides * face->height && y < face->top + (1 + sides) * face->height;
}

/*
 * The mean difference of two pictures' samples: of the pixels inside the face, or with
 * `face_count` 0 or more in `outside`, of those that are more than a face's side away from all.
 */
static double difference(VipsImage *left, VipsImage *right, const struct face *inside,
                         const struct face *outside, size_t outside_count)
{
    double sum = 0;
    double samples = 0;
    const unsigned char *left_data = vips_image_get_data(left);
    const unsigned char *right_data = vips_image_get_data(right);
    size_t left_bands = (size_t)vips_image_get_bands(left);
    size_t right_bands = (size_t)vips_image_get_bands(right);
    assert_non_null(left_data);
    assert_non_null(right_data);
    assert_int_equal(vips_image_get_width(left), vips_image_get_width(right));
    assert_int_equal(vips_image_get_height(left), vips_image_get_height(right));
    for (int y = 0; y < vips_image_get_height(left); y++) {
        for (int x = 0; x < vips_image_get_width(left); x++) {
            bool counts = !inside || is_near(inside, x, y, 0);
            for (size_t i = 0; i < outside_count; i++)
                counts = counts && !is_near(&outside[i], x, y, 1);
            size_t pixel = (size_t)y * (size_t)vips_image_get_width(left) + (size_t)x;
            for (size_t band = 0; counts && band < 3; band++) {
                sum += abs(left_data[pixel * left_bands + band] -
                           right_data[pixel * right_bands + band]);
                samples++;
            }
        }
    }
    assert_true(samples > 1000);
    return sum / samples;
}

/* --- The face detector, asked directly ---------------------------------------- */

static int member(const json_t *rect, const char *name)
{
    return (int)lround(json_number_value(json_object_get(rect, name)));
}

static size_t detect(const struct scene *scene, const struct buf *picture,
                     struct face faces[FACES_MAX])
{
    static const char *const headers[] = {"Content-Type: multipart/form-data; boundary=faces",
                                          NULL};
    struct buf body;
    struct http_reply reply;
    char box[128];
    char url[160];
    assert_true(stack_setting(&scene->stack, "api", "FACEBOX", box, sizeof(box)));
    (void)snprintf(url, sizeof(url), "%s/facebox/check", box);
    buf_init(&body, picture->len + 1024);
    assert_int_equal(buf_append_str(&body,
                                    "--faces\r\nContent-Disposition: form-data; name=\"file\"; "
                                    "filename=\"image.dat\"\r\n\r\n"),
                     APP_OK);
    assert_int_equal(buf_append(&body, picture->data, picture->len), APP_OK);
    assert_int_equal(buf_append_str(&body, "\r\n--faces--\r\n"), APP_OK);
    assert_true(http_perform(
        &(struct http_call){
            .url = url, .headers = headers, .body = body.data, .body_len = body.len},
        &reply));
    assert_int_equal(reply.status, 200);

    json_t *answer = json_loadb(reply.body.data, reply.body.len, 0, NULL);
    const json_t *list = json_object_get(answer, "faces");
    size_t count = json_array_size(list);
    assert_true(count <= FACES_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_t *rect = json_object_get(json_array_get(list, i), "rect");
        faces[i] = (struct face){member(rect, "left"), member(rect, "top"), member(rect, "width"),
                                 member(rect, "height")};
    }
    json_decref(answer);
    http_reply_release(&reply);
    buf_release(&body);
    return count;
}

/*
 * POST the picture's URL; the one face in it must be changed, and of the rest no more than a
 * JPEG's loss.
 */
static void assert_face_is_covered(const struct scene *scene, const char *path, const char *name)
{
    struct buf original;
    struct face faces[FACES_MAX];
    char key[MD5_HEX_LEN + 1];
    scene_picture(name, &original);
    size_t count = detect(scene, &original, faces);
    assert_int_equal(count, 1);

    scene_emojify(scene, scene_url(scene, path).text, key);
    struct http_reply result = get_result(scene, key);
    assert_header(&result, "Content-Type", "image/jpeg");
    VipsImage *before = decode_colour(&original);
    VipsImage *after = decode_colour(&result.body);
    double inside = difference(before, after, &faces[0], NULL, 0);
    double outside = difference(before, after, NULL, faces, count);
    print_message("%s: mean difference %.1f in the face, %.2f far from it\n", name, inside,
                  outside);
    assert_true(inside > 25);
    assert_true(outside < 3);

    g_object_unref(before);
    g_object_unref(after);
    http_reply_release(&result);
    buf_release(&original);
}

static void the_face_on_a_jpeg_is_covered_and_the_rest_left_alone(void **state)
{
    assert_face_is_covered(*state, "/pictures/grace_hopper.jpg", "grace_hopper.jpg");
}

static void the_face_on_a_png_without_alpha_is_covered_and_the_result_is_a_jpeg(void **state)
{
    assert_face_is_covered(*state, "/pictures/astronaut.png", "astronaut.png");
}

/* --- Large pictures ------------------------------------------------------------ */

/* The picture, `factor` times as wide and high. */
static struct sample enlarge(const char *name, double factor, const char *suffix)
{
    struct buf original;
    scene_picture(name, &original);
    VipsImage *small = sample_decode(original.data, original.len);
    VipsImage *lazy = NULL;
    assert_int_equal(vips_resize(small, &lazy, factor, NULL), 0);
    VipsImage *large = vips_image_copy_memory(lazy);
    assert_non_null(large);
    g_object_unref(lazy);
    g_object_unref(small);
    buf_release(&original);
    return sample_encode(large, suffix);
}

static void post_picture(const struct scene *scene, const struct sample *picture, const char *type,
                         json_t **answer)
{
    char content_type[64];
    struct http_reply reply;
    (void)snprintf(content_type, sizeof(content_type), "Content-Type: %s", type);
    const char *const headers[] = {content_type, "Accept: application/json", NULL};
    scene_ask(scene,
              &(struct http_call){.method = "POST",
                                  .url = "/api/",
                                  .headers = headers,
                                  .body = picture->data,
                                  .body_len = picture->len},
              &reply);
    *answer = assert_json(&reply);
    http_reply_release(&reply);
}

/* The detector is sent a reduced copy; it must find in it what it finds in the picture. */
static void in_a_large_picture_the_same_faces_are_found_and_covered(void **state)
{
    static const struct {
        const char *name;
        double factor;
        const char *suffix;
        const char *type;
    } pictures[] = {
        {"grace_hopper.jpg", 5, ".jpg[Q=85]", "image/jpeg"},
        {"astronaut.png", 5, ".jpg[Q=85]", "image/jpeg"},
        {"grace_hopper.jpg", 4.5, ".png[filter=8]", "image/png"},
        {"astronaut.png", 6, ".webp[Q=80]", "image/webp"},
        {"camera.png", 6, ".jpg[Q=85]", "image/jpeg"},
        {"coffee.png", 5, ".jpg[Q=85]", "image/jpeg"},
    };
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
        struct sample large = enlarge(pictures[i].name, pictures[i].factor, pictures[i].suffix);
        const struct buf original = {.data = (char *)large.data, .len = large.len};
        struct face faces[FACES_MAX];
        size_t count = detect(scene, &original, faces);
        json_t *answer;
        post_picture(scene, &large, pictures[i].type, &answer);
        assert_int_equal(json_integer_value(json_object_get(answer, "faces")), count);

        struct http_reply result =
            get_result(scene, json_string_value(json_object_get(answer, "id")));
        VipsImage *before = decode_colour(&original);
        VipsImage *after = decode_colour(&result.body);
        if (count > 0)
            assert_true(difference(before, after, &faces[0], NULL, 0) > 25);
        assert_true(difference(before, after, NULL, faces, count) < 3);
        print_message("%s: %zu faces in %d x %d pixels\n", pictures[i].name, count,
                      vips_image_get_width(before), vips_image_get_height(before));
        g_object_unref(before);
        g_object_unref(after);
        http_reply_release(&result);
        json_decref(answer);
        sample_release(&large);
    }
}

static void a_picture_without_faces_comes_back_as_it_was(void **state)
{
    const struct scene *scene = *state;
    json_t *answer;
    /* Enlarged, since JPEG changes fine details. */
    struct sample picture = enlarge("coffee.png", 3, ".png");
    const struct buf original = {.data = (char *)picture.data, .len = picture.len};
    post_picture(scene, &picture, "image/png", &answer);
    assert_int_equal(json_integer_value(json_object_get(answer, "faces")), 0);
    assert_true(json_is_integer(json_object_get(answer, "faces")));

    struct http_reply result = get_result(scene, json_string_value(json_object_get(answer, "id")));
    VipsImage *before = decode_colour(&original);
    VipsImage *after = decode_colour(&result.body);
    assert_true(difference(before, after, NULL, NULL, 0) < 3);

    g_object_unref(before);
    g_object_unref(after);
    http_reply_release(&result);
    sample_release(&picture);
    json_decref(answer);
}

/* --- The answer --------------------------------------------------------------- */

static void md5_of(const void *data, size_t len, char key[MD5_HEX_LEN + 1])
{
    assert_int_equal(md5_hex(data, len, key), APP_OK);
}

static void the_answer_is_the_md5_of_the_url_as_plain_text(void **state)
{
    const struct scene *scene = *state;
    struct scene_url url = scene_url(scene, "/pictures/coffee.png");
    struct http_reply reply;
    char key[MD5_HEX_LEN + 1];
    char link[64];
    md5_of(url.text, strlen(url.text), key);
    (void)snprintf(link, sizeof(link), "</api/cache/%s>; rel=\"item\"", key);

    scene_post(scene, url.text, NULL, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(http_reply_text(&reply), key); /* and no newline */
    assert_header(&reply, "Content-Type", "text/plain; charset=utf-8");
    assert_header(&reply, "Link", link);
    assert_header(&reply, "X-Content-Type-Options", "nosniff");
    assert_non_null(http_reply_header(&reply, "X-Request-Id"));
    http_reply_release(&reply);
}

static void json_tells_what_was_done_and_nulls_what_a_cached_answer_cannot_know(void **state)
{
    const struct scene *scene = *state;
    struct scene_url url = scene_url(scene, "/pictures/astronaut.png?json");
    struct buf picture;
    scene_picture("astronaut.png", &picture);
    scene_serve(scene, "/pictures/astronaut.png?json", "image/png", picture.data, picture.len);
    char key[MD5_HEX_LEN + 1];
    struct http_reply reply;
    const char *id, *type, *link;
    int faces, width, height, cached;
    md5_of(url.text, strlen(url.text), key);

    scene_post(scene, url.text, SCENE_JSON, &reply);
    json_t *answer = assert_json(&reply);
    assert_int_equal(json_unpack(answer, "{s:s, s:i, s:i, s:i, s:s, s:b, s:s}", "id", &id, "faces",
                                 &faces, "width", &width, "height", &height, "type", &type,
                                 "cached", &cached, "url", &link),
                     0);
    assert_string_equal(id, key);
    assert_int_equal(faces, 1);
    assert_int_equal(width, 512);
    assert_int_equal(height, 512);
    assert_string_equal(type, "image/jpeg");
    assert_false(cached);
    assert_string_equal(link + strlen(link) - strlen(key), key);
    json_decref(answer);
    http_reply_release(&reply);

    scene_post(scene, url.text, SCENE_JSON, &reply);
    answer = assert_json(&reply);
    assert_string_equal(json_string_value(json_object_get(answer, "id")), key);
    assert_true(json_is_null(json_object_get(answer, "faces")));
    assert_true(json_is_null(json_object_get(answer, "width")));
    assert_true(json_is_null(json_object_get(answer, "height")));
    assert_true(json_is_true(json_object_get(answer, "cached")));
    json_decref(answer);
    http_reply_release(&reply);
    buf_release(&picture);
}

static void the_second_post_of_a_url_fetches_nothing(void **state)
{
    const struct scene *scene = *state;
    static const char path[] = "/pictures/camera.png?twice";
    struct buf picture;
    char first[MD5_HEX_LEN + 1];
    char second[MD5_HEX_LEN + 1];
    scene_picture("camera.png", &picture);
    scene_serve(scene, path, "image/png", picture.data, picture.len);

    scene_emojify(scene, scene_url(scene, path).text, first);
    assert_int_equal(origin_requests(scene->origin, path), 1);
    scene_emojify(scene, scene_url(scene, path).text, second);
    assert_int_equal(origin_requests(scene->origin, path), 1);
    assert_string_equal(first, second);
    buf_release(&picture);
}

/* --- Other ways in ------------------------------------------------------------ */

static void upload(const struct scene *scene, const void *data, size_t len, const char *type,
                   struct http_reply *reply)
{
    const char *const headers[] = {type, NULL};
    scene_ask(
        scene,
        &(struct http_call){.url = "/api/", .headers = headers, .body = data, .body_len = len},
        reply);
}

static void an_uploaded_picture_has_the_sha256_of_its_bytes_as_key(void **state)
{
    const struct scene *scene = *state;
    struct buf picture;
    struct http_reply reply;
    char key[MD5_HEX_LEN + 1];
    scene_picture("grace_hopper.jpg", &picture);
    assert_int_equal(sha256_hex("picture\n", picture.data, picture.len, key), APP_OK);

    upload(scene, picture.data, picture.len, "Content-Type: image/jpeg", &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(http_reply_text(&reply), key);
    http_reply_release(&reply);
    struct http_reply result = get_result(scene, key);
    assert_header(&result, "Content-Type", "image/jpeg");
    http_reply_release(&result);
    buf_release(&picture);
}

static void a_picture_of_three_megabytes_is_taken_by_url_and_by_upload(void **state)
{
    const struct scene *scene = *state;
    static const char path[] = "/large.png";
    VipsImage *noise, *bytes, *bands[3], *joined;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(vips_gaussnoise(&noise, 1024, 1000, "mean", 128.0, "sigma", 60.0, NULL),
                         0);
        assert_int_equal(vips_cast_uchar(noise, &bands[i], NULL), 0);
        g_object_unref(noise);
    }
    assert_int_equal(vips_bandjoin(bands, &joined, 3, NULL), 0);
    assert_int_equal(vips_copy(joined, &bytes, "interpretation", VIPS_INTERPRETATION_sRGB, NULL),
                     0);
    for (int i = 0; i < 3; i++)
        g_object_unref(bands[i]);
    g_object_unref(joined);
    struct sample large = sample_encode(bytes, ".png[compression=1]");
    assert_true(large.len > 2800000 && large.len < 3500000);

    struct http_reply reply;
    char key[MD5_HEX_LEN + 1];
    scene_serve(scene, path, "image/png", large.data, large.len);
    scene_emojify(scene, scene_url(scene, path).text, key);
    struct http_reply result = get_result(scene, key);
    VipsImage *after = decode_colour(&result.body);
    assert_int_equal(vips_image_get_width(after), 1024);
    g_object_unref(after);
    http_reply_release(&result);

    upload(scene, large.data, large.len, "Content-Type: image/png", &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
    sample_release(&large);
}

/* `text` is a path as a client may write it; `sent` what must go to the origin, and be hashed. */
static void assert_url_works(const struct scene *scene, const char *text, const char *sent)
{
    struct buf picture;
    char key[MD5_HEX_LEN + 1];
    char expected[MD5_HEX_LEN + 1];
    struct scene_url url = scene_url(scene, sent);
    scene_picture("camera.png", &picture);
    scene_serve(scene, sent, "image/png", picture.data, picture.len);
    scene_emojify(scene, scene_url(scene, text).text, key);
    md5_of(url.text, strlen(url.text), expected);
    assert_string_equal(key, expected);
    if (origin_requests(scene->origin, sent) != 1)
        fail_msg("%s was not asked for", sent);
    buf_release(&picture);
}

static void urls_with_unusual_but_valid_characters_are_fetched_as_they_are(void **state)
{
    static const char *const paths[] = {
        "/plain?width=100&name=a%20b&c=d+e",  "/a%20b/picture.png", "/~user/it's(1).png",
        "/w/thumb:Portrait@2x.png",           "/!$&'()*+,;=:@-._~", "/caf%C3%A9/%E2%98%83.png",
        "/query?url=http://example.com/?a=b", "/100%25.png",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_url_works(*state, paths[i], paths[i]);
}

static void a_space_in_the_path_is_encoded(void **state)
{
    assert_url_works(*state, "/pictures/one two.png", "/pictures/one%20two.png");
}

static void a_fragment_is_part_of_the_key_and_not_of_what_is_asked_for(void **state)
{
    const struct scene *scene = *state;
    static const char *const texts[][2] = {
        {"/pictures/fragment.png#two", "/pictures/fragment.png%23two"},
        {"/pictures/fragment.png?a=b#two", "/pictures/fragment.png?a=b#two"},
    };
    static const char *const sent[] = {"/pictures/fragment.png", "/pictures/fragment.png?a=b"};
    struct buf picture;
    scene_picture("camera.png", &picture);
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        char key[MD5_HEX_LEN + 1];
        char expected[MD5_HEX_LEN + 1];
        struct scene_url named = scene_url(scene, texts[i][1]);
        scene_serve(scene, sent[i], "image/png", picture.data, picture.len);
        scene_emojify(scene, scene_url(scene, texts[i][0]).text, key);
        md5_of(named.text, strlen(named.text), expected);
        assert_string_equal(key, expected);
        assert_int_equal(origin_requests(scene->origin, sent[i]), 1);
    }
    buf_release(&picture);
}

static void spaces_and_line_ends_around_a_url_are_no_part_of_it(void **state)
{
    const struct scene *scene = *state;
    struct scene_url url = scene_url(scene, "/pictures/coffee.png?trimmed");
    struct buf picture;
    char around[600];
    char plain[MD5_HEX_LEN + 1];
    char key[MD5_HEX_LEN + 1];
    scene_picture("coffee.png", &picture);
    scene_serve(scene, "/pictures/coffee.png?trimmed", "image/png", picture.data, picture.len);
    scene_emojify(scene, url.text, plain);
    (void)snprintf(around, sizeof(around), " \t\r\n%s\n \r\n", url.text);
    scene_emojify(scene, around, key);
    assert_string_equal(key, plain);
    buf_release(&picture);
}

/*
 * The text of a URL, posted as if it were a picture, while somebody posts the URL itself: the
 * first is no picture, and the second must not hear of it.
 */
static void the_text_of_a_url_as_a_picture_does_not_fail_the_url(void **state)
{
    enum { ROUNDS = 4 };
    static const char *const as_picture[] = {"Content-Type: image/jpeg", NULL};
    const struct scene *scene = *state;
    struct buf picture;
    char base[64];
    scene_picture("coffee.png", &picture);
    (void)snprintf(base, sizeof(base), "%s/api/", scene->stack.base);
    for (int i = 0; i < ROUNDS; i++) {
        char path[64];
        struct http_reply reply;
        (void)snprintf(path, sizeof(path), "/pictures/coffee.png?victim%d", i);
        scene_serve(scene, path, "image/png", picture.data, picture.len);
        struct scene_url url = scene_url(scene, path);
        const struct http_call attack = {
            .url = base, .headers = as_picture, .body = url.text, .body_len = strlen(url.text)};
        const struct http_call victim = {
            .url = base, .body = url.text, .body_len = strlen(url.text)};
        struct http_job *attacks[] = {http_job_start(&attack), http_job_start(&attack)};
        struct http_job *asked = http_job_start(&victim);
        assert_true(http_job_wait(&asked, &reply));
        assert_int_equal(reply.status, 200);
        http_reply_release(&reply);
        for (size_t k = 0; k < 2; k++) {
            assert_true(http_job_wait(&attacks[k], &reply));
            assert_int_equal(reply.status, 415);
            http_reply_release(&reply);
        }
    }
    buf_release(&picture);
}

static void a_redirect_is_followed_and_the_key_is_of_the_url_that_was_posted(void **state)
{
    const struct scene *scene = *state;
    static const char path[] = "/moved.png";
    char key[MD5_HEX_LEN + 1];
    char expected[MD5_HEX_LEN + 1];
    struct scene_url url = scene_url(scene, path);
    origin_answer(scene->origin, path, "302 Found", "Location: /pictures/camera.png\r\n", "");
    scene_emojify(scene, url.text, key);
    md5_of(url.text, strlen(url.text), expected);
    assert_string_equal(key, expected);
}

int main(int argc, char **argv)
{
    (void)argc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_face_on_a_jpeg_is_covered_and_the_rest_left_alone),
        cmocka_unit_test(the_face_on_a_png_without_alpha_is_covered_and_the_result_is_a_jpeg),
        cmocka_unit_test(in_a_large_picture_the_same_faces_are_found_and_covered),
        cmocka_unit_test(a_picture_without_faces_comes_back_as_it_was),
        cmocka_unit_test(the_answer_is_the_md5_of_the_url_as_plain_text),
        cmocka_unit_test(json_tells_what_was_done_and_nulls_what_a_cached_answer_cannot_know),
        cmocka_unit_test(the_second_post_of_a_url_fetches_nothing),
        cmocka_unit_test(an_uploaded_picture_has_the_sha256_of_its_bytes_as_key),
        cmocka_unit_test(a_picture_of_three_megabytes_is_taken_by_url_and_by_upload),
        cmocka_unit_test(urls_with_unusual_but_valid_characters_are_fetched_as_they_are),
        cmocka_unit_test(a_space_in_the_path_is_encoded),
        cmocka_unit_test(a_fragment_is_part_of_the_key_and_not_of_what_is_asked_for),
        cmocka_unit_test(spaces_and_line_ends_around_a_url_are_no_part_of_it),
        cmocka_unit_test(the_text_of_a_url_as_a_picture_does_not_fail_the_url),
        cmocka_unit_test(a_redirect_is_followed_and_the_key_is_of_the_url_that_was_posted),
    };
    if (VIPS_INIT(argv[0]))
        return 1;
    int failed = cmocka_run_group_tests(tests, start, scene_stop);
    vips_shutdown();
    return failed;
}
