# SPDX-License-Identifier: MIT
# Part of stack.sh: lighttpd, which starts the api's processes itself. The main
# configuration is made here, around httpd-conf/lighttpd/emojify.conf as it is.

web_program=lighttpd
web_processes=1

web_check() {
    command -v lighttpd >/dev/null || die "lighttpd is missing: make deps"
}

# As many as lighttpd can count, if we may have them (emojify.conf has the reason).
descriptors() {
    most=$(ulimit -Hn)
    if is_number "$most" 1 65535; then
        echo "$most"
    else
        echo 65535
    fi
}

# What an operator writes in lighttpd.conf.
write_lighttpd_conf() { # directory of emojify.conf
    cat <<END
# Made by httpd-conf/stack.sh at each start.
server.port = $PORT
server.bind = "127.0.0.1"
${user:+server.username = \"$user\"}
${user:+server.groupname = \"$user\"}
server.document-root = "$(pages_directory)"
server.errorlog = "/dev/fd/8"
server.upload-dirs = ( "$memory/uploads" )
server.max-fds = $(descriptors)
server.modules = ( "mod_indexfile", "mod_accesslog" )
server.feature-flags = ( "server.graceful-shutdown-timeout" => 5 )
server.http-parseopts = (
    "url-normalize-unreserved" => "enable",
    "url-normalize-required" => "enable",
    "url-ctrls-reject" => "enable",
    "url-path-2f-decode" => "enable",
    "url-path-dotseg-remove" => "enable"
)
index-file.names = ( "index.html" )
accesslog.filename = "/dev/fd/7"
var.emojify_api = "$(api_program)"
var.emojify_processes = $API_PROCESSES
var.emojify_socket = "$sockets/api.sock"
var.emojify_tier = "$tier/"
var.emojify_connect = "'self'"
include "$1/mimetypes.conf"
include "$1/htdocs.conf"
include "$1/emojify.conf"
END
    ! max_age=$(direct_max_age) || cat <<END
var.emojify_max_age = "$max_age"
include "$1/direct.conf"
END
}

# lighttpd opens its logs after it has become www-data, who may not be let into
# $state, so they are handed to it open: 7 and 8. What the application writes to its
# standard error comes out at lighttpd's.
web_start() {
    conf=$stage/lighttpd.conf
    write_lighttpd_conf "$(reachable "$root/httpd-conf/lighttpd")" >"$conf" && give "$conf"
    exec 7>>"$state/access.log" 8>>"$state/web.log"
    give "$state/access.log" "$state/web.log"
    lighttpd -tt -f "$conf" >>"$state/web.log" 2>&1 || fail web "lighttpd refuses its configuration"
    start api lighttpd -D -f "$conf"
    web=$started
    exec 7>&- 8>&-
}

# All of them are there as soon as lighttpd is.
web_fill_pool() {
    :
}
