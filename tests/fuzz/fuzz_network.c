/* SPDX-License-Identifier: MIT */
/*
 * A network file of any bytes. Its checksum is made right, and in a second round its
 * length, so that the checks behind them are reached. What is accepted is run.
 */
#include "fuzz/input.h"

#include <xxhash.h>

#include "facebox/inference.h"
#include "facebox/network.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct err_buf why;
    (void)argc;
    (void)argv;
    must(inference_library_init(&why) == APP_OK);
    return 0;
}

/* XNNPACK must take what network_read took. */
static void run(const struct network *network)
{
    struct inference *inference = NULL;
    struct inference_result result;
    struct err_buf why = {.text = ""};
    float *input = NULL;
    must(inference_new(network, &inference, &why) == APP_OK);
    for (int round = 1; round <= 2; round++) {
        size_t count = (size_t)NETWORK_ALIGN * NETWORK_ALIGN * (size_t)round * 3;
        must(inference_begin(inference, NETWORK_ALIGN * round, NETWORK_ALIGN, &input, &why) ==
             APP_OK);
        for (size_t i = 0; i < count; i++)
            input[i] = (float)(i % 17) / 16;
        must(inference_run(inference, &result, &why) == APP_OK);
        size_t cells = (size_t)result.width * (size_t)result.height;
        volatile float last =
            result.scores[cells - 1] + result.boxes[cells * NETWORK_BOX_CHANNELS - 1];
        (void)last; /* it can be read */
        inference_trim(inference);
    }
    inference_free(&inference);
}

static void read_network(const char *data, size_t len)
{
    struct network network;
    struct err_buf why = {.text = ""};
    enum app_err err = network_read(data, len, &network, &why);
    must(err == APP_OK || (err == APP_CONFIG && why.text[0] != '\0'));
    if (!err)
        run(&network);
}

static void sign(char *data, size_t len)
{
    uint64_t checksum = XXH3_64bits(data + NETWORK_FILE_CHECKED, len - NETWORK_FILE_CHECKED);
    memcpy(data + offsetof(struct network_file_header, checksum), &checksum, sizeof(checksum));
}

/* Let the header say how many weights there are. False when the operations have no room. */
static bool count_weights(char *data, size_t len)
{
    struct network_file_header header;
    memcpy(&header, data, sizeof(header));
    size_t op_bytes = header.op_count * sizeof(struct network_op);
    if (op_bytes > len - sizeof(header))
        return false;
    header.magic = NETWORK_FILE_MAGIC;
    header.weight_count = (uint32_t)((len - sizeof(header) - op_bytes) / sizeof(float));
    memcpy(data, &header, sizeof(header));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size & ~(size_t)3};
    size_t len = input.left;
    char *copy = fuzz_text(&input, len);
    if (len >= sizeof(struct network_file_header))
        sign(copy, len);
    read_network(copy, len);
    if (len >= sizeof(struct network_file_header) && count_weights(copy, len)) {
        sign(copy, len);
        read_network(copy, len);
    }
    free(copy);
    return 0;
}
