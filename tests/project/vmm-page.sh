#!/bin/bash
# docs/adding-to-your-vmm.md: its code builds, its lists are those of the library.
set -u
# shellcheck source=tests/project/lib.sh
. "$(dirname "$0")/lib.sh"
page=docs/adding-to-your-vmm.md
build=${BUILD:-build}

# The block of a language.
block() {
	awk -v want="\`\`\`$1" '$0 == want { on = 1; next } /^```/ { on = 0 } on' "$page"
}

in_c() {
	block c >"$root/page.c" && [ -s "$root/page.c" ] &&
		"${CC:-gcc}" -std=c11 -Wall -Wextra -Wshadow -Wconversion -Werror \
			-Iinclude -fsyntax-only "$root/page.c"
}

# On the simulator: boots, gives commands, is stopped, comes back, moves on.
runs() {
	local sanitizers=${build##*/san-}
	[ "$sanitizers" != "$build" ] || sanitizers=
	# shellcheck disable=SC2046 # flags are words
	"${CC:-gcc}" -D_GNU_SOURCE -std=gnu11 -Wall -Wextra -Wshadow -Werror \
		${sanitizers:+-fsanitize="${sanitizers//-/,}"} -Iinclude -I"$root" \
		-o "$root/page" tests/project/vmm-page.c "$build/libvdpa-restore.a" \
		$(pkg-config --cflags --libs libcjson) -pthread &&
		"$root/page" >"$root/state.json" && cat "$root/state.json" &&
		python3 - "$root/state.json" <<'END'
import json, sys
state = json.load(open(sys.argv[1]))
sys.exit(state["vlan"]["ids"] != ["42-44"] or state["unknown"] != [] or
         [(ring["index"], ring["base"]) for ring in state["vrings"]] != [(8, 3)])
END
}

in_rust() {
	block rust >"$root/page.rs" && [ -s "$root/page.rs" ] &&
		rustc --edition 2021 -D warnings --crate-type lib --emit metadata \
			--out-dir "$root" "$root/page.rs"
}

# What the objects that restore, relay and quiesce take from libc, as system calls;
# what has none (the vDSO, malloc) and other names is left out.
system_calls() {
	local objects
	objects=$(find "$build/restore" -name '*.o' | grep -E \
		'/(cvq|dev|dev-kernel|dev-hooks|dev-map|diagnose.*|engine.*|event|guest-.*|mem|quiesce|relay|ring.*|shadow|stage-.*|util)\.o$')
	# shellcheck disable=SC2086 # one word an object
	nm -u $objects | awk '{print $2}' | sort -u |
		grep -xE 'accept4|bind|clone|close|connect|dup3?|epoll_[a-z0-9]+|eventfd|fallocate|fcntl|fstat|fsync|ftruncate|getpid|getrlimit|ioctl|madvise|memfd_create|mmap|msync|munmap|open|pipe2|poll|ppoll|pread|pthread_create|read|recv|rename|send|signalfd|socket|stat|syscall|timerfd_[a-z]+|uname|unlink|usleep|write' |
		sed -e 's/^eventfd$/eventfd2/' -e 's/^getrlimit$/prlimit64/' -e 's/^open$/openat/'
}

# The words in backquotes of one part of the page.
listed() {
	awk '/^### In a sandbox/ { on = 1; next } /^##/ { on = 0 } on' "$page" |
		grep -oE "\`[A-Za-z0-9_]+\`" | tr -d '`' | sort -u
}

names_every_system_call() {
	[ "$(system_calls | wc -l)" -gt 15 ] && system_calls | tee /dev/stderr |
		while read -r call; do
			listed | grep -qx "$call" || {
				echo "not on the page: $call"
				exit 1
			}
		done
}

requests() {
	find restore -name '*.c' ! -name 'sim*' -exec \
		grep -ohE '\bVHOST_(VDPA_)?(GET|SET|SUSPEND|RESUME)[A-Z_]*' {} + |
		sed -E 's/^VHOST_(VDPA_)?//' | sort -u
}

names_the_requests() {
	diff <(requests) <(listed | grep -xE '[A-Z_]+' | grep -vxE 'VHOST_(VDPA_)?')
}

check 'its C compiles against the header' in_c
check 'and takes a guest through boot, failed migration and migration' runs
if command -v rustc >/dev/null; then
	check 'its Rust compiles' in_rust
else
	skip 'its Rust compiles' 'rustc is not on this machine'
fi
check 'a sandbox is told every system call' names_every_system_call
check 'and the requests that are made, no more and no less' names_the_requests
echo "1..$n"
