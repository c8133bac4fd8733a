#!/bin/bash
# Installs the Debian packages that a group of targets needs, if they are missing.
#
# usage: deps.sh GROUP...   GROUP: build, test, lint, lab
set -eu

packages() {
	case $1 in
	build)
		echo gcc make pkg-config libc6-dev libcjson-dev libnl-3-dev \
			libnl-genl-3-dev libmnl-dev
		;;
	test)
		echo g++ libcmocka-dev python3 python3-jsonschema strace valgrind \
			bash-completion zsh fish groff mandoc binutils iproute2 procps \
			libxml2-utils libvirt-clients
		# One that is not Debian's does as well.
		command -v rustc >/dev/null || echo rustc
		;;
	lint)
		echo clang clang-tidy clang-format cppcheck shellcheck \
			libclang-rt-14-dev
		;;
	lab)
		echo qemu-system-x86 busybox-static cpio kmod flex bison \
			libelf-dev libssl-dev bc rsync xz-utils ethtool iproute2 \
			strace python3
		;;
	*)
		echo "deps.sh: unknown group $1" >&2
		exit 2
		;;
	esac
}

missing=()
for group in "$@"; do
	for package in $(packages "$group"); do
		state=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
		[ "${state% }" = ii ] || missing+=("$package")
	done
done
[ ${#missing[@]} -gt 0 ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || {
		echo "deps.sh: run as root, or install: ${missing[*]}" >&2
		exit 1
	}
	sudo=sudo
fi
echo "  APT     ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
	$sudo env DEBIAN_FRONTEND=noninteractive timeout 900 apt-get \
		-o Acquire::Retries=3 install -y --no-install-recommends \
		"${missing[@]}"
}
# The lists may be absent or old: only a failure makes them worth the time.
if ! install >"$log" 2>&1; then
	if ! { $sudo timeout 600 apt-get -o Acquire::Retries=3 update && install; } \
		>"$log" 2>&1; then
		tail -n 30 "$log" >&2
		echo "deps.sh: could not install: ${missing[*]}" >&2
		exit 1
	fi
fi
