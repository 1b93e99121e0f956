# SPDX-License-Identifier: MIT
# `make check`: warnings are errors.

OWN_C = $(shell find fcgi-app tests -name node_modules -prune -o \( -name '*.[ch]' -o -name '*.cc' \) -print)

format: deps-check ## reformat the sources
	clang-format-14 -i $(OWN_C)

# What CI runs before `make test`: less than a minute.
check-quick: deps deps-check check-format check-headers check-lint ## the gates that take seconds: format, headers, lint

check: deps-test check-quick check-tidy check-hardening check-analyzer ## every gate, warnings as errors
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
	$(Q)printf '%s\n' $(filter %.h,$(OWN_C)) | xargs -P 2 -I{} $(lastword $(CC)) $(CPPFLAGS) $(CFLAGS) \
		-Werror -fsyntax-only -Wno-pedantic -x c -include {} /dev/null

# Functions that have a safer sister, that are too long, or that have too many parameters, and
# includes that a room may not have.
BANNED := strcpy strcat sprintf vsprintf strtok gmtime localtime atoi atol gets
check-lint:
	$(call say,LINT,)
	$(Q)! grep -nwE "($$(echo $(BANNED) | tr ' ' '|')) *\(" $(OWN_C)
	$(Q)awk -f tests/function-length.awk -v max=100 $(OWN_C)
	$(Q)awk -f tests/parameters.awk -v max=5 -v list=tests/parameters.list $(filter fcgi-app/%.c,$(OWN_C))
	$(Q)awk -f tests/includes.awk $(OWN_C)

# clangd reads compile_flags.txt as well.
check-tidy: $(BUILD)/generated/stamp
	$(call say,TIDY,)
	$(Q)printf '%s\n' $(CPPFLAGS) -std=gnu11 >compile_flags.txt
	$(Q)printf '%s\n' $(filter %.c,$(OWN_C)) | xargs -P 2 -n 4 \
		clang-tidy-14 --quiet --warnings-as-errors='*' 2>/dev/null
