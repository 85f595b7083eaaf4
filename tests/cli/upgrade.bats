#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# tessera upgrade: another binary takes over under load; what can't is refused before anything is touched.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
}
teardown() { tessera_teardown; }

start_holder() {
	background "$TESSERAD" --holder 2>holder.log
	holder=$last
	until_true 5 [ -S "$TESSERA_RUNTIME_DIR/control.sock.holder" ]
}

# wrapper NAME: a program that is a tesserad, but for what standard input has it do first.
wrapper() {
	{
		echo '#!/bin/bash'
		cat
		echo "exec '$TESSERAD' \"\$@\""
	} >"$1"
	chmod +x "$1"
}

# Numbers by way of a channel, to the file `received`, until `send` is ended.
start_load() {
	background "$TESSERA" recv demo/load >received
	receiver=$last
	mkfifo lines
	exec 7<>lines
	background "$TESSERA" send demo/load <lines
	sender=$last
	echo first >&7
	until_true 5 grep -q first received
}

# still_flows WORD: a message sent now is received.
still_flows() {
	echo "$1" >&7
	until_true 10 grep -q "^$1\$" received
}

end_load() {
	kill -TERM "$sender"
	wait "$sender" || true
	wait "$receiver" || true
	ledger_balances
	"$TESSERA" stop
}

# refused TEXT BINARY...: and nothing was touched: the same daemon, the same words in the store.
refused() {
	local before text=$1
	shift
	before=$("$TESSERA" --json status | jq '[.pid, .descriptors_kept, .realms_taken, .upgraded_from]')
	run --separate-stderr "$TESSERA" upgrade "$@"
	[ "$status" -eq 1 ]
	# shellcheck disable=SC2154 # bats sets it
	[[ $stderr == *"$text"* ]] || { echo "$stderr"; return 1; }
	[ "$("$TESSERA" --json status | jq '[.pid, .descriptors_kept, .realms_taken, .upgraded_from]')" = "$before" ]
}

@test "without a store it is refused, and told how to get one" {
	start_daemon --set sandbox.mode=off
	refused "tesserad --holder"
	"$TESSERA" stop
	# One that has room for one of two realms.
	background bash -c 'ulimit -n 80; exec "$0" --holder' "$TESSERAD" 2>holder.log
	until_true 5 [ -S "$TESSERA_RUNTIME_DIR/control.sock.holder" ]
	start_daemon --set realms.demo.mode=0600 --set realms.other.mode=0600
	refused "is not kept"
}

@test "out of its sandbox a daemon is followed by what lies where it was started, and by nothing else" {
	cp "$TESSERAD" mine
	TESSERAD=$PWD/mine
	start_holder
	start_daemon
	start_load
	refused "can have run only" /bin/true
	for round in 1 2; do
		cp mine fresh
		mv fresh mine
		before=$("$TESSERA" --json status | jq .pid)
		run --separate-stderr "$TESSERA" --json upgrade
		echo "$output $stderr"
		[ "$status" -eq 0 ]
		[ "$(value '[.realms_taken, .clients, .channels, .realms[0].epoch] | @text')" = "[1,2,1,1]" ]
		[ "$(value ".pid_before == $before and .pid != $before and .gap_ns > 0")" = true ]
		[ "$(readlink "/proc/$(value .pid)/exe")" = "$PWD/mine" ]
		"$TESSERA" --json status | jq -e '.sandbox == "on" and .clients == 2 and .reaped == 0'
		still_flows "by_$round"
	done
	wait "$daemon"
	daemon=$("$TESSERA" --json status | jq .pid)
	end_load
	until_true 5 [ ! -e "/proc/$daemon" ]
	[ "$(tr '\n' ' ' <received)" = "first by_1 by_2 " ]
	# What waited to follow it has ended, too.
	until_true 5 [ -z "$(pgrep -f "$PWD/mine --" | grep -v "^$holder\$")" ]
}

@test "what can't take over is refused before anything is touched" {
	start_holder
	start_daemon --set sandbox.mode=off
	start_load
	refused "status 0" /bin/true
	refused "sandbox.mode=off --can-take-over" /bin/echo
	refused "No such file" "$BATS_TEST_TMPDIR/nothing"
	: >plain
	refused "Permission denied" plain
	wrapper layout <<<'set -- --can-take-over 0x0123456789abcdef/1/1'
	refused "can't take over layout 0x0123456789abcdef/1/1, it has" layout
	# What the running one's arguments and configuration don't suit.
	wrapper newer <<<'set -- --set realms.demo.sorts=2 "$@"'
	refused "status 78" newer
	wrapper chatty <<<'echo "tesserad: more than the answer"'
	refused "status 0, tesserad: more than the answer" chatty
	"$TESSERA" events --no-follow --kind refusal | grep -c "nothing was touched" | grep -qx 7
	# One that is a tesserad, as far as is known yet: it is ended, and the next one may be asked.
	wrapper silent <<<'echo $$ >asked; exec sleep 60'
	run "$TESSERA" upgrade --timeout 300ms silent
	[ "$status" -eq 6 ]
	until_true 5 "$TESSERA" upgrade --timeout 5s
	[ -z "${TESSERA_NIGHTLY:-}" ] || refused "did not answer" silent
	! kill -0 "$(cat asked)" 2>/dev/null
	still_flows last
	end_load
}

@test "one after the other takes over under load, and nothing is lost" {
	start_holder
	# What was said of the start by hand does not count for what it becomes.
	start_daemon --set sandbox.mode=off --fresh
	start_load
	cp "$TESSERAD" other
	for round in 1 2; do
		run --separate-stderr "$TESSERA" --json upgrade ./other
		echo "$output $stderr"
		[ "$status" -eq 0 ]
		[ "$(value .binary)" = "$BATS_TEST_TMPDIR/./other" ]
		[ "$(value '[.realms_taken, .clients, .channels, .realms[0].epoch] | @text')" = "[1,2,1,1]" ]
		[ "$(value '.pid == .pid_before and .gap_ns > 0 and .took_ns > .gap_ns')" = true ]
		[ "$(readlink "/proc/$daemon/exe")" = "$BATS_TEST_TMPDIR/other" ]
		still_flows "by_$round"
		# As after an upgrade of the files: where it was started lies another one now.
		cp other fresh
		mv fresh other
	done
	run "$TESSERA" upgrade
	echo "$output"
	cat daemon.log
	[ "$status" -eq 0 ]
	[[ $output == *"can take over, process $daemon leaves 1 realms to it"*gap_ns*realms_taken*epoch* ]]
	[ "$(readlink "/proc/$daemon/exe")" = "$BATS_TEST_TMPDIR/other" ]
	still_flows last
	run "$TESSERA" status
	[[ $output == *upgraded_from* ]]
	"$TESSERA" --json status | jq -e '.upgrade_gap_ns > 0 and .reaped == 0 and .clients == 2'
	run "$TESSERA" events --no-follow --kind upgrade
	[[ $output == *"upgraded: release"*"1 realms were taken over; nobody served for"* ]]
	grep -c "leaving: release" daemon.log | grep -qx 3
	end_load
	[ "$(tr '\n' ' ' <received)" = "first by_1 by_2 last " ]
	# A clean stop, as ever.
	wait "$daemon"
	kill "$holder"
	wait "$holder"
	[ -z "$(ls -A "$TESSERA_RUNTIME_DIR")" ]
}

@test "a binary that is gone when its turn comes leaves the old one in place" {
	start_holder
	start_daemon --set sandbox.mode=off
	start_load
	wrapper gone <<<'rm -f "$0"'
	run --separate-stderr "$TESSERA" upgrade gone
	echo "$output $stderr"
	[ "$status" -eq 1 ]
	[[ $stderr == *"could not be run after all"* ]]
	still_flows on
	"$TESSERA" events --no-follow --kind upgrade | grep "not upgraded"
	# And can be upgraded still, to where it once was started.
	"$TESSERA" upgrade
	[ "$(readlink "/proc/$daemon/exe")" = "$(readlink -f "$TESSERAD")" ]
	still_flows last
	end_load
}

@test "one that fails when it is there already is told of, and clients wait for the next" {
	start_holder
	start_daemon --set sandbox.mode=off
	start_load
	wrapper fails <<<'[[ $* == *--can-take-over* ]] || exit 1'
	run --separate-stderr "$TESSERA" upgrade fails
	echo "$stderr"
	[ "$status" -eq 3 ]
	[[ $stderr == *"ended before it served"*"start a daemon again, '"*"tesserad &'"* ]]
	wait "$daemon" || true
	still_flows meanwhile
	start_daemon --set sandbox.mode=off
	"$TESSERA" --json status | jq -e '.realms_taken == 1 and .clients == 2'
	still_flows last
	end_load
}
