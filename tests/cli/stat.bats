#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# tessera stat: what moves.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
}
teardown() { tessera_teardown; }

# feed CHANNEL: a sender of small messages that goes on living, for its pipe stays open.
feed() {
	mkfifo pipe
	exec 7<>pipe
	background "$TESSERA" send "$1" --block-size 64 <pipe
	head -c 60000 /dev/zero >&7
}

@test "every message is counted once, also of ends that come and go between two lines" {
	start_daemon
	"$TESSERA" channel create demo/counted
	background "$TESSERA" stat --json --interval 50ms >lines
	stat=$last
	until_true 5 test -s lines
	for _ in 1 2 3 4 5; do
		"$TESSERA" recv demo/counted >received &
		head -c 300000 /dev/zero | "$TESSERA" send demo/counted --block-size 1000
		wait $!
		[ "$(stat --format %s received)" -eq 300000 ]
	done
	last_line() { [ "$(tail -n 1 lines | jq .sent)" -eq 0 ]; }
	sleep 0.2
	until_true 5 last_line
	kill -INT "$stat"
	wait "$stat"
	sent=$(jq -s 'map(.sent) | add' lines)
	[ "$sent" -ge 1500 ]
	[ "$sent" -eq "$(jq -s 'map(.received) | add' lines)" ]
	[ "$(jq -s 'map(.sent_bytes) | add' lines)" -ge 1500000 ]
	[ "$(jq -s 'map(.sent_bytes) | add' lines)" -eq "$(jq -s 'map(.received_bytes) | add' lines)" ]
}

@test "the time that messages were under way is told, with how many it stands for" {
	start_daemon
	background "$TESSERA" recv demo/timed >/dev/null
	until_true 5 sh -c "\"$TESSERA\" --json channels | jq -e '.channels[0].receivers == 1'"
	background "$TESSERA" stat demo/timed --json --interval 50ms >lines
	until_true 5 test -s lines
	feed demo/timed
	timed() { jq -es 'map(select(.stamped >= 10)) | length > 0 and all(.latency_p50_ns > 0 and .latency_p50_ns <= .latency_p99_ns)' lines; }
	until_true 10 timed
}

# sum FILE: in all lines together, 2 of at least 100 messages are left and all others were lost.
sum() {
	jq -es '(map(.sent) | add) as $sent | (map(.lost) | add) as $lost | $sent > 100 and $sent - $lost == 2 and .[-1].depth == 2' "$1"
}

@test "a sender that finds the channel full is shown as blocked, while it is" {
	start_daemon
	"$TESSERA" channel create --capacity 2 demo/full
	feed demo/full
	blocked() { "$TESSERA" stat demo/full --json --interval 50ms -n 1 | jq -e '.senders_blocked == 1 and .senders_blocked_ns > 40000000 and .depth == 2'; }
	until_true 10 blocked
	run "$TESSERA" stat demo/full --interval 50ms -n 2
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[0]} == *BLOCKED* ]]
}

@test "what a channel drops is counted as lost, and its sender ends without a receiver" {
	start_daemon
	for full in drop-oldest drop-newest; do
		"$TESSERA" channel create --capacity 2 --on-full "$full" "demo/$full"
		background "$TESSERA" stat "demo/$full" --json --interval 50ms >"$full"
		until_true 5 test -s "$full"
		head -c 400000 /dev/zero | "$TESSERA" send "demo/$full" --block-size 1000
		until_true 5 sum "$full"
	done
	run "$TESSERA" stat demo/drop-oldest --interval 50ms -n 1
	[[ ${lines[0]} == *LOST* ]]
	run -1 "$TESSERA" channel create --on-full evict demo/evict
	[[ $output == *"evict was asked for, a buffered one knows"* ]]
}

@test "an end too many works, and is not counted" {
	start_daemon --set realms.demo.ends=0
	background "$TESSERA" stat --json --interval 20ms -n 20 >lines
	stat=$last
	until_true 5 test -s lines
	"$TESSERA" recv demo/uncounted >received &
	head -c 30000 /dev/zero | "$TESSERA" send demo/uncounted
	wait $!
	[ "$(stat --format %s received)" -eq 30000 ]
	wait "$stat"
	[ "$(jq -s 'map(.sent) | add' lines)" -eq 0 ]
}

@test "what is not there is said" {
	run "$TESSERA" stat
	[ "$status" -eq 3 ]
	start_daemon
	run "$TESSERA" stat demo/nix -n 1 --interval 10ms
	[ "$status" -eq 4 ]
	[[ $output == *"no channel 'demo/nix'"* ]]
	run "$TESSERA" stat --interval 1ms
	[ "$status" -eq 2 ]
	run "$TESSERA" --realm nix stat -n 1
	[ "$status" -eq 4 ]
}
