#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# tesserad --holder: a daemon is killed, and its clients notice nothing.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
}
teardown() { tessera_teardown; }

holds() { [ -S "$TESSERA_RUNTIME_DIR/control.sock.holder" ]; }
kept() { "$TESSERA" --json status | jq -e "$1"; }

@test "without a holder status says that all is lost" {
	start_daemon
	run "$TESSERA" status
	[[ $output == *takeover*"nothing keeps its realms"* ]]
	kept '.realms_kept == 0 and .descriptors_kept == 0 and has("realms_taken") == false'
}

@test "a stream goes on through a daemon's death, and status tells of it" {
	background "$TESSERAD" --holder 2>holder.log
	holder=$last
	until_true 5 holds
	start_daemon
	run "$TESSERA" status
	[[ $output == *takeover*"a holder keeps its realms"* ]]
	kept '.realms_kept == 1 and .descriptors_kept == 10'
	background "$TESSERA" recv demo/stream >received
	receiver=$last
	mkfifo lines
	exec 7<>lines
	background "$TESSERA" send demo/stream <lines
	sender=$last
	echo one >&7
	until_true 5 grep -q one received
	kill -KILL "$daemon"
	wait "$daemon" || true
	echo two >&7
	until_true 5 grep -q two received
	start_daemon
	kept '.realms_taken == 1 and .clients == 2 and (.takeover_ns > 0)'
	run "$TESSERA" events --no-follow --kind realm
	[[ $output == *"is taken over: 2 clients, 1 channels"* ]]
	echo three >&7
	until_true 5 grep -q three received
	kill -TERM "$sender"
	wait "$sender" || true
	until_true 5 kept '.clients == 0'
	wait "$receiver" || true
	ledger_balances
	"$TESSERA" stop
	[ "$(cat received)" = "$(printf 'one\ntwo\nthree')" ]
	# The holder stays for the next one, with nothing in its hands.
	kill -0 "$holder"
	kill "$holder"
	wait "$holder"
	[ -z "$(ls -A "$TESSERA_RUNTIME_DIR")" ]
}

@test "fresh takes nothing over" {
	background "$TESSERAD" --holder 2>holder.log
	until_true 5 holds
	start_daemon
	"$TESSERA" channel create old
	kill -KILL "$daemon"
	wait "$daemon" || true
	start_daemon --fresh
	kept 'has("realms_taken") == false'
	[ "$("$TESSERA" --json channels | jq '.channels | length')" -eq 0 ]
	grep -q "fresh was asked for" daemon.log
}

@test "a holder says what is in its way" {
	background "$TESSERAD" --holder 2>holder.log
	until_true 5 holds
	run "$TESSERAD" --holder
	[ "$status" -eq 1 ]
	[[ $output == *"a living holder serves $TESSERA_RUNTIME_DIR/control.sock.holder"* ]]
}
