#!/bin/bash
# SIGINT or SIGTERM at every system call of a load: all or nothing, whatever the stage.
set -u
cd "$(dirname "$0")/../.." || exit 1
tool=${VDPA_RESTORE:-build/vdpa-restore}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
state=tests/data/example.json
stages=(examine map rings replay enable)

load() {
	timeout 20 strace -qq -o "$work/trace" "$@" "$tool" load --json \
		--timeout 10 $state "sim:dump=$work/dump" \
		>"$work/out" 2>"$work/err" </dev/null
}

if [ -n "${SAN:-}" ]; then
	echo 'ok 1 - a signal during a load # SKIP a sanitizer makes calls of its own'
	echo 1..1
	exit 0
fi
if ! load -e trace=all; then
	echo 'ok 1 - a signal during a load # SKIP strace cannot trace here'
	echo 1..1
	exit 0
fi
# Each call as "NAME NTH", from where the state is opened: before that it is the
# loader's, and the signal ends the process.
sed -nE 's/^([a-z0-9_]+)\((.*)/\1 \2/p' "$work/trace" |
	awk -v state=$state '{ seen[$1]++ } $1 == "openat" && index($0, state) { on = 1 }
		on { print $1, seen[$1] }' >"$work/calls"

rm -f "$work/dump"
number=0
while read -r name nth; do
	number=$((number + 1))
	signal=$([ $((number % 2)) -eq 0 ] && echo INT || echo TERM)
	load -e "inject=$name:signal=SIG$signal:when=$nth"
	echo "SIG$signal at $name $nth: exit $?" >"$work/$number.code"
	for file in out err dump; do
		[ ! -e "$work/$file" ] || mv "$work/$file" "$work/$number.$file"
	done
done <"$work/calls" 2>/dev/null

# What came of each: "whole", the stage of the interruption, or "broken".
"${PYTHON:-python3}" - "$work" "$number" "${stages[@]}" <<'PY'
import collections, json, os, sys

work, number, stages = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
came = collections.Counter()


def read(i, kind):
    name = "%s/%d.%s" % (work, i, kind)
    if not os.path.exists(name):
        return ""
    with open(name) as file:
        return file.read()


def outcome(i):
    code = read(i, "code").split()[-1]
    told = json.loads(read(i, "dump") or "null")
    error = json.loads(read(i, "out"))["error"]
    if code == "0" and error is None and told["rss"] and told["coalescing"]["queues"]:
        return "whole"
    assert code == "1" and error["text"].endswith("interrupted"), error
    assert told is None or told["features"]["negotiated"] == "0x0", "the device was not reset"
    return error["stage"] or "reading"


for i in range(1, number + 1):
    try:
        came[outcome(i)] += 1
    except Exception as wrong:
        came["broken"] += 1
        print("# %s: %r, %s" % (read(i, "code").strip(), wrong, read(i, "err").strip()[-200:]))
print("# " + ", ".join("%s: %d" % one for one in sorted(came.items())))
for name, good in (("a signal at any call of a load: all is done, or the device is reset",
                    number > 100 and not came["broken"]),
                   ("signals came in " + ", ".join(stages), all(came[stage] for stage in stages))):
    print("%s - %s" % ("ok" if good else "not ok", name))
print("1..2")
PY
