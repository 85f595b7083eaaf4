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
	until_true 10 says ".verdict == \"receiver 'tessera recv' holds it back: its process $receiver is stopped\" and .depth == 2"
	says ".ends | map(select(.end == \"receiver\")) | length == 1 and .[0].pid == $receiver and .[0].process == \"stopped\""
	says ".ends | map(select(.end == \"sender\")) | .[0].pid == $sender and .[0].blocked"
	says '.ends | all(.spin_ns >= 0 and .spin_ns <= 20000)'
	kill -CONT "$receiver"
	until_true 10 says '.depth == 0 and .held_back_by == "senders"'
	# The sender waits for its pipe, which is not a wait for the channel.
	says ".verdict == \"sender 'tessera send' holds it back: its process $sender is asleep, and does not wait here\""
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

# burst CAPACITY: a channel with so many slots, a receiver that takes its time, 600 messages at once. What
# "tessera why" says of it is in $report.
burst() {
	"$TESSERA" channel create --capacity "$1" demo/it
	background /usr/bin/python3 "$BATS_TEST_DIRNAME/slow.py" "$TESSERA_BUILD/shm/libtessera.so" it 0.0005
	receiver=$last
	until_true 5 sh -c "\"$TESSERA\" --json channels | jq -e '.channels[0].receivers == 1'"
	background "$TESSERA" why demo/it --json -i 3s >report
	watcher=$last
	until_true 5 sh -c "\"$TESSERA\" --json clients | jq -e '.clients[] | select(.role == \"observer\")'"
	head -c 38400 /dev/zero | "$TESSERA" send demo/it --block-size 64
	wait "$receiver"
	wait "$watcher"
	report=$(<report)
	echo "$report"
	"$TESSERA" channel rm demo/it
}

@test "a channel of the capacity that is advised takes the same burst without blocking" {
	start_daemon
	burst 8
	output=$report
	[ "$(value '.depth_peak <= 8 and .depth_peak >= 7')" = true ]
	[ "$(value '.taken_per_s < .offered_per_s')" = true ]
	# The receiver took some of the 600 while the sender sent at its own pace.
	[ "$(value '.capacity_needed > 256 and .capacity_needed <= 600')" = true ]
	advised=$(value .capacity_advised)
	[ "$(value .verdict)" = "its receivers held it back, and have closed" ]
	[[ $(value .advice) == "a capacity of"*"would have absorbed it"* ]]
	[ "$advised" -ge "$(value .capacity_needed)" ]
	[ "$advised" -lt $((2 * $(value .capacity_needed))) ]
	burst "$advised"
	output=$report
	[ "$(value '.advice == null and .capacity_advised == null and .offered_per_s == null')" = true ]
	[ "$(value '.ends | length')" -eq 0 ]
	[ "$(value '.depth_peak > 8')" = true ]
}

@test "of a receiver that is always slower no capacity is advised, and both rates are told" {
	start_daemon
	"$TESSERA" channel create --capacity 8 demo/it
	background /usr/bin/python3 "$BATS_TEST_DIRNAME/slow.py" "$TESSERA_BUILD/shm/libtessera.so" it 0.002
	until_true 5 sh -c "\"$TESSERA\" --json channels | jq -e '.channels[0].receivers == 1'"
	feed demo/it
	background cp /dev/zero pipe
	until_true 10 says '.depth >= 7'
	says '.advice | test("^no capacity would absorb it: senders that aren.t blocked offer [0-9,]+ a second, receivers take [0-9,]+$")'
	says '.capacity_needed == null and .capacity_advised == null and .offered_per_s > 2 * .taken_per_s and .taken_per_s > 0'
	run "$TESSERA" why demo/it -i 200ms
	[[ ${lines[1]} == "no capacity would absorb it: "* ]]
}

@test "ends that don't count are told" {
	start_daemon --set realms.demo.ends=0
	"$TESSERA" channel create --capacity 2 demo/it
	feed demo/it
	until_true 10 says '.uncounted == 1 and .ends == [] and .verdict == "nobody receives"'
	says '.advice == null'
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
