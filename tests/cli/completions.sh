#!/bin/sh
# SPDX-License-Identifier: MIT
# Asks bash, zsh and fish what they offer and compares that with help --list.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

completions=$tests/../completions
manual=$tests/../docs/vdpa-restore.8
run help --list
cp "$work/out" "$work/list"
export HOME="$work" XDG_CONFIG_HOME="$work" XDG_DATA_HOME="$work" \
	XDG_CACHE_HOME="$work"

# What help --list has: commands, options of a command ("" for none), choices.
commands() {
	awk -F '\t' '$1 == "command" { print $2 }' "$work/list" | sort
}

options() {
	awk -F '\t' -v command="$1" '$1 == "option" &&
		($2 == "*" || $2 == command) {
			print $3
			if ($4 != "")
				print $4
		}' "$work/list" | sort -u
}

choices() {
	awk -F '\t' -v command="$1" -v option="$2" '$1 == "option" &&
		$2 == command && $3 == option { print $6 }' "$work/list" |
		tr '|' '\n' | sort
}

# What a shell offers at the end of a line, one word a line.
ask_bash() {
	bash --norc -c '
		source "$1/vdpa-restore.bash"
		IFS=" " read -r -a COMP_WORDS <<<"${2//=/ = }"
		[[ $2 == *[\ =] ]] && COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_vdpa_restore 2>/dev/null
		printf "%s\n" "${COMPREPLY[@]}"' - "$completions" "$1"
}

# zsh completes only at a terminal, so it gets one, and a widget that asks.
ask_zsh() {
	rm -f "$work/offered" "$work/done"
	cat >"$work/setup.zsh" <<'ZSH'
fpath=($COMPLETIONS $fpath)
autoload -Uz compinit
compinit -u -D
zstyle ':completion:*' verbose no
setopt no_list_beep
compadd() {
	local -a offered
	if [[ " $argv[1,${argv[(i)(-|--)]}] " == *' -'[OAD]' '* ]]; then
		builtin compadd "$@"
		return
	fi
	builtin compadd -A offered "$@"
	print -rl -- $offered >>$WORK/offered
	builtin compadd "$@"
}
ask() {
	BUFFER=$LINE_ASKED
	CURSOR=$#BUFFER
	zle list-choices
	: >$WORK/done
}
zle -N ask
bindkey '^T' ask
: >$WORK/ready
ZSH
	rm -f "$work/ready"
	COMPLETIONS=$completions WORK=$work LINE_ASKED=$1 zsh -f -c '
		zmodload zsh/zpty
		zpty shell zsh -f -i
		zpty -w shell "source $WORK/setup.zsh"
		for i in {1..100}; do
			[[ -e $WORK/ready ]] && break
			sleep 0.05
		done
		zpty -w -n shell $'\''\x14'\''
		for i in {1..100}; do
			[[ -e $WORK/done ]] && break
			sleep 0.05
		done
		zpty -d shell' >/dev/null 2>&1
	[ ! -e "$work/offered" ] || sed 's/=$//; /^$/d' "$work/offered"
}

ask_fish() {
	# shellcheck disable=SC2016 # for fish to expand
	fish --no-config -c '
		source $argv[1]/vdpa-restore.fish
		complete -C $argv[2] | string replace -r "\t.*" ""' \
		"$completions" "$1"
}

# same NAME SHELL LINE: does the shell offer at LINE what standard input has?
same() {
	cat >"$work/want"
	case $2 in
	bash) ask_bash "$3" ;;
	zsh) ask_zsh "$3" ;;
	fish) ask_fish "$3" ;;
	esac | sed 's/^--[a-z-]*=\(.\)/\1/' | sort -u >"$work/got"
	if diff "$work/want" "$work/got" >"$work/out"; then
		ok "$1"
	else
		: >"$work/err"
		not_ok "$1" "$2: $3"
	fi
}

# The manual has every command and option.
missing=
for word in $(commands); do
	grep -q "^\\.It Cm $word" "$manual" || missing="$missing $word"
done
for command in $(commands); do
	for word in $(options "$command"); do
		grep -Eq "^\\.It .*Fl ${word#-}( |\$)" "$manual" ||
			missing="$missing $command:$word"
	done
done
[ -z "$missing" ]
judge manual_has_every_option "missing:$missing"

for shell in bash zsh fish; do
	if ! command -v "$shell" >/dev/null; then
		skip "${shell}_offers_the_same" "no $shell here"
		continue
	fi
	commands | same "${shell}_offers_the_commands" "$shell" 'vdpa-restore '
	options '' | same "${shell}_offers_the_global_options" "$shell" \
		'vdpa-restore -'
	for command in $(commands); do
		options "$command" | same "${shell}_offers_options_of_$command" \
			"$shell" "vdpa-restore $command -"
	done
	for option in --unknown --enable-after-driver-ok; do
		choices load "$option" |
			same "${shell}_offers_choices_of_$option" "$shell" \
				"vdpa-restore load $option="
	done
done
finish
