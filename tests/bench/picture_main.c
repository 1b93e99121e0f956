/* SPDX-License-Identifier: MIT */
/*
 * What each step of a picture's way costs in CPU time of the process:
 *
 *     picture [-n ROUNDS] [-o STEP] [-j FILE] ARTWORK PHOTOGRAPH
 *     picture -w FILE [-s WIDTHxHEIGHT] PHOTOGRAPH
 *
 * From the photograph it makes pictures as they come from cameras: cut to 3:2, in
 * several sizes, with noise, so that they have the entropy of a real one. A round runs
 * every step once, so that what else the machine does meets all alike. Prints median
 * and quartiles in milliseconds, with -j also writes them to FILE as JSON; -o runs only
 * that step, for a profiler. With -w it only writes the first of these pictures, a JPEG
 * of 2000 x 1333, or of another size, with a comment of 16 '#'.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <vips/vips.h>

#include "api/image/artwork.h"
#include "api/image/detection.h"
#include "api/image/emojify.h"
#include "bench/quartiles.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/picture/picture.h"

#define KEY   "0123456789abcdef0123456789abcdef"
#define NOISE 5.0 /* steps of brightness, of a camera in a room */

enum { ROUNDS_MAX = 1000, MANY_FACES = 14, FACEBOX_SIDE = 640, STEP_MAX_MS = 60000 };

enum { JPEG, JPEG_LARGE, JPEG_TURNED, PNG, WEBP, SOURCES };

/* `format` as libvips takes it. */
static struct source {
    const char *name;
    int width;
    int height; /* 0: two thirds of the width */
    const char *format;
    int orientation; /* EXIF's */
    void *data;
    size_t len;
    struct picture *picture;    /* opened */
    struct detection_copy copy; /* of it */
} sources[SOURCES] = {
    [JPEG] = {.name = "jpeg", .width = 2000, .format = ".jpg[Q=90]", .orientation = 1},
    [JPEG_LARGE] = {.name = "large", .width = 4000, .format = ".jpg[Q=90]", .orientation = 1},
    [JPEG_TURNED] = {.name = "turned", .width = 4000, .format = ".jpg[Q=90]", .orientation = 6},
    [PNG] = {.name = "png", .width = 2000, .format = ".png", .orientation = 1},
    [WEBP] = {.name = "webp", .width = 2000, .format = ".webp[Q=85]", .orientation = 1},
};

struct step {
    const char *name;
    const char *meaning;
    void (*run)(const struct step *step);
    struct source *source;
    enum emojify_format format;
    size_t faces;
};

static struct artwork *artwork;
static struct face faces[MANY_FACES];

static void die(const char *what, const char *reason)
{
    (void)fprintf(stderr, "picture: %s: %s\n", what, reason);
    exit(EXIT_FAILURE);
}

static void must(enum app_err err, const char *what, const struct err_buf *why)
{
    if (err)
        die(what, why->text[0] ? why->text : app_strerror(err));
}

/* --- Pictures ---------------------------------------------------------------------- */

static void require(int status)
{
    if (status)
        die("libvips", vips_error_buffer());
}

/* `photograph` filled into that size, with noise. */
static VipsImage *make_photo(const char *photograph, int width, int height)
{
    VipsImage *filled, *noise, *noisy, *bytes, *memory;
    require(vips_thumbnail(photograph, &filled, width, "height", height, "crop",
                           VIPS_INTERESTING_CENTRE, NULL));
    require(vips_gaussnoise(&noise, width, height, "mean", 0.0, "sigma", NOISE, "seed", 1, NULL));
    require(vips_add(filled, noise, &noisy, NULL));
    require(vips_cast_uchar(noisy, &bytes, NULL));
    memory = vips_image_copy_memory(bytes);
    require(memory ? 0 : -1);
    VipsImage *used[] = {filled, noise, noisy, bytes};
    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
        g_object_unref(used[i]);
    return memory;
}

static void make_source(struct source *source, const char *photograph)
{
    int height = source->height > 0 ? source->height : source->width * 2 / 3;
    VipsImage *photo = make_photo(photograph, source->width, height);
    vips_image_set_int(photo, VIPS_META_ORIENTATION, source->orientation);
    require(vips_image_write_to_buffer(photo, source->format, &source->data, &source->len, NULL));
    g_object_unref(photo);
}

/* --- Steps --------------------------------------------------------------------------- */

static struct picture *open_bytes(const void *data, size_t len)
{
    struct picture *picture = NULL;
    struct err_buf why = {.text = ""};
    must(picture_open(data, len, deadline_in_ms(STEP_MAX_MS), &picture, &why), "open", &why);
    return picture;
}

static struct detection_copy copy_for_detection(const struct source *source,
                                                const struct picture *picture)
{
    struct detection_copy copy = {.data = NULL};
    struct err_buf why = {.text = ""};
    must(detection_copy_make(picture, source->data, source->len, deadline_in_ms(STEP_MAX_MS), &copy,
                             &why),
         "copy", &why);
    return copy;
}

static size_t draw_faces(const struct picture *picture, const struct step *step)
{
    struct emojify_options options = {artwork, step->format, KEY, deadline_in_ms(STEP_MAX_MS)};
    struct emojify_result result = {.data = NULL};
    struct err_buf why = {.text = ""};
    must(emojify_draw(picture, faces, step->faces, &options, &result, &why), "draw", &why);
    free(result.data);
    return result.len;
}

static void run_open(const struct step *step)
{
    struct picture *picture = open_bytes(step->source->data, step->source->len);
    picture_free(&picture);
}

static void run_copy(const struct step *step)
{
    struct detection_copy copy = copy_for_detection(step->source, step->source->picture);
    detection_copy_release(&copy);
}

/* What emojify-facebox does with the copy before it searches. */
static void run_read(const struct step *step)
{
    struct picture *picture = NULL;
    struct err_buf why = {.text = ""};
    must(picture_open_reduced(step->source->copy.data, step->source->copy.len, FACEBOX_SIDE,
                              deadline_in_ms(STEP_MAX_MS), &picture, &why),
         "reduce", &why);
    picture_free(&picture);
}

static void run_draw(const struct step *step)
{
    (void)draw_faces(step->source->picture, step);
}

static void run_all(const struct step *step)
{
    struct picture *picture = open_bytes(step->source->data, step->source->len);
    struct detection_copy copy = copy_for_detection(step->source, picture);
    (void)draw_faces(picture, step);
    detection_copy_release(&copy);
    picture_free(&picture);
}

static const struct step steps[] = {
    {"open-jpeg", "decode JPEG", run_open, &sources[JPEG], 0, 0},
    {"open-large", "decode JPEG, 4000 x 2666", run_open, &sources[JPEG_LARGE], 0, 0},
    {"open-turned", "the same, turned by EXIF", run_open, &sources[JPEG_TURNED], 0, 0},
    {"open-png", "decode PNG", run_open, &sources[PNG], 0, 0},
    {"open-webp", "decode WebP", run_open, &sources[WEBP], 0, 0},
    {"copy-jpeg", "copy for detection: JPEG", run_copy, &sources[JPEG], 0, 0},
    {"copy-large", "JPEG, 4000 x 2666", run_copy, &sources[JPEG_LARGE], 0, 0},
    {"copy-turned", "the same, turned by EXIF", run_copy, &sources[JPEG_TURNED], 0, 0},
    {"copy-png", "PNG", run_copy, &sources[PNG], 0, 0},
    {"copy-webp", "WebP", run_copy, &sources[WEBP], 0, 0},
    {"read-jpeg", "FaceBox reads the copy: JPEG", run_read, &sources[JPEG], 0, 0},
    {"read-large", "JPEG, 4000 x 2666", run_read, &sources[JPEG_LARGE], 0, 0},
    {"read-turned", "the same, turned by EXIF", run_read, &sources[JPEG_TURNED], 0, 0},
    {"read-png", "PNG", run_read, &sources[PNG], 0, 0},
    {"read-webp", "WebP", run_read, &sources[WEBP], 0, 0},
    {"jpeg-0", "encode JPEG", run_draw, &sources[JPEG], EMOJIFY_JPEG, 0},
    {"jpeg-1", "draw 1 face, JPEG", run_draw, &sources[JPEG], EMOJIFY_JPEG, 1},
    {"jpeg-14", "draw 14 faces, JPEG", run_draw, &sources[JPEG], EMOJIFY_JPEG, MANY_FACES},
    {"png-14", "draw 14 faces, PNG", run_draw, &sources[JPEG], EMOJIFY_PNG, MANY_FACES},
    {"webp-14", "draw 14 faces, WebP", run_draw, &sources[JPEG], EMOJIFY_WEBP, MANY_FACES},
    {"all-1", "whole way, 1 face, JPEG", run_all, &sources[JPEG], EMOJIFY_JPEG, 1},
    {"all-14", "whole way, 14 faces, JPEG", run_all, &sources[JPEG], EMOJIFY_JPEG, MANY_FACES},
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

/* --- Measuring --------------------------------------------------------------------------- */

static double samples_ms[STEPS][ROUNDS_MAX];
static const char *only; /* this step; NULL: all */

static bool is_wanted(const struct step *step)
{
    return !only || strcmp(step->name, only) == 0;
}

/* Of all threads: libvips decodes and encodes in threads of its own. */
static double cpu_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void measure(size_t rounds)
{
    for (size_t turn = 0; turn <= rounds; turn++) { /* the first to warm up */
        for (size_t i = 0; i < STEPS; i++) {
            double before = cpu_ms();
            if (!is_wanted(&steps[i]))
                continue;
            steps[i].run(&steps[i]);
            if (turn > 0)
                samples_ms[i][turn - 1] = cpu_ms() - before;
        }
    }
}

static void report(size_t rounds, FILE *json)
{
    printf("CPU in ms, median (quartiles) of %zu rounds; 2000 x 1333 where nothing else is said\n",
           rounds);
    const char *separator = "{";
    for (size_t i = 0; i < STEPS; i++) {
        if (!is_wanted(&steps[i]))
            continue;
        struct quartiles ms = quartiles_of(samples_ms[i], rounds);
        printf("%-12s %-29s %7.2f  (%.2f to %.2f)\n", steps[i].name, steps[i].meaning, ms.median,
               ms.low, ms.high);
        if (json)
            (void)fprintf(json, "%s\"%s\":{\"ms\":%.3f,\"q1\":%.3f,\"q3\":%.3f}", separator,
                          steps[i].name, ms.median, ms.low, ms.high);
        separator = ",\n";
    }
    for (size_t i = 0; i < SOURCES; i++)
        printf("%-12s %zu KB, detection is sent %zu KB\n", sources[i].name, sources[i].len / 1000,
               sources[i].copy.len / 1000);
    if (json)
        (void)fputs("}\n", json);
}

/* --- Setting up ----------------------------------------------------------------------------- */

/* A face from the front, of 180 pixels, turned by `angle`. */
static struct face make_face(int left, int top, double angle)
{
    enum { SIZE = 180 };
    static const struct face_point upright[FACE_POINT__MAX] = {
        [FACE_RIGHT_EYE] = {-0.2, -0.17}, [FACE_LEFT_EYE] = {0.2, -0.17},
        [FACE_NOSE] = {0, 0.06},          [FACE_MOUTH] = {0, 0.26},
        [FACE_RIGHT_EAR] = {-0.41, -0.1}, [FACE_LEFT_EAR] = {0.41, -0.1},
    };
    struct face face = {.box = {left, top, SIZE, SIZE}, .has_points = true};
    for (int i = 0; i < FACE_POINT__MAX; i++) {
        double x = upright[i].x * SIZE, y = upright[i].y * SIZE;
        face.points[i].x = left + SIZE / 2.0 + x * cos(angle) - y * sin(angle);
        face.points[i].y = top + SIZE / 2.0 + y * cos(angle) + x * sin(angle);
    }
    return face;
}

static void prepare(const char *artwork_path, const char *photograph)
{
    struct err_buf why = {.text = ""};
    must(artwork_open(artwork_path, &artwork, &why), "artwork", &why);
    /* Before the library blocks what vips_thumbnail may want. */
    require(VIPS_INIT("picture"));
    for (size_t i = 0; i < SOURCES; i++)
        make_source(&sources[i], photograph);
    must(picture_library_init("picture", &why), "libvips", &why);
    for (size_t i = 0; i < SOURCES; i++) {
        sources[i].picture = open_bytes(sources[i].data, sources[i].len);
        sources[i].copy = copy_for_detection(&sources[i], sources[i].picture);
    }
    for (int i = 0; i < MANY_FACES; i++) /* two rows of heads */
        faces[i] = make_face(60 + i % 7 * 270, 250 + i / 7 * 500, 0.05 * (i - 7));
}

static void release(void)
{
    for (size_t i = 0; i < SOURCES; i++) {
        detection_copy_release(&sources[i].copy);
        picture_free(&sources[i].picture);
        g_free(sources[i].data);
    }
    artwork_close(&artwork);
    picture_library_release();
}

/* The comment is a segment of its own, behind the file's first two bytes. */
static void write_picture(const char *path, const char *photograph)
{
    static const char comment[] = "\377\376\000\022################";
    struct source *source = &sources[JPEG];
    FILE *file = fopen(path, "we");
    if (!file)
        die(path, strerror(errno));
    require(VIPS_INIT("picture"));
    make_source(source, photograph);
    (void)fwrite(source->data, 1, 2, file);
    (void)fwrite(comment, 1, sizeof(comment) - 1, file);
    (void)fwrite((const char *)source->data + 2, 1, source->len - 2, file);
    if (fclose(file) != 0)
        die(path, strerror(errno));
    g_free(source->data);
}

int main(int argc, char **argv)
{
    long rounds = 21;
    const char *json_path = NULL, *picture_path = NULL;
    int option;
    while ((option = getopt(argc, argv, "n:o:j:w:s:")) != -1) {
        struct source *written = &sources[JPEG];
        if (option == 'n')
            rounds = strtol(optarg, NULL, 10);
        else if (option == 'o')
            only = optarg;
        else if (option == 'j')
            json_path = optarg;
        else if (option == 'w')
            picture_path = optarg;
        else if (option != 's' || sscanf(optarg, "%dx%d", &written->width, &written->height) != 2)
            return EXIT_FAILURE;
    }
    if (picture_path && argc - optind == 1) {
        write_picture(picture_path, argv[optind]);
        return EXIT_SUCCESS;
    }
    if (argc - optind != 2 || rounds < 1 || rounds > ROUNDS_MAX)
        die("usage", "picture [-n ROUNDS] [-o STEP] [-j FILE] ARTWORK PHOTOGRAPH");
    FILE *json = json_path ? fopen(json_path, "we") : NULL;
    if (json_path && !json)
        die(json_path, strerror(errno));

    prepare(argv[optind], argv[optind + 1]);
    measure((size_t)rounds);
    report((size_t)rounds, json);
    release();
    return json && fclose(json) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
