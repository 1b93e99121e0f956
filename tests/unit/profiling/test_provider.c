/* SPDX-License-Identifier: MIT */
#include "profiling/provider.h"

#include <string.h>

#include "support/cmocka.h"

static void each_name_is_a_row_and_no_other(void **state)
{
    (void)state;
    static const char *const names[] = {"profile", "past",        "cpu",    "block",
                                        "mutex",   "heap",        "allocs", "goroutine",
                                        "threads", "threadcreate"};
    static const char *const others[] = {"", "CPU", "prof", "profiles", "state", "growth"};
    size_t count = sizeof(names) / sizeof(names[0]);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(provider_at(i));
        assert_string_equal(provider_at(i)->name, names[i]);
        assert_ptr_equal(provider_find(names[i]), provider_at(i));
    }
    assert_null(provider_at(count));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_null(provider_find(others[i]));
}

/* What is asked for instead is collected as the same kind, and is nobody else's. */
static void assert_variant(const struct provider *provider, const char *name)
{
    const struct provider *variant = name ? provider_find(name) : provider;
    assert_non_null(variant);
    assert_ptr_equal(variant->kind, provider->kind);
    if (name)
        assert_true(variant->is_variant);
}

static void a_row_has_what_its_readers_need(void **state)
{
    (void)state;
    const struct provider *provider;
    for (size_t i = 0; (provider = provider_at(i)); i++) {
        assert_non_null(provider->kind);
        assert_non_null(provider->collect);
        assert_non_null(provider->merge);
        assert_variant(provider, provider->past);
        assert_variant(provider, provider->each);
        for (size_t j = 0; j < PROVIDER_VIEWS_MAX; j++) {
            const struct provider_view *view = &provider->views[j];
            assert_int_equal(view->link != NULL, view->name && view->text);
            assert_true(view->link || !view->label);
        }
        if (provider->is_variant)
            continue;
        assert_non_null(provider->text);
        assert_true(provider->text_rows > 0);
        assert_non_null(provider->views[0].link);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_is_a_row_and_no_other),
        cmocka_unit_test(a_row_has_what_its_readers_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
