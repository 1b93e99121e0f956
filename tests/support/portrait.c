/* SPDX-License-Identifier: MIT */
#include "support/portrait.h"

#include <math.h>
#include <stdio.h>

#include "support/cmocka.h"

/* From the brows to the chin and from ear to ear, read off the photographs. */
static const struct {
    const char *file;
    struct face_place face;
} portraits[PORTRAIT_NAME__MAX] = {
    [PORTRAIT_ASTRONAUT] = {"astronaut.png", {225, 133, 94, 105}},
    [PORTRAIT_HOPPER] = {"grace_hopper.jpg", {267, 234, 190, 195}},
    [PORTRAIT_CAMERAMAN] = {"camera.png", {222, 154, 80, 84}},
};

static void require(int status)
{
    if (status)
        fail_msg("libvips: %s", vips_error_buffer());
}

/* Put `changed` in memory and in the place of *image. */
static void replace(VipsImage **image, VipsImage *changed)
{
    VipsImage *copy = vips_image_copy_memory(changed);
    require(copy ? 0 : -1);
    g_object_unref(changed);
    g_object_unref(*image);
    *image = copy;
}

VipsImage *portrait_photograph(const char *name)
{
    char path[128];
    VipsImage *colour;
    (void)snprintf(path, sizeof(path), "build/pictures/%s", name);
    VipsImage *image = vips_image_new_from_file(path, NULL);
    if (!image)
        fail_msg("%s: %s; make pictures gets it", path, vips_error_buffer());
    require(vips_colourspace(image, &colour, VIPS_INTERPRETATION_sRGB, NULL));
    replace(&image, colour);
    assert_int_equal(vips_image_get_bands(image), 3);
    return image;
}

void portrait_open(enum portrait_name name, struct portrait *portrait)
{
    portrait->image = portrait_photograph(portraits[name].file);
    portrait->face = portraits[name].face;
}

void portrait_release(struct portrait *portrait)
{
    g_clear_object(&portrait->image);
}

void portrait_mirror(struct portrait *portrait)
{
    VipsImage *mirrored;
    require(vips_flip(portrait->image, &mirrored, VIPS_DIRECTION_HORIZONTAL, NULL));
    replace(&portrait->image, mirrored);
    portrait->face.middle_x = vips_image_get_width(portrait->image) - portrait->face.middle_x;
}

void portrait_scale(struct portrait *portrait, double side)
{
    struct face_place *face = &portrait->face;
    double factor = side / fmax(face->width, face->height);
    VipsImage *scaled;
    require(vips_resize(portrait->image, &scaled, factor, NULL));
    replace(&portrait->image, scaled);
    face->middle_x *= factor;
    face->middle_y *= factor;
    face->width *= factor;
    face->height *= factor;
}

void portrait_turn(struct portrait *portrait, double degrees)
{
    struct face_place *face = &portrait->face;
    int width = vips_image_get_width(portrait->image);
    int height = vips_image_get_height(portrait->image);
    int new_width = width * 3 / 2, new_height = height * 3 / 2;
    double sine = sin(degrees * G_PI / 180), cosine = cos(degrees * G_PI / 180);
    double right = new_width / 2.0 - (cosine * width - sine * height) / 2;
    double down = new_height / 2.0 - (sine * width + cosine * height) / 2;
    VipsArrayInt *area = vips_array_int_newv(4, 0, 0, new_width, new_height);
    VipsArrayDouble *grey = vips_array_double_newv(3, 128.0, 128.0, 128.0);
    VipsImage *turned;
    require(vips_affine(portrait->image, &turned, cosine, -sine, sine, cosine, "odx", right, "ody",
                        down, "oarea", area, "extend", VIPS_EXTEND_BACKGROUND, "background", grey,
                        NULL));
    vips_area_unref(VIPS_AREA(area));
    vips_area_unref(VIPS_AREA(grey));
    replace(&portrait->image, turned);
    double x = face->middle_x, y = face->middle_y;
    face->middle_x = cosine * x - sine * y + right;
    face->middle_y = sine * x + cosine * y + down;
}

void portrait_brighten(struct portrait *portrait, double factor, double offset)
{
    VipsImage *changed;
    require(vips_linear1(portrait->image, &changed, factor, offset, "uchar", TRUE, NULL));
    replace(&portrait->image, changed);
}

void portrait_make_grey(struct portrait *portrait)
{
    VipsImage *grey, *colour;
    require(vips_colourspace(portrait->image, &grey, VIPS_INTERPRETATION_B_W, NULL));
    require(vips_colourspace(grey, &colour, VIPS_INTERPRETATION_sRGB, NULL));
    g_object_unref(grey);
    replace(&portrait->image, colour);
}

void portrait_mask(struct portrait *portrait)
{
    double light_blue[] = {150, 190, 210};
    const struct face_place *face = &portrait->face;
    require(vips_draw_rect(portrait->image, light_blue, 3, (int)(face->middle_x - face->width / 2),
                           (int)face->middle_y, (int)face->width, (int)(face->height / 2), "fill",
                           TRUE, NULL));
}

void portrait_cut(struct portrait *portrait, int left, int top)
{
    VipsImage *cut;
    require(vips_extract_area(portrait->image, &cut, left, top,
                              vips_image_get_width(portrait->image) - left,
                              vips_image_get_height(portrait->image) - top, NULL));
    replace(&portrait->image, cut);
    portrait->face.middle_x -= left;
    portrait->face.middle_y -= top;
}

struct face_place portrait_paste(const struct portrait *portrait, VipsImage **canvas, int left,
                                 int top)
{
    struct face_place face = portrait->face;
    VipsImage *pasted;
    require(vips_insert(*canvas, portrait->image, &pasted, left, top, NULL));
    replace(canvas, pasted);
    face.middle_x += left;
    face.middle_y += top;
    return face;
}
