#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# Every command has its manual page, with every option, and completes in bash.

load helper

setup() { tessera_setup; }
teardown() { tessera_teardown; }

commands() {
	"$TESSERA" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

# options COMMAND: the long ones of its own.
options() {
	"$TESSERA" "$1" --help | grep -oE -- '--[a-z][a-z-]*' | sort -u | grep -vxE -- '--(color|json|realm|socket|help|usage|version)'
}

# complete_words WORD...: what follows the last one in bash.
complete_words() {
	bash -c '
		source "$TESSERA_SOURCE/apps/completion/tessera.bash"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		compopt() { :; }
		_tessera
		printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

@test "every command has a page, and every option of it stands there" {
	[ "$(commands | wc -l)" -ge 11 ]
	for command in $(commands); do
		page=$TESSERA_SOURCE/doc/man/tessera-$command.1.scd
		grep -q "^tessera-$command(1)" "$page"
		grep -q "tessera-$command" "$TESSERA_SOURCE/doc/man/tessera.1.scd"
		for option in $(options "$command" || true); do
			grep -q -- "\*$option\*" "$page" || { echo "$page lacks $option"; false; }
		done
	done
}

@test "the pages are well formed" {
	command -v scdoc >/dev/null || skip "scdoc is not installed"
	command -v mandoc >/dev/null || skip "mandoc is not installed"
	for page in "$TESSERA_SOURCE"/doc/man/tessera.1.scd "$TESSERA_SOURCE"/doc/man/tessera-*.1.scd; do
		scdoc <"$page" >"$BATS_TEST_TMPDIR/page"
		# scdoc begins each paragraph with one, needed or not.
		mandoc -T lint -W warning "$BATS_TEST_TMPDIR/page" >"$BATS_TEST_TMPDIR/lint" || true
		run grep -v 'skipping paragraph macro: PP' "$BATS_TEST_TMPDIR/lint"
		echo "$page: $output"
		[ "$status" -eq 1 ]
	done
}

@test "completion knows the commands and their options" {
	[ "$(complete_words "$TESSERA" "" | sort)" = "$(commands | sort)" ]
	[ "$(complete_words "$TESSERA" do)" = doctor ]
	complete_words "$TESSERA" demo --k | grep -qx -- --keep
	complete_words "$TESSERA" --js | grep -qx -- --json
	[ "$(complete_words "$TESSERA" --color a | sort | tr '\n' ' ')" = "always auto " ]
	[ "$(complete_words "$TESSERA" channel c)" = create ]
}

@test "completion knows the channels and realms that are there" {
	[ -z "$(complete_words "$TESSERA" recv "")" ]
	start_daemon
	"$TESSERA" channel create demo/alpha
	"$TESSERA" channel create demo/beta
	[ "$(complete_words "$TESSERA" recv "" | sort | tr '\n' ' ')" = "demo/alpha demo/beta " ]
	[ "$(complete_words "$TESSERA" send demo/a)" = demo/alpha ]
	[ "$(complete_words "$TESSERA" channel rm demo/b)" = demo/beta ]
	[ "$(complete_words "$TESSERA" --realm "")" = demo ]
}
