#!/bin/bash
# What begins with "#!" can be run as it is checked out, and nothing else says so.
set -u
# shellcheck source=tests/project/lib.sh
. "$(dirname "$0")/lib.sh"

# The mode in git, which is what a checkout gives; names may hold blanks, not tabs.
files() {
	git ls-files -s -- tests .ci examples | sed -E 's/^([0-7]+) [0-9a-f]+ [0-9]\t/\1 /'
}

scripts() {
	files | while read -r mode name; do
		head -c 2 "$name" | grep -qxa '#!' && echo "$mode $name"
	done
}

scripts_can_be_run() {
	[ "$(scripts | wc -l)" -gt 40 ] && ! scripts | grep -v '^100755 '
}

# A file that is marked so by mistake.
others_cannot() {
	! grep -vxFf <(scripts) <(files | grep '^100755 ')
}

if ! git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	skip 'modes of files' 'this is no checkout'
	echo "1..$n"
	exit 0
fi
check 'scripts can be run' scripts_can_be_run
check 'and nothing else is marked as one' others_cannot
echo "1..$n"
