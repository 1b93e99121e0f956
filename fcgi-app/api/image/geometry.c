/* SPDX-License-Identifier: MIT */
/*
 * A face comes from another service and may hold any int, its points any number: the
 * box is computed in 64 bits, and points are compared so that NaN and infinity fail.
 *
 * Lengths are in parts of the box's longer side; they were measured and chosen by eye
 * on photographs, of frontal, tilted and profile heads.
 */
#include "api/image/geometry.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/fnv1a.h"

/* Without points: of the face's longer side, in percent. */
enum { SIDE_PERCENT = 140, RAISE_PERCENT = 5 };

enum { LARGEST_FACE = 4 }; /* times the picture's longer side */

static int64_t longer_side(const struct box *box)
{
    return box->width > box->height ? box->width : box->height;
}

/* Rounded, for amounts that are not negative. */
static int64_t percent(int64_t amount, int percentage)
{
    return (amount * percentage + 50) / 100;
}

static struct placement place_by_box(const struct box *face)
{
    int64_t longer = longer_side(face), side = percent(longer, SIDE_PERCENT);
    side = side > 1 ? side : 1;
    int64_t left = face->left + (face->width - side) / 2;
    int64_t top = face->top + (face->height - side) / 2 - percent(longer, RAISE_PERCENT);
    return (struct placement){(double)left + (double)side / 2, (double)top + (double)side / 2,
                              (double)side, 0};
}

/* --- By points ------------------------------------------------------------------------- */

#define DEGREE (M_PI / 180)

static const double TURN_LEAST = 5 * DEGREE, TURN_MOST = 60 * DEGREE;

/* Eyes that are nearer to each other, in a profile, say nothing about the angle. */
static const double EYES_APART = 0.25;

/*
 * How much the mouth lies before the eyes in a profile, as an angle: for each box side
 * that the nose is before the ears.
 */
static const double PROFILE_LEAN = 20 * DEGREE;

/* Of an upright frontal face: its detector's box shrinks when the head tilts, these do not. */
static const double EYES_TO_MOUTH = 0.43, EAR_TO_EAR = 0.84;

/* What is taken for a face's size is at most this many of the box's. */
static const double GROWTH_MOST = 1.35;

/* Between these, the eyes are that far from the mouth; and all points are that near the box. */
static const double MOUTH_LEAST = 0.1, MOUTH_MOST = 0.9, POINTS_MOST = 1.2;

/*
 * Where the head's middle is: this far below the eyes, and further in a profile, for each
 * box side that the nose is before the ears; from between the ears this share of the way
 * to the nose.
 */
static const double LOWER = 0.1, PROFILE_LOWER = 0.08, CORE = 0.15;

/* What the disc covers: this far beyond mouth, eyes, ears and nose. */
static const double CHIN = 0.32, FOREHEAD = 0.45, EAR = 0.15, NOSE = 0.08;

/* Of the disc; and how much of an emoji's side its head fills. */
static const double RADIUS_LEAST = 0.70, RADIUS_MOST = 0.85, HEAD_SHARE = 0.88;

static struct face_point sum(struct face_point a, struct face_point b, double times)
{
    return (struct face_point){a.x + b.x * times, a.y + b.y * times};
}

static struct face_point between(struct face_point a, struct face_point b)
{
    return (struct face_point){(a.x + b.x) / 2, (a.y + b.y) / 2};
}

static struct face_point from_to(struct face_point from, struct face_point to)
{
    return (struct face_point){to.x - from.x, to.y - from.y};
}

static double length(struct face_point vector)
{
    return hypot(vector.x, vector.y);
}

static double distance(struct face_point a, struct face_point b)
{
    return length(from_to(a, b));
}

/* How far `vector` goes in a direction of length 1. */
static double along(struct face_point vector, struct face_point direction)
{
    return vector.x * direction.x + vector.y * direction.y;
}

/* A face's points, and what follows from them at once. */
struct head {
    const struct face_point *points;
    double size; /* of the box that an upright face of this size has */
    double angle;
    struct face_point eyes, ears;  /* the middle between both */
    struct face_point right, down; /* of length 1, turned with the head; right as seen */
};

static bool are_plausible(const struct head *head, const struct box *box)
{
    struct face_point middle = {box->left + box->width / 2.0, box->top + box->height / 2.0};
    for (int i = 0; i < FACE_POINT__MAX; i++) {
        if (!(distance(head->points[i], middle) <= POINTS_MOST * head->size))
            return false;
    }
    double mouth = distance(head->eyes, head->points[FACE_MOUTH]);
    return mouth >= MOUTH_LEAST * head->size && mouth <= MOUTH_MOST * head->size;
}

/* From the eyes, or in a profile from eyes to mouth. */
static double find_angle(const struct head *head)
{
    const struct face_point *points = head->points;
    struct face_point apart = from_to(points[FACE_RIGHT_EYE], points[FACE_LEFT_EYE]);
    if (length(apart) >= EYES_APART * head->size)
        return atan2(apart.y, apart.x);
    struct face_point down = from_to(head->eyes, points[FACE_MOUTH]);
    struct face_point right = {down.y / length(down), -down.x / length(down)};
    double lead = along(from_to(head->ears, points[FACE_NOSE]), right) / head->size;
    return atan2(-down.x, down.y) + lead * PROFILE_LEAN;
}

static double grown(double size, const struct head *head)
{
    const struct face_point *points = head->points;
    double by_mouth = distance(head->eyes, points[FACE_MOUTH]) / EYES_TO_MOUTH;
    double by_ears = distance(points[FACE_RIGHT_EAR], points[FACE_LEFT_EAR]) / EAR_TO_EAR;
    return fmin(fmax(size, fmax(by_mouth, by_ears)), GROWTH_MOST * size);
}

static double turn(double angle)
{
    if (fabs(angle) < TURN_LEAST)
        return 0;
    return copysign(fmin(fabs(angle), TURN_MOST), angle);
}

/* The radius of the disc around `middle` that covers the head. */
static double find_radius(const struct head *head, struct face_point middle)
{
    const struct face_point *points = head->points;
    struct face_point chin = sum(points[FACE_MOUTH], head->down, CHIN * head->size);
    struct face_point brow = sum(head->eyes, head->down, -FOREHEAD * head->size);
    const struct {
        struct face_point point;
        double margin;
    } covered[] = {{points[FACE_RIGHT_EAR], EAR},
                   {points[FACE_LEFT_EAR], EAR},
                   {points[FACE_NOSE], NOSE},
                   {chin, 0},
                   {brow, 0}};
    double radius = RADIUS_LEAST * head->size;
    for (size_t i = 0; i < sizeof(covered) / sizeof(covered[0]); i++)
        radius = fmax(radius, distance(middle, covered[i].point) + covered[i].margin * head->size);
    return fmin(radius, RADIUS_MOST * head->size);
}

static bool place_by_points(const struct face *face, struct placement *placement)
{
    const struct face_point *points = face->points;
    struct head head = {
        .points = points,
        .size = (double)longer_side(&face->box),
        .eyes = between(points[FACE_RIGHT_EYE], points[FACE_LEFT_EYE]),
        .ears = between(points[FACE_RIGHT_EAR], points[FACE_LEFT_EAR]),
    };
    if (!are_plausible(&head, &face->box))
        return false;
    head.angle = find_angle(&head);
    head.size = grown(head.size, &head);
    head.right = (struct face_point){cos(head.angle), sin(head.angle)};
    head.down = (struct face_point){-head.right.y, head.right.x};

    struct face_point ahead = from_to(head.ears, points[FACE_NOSE]);
    double lead = fabs(along(ahead, head.right)) / head.size;
    struct face_point middle =
        sum(head.eyes, head.down, (LOWER + PROFILE_LOWER * lead) * head.size);
    struct face_point core = sum(head.ears, ahead, CORE);
    middle = sum(middle, head.right, along(from_to(middle, core), head.right));
    double side = 2 * find_radius(&head, middle) / HEAD_SHARE;
    *placement = (struct placement){middle.x, middle.y, fmax(side, 1), turn(head.angle)};
    return true;
}

bool geometry_place(const struct face *face, int picture_width, int picture_height,
                    struct placement *placement)
{
    const struct box *box = &face->box;
    if (box->width <= 0 || box->height <= 0 || picture_width <= 0 || picture_height <= 0)
        return false;
    int64_t picture = picture_width > picture_height ? picture_width : picture_height;
    if (longer_side(box) > LARGEST_FACE * picture)
        return false;

    struct placement found;
    if (!face->has_points || !place_by_points(face, &found))
        found = place_by_box(box);
    double half = found.side / 2;
    if (found.x - half >= picture_width || found.y - half >= picture_height ||
        found.x + half <= 0 || found.y + half <= 0)
        return false;
    *placement = found;
    return true;
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/*
 * A walk through all emoji with a step that has no factor in common with their
 * number comes back to an emoji only when each has had its turn.
 */
size_t geometry_choose_emoji(const char *key, size_t face_index, size_t emoji_count)
{
    if (emoji_count < 2)
        return 0;
    uint64_t hash = fnv1a(FNV1A_START, key, strlen(key));
    uint64_t start = hash % emoji_count;
    uint64_t step = 1 + (hash >> 32) % (emoji_count - 1);
    while (greatest_common_divisor(step, emoji_count) != 1)
        step = 1 + step % (emoji_count - 1);
    return (size_t)((start + face_index % emoji_count * step) % emoji_count);
}
