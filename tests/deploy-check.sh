#!/bin/sh
# SPDX-License-Identifier: MIT
# Does in a fresh Debian what docs/deployment.md says: installs the package from
# build/deb/, follows the page's commands for each web server, emojifies a photograph.
# Needs root, namespaces and overlayfs; leaves only build/deploy/, for the next time.
# WEB chooses some of: lighttpd lighttpd-spawn apache-proxy apache-fcgid.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
work=$top/build/deploy
page=docs/deployment.md
# The machine's own, unless MIRROR names another.
mirror=${MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Release: bookworm' | head -n 1)}

die() {
    echo "deploy-check: $*" >&2
    exit 1
}

# Prints the commands of the page under a mark.
commands() { # mark
    found=$(awk -v mark="<!-- deploy-check: $1 -->" '
        $0 == mark { armed = 1; next }
        armed && /^```sh$/ { inside = 1; next }
        inside && /^```$/ { exit }
        inside { print }' "$page")
    [ -n "$found" ] || die "$page has no commands marked $1"
    echo "$found"
}

# Runs a script in the root below $work/$1, with processes of its own, and the network
# unless $2 is "alone". Nothing that it mounts or starts outlives it.
inside() { # name network script
    cat >"$work/script" <<END
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C HOME=/root PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
cd /root
# As a boot makes them.
mkdir -p /run/lock
systemd-tmpfiles --create /usr/lib/tmpfiles.d/emojify-api.conf 2>/dev/null || true
$3
END
    net=
    [ "$2" = alone ] && net=--net
    # shellcheck disable=SC2016,SC2086
    unshare --mount --pid --fork --kill-child $net sh -eu -c '
        ip link set lo up
        mkdir -p "$1/$2" "$1/archives" "$1/upper-$2" "$1/overlay-$2"
        mount -t overlay overlay -o "lowerdir=$3,upperdir=$1/upper-$2,workdir=$1/overlay-$2" "$1/$2"
        mount --bind "$1/archives" "$1/$2/var/cache/apt/archives"
        mount -t proc proc "$1/$2/proc"
        mount -t tmpfs tmpfs "$1/$2/run"
        mount --rbind /dev "$1/$2/dev"
        mount -t tmpfs tmpfs "$1/$2/dev/shm"
        cp /etc/resolv.conf "$1/$2/etc/resolv.conf"
        chroot "$1/$2" /bin/sh -s <"$1/script"
    ' sh "$work" "$1" "$4"
}

make_base() {
    [ -e "$work/base.tar" ] || {
        echo "making a Debian with debootstrap"
        rm -rf "$work/base.new"
        debootstrap --variant=minbase bookworm "$work/base.new" "$mirror" >"$work/debootstrap.log" 2>&1 ||
            die "debootstrap failed: $work/debootstrap.log"
        tar -cf "$work/base.tar.new" -C "$work/base.new" .
        rm -rf "$work/base.new"
        mv "$work/base.tar.new" "$work/base.tar"
    }
    rm -rf "$work/base"
    mkdir "$work/base"
    tar -xf "$work/base.tar" -C "$work/base"
    # What a person answers, and no services from packages' scripts.
    echo 'APT::Get::Assume-Yes "true"; APT::Install-Recommends "false"; APT::Keep-Downloaded-Packages "true";' \
        >"$work/base/etc/apt/apt.conf.d/99deploy-check"
    printf '#!/bin/sh\nexit 101\n' >"$work/base/usr/sbin/policy-rc.d"
    chmod 755 "$work/base/usr/sbin/policy-rc.d"
    install -m 755 tests/support/systemctl.sh "$work/base/usr/local/sbin/systemctl"
    cp build/deb/*.deb build/pictures/grace_hopper.jpg "$work/base/root/"
    mv "$work/base/root/grace_hopper.jpg" "$work/base/root/photo.jpg"
}

# The page's commands, those that need the network by themselves.
of_network() { grep '^apt install' || true; }
of_machine() { grep -v '^apt install' || true; }

installed=$work/upper-installed
check_web() { # mark
    commands "$1" | of_network >"$work/apt"
    inside "$1" shared "$(cat "$work/apt")" "$installed:$work/base" >"$work/$1.log" 2>&1 || return 1
    first=$(commands upstreams)
    case $1 in lighttpd | apache-proxy)
        first="$first
$(commands socket)"
        ;;
    esac
    case $1 in
    lighttpd*) direct=direct-lighttpd ;;
    *) direct=direct-apache ;;
    esac
    last=
    [ "$1" != lighttpd ] || last=$(profile_check)
    inside "$1" alone "$first
$(commands "$1" | of_machine)
$(commands try)
cmp -s photo.jpg emoji.jpg && exit 1
head -c 3 emoji.jpg | od -An -tx1 | grep -q 'ff d8 ff'
curl -fsS -o /dev/null http://127.0.0.1/metrics
find /dev/shm/emojify*/files -type f | grep -q . || { echo 'nothing in the local tier'; exit 1; }
$(commands "$direct" | of_machine)
# An api that was started again has the picture in the tier, but gives it to the web server
# only when it asks the cache the next time: LOCAL_CACHE_TTL.
for second in \$(seq 60); do
    curl -fsS --retry 9 --retry-delay 1 --retry-all-errors -D headers -o direct.jpg "http://127.0.0.1/api/cache/\$key"
    grep -qi '^x-request-id' headers || break
    sleep 1
done
cmp direct.jpg emoji.jpg
! grep -i '^x-request-id' headers || { echo 'the api is asked for a picture in the local tier'; exit 1; }
$last
cp emoji.jpg /var/log/emoji.jpg" "$installed:$work/base" >>"$work/$1.log" 2>&1
}

# Names without debug symbols; files and lines with them.
profile_check() {
    commands profiles
    cat <<'END'
stacks() { # file
    curl -fsS --retry 9 --retry-delay 1 --retry-all-errors -o "$1.gz" \
        -u "any:$(cat /etc/emojify/profile-token)" http://127.0.0.1/debug/pprof/goroutine
    gunzip -c "$1.gz" >"$1"
}
stacks bare
grep -aq program_wait_for_stop bare || { echo "no function names without -dbgsym"; exit 1; }
grep -aq fcgi-app/lib/base/program.c bare && { echo "files without -dbgsym"; exit 1; }
dpkg -i emojify-api-dbgsym_*.deb
systemctl restart emojify-api
stacks full
grep -aq fcgi-app/lib/base/program.c full || { echo "no files with -dbgsym"; exit 1; }
END
}

[ "$(id -u)" = 0 ] || die "must be run by root"
ls build/deb/emojify-api_*.deb >/dev/null 2>&1 || die "no package: make deb"
for mark in install upstreams socket try profiles direct-lighttpd direct-apache ${WEB:=lighttpd lighttpd-spawn apache-proxy apache-fcgid}; do
    commands "$mark" >/dev/null || exit 1
done
mkdir -p "$work"
# Roots hold nothing that is mounted: each mount ended with its namespace.
rm -rf "$work"/upper-* "$work"/overlay-*
make_base
echo "installing the package"
inside installed shared "apt-get update
$(commands install)" "$work/base" >"$work/install.log" 2>&1 || {
    tail -n 30 "$work/install.log" >&2
    die "the package cannot be installed"
}

failed=0
for web in $WEB; do
    if check_web "$web"; then
        echo "ok    $web"
    else
        echo "FAIL  $web"
        tail -n 40 "$work/$web.log"
        tail -n 20 "$work/upper-$web"/var/log/*.log "$work/upper-$web"/var/log/apache2/error.log 2>/dev/null || true
        failed=1
    fi
done
purge='apt-get purge emojify-api
find / -xdev -name "emojify*" ! -path "/root/*" ! -path "/var/*" ! -path "/run/*" ! -path "/dev/*" | grep . && exit 1; true'
if inside purged alone "$purge" "$installed:$work/base" >"$work/purge.log" 2>&1; then
    echo "ok    purge"
else
    echo "FAIL  purge"
    tail -n 20 "$work/purge.log"
    failed=1
fi
rm -rf "$work/base"
exit "$failed"
