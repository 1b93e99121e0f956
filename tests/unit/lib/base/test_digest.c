/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include "lib/base/digest.h"

/* RFC 1321, appendix A.5. */
static void digests_are_those_of_the_rfc(void **state)
{
    (void)state;
    char hex[MD5_HEX_LEN + 1];
    assert_int_equal(md5_hex("", 0, hex), APP_OK);
    assert_string_equal(hex, "d41d8cd98f00b204e9800998ecf8427e");
    assert_int_equal(md5_hex("message digest", 14, hex), APP_OK);
    assert_string_equal(hex, "f96b697d7cb7938d525a2f31aaf161d0");
}

/* FIPS 180-2, appendix B.1 ("abc"), and as `printf 'picture\nabc' | sha256sum` prints it. */
static void a_name_by_sha256_has_the_prefix_in_front(void **state)
{
    (void)state;
    char hex[SHA256_HEX_LEN + 1];
    assert_int_equal(sha256_hex("", "abc", 3, hex), APP_OK);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223");
    assert_int_equal(sha256_hex("picture\n", "abc", 3, hex), APP_OK);
    assert_string_equal(hex, "45efa8f27c6db2049ac62f4ed86b17a5");
}

/* As xxhsum -H3 prints it. */
static void the_xxh3_is_that_of_the_specification(void **state)
{
    (void)state;
    assert_true(xxh3_pieces(NULL, 0) == UINT64_C(0x2d06800538d394c2));
}

static void pieces_have_the_xxh3_of_the_whole(void **state)
{
    (void)state;
    char text[1000];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7);
    uint64_t whole = xxh3_pieces(&(struct iovec){text, sizeof(text)}, 1);
    const struct iovec pieces[] = {{text, 1}, {text + 1, 0}, {text + 1, 500}, {text + 501, 499}};
    assert_true(xxh3_pieces(pieces, 4) == whole);
    text[999]++;
    assert_true(xxh3_pieces(pieces, 4) != whole);
}

static void a_seed_makes_another_xxh3(void **state)
{
    (void)state;
    assert_true(xxh3_seeded("", 0, 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(xxh3_seeded("key", 3, 1) == xxh3_seeded("key", 3, 1));
    assert_true(xxh3_seeded("key", 3, 1) != xxh3_seeded("key", 3, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_the_rfc),
        cmocka_unit_test(a_name_by_sha256_has_the_prefix_in_front),
        cmocka_unit_test(the_xxh3_is_that_of_the_specification),
        cmocka_unit_test(pieces_have_the_xxh3_of_the_whole),
        cmocka_unit_test(a_seed_makes_another_xxh3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
