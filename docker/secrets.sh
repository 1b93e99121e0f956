#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes the secrets of compose.yaml, in docker/secrets/: random ones, and only those that
# are not there yet. The directory is closed; the files in it are not, because Compose
# mounts them as they are and each container's user must be able to read its own.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets

random() {
    od -An -N 24 -tx1 /dev/urandom | tr -d ' \n'
}

write() { # name; the text comes on standard input
    [ -s "secrets/$1" ] || { cat >"secrets/$1.part" && chmod 644 "secrets/$1.part" && mv "secrets/$1.part" "secrets/$1"; }
}

random | write profile_token
random | write grafana_password
if [ ! -s secrets/redis_url ] || [ ! -s secrets/redis_conf ]; then
    rm -f secrets/redis_url secrets/redis_conf
    password=$(random)
    echo "redis://:$password@redis:6379/0" | write redis_url
    echo "requirepass $password" | write redis_conf
fi
