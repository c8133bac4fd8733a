# SPDX-License-Identifier: MIT
# vdpa-restore: build, check, install. `make help` lists the targets.

VERSION := 0.1.0
ABI := 0

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
DOCDIR ?= $(DATADIR)/doc/vdpa-restore
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
PKG_CONFIG ?= pkg-config
# Of version 4: the valgrind of Debian 12 does not read what its clang writes else.
CFLAGS ?= -O2 -gdwarf-4
SAN ?=
V ?= 0
SHELL := /bin/bash

# Every compiler and sanitizer has an object tree of its own, so that switching
# between them never mixes objects.
comma := ,
B := build
ifneq ($(filter-out gcc cc,$(notdir $(CC))),)
B := build/$(notdir $(CC))
endif
ifneq ($(SAN),)
B := $(B)/san-$(subst $(comma),-,$(SAN))
SANFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wformat=2 -Wundef -Wcast-qual \
	-Wwrite-strings -Wvla -Wold-style-definition -Wnull-dereference -Werror
ifneq ($(findstring gcc,$(notdir $(CC))),)
WARN += -Wjump-misses-init -Wlogical-op -Wduplicated-cond
endif

# Packages are asked for only when they are used: `make clean` and `make deps`
# must work on a machine that has none of them.
cjson_cflags = $(shell $(PKG_CONFIG) --cflags libcjson)
cjson_libs = $(shell $(PKG_CONFIG) --libs libcjson)
cmocka_libs = $(shell $(PKG_CONFIG) --libs cmocka)
nl_cflags = $(shell $(PKG_CONFIG) --cflags libnl-genl-3.0 libmnl)
nl_libs = $(shell $(PKG_CONFIG) --libs libnl-genl-3.0 libmnl)

# -iquote, never -I: our netlink/ would shadow libnl's <netlink/*.h>.
ALL_CPPFLAGS = -D_GNU_SOURCE -DVDPR_VERSION='"$(VERSION)"' -iquote . \
	$(cjson_cflags) $(CPPFLAGS)
ALL_CFLAGS = -std=gnu11 $(WARN) -fPIC -fvisibility=hidden -pthread \
	$(SANFLAGS) $(CFLAGS)
# All symbols are found when a program starts: not in the midst of a downtime, and
# the tables of addresses are read-only afterwards.
ALL_LDFLAGS = -pthread -Wl,-z,relro,-z,now $(SANFLAGS) $(LDFLAGS)

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

lib_src := $(sort $(wildcard restore/*.c))
nl_src := $(sort $(wildcard netlink/*.c))
cmd_src := $(sort $(wildcard cmd/*.c))
test_src := $(sort $(wildcard tests/test-*.c))
test_lib_src := $(sort $(filter-out $(test_src) tests/fuzz-%,$(wildcard tests/*.c)) \
	$(filter-out tests/conformance/conformance.c,$(wildcard tests/conformance/*.c)) \
	tests/faults/inject.c)

lib_obj := $(lib_src:%.c=$(B)/%.o)
nl_obj := $(nl_src:%.c=$(B)/%.o)
cmd_obj := $(cmd_src:%.c=$(B)/%.o)
test_obj := $(test_src:%.c=$(B)/%.o)
test_lib_obj := $(test_lib_src:%.c=$(B)/%.o)
test_bin := $(test_src:tests/%.c=$(B)/tests/%)

static_lib := $(B)/libvdpa-restore.a
soname := libvdpa-restore.so.$(ABI)
shared_lib := $(B)/$(soname)
shared_link := $(B)/libvdpa-restore.so
cli := $(B)/vdpa-restore
cli_shared := $(B)/vdpa-restore-shared
map := restore/libvdpa-restore.map

.DEFAULT_GOAL := all
.PHONY: all
all: $(cli) $(static_lib) $(shared_link) $(B)/vdpa-restore.pc examples

$(B)/%.o: %.c
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Only netlink/ and its tests see libnl's and libmnl's headers; the library never does.
nl_tests := $(B)/tests/test-genl-vdpa $(B)/tests/test-netdev
$(nl_obj) $(nl_tests:=.o): ALL_CPPFLAGS += $(nl_cflags)

$(static_lib): $(lib_obj)
	$(say) AR $@
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

# -z defs finds a missing library at our link, not at our user's; the sanitizers'
# own symbols come from the program and would trip it.
$(shared_lib): $(lib_obj) $(map)
	$(say) LD $@
	$(Q)$(CC) -shared $(ALL_LDFLAGS) -Wl,-soname,$(soname) \
		-Wl,--version-script=$(map) $(if $(SAN),,-Wl$(comma)-z$(comma)defs) \
		-o $@ $(lib_obj) $(cjson_libs)

$(shared_link): $(shared_lib)
	$(Q)ln -sf $(<F) $@

$(cli): $(cmd_obj) $(nl_obj) $(static_lib)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(cmd_obj) $(nl_obj) $(static_lib) \
		$(cjson_libs) $(nl_libs)

# A small VMM, with what a user of the package has: the header, the shared library.
example := $(B)/examples/vmm/vmm
example_src := $(sort $(wildcard examples/vmm/*.c))
example_obj := $(example_src:%.c=$(B)/%.o)
$(example_obj): ALL_CPPFLAGS += -Iinclude
$(example): $(example_obj) $(shared_link)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(example_obj) -L$(B) -lvdpa-restore \
		-Wl,-rpath,'$$ORIGIN/../..'

.PHONY: examples
examples: $(example)

# The same objects on the shared library: a private symbol used by cmd/ fails here.
$(cli_shared): $(cmd_obj) $(nl_obj) $(shared_link)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(cmd_obj) $(nl_obj) -L$(B) \
		-lvdpa-restore -Wl,-rpath,'$$ORIGIN' $(cjson_libs) $(nl_libs)

$(B)/tests/%: $(B)/tests/%.o $(test_lib_obj) $(static_lib)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(test_lib_obj) $(static_lib) \
		$(cjson_libs) $(cmocka_libs) $(test_more)

$(nl_tests): $(nl_obj)
$(nl_tests): test_more = $(nl_obj) $(nl_libs)

# Counts what is allocated: every call of the program goes through the test.
$(B)/tests/test-steady: test_more = $(addprefix -Wl$(comma)--wrap=,malloc calloc \
	realloc reallocarray strdup)

# Counts what the library allocates.
wrap_alloc = $(foreach f,malloc calloc realloc reallocarray,-Wl,--wrap=$(f))
$(B)/tests/test-shadow: ALL_LDFLAGS += $(wrap_alloc)

# Lets one call after the other fail that asks for memory or a descriptor.
$(B)/tests/test-resources: test_more = $(addprefix -Wl$(comma)--wrap=,malloc calloc \
	realloc reallocarray strdup strndup asprintf vasprintf memfd_create fallocate \
	mmap eventfd epoll_create1 epoll_ctl timerfd_create fcntl pthread_create)

# Data tables of the tool, and what they need of it.
wish_obj := $(addprefix $(B)/cmd/,wish.o mgmtdev.o vmm.o reasons.o state-object.o out.o)
$(B)/tests/test-wish: $(wish_obj)
$(B)/tests/test-wish: test_more = $(wish_obj)

# Programs that the lab runs on real devices, linked like the tests.
test_prog := $(B)/tests/conformance/conformance $(B)/tests/faults/faults \
	$(B)/tests/bench/relay

# Receives in the lab while a device is restored, and counts misplaced frames.
traffic := $(B)/tests/lab/traffic
traffic_obj := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard tests/lab/traffic*.c)))
$(traffic): $(traffic_obj) $(static_lib)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(traffic_obj) $(static_lib) $(cjson_libs)

# Relays a toy guest's control commands in the lab, under the same traffic.
shadow := $(B)/tests/lab/shadow
shadow_obj := $(patsubst %.c,$(B)/%.o,tests/lab/shadow.c \
	$(addprefix tests/lab/traffic-,device.c receive.c rss.c))
$(shadow): $(shadow_obj) $(static_lib)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(shadow_obj) $(static_lib) $(cjson_libs)

vdpa_ask := $(B)/tests/lab/vdpa-ask
$(vdpa_ask): $(vdpa_ask).o $(nl_obj)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(nl_libs)

doorbell := $(B)/tests/lab/doorbell
$(doorbell): $(doorbell).o $(static_lib)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(cjson_libs)

# An event-driven restore that pauses between its halves.
two_halves := $(B)/tests/lab/two-halves
$(two_halves): $(two_halves).o $(static_lib)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(cjson_libs)

# Bad clients for the control socket of a VMM in the lab.
siege := $(B)/tests/lab/siege
$(siege): $(siege).o $(B)/tests/bad-clients.o
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^

# Named nowhere else, they would be removed as intermediate, and made again by the
# next make, which knows them from their .d files.
.SECONDARY: $(test_lib_obj) $(addsuffix .o,$(test_bin) $(test_prog))

.PHONY: tests
tests: $(test_bin) $(test_prog) $(traffic) $(shadow) $(siege) $(vdpa_ask) $(doorbell) \
	$(two_halves)

# Rewritten whenever the folders differ from those of the last time.
.PHONY: FORCE
$(B)/vdpa-restore.pc: restore/vdpa-restore.pc.in FORCE
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' $< >$@.new
	$(Q)cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@

# ------------------------------------------------------------------ install

# What `install` puts there, so that `uninstall` removes exactly that.
man8 := docs/vdpa-restore.8
man5 := docs/vdpa-restore-state.5 docs/vdpa-restore-transcript.5
man3 := docs/vdpa-restore.3
man7 := docs/vdpa-restore-library.7
example_files := $(addprefix examples/vmm/,README.md vmm.c guest.c shared.h)
# Beside the example, so that what leads from one to the other holds there, too.
doc_files := $(sort $(wildcard docs/*.md docs/*.rst))

.PHONY: install
install: all
	install -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(LIBDIR)' \
		'$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(PKGCONFIGDIR)' \
		'$(DESTDIR)$(MANDIR)/man8' '$(DESTDIR)$(MANDIR)/man5' \
		'$(DESTDIR)$(MANDIR)/man3' '$(DESTDIR)$(MANDIR)/man7' \
		'$(DESTDIR)$(DATADIR)/vdpa-restore' \
		'$(DESTDIR)$(DOCDIR)/examples/vmm' '$(DESTDIR)$(DOCDIR)/docs' \
		'$(DESTDIR)$(DATADIR)/bash-completion/completions' \
		'$(DESTDIR)$(DATADIR)/zsh/site-functions' \
		'$(DESTDIR)$(DATADIR)/fish/vendor_completions.d'
	install -m 755 $(cli) '$(DESTDIR)$(BINDIR)/vdpa-restore'
	install -m 644 $(static_lib) '$(DESTDIR)$(LIBDIR)/'
	install -m 755 $(shared_lib) '$(DESTDIR)$(LIBDIR)/'
	ln -sf $(soname) '$(DESTDIR)$(LIBDIR)/libvdpa-restore.so'
	install -m 644 include/vdpa-restore.h '$(DESTDIR)$(INCLUDEDIR)/'
	install -m 644 $(B)/vdpa-restore.pc '$(DESTDIR)$(PKGCONFIGDIR)/'
	install -m 644 $(man8) '$(DESTDIR)$(MANDIR)/man8/'
	install -m 644 $(man5) '$(DESTDIR)$(MANDIR)/man5/'
	install -m 644 $(man3) '$(DESTDIR)$(MANDIR)/man3/'
	install -m 644 $(man7) '$(DESTDIR)$(MANDIR)/man7/'
	install -m 644 docs/state.schema.json '$(DESTDIR)$(DATADIR)/vdpa-restore/'
	install -m 644 $(example_files) '$(DESTDIR)$(DOCDIR)/examples/vmm/'
	install -m 644 $(doc_files) '$(DESTDIR)$(DOCDIR)/docs/'
	install -m 644 completions/vdpa-restore.bash \
		'$(DESTDIR)$(DATADIR)/bash-completion/completions/vdpa-restore'
	install -m 644 completions/_vdpa-restore \
		'$(DESTDIR)$(DATADIR)/zsh/site-functions/'
	install -m 644 completions/vdpa-restore.fish \
		'$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/'

.PHONY: uninstall
uninstall:
	rm -f '$(DESTDIR)$(BINDIR)/vdpa-restore' \
		'$(DESTDIR)$(LIBDIR)/libvdpa-restore.a' \
		'$(DESTDIR)$(LIBDIR)/$(soname)' \
		'$(DESTDIR)$(LIBDIR)/libvdpa-restore.so' \
		'$(DESTDIR)$(INCLUDEDIR)/vdpa-restore.h' \
		'$(DESTDIR)$(PKGCONFIGDIR)/vdpa-restore.pc' \
		'$(DESTDIR)$(MANDIR)/man8/$(notdir $(man8))' \
		$(foreach page,$(notdir $(man5)),'$(DESTDIR)$(MANDIR)/man5/$(page)') \
		'$(DESTDIR)$(MANDIR)/man3/$(notdir $(man3))' \
		'$(DESTDIR)$(MANDIR)/man7/$(notdir $(man7))' \
		'$(DESTDIR)$(DATADIR)/vdpa-restore/state.schema.json' \
		$(foreach file,$(example_files) $(doc_files),'$(DESTDIR)$(DOCDIR)/$(file)') \
		'$(DESTDIR)$(DATADIR)/bash-completion/completions/vdpa-restore' \
		'$(DESTDIR)$(DATADIR)/zsh/site-functions/_vdpa-restore' \
		'$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/vdpa-restore.fish'
	-rmdir '$(DESTDIR)$(DATADIR)/vdpa-restore' \
		'$(DESTDIR)$(DOCDIR)/examples/vmm' '$(DESTDIR)$(DOCDIR)/examples' \
		'$(DESTDIR)$(DOCDIR)/docs' '$(DESTDIR)$(DOCDIR)' 2>/dev/null

# -------------------------------------------------------------------- tests

# LAB=auto runs the lab and says why where it cannot; require makes that a
# failure; no leaves it out.
LAB ?= auto
export LAB

.PHONY: deps-build deps-test deps-lint deps-lab
deps-build deps-test deps-lint deps-lab: deps-%:
	$(Q)tests/deps.sh $*

summary := $(B)/test-logs/summary
cli_tests := $(sort $(filter-out tests/cli/lib.sh,$(wildcard tests/cli/*.sh)))
project_tests := $(sort $(filter-out tests/project/lib.sh,$(wildcard tests/project/*.sh)))

# The packages must be there before the rest of this file asks for them, so each
# of these runs a second make.
.PHONY: check
check: deps-build deps-test
	$(Q)rm -f $(summary)
	$(Q)code=0; for goal in check-unit check-project check-lab; do \
		$(MAKE) --no-print-directory $$goal || code=1; \
	done; tests/total.sh $(summary) && exit $$code

# What also runs under other compilers and sanitizers: the unit and CLI tests.
.PHONY: check-quick
check-quick: deps-build deps-test
	$(Q)rm -f $(summary)
	$(Q)$(MAKE) --no-print-directory check-unit; code=$$?; \
		tests/total.sh $(summary) && exit $$code

.PHONY: check-unit
check-unit: all tests $(cli_shared)
	$(Q)VDPA_RESTORE=$(abspath $(cli)) BUILD=$(abspath $(B)) \
		SAN=$(SAN) tests/run.sh $(B)/test-logs $(summary) $(test_bin) \
		$(cli_tests)

.PHONY: check-project
check-project: all tests $(cli_shared)
	$(Q)VDPA_RESTORE=$(abspath $(cli_shared)) BUILD=$(abspath $(B)) \
		CC='$(CC)' tests/run.sh $(B)/test-logs $(summary) $(project_tests)

# Symbols, structs and values that programs are built with.
.PHONY: abi abi-update
abi: all
	$(Q)BUILD=$(abspath $(B)) CC='$(CC)' tests/abi/abi.py
abi-update: all
	$(Q)BUILD=$(abspath $(B)) CC='$(CC)' tests/abi/abi.py --write

.PHONY: check-lab
check-lab: all tests
	$(Q)BUILD=$(abspath $(B)) TEST_TIMEOUT=2400 tests/run.sh $(B)/test-logs \
		$(summary) tests/lab/check.sh tests/lab/monitor.sh

# The unit and command line tests under memcheck: no access that is not right, no
# leak. VALGRIND_NAMES="test-ring load" takes only some.
.PHONY: check-valgrind
check-valgrind: deps-build deps-test
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)rm -f $(B)/valgrind-test-logs/summary
	$(Q)TEST_TIMEOUT=3600 tests/run.sh $(B)/valgrind-test-logs \
		$(B)/valgrind-test-logs/summary \
		'tests/valgrind.sh $(B) $(VALGRIND_NAMES)'

.PHONY: lab-shell
lab-shell: deps-build deps-lab
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/lab/prepare
	$(Q)tests/lab/shell

# Frames poured into a card while it is restored: does any reach a wrong queue?
.PHONY: lab-traffic
lab-traffic: deps-build deps-test deps-lab
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)tests/lab/prepare
	$(Q)BUILD=$(abspath $(B)) timeout 600 tests/lab/traffic.py

# Beside QEMU and a bare loop on the same device; --write renews the document.
.PHONY: bench
bench: deps-build deps-test deps-lab
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BUILD=$(abspath $(B)) timeout 1500 tests/bench/bench.py $(BENCH_FLAGS)

.PHONY: demo
demo: deps-build
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/demo.sh $(cli)

include tests/fuzz/fuzz.mk

# --------------------------------------------------------------------- lint

c_files = $(wildcard cmd/*.[ch] restore/*.[ch] netlink/*.[ch] include/*.h examples/*/*.[ch] \
	tests/*.[ch] tests/*/*.[ch])
sh_files = $(shell grep -lE '^\#!(/usr)?/bin/(env )?(ba)?sh' .ci/run tests/*.sh \
	tests/*/* 2>/dev/null)

.PHONY: lint
lint: deps-build deps-test deps-lint
	$(Q)$(MAKE) --no-print-directory run-lint

.PHONY: run-lint
run-lint: format-check tidy cppcheck shellcheck manlint

.PHONY: format-check
format-check:
	$(say) FORMAT 'all C files'
	$(Q)clang-format --dry-run --Werror $(c_files)

tidy_src = $(lib_src) $(cmd_src) $(nl_src) $(example_src)
.PHONY: tidy
tidy: $(tidy_src:%=tidy-%)
.PHONY: $(tidy_src:%=tidy-%)
$(tidy_src:%=tidy-%): tidy-%:
	$(say) TIDY $*
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $* -- -std=gnu11 \
		$(ALL_CPPFLAGS) $(if $(filter netlink/%,$*),$(nl_cflags)) \
		$(if $(filter examples/%,$*),-Iinclude) 2>&1 | \
		sed '/warnings generated/d'; \
		exit $${PIPESTATUS[0]}

.PHONY: cppcheck
cppcheck:
	$(say) CPPCHECK 'cmd restore netlink examples'
	$(Q)cppcheck --quiet --std=c11 --enable=warning,style,performance,portability \
		--inline-suppr --error-exitcode=1 --suppressions-list=.cppcheck \
		-j2 -I. -Iinclude -D_GNU_SOURCE -DVDPR_VERSION='"0"' \
		cmd restore netlink examples

.PHONY: shellcheck
shellcheck:
	$(say) SHELL 'all scripts'
	$(Q)shellcheck -x $(sh_files)

.PHONY: manlint
manlint:
	$(say) MAN 'docs/*.[1-9]'
	$(Q)for page in docs/*.[1-9]; do \
		mandoc -T lint -W warning "$$page" || exit 1; \
	done

.PHONY: format
format:
	clang-format -i $(c_files)

.PHONY: help
help:
	@echo 'all          the tool and the library (default)'
	@echo 'examples     a small VMM with the library inside (part of all)'
	@echo 'demo         install what it needs, build, show a restore'
	@echo 'check        install what it needs, build, run all tests'
	@echo '             LAB=auto|require|no: tests on real kernel devices'
	@echo 'check-quick  unit and command line tests only'
	@echo 'check-valgrind  the same under valgrind, which takes some minutes'
	@echo 'abi          the binary interface against the one that is kept;'
	@echo '             abi-update keeps the present one'
	@echo 'bench        a restore beside QEMU and a bare loop, in the lab'
	@echo 'lab-traffic  proof that no frame reaches a wrong queue'
	@echo 'lab-shell    a prompt in a machine with vhost-vdpa devices'
	@echo 'fuzz         FUZZ_SECONDS=60 for each harness; check-fuzz: a short burst'
	@echo 'lint         format, clang-tidy, cppcheck, shellcheck, man pages'
	@echo 'install      PREFIX=$(PREFIX) DESTDIR=; uninstall removes it'
	@echo 'switches     V=1, CC=clang, SAN=address,undefined, SAN=thread'

.PHONY: clean
clean:
	rm -rf build

-include $(example_obj:.o=.d) $(test_prog:=.d) $(shadow).d $(siege).d $(vdpa_ask).d $(doorbell).d $(two_halves).d $(traffic_obj:.o=.d) $(lib_obj:.o=.d) $(nl_obj:.o=.d) $(cmd_obj:.o=.d) $(test_obj:.o=.d) $(test_lib_obj:.o=.d)
