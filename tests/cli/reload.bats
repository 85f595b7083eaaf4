#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# The configuration read again: by request, by signal, by a change of the file, and what is told of it.

load helper

setup() {
	tessera_setup
	conf=$BATS_TEST_TMPDIR/tesserad.conf
	write_conf ""
}
teardown() { tessera_teardown; }

# write_conf MORE [REALM]: in place at once, as an editor does; REALM: further settings of the realm demo.
write_conf() {
	echo "$1
realms = ( { name = \"demo\"; slots = 1024; classes = ( { bytes = 64; count = 256; } ); ${2:-} } );" >"$conf.new"
	mv "$conf.new" "$conf"
}

# counted N: so many reloads, taken or refused.
counted() {
	[ "$("$TESSERA" --json status | jq '.reloads + .reloads_refused')" -ge "$1" ]
}

@test "a reload tells what it changed, and what needs a restart" {
	start_daemon --config "$conf"
	run "$TESSERA" reload --last
	[ "$status" -eq 0 ]
	[ "$output" = "there was no reload since the daemon began" ]
	run "$TESSERA" reload
	[ "$status" -eq 0 ]
	[ "$output" = "read again: nothing has changed" ]
	write_conf 'log: { level = "debug"; };' 'mode = "0660"; clients = 9;'
	until_true 5 counted 2
	run "$TESSERA" reload --last
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "log.level: info -> debug: changed" ]
	[ "${lines[1]}" = "realms.demo.mode: 0600 -> 0660: changed" ]
	[ "${lines[2]}" = "realms.demo.clients: 256 -> 9: needs a restart" ]
	run --separate-stderr "$TESSERA" --json reload
	[ "$status" -eq 0 ]
	[ "$(value .result)" = ok ]
	[ "$(value .applied)" -eq 0 ]
	[ "$(value .restart)" -eq 1 ]
	[ "$(value '.changes[0].key')" = realms.demo.clients ]
	[ "$(value '.changes[0].before')" = 256 ]
	run --separate-stderr "$TESSERA" --json status
	[ "$(value .reload)" = "read again" ]
	[ "$(value .reload_restart)" -eq 1 ]
	[ "$(value '.realms[0].mode')" -eq $((0660)) ]
}

@test "a mistake is refused with 78, and shown with file and line until the next reload" {
	start_daemon --config "$conf"
	write_conf 'log: { level = "loud"; };' 'mode = "0660";'
	run --separate-stderr "$TESSERA" reload
	echo "$output"
	[ "$status" -eq 78 ]
	[[ ${lines[0]} == "$conf:1: log.level is \"loud\", expected "* ]]
	[ "${lines[1]}" = "refused: nothing was changed" ]
	run --separate-stderr "$TESSERA" --json status
	[ "$(value .reload)" = refused ]
	[[ $(value .reload_text) == *"$conf:1: log.level"* ]]
	[ "$(value '.realms[0].mode')" -eq $((0600)) ]
	run --separate-stderr "$TESSERA" --json reload --last
	[ "$status" -eq 78 ]
	[ "$(value .result)" = refused ]
	[[ $(value '.changes[0].text') == "$conf:1: "* ]]
	grep -q "$conf:1: log.level" "$BATS_TEST_TMPDIR/daemon.log"
	write_conf ""
	run --separate-stderr "$TESSERA" reload
	[ "$status" -eq 0 ]
	[ "$("$TESSERA" --json status | jq -r .reload)" = "read again" ]
}

@test "SIGHUP reloads" {
	start_daemon --config "$conf"
	kill -HUP "$daemon"
	until_true 5 counted 1
	[[ $("$TESSERA" --json status | jq -r .reload_text) == "SIGHUP from pid $$"* ]]
}

@test "a supervisor is told of a reload as systemd wants it" {
	# shellcheck disable=SC2016
	background python3 -c '
import socket, sys
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(sys.argv[1])
while True:
    text = notify.recv(4096)
    with open(sys.argv[2], "ab") as told:
        told.write(text + b"\n")' "$BATS_TEST_TMPDIR/notify" "$BATS_TEST_TMPDIR/told"
	until_true 5 test -S "$BATS_TEST_TMPDIR/notify"
	NOTIFY_SOCKET=$BATS_TEST_TMPDIR/notify start_daemon --config "$conf"
	until_true 5 grep -q READY=1 "$BATS_TEST_TMPDIR/told"
	rm "$BATS_TEST_TMPDIR/told"
	"$TESSERA" reload
	until_true 5 grep -q READY=1 "$BATS_TEST_TMPDIR/told"
	grep -q RELOADING=1 "$BATS_TEST_TMPDIR/told"
	grep -qE '^MONOTONIC_USEC=[1-9][0-9]+' "$BATS_TEST_TMPDIR/told"
}
