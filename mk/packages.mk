# SPDX-License-Identifier: MIT
# Packages of Debian and npm that the targets need; README.md gives the reason for each.

# --- Files from npm ------------------------------------------------------------

# The emoji's drawings, and the face detector's network. EMOJI_ARTWORK=FILE and FACE_NETWORK=FILE name
# copies that are there already, for a build without a network.
NOTO_PACKAGE   := @iconify-json/noto
NOTO_VERSION   := 1.2.9
NOTO_INTEGRITY := sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==
NOTO_ICONS     := build/npm/noto-$(NOTO_VERSION)-icons.json
EMOJI_ARTWORK  ?= $(NOTO_ICONS)
FACE_PACKAGE   := @mediapipe/face_detection
FACE_VERSION   := 0.4.1657300184
FACE_INTEGRITY := sha512-k5aYtTf7av7GwD3C9T4LJB/okHK/uJwFQSOmJ9OHZMlwg7SdYVMolRgDlA962OU7fIBKsrOA7f7BzD2gpzcAKw==
FACE_TFLITE    := build/npm/face-$(FACE_VERSION)-full-range.tflite
FACE_NETWORK   ?= $(FACE_TFLITE)
# Those that are fetched.
FETCHED        := $(filter build/npm/%,$(EMOJI_ARTWORK) $(FACE_NETWORK))

# --- Debian packages -----------------------------------------------------------

# An npm that is there already is as good as Debian's.
NPM := $(if $(shell command -v npm),,npm)

# What building and running needs; README.md says what each is for.
DEPS := gcc g++ libc6-dev pkg-config \
	libfcgi-dev libprotobuf-c-dev protobuf-c-compiler libprotobuf-dev libgrpc-dev \
	libcurl4-openssl-dev libssl-dev libjansson-dev libcjose-dev libvips-dev libmicrohttpd-dev libhiredis-dev \
	libxnnpack-dev libpthreadpool-dev libgoogle-perftools-dev libdw-dev zlib1g-dev libxxhash-dev \
	lighttpd curl $(if $(FETCHED),$(NPM))
# What `make up WEB=...` needs besides. Only Apache's program, not the service that the
# package apache2 starts.
DEPS_apache-fcgid := apache2-bin libapache2-mod-fcgid libapache2-mod-xsendfile
DEPS_apache-proxy := apache2-bin libapache2-mod-xsendfile
DEPS_nginx := nginx-light
# What only the tests need, and what only `make check` needs.
# The three after cmocka are clients that read our profiles; tests without them say that they
# were skipped; prometheus has promtool. wrk is for the experiment.
DEPS_TEST  := libcmocka-dev golang-go protobuf-compiler google-perftools prometheus redis-server wrk \
	$(DEPS_apache-fcgid) $(DEPS_nginx) haproxy systemd strace mandoc man-db groff
# What only `make bench` needs besides.
DEPS_BENCH := valgrind linux-perf
# A browser and what drives it.
DEPS_BROWSER = chromium $(NPM)
DEPS_CHECK := clang-format-14 clang-tidy-14
# What builds and runs container images where there is no engine for them, as root.
DEPS_DOCKER := buildah debootstrap iproute2 util-linux $(NPM)
# And what only `make fuzz` needs: gcc has no libFuzzer.
DEPS_FUZZ  := clang-14 libclang-rt-14-dev
# What only packaging and trying the package need; deploy-check makes a root with debootstrap.
DEPS_DEB := dpkg-dev debhelper lintian fakeroot
DEPS_DEPLOY := $(DEPS_DEB) debootstrap util-linux

comma := ,

# $(call install,packages): installs those that are missing, silent when none is.
install = @missing=$$(for p in $(1); do \
		dpkg-query -W -f='$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || echo $$p; done); \
	[ -z "$$missing" ] || { \
		as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
		echo "installing:" $$missing; \
		$$as_root apt-get update -qq && \
		$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
			--no-install-recommends $$missing >/dev/null; }
