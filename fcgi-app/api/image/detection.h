/* SPDX-License-Identifier: MIT */
/*
 * What the face detector is sent. Its boxes must fit the picture as it is
 * drawn, upright and in our own decoder's pixels, and detectors in the field
 * read JPEG and PNG but differ over EXIF orientation: so an upright JPEG or PNG
 * goes as it came, and anything else as a JPEG made from the decoded picture. A
 * large one but a JPEG goes reduced: detectors look for faces in a reduced picture
 * themselves, and would have to decode the large one once more for it.
 * Any thread.
 */
#ifndef API_IMAGE_DETECTION_H
#define API_IMAGE_DETECTION_H

#include <stddef.h>
#include <stdint.h>

#include "api/image/face.h"
#include "lib/base/err.h"
#include "lib/picture/picture.h"

struct detection_copy {
    const void *data;
    size_t len;
    double scale; /* the picture's side by that of the copy */
    void *owned;  /* private: NULL when data is the source's own */
};

/*
 * `source` are the bytes that `picture` was opened from; they must outlive the
 * copy. Errors as emojify_draw.
 */
enum app_err detection_copy_make(const struct picture *picture, const void *source, size_t len,
                                 int64_t deadline_ns, struct detection_copy *copy,
                                 struct err_buf *why) __attribute__((warn_unused_result));

/* What was found in the copy, from then on in the picture's own pixels. */
void detection_copy_scale(const struct detection_copy *copy, struct face *faces, size_t count);

/* Safe on a zeroed copy. */
void detection_copy_release(struct detection_copy *copy);

#endif
