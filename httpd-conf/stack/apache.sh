# SPDX-License-Identifier: MIT
# Part of stack.sh: Apache, with mod_fcgid, which starts the api's processes, or with
# mod_proxy_fcgi and api processes that are started here. The main configuration is
# made here, around httpd-conf/apache/emojify-*.conf as they are.

. "$root/httpd-conf/stack/proxied.sh"

web_program=apache2
[ "$WEB" = apache-fcgid ] && web_processes=8 || web_processes=1

readonly MODULES=/usr/lib/apache2/modules

apache_modules() {
    echo mpm_event authz_core authz_host alias mime dir env setenvif headers reqtimeout rewrite xsendfile
    [ "$WEB" = apache-fcgid ] && echo fcgid || echo proxy proxy_fcgi proxy_balancer lbmethod_byrequests slotmem_shm
}

web_check() {
    command -v apache2 >/dev/null || die "apache2 is missing: make up WEB=$WEB installs it"
    for module in $(apache_modules); do
        [ -r "$MODULES/mod_$module.so" ] || die "mod_$module is missing: make up WEB=$WEB installs it"
    done
}

# What an operator has in apache2.conf and defines for the file that is included.
write_apache_conf() {
    pages=$(pages_directory)
    echo "# Made by httpd-conf/stack.sh at each start."
    for module in $(apache_modules); do
        echo "LoadModule ${module}_module $MODULES/mod_$module.so"
    done
    cat <<END
ServerName 127.0.0.1
Listen 127.0.0.1:$PORT
${user:+User $user}
${user:+Group $user}
ServerRoot "$memory/web"
DefaultRuntimeDir "$memory/web"
Mutex "file:$memory/web"
PidFile "$state/apache2.pid"
ErrorLog "$state/web.log"
LogLevel warn
GracefulShutdownTimeout 5
ServerLimit 16
MaxRequestWorkers 400
TraceEnable Off
<Directory />
    AllowOverride None
    Require all denied
</Directory>
DocumentRoot "$pages"
<Directory "$pages">
    Require all granted
</Directory>
DirectoryIndex index.html
TypesConfig /dev/null
END
    sed -n 's/^ *"\(\.[a-z0-9]*\)" *=> "\(.*\)".*/AddType "\2" \1/p' "$root/httpd-conf/lighttpd/mimetypes.conf"
    echo "Define EMOJIFY_CONNECT \"'self'\""
    echo "Include \"$(reachable "$root/httpd-conf/apache")/htdocs.conf\""
    echo "Define EMOJIFY_TIER \"$tier\""
    echo "Define EMOJIFY_LOG \"$state/access.log\""
    "write_$(echo "$WEB" | tr - _)_conf"
    ! max_age=$(direct_max_age) || cat <<END
Define EMOJIFY_MAX_AGE $max_age
Include "$(reachable "$root/httpd-conf/apache")/emojify-direct.conf"
END
}

write_apache_fcgid_conf() {
    cat <<END
FcgidIPCDir "$memory/fcgid"
FcgidProcessTableFile "$memory/web/fcgid"
Define EMOJIFY_LIB "$(api_directory)"
Define EMOJIFY_SETTINGS "$memory/settings"
Define EMOJIFY_PROCESSES $API_PROCESSES
Include "$(reachable "$root/httpd-conf/apache")/emojify-fcgid.conf"
END
}

# One process as emojify-proxy.conf has it; several, each with a socket, as members
# of a balancer.
write_apache_proxy_conf() {
    if [ "$API_PROCESSES" -eq 1 ]; then
        echo "Define EMOJIFY_BACKEND \"unix:$sockets/api.sock-0|fcgi://emojify\""
    else
        echo '<Proxy "balancer://emojify">'
        for number in $(seq 0 $((API_PROCESSES - 1))); do
            echo "    BalancerMember \"unix:$sockets/api.sock-$number|fcgi://emojify-$number\" timeout=90 connectiontimeout=5 retry=1"
        done
        echo '</Proxy>'
        echo 'Define EMOJIFY_BALANCER'
        echo 'Define EMOJIFY_BACKEND "balancer://emojify"'
    fi
    echo "Include \"$(reachable "$root/httpd-conf/apache")/emojify-proxy.conf\""
}

# What emojify-api.fcgi reads: our environment, as a program that is started by
# lighttpd has it. Its log goes where lighttpd's does, through descriptor 6: the
# user may not be let into $state.
write_settings() {
    export -p
    echo "export $mark"
    echo "exec 2>&6 6>&-"
    echo "[ ! -d $gate ] || : >$gate/\$\$; while [ -d $gate ]; do sleep 0.05; done"
}

web_start() {
    conf=$stage/apache2.conf
    users_directory "$memory/fcgid"
    write_apache_conf >"$conf"
    apache2 -t -f "$conf" >>"$state/web.log" 2>&1 || fail web "Apache refuses its configuration"
    if [ "$WEB" = apache-fcgid ]; then
        users_directory "$gate"
        write_settings >"$memory/settings" && give "$memory/settings"
        exec 6>>"${API_STDERR:-$state/api.log}"
    else
        start_proxied_api
    fi
    start web apache2 -D FOREGROUND -f "$conf"
    web=$started
    [ "$WEB" != apache-fcgid ] || exec 6>&-
}

# mod_fcgid starts a process when a request finds all others busy, and ours would be
# answered too quickly for that. So none begins before as many are there as were asked
# for: they wait in write_settings' last line.
web_fill_pool() {
    [ -d "$gate" ] || return 0
    asking=
    for _ in $(seq "$API_PROCESSES"); do
        curl -s --noproxy '*' -o /dev/null --max-time "$START_SECONDS" "$base/api/health/live" &
        asking="$asking $!"
    done
    while alive "$web" && in_time && [ "$(ls "$gate" | wc -l)" -lt "$API_PROCESSES" ]; do
        sleep 0.05
    done
    rm -rf "$gate"
    wait $asking
}
