#!/bin/bash
# The documents name functions and files: each must be there.
set -u
# shellcheck source=tests/project/lib.sh
. "$(dirname "$0")/lib.sh"
header=include/vdpa-restore.h
pages=(README.md CHANGELOG.md docs/*.md docs/*.rst docs/*.[1-9] tests/lab/README.md)

names() {
	grep -ohE '\b(vdpr|VDPR)_[A-Za-z0-9_]+' "$@" | sort -u
}

# A name that ends in "_" stands for all that begin with it (vdpr_shadow_*).
names_are_the_headers() {
	local left
	names "$header" >"$root/header"
	left=$(names "${pages[@]}" | grep -vxFf "$root/header" |
		while read -r name; do
			[[ $name = *_ ]] && grep -q "^$name" "$root/header" || echo "$name"
		done)
	echo "$left"
	[ "$(names "${pages[@]}" | wc -l)" -gt 100 ] && [ -z "$left" ]
}

functions_are_functions() {
	local left
	grep -oE '\bvdpr_[a-z0-9_]+\(' "$header" | sort -u >"$root/declared"
	left=$(grep -ohE '\bvdpr_[a-z0-9_]+\(' README.md docs/*.md docs/*.rst |
		sort -u | grep -vxFf "$root/declared")
	echo "$left"
	[ -z "$left" ]
}

# Between SYNOPSIS and DESCRIPTION, as the header declares it.
synopsis_is_the_header() {
	local left
	sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' docs/vdpa-restore.3 |
		sed -nE 's/^\.Fn (vdpr_[a-z0-9_]+) (.*)$/\1(\2)/p' |
		sed 's/" "/, /g; s/"//g' | sort >"$root/shown"
	grep -v '^#' "$header" | tr '\n\t' '  ' | grep -oE 'VDPR_API [^;]*;' | tr -s ' ' |
		sed -E 's/^[^(]*[ *](vdpr_[a-z0-9_]+\([^)]*\)).*$/\1/' |
		sort >"$root/declared"
	left=$(diff "$root/declared" "$root/shown")
	echo "$left"
	[ "$(wc -l <"$root/declared")" -gt 80 ] && [ -z "$left" ]
}

# [text](target) of files here; a heading within one is not looked at.
links_lead_somewhere() {
	local page target bad=0
	for page in README.md docs/*.md tests/lab/README.md; do
		while read -r target; do
			[ -e "$(dirname "$page")/${target%%#*}" ] && continue
			echo "$page: $target"
			bad=1
		done < <(grep -oE '\]\([^) ]+\)' "$page" | sed -E 's/^\]\((.*)\)$/\1/' |
			grep -vE '^(https?:|#|mailto:)')
	done
	return "$bad"
}

# The one that does not look, and those that are given no pointer.
null_is_tried() {
	local left
	left=$(grep -oE '^\s+vdpr_[a-z0-9_]+' restore/libvdpa-restore.map | tr -d '\t' |
		grep -vxE 'vdpr_(shadow_process|version|feature_name|command_(name|section))' |
		while read -r name; do
			grep -q "$name([^;]*NULL" <(tr '\n' ' ' <tests/test-null.c |
				sed 's/;/;\n/g') || echo "$name"
		done)
	echo "$left"
	[ -z "$left" ]
}

check 'names of ours in the documents are in the header' names_are_the_headers
check 'and what is called there is a function' functions_are_functions
check 'the manual has each function as the header has it' synopsis_is_the_header
check 'links lead to files that are there' links_lead_somewhere
check 'NULL is tried with each function that takes a pointer' null_is_tried
echo "1..$n"
