#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what $BUILD and the project hold, or removes exactly that: install.sh
# install | uninstall | list. Both follow one list. From the environment:
#
#   DESTDIR      a root to install below, for packages
#   PREFIX       /usr/local
#   SYSCONFDIR   /etc; files in it that are there already are kept
#   UNITDIR      PREFIX/lib/systemd/system
#
# Text files in the project are written for PREFIX=/usr; other prefixes are put in.
set -eu

PREFIX=${PREFIX:-/usr/local}
SYSCONFDIR=${SYSCONFDIR:-/etc}
UNITDIR=${UNITDIR:-$PREFIX/lib/systemd/system}
DESTDIR=${DESTDIR:-}
BUILD=${BUILD:-build/release}
share=$PREFIX/share/emojify-api
doc=$PREFIX/share/doc/emojify-api

# Lines of "kind source destination": program, text, config, data, or link.
list() {
    for program in api cache facebox; do
        echo "program $BUILD/emojify-$program $PREFIX/sbin/emojify-$program"
        echo "text $BUILD/man/emojify-$program.8 $PREFIX/share/man/man8/emojify-$program.8"
        echo "text httpd-conf/systemd/emojify-$program.service $UNITDIR/emojify-$program.service"
        echo "config httpd-conf/systemd/emojify-$program.env $SYSCONFDIR/emojify/emojify-$program.env"
    done
    echo "text httpd-conf/systemd/emojify-api.socket $UNITDIR/emojify-api.socket"
    echo "text httpd-conf/systemd/emojify.sysusers $PREFIX/lib/sysusers.d/emojify-api.conf"
    echo "text httpd-conf/systemd/emojify.tmpfiles $PREFIX/lib/tmpfiles.d/emojify-api.conf"
    echo "data $BUILD/emoji.artwork $share/emoji.artwork"
    echo "data $BUILD/face.network $share/face.network"
    # What mod_fcgid starts, and the program beside it.
    echo "program httpd-conf/apache/emojify-api.fcgi $PREFIX/lib/emojify/emojify-api.fcgi"
    echo "link ../../sbin/emojify-api $PREFIX/lib/emojify/emojify-api"
    for file in httpd-conf/lighttpd/*.conf httpd-conf/apache/*.conf httpd-conf/nginx/*.conf; do
        echo "text $file $share/${file#httpd-conf/}"
    done
    [ ! -d httpd-conf/htdocs ] || find httpd-conf/htdocs -type f | LC_ALL=C sort | while read -r file; do
        echo "data $file $share/${file#httpd-conf/}"
    done
    for file in README.md proto/*.proto $(find docs -name '*.md' | LC_ALL=C sort); do
        echo "text $file $doc/$file"
    done
    find docs/images -type f | LC_ALL=C sort | while read -r file; do
        echo "data $file $doc/$file"
    done
}

with_prefix() { # file
    if [ "$PREFIX" = /usr ]; then
        cat "$1"
    else
        sed -E "s#/usr/(sbin/emojify|lib/emojify|share/emojify-api|share/doc/emojify-api)#$PREFIX/\1#g" "$1"
    fi
}

install_text() { # source destination
    mkdir -p "${2%/*}"
    with_prefix "$1" >"$2.new"
    chmod 644 "$2.new"
    mv "$2.new" "$2"
}

install_one() { # kind source destination
    case $1 in
    program) install -D -m 755 "$2" "$3" ;;
    data) install -D -m 644 "$2" "$3" ;;
    link) mkdir -p "${3%/*}" && ln -sfn "$2" "$3" ;;
    config) [ -e "$3" ] || install_text "$2" "$3" ;;
    text) install_text "$2" "$3" ;;
    esac
}

# A configuration that somebody has changed is theirs.
uninstall_one() { # kind source destination
    if [ "$1" = config ] && [ -e "$3" ] && ! with_prefix "$2" | cmp -s - "$3"; then
        echo "kept, since it was changed: $3"
    else
        rm -f "$3"
    fi
}

# Only those that are ours by name.
remove_directories() {
    for directory in "$share" "$doc" "$PREFIX/lib/emojify" "$SYSCONFDIR/emojify"; do
        [ ! -d "$DESTDIR$directory" ] || find "$DESTDIR$directory" -depth -type d -empty -delete
    done
}

each() { # function
    list | while read -r kind source destination; do
        "$1" "$kind" "$source" "$DESTDIR$destination"
    done
}

umask 022
case ${1:-} in
install)
    each install_one
    [ -n "$DESTDIR" ] || echo "now: systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload"
    ;;
uninstall)
    each uninstall_one
    remove_directories
    ;;
list) list | sed 's/.* //' ;;
*)
    echo "usage: $0 install | uninstall | list" >&2
    exit 2
    ;;
esac
