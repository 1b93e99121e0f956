/* SPDX-License-Identifier: MIT */
#include "api/picture_key.h"

#include <string.h>

#include "support/cmocka.h"

/* Clients and caches hold these keys: `printf %s TEXT | md5sum`. */
static void the_key_of_a_url_is_its_md5(void **state)
{
    (void)state;
    static const char url[] = "http://example.com/a.png";
    char key[PICTURE_KEY_LEN + 1];
    assert_int_equal(picture_key_of_url(url, strlen(url), key), APP_OK);
    assert_string_equal(key, "b876851593b9e119ed73f38561576bda");
}

/* `(printf 'picture\n'; cat FILE) | sha256sum | cut -c 1-32` */
static void the_key_of_bytes_is_of_sha256_with_a_prefix(void **state)
{
    (void)state;
    char key[PICTURE_KEY_LEN + 1];
    assert_int_equal(picture_key_of_bytes("abc", 3, key), APP_OK);
    assert_string_equal(key, "45efa8f27c6db2049ac62f4ed86b17a5");
    assert_int_equal(picture_key_of_bytes("", 0, key), APP_OK);
    assert_string_equal(key, "cf2a6b9dc684296c5190ba63f0f60e59");
}

/* Two blocks of one MD5, from Wang and Yu, "How to Break MD5 and Other Hash Functions" (2005). */
static void bytes_of_one_md5_have_two_keys(void **state)
{
    (void)state;
    static const unsigned char first[] = {
        0xd1, 0x31, 0xdd, 0x02, 0xc5, 0xe6, 0xee, 0xc4, 0x69, 0x3d, 0x9a, 0x06, 0x98, 0xaf, 0xf9,
        0x5c, 0x2f, 0xca, 0xb5, 0x87, 0x12, 0x46, 0x7e, 0xab, 0x40, 0x04, 0x58, 0x3e, 0xb8, 0xfb,
        0x7f, 0x89, 0x55, 0xad, 0x34, 0x06, 0x09, 0xf4, 0xb3, 0x02, 0x83, 0xe4, 0x88, 0x83, 0x25,
        0x71, 0x41, 0x5a, 0x08, 0x51, 0x25, 0xe8, 0xf7, 0xcd, 0xc9, 0x9f, 0xd9, 0x1d, 0xbd, 0xf2,
        0x80, 0x37, 0x3c, 0x5b, 0xd8, 0x82, 0x3e, 0x31, 0x56, 0x34, 0x8f, 0x5b, 0xae, 0x6d, 0xac,
        0xd4, 0x36, 0xc9, 0x19, 0xc6, 0xdd, 0x53, 0xe2, 0xb4, 0x87, 0xda, 0x03, 0xfd, 0x02, 0x39,
        0x63, 0x06, 0xd2, 0x48, 0xcd, 0xa0, 0xe9, 0x9f, 0x33, 0x42, 0x0f, 0x57, 0x7e, 0xe8, 0xce,
        0x54, 0xb6, 0x70, 0x80, 0xa8, 0x0d, 0x1e, 0xc6, 0x98, 0x21, 0xbc, 0xb6, 0xa8, 0x83, 0x93,
        0x96, 0xf9, 0x65, 0x2b, 0x6f, 0xf7, 0x2a, 0x70};
    static const size_t differ[] = {19, 45, 59, 83, 109, 123};
    unsigned char second[sizeof(first)];
    char keys[2][PICTURE_KEY_LEN + 1];
    memcpy(second, first, sizeof(first));
    for (size_t i = 0; i < sizeof(differ) / sizeof(differ[0]); i++)
        second[differ[i]] ^= 0x80;
    assert_int_equal(picture_key_of_url((const char *)first, sizeof(first), keys[0]), APP_OK);
    assert_int_equal(picture_key_of_url((const char *)second, sizeof(second), keys[1]), APP_OK);
    assert_string_equal(keys[0], keys[1]); /* their MD5 */
    assert_int_equal(picture_key_of_bytes(first, sizeof(first), keys[0]), APP_OK);
    assert_int_equal(picture_key_of_bytes(second, sizeof(second), keys[1]), APP_OK);
    assert_string_not_equal(keys[0], keys[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_of_a_url_is_its_md5),
        cmocka_unit_test(the_key_of_bytes_is_of_sha256_with_a_prefix),
        cmocka_unit_test(bytes_of_one_md5_have_two_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
