/* SPDX-License-Identifier: MIT */
/*
 * dlib's detector of frontal faces: five HOG filters, compiled in, no model file.
 * The only C++ of the program; every exception ends here. Only the one dlib
 * header is included, since dlib costs most of this file's ten seconds to compile.
 */
#include "facebox/detector.h"

#include <dlib/image_processing/frontal_face_detector.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <new>
#include <vector>

struct detector {
    explicit detector(const dlib::frontal_face_detector &other) : find(other)
    {
    }

    dlib::frontal_face_detector find;
};

namespace
{
using grey_image = dlib::array2d<unsigned char>;

/*
 * At dlib's own threshold of 0 a space suit is a face; real ones of press and
 * group photographs score above this.
 */
const double THRESHOLD = 0.2;

/* The filters see faces from 80 pixels on; narrower pictures are doubled first. */
const int DOUBLE_BELOW_WIDTH = 1300;

const dlib::pyramid_down<2> DOUBLING;

grey_image to_image(const struct detector_picture *picture)
{
    grey_image image(picture->height, picture->width);
    const size_t row_len = static_cast<size_t>(picture->width);
    for (int row = 0; row < picture->height; row++)
        std::memcpy(&image[row][0], picture->pixels + static_cast<size_t>(row) * row_len, row_len);
    return image;
}

/* dlib's scores have no upper bound: 0.2 becomes 0.33, 1 0.86, 2 0.98. */
double to_confidence(double score)
{
    return std::min(1 - std::exp(-2 * score), 0.9999);
}

int clip(double value, int max)
{
    return static_cast<int>(std::lround(std::clamp(value, 0.0, static_cast<double>(max))));
}

/* The part of a box inside the picture; false when there is none. */
bool to_detection(const dlib::drectangle &box, double score, const struct detector_picture *picture,
                  struct detection *detection)
{
    const int left = clip(box.left(), picture->width);
    const int top = clip(box.top(), picture->height);
    const int right = clip(box.right() + 1, picture->width);
    const int bottom = clip(box.bottom() + 1, picture->height);
    if (right <= left || bottom <= top)
        return false;
    *detection = {left, top, right - left, bottom - top, to_confidence(score)};
    return true;
}

size_t find(struct detector *detector, const struct detector_picture *picture,
            struct detection *found, size_t max)
{
    grey_image image = to_image(picture);
    const bool doubled = picture->width < DOUBLE_BELOW_WIDTH;
    if (doubled)
        dlib::pyramid_up(image, DOUBLING);

    std::vector<dlib::rect_detection> boxes; /* the surest first */
    detector->find(image, boxes, THRESHOLD);
    size_t count = 0;
    for (size_t i = 0; i < boxes.size() && count < max; i++) {
        const dlib::drectangle box =
            doubled ? DOUBLING.rect_down(boxes[i].rect) : dlib::drectangle(boxes[i].rect);
        if (to_detection(box, boxes[i].detection_confidence, picture, &found[count]))
            count++;
    }
    return count;
}

/* Run `work`, which may throw. */
template <typename function> enum app_err guarded(struct err_buf *why, const function &work)
{
    try {
        work();
        return APP_OK;
    } catch (const std::bad_alloc &) {
        return APP_NO_MEMORY;
    } catch (const std::exception &exception) {
        err_detail(why, "dlib: %s", exception.what());
    } catch (...) {
        err_detail(why, "dlib: an exception of unknown kind");
    }
    return APP_INTERNAL;
}

} // namespace

enum app_err detector_new(struct detector **made)
{
    return guarded(nullptr, [&] { *made = new detector(dlib::get_frontal_face_detector()); });
}

enum app_err detector_copy(const struct detector *original, struct detector **copy)
{
    return guarded(nullptr, [&] { *copy = new detector(original->find); });
}

void detector_free(struct detector **detector)
{
    delete *detector;
    *detector = nullptr;
}

enum app_err detector_find(struct detector *detector, const struct detector_picture *picture,
                           struct detection *found, size_t max, size_t *count, struct err_buf *why)
{
    return guarded(why, [&] { *count = find(detector, picture, found, max); });
}
