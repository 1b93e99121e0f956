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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(digests_are_those_of_the_rfc)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
