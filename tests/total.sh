#!/bin/bash
# Prints which tests failed and the sum of the counts that run.sh left in the given
# files, so that the end of a long log tells both.
#
# usage: total.sh SUMMARY...   The last line is "N passed, N failed, N skipped".
set -u
passed=0 failed=0 skipped=0
while read -r p f s; do
	if [ "$p" = '!' ]; then
		echo "failed: $f $s"
		continue
	fi
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
done < <(cat "$@" </dev/null 2>/dev/null)
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
