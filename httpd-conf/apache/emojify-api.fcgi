#!/bin/sh
# SPDX-License-Identifier: MIT
# What mod_fcgid starts (emojify-fcgid.conf): the program that lies beside this file,
# with its settings. mod_fcgid hands a process no environment but FcgidInitialEnv,
# which takes 64 variables and cuts long values off without a word, so the settings
# come from a file of NAME='value' lines, as systemd's EnvironmentFile= has them. It
# may hold secrets: mode 0640, group www-data.
set -a
. "${EMOJIFY_SETTINGS:-/etc/emojify/emojify-api.env}" || exit 1

# Directories that belong to Apache's user (tmpfiles.d), unless the settings say others.
RUN_DIR=${RUN_DIR-/run/emojify-web/run}
LOCAL_CACHE_DIR=${LOCAL_CACHE_DIR-/dev/shm/emojify-web}

# mod_fcgid hands a process one request at a time; more threads would only wait.
WORKERS=1

exec "$(dirname "$0")/emojify-api"
