#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# The messages of a channel, seen without taking part in it.

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
	run "$TESSERA" sub demo/seen --now
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[0]} == *" 0 "*"5 bytes  first" ]]
	[[ ${lines[2]} == *" 2 "*"5 bytes  third" ]]
	[ "$("$TESSERA" sub demo/seen --now --raw)" = firstsecondthird ]
	[ "$("$TESSERA" sub demo/seen --now --raw --count 2)" = firstsecond ]
	[ "$("$TESSERA" sub demo/seen --now --raw --from newest)" = third ]
	[ "$("$TESSERA" sub demo/seen --now --raw --from 0)" = secondthird ]
	[ -z "$("$TESSERA" sub demo/seen --now --raw --from next)" ]
	[ "$("$TESSERA" recv demo/seen)" = firstsecondthird ]
	[ -z "$("$TESSERA" sub demo/seen --now)" ]
	ledger_balances
}

@test "all bytes are shown in hexadecimal" {
	printf 'ab\x00\xff%s' "$(printf 'x%.0s' {1..20})" | "$TESSERA" send demo/seen
	run "$TESSERA" sub --hex demo/seen --now
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "0, 24 bytes:" ]
	[[ ${lines[1]} == "00000000  61 62 00 ff 78 "*"ab..xxxx"* ]]
	[[ ${lines[2]} == "00000010  78 78 78 78 78 78 78 78  "*"xxxxxxxx" ]]
}

@test "what is text is shown as text, and nothing else reaches the terminal" {
	# A line end, a final 0, an umlaut; an escape, its form in 8 bits, half a character, a 0 within.
	"$TESSERA" pub demo/seen --hex "61 0a 62 0a" "68 69 00" "c3 bc" "1b 5b 6d" "c2 9b 6d" "c3" "61 00 62"
	"$TESSERA" sub demo/seen --now | cut -c27- >shown
	cat shown
	[ "$(sed -n 1p shown)" = 'a\nb' ]
	[ "$(sed -n 2p shown)" = hi ]
	[ "$(sed -n 3p shown)" = ü ]
	[[ $(sed -n 4p shown) == " 1b 5b 6d "*".[m" ]]
	[[ $(sed -n 5p shown) == " c2 9b 6d "*"..m" ]]
	[[ $(sed -n 6p shown) == " c3 "*"." ]]
	[[ $(sed -n 7p shown) == " 61 00 62 "*"a.b" ]]
	# What is long is cut between two characters.
	printf 'ü%.0s' {1..600} | "$TESSERA" pub demo/long
	"$TESSERA" sub demo/long --now >shown
	[ "$(grep -o ü shown | wc -l)" -eq 512 ]
	grep -q ' \.\.\.$' shown
}

@test "as JSON the bytes are text, hex, base64 or left out" {
	"$TESSERA" pub demo/seen "say \"hi\""
	"$TESSERA" pub demo/seen --hex "00 01 02 ff" "00 01 02" "00 01"
	"$TESSERA" sub demo/seen --now --json >all
	[ "$(wc -l <all)" -eq 4 ]
	[ "$(jq -s -c 'map([.schema, .sequence, .missed, .left_out, .length])' all)" = "[[1,0,0,0,8],[1,1,0,0,4],[1,2,0,0,3],[1,3,0,0,2]]" ]
	[ "$(jq -s -r '.[0].text' all)" = 'say "hi"' ]
	[ "$(jq -s -r '.[1].hex' all)" = 000102ff ]
	jq -es 'all(.sent_s > 0)' all
	for bytes in "0001 02ff" "000102" "0001"; do
		xxd -r -p <<<"$bytes" | base64
	done >want
	"$TESSERA" sub demo/seen --now --json --bytes base64 --from 0 | jq -r .base64 | diff - want
	[ "$("$TESSERA" sub demo/seen --now --json --bytes hex --count 1 | jq -r .hex)" = 7361792022686922 ]
	[ "$("$TESSERA" sub demo/seen --now --json --bytes text --from newest | jq .text)" = null ]
	[ "$("$TESSERA" sub demo/seen --now --json --bytes none | jq -s 'map(has("text") or has("hex") or has("base64")) | any')" = false ]
}

@test "what was received before is counted as missed" {
	messages one two
	"$TESSERA" recv demo/seen >/dev/null
	messages three
	run "$TESSERA" sub demo/seen --now --from 0
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "(1 missed)" ]
	[[ ${lines[1]} == *" 2 "*"three" ]]
}

@test "sub waits for more, asleep, and ends when the channel is removed" {
	messages one
	background "$TESSERA" sub demo/seen --from oldest --raw >followed
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

@test "interrupted, it says what there was, what it missed and what it left out" {
	messages before
	background "$TESSERA" sub demo/seen >shown 2>said
	follower=$last
	until_true 10 observers 1
	armed() { [ "$("$TESSERA" --json channels | jq '.channels[0].sleepers')" -eq 1 ]; }
	until_true 10 armed
	messages live
	until_true 10 grep -q live shown
	kill -INT "$follower"
	wait "$follower"
	[ "$(grep -c bytes shown)" -eq 1 ]
	[ "$(cat said)" = "tessera: 1 shown (4 B), 0 missed, 0 left out" ]
}

@test "--rate shows so many a second at most, the newest, and counts the others" {
	"$TESSERA" channel create demo/seen --capacity 4096
	"$TESSERA" pub demo/seen first
	background "$TESSERA" sub demo/seen --from oldest --rate 4 --json >shown 2>said
	follower=$last
	until_true 10 test -s shown
	"$TESSERA" pub demo/seen --size 8 --count 2000 --rate 2000
	last_seen() { [ "$(tail -n 1 shown | jq .sequence)" -eq 2000 ]; }
	until_true 10 last_seen
	kill -INT "$follower"
	wait "$follower"
	# One second's worth: the first, four or five of them, and the last.
	[ "$(wc -l <shown)" -le 8 ]
	[ "$(jq -s 'map(.left_out + .missed + 1) | add' shown)" -eq 2001 ]
	jq -es '.[1].left_out > 100' shown
	grep -q "[1-9][0-9]* left out" said
}

@test "it goes on looking when the daemon is gone" {
	messages one
	background "$TESSERA" pub demo/seen --count 0 --rate 50 --size 8
	publisher=$last
	background "$TESSERA" sub demo/seen --json >shown 2>said
	follower=$last
	until_true 10 test -s shown
	kill -9 "$daemon"
	until_true 10 grep -q "does not answer: looking every 20 ms" said
	before=$(wc -l <shown)
	more() { [ "$(wc -l <shown)" -gt $((before + 5)) ]; }
	until_true 10 more
	kill -INT "$follower" "$publisher"
	wait "$follower"
	[ "$(jq -s 'map(.missed) | add' shown)" -eq 0 ]
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
	[ "$("${nobody[@]}" "$TESSERA" sub demo/seen --now --raw)" = public ]
	run --separate-stderr "${nobody[@]}" "$TESSERA" recv demo/seen
	[ "$status" -eq 5 ]
	[[ $stderr == *"as an observer only"* ]]
	run --separate-stderr "${nobody[@]}" "$TESSERA" channel rm demo/seen
	[ "$status" -eq 5 ]
	[ "$("$TESSERA" recv demo/seen)" = public ]
	ledger_balances
}

@test "sub says what it can't do" {
	messages one
	for wrong in "" "demo/seen --from yesterday" "demo/seen --count 0" "demo/seen --hex --raw" "demo/seen --hex --json" \
		"demo/seen --bytes hex" "demo/seen --json --bytes octal" "demo/seen --rate 0" "demo/seen --rate 5 --now" "demo/seen more"; do
		# shellcheck disable=SC2086
		run "$TESSERA" sub $wrong
		[ "$status" -eq 2 ] || { echo "sub $wrong: $status"; false; }
	done
	run "$TESSERA" sub demo/nowhere
	[ "$status" -eq 4 ]
	[[ $output == *nowhere* ]]
	run "$TESSERA" sub demo/seen --from 7
	[ "$status" -eq 1 ]
}
