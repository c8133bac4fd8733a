#!/bin/bash
# SIGKILL at every system call of a save: the old file or the new one, never half.
set -u
cd "$(dirname "$0")/../.." || exit 1
tool=${VDPA_RESTORE:-build/vdpa-restore}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A traced program cannot look for its own leaks.
export ASAN_OPTIONS=detect_leaks=0

save() {
	timeout 20 strace -f -qq -o "$work/trace" "$@" "$tool" save \
		--transcript tests/data/guest-6.12.jsonl -o "$work/state.json" \
		>/dev/null
}

if ! save -e trace=all 2>/dev/null; then
	echo 'ok 1 - SIGKILL during a save # SKIP strace cannot trace here'
	exit 0
fi
cp "$work/state.json" "$work/new.json"
echo '{"the old": "file"}' >"$work/old.json"
# Every call of a save as "NAME NTH": strace counts each kind by itself.
sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$work/trace" |
	awk '{ print $1, ++seen[$1] }' >"$work/calls"

# Equal but for the time of capture.
is_new() {
	diff -q <(sed '/"time":/d' "$1") <(sed '/"time":/d' "$work/new.json") >/dev/null
}

old=0 new=0 broken=0
while read -r name nth; do
	cp "$work/old.json" "$work/state.json"
	save -e "inject=$name:signal=SIGKILL:when=$nth" </dev/null
	if cmp -s "$work/state.json" "$work/old.json"; then
		old=$((old + 1))
	elif is_new "$work/state.json"; then
		new=$((new + 1))
	else
		broken=$((broken + 1))
		echo "# killed at $name $nth: $(head -c 100 "$work/state.json")"
	fi
	rm -f "$work"/state.json?* "$work"/.state.json*
done <"$work/calls" 2>/dev/null
echo "# $((old + new + broken)) points: $old kept the old file, $new had the new one, $broken broken"
if [ $broken -eq 0 ] && [ $old -gt 20 ] && [ $new -gt 0 ]; then
	echo 'ok 1 - SIGKILL at any call of a save leaves a whole file'
else
	echo 'not ok 1 - SIGKILL at any call of a save leaves a whole file'
fi
echo 1..1
