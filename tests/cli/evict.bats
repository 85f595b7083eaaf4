#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# tessera evict: one client is ended, and knows why.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
	start_daemon
}
teardown() { tessera_teardown; }

waits() { "$TESSERA" --json channels | jq -e '.channels[0].sleepers >= 1'; }
clients() { "$TESSERA" --json clients | jq "$1"; }
# evicted [OPTION...]: the last such event, in JSON.
event() { "$TESSERA" events --no-follow --json --kind "$1" --last 1; }

@test "who waits for a message is told why, leaves, and is shown to have left" {
	background "$TESSERA" recv demo/orders 2>said
	receiver=$last
	until_true 5 waits
	run --separate-stderr "$TESSERA" --json evict "tessera recv" --reason "the orders go elsewhere"
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ "$(value '"\(.schema) \(.realm) \(.id) \(.name) \(.pid) \(.end)"')" = "1 demo 1 tessera recv $receiver left" ] ||
		[ "$(value .end)" = ended ]
	[ "$(value .took_ns)" -gt 0 ]
	wait "$receiver" || ended=$?
	[ "$ended" -eq 1 ]
	grep -q "evicted" said
	grep -q "(evicted by user $(id -u): the orders go elsewhere)" said
	[ "$(event evict | jq -r '"\(.id) \(.pid)"')" = "1 $receiver" ]
	event evict | jq -e '.text | contains("the orders go elsewhere")'
	[ "$("$TESSERA" --json status | jq .evicted)" -eq 1 ]
	"$TESSERA" metrics | grep -q '^tessera_evicted_total 1'
	ledger_balances
}

@test "who is stopped is killed, and what it held is given back" {
	mkfifo pipe
	exec 7<>pipe
	background "$TESSERA" send demo/stuck --block-size 64 <pipe
	sender=$last
	until_true 5 sh -c "\"$TESSERA\" --json channels | jq -e '.channels[0].senders == 1'"
	kill -STOP "$sender"
	[ "$(clients '.clients[0].state')" = '"attached"' ]
	run --separate-stderr "$TESSERA" evict 1
	[ "$status" -eq 0 ]
	[[ $output == *"end"*"killed"* ]]
	[ "$(clients '.clients | length')" -eq 0 ]
	event kill | jq -e '.pid == '"$sender"' and (.text | contains("evicted"))'
	event evict | jq -e '.text | contains("no reason was given")'
	ledger_balances
}

@test "who is not there, or not the only one, is refused" {
	run --separate-stderr "$TESSERA" evict 7
	[ "$status" -eq 4 ]
	[[ $stderr == *"realm 'demo' has no client 7"* ]]
	run --separate-stderr "$TESSERA" evict nobody
	[ "$status" -eq 4 ]
	run --separate-stderr "$TESSERA" evict 1 --realm nix
	[ "$status" -eq 4 ]
	background "$TESSERA" recv demo/a >/dev/null
	background "$TESSERA" recv demo/b >/dev/null
	until_true 5 sh -c "\"$TESSERA\" --json clients | jq -e '.clients | length == 2'"
	run --separate-stderr "$TESSERA" evict "tessera recv"
	[ "$status" -eq 1 ]
	[[ $stderr == *"2 clients of realm 'demo' are called 'tessera recv'"*"by its id"* ]]
	[ "$(clients '.clients | length')" -eq 2 ]
}
