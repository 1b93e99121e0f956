/* SPDX-License-Identifier: MIT */
#include "cache/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct scripted_store {
    struct store base;
    enum app_err err;
};

static enum app_err check(struct store *store, struct err_buf *why)
{
    const struct scripted_store *scripted = (const struct scripted_store *)(void *)store;
    if (scripted->err)
        err_detail(why, "disk sda1 is on fire");
    return scripted->err ? err_set(why, scripted->err, "the store cannot be used") : APP_OK;
}

static const struct store_operations operations = {.check = check};

static void assert_answers(const char *method, const char *path, enum app_err store_err,
                           int expected_status, const char *expected_body)
{
    struct scripted_store store = {{&operations}, store_err};
    const struct httpd_request request = {.method = method, .path = path, .body = ""};
    struct httpd_response response = {.status = 200};
    buf_init(&response.body, 1000);
    health_handle(&store, &request, &response);
    assert_int_equal(response.status, expected_status);
    assert_string_equal(response.content_type, "text/plain; charset=utf-8");
    assert_string_equal(response.body.data, expected_body);
    if (expected_status == 405) {
        assert_string_equal(response.extra_name, "Allow");
        assert_string_equal(response.extra_value, "GET, HEAD");
    }
    buf_release(&response.body);
}

static void a_store_that_works_is_ok(void **state)
{
    (void)state;
    assert_answers("GET", "/health", APP_OK, 200, "OK\n");
    assert_answers("HEAD", "/health", APP_OK, 200, "OK\n");
}

static void a_broken_store_is_unavailable_and_says_why(void **state)
{
    (void)state;
    assert_answers("GET", "/health", APP_INTERNAL, 503, "the store cannot be used\n");
    assert_answers("GET", "/health", APP_UNAVAILABLE, 503, "the store cannot be used\n");
}

static void other_paths_and_methods_are_refused(void **state)
{
    (void)state;
    assert_answers("GET", "/", APP_OK, 404, "not found\n");
    assert_answers("GET", "/health/", APP_OK, 404, "not found\n");
    assert_answers("POST", "/health", APP_OK, 405, "method not allowed\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_works_is_ok),
        cmocka_unit_test(a_broken_store_is_unavailable_and_says_why),
        cmocka_unit_test(other_paths_and_methods_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
