#!/bin/bash
# The Makefile: dependency tracking, V=1, separate trees, version and map agree.
set -u
# shellcheck source=tests/project/lib.sh
. "$(dirname "$0")/lib.sh"
# A copy, so that touching files here disturbs nobody.
cp -r Makefile cmd restore netlink include completions docs examples "$root/"
mkdir -p "$root/tests/fuzz"
cp tests/fuzz/fuzz.mk "$root/tests/fuzz/"

run_make() {
	env -u MAKEFLAGS -u MAKELEVEL -u SAN -u CC make --no-print-directory \
		-C "$root" -j2 "$@"
}

nothing_to_do_twice() {
	local out
	run_make all && out=$(run_make all) && echo "$out" &&
		! grep -qE '^  (CC|LD|AR) ' <<<"$out"
}

# A dry run of a tree of its own shows what would be removed as intermediate.
no_object_of_a_test_is_thrown_away() {
	local out
	out=$(env -u MAKEFLAGS -u MAKELEVEL -u SAN -u CC make -n \
		B="$root/none" tests) &&
		grep -q 'test-engine\.o' <<<"$out" &&
		! grep -E '^rm (.* )?[^ ]*\.o( |$)' <<<"$out"
}

header_rebuilds_its_users() {
	touch "$root/restore/quirks.h"
	local out
	out=$(run_make all)
	echo "$out"
	grep -q 'CC *restore/quirks.c' <<<"$out" && ! grep -q 'CC *restore/util.c' <<<"$out"
}

v1_shows_commands() {
	touch "$root/restore/quirks.c"
	run_make V=1 all | grep -q -- '-iquote . .*restore/quirks.c'
}

sanitizer_has_a_tree_of_its_own() {
	run_make SAN=undefined build/san-undefined/restore/util.o &&
		[ -f "$root/build/san-undefined/restore/util.o" ]
}

map_names_the_version() {
	local version
	version=$(sed -n 's/^VERSION := \([0-9]*\.[0-9]*\)\..*/\1/p' Makefile)
	grep -q "^VDPA_RESTORE_$version {" restore/libvdpa-restore.map &&
		grep -q "## .*$version\." CHANGELOG.md
}

clean_removes_the_build() {
	run_make clean && [ ! -e "$root/build" ]
}

check 'a second make has nothing to do' nothing_to_do_twice
check 'what the tests are linked of is kept' no_object_of_a_test_is_thrown_away
check 'a changed header rebuilds what includes it, and no more' header_rebuilds_its_users
check 'V=1 shows the commands' v1_shows_commands
check 'a sanitizer build has a tree of its own' sanitizer_has_a_tree_of_its_own
check 'version, symbol map and changelog agree' map_names_the_version
check 'clean removes the build' clean_removes_the_build
echo "1..$n"
