#!/bin/bash
# make install into a folder, a C and a C++ user of what is there, uninstall.
set -u
# shellcheck source=tests/project/lib.sh
. "$(dirname "$0")/lib.sh"
CC=${CC:-gcc}
run_make() {
	env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory CC="$CC" \
		DESTDIR="$root/dest" PREFIX=/usr "$@"
}

pc() {
	PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 \
		PKG_CONFIG_PATH="$root/dest/usr/lib/pkgconfig" \
		PKG_CONFIG_SYSROOT_DIR="$root/dest" pkg-config "$@" vdpa-restore
}

build_shared() {
	# shellcheck disable=SC2046 # flags are words
	"$CC" -Wall -Wextra -Werror tests/consumer/consumer.c -o "$root/shared" \
		$(pc --cflags --libs)
}

build_event() {
	# shellcheck disable=SC2046 # flags are words
	"$CC" -Wall -Wextra -Werror tests/consumer/event.c -o "$root/event" \
		$(pc --cflags --libs)
}

run_event() {
	LD_LIBRARY_PATH="$root/dest/usr/lib" "$root/event" \
		tests/data/typical.json | tee "$root/said" | tail -1
	grep -q '^may be slow: start SET_STATUS(DRIVER_OK)' "$root/said" &&
		grep -qE '^restored, downtime [0-9]+ us$' "$root/said"
}

# No crate but std; where to find the library is what pkg-config says.
build_rust() {
	local flags=()
	for flag in $(pc --libs-only-L); do
		flags+=(-L "native=${flag#-L}")
	done
	rustc --edition 2021 -D warnings "${flags[@]}" -o "$root/rust" \
		tests/consumer/consumer.rs
}

run_rust() {
	LD_LIBRARY_PATH="$root/dest/usr/lib" "$root/rust" \
		tests/data/typical.json | tee "$root/said"
	grep -q '"downtime_usec":' "$root/said" &&
		grep -q '^restored from Rust with' "$root/said"
}

build_static() {
	# shellcheck disable=SC2046
	"$CC" tests/consumer/consumer.c -o "$root/static" $(pc --cflags) \
		"$root/dest/usr/lib/libvdpa-restore.a" -lcjson -pthread
}

build_cxx() {
	# shellcheck disable=SC2046
	"$CC" -x c++ -std=c++20 -Wall -Wextra -Werror -fsyntax-only \
		$(pc --cflags) tests/consumer/consumer.c
}

# As it is installed, with nothing but what is installed.
build_example() {
	# shellcheck disable=SC2046 # flags are words
	"$CC" -D_GNU_SOURCE -Wall -Wextra -Werror -o "$root/vmm" \
		"$root"/dest/usr/share/doc/vdpa-restore/examples/vmm/*.c \
		$(pc --cflags --libs)
}

run_example() {
	printf 'guest control 2 0 5 0\nquiesce %s\nunquiesce\n' "$root/state" |
		LD_LIBRARY_PATH="$root/dest/usr/lib" "$root/vmm" sim \
			"$root/socket" >"$root/said"
	local code=$?
	cat "$root/said"
	[ $code -eq 0 ] && grep -q '^guest: control 2 0 5 0: ok$' "$root/said" &&
		grep -q '^vmm: back: resumed$' "$root/said" &&
		tr -d ' \n' <"$root/state" | grep -q '"ids":\[5\]'
}

# Every link of an installed page that is not to the web; what lies in the source
# only is named without one. [text](target) and, in rst, `text <target>`_ and such.
links_hold() {
	local doc=$root/dest/usr/share/doc/vdpa-restore page target bad=0 seen=0

	while read -r page; do
		while read -r target; do
			seen=$((seen + 1))
			[ -e "$(dirname "$page")/$target" ] && continue
			echo "${page#"$doc"/}: $target"
			bad=1
		done < <({
			[[ $page = *.md ]] &&
				grep -oE '\]\([^)]+\)|^\[[^]]+\]: .*' "$page" |
				sed -E 's/^\]\(|\)$|^.*\]: //g'
			[[ $page = *.rst ]] && tr '\n' ' ' <"$page" |
				grep -oE '<[^<> ]+>`_|^\.\. (include|image|figure):: .*' |
				sed -E 's/^<|>`_$|.*:: //g'
		} | grep -vE '^(https?|mailto):|^#' | sed 's/[# ].*//')
	done < <(find "$doc" -name '*.md' -o -name '*.rst')
	echo "$seen links"
	[ $seen -gt 9 ] && [ $bad -eq 0 ]
}

# What the header and the manual pages send their readers to.
named_pages_are_there() {
	local dest=$root/dest/usr page bad=0 seen=0

	while read -r page; do
		seen=$((seen + 1))
		[ -e "$dest/share/doc/vdpa-restore/$page" ] && continue
		echo "$page"
		bad=1
	done < <(grep -ohE 'docs/[a-z-]+\.(md|rst)' \
		"$dest/include/vdpa-restore.h" "$dest"/share/man/man[3578]/* |
		sort -u)
	[ $seen -gt 1 ] && [ $bad -eq 0 ]
}

run_shared() {
	LD_LIBRARY_PATH="$root/dest/usr/lib" "$root/shared" tests/data/typical.json
}

run_static() {
	"$root/static" tests/data/typical.json
}

run_cli() {
	"$root/dest/usr/bin/vdpa-restore" --version | grep -qE ' [0-9]+\.[0-9]+\.[0-9]+$'
}

nothing_left() {
	run_make uninstall && [ -z "$(find "$root/dest" ! -type d)" ]
}

check 'install succeeds' run_make install
check 'the installed tool runs' run_cli
check 'a C program builds against the shared library' build_shared
check 'and restores a state' run_shared
check 'a C program builds against the static library' build_static
check 'and restores a state, too' run_static
check 'the header is C++' build_cxx
check 'a C program with a poll loop builds' build_event
check 'and restores in two halves' run_event
if command -v rustc >/dev/null; then
	check 'a Rust program without crates builds' build_rust
	check 'and restores in two halves, too' run_rust
else
	skip 'a Rust program without crates' 'rustc is not on this machine'
fi
check 'the example VMM builds from the package' build_example
check 'and its guest is relayed, stopped and brought back' run_example
check 'links of the installed pages hold' links_hold
check 'the pages that header and manual name are installed' named_pages_are_there
check 'uninstall leaves nothing behind' nothing_left
echo "1..$n"
