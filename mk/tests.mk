# SPDX-License-Identifier: MIT
# Unit, integration and browser tests, longer tests, sanitizers, fuzzing.

UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(shell find tests/unit -name 'test_*.c' 2>/dev/null))
INTEGRATION_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/integration/test_*.c))
# tests/fuzz/fuzz_x.c with the seeds tests/fuzz/corpus/x: `make fuzz` gives them to
# libFuzzer, `make test` runs the seeds only (tests/fuzz/replay_main.c).
FUZZ_TARGETS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
# A sanitizer would find nothing in the browser and behind the other web servers that the
# integration tests behind lighttpd do not reach.
BROWSER_TESTS := $(if $(filter release,$(VARIANT)),tests/browser/run.sh)
WEB_SERVERS   := lighttpd $(if $(filter release,$(VARIANT)),apache-fcgid apache-proxy)

# What a test needs of its surroundings stands in a line near the top of its source; tests/run.sh
# says what there may be. $(call tests_with,word): the programs that have such a word.
tests_with = $(patsubst tests/%.c,$(BUILD)/tests/%,$(shell \
	grep -lrE '^/\* run:.* $(1)( |=)' tests --include='test_*.c'))

NODE_MODULES := tests/browser/node_modules/.package-lock.json

# Photographs from Debian packages, which are unpacked and not installed.
PICTURES := $(addprefix build/pictures/,grace_hopper.jpg astronaut.png camera.png coffee.png)

pictures: $(PICTURES) ## get the photographs of the tests
	@:

$(PICTURES) &:
	$(call say,GET,$(@D))
	$(Q)tests/pictures.sh $(@D)

$(NODE_MODULES): tests/browser/package-lock.json
	$(call say,NPM,$(@D))
	$(Q)npm ci --prefix $(<D) --ignore-scripts --no-audit --no-fund --fetch-retries=1 --loglevel=error >/dev/null

$(BUILD)/support.a: $(call objects,$(wildcard tests/support/*.c))

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
$(FUZZ_TARGETS): %: %.o $(fuzz_driver) $(BUILD)/support.a $(PROGRAMS:%=$(BUILD)/%.a) $(ARCHIVES_api) $(BUILD)/lib.a $(BUILD)/proto.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_api) $(LIBS_facebox) $(LIBS)

unit: $(UNIT_TESTS) $(FUZZ_TARGETS) $(ARTWORK) $(NETWORK) $(PICTURES) ## build and run the unit tests only
	@BUILD=$(BUILD) tests/run.sh $(UNIT_TESTS) $(FUZZ_TARGETS)

test: deps deps-test ## build and run the unit, integration and browser tests
	@$(MAKE) run-tests

run-tests: all man pictures $(UNIT_TESTS) $(FUZZ_TARGETS) $(INTEGRATION_TESTS)
	@BUILD=$(BUILD) WEB_SERVERS="$(WEB_SERVERS)" tests/run.sh \
		$(UNIT_TESTS) $(FUZZ_TARGETS) $(INTEGRATION_TESTS) $(BROWSER_TESTS)

screenshots: deps deps-test ## make the README's pictures of the page (docs/images/page-*)
	@$(MAKE) all
	@BUILD=$(BUILD) node tests/browser/screenshots.mjs

# Those that run behind each web server.
BEHIND_EACH = $(patsubst tests/%.c,$(BUILD)/tests/%,$(shell grep -l 'run: .*web=all' tests/integration/*.c))
# Those that do more, or for longer, when EMOJIFY_LONG_TESTS is set.
LONG_TESTS = $(patsubst tests/%.c,$(BUILD)/tests/%,$(shell grep -l EMOJIFY_LONG_TESTS -r tests --include='test_*.c'))
test-long: deps deps-test ## the tests that take minutes: slow clients, the suite behind nginx, 20 profiles in 20,000 requests
	@$(MAKE) all pictures
	@$(MAKE) run-long

run-long: $(LONG_TESTS) $(INTEGRATION_TESTS)
	@EMOJIFY_LONG_TESTS=1 BUILD=$(BUILD) tests/run.sh $(LONG_TESTS)
	@WEB_SERVERS=nginx BUILD=$(BUILD) tests/run.sh $(BEHIND_EACH)

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

TSAN_TESTS = $(filter-out $(call tests_with,no-tsan),$(UNIT_TESTS)) $(call tests_with,tsan)
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
