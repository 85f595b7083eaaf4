#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# Looking at a channel without taking part in it.

load helper

setup() {
	tessera_setup
	start_daemon
	cd "$BATS_TEST_TMPDIR"
}
teardown() { tessera_teardown; }

# Messages of one line each.
messages() {
	local word
	for word in "$@"; do
		printf '%s' "$word" | "$TESSERA" send demo/seen
	done
}

observers() {
	[ "$("$TESSERA" --json clients | jq '[.clients[] | select(.role == "observer")] | length')" = "$1" ]
}

@test "what lies in a channel is shown, and is still there afterwards" {
	messages first second third
	run "$TESSERA" peek demo/seen
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[0]} == *" 0 "*"5 bytes  first" ]]
	[[ ${lines[2]} == *" 2 "*"5 bytes  third" ]]
	[ "$("$TESSERA" peek demo/seen --raw)" = firstsecondthird ]
	[ "$("$TESSERA" peek demo/seen --raw --count 2)" = firstsecond ]
	[ "$("$TESSERA" peek demo/seen --raw --from newest)" = third ]
	[ "$("$TESSERA" peek demo/seen --raw --from 0)" = secondthird ]
	[ -z "$("$TESSERA" peek demo/seen --raw --from next)" ]
	[ "$("$TESSERA" recv demo/seen)" = firstsecondthird ]
	[ -z "$("$TESSERA" peek demo/seen)" ]
	ledger_balances
}

@test "all bytes are shown in hexadecimal and as JSON" {
	printf 'ab\x00\xff%s' "$(printf 'x%.0s' {1..20})" | "$TESSERA" send demo/seen
	run "$TESSERA" peek --hex demo/seen
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "0, 24 bytes:" ]
	[[ ${lines[1]} == "00000000  61 62 00 ff 78 "*"ab..xxxx"* ]]
	[[ ${lines[2]} == "00000010  78 78 78 78 78 78 78 78  "*"xxxxxxxx" ]]
	messages more
	run --separate-stderr "$TESSERA" peek --json demo/seen
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 2 ]
	[ "$(jq -s '.[0].length, .[1].sequence, .[1].missed' <<<"$output" | tr '\n' ' ')" = "24 1 0 " ]
	[ "$(jq -r -s '.[1].hex' <<<"$output")" = 6d6f7265 ]
	[ "$(jq -s '.[0].schema' <<<"$output")" = 1 ]
}

@test "what was received before is counted as missed" {
	messages one two
	"$TESSERA" recv demo/seen >/dev/null
	messages three
	run "$TESSERA" peek demo/seen --from 0
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "(1 missed)" ]
	[[ ${lines[1]} == *" 2 "*"three" ]]
}

@test "peek waits for more, asleep, and ends when the channel is removed" {
	messages one
	background "$TESSERA" peek demo/seen --follow --raw >followed
	follower=$last
	until_true 10 grep -q one followed
	until_true 10 observers 1
	messages two
	until_true 10 grep -q onetwo followed
	# Nothing happens: it uses no time.
	before=$(cut -d' ' -f14,15 "/proc/$follower/stat")
	sleep 0.3
	[ "$(cut -d' ' -f14,15 "/proc/$follower/stat")" = "$before" ]
	# It holds nobody up, and is nobody's receiver.
	[ "$("$TESSERA" recv demo/seen)" = onetwo ]
	"$TESSERA" channel rm demo/seen
	gone=0
	wait "$follower" || gone=$?
	[ "$gone" -eq 4 ]
	until_true 10 observers 0
	ledger_balances
}

@test "who may only look looks, and is refused everything else" {
	[ "$(id -u)" -eq 0 ] || skip "only root can be somebody else"
	nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	chmod 711 "$TESSERA_RUNTIME_DIR" "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_RUN_TMPDIR" \
		"${BATS_TEST_TMPDIR%/*}"
	"${nobody[@]}" test -x "$TESSERA" || skip "nobody can't reach the build folder"
	kill "$daemon"
	wait "$daemon" || true
	start_daemon --set realms.demo.mode=0664 --set socket_mode=0666
	messages public
	[ "$("${nobody[@]}" "$TESSERA" peek demo/seen --raw)" = public ]
	run --separate-stderr "${nobody[@]}" "$TESSERA" recv demo/seen
	[ "$status" -eq 5 ]
	[[ $stderr == *"as an observer only"* ]]
	run --separate-stderr "${nobody[@]}" "$TESSERA" channel rm demo/seen
	[ "$status" -eq 5 ]
	[ "$("$TESSERA" recv demo/seen)" = public ]
	ledger_balances
}

@test "peek says what it can't do" {
	run "$TESSERA" peek
	[ "$status" -eq 2 ]
	run "$TESSERA" peek demo/seen --from yesterday
	[ "$status" -eq 2 ]
	run "$TESSERA" peek demo/seen --count 0
	[ "$status" -eq 2 ]
	run "$TESSERA" peek demo/seen --hex --raw
	[ "$status" -eq 2 ]
	run "$TESSERA" peek demo/seen --hex --json
	[ "$status" -eq 2 ]
	run "$TESSERA" peek demo/nowhere
	[ "$status" -eq 4 ]
	[[ $output == *nowhere* ]]
	messages one
	run "$TESSERA" peek demo/seen --from 7
	[ "$status" -ne 0 ]
}
