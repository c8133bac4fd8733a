# SPDX-License-Identifier: MIT
# Fuzzing with libFuzzer, in an object tree of its own. Included by the Makefile.
#
# fuzz        every target for FUZZ_SECONDS, from the committed examples
# check-fuzz  the committed examples and a short burst, counted like other tests
#
# FUZZ_NAMES="state command" takes only some of the targets.

FUZZ_SECONDS ?= 60
FUZZ_NAMES ?=

fuzz_src := $(sort $(wildcard tests/fuzz/fuzz-*.c))
fuzz_lib_src := tests/fuzz/fuzz.c tests/fuzz/ring.c tests/fake-cvq.c
fuzz_bin := $(fuzz_src:tests/fuzz/%.c=$(B)/%)
fuzz_lib_obj := $(fuzz_lib_src:%.c=$(B)/%.o)

$(fuzz_bin): $(B)/%: $(B)/tests/fuzz/%.o $(fuzz_lib_obj) $(static_lib)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(fuzz_lib_obj) \
		$(static_lib) $(cjson_libs) $(fuzz_more)

fuzz_nl := $(B)/fuzz-netlink $(B)/fuzz-netdev
$(fuzz_nl:$(B)/%=$(B)/tests/fuzz/%.o): ALL_CPPFLAGS += $(nl_cflags)
$(fuzz_nl): $(nl_obj)
$(fuzz_nl): fuzz_more = $(nl_obj) $(nl_libs)

.PHONY: fuzz-bins
fuzz-bins: $(fuzz_bin)
	@:

# The library, too, must be compiled for the fuzzer to see where inputs lead it.
fuzz_make := $(MAKE) --no-print-directory CC=clang B=build/fuzz \
	SAN=address,undefined,fuzzer-no-link

.PHONY: fuzz
fuzz: deps-build deps-lint
	$(Q)+$(fuzz_make) fuzz-bins
	$(Q)tests/fuzz/run.sh build/fuzz $(FUZZ_SECONDS) $(FUZZ_NAMES)

.PHONY: check-fuzz
check-fuzz: deps-build deps-lint
	$(Q)+$(fuzz_make) fuzz-bins
	$(Q)rm -f build/fuzz/test-logs/summary
	$(Q)tests/run.sh build/fuzz/test-logs build/fuzz/test-logs/summary \
		'tests/fuzz/run.sh build/fuzz 5 $(FUZZ_NAMES)'

-include $(fuzz_src:%.c=$(B)/%.d) $(fuzz_lib_obj:.o=.d)
