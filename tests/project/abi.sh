#!/bin/bash
# The binary interface is the one that is kept, and a change of it is seen.
set -u
# shellcheck source=tests/project/lib.sh
. "$(dirname "$0")/lib.sh"
export BUILD=${BUILD:-build} CC=${CC:-gcc}

if ! [ -e "tests/abi/$(uname -m).txt" ]; then
	skip 'the binary interface' "none is kept for $(uname -m)"
	echo "1..$n"
	exit 0
fi

# A copy of the tree with one change in the header or the library.
tampered() {
	rm -rf "$root/tree" && mkdir -p "$root/tree/tests" &&
		cp -r include "$root/tree/" && cp -r tests/abi "$root/tree/tests/" &&
		sed -i "$1" "$root/tree/include/vdpa-restore.h" &&
		! cmp -s include/vdpa-restore.h "$root/tree/include/vdpa-restore.h"
}

a_change_is_seen() {
	tampered "$1" || return 1
	if BUILD=$(realpath "$BUILD") "$root/tree/tests/abi/abi.py" >"$root/said"; then
		return 1
	fi
	cat "$root/said"
	grep -q "$2" "$root/said"
}

check 'the binary interface is the one that is kept' tests/abi/abi.py
check 'a member that is not at the end is seen' a_change_is_seen \
	's/^\tuint64_t deadline;/\tint added;\n&/' '^+  added'
check 'a flag with another value is seen' a_change_is_seen \
	's/^#define VDPR_RESTORE_PREWARM (1u << 5)/#define VDPR_RESTORE_PREWARM (1u << 6)/' \
	'^+VDPR_RESTORE_PREWARM 64'
echo "1..$n"
