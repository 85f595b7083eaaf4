#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# Channels of every kind, from the shell: made, published to, received from, looked at, measured.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
	start_daemon
}
teardown() { tessera_teardown; }

receivers() {
	[ "$("$TESSERA" --json channels | jq ".channels[] | select(.name == \"$1\").receivers")" -eq "$2" ]
}

# through KIND OPTION...: 30 messages of 16 bytes, published, received, and measured on the way.
through() {
	local kind=$1 receiver measure
	"$TESSERA" channel create "demo/$kind" --kind "$@"
	[ "$("$TESSERA" --json channels | jq -r ".channels[] | select(.name == \"$kind\").kind")" = "$kind" ]
	background "$TESSERA" recv "demo/$kind" >"$kind.out"
	receiver=$last
	until_true 10 receivers "$kind" 1
	background "$TESSERA" hz "demo/$kind" --json --interval 50ms >"$kind.hz"
	measure=$last
	until_true 10 test -s "$kind.hz"
	"$TESSERA" pub "demo/$kind" --size 16 --count 30 --rate 200
	wait "$receiver"
	measured() { [ "$(jq -s 'map(.messages) | add' "$kind.hz")" -ge 30 ]; }
	until_true 10 measured
	kill -INT "$measure"
	wait "$measure"
	jq -s '.[-1]' "$kind.hz"
	jq -es ".[-1] | .kind == \"$kind\" and .messages == 30 and (.received + .lost == 30) and (.kind == \"conflated\" or .lost == 0) and (.tapped or .gaps == 0)" "$kind.hz"
	"$TESSERA" delay "demo/$kind" -n 1 --interval 10ms
	"$TESSERA" bw "demo/$kind" -n 1 --interval 10ms
	"$TESSERA" channel rm "demo/$kind"
	ledger_balances
}

@test "each kind takes messages from the shell to the shell, and is measured" {
	for kind in buffered broadcast conflated rendezvous unlimited; do
		through $kind
		[ "$(stat --format %s $kind.out)" -eq $((16 * $(jq -s '.[-1].received' $kind.hz))) ]
	done
}

@test "a kind that the daemon does not offer is refused, and so is a wrong shape" {
	run "$TESSERA" channel create demo/odd --kind octagonal
	[ "$status" -eq 2 ]
	run "$TESSERA" channel create demo/odd --kind broadcast --on-full drop-newest
	[ "$status" -eq 1 ]
	run "$TESSERA" channel create demo/odd --on-full lap
	[ "$status" -eq 1 ]
	"$TESSERA" channel create demo/once --kind broadcast
	run "$TESSERA" pub demo/once --kind buffered hello
	[ "$status" -eq 1 ]
	[[ $output == *"exists already with other properties"* ]]
	ledger_balances
}

@test "an unlimited channel grows while nobody receives, and gives back what it grew by" {
	"$TESSERA" channel create demo/spool --kind unlimited --capacity 16
	"$TESSERA" pub demo/spool --size 16 --count 100
	segments() { "$TESSERA" --json tickets --channel spool --limit 0 | jq '[.tickets[] | select(.kind == "segment")] | length'; }
	[ "$(segments)" -eq 6 ]
	"$TESSERA" --json channels | jq -e '.channels[] | select(.name == "spool") | .depth == 100 and .sent == 100 and .capacity == 16'
	[ "$("$TESSERA" sub demo/spool --now --raw | wc -c)" -eq 1600 ]
	"$TESSERA" --json dump demo/spool | jq -e '.blocks == 6 and (.slots | length) == 15'
	"$TESSERA" dump demo/spool | grep -x $'blocks\t6'
	"$TESSERA" recv demo/spool >received
	[ "$(wc -c <received)" -eq 1600 ]
	[ "$(segments)" -eq 0 ]
	"$TESSERA" --json channels | jq -e '.channels[] | select(.name == "spool") | .depth == 0'
	"$TESSERA" pub demo/spool --size 16 --count 100
	"$TESSERA" channel rm demo/spool
	ledger_balances
	run "$TESSERA" channel create demo/large --kind unlimited --capacity 65536
	[ "$status" -eq 1 ]
	[[ $output == *"65536 slots take 2097152 bytes, expected at most the 1048576 of a block"* ]]
	run "$TESSERA" channel create demo/odd --kind unlimited --on-full drop-oldest
	[ "$status" -eq 1 ]
	[[ $output == *"knows one-sender, one-receiver, requeue"* ]]
}

@test "sub shows what goes through a broadcast, whether anybody receives or not" {
	"$TESSERA" channel create demo/news --kind broadcast --capacity 8
	background "$TESSERA" sub demo/news --raw >shown
	until_true 10 sh -c '[ "$("$TESSERA" --json clients | jq "[.clients[] | select(.role == \"observer\")] | length")" -eq 1 ]'
	for word in one two three; do
		"$TESSERA" pub demo/news $word
	done
	until_true 10 grep -q onetwothree shown
	[ "$("$TESSERA" sub demo/news --now --raw)" = onetwothree ]
}

@test "the lines of doc/channels.md that make a channel do" {
	sed -n 's/^    tessera channel create //p; s/.*`tessera \(pub demo[^`]*\)`.*/\1/p' "$TESSERA_SOURCE/doc/channels.md" >lines
	[ "$(wc -l <lines)" -ge 2 ]
	while read -r line; do
		[[ $line == pub* ]] || line="channel create $line"
		# shellcheck disable=SC2086
		"$TESSERA" $line || { echo "$line"; false; }
		"$TESSERA" channel rm "$(grep -o 'demo/[a-z]*' <<<"$line")"
	done <lines
	"$TESSERA" pub demo/frames --on-full drop-oldest --capacity 4 1 2 3 4 5 6
	[ "$("$TESSERA" sub demo/frames --now --raw)" = 3456 ]
}
