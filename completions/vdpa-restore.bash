# SPDX-License-Identifier: MIT
# bash completion for vdpa-restore(8)
# shellcheck shell=bash

_vdpa_restore_commands='list show save check plan load diff verify provision
	unprovision export transcript help'
_vdpa_restore_vmms='qemu-8.2 qemu-9.0 qemu-9.1 qemu-9.2 qemu-10.0 qemu-10.1 qemu-10.2
	cloud-hypervisor-48 cloud-hypervisor-49 cloud-hypervisor-50
	cloud-hypervisor-51 cloud-hypervisor-52 cloud-hypervisor-53
	dpdk-22.11 dpdk-23.11 dpdk-24.11 dpdk-25.11 dpdk-26.07'
# save and verify take the same.
_vdpa_restore_sources='--vdpa --control --netdev --device --transcript --qemu-stream --qmp
	--ch-snapshot --all-vlans --timeout --prefer'
_vdpa_restore_globals='--json --verbose -v --quiet -q --help -h --version'

# The command on the line: the first word that is no option and no option's value.
_vdpa_restore_command() {
	local i word
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--vdpa | --control | --netdev | --device | --transcript | --qemu-stream | --qmp | --ch-snapshot | --all-vlans | --prefer | --output | -o | --timeout | \
			--warn | --enable-after-driver-ok | --unknown | --timeline | --as | \
			--mgmtdev | --name | --for)
			if [[ ${COMP_WORDS[i + 1]-} == = ]]; then
				i=$((i + 1))
			fi
			i=$((i + 1))
			;;
		-*) ;;
		*)
			printf '%s' "$word"
			return
			;;
		esac
	done
}

_vdpa_restore_devices() {
	local path
	printf '%s\n' sim
	for path in /dev/vhost-vdpa-*; do
		[[ -c $path ]] && printf '%s\n' "$path"
	done
	for path in /sys/bus/vdpa/devices/*; do
		[[ -e $path ]] && printf 'vdpa:%s\n' "${path##*/}"
	done
}

_vdpa_restore_names() {
	local path
	for path in /sys/bus/vdpa/devices/*; do
		[[ -e $path ]] && printf '%s\n' "${path##*/}"
	done
}

_vdpa_restore_interfaces() {
	local path
	for path in /sys/class/net/*; do
		[[ -e $path ]] && printf '%s\n' "${path##*/}"
	done
}

# The tool asks the kernel; without the vdpa module there are none.
_vdpa_restore_mgmtdevs() {
	vdpa-restore -q list 2>/dev/null |
		awk '/^MGMTDEV/ { on = 1; next } on { print $1 }'
}

_vdpa_restore_options() {
	case $1 in
	list) printf '%s' '--qemu-stream' ;;
	save) printf '%s' "$_vdpa_restore_sources --output -o" ;;
	check)
		printf '%s' '--vdpa --mgmtdev --for --enable-after-driver-ok' \
			' --unknown --strict-features'
		;;
	verify) printf '%s' "$_vdpa_restore_sources --rings" ;;
	provision) printf '%s' '--mgmtdev --name --for --warn --dry-run' ;;
	unprovision) printf '%s' '--name' ;;
	load)
		printf '%s' '--timeout --enable-after-driver-ok --unknown' \
			' --warn --strict-features --hold --control --timeline'
		;;
	diff) printf '%s' '--rings' ;;
	export) printf '%s' '--as' ;;
	help) printf '%s' '--list' ;;
	esac
}

# Words for the value of an option; fails where the word is no option's value.
_vdpa_restore_value() {
	case $2$1 in
	provision--warn)
		printf '%s' 'mac mtu pairs features'
		return
		;;
	provision--name) return ;;
	esac
	case $1 in
	--for) printf '%s' "$_vdpa_restore_vmms" ;;
	--mgmtdev) _vdpa_restore_mgmtdevs ;;
	--name) _vdpa_restore_names ;;
	--enable-after-driver-ok) printf '%s' 'require assume' ;;
	--all-vlans) printf '%s' 'keep unknown' ;;
	--unknown) printf '%s' 'refuse default' ;;
	--warn) printf '%s' \
		'mac rx_mode vlan mq rss hash_report offloads coalescing' ;;
	--device) _vdpa_restore_devices && printf '%s\n' pid: control: ;;
	--vdpa) _vdpa_restore_names ;;
	--netdev) _vdpa_restore_interfaces ;;
	--prefer) printf '%s' 'transcript qemu-stream qmp ch-snapshot control vdpa netdev device' ;;
	--as) printf '%s' 'qemu libvirt vdpa ethtool' ;;
	--timeout) ;;
	--control | --transcript | --qemu-stream | --qmp | --ch-snapshot | --output | -o | --timeline) printf '%s' '@files' ;;
	*) return 1 ;;
	esac
}

_vdpa_restore_fill() {
	local words=$1 current=$2
	if [[ $words == *@files* ]]; then
		words=${words//@files/}
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"
			compgen -f -- "$current")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

_vdpa_restore() {
	local current=${COMP_WORDS[COMP_CWORD]}
	local previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command words

	# bash splits at "=" and ":", so that --unknown=x is three words.
	if [[ $current == = ]]; then
		current=
	elif [[ $previous == = && $COMP_CWORD -gt 1 ]]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	command=$(_vdpa_restore_command)
	if words=$(_vdpa_restore_value "$previous" "$command"); then
		_vdpa_restore_fill "$words" "$current"
	elif [[ $current == -* ]]; then
		_vdpa_restore_fill \
			"$(_vdpa_restore_options "$command") $_vdpa_restore_globals" \
			"$current"
	elif [[ -z $command ]]; then
		_vdpa_restore_fill "$_vdpa_restore_commands" "$current"
	elif [[ $command == help ]]; then
		_vdpa_restore_fill "$_vdpa_restore_commands" "$current"
	elif [[ $command == load || $command == show || $command == plan ||
		$command == diff || $command == check || $command == verify ]]; then
		_vdpa_restore_fill "@files $(_vdpa_restore_devices)" "$current"
	elif [[ $command == transcript || $command == export ||
		$command == provision ]]; then
		_vdpa_restore_fill '@files' "$current"
	fi
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$current"
	fi
}

complete -F _vdpa_restore vdpa-restore
