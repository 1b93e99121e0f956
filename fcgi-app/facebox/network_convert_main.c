/* SPDX-License-Identifier: MIT */
/*
 * network-convert INPUT OUTPUT: makes face.network from a TensorFlow Lite file, so
 * that the program which faces the network reads a format of its own. Build time only.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "facebox/network_file.h"
#include "facebox/tflite.h"

enum { INPUT_MAX = 64 * 1024 * 1024, OUTPUT_MAX = 32 * 1024 * 1024 };

static enum app_err read_file(const char *path, struct buf *out, struct err_buf *why)
{
    char piece[65536];
    size_t len;
    FILE *file = fopen(path, "rb");
    if (!file)
        return err_set(why, APP_CONFIG, "%s", strerror(errno));
    enum app_err err = APP_OK;
    while (!err && (len = fread(piece, 1, sizeof(piece), file)) > 0)
        err = buf_append(out, piece, len);
    if (ferror(file))
        err = err_set(why, APP_CONFIG, "it cannot be read");
    (void)fclose(file);
    return err;
}

/* make removes a file that was left incomplete. */
static enum app_err write_file(const char *path, const struct buf *data, struct err_buf *why)
{
    FILE *file = fopen(path, "wb");
    bool written = file && fwrite(data->data, 1, data->len, file) == data->len;
    if (file)
        written = fclose(file) == 0 && written;
    return written ? APP_OK : err_set(why, APP_CONFIG, "%s: %s", path, strerror(errno));
}

/* What the network is called in /info: its kind, and the start of the file's SHA-256. */
static void make_name(const struct buf *input, char name[NETWORK_FILE_NAME_MAX])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)input->data, input->len, digest);
    (void)snprintf(name, NETWORK_FILE_NAME_MAX, "mediapipe-face-full-range-%02x%02x%02x%02x",
                   digest[0], digest[1], digest[2], digest[3]);
}

int main(int argc, char **argv)
{
    struct err_buf why = {.text = ""};
    struct buf input, output;
    char name[NETWORK_FILE_NAME_MAX];
    if (argc != 3) {
        fprintf(stderr, "usage: network-convert INPUT.tflite OUTPUT\n");
        return 2;
    }
    buf_init(&input, INPUT_MAX);
    buf_init(&output, OUTPUT_MAX);
    enum app_err err = read_file(argv[1], &input, &why);
    if (!err) {
        make_name(&input, name);
        err = tflite_convert((const unsigned char *)input.data, input.len, name, &output, &why);
    }
    if (!err)
        err = write_file(argv[2], &output, &why);
    if (err)
        fprintf(stderr, "network-convert: %s: %s\n", argv[1],
                why.text[0] ? why.text : app_strerror(err));
    buf_release(&output);
    buf_release(&input);
    return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
