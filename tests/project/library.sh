#!/bin/bash
# The shared library: what it needs, what it exports, and that all agree.
set -u
# shellcheck source=tests/project/lib.sh
. "$(dirname "$0")/lib.sh"
BUILD=${BUILD:-build}
lib=$(echo "$BUILD"/libvdpa-restore.so.[0-9]*)
exported() {
	nm -D --defined-only "$lib" | awk '$2 != "A" {print $3}' |
		sed 's/@.*//' | sort
}

declared() {
	grep -oE '\bvdpr_[a-z_]+\(' include/vdpa-restore.h |
		grep -vE 'vdpr_(state|plan)_free\(\) -' | tr -d '(' | sort -u |
		grep -vxF -f <(grep -oE '\(\*vdpr_[a-z_]+' include/vdpa-restore.h |
			tr -d '(*')
}

mapped() {
	grep -oE '^[[:space:]]+vdpr_[a-z_]+;' restore/libvdpa-restore.map |
		tr -d ';[:space:]' | tr -s '\n' | sed 's/vdpr/\nvdpr/g' | sed '/^$/d' | sort
}

needs_libc_and_cjson_only() {
	local needed
	needed=$(readelf -d "$lib" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort)
	echo "# NEEDED: ${needed//$'\n'/ }"
	! grep -qvE '^(libc\.so\.6|libcjson\.so\.[0-9]+|lib[ut]*[ab]san\.so\.[0-9]+)$' <<<"$needed"
}

has_soname() {
	readelf -d "$lib" | grep -q "(SONAME).*\[$(basename "$lib")\]"
}

exports_the_map() {
	diff <(exported) <(mapped)
}

declares_the_map() {
	diff <(declared) <(mapped)
}

keeps_private_symbols() {
	! exported | grep -vq '^vdpr_'
}

never_exits_or_prints() {
	! nm -u "$BUILD"/libvdpa-restore.a |
		grep -E ' U (exit|_exit|abort|printf|puts|perror|fprintf|vfprintf|signal|sigaction|__printf_chk|__fprintf_chk|stdout|stderr)$'
}

has_no_writable_globals() {
	# Constants with addresses in them are in .data.rel.ro.
	[ -n "${SAN:-}" ] || ! size -A "$BUILD"/libvdpa-restore.a |
		awk '($1 == ".data" || $1 == ".bss") && $2 > 0 { found = 1; print "#", $0 }
			END { exit !found }'
}

check 'the library needs libc and cJSON only' needs_libc_and_cjson_only
check 'the library has its SONAME' has_soname
check 'the symbol map is what is exported' exports_the_map
check 'the header declares what is exported' declares_the_map
check 'nothing without the prefix is exported' keeps_private_symbols
check 'the library never exits, prints or catches signals' never_exits_or_prints
check 'the library has no writable globals' has_no_writable_globals
echo "1..$n"
