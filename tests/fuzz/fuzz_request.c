/* SPDX-License-Identifier: MIT */
/*
 * CGI variables, a line each up to an empty one, then the body: what a request
 * becomes, what is read of it, and the error that repeats some of it.
 */
#include "fuzz/input.h"

#include "api/auth/admin_guard.h"
#include "api/auth/guess_limit.h"
#include "lib/base/limits.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"
#include "support/fcgi_params.h"

enum { VARIABLES_MAX = 64, BODY_MAX = 256 };

/* Lines that end in CRLF, and an empty one at the end only. */
static bool take_answer(void *sink, const char *head, size_t head_len, const struct iovec *pieces,
                        size_t count)
{
    int *answers = sink;
    (void)pieces;
    (void)count;
    (*answers)++;
    must(head_len > 4 && memcmp(head + head_len - 4, "\r\n\r\n", 4) == 0);
    for (size_t i = 0; i < head_len; i++) {
        unsigned char byte = (unsigned char)head[i];
        if (byte == '\r')
            must(head[i + 1] == '\n' && (i + 4 >= head_len || head[i + 2] != '\r'));
        else
            must(byte == '\n' ? i > 0 && head[i - 1] == '\r' : byte >= ' ' && byte != 0x7f);
    }
    return true;
}

/* Nobody guesses the token. */
static void ask_for_entry(const struct request *request, struct response *response)
{
    static struct guess_limit *guesses;
    struct err_buf why;
    if (!guesses)
        must(guess_limit_new("/proc/self/nothing", &guesses) == APP_OK);
    const struct admin_guard guard = {"a-token-of-sixteen-or-more", "known.example", guesses};
    if (admin_guard_check_host(&guard, request, &why) != APP_OK)
        must(request_header(request, "Host") != NULL);
    enum app_err err = admin_guard_check(&guard, request, response, &why);
    must(err || strstr(request_header(request, "Authorization"), "asic") ||
         strstr(request_header(request, "Authorization"), guard.token));
}

static void use(struct request *request)
{
    const char *body = NULL;
    size_t len = 0;
    must(request->path[0] == '/' && strlen(request->path) <= LIMIT_REQUEST_PATH);
    must(strlen(request_media_type(request)) <= LIMIT_REQUEST_PARAMS);
    (void)request_accepts_json(request);
    (void)request_header(request, "If-None-Match");
    enum app_err err = request_body(request, BODY_MAX, &body, &len);
    must(err || (len <= BODY_MAX && body[len] == '\0'));
}

static void serve(struct arena *arena, char *const *environment, struct fuzz_input *input)
{
    struct log_sink sink = {.fd = -1, .level = LOG_OFF};
    const struct log log = {.sink = &sink, .module = "fuzz"};
    struct request request;
    struct response response;
    int answers = 0;
    struct err_buf why = {.text = ""};
    struct request_input raw = {.body_len = input->left};
    raw.body = fuzz_text(input, input->left);
    raw.params = fcgi_params_encode((const char *const *)environment, &raw.params_len);
    enum app_err err = request_init(&request, arena, &log, &raw, &why);
    must(request.id && *request.id && strlen(request.id) <= LIMIT_REQUEST_ID);
    response_init(&response, &request, (struct response_output){take_answer, &answers});
    if (err == APP_OK) {
        use(&request);
        ask_for_entry(&request, &response);
    }
    (void)response_header(&response, "Location", err ? "" : request.path);
    (void)response_error(&response, err ? err : APP_BAD_REQUEST, err ? NULL : request.uri);
    must(answers == 1 && response.state == RESPONSE_SENT);
    free(raw.params);
    free(raw.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    struct fuzz_input input = {data, size};
    char *environment[VARIABLES_MAX + 1] = {NULL};
    if (!arena)
        arena = arena_new(LIMIT_REQUEST_ARENA);
    must(arena != NULL);
    for (size_t i = 0; i < VARIABLES_MAX && input.left > 0; i++) {
        environment[i] = fuzz_line(&input);
        if (*environment[i] == '\0') {
            free(environment[i]);
            environment[i] = NULL;
            break;
        }
    }
    serve(arena, environment, &input);
    arena_reset(arena);
    for (size_t i = 0; environment[i]; i++)
        free(environment[i]);
    return 0;
}
