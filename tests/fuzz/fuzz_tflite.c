/* SPDX-License-Identifier: MIT */
/* A TensorFlow Lite file of any bytes, converted. */
#include "fuzz/input.h"

#include "facebox/network.h"
#include "facebox/tflite.h"

enum { OUTPUT_MAX = 32 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err_buf why = {.text = ""};
    struct network network;
    struct buf out;
    uint8_t *copy = malloc(size > 0 ? size : 1);
    must(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    buf_init(&out, OUTPUT_MAX);
    enum app_err err = tflite_convert(copy, size, "fuzz", &out, &why);
    must(err == APP_OK || (err == APP_CONFIG && why.text[0] != '\0'));
    must(err || network_read(out.data, out.len, &network, &why) == APP_OK);
    buf_release(&out);
    free(copy);
    return 0;
}
