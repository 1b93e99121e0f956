/* SPDX-License-Identifier: MIT */
#include "facebox/inference.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"
#include "unit/facebox/detector_fixture.h"
#include "unit/facebox/network_builder.h"

static struct network network;

static int open_network(void **state)
{
    (void)state;
    return fixture_open_network(&network);
}

static int close_network(void **state)
{
    (void)state;
    fixture_close_network(&network);
    return 0;
}

/* A copy of a result: score, then box, of each cell. */
struct output {
    float *numbers;
    int width;
    int height;
};
enum { NUMBERS = 1 + NETWORK_BOX_CHANNELS };

static size_t output_size(const struct output *output)
{
    return (size_t)output->width * (size_t)output->height * NUMBERS * sizeof(float);
}

static float pattern(int x, int y, int band)
{
    uint32_t value = (uint32_t)x * 2654435761U ^ (uint32_t)y * 2246822519U ^ (uint32_t)band * 97U;
    value = (value ^ value >> 15) * 2654435769U;
    return (float)(value >> 16) / 32768.0F - 1;
}

/* Noise in a square of `side` pixels at `left`, `top`, on grey. False: it failed; any thread.
 */
static bool run_pattern(struct inference *inference, int width, int height, const int square[3],
                        struct output *output)
{
    float *input = NULL;
    struct inference_result result;
    struct err_buf why = {.text = ""};
    if (inference_begin(inference, width, height, &input, &why))
        return false;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width * 3; x++) {
            int across = x / 3 - square[0], down = y - square[1];
            bool inside = across >= 0 && across < square[2] && down >= 0 && down < square[2];
            input[(size_t)y * (size_t)width * 3 + (size_t)x] =
                inside ? pattern(across, down, x % 3) : 0;
        }
    }
    if (inference_run(inference, &result, &why))
        return false;
    *output = (struct output){NULL, result.width, result.height};
    output->numbers = malloc(output_size(output));
    if (!output->numbers)
        return false;
    for (size_t i = 0; i < (size_t)result.width * (size_t)result.height; i++) {
        output->numbers[i * NUMBERS] = result.scores[i];
        memcpy(&output->numbers[i * NUMBERS + 1], &result.boxes[i * NETWORK_BOX_CHANNELS],
               NETWORK_BOX_CHANNELS * sizeof(float));
    }
    return true;
}

static const int everywhere[3] = {0, 0, 10000};

static struct inference *make(void)
{
    struct inference *inference = NULL;
    struct err_buf why = {.text = ""};
    if (inference_new(&network, &inference, &why))
        fail_msg("%s", why.detail);
    return inference;
}

static void assert_same(const struct output *output, const struct output *expected)
{
    assert_int_equal(output->width, expected->width);
    assert_int_equal(output->height, expected->height);
    assert_memory_equal(output->numbers, expected->numbers, output_size(expected));
}

static void a_result_has_a_cell_for_each_four_pixels(void **state)
{
    (void)state;
    static const int sizes[][2] = {{32, 32}, {192, 96}, {32, 640}, {640, 480}};
    struct inference *inference = make();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct output output = {NULL, 0, 0};
        assert_true(run_pattern(inference, sizes[i][0], sizes[i][1], everywhere, &output));
        assert_int_equal(output.width, sizes[i][0] / NETWORK_CELL);
        assert_int_equal(output.height, sizes[i][1] / NETWORK_CELL);
        for (size_t j = 0; j < output_size(&output) / sizeof(float); j++)
            assert_true(isfinite(output.numbers[j]));
        free(output.numbers);
    }
    inference_free(&inference);
    assert_null(inference);
    inference_free(&inference);
}

static void the_same_picture_gives_the_same_result_again(void **state)
{
    (void)state;
    struct inference *inference = make();
    struct output first, again, other;
    assert_true(run_pattern(inference, 224, 160, everywhere, &first));
    assert_true(run_pattern(inference, 224, 160, everywhere, &again));
    assert_same(&again, &first);
    free(again.numbers);

    static const int others[][2] = {{448, 320}, {32, 32}, {160, 224}};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_true(run_pattern(inference, others[i][0], others[i][1], everywhere, &other));
        assert_true(run_pattern(inference, 224, 160, everywhere, &again));
        assert_same(&again, &first);
        free(other.numbers);
        free(again.numbers);
    }
    free(first.numbers);
    inference_free(&inference);
}

static void a_trimmed_inference_works_as_before(void **state)
{
    (void)state;
    struct inference *inference = make();
    struct output first, again;
    inference_trim(inference);
    assert_true(run_pattern(inference, 192, 192, everywhere, &first));
    inference_trim(inference);
    inference_trim(inference);
    assert_true(run_pattern(inference, 192, 192, everywhere, &again));
    assert_same(&again, &first);
    free(first.numbers);
    free(again.numbers);
    inference_trim(inference);
    inference_free(&inference);
}

/* In a picture so large that its edges, where zeros are read, are hardly seen from the middle. */
static void a_shifted_picture_shifts_the_result(void **state)
{
    (void)state;
    enum { SIDE = 960, PATCH = 96, SHIFT = NETWORK_ALIGN, CELLS = SHIFT / NETWORK_CELL };
    static const int here[3] = {416, 416, PATCH}, there[3] = {416 + SHIFT, 416 + 2 * SHIFT, PATCH};
    struct inference *inference = make();
    struct output first, shifted;
    double largest = 0, contrast = 0;
    assert_true(run_pattern(inference, SIDE, SIDE, here, &first));
    assert_true(run_pattern(inference, SIDE, SIDE, there, &shifted));
    for (int y = here[1] / NETWORK_CELL; y < (here[1] + PATCH) / NETWORK_CELL; y++) {
        for (int x = here[0] / NETWORK_CELL; x < (here[0] + PATCH) / NETWORK_CELL; x++) {
            const float *a = &first.numbers[(y * first.width + x) * NUMBERS];
            const float *b =
                &shifted.numbers[((y + 2 * CELLS) * first.width + x + CELLS) * NUMBERS];
            const float *c = &shifted.numbers[(y * first.width + x) * NUMBERS];
            for (int i = 0; i < NUMBERS; i++) {
                largest = fmax(largest, fabs((double)a[i] - (double)b[i]));
                contrast = fmax(contrast, fabs((double)a[i] - (double)c[i]));
            }
        }
    }
    assert_true(largest < 0.01);
    assert_true(contrast > 1);
    free(first.numbers);
    free(shifted.numbers);
    inference_free(&inference);
}

struct job {
    struct inference *inference;
    struct output outputs[3];
    bool done;
};

static const int job_sizes[3][2] = {{192, 128}, {320, 224}, {96, 96}};

static void *run_job(void *argument)
{
    struct job *job = argument;
    job->done = true;
    for (int i = 0; i < 3; i++) {
        job->done &= run_pattern(job->inference, job_sizes[i][0], job_sizes[i][1], everywhere,
                                 &job->outputs[i]);
        inference_trim(job->inference);
    }
    return NULL;
}

static void two_threads_have_the_same_results(void **state)
{
    (void)state;
    pthread_t threads[2];
    struct job jobs[2] = {{.inference = make()}, {.inference = make()}};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(jobs[0].done && jobs[1].done);
    for (int i = 0; i < 3; i++) {
        assert_same(&jobs[1].outputs[i], &jobs[0].outputs[i]);
        free(jobs[0].outputs[i].numbers);
        free(jobs[1].outputs[i].numbers);
    }
    inference_free(&jobs[0].inference);
    inference_free(&jobs[1].inference);
}

/* --- Each operation by itself ------------------------------------------------------------ */

/* 32 * 32 pixels through a network whose two results copy tensor `tensor`'s channels. */
static void run_built(struct built_network *built, struct inference_result *result,
                      struct inference **inference)
{
    static struct network read; /* the inference refers to it */
    float *input = NULL;
    network_builder_sign(built);
    assert_int_equal(network_read(built, sizeof(*built), &read, NULL), APP_OK);
    assert_int_equal(inference_new(&read, inference, NULL), APP_OK);
    assert_int_equal(inference_begin(*inference, 32, 32, &input, NULL), APP_OK);
    for (int i = 0; i < 32 * 32 * 3; i++)
        input[i] = pattern(i / 3 % 32, i / 96, i % 3);
    assert_int_equal(inference_run(*inference, result, NULL), APP_OK);
}

static float weight_of_half(const struct built_network *built, int out, int row, int column,
                            int band)
{
    return built->weights[((out * 3 + row) * 3 + column) * 3 + band];
}

/* A convolution of the picture with a stride of 2: "SAME" padding is all behind it then. */
static double half(const struct built_network *built, int x, int y, int channel)
{
    double sum = (double)built->weights[300 + channel];
    for (int row = 0; row < 3; row++) {
        for (int column = 0; column < 3; column++) {
            int from_x = 2 * x + column, from_y = 2 * y + row;
            for (int band = 0; band < 3 && from_x < 32 && from_y < 32; band++)
                sum += (double)weight_of_half(built, channel, row, column, band) *
                       (double)pattern(from_x, from_y, band);
        }
    }
    return fmax(sum, 0);
}

static double depthwise(const struct built_network *built, int x, int y, int channel)
{
    double sum = (double)built->weights[300 + channel];
    for (int row = 0; row < 3; row++) {
        for (int column = 0; column < 3; column++) {
            int from_x = x + column - 1, from_y = y + row - 1;
            if (from_x >= 0 && from_x < 16 && from_y >= 0 && from_y < 16)
                sum += (double)built->weights[(row * 3 + column) * BUILT_CHANNELS + channel] *
                       half(built, from_x, from_y, channel);
        }
    }
    return sum;
}

static double pooled(const struct built_network *built, int x, int y, int channel)
{
    double largest = 0;
    for (int i = 0; i < 4; i++) {
        int from_x = 2 * x + i % 2, from_y = 2 * y + i / 2;
        largest = fmax(largest, half(built, from_x, from_y, channel) +
                                    depthwise(built, from_x, from_y, channel));
    }
    return largest;
}

/* A convolution of one pixel: all of `channels` values, with the weights that begin at 0. */
static double point(const struct built_network *built, const double *values, int channels, int out)
{
    double sum = (double)built->weights[300 + out];
    for (int i = 0; i < channels; i++)
        sum += (double)built->weights[out * channels + i] * values[i];
    return fmax(sum, 0);
}

/* Pixel x, y of what is a quarter as large as the pooled one; its edge goes on outside. */
static double deeper(const struct built_network *built, int x, int y, int channel)
{
    double values[BUILT_CHANNELS];
    x = x < 0 ? 0 : x > 3 ? 3 : x;
    y = y < 0 ? 0 : y > 3 ? 3 : y;
    for (int i = 0; i < BUILT_CHANNELS; i++)
        values[i] = pooled(built, 2 * x, 2 * y, i);
    return point(built, values, BUILT_CHANNELS, channel);
}

static double resized(const struct built_network *built, int x, int y, int channel)
{
    int left = (int)floor(x / 2.0 - 0.25), top = (int)floor(y / 2.0 - 0.25);
    double right_share = x / 2.0 - 0.25 - left, bottom_share = y / 2.0 - 0.25 - top;
    double above = (1 - right_share) * deeper(built, left, top, channel) +
                   right_share * deeper(built, left + 1, top, channel);
    double below = (1 - right_share) * deeper(built, left, top + 1, channel) +
                   right_share * deeper(built, left + 1, top + 1, channel);
    return (1 - bottom_share) * above + bottom_share * below;
}

static void assert_near(float value, double expected)
{
    if (!(fabs((double)value - expected) < 1e-4))
        fail_msg("%f instead of %f", (double)value, expected);
}

static void every_operation_computes_what_the_file_says(void **state)
{
    (void)state;
    struct built_network built;
    struct inference *inference = NULL;
    struct inference_result result;
    network_builder_make(&built);
    run_built(&built, &result, &inference);
    assert_int_equal(result.width, 8);
    assert_int_equal(result.height, 8);
    for (int cell = 0; cell < 64; cell++) {
        int x = cell % 8, y = cell / 8;
        double values[2 * BUILT_CHANNELS] = {0};
        for (int i = 0; i < BUILT_CHANNELS; i++)
            values[i] = pooled(&built, x, y, i);
        assert_near(result.scores[cell], point(&built, values, BUILT_CHANNELS, 0));
        for (int i = 0; i < BUILT_CHANNELS; i++)
            values[i] = resized(&built, x, y, i);
        for (int out = 0; out < NETWORK_BOX_CHANNELS; out++)
            assert_near(result.boxes[cell * NETWORK_BOX_CHANNELS + out],
                        point(&built, values, 2 * BUILT_CHANNELS, out));
    }
    inference_free(&inference);
}

static void what_an_operation_does_not_read_may_be_any_number(void **state)
{
    (void)state;
    struct built_network built;
    struct inference *inference = NULL;
    struct inference_result result;
    network_builder_make(&built);
    for (int i = 0; i < BUILT_OPS; i++) {
        if (built.ops[i].kind != NETWORK_ADD)
            built.ops[i].inputs[1] = UINT32_MAX;
    }
    run_built(&built, &result, &inference);
    assert_true(isfinite(result.scores[0]));
    inference_free(&inference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_has_a_cell_for_each_four_pixels),
        cmocka_unit_test(the_same_picture_gives_the_same_result_again),
        cmocka_unit_test(a_trimmed_inference_works_as_before),
        cmocka_unit_test(a_shifted_picture_shifts_the_result),
        cmocka_unit_test(two_threads_have_the_same_results),
        cmocka_unit_test(every_operation_computes_what_the_file_says),
        cmocka_unit_test(what_an_operation_does_not_read_may_be_any_number),
    };
    return cmocka_run_group_tests(tests, open_network, close_network);
}
