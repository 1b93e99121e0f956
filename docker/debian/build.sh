#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes Debian packages of a tarball: build.sh TARBALL DIRECTORY. Debian wants the
# packaging in debian/ of the source's top, so it is put there in a copy.
set -eu
tarball=$1
directory=$2
here=$(cd "$(dirname "$0")" && pwd)
source=$directory/emojify-api-$VERSION

rm -rf "$directory"
mkdir -p "$directory"
cp "$tarball" "$directory/emojify-api_$VERSION.orig.tar.gz"
tar -xzf "$tarball" -C "$directory"
mkdir "$source/debian"
cp -R "$here/." "$source/debian/"
rm "$source/debian/build.sh" "$source/debian/changelog.in"
date=$(git log -1 --format=%cD 2>/dev/null || date -R)
sed "s/@VERSION@/$VERSION/; s/@DATE@/$date/" "$here/changelog.in" >"$source/debian/changelog"

# Of make install's variables and of this make nothing may reach the other one, but
# EMOJI_ARTWORK and FACE_NETWORK: the package is built without a network.
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR PREFIX SYSCONFDIR UNITDIR BUILD VARIANT V WERROR
cd "$source"
dpkg-buildpackage -us -uc -j"$(nproc)" >../build.log 2>&1 || {
    tail -n 40 ../build.log >&2
    echo "dpkg-buildpackage failed: $directory/build.log" >&2
    exit 1
}
cd ..
lintian -EviIL +pedantic --fail-on error,warning ./*.changes >lintian.log 2>&1 || {
    grep -E '^[EWIP]:' lintian.log >&2
    exit 1
}
ls -- *.deb
