# SPDX-License-Identifier: MIT
# One non-recursive Makefile; `make help` lists the targets. Objects and programs
# go to build/$(VARIANT)/: release (the default), asan, tsan, fuzz.

VERSION := 0.1.0
VARIANT ?= release
BUILD   := build/$(VARIANT)
V       ?= 0
ifeq ($(V),0)
Q := @
say = @echo '  $(1)	$(2)'
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-print-directory -r

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
# What only the tests need, and what only `make check` needs.
# The three after cmocka are clients that read our profiles; tests without them say that they
# were skipped; prometheus has promtool. wrk is for the experiment.
DEPS_TEST  := libcmocka-dev golang-go protobuf-compiler google-perftools prometheus redis-server wrk \
	$(DEPS_apache-fcgid) systemd strace mandoc man-db groff
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

# --- Flags ---------------------------------------------------------------------

# Library headers come in as system headers, so that our warnings are ours only.
PACKAGES := fcgi libprotobuf-c libcurl libcrypto jansson cjose vips libmicrohttpd libdw zlib libxxhash
PKG_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PACKAGES) 2>/dev/null))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wcast-qual -Wwrite-strings -Wpointer-arith \
	-Wvla -Wswitch-enum -Wformat=2 -Wconversion
WARNINGS_C := -Wstrict-prototypes -Wmissing-prototypes
ifdef WERROR
WARNINGS += -Werror
endif

CPPFLAGS := -D_GNU_SOURCE -DAPP_VERSION='"$(VERSION)"' -Ifcgi-app -Itests -I$(BUILD)/generated $(PKG_CFLAGS)
# Frame pointers and unwind tables stay, so that a profile's stacks are right.
# So do the frames of functions that end in a call, and a function stays in one
# piece: a sample's route is found by the function that a frame lies in.
COMMON := -g -fno-common -fno-omit-frame-pointer -fno-optimize-sibling-calls \
	$(if $(filter fuzz,$(VARIANT)),,-fno-reorder-blocks-and-partition) -fPIE -pthread
LDFLAGS := -pie -pthread -Wl,--as-needed -Wl,-z,relro,-z,now -Wl,-z,noexecstack

ifeq ($(VARIANT),release)
COMMON += -O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2
else ifeq ($(VARIANT),asan)
COMMON += -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -DARENA_MALLOC
LDFLAGS += -fsanitize=address,undefined
else ifeq ($(VARIANT),tsan)
COMMON += -O1 -fsanitize=thread -DARENA_MALLOC
LDFLAGS += -fsanitize=thread
else ifeq ($(VARIANT),fuzz)
CC  := $(filter ccache,$(CC)) clang-14
CXX := $(filter ccache,$(CXX)) clang++-14
COMMON += -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -DARENA_MALLOC
# What gcc defines with these, and our sources ask for.
COMMON += -D__SANITIZE_ADDRESS__=1
LDFLAGS += -fsanitize=fuzzer,address,undefined
else
$(error VARIANT is release, asan, tsan or fuzz)
endif

CFLAGS   := -std=gnu11 $(COMMON) $(WARNINGS) $(WARNINGS_C)
CXXFLAGS := -std=gnu++17 $(COMMON) $(WARNINGS)

LIBS := -lfcgi -lprotobuf-c -lgrpc -lgpr -lcurl -lcjose -lcrypto -ljansson -lmicrohttpd -lhiredis \
	$(shell pkg-config --libs vips 2>/dev/null) -ldw -lz -lxxhash -lstdc++ -lm
LIBS_profiling := -lprofiler
LIBS_facebox := -lXNNPACK
# The sanitizers bring their own allocator.
ifeq ($(VARIANT),release)
LIBS_profiling += -ltcmalloc
endif
LIBS_api := $(LIBS_profiling)

# --- Sources -------------------------------------------------------------------

PROGRAMS := api cache facebox
# An archive of its own, which emojify-api links; lib is linked by all.
ARCHIVES_api := $(BUILD)/profiling.a
sources = $(shell find fcgi-app/$(1) -name '*.c' -o -name '*.cc' 2>/dev/null)
objects = $(patsubst %,$(BUILD)/%.o,$(basename $(1)))

# Files named *main.c are programs of their own; the rest of a folder is an archive,
# so that a unit test links just what it uses.
archive_of = $(call objects,$(filter-out %main.c,$(call sources,$(1))))
PROTO_OBJECTS := $(addprefix $(BUILD)/generated/,cache.pb-c.o health.pb-c.o google/protobuf/wrappers.pb-c.o)
BINARIES := $(PROGRAMS:%=$(BUILD)/emojify-%)
ARTWORK  := $(BUILD)/emoji.artwork
NETWORK  := $(BUILD)/face.network

UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(shell find tests/unit -name 'test_*.c' 2>/dev/null))
INTEGRATION_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/integration/test_*.c))
# tests/fuzz/fuzz_x.c with the seeds tests/fuzz/corpus/x: `make fuzz` gives them to
# libFuzzer, `make test` runs the seeds only (tests/fuzz/replay_main.c).
FUZZ_TARGETS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
# The integration tests run through each of these, but for those that ask the services
# behind the web server themselves or start one of their own, those of what goes on behind
# it whichever it is (faults, decoders), and those of what lighttpd alone does (saying that
# a client has gone). Sanitizers see the same code behind each.
WEB_SERVERS := lighttpd
ifeq ($(VARIANT),release)
WEB_SERVERS += apache-fcgid apache-proxy
endif
WEB_TESTS := $(filter-out $(addprefix %/test_,emojify_cache configuration service_metrics install service \
	hostile_pictures overload scale_out faults_cache faults_facebox faults_limits faults_pool \
	faults_restarts),$(INTEGRATION_TESTS))
SUPPORT_OBJECTS := $(call objects,$(wildcard tests/support/*.c))

NODE_MODULES := tests/browser/node_modules/.package-lock.json
# A sanitizer would find nothing in them that the integration tests do not reach.
BROWSER_TESTS := $(if $(filter release,$(VARIANT)),tests/browser/run.sh)

# Photographs from Debian packages, which are unpacked and not installed.
PICTURES := $(addprefix build/pictures/,grace_hopper.jpg astronaut.png camera.png coffee.png)

# --- Targets for people ----------------------------------------------------------

.PHONY: bench bench-programs experiment all help docs deps deps-web deps-test deps-fuzz deps-deploy deps-check fuzz \
	fuzz-all run-fuzz test-long run-long soak run-soak run up down pictures test unit run-tests asan screenshots \
	format check check-format check-headers check-tidy check-lint \
	check-hardening check-analyzer tsan run-tsan clean \
	docker-check docker-check-yaml man install uninstall dist deb deploy-check

all: $(BINARIES) $(ARTWORK) $(NETWORK) ## build the three programs into build/release/

help: ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | \
		awk -F'\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

deps: ## install what building and running needs (Debian packages)
	$(call install,$(DEPS))

deps-test: ## install what only the tests need
	$(call install,$(DEPS_TEST))
	$(call install,$(DEPS_BROWSER)) || echo "no browser: its tests will be skipped"
	@$(MAKE) -s $(NODE_MODULES) || echo "no packages from npm: the browser tests will be skipped"

deps-web:
	$(call install,$(DEPS_$(WEB)))

deps-fuzz: ## install what only make fuzz needs
	$(call install,$(DEPS_FUZZ))

deps-check: ## install what only make check needs
	$(call install,$(DEPS_CHECK))

run: deps deps-web ## start the whole stack, emojify a photograph, stay until Ctrl-C (PORT=8080 WEB=lighttpd)
	@$(MAKE) all
	@BUILD=$(BUILD) exec httpd-conf/stack.sh run

up: deps deps-web ## the same in the background (PORT=8080 API_PROCESSES=1 DIRECT=on WEB=lighttpd|apache-fcgid|apache-proxy)
	@$(MAKE) all
	@BUILD=$(BUILD) exec httpd-conf/stack.sh up

down: ## stop it (PORT=8080)
	@exec httpd-conf/stack.sh down

pictures: $(PICTURES) ## get the photographs of the tests
	@:

# Programs of tests/bench/, which the scripts there run.
BENCH_PROGRAMS := $(patsubst tests/%_main.c,$(BUILD)/tests/%,$(wildcard tests/bench/*_main.c))
$(BENCH_PROGRAMS): %: %_main.o $(BUILD)/api.a $(ARCHIVES_api) $(BUILD)/lib.a $(BUILD)/proto.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/tests/bench/fcgi: $(BUILD)/tests/support/fcgi_peer.o
$(BUILD)/tests/bench/micro: LIBS := $(LIBS_api) $(LIBS)

COUNT_ALLOCATIONS := $(BUILD)/tests/bench/count_allocations.so
$(COUNT_ALLOCATIONS): tests/bench/count_allocations.c tests/bench/allocations.h
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -shared -o $@ $<

# Each script in tests/bench/ but these is a benchmark. Those of BENCHES_APART take minutes by
# themselves, or need perf as root, and are run by their names only.
BENCHES_APART := faces get-while-posting profiling-cost profiling-share get-waits
BENCHES := $(filter-out %/run.sh %/common.sh %/ways.sh %/fcgi.sh %/experiment.sh $(BENCHES_APART:%=\%/%.sh), \
	$(wildcard tests/bench/*.sh))
bench: deps deps-test ## measure what requests cost (BENCH=name for one, some by name only; build/bench/)
	$(call install,$(DEPS_BENCH))
	@$(MAKE) all pictures bench-programs
	@BUILD=$(BUILD) tests/bench/run.sh $(if $(BENCH),tests/bench/$(BENCH).sh,$(BENCHES))

bench-programs: $(BENCH_PROGRAMS) $(COUNT_ALLOCATIONS)

experiment: deps deps-test ## repeat the investigation: a forgotten debug line, found by its profile
	@$(MAKE) all
	@tests/bench/experiment.sh

docker-check: pictures $(FETCHED) docker-check-yaml ## build the container images and run each, without a container engine (as root)
	$(call install,$(DEPS_DOCKER))
	@tests/docker-check.sh

docker-check-yaml: ## check docker/compose.yaml and docker/kubernetes against their schemas
	$(Q)[ tests/containers/node_modules/.package-lock.json -nt tests/containers/package-lock.json ] || \
		npm ci --prefix tests/containers --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	$(Q)node tests/containers/check-yaml.mjs

docs: all ## write docs/configuration.md from the programs' tables
	@BUILD=$(BUILD) docs/configuration.sh >$(BUILD)/configuration.md && \
		cp $(BUILD)/configuration.md docs/configuration.md

# --- Installation ------------------------------------------------------------------

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system
install_sh = @BUILD=$(BUILD) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) UNITDIR=$(UNITDIR) httpd-conf/install.sh

MANUALS := $(PROGRAMS:%=$(BUILD)/man/emojify-%.8)

man: $(MANUALS)

# A page is written by hand but for its settings, which are the program's own table.
$(MANUALS): $(BUILD)/man/%.8: docs/man/%.8.in docs/man/settings.awk $(BUILD)/%
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D) && $(BUILD)/$* --help | awk -f docs/man/settings.awk - $< >$@

install: all man ## install below DESTDIR, PREFIX (/usr/local), SYSCONFDIR (/etc)
	$(install_sh) install

uninstall: ## remove what install put there, but changed files in SYSCONFDIR
	$(install_sh) uninstall

# The same bytes for the same commit.
DIST := build/emojify-api-$(VERSION).tar.gz
dist: ## a tarball of the last commit (build/emojify-api-VERSION.tar.gz)
	$(Q)mkdir -p build
	$(Q)git archive --format=tar --prefix=emojify-api-$(VERSION)/ HEAD | gzip -9n >$(DIST)
	@echo $(DIST)

deb: deps ## a Debian package of the last commit, and one with debug symbols (build/deb/)
	$(call install,$(DEPS_DEB))
	@$(MAKE) dist $(FETCHED)
	@VERSION=$(VERSION) EMOJI_ARTWORK=$(abspath $(EMOJI_ARTWORK)) FACE_NETWORK=$(abspath $(FACE_NETWORK)) docker/debian/build.sh $(DIST) build/deb

deploy-check: deps-deploy ## try the package in a fresh Debian, by docs/deployment.md (as root)
	@$(MAKE) deb pictures
	@VERSION=$(VERSION) tests/deploy-check.sh

clean: ## remove build/
	rm -rf build tests/browser/node_modules tests/containers/node_modules

# --- Rules -----------------------------------------------------------------------

define program_rules
$(BUILD)/$(1).a: $(call archive_of,$(1))
$(BUILD)/emojify-$(1): $(BUILD)/fcgi-app/$(1)/main.o $(BUILD)/$(1).a $$(ARCHIVES_$(1)) $(BUILD)/lib.a $(BUILD)/proto.a
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LIBS_$(1)) $$(LIBS)
endef
$(foreach program,$(PROGRAMS),$(eval $(call program_rules,$(program))))

# Files in a room's page/ are part of the program: x.js there is, in C,
# _binary_x_js_start to _binary_x_js_end.
PAGES := $(wildcard fcgi-app/api/*/page/* fcgi-app/profiling/page/*)
$(BUILD)/api.a: $(patsubst %,$(BUILD)/%.o,$(filter fcgi-app/api/%,$(PAGES)))
$(BUILD)/profiling.a: $(patsubst %,$(BUILD)/%.o,$(filter fcgi-app/profiling/%,$(PAGES)))
$(PAGES:%=$(BUILD)/%.o): $(BUILD)/%.o: %
	$(call say,EMBED,$<)
	$(Q)mkdir -p $(@D) && cd $(<D) && $(LD) -r -b binary -z noexecstack -o $(abspath $@) $(<F)

$(BUILD)/lib.a: $(call archive_of,lib)
$(BUILD)/profiling.a: $(call archive_of,profiling)
$(BUILD)/proto.a: $(PROTO_OBJECTS)
$(BUILD)/support.a: $(SUPPORT_OBJECTS)
$(BUILD)/%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/%.o: %.c Makefile | $(BUILD)/generated/stamp
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Loops over pixels that only this level makes vectors of.
$(BUILD)/fcgi-app/facebox/resample.o: private CFLAGS += $(if $(filter release,$(VARIANT)),-O3)

$(BUILD)/%.o: %.cc Makefile
	$(call say,CXX,$<)
	$(Q)mkdir -p $(@D) && $(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

# Generated code is not ours to warn about.
$(BUILD)/generated/%.o: $(BUILD)/generated/stamp
	$(call say,CC,$(@:.o=.c))
	$(Q)$(CC) $(CPPFLAGS) -std=gnu11 $(COMMON) -w -c -o $@ $(@:.o=.c)

$(BUILD)/generated/stamp: proto/cache.proto proto/health.proto Makefile
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(@D)
	$(Q)protoc-c -Iproto -I/usr/include --c_out=$(@D) proto/cache.proto proto/health.proto
	$(Q)protoc-c -I/usr/include --c_out=$(@D) google/protobuf/wrappers.proto
	$(Q)touch $@

$(PICTURES) &:
	$(call say,GET,$(@D))
	$(Q)tests/pictures.sh $(@D)

$(NODE_MODULES): tests/browser/package-lock.json
	$(call say,NPM,$(@D))
	$(Q)npm ci --prefix $(<D) --ignore-scripts --no-audit --no-fund --fetch-retries=1 --loglevel=error >/dev/null

# Out of npm packages, of which nothing but one file is taken and nothing is run. All variants share
# the download.
$(NOTO_ICONS):
	$(call say,FETCH,$(NOTO_PACKAGE)@$(NOTO_VERSION): 3 MB from npm)
	$(Q)fcgi-app/fetch-npm.sh $(NOTO_PACKAGE) $(NOTO_VERSION) $(NOTO_INTEGRITY) package/icons.json $@ EMOJI_ARTWORK

$(FACE_TFLITE):
	$(call say,FETCH,$(FACE_PACKAGE)@$(FACE_VERSION): 5 MB from npm)
	$(Q)fcgi-app/fetch-npm.sh $(FACE_PACKAGE) $(FACE_VERSION) $(FACE_INTEGRITY) \
		package/face_detection_full_range.tflite $@ FACE_NETWORK

$(BUILD)/artwork-render: $(BUILD)/fcgi-app/api/image/artwork_render_main.o $(BUILD)/api.a $(BUILD)/lib.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(ARTWORK): $(BUILD)/artwork-render $(EMOJI_ARTWORK)
	$(call say,RENDER,$@)
	$(Q)ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=ignore_noninstrumented_modules=1 $< $(EMOJI_ARTWORK) $@

$(BUILD)/network-convert: $(BUILD)/fcgi-app/facebox/network_convert_main.o $(BUILD)/facebox.a $(BUILD)/lib.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(NETWORK): $(BUILD)/network-convert $(FACE_NETWORK)
	$(call say,CONVERT,$@)
	$(Q)ASAN_OPTIONS=detect_leaks=0 $^ $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# --- Tests -----------------------------------------------------------------------

# A unit test tests/unit/<room>/test_x.c may use the archive of its own room only, and what
# that may use.
test_archive = $(if $(filter $(PROGRAMS) profiling,$(1)),$(BUILD)/$(1).a $(ARCHIVES_$(1)))
define unit_test_rule
$(1): $(1).o $(BUILD)/support.a $(call test_archive,$(word 5,$(subst /, ,$(1)))) $(BUILD)/lib.a $(BUILD)/proto.a
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ -lcmocka \
		$$(LIBS_$(word 5,$(subst /, ,$(1)))) $$(LIBS)
endef
$(foreach test,$(UNIT_TESTS),$(eval $(call unit_test_rule,$(test))))

# Puts tests/support/failing_memory.c in front of the allocator, for our own code only.
$(BUILD)/tests/unit/api/test_no_memory: private LDFLAGS += \
	$(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc reallocarray strdup strndup)

$(INTEGRATION_TESTS): %: %.o $(BUILD)/support.a $(BUILD)/lib.a $(BUILD)/proto.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

# A target may be about any room, so it gets all; the linker takes what is used. Only
# the replay has a main of its own, libFuzzer brings one.
fuzz_driver := $(if $(filter fuzz,$(VARIANT)),,$(BUILD)/tests/fuzz/replay_main.o)
$(FUZZ_TARGETS): %: %.o $(fuzz_driver) $(PROGRAMS:%=$(BUILD)/%.a) $(ARCHIVES_api) $(BUILD)/lib.a $(BUILD)/proto.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_api) $(LIBS_facebox) $(LIBS)

unit: $(UNIT_TESTS) $(FUZZ_TARGETS) $(ARTWORK) $(NETWORK) $(PICTURES) ## build and run the unit tests only
	@BUILD=$(BUILD) tests/run.sh $(UNIT_TESTS) $(FUZZ_TARGETS)

test: deps deps-test ## build and run the unit, integration and browser tests
	@$(MAKE) run-tests

# What looks at milliseconds and shares of CPU time: nothing runs beside it.
TESTS_ALONE := $(filter %/test_sampler %/test_contention %/test_cache_gate %/test_jwks,$(UNIT_TESTS))
run-tests: all man pictures $(UNIT_TESTS) $(FUZZ_TARGETS) $(INTEGRATION_TESTS)
	@BUILD=$(BUILD) tests/run.sh JOBS=1 $(TESTS_ALONE) JOBS= $(filter-out $(TESTS_ALONE),$(UNIT_TESTS)) \
		$(FUZZ_TARGETS) WEB=lighttpd $(BROWSER_TESTS) \
		WEB=- $(filter-out $(WEB_TESTS),$(INTEGRATION_TESTS)) $(foreach web,$(WEB_SERVERS),WEB=$(web) $(WEB_TESTS))

screenshots: deps deps-test ## make the README's pictures of the page (docs/images/page-*)
	@$(MAKE) all
	@BUILD=$(BUILD) node tests/browser/screenshots.mjs

# Those that do more, or for longer, when EMOJIFY_LONG_TESTS is set.
LONG_TESTS = $(patsubst tests/%.c,$(BUILD)/tests/%,$(shell grep -l EMOJIFY_LONG_TESTS -r tests --include='test_*.c'))
test-long: deps deps-test ## the tests that take minutes: 20 profiles in 20,000 requests, hostile programs
	@$(MAKE) all pictures
	@$(MAKE) run-long

run-long: $(LONG_TESTS)
	@EMOJIFY_LONG_TESTS=1 BUILD=$(BUILD) tests/run.sh $^

# tests/soak/: a program of several files, on the tests' support.
SOAK := $(BUILD)/tests/soak/soak
$(SOAK): $(call objects,$(wildcard tests/soak/*.c)) $(BUILD)/support.a $(BUILD)/lib.a $(BUILD)/proto.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

# Beside the soak those faults that `make test` has for seconds only, for a minute.
soak: deps deps-test ## faults, load, profiles and restarts together (SOAK_SECONDS=600 SOAK_SEED=)
	@$(MAKE) run-soak

run-soak: all pictures $(SOAK) $(BUILD)/tests/integration/test_faults_restarts
	@SOAK_FAULT_SECONDS=60 BUILD=$(BUILD) $(BUILD)/tests/integration/test_faults_restarts
	@BUILD=$(BUILD) $(SOAK)

asan: ## make test under AddressSanitizer and UBSan, leaks included
	@$(MAKE) VARIANT=asan test

# Of the libraries only what our own code calls is looked at: gRPC, GLib and libvips are
# not built for it, and what they do among themselves would be reported in hundreds.
tsan: deps deps-test ## the unit tests, and the integration tests that load the service, under ThreadSanitizer
	@$(MAKE) VARIANT=tsan run-tsan

# Nor is the test of a program without threads, which gives it an environment of its own.
TSAN_TESTS = $(filter-out %/test_artwork_render,$(UNIT_TESTS)) $(addprefix $(BUILD)/tests/integration/,test_emojify test_lifecycle test_jobs)
run-tsan: all pictures $(TSAN_TESTS)
	@TSAN_OPTIONS="ignore_noninstrumented_modules=1 suppressions=$(CURDIR)/tests/tsan.supp" \
		BUILD=$(BUILD) tests/run.sh $(TSAN_TESTS)

# Of `make fuzz`.
SECONDS ?= 60
fuzz: deps deps-fuzz ## look for inputs that crash a parser (FUZZ=name, all without it; SECONDS=60 each)
	@$(MAKE) VARIANT=fuzz run-fuzz

fuzz-all: ## the same for ten minutes each (SECONDS=600)
	@$(MAKE) fuzz FUZZ= SECONDS=$(if $(filter command,$(origin SECONDS)),$(SECONDS),600)

run-fuzz: $(if $(FUZZ),$(BUILD)/tests/fuzz/fuzz_$(FUZZ),$(FUZZ_TARGETS))
	@SECONDS_EACH=$(SECONDS) tests/fuzz/run.sh $^

# --- Gates -----------------------------------------------------------------------

OWN_C = $(shell find fcgi-app tests -name node_modules -prune -o \( -name '*.[ch]' -o -name '*.cc' \) -print)

format: deps-check ## reformat the sources
	clang-format-14 -i $(OWN_C)

check: deps deps-test deps-check check-format check-headers check-lint check-tidy check-hardening check-analyzer ## every gate, warnings as errors
	@$(MAKE) WERROR=1 VARIANT=release BUILD=build/werror all $(patsubst $(BUILD)/%,build/werror/%,$(UNIT_TESTS) $(FUZZ_TARGETS) $(INTEGRATION_TESTS))

check-format:
	$(call say,FORMAT,)
	$(Q)clang-format-14 --dry-run -Werror $(OWN_C)

# What the linker and the compiler were asked for is in the programs.
check-hardening: $(BINARIES) ## see that the programs are hardened (PIE, RELRO, stack protector, FORTIFY)
	$(call say,HARDENING,)
	$(Q)tests/hardening.sh $(BINARIES)

# gcc's own analysis of paths; of C only, that of C++ is not made for use yet.
check-analyzer: $(BUILD)/generated/stamp ## gcc's -fanalyzer over the programs' sources
	$(call say,ANALYZER,)
	$(Q)find fcgi-app -name '*.c' | xargs -P 2 -I{} $(lastword $(CC)) $(CPPFLAGS) $(CFLAGS) \
		-fanalyzer -Werror -S -o /dev/null {}

# Every header compiles alone.
check-headers: $(BUILD)/generated/stamp
	$(call say,HEADERS,)
	$(Q)for header in $(filter %.h,$(OWN_C)); do \
		$(CC) $(CPPFLAGS) $(CFLAGS) -Werror -fsyntax-only \
			-Wno-pedantic -x c -include $$header /dev/null || exit 1; done

# Functions that have a safer sister, functions that are too long, and includes that a room
# may not have.
BANNED := strcpy strcat sprintf vsprintf strtok gmtime localtime atoi atol gets
check-lint:
	$(call say,LINT,)
	$(Q)! grep -nwE "($$(echo $(BANNED) | tr ' ' '|')) *\(" $(OWN_C)
	$(Q)awk -f tests/function-length.awk -v max=100 $(OWN_C)
	$(Q)awk -f tests/includes.awk $(OWN_C)

# clangd reads compile_flags.txt as well.
check-tidy: $(BUILD)/generated/stamp
	$(call say,TIDY,)
	$(Q)printf '%s\n' $(CPPFLAGS) -std=gnu11 >compile_flags.txt
	$(Q)printf '%s\n' $(filter %.c,$(OWN_C)) | xargs -P 2 -n 4 \
		clang-tidy-14 --quiet --warnings-as-errors='*' 2>/dev/null
