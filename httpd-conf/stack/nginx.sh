# SPDX-License-Identifier: MIT
# Part of stack.sh: nginx, and api processes that are started here. The main configuration
# is made here, around httpd-conf/nginx/*.conf, in which only the servers' addresses change.

. "$root/httpd-conf/stack/proxied.sh"

web_program=nginx
web_processes=1

web_check() {
    command -v nginx >/dev/null || die "nginx is missing: make up WEB=$WEB installs it"
}

nginx_types() {
    echo "types {"
    sed -n 's/^ *"\.\([a-z0-9]*\)" *=> "\([^;"]*\).*/    \2 \1;/p' "$root/httpd-conf/lighttpd/mimetypes.conf"
    echo "}"
}

nginx_upstream() {
    sed "/^ *server /d" "$root/httpd-conf/nginx/emojify-upstream.conf" | sed '/^upstream/q'
    for number in $(seq 0 $((API_PROCESSES - 1))); do
        echo "    server unix:$sockets/api.sock-$number max_fails=0;"
    done
    sed '1,/^upstream/d; /^ *server /d' "$root/httpd-conf/nginx/emojify-upstream.conf"
}

# What an operator has in nginx.conf.
write_nginx_conf() {
    cat <<END
# Made by httpd-conf/stack.sh at each start.
daemon off;
${user:+user $user $user;}
pid $state/nginx.pid;
error_log stderr warn;
worker_processes 2;
worker_shutdown_timeout 5s;
events { worker_connections 1024; }
http {
    client_body_temp_path $memory/web/body;
    fastcgi_temp_path $memory/web/fastcgi;
    proxy_temp_path $memory/web/proxy;
    uwsgi_temp_path $memory/web/uwsgi;
    scgi_temp_path $memory/web/scgi;
    server_tokens off;
    $(nginx_types)
    $(nginx_upstream)
    access_log $state/access.log emojify;
    server {
        listen 127.0.0.1:$PORT backlog=1024;
        root "$(pages_directory)";
        include $(reachable "$root/httpd-conf/nginx")/emojify.conf;
    }
}
END
}

web_start() {
    conf=$stage/nginx.conf
    write_nginx_conf >"$conf"
    cp /etc/nginx/fastcgi_params "$stage/"
    nginx -t -q -e stderr -c "$conf" >>"$state/web.log" 2>&1 || fail web "nginx refuses its configuration"
    start_proxied_api
    start web nginx -e stderr -c "$conf"
    web=$started
}

web_fill_pool() {
    :
}
