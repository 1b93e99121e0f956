# SPDX-License-Identifier: MIT
# Measurements: `make bench`, `make experiment`.

# Programs of tests/bench/, which the scripts there run.
BENCH_PROGRAMS := $(patsubst tests/%_main.c,$(BUILD)/tests/%,$(wildcard tests/bench/*_main.c))
$(BENCH_PROGRAMS): %: %_main.o $(BUILD)/support.a $(BUILD)/api.a $(ARCHIVES_api) $(BUILD)/lib.a $(BUILD)/proto.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/tests/bench/micro: LIBS := $(LIBS_api) $(LIBS)
$(BUILD)/tests/bench/bare: LIBS += -lfcgi

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
