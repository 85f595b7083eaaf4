#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# tessera why: who holds a channel back.

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
	sender=$last
	head -c 60000 /dev/zero >&7
}

# says FILTER: of the report on demo/it.
says() { "$TESSERA" why demo/it --json -i 50ms | jq -e "$1"; }

@test "nobody receives, nobody sends" {
	start_daemon
	"$TESSERA" channel create --capacity 2 demo/it
	until_true 5 says '.verdict == "nobody sends" and .held_back_by == "senders"'
	feed demo/it
	until_true 10 says '.verdict == "nobody receives" and .held_back_by == "receivers" and .depth == 2 and .blocked_percent > 90'
	run "$TESSERA" why demo/it -i 50ms
	[ "$status" -eq 0 ]
	[[ $output == "demo/it: nobody receives"*END*sender* ]]
}

@test "a receiver that is stopped is named, and one that goes on is not" {
	start_daemon
	"$TESSERA" channel create --capacity 2 demo/it
	background "$TESSERA" recv demo/it >received
	receiver=$last
	until_true 5 sh -c "\"$TESSERA\" --json channels | jq -e '.channels[0].receivers == 1'"
	kill -STOP "$receiver"
	feed demo/it
	until_true 10 says ".verdict == \"receiver 'tessera' holds it back: its process $receiver is stopped\" and .depth == 2"
	says ".ends | map(select(.end == \"receiver\")) | length == 1 and .[0].pid == $receiver and .[0].process == \"stopped\""
	says ".ends | map(select(.end == \"sender\")) | .[0].pid == $sender and .[0].blocked"
	kill -CONT "$receiver"
	until_true 10 says '.depth == 0 and .held_back_by == "senders"'
	# The sender waits for its pipe, which is not a wait for the channel.
	says ".verdict == \"sender 'tessera' holds it back: its process $sender is asleep, and does not wait here\""
}

@test "a channel that flows is not held back" {
	start_daemon
	"$TESSERA" channel create --capacity 1024 demo/it
	background "$TESSERA" recv demo/it >/dev/null
	until_true 5 sh -c "\"$TESSERA\" --json channels | jq -e '.channels[0].receivers == 1'"
	trickle() { while head -c 64 /dev/zero; do sleep 0.01; done | "$TESSERA" send demo/it --block-size 64; }
	background trickle
	until_true 10 says '.verdict == "nothing holds it back" and .held_back_by == null and .received_per_s > 0'
}

@test "ends that don't count are told" {
	start_daemon --set realms.demo.ends=0
	"$TESSERA" channel create --capacity 2 demo/it
	feed demo/it
	until_true 10 says '.uncounted == 1 and .ends == [] and .verdict == "nobody receives"'
}

@test "what is not there is said" {
	run "$TESSERA" why demo/it
	[ "$status" -eq 3 ]
	start_daemon
	run "$TESSERA" why demo/it -i 10ms
	[ "$status" -eq 4 ]
	[[ $output == *"no channel 'demo/it'"* ]]
	run "$TESSERA" why
	[ "$status" -eq 2 ]
}
