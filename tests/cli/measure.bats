#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# tessera hz, bw, delay: how often, how much, how late.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
}
teardown() { tessera_teardown; }

# publish RATE ARGUMENT...: a publisher on demo/beat until the test ends, and somebody who receives.
publish() {
	start_daemon
	"$TESSERA" channel create demo/beat
	background "$TESSERA" recv demo/beat >received
	receiver=$last
	background "$TESSERA" pub demo/beat --count 0 --rate "$@"
	publisher=$last
	until_true 5 test -s received
}

# Of the last object, the summary: is this true?
summary() {
	tail -n 1 said | jq -e "$1" || { cat said; false; }
}

@test "hz counts every message, and measures the gaps by their stamps, received as they are" {
	publish 100 --size 32
	"$TESSERA" hz demo/beat --json --interval 500ms -n 3 >said
	[ "$(wc -l <said)" -eq 4 ]
	summary '.summary == true and .schema == 1 and .kind == "buffered" and .tapped'
	jq -es 'map(.summary) == [false, false, false, true]' said
	# The machine may be busy; the publisher catches up.
	summary '.rate > 60 and .rate < 140'
	summary '.gaps_by == "stamp" and .gap_messages == 1 and (.gaps - .messages | fabs) < 30'
	summary '.gap_mean_ns > 6000000 and .gap_mean_ns < 15000000'
	summary '.gap_min_ns <= .gap_mean_ns and .gap_mean_ns <= .gap_max_ns and .gap_deviation_ns < .gap_max_ns'
	# What is sent within is in exactly one line.
	jq -es '(map(select(.summary | not).messages) | add) == .[-1].messages' said
}

@test "gaps that the stamps don't tell are seen by looking" {
	start_daemon
	mkfifo pipe
	exec 7<>pipe
	"$TESSERA" channel create demo/rare
	background "$TESSERA" recv demo/rare >/dev/null
	background "$TESSERA" send demo/rare <pipe
	background "$TESSERA" hz demo/rare --json --interval 100ms >said
	measure=$last
	until_true 5 test -s said
	for _ in $(seq 20); do
		echo tick >&7
		sleep 0.05
	done
	kill -INT "$measure"
	wait "$measure"
	exec 7>&-
	# One message in 64 is stamped: of 20 that is none, or one.
	summary '.messages == 20 and .gaps_by == "look" and .gap_messages == 1 and .gaps == 19'
	summary '.gap_min_ns > 40000000 and .gap_mean_ns < 500000000'
}

@test "bw counts all bytes, and knows the smallest and the largest message" {
	start_daemon
	background "$TESSERA" recv demo/beat >received
	until_true 5 "$TESSERA" stat demo/beat -n 1 --interval 10ms
	background "$TESSERA" bw demo/beat --json --interval 100ms >said
	measure=$last
	until_true 5 test -s said
	"$TESSERA" pub demo/beat --size 100 --count 50
	"$TESSERA" pub demo/beat --size 4K
	"$TESSERA" pub demo/beat --size 7
	caught() { [ "$(jq -s 'map(.messages) | add' said)" -ge 52 ]; }
	until_true 5 caught
	kill -INT "$measure"
	wait "$measure"
	summary '.messages == 52 and .looked == 52 and .missed == 0'
	summary '.size_min == 7 and .size_max == 4096 and .size_mean == (50 * 100 + 4096 + 7) / 52 - (50 * 100 + 4096 + 7) % 52 / 52'
	summary '(.bytes_rate * .seconds - 9103 | fabs) < 100'
}

@test "delay tells of what is received, and how much of it was stamped" {
	publish 500 --size 8
	"$TESSERA" delay demo/beat --json --interval 200ms -n 3 >said
	summary '.ages_of == "received" and .stamped > 100 and .stamped == .of'
	summary '.min_ns > 0 and .min_ns <= .p50_ns and .p50_ns <= .p99_ns and .p99_ns <= .max_ns and .max_ns < 5000000000'
}

@test "delay tells of what lies there, where nothing is received" {
	start_daemon
	"$TESSERA" pub demo/old one two three
	sleep 0.3
	"$TESSERA" delay demo/old --json --interval 50ms -n 1 >said
	summary '.ages_of == "lying" and .stamped == 3 and .of == 3 and .min_ns > 250000000'
	[ "$("$TESSERA" recv demo/old)" = onetwothree ]
}

@test "what a channel drops is sent, and counted as lost" {
	start_daemon
	"$TESSERA" channel create demo/few --capacity 2 --on-full drop-oldest
	background "$TESSERA" bw demo/few --json --interval 100ms >said
	measure=$last
	until_true 5 test -s said
	"$TESSERA" pub demo/few --size 10 --count 30
	caught() { [ "$(jq -s 'map(.messages) | add' said)" -ge 30 ]; }
	until_true 5 caught
	kill -INT "$measure"
	wait "$measure"
	summary '.messages == 30 and .lost == 28 and .received == 0'
}

@test "a window is longer than the interval, and the summary is of all" {
	publish 200 --size 8
	"$TESSERA" hz demo/beat --json --interval 100ms --window 300ms -n 5 >said
	# The window is not full before the third line; the second and the last one make up all.
	jq -es '(.[1].seconds + .[4].seconds - .[5].seconds | fabs) < 0.001' said
	jq -es '.[1].messages + .[4].messages == .[5].messages and .[4].messages > .[0].messages' said
}

@test "for people there is a head, a line each, and a summary; for a pipe, tabs and keys" {
	publish 100 --size 8
	run "$TESSERA" hz demo/beat --interval 50ms -n 2
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == rate$'\t'gap_mean_ns$'\t'* ]]
	[[ ${lines[1]} == *$'\t'stamp$'\t'0 ]]
	[[ ${lines[3]} == "in 0."*" s:" ]]
	script -qec "'$TESSERA' bw demo/beat --interval 50ms -n 1" /dev/null >seen
	grep -q "BYTES/S.*MESSAGES/S.*LOOKED AT" seen
	grep -Eq "[0-9] B .*8 B" seen
}

@test "it goes on when the daemon is stopped, and ends at once with a summary" {
	publish 200 --size 8
	background "$TESSERA" hz demo/beat --json --interval 100ms >said
	measure=$last
	until_true 5 test -s said
	kill -STOP "$daemon"
	before=$(wc -l <said)
	more() { [ "$(wc -l <said)" -gt $((before + 5)) ]; }
	until_true 5 more
	kill -INT "$measure"
	# Far less than the daemon is given to answer.
	until_true 2 sh -c "! kill -0 $measure"
	kill -CONT "$daemon"
	wait "$measure"
	summary '.summary and .rate > 50'
	jq -es '.[-4:-1] | map(.messages) | add > 10' said
}

@test "what is not there is said" {
	run "$TESSERA" hz demo/beat
	[ "$status" -eq 3 ]
	start_daemon
	for command in hz bw delay; do
		run "$TESSERA" $command demo/nix -n 1
		[ "$status" -eq 4 ]
		[[ $output == *"no channel 'demo/nix'"* ]]
		for wrong in "" "demo/a demo/b" "demo/a --interval 1ms" "demo/a --count 0" "demo/a --window x" "demo/a --window 1h"; do
			# shellcheck disable=SC2086
			run "$TESSERA" $command $wrong
			[ "$status" -eq 2 ] || { echo "$command $wrong: $status"; false; }
		done
	done
	"$TESSERA" channel create demo/gone
	background "$TESSERA" bw demo/gone --interval 50ms >said
	measure=$last
	until_true 5 test -s said
	"$TESSERA" channel rm demo/gone
	code=0
	wait "$measure" || code=$?
	[ "$code" -eq 4 ]
	grep -q "^in " said
}
