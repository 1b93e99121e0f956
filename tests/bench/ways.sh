# SPDX-License-Identifier: MIT
# The ways that a file can take to a client, as several benchmarks compare them; sourced
# after common.sh with PORT, BUILD, SECONDS_EACH and out set. PORT and the six after it
# are used.
#
#   static   a file in the document root of a lighttpd, with an access log
#   same     one with the headers and the line in the access log that `direct` has, and
#            in a tmpfs as well, for which sendfile(2) costs more than for a disk's cache
#   direct   lighttpd sends the tier's file itself
#   bare     the least that a FastCGI program can do for it: it names the file
#            (bare_main.c), behind the lighttpd of `static`
#   tier     the application names a fresh file of its local tier (X-Sendfile)
#   asked    the cache is asked over gRPC each time (LOCAL_CACHE_TTL=0), X-Sendfile
#   plain    the same without a tier: the bytes go through FastCGI
#   nstatic  as static, with nginx
#   kept     nginx, over connections to the application that it keeps: the bytes of a fresh
#            file of the tier
#   many     as asked, each connection wanting another file, so that no call is shared

load=$BUILD/tests/bench/load
sizes='1k:1024 100k:102400 1m:1048576'
export API_PROCESSES=1 WEB=lighttpd
unset RUN_DIR LOCAL_CACHE_DIR || true
static_port=$((PORT + 4))
nstatic_port=$((PORT + 6))
static_pid=
nstatic_pid=
bare_pid=
tmpfs=
stacks=

stack_port() { # way
    case $1 in kept) echo $((PORT + 5)) ;; direct) echo "$PORT" ;; tier) echo $((PORT + 1)) ;; asked | many) echo $((PORT + 2)) ;; plain) echo $((PORT + 3)) ;; esac
}

stack_pids() { # way name
    sed -n "s/^$2=//p" "build/run/$(stack_port "$1")/pids" | paste -sd,
}

# JPEG's first bytes, for a type that is sent directly.
picture() { # bytes
    printf '\377\330\377\340'
    head -c $(($1 - 4)) /dev/urandom
}

# $out/htdocs/SIZE.jpg, which are sent by `static` and stored in the caches.
make_files() {
    mkdir -p "$out/htdocs"
    tmpfs=$(mktemp -d /dev/shm/emojify-bench.XXXXXX)
    ln -sfn "$tmpfs" "$out/htdocs/same"
    for size in $sizes; do
        picture "${size#*:}" >"$out/htdocs/${size%:*}.jpg"
        cp "$out/htdocs/${size%:*}.jpg" "$out/htdocs/same/"
    done
}

start_static() {
    cat >"$out/static.conf" <<END
server.port = $static_port
server.bind = "127.0.0.1"
server.document-root = "$PWD/$out/htdocs"
server.errorlog = "$PWD/$out/static.log"
server.modules = ( "mod_accesslog", "mod_setenv", "mod_fastcgi" )
accesslog.filename = "$PWD/$out/static-access.log"
mimetype.assign = ( ".jpg" => "image/jpeg" )
$(grep '^var.emojify_log_format' httpd-conf/lighttpd/emojify.conf)
\$HTTP["url"] =^ "/same/" {
    accesslog.format = var.emojify_log_format
    static-file.etags = "disable"
    setenv.set-response-header = (
        "Cache-Control" => "public, max-age=30",
        "Vary" => "Origin",
        "X-Content-Type-Options" => "nosniff"
    )
}
fastcgi.server = ( "/bare/" => ((
    "socket" => "$PWD/$out/bare.sock",
    "check-local" => "disable",
    "x-sendfile" => "enable",
    "x-sendfile-docroot" => ( "$PWD/$out/htdocs/" )
)) )
END
    "$BUILD/tests/bench/bare" "$out/bare.sock" "$PWD/$out/htdocs" &
    bare_pid=$!
    lighttpd -D -f "$out/static.conf" &
    static_pid=$!
    curl -sSf --noproxy '*' --retry 50 --retry-delay 1 --retry-connrefused -o /dev/null \
        "http://127.0.0.1:$static_port/1k.jpg" 2>/dev/null
}

start_nstatic() {
    cat >"$out/nstatic.conf" <<END
daemon off;
pid $PWD/$out/nstatic.pid;
error_log $PWD/$out/nstatic.log;
worker_processes 2;
events { worker_connections 1024; }
http {
    access_log $PWD/$out/nstatic-access.log;
    types { image/jpeg jpg; }
    server { listen 127.0.0.1:$nstatic_port backlog=1024; root $PWD/$out/htdocs; }
}
END
    chmod -R a+rX "$out"
    nginx -e stderr -c "$PWD/$out/nstatic.conf" -g "user $(id -un);" &
    nstatic_pid=$!
    curl -sSf --noproxy '*' --retry 50 --retry-delay 1 --retry-connrefused -o /dev/null \
        "http://127.0.0.1:$nstatic_port/1k.jpg" 2>/dev/null
}

# nginx's work is done by its children.
with_children() { # pid
    echo "$1 $(pgrep -P "$1")" | tr -s ' \n' ',' | sed 's/,$//'
}

# For each size nine files: bench-SIZE, and bench-SIZE-1 to -8 for `many`.
start_stack() { # way settings...
    way=$1
    shift
    stacks="$stacks $way"
    env "$@" PORT="$(stack_port "$way")" httpd-conf/stack.sh up >/dev/null
    for size in $sizes; do
        for number in '' -1 -2 -3 -4 -5 -6 -7 -8; do
            cp "$out/htdocs/${size%:*}.jpg" "$out/entry"
            mv "$out/entry" "${CACHE_FILE_LOCATION:-build/run/$(stack_port "$way")/cache}/$(printf %s "bench-${size%:*}$number" | md5sum | cut -d' ' -f1)"
        done
    done
}

# Those that are named, each with what makes it that way.
start_ways() { # way...
    make_files
    for way; do
        case $way in
        static) start_static ;;
        nstatic) start_nstatic ;;
        kept) start_stack kept WEB=nginx LOCAL_CACHE_TTL=30s ;;
        direct) start_stack direct LOCAL_CACHE_TTL=30s ;;
        tier) start_stack tier LOCAL_CACHE_TTL=30s DIRECT=off ;;
        asked) start_stack asked LOCAL_CACHE_TTL=0 DIRECT=off ;;
        plain) start_stack plain LOCAL_CACHE_TTL=0 DIRECT=off LOCAL_CACHE_DIR= ;;
        esac
    done
}

stop_ways() {
    for way in $stacks; do
        PORT=$(stack_port "$way") httpd-conf/stack.sh down >/dev/null 2>&1 || true
    done
    [ -z "$tmpfs" ] || rm -rf "$tmpfs"
    [ -z "$static_pid" ] || kill "$static_pid" "$bare_pid" 2>/dev/null || true
    [ -z "$nstatic_pid" ] || kill "$nstatic_pid" 2>/dev/null || true
}

path_of() { # way size
    case $1 in
    static | nstatic) echo "/$2.jpg" ;;
    same) echo "/same/$2.jpg" ;;
    bare) echo "/bare/$2.jpg" ;;
    many) echo "/api/cache/bench-$2-%d" ;;
    *) echo "/api/cache/bench-$2" ;;
    esac
}

# One run of the load: a line of JSON with web_us, and api_us and cache_us where there
# are such.
run_load_on() { # way path options...
    way=$1
    path=$2
    shift 2
    case $way in
    static | same | bare)
        line=$("$load" "$@" -p web="$static_pid" -p api="$bare_pid" "$static_port" "$path")
        ;;
    nstatic)
        line=$("$load" "$@" -p web="$(with_children "$nstatic_pid")" "$nstatic_port" "$path")
        ;;
    *)
        web=$(stack_pids "$way" web)
        [ "$way" != kept ] || web=$(with_children "$web")
        line=$("$load" "$@" -p web="$web" -p api="$(stack_pids "$way" api)" \
            -p cache="$(stack_pids "$way" cache)" "$(stack_port "$way")" "$path")
        ;;
    esac
    [ "$(echo "$line" | member errors)" = 0 ] || {
        echo "FAILED: $way $path: $line" >&2
        return 1
    }
    echo "$line"
}

# The same of one of the files that every way has.
run_load() { # way size options...
    way=$1
    size=$2
    shift 2
    run_load_on "$way" "$(path_of "$way" "$size")" -s "$SECONDS_EACH" "$@"
}

# Of such a line: the CPU time of all parts together, in microseconds a GET.
cost_of() { # line
    echo "$1" | tr ',}' '\n\n' | awk -F: '$1 ~ /_us"$/ && $1 ~ /web|api|cache/ { sum += $2 } END { print sum }'
}
