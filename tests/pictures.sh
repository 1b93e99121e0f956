#!/bin/sh
# SPDX-License-Identifier: MIT
# Gets the photographs of `make run` and the tests into a directory, out of Debian
# packages that are downloaded and unpacked but not installed. Prints nothing unless
# it fails.
set -eu

to=$1
mkdir -p "$to"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# As root, apt downloads as its own user.
chmod 755 "$work"

download() {
    (cd "$work" && apt-get download python-matplotlib-data python3-skimage)
}

update() {
    if [ "$(id -u)" = 0 ]; then
        apt-get update -qq
    else
        sudo apt-get update -qq
    fi
}

# A fresh machine has no package lists yet, a stale one the wrong versions.
if ! { download || { update && download; }; } >"$work/log" 2>&1; then
    cat "$work/log" >&2
    exit 1
fi
for package in "$work"/*.deb; do
    dpkg-deb -x "$package" "$work/unpacked"
done
for picture in grace_hopper.jpg astronaut.png camera.png coffee.png; do
    find "$work/unpacked" -name "$picture" -exec cp {} "$to/$picture" \;
    [ -s "$to/$picture" ] || {
        echo "$picture is not in those packages any more" >&2
        exit 1
    }
done
