/* SPDX-License-Identifier: MIT */
/*
 * Whether an ICC profile says nothing but "these pixels are sRGB" (ICC.1:2010; IEC
 * 61966-2-1). Most pictures have such a one, from cameras and picture services of many
 * makers, and converting by it costs twice what decoding does and changes nothing.
 * Pure, any bytes, any thread.
 */
#ifndef LIB_PICTURE_SRGB_PROFILE_H
#define LIB_PICTURE_SRGB_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * True only for a display profile of three primaries and three curves that are sRGB's:
 * each 8-bit value through the curve and back stays what it was. Profiles with
 * tables instead of a matrix are not looked into.
 */
bool srgb_profile_is(const unsigned char *profile, size_t len);

#endif
