/* SPDX-License-Identifier: MIT */
/*
 * Reads a network from a TensorFlow Lite file, which is a FlatBuffer by the schema
 * tensorflow/lite/schema/schema.fbs. Only what the face detector's network needs is
 * taken: the operations of network_file.h, RELU behind one of them, half-precision
 * weights, and a reshape at the end. Every offset is checked. At build time only.
 */
#ifndef FACEBOX_TFLITE_H
#define FACEBOX_TFLITE_H

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

/*
 * Append the whole file of network_file.h for the TensorFlow Lite file `data` to `out`,
 * which is empty; `name` goes into its header. APP_CONFIG with what is not understood
 * in why->text; APP_TOO_LARGE, APP_NO_MEMORY.
 */
enum app_err tflite_convert(const unsigned char *data, size_t len, const char *name,
                            struct buf *out, struct err_buf *why)
    __attribute__((warn_unused_result));

#endif
