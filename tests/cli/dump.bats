#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# What is in a realm and who holds it: of one that lives, one that is stuck, and one that was saved.

load helper

setup() { tessera_setup; }
teardown() { tessera_teardown; }

# json COMMAND...: it succeeds, and what it writes is one JSON object with a schema.
json() {
	run --separate-stderr "$TESSERA" --json "$@"
	echo "$* ends with $status: $stderr"
	[ "$status" -eq 0 ]
	[ "$(value .schema)" = 1 ]
}

# A sender that has sent 100 messages of 512 bytes and holds its end open; $sender is its process.
start_sender() {
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 7<>"$BATS_TEST_TMPDIR/pipe"
	background "$TESSERA" send demo/files --block-size 512 <"$BATS_TEST_TMPDIR/pipe"
	sender=$last
	head -c 51200 /dev/zero >&7
	until_true 5 sent 100
}

sent() {
	[ "$("$TESSERA" --json channels | jq '.channels[] | select(.name == "files").depth')" -eq "$1" ]
}

@test "realms tells whose they are, how large, and how they stand" {
	start_daemon --set realms.more.classes=64:256 --set realms.more.slots=1024
	json realms
	[ "$(value '.realms | length')" -eq 2 ]
	[ "$(value '.realms[0].realm')" = demo ]
	[ "$(value '.realms[0].state')" = living ]
	[ "$(value '.realms[0].owner')" = "$(id -un)" ]
	[ "$(value '.realms[0].mode')" -eq $((0600)) ]
	[ "$(value '.realms[0].bytes')" -gt "$(value '.realms[1].bytes')" ]
	[ "$(value '.realms[1].epoch')" -gt "$(value '.realms[0].epoch')" ]
	run "$TESSERA" realms
	[ "${#lines[@]}" -eq 3 ]
}

@test "a realm that leaves is shown as leaving" {
	conf=$BATS_TEST_TMPDIR/tesserad.conf
	echo 'realms = ( { name = "demo"; }, { name = "more"; } );' >"$conf"
	start_daemon --config "$conf"
	background "$TESSERA" recv more/x
	until_true 5 "$TESSERA" tickets more --held
	until_true 5 sh -c '[ "$("$0" --json clients | jq ".clients | length")" -eq 1 ]' "$TESSERA"
	echo 'realms = ( { name = "demo"; } );' >"$conf"
	"$TESSERA" reload
	json realms
	[ "$(value '.realms[1].state')" = leaving ]
	[ "$(value '.realms[1].clients')" -eq 1 ]
	kill "$last"
	until_true 5 sh -c '[ "$("$0" --json realms | jq ".realms | length")" -eq 1 ]' "$TESSERA"
}

@test "tickets tells of each holder, and all of them add up" {
	start_daemon
	start_sender
	json tickets
	total=$("$TESSERA" --json status | jq '.realms[0].tickets')
	[ "$(jq '[.holders[] | select(.holder != "region").tickets] | add' <<<"$output")" -eq "$total" ]
	[ "$(value '.holders[] | select(.holder == "channel").name')" = files ]
	[ "$(value '.holders[] | select(.holder == "channel").tickets')" -eq 100 ]
	[ "$(value '.holders[] | select(.holder == "channel").bytes')" -eq 51200 ]
	# Of 100 messages one or two were stamped.
	[ "$(value '.holders[] | select(.holder == "channel").age_ns')" -gt 0 ]
	[ "$(value '.holders[] | select(.holder == "client").pid')" -eq "$sender" ]
	run jq '.holders[] | select(.holder == "depot").age_ns' <<<"$output"
	[ "$output" = null ]
	exec 7>&-
	[ "$("$TESSERA" recv demo/files | wc -c)" -eq 51200 ]
	ledger_balances
}

@test "tickets lists what is asked for: by holder, by channel, what clients hold" {
	start_daemon
	start_sender
	held=$("$TESSERA" --json tickets | jq '.holders[] | select(.holder == "client").tickets')
	json tickets --held
	[ "$(value '.tickets | length')" -eq "$held" ]
	[ "$(jq "[.tickets[].pid == $sender] | all" <<<"$output")" = true ]
	[ "$(jq '[.tickets[].age_max_ns > 0] | all' <<<"$output")" = true ]
	json tickets --holder "tessera send"
	[ "$(value '.tickets | length')" -eq "$held" ]
	id=$(value '.tickets[0].id')
	json tickets --holder "$id"
	[ "$(value '.tickets | length')" -eq "$held" ]
	json tickets --channel files
	[ "$(value '.tickets | length')" -eq 100 ]
	[ "$(jq '[.tickets[] | .holder == "channel" and .length == 512 and .last_channel == "files"] | all' <<<"$output")" = true ]
	[ "$(jq -c '[.tickets[].slot] | sort == [range(100)]' <<<"$output")" = true ]
	json tickets --channel files --limit 10
	[ "$(value '.tickets | length')" -eq 10 ]
	[ "$(value .left_off)" -eq 90 ]
	json tickets --holder shared
	[ "$(value '.tickets | length')" -eq 0 ]
	run --separate-stderr "$TESSERA" tickets --holder nix
	[ "$status" -eq 4 ]
	[[ $stderr == *"no holder 'nix'"* ]]
	run --separate-stderr "$TESSERA" tickets --channel none
	[ "$status" -eq 4 ]
	run --separate-stderr "$TESSERA" tickets nowhere
	[ "$status" -eq 4 ]
}

@test "what does not change hands is found by looking twice, and what moves is not" {
	start_daemon
	start_sender
	background "$TESSERA" send demo/moving --block-size 4096 </dev/zero
	background "$TESSERA" recv demo/moving >/dev/null
	until_true 5 sh -c '[ "$("$0" --json clients | jq ".clients | length")" -eq 3 ]' "$TESSERA"
	json tickets --older 300ms --channel files
	[ "$(value '.tickets | length')" -eq 100 ]
	[ "$(jq '[.tickets[].age_min_ns >= 300000000] | all' <<<"$output")" = true ]
	json tickets --older 300ms --channel moving
	[ "$(jq '[.tickets[] | select(.holder == "channel")] | length' <<<"$output")" -eq 0 ]
}

@test "dump shows a channel slot by slot, with ends, tokens and tickets" {
	start_daemon
	start_sender
	json dump demo/files
	[ "$(value .capacity)" -eq 1024 ]
	[ "$(value .senders)" -eq 1 ]
	[ "$(value .receivers)" -eq 0 ]
	[ "$(value .ready)" -eq 100 ]
	[ "$(value .empty)" -eq 924 ]
	[ "$(value .next_position)" -eq 100 ]
	[ "$(value '.slots | length')" -eq 100 ]
	[ "$(value '.slots[7].phase')" = ready ]
	[ "$(value '.slots[7].length')" -eq 512 ]
	[ "$(value '.slots[7].ticket_says')" = "channel, idle, generation +0" ]
	json dump --realm demo files --all
	[ "$(value '.slots | length')" -eq 1000 ]
	[ "$(value .left_off)" -eq 24 ]
	# Somebody sleeps.
	background "$TESSERA" recv demo/quiet
	until_true 5 sh -c '[ "$("$0" --json channels | jq ".channels[] | select(.name == \"quiet\").sleepers")" -eq 1 ]' "$TESSERA"
	json dump demo/quiet
	[ "$(value '.tokens[0].side')" = receiver ]
	[ "$(value '.tokens[0].state')" = enqueued ]
	[ "$(value '.tokens[0].owner')" = "client 2 (pid $last)" ]
	[ "$(value .receivers_waiting)" = 0x1 ]
	run --separate-stderr "$TESSERA" dump demo/none
	[ "$status" -eq 4 ]
}

@test "dump shows a realm: segments, depots, channels" {
	start_daemon
	start_sender
	json dump demo
	[ "$(value .state)" = living ]
	[ "$(jq -r '[.segments[].segment] | join(" ")' <<<"$output")" = \
		"directory channels tickets blocks state tokens metrics arena 0" ]
	[ "$(jq -c '[.segments[] | select(.copied | not).segment]' <<<"$output")" = '["arena 0"]' ]
	[ "$(jq '[.classes[].tickets] | add' <<<"$output")" -eq "$(value .tickets)" ]
	[ "$(jq '[.classes[] | .cells == .empty + .claimed + .ready + .taken] | all' <<<"$output")" = true ]
	[ "$(value '.classes[0].listed')" -eq "$(value '.classes[0].tickets')" ]
	[ "$(value '.channels[0].channel')" = files ]
	# At rest no cell is odd.
	[ "$(value '.cells | length')" -eq 0 ]
	run "$TESSERA" dump demo
	[ "$status" -eq 0 ]
}

@test "a realm whose client is stopped is shown as any other" {
	start_daemon
	start_sender
	kill -STOP "$sender"
	json tickets --held
	[ "$(jq "[.tickets[].pid == $sender] | all" <<<"$output")" = true ]
	json dump demo/files
	[ "$(value .ready)" -eq 100 ]
	kill -CONT "$sender"
}

@test "a saved dump tells the same when the daemon is gone" {
	file=$BATS_TEST_TMPDIR/dump
	start_daemon
	start_sender
	json dump --save "$file" demo
	[ "$(value .file)" = "$file" ]
	[ "$(stat -c %a "$file")" = 600 ]
	[ "$(find "$BATS_TEST_TMPDIR" -name 'dump*' | wc -l)" -eq 1 ]
	"$TESSERA" --json dump demo/files | jq 'del(.slots[].age_ns)' >"$BATS_TEST_TMPDIR/live"
	"$TESSERA" --json tickets | jq '[.holders[] | del(.age, .age_ns, .age_max_ns)]' >"$BATS_TEST_TMPDIR/live-tickets"
	"$TESSERA" stop
	"$TESSERA" --json dump --segment "$file" files | jq 'del(.slots[].age_ns)' >"$BATS_TEST_TMPDIR/saved"
	"$TESSERA" --json tickets --segment "$file" | jq '[.holders[] | del(.age, .age_ns, .age_max_ns)]' >"$BATS_TEST_TMPDIR/saved-tickets"
	diff "$BATS_TEST_TMPDIR/live" "$BATS_TEST_TMPDIR/saved"
	diff "$BATS_TEST_TMPDIR/live-tickets" "$BATS_TEST_TMPDIR/saved-tickets"
	json dump --segment "$file"
	[ "$(value .realm)" = demo ]
	json dump --segment "$file" demo/files
	[ "$(value .channel)" = files ]
	json realms --segment "$file"
	[ "$(value '.realms[0].realm')" = demo ]
	run --separate-stderr "$TESSERA" dump --save "$BATS_TEST_TMPDIR/none/dump" demo
	[ "$status" -eq 3 ]
}

@test "a file that can't be written leaves nothing behind" {
	start_daemon
	run --separate-stderr "$TESSERA" dump --save "$BATS_TEST_TMPDIR/none/dump" demo
	[ "$status" -eq 1 ]
	[[ $stderr == *"none/dump can't be written"* ]]
	mkdir "$BATS_TEST_TMPDIR/folder"
	run --separate-stderr "$TESSERA" dump --save "$BATS_TEST_TMPDIR/folder" demo
	[ "$status" -eq 1 ]
	[ "$(find "$BATS_TEST_TMPDIR" -name 'folder.*' | wc -l)" -eq 0 ]
}

@test "a saved dump of another build is refused, and says of which" {
	file=$BATS_TEST_TMPDIR/dump
	start_daemon
	"$TESSERA" dump --save "$file" demo
	printf '\x01' | dd of="$file" bs=1 seek=24 conv=notrunc 2>/dev/null
	run --separate-stderr "$TESSERA" dump --segment "$file"
	[ "$status" -eq 1 ]
	[[ $stderr == *"$file is not a saved dump: it was saved by another build (layout "*"hash 0x"*" here "* ]]
	# The same for an accident, wherever it hit head or rows.
	for at in 49 100 340 400; do
		"$TESSERA" dump --save "$file" demo
		printf '\xaa' | dd of="$file" bs=1 seek=$at conv=notrunc 2>/dev/null
		run --separate-stderr "$TESSERA" dump --segment "$file"
		[ "$status" -eq 1 ]
		[[ $stderr == *"its checksum is wrong"* ]]
	done
	run --separate-stderr "$TESSERA" tickets --segment "$BATS_TEST_TMPDIR/daemon.log"
	[ "$status" -eq 1 ]
	[[ $stderr == *"is not a saved dump"* ]]
	run --separate-stderr "$TESSERA" dump --segment /dev/null
	[ "$status" -eq 1 ]
	run --separate-stderr "$TESSERA" dump --segment "$BATS_TEST_TMPDIR/none"
	[ "$status" -eq 4 ]
}

@test "a dump that was damaged is refused or shown, and never falls over" {
	file=$BATS_TEST_TMPDIR/dump
	start_daemon --set realms.demo.classes=64:256,512:256 --set realms.demo.slots=2048 --set realms.demo.channels=8 --set realms.demo.clients=4
	start_sender
	"$TESSERA" dump --save "$file" demo
	count=100
	[ -z "${TESSERA_NIGHTLY:-}" ] || count=2000
	run "$BATS_TEST_DIRNAME/hostile-dump" "$TESSERA" "$file" "${TESSERA_SEED:-$RANDOM}" "$count"
	echo "$output"
	[ "$status" -eq 0 ]
}
