#!/bin/bash
# docs/transcript.md: its programs build, run, and write what the page says.
set -u
# shellcheck source=tests/project/lib.sh
. "$(dirname "$0")/lib.sh"
page=docs/transcript.md
tool=${VDPA_RESTORE:-build/vdpa-restore}

# The block of a language.
block() {
	awk -v want="\`\`\`$1" '$0 == want { on = 1; next } /^```/ { on = 0 } on' "$page"
}

block json >"$root/wanted.jsonl"
block c >"$root/emit.c"
block rust >"$root/emit.rs"
block python >"$root/emit.py"
awk '/shows of that$/ { seen = 1 } seen && /^```/ { fences++; next }
	fences == 1' "$page" >"$root/shown"

same_lines() {
	"$@" >"$root/out" && python3 - "$root/out" "$root/wanted.jsonl" <<'END'
import json, sys
read = [[json.loads(line) for line in open(name)] for name in sys.argv[1:]]
sys.exit(read[0] != read[1] or not read[0])
END
}

in_c() {
	"${CC:-gcc}" -std=c11 -Wall -Wextra -Werror -o "$root/in-c" "$root/emit.c" &&
		same_lines "$root/in-c"
}

in_rust() {
	rustc --edition 2018 -D warnings -o "$root/in-rust" "$root/emit.rs" &&
		same_lines "$root/in-rust"
}

in_python() {
	same_lines python3 "$root/emit.py"
}

is_taken() {
	"$tool" save -q --transcript "$root/wanted.jsonl" -o "$root/state.json" &&
		python3 - "$root/state.json" <<'END'
import json, sys
state = json.load(open(sys.argv[1]))
sys.exit(state["mac"] != {"address": "52:54:00:aa:bb:cc"} or state["vlan"]["ids"] != [42] or
         state["mq"] != {"queue_pairs": 1})
END
}

is_shown() {
	"$tool" transcript "$root/wanted.jsonl" | diff "$root/shown" -
}

check 'the program in C writes what the page shows' in_c
if command -v rustc >/dev/null; then
	check 'the program in Rust writes the same' in_rust
else
	n=$((n + 1))
	echo "ok $n - the program in Rust writes the same # SKIP no rustc here"
fi
check 'the program in Python writes the same' in_python
check 'save makes a state of it' is_taken
check 'transcript shows it as the page does' is_shown
echo "1..$n"
