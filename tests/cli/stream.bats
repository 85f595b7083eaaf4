#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# Standard input to standard output, through a channel.

load helper

setup() {
	tessera_setup
	start_daemon
	cd "$BATS_TEST_TMPDIR"
}
teardown() { tessera_teardown; }

ends() {
	"$TESSERA" --json channels | jq -e --arg name "$1" ".channels[] | select(.name == \$name) | $2"
}

@test "a folder goes from shell to shell as it is" {
	tar c -C "$TESSERA_SOURCE" shm core apps >source.tar
	background "$TESSERA" recv demo/files >received.tar
	receiver=$last
	tar c -C "$TESSERA_SOURCE" shm core apps | "$TESSERA" send demo/files
	wait "$receiver"
	[ "$(sha256sum <received.tar)" = "$(sha256sum <source.tar)" ]
	[ "$(tar tf received.tar | wc -l)" -gt 20 ]
	ledger_balances
}

@test "64 MiB arrive whole, in blocks small and large" {
	head -c 64M /dev/urandom >input
	for size in 300 4K 64K 1M; do
		background "$TESSERA" recv demo/blocks >output
		receiver=$last
		"$TESSERA" send demo/blocks --block-size $size <input
		wait "$receiver"
		cmp input output
	done
	ledger_balances
}

@test "what was sent before the receiver came is received, and an empty stream ends too" {
	echo early | "$TESSERA" send demo/early
	[ "$("$TESSERA" recv demo/early)" = early ]
	"$TESSERA" send demo/early </dev/null
	[ -z "$("$TESSERA" recv demo/early)" ]
	ledger_balances
}

@test "a receiver waits for its sender, and for the next one" {
	for word in first second; do
		background "$TESSERA" recv demo/wait >output
		receiver=$last
		until_true 10 ends wait '.receivers == 1'
		echo $word | "$TESSERA" send demo/wait
		wait "$receiver"
		[ "$(cat output)" = $word ]
	done
}

@test "two senders are one stream, which ends with the second" {
	background "$TESSERA" recv demo/two >output
	receiver=$last
	mkfifo held
	exec 7<>held
	background "$TESSERA" send demo/two <held
	until_true 10 ends two '.senders == 1'
	echo one | "$TESSERA" send demo/two
	until_true 10 grep -q one output
	kill -0 "$receiver"
	echo two >&7
	exec 7>&-
	wait "$receiver"
	[ "$(cat output)" = $'one\ntwo' ]
}

@test "a killed sender makes the receiver fail, and the channel can be used again" {
	mkfifo held
	exec 7<>held
	background "$TESSERA" send demo/cut <held
	sender=$last
	background "$TESSERA" recv demo/cut >output 2>errors
	receiver=$last
	echo part >&7
	until_true 10 grep -q part output
	kill -9 "$sender"
	code=0
	wait "$receiver" || code=$?
	exec 7>&-
	[ "$code" -eq 1 ]
	grep -q "died before it closed" errors
	[ "$(cat output)" = part ]
	echo whole | "$TESSERA" send demo/cut
	[ "$("$TESSERA" recv demo/cut)" = whole ]
	ledger_balances
}

@test "a sender whose input fails does not look like one that closed" {
	background "$TESSERA" recv demo/unread >output 2>errors
	receiver=$last
	until_true 10 ends unread '.receivers == 1'
	# A folder can be opened, and not read.
	run "$TESSERA" send demo/unread </
	[ "$status" -eq 1 ]
	[[ $output == *"standard input can't be read"* ]]
	code=0
	wait "$receiver" || code=$?
	[ "$code" -eq 1 ]
	ledger_balances
}

@test "a closed pipe ends the receiver, and what it left can be received" {
	seq 1000000 >numbers
	"$TESSERA" send demo/pipe <numbers
	run --separate-stderr bash -c "'$TESSERA' recv demo/pipe | head -n 1; exit \${PIPESTATUS[0]}"
	[ "$status" -eq 1 ]
	[ "$output" = 1 ]
	[[ $stderr == *"standard output can't be written"* ]]
	[ "$("$TESSERA" recv demo/pipe | tail -n 1)" = 1000000 ]
	ledger_balances
}

@test "patience ends with 6: of a receiver without sender, of a sender without receiver" {
	run "$TESSERA" recv demo/nobody --timeout 50ms
	[ "$status" -eq 6 ]
	"$TESSERA" channel create demo/small --capacity 2
	run bash -c "seq 100000 | '$TESSERA' send demo/small --block-size 100 --timeout 50ms"
	[ "$status" -eq 6 ]
	"$TESSERA" channel rm demo/small
	ledger_balances
}

@test "a sender to a channel that is full learns that its receiver went away" {
	"$TESSERA" channel create demo/full --capacity 2
	background "$TESSERA" recv demo/full >/dev/null
	receiver=$last
	until_true 10 ends full '.receivers == 1'
	mkfifo held
	exec 7<>held
	background "$TESSERA" send demo/full --block-size 100 <held 2>errors
	sender=$last
	until_true 10 ends full '.senders == 1'
	kill -9 "$receiver"
	until_true 10 ends full '.receivers == 0'
	seq 1000 >&7 || true
	code=0
	wait "$sender" || code=$?
	exec 7>&-
	[ "$code" -eq 1 ]
	grep -q "its receiver died" errors
	grep -q "channel rm demo/full" errors
	"$TESSERA" channel rm demo/full
	ledger_balances
}

@test "a block larger than the realm's largest message is refused by its size" {
	run "$TESSERA" send demo/large --block-size 1G </dev/null
	[ "$status" -eq 2 ]
	[[ $output == *"largest message of the realm"* ]]
	ledger_balances
}

@test "both ends account for what went through" {
	head -c 100000 /dev/zero >input
	background "$TESSERA" --json recv demo/count >/dev/null 2>received.json
	receiver=$last
	"$TESSERA" --json send demo/count <input >sent.json
	wait "$receiver"
	[ "$(jq -r '[.schema, .realm, .channel, .bytes] | join(" ")' sent.json)" = "1 demo count 100000" ]
	[ "$(jq -r '[.messages, .bytes] | join(" ")' received.json)" = "$(jq -r '[.messages, .bytes] | join(" ")' sent.json)" ]
}

@test "a receiver and a sender learn that the daemon was killed" {
	background "$TESSERA" recv demo/orphan 2>errors
	receiver=$last
	until_true 10 ends orphan '.receivers == 1'
	kill -9 "$daemon"
	code=0
	wait "$receiver" || code=$?
	cat errors
	[ "$code" -eq 3 ]
}

# leaves PID: the process has detached, and that is how it ended.
leaves() {
	"$TESSERA" events --no-follow --json --kind detach,death,kill | jq -se "map(select(.pid == $1) | .kind) == [\"detach\"]"
}

@test "who is refused or interrupted while it waits leaves, and does not die" {
	run "$TESSERA" send demo/cut --block-size 100M </dev/null
	[ "$status" -eq 2 ]
	mkfifo pipe
	exec 7<>pipe
	for signal in INT TERM; do
		background "$TESSERA" recv demo/$signal --json 2>said
		receiver=$last
		background "$TESSERA" send demo/$signal <pipe
		sender=$last
		until_true 10 ends $signal '.receivers == 1 and .senders == 1'
		sleep 0.3
		[ "$("$TESSERA" stat demo/$signal --json --interval 300ms -n 1 | jq .failed)" -eq 0 ]
		kill -$signal "$receiver"
		wait "$receiver"
		[ "$(jq .messages said)" -eq 0 ]
		kill -$signal "$sender"
		wait "$sender"
		until_true 5 leaves "$sender"
		until_true 5 leaves "$receiver"
	done
	exec 7>&-
	[ "$("$TESSERA" events --no-follow --json --kind death | wc -l)" -eq 0 ]
	ledger_balances
}

@test "a sender that is interrupted after it has sent tells its receiver that the stream is cut short" {
	mkfifo pipe
	exec 7<>pipe
	background "$TESSERA" send demo/cut <pipe 2>said
	sender=$last
	echo first >&7
	until_true 10 ends cut '.depth == 1'
	kill -INT "$sender"
	status=0
	wait "$sender" || status=$?
	exec 7>&-
	[ "$status" -eq 1 ]
	grep -q "cut short after 6 bytes" said
	run --separate-stderr "$TESSERA" recv demo/cut
	[ "$status" -eq 1 ]
	[ "$output" = first ]
	[[ $stderr == *"died before it closed"* ]]
}
