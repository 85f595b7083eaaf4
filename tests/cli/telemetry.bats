#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# What DPDK's telemetry tells: the same as the commands.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
	# The socket's name has to fit.
	export TESSERA_RUNTIME_DIR
	TESSERA_RUNTIME_DIR=$(mktemp -d)
	folder=$TESSERA_RUNTIME_DIR/control.sock.eal
	socket=$folder/dpdk/tessera/dpdk_telemetry.v2
}
teardown() {
	tessera_teardown
	rm -rf "$TESSERA_RUNTIME_DIR"
}

ask() { "$TESSERA_SOURCE/tests/cli/telemetry.py" "$socket" "$@"; }

# same COMMAND FILTER KEY: what is asked for, and what `tessera KEY --json` says, after a jq filter.
same() {
	ask "$1" | jq -S "if type == \"object\" and has(\"0\") then map(.) else . end | $2" >told
	"$TESSERA" --json "$3" | jq -S ".$4 | $2" >wanted
	diff wanted told
}

@test "names and values are those of the commands" {
	start_daemon
	"$TESSERA" channel create --one-sender --capacity 64 demo/a.b-c
	background "$TESSERA" recv demo/read/me >/dev/null
	until_true 5 sh -c "\"$TESSERA\" --json channels | jq -e 'any(.channels[]; .receivers == 1)'"
	same /tessera/channels . channels channels
	# Users and groups are numbers there; time goes on.
	same /tessera/realms 'map(.owner = 0 | .group = 0)' realms realms
	same /tessera/clients 'map(.user = 0 | .fenced = 0 | .since_ns = (.since_ns > 0) | del(.sleeps, .wakes))' clients clients
	ask /tessera/clients | jq -e '."0" | has("sleeps") and has("wakes") and .user == '"$(id -u)"
	ask /tessera/realms | jq -e '."0" | .owner == '"$(id -u)"
	same /tessera/channel,demo/a.b-c . channels 'channels[] | select(.name == "a.b-c")'
	same /tessera/channel,demo/read/me . channels 'channels[] | select(.name == "read/me")'
	names='map(keys - ["busy_percent", "polling_percent", "asleep_percent"])'
	ask /tessera/cores | jq -S "map(.) | $names" >told
	"$TESSERA" --json top | jq -S "[.cores[0]] | $names" >wanted
	diff wanted told
	ask /tessera/cores | jq -e '."0" | .pid == '"$daemon"' and .asleep_ns > 0'
}

@test "a list that is too long for one answer comes in parts" {
	start_daemon --set realms.demo.channels=512
	for number in $(seq 150); do "$TESSERA" channel create "demo/channel-with-a-name-of-some-length-$number"; done
	run ask '/tessera/channels,*'
	[ "$status" -eq 0 ]
	[ "$(value '.rows | map(.name) | unique | length')" -eq 150 ]
	[ "$(value .parts)" -ge 3 ]
	[ "$(ask /tessera/channels,150)" = "{}" ]
	[ "$(ask /tessera/channels,18446744073709551615)" = "{}" ]
}

@test "what is not there is null, and what is asked for wrongly" {
	start_daemon
	for command in /tessera/channel /tessera/channel,demo /tessera/channel,demo/nix /tessera/channel,nix/x \
		/tessera/channel,/ "/tessera/channel,$(printf 'x%.0s' $(seq 300))/y"; do
		[ "$(ask "$command")" = null ]
	done
	[ "$(ask /help,/tessera/channel)" = '{"/tessera/channel": "One channel. Parameter: REALM/NAME"}' ]
}

@test "only the daemon's user gets to the socket" {
	start_daemon
	[ "$(stat --format %a "$folder")" = 700 ]
	[ -S "$socket" ]
	kill -TERM "$daemon"
	wait "$daemon"
	[ ! -e "$folder" ]
}

@test "a daemon that is asked all the time reloads, and ends, as it should" {
	echo 'realms = ( { name = "demo"; } );' >conf
	start_daemon --config "$BATS_TEST_TMPDIR/conf"
	"$TESSERA" channel create demo/x
	for asker in 1 2 3; do
		background sh -c "while \"$TESSERA_SOURCE/tests/cli/telemetry.py\" \"$socket\" /tessera/realms /tessera/channels \
			/tessera/clients /tessera/cores /tessera/channel,demo/x >>\"asked$asker\" 2>/dev/null; do :; done"
	done
	until_true 10 test -s asked3
	for round in 1 2 3 4 5 6; do
		[ $((round % 2)) = 0 ] || more=', { name = "more"; }'
		echo "realms = ( { name = \"demo\"; }$more );" >conf.next
		mv conf.next conf
		"$TESSERA" reload >/dev/null
		more=
	done
	before=$(wc -l <asked1)
	asked_more() { [ "$(wc -l <asked1)" -gt "$before" ]; }
	until_true 10 asked_more
	kill -TERM "$daemon"
	wait "$daemon"
	! grep -v -e '^{' asked1 asked2 asked3 | grep -v 'null$'
}

@test "where the socket's name would be too long it is said, and all else works" {
	rm -rf "$TESSERA_RUNTIME_DIR"
	TESSERA_RUNTIME_DIR=$(mktemp -d -p /tmp "$(printf 'x%.0s' $(seq 60))XXXXXX")
	start_daemon
	grep -q "telemetry is off: the socket .* would have more than 107 characters" "$BATS_TEST_TMPDIR/daemon.log"
	[ ! -e "$TESSERA_RUNTIME_DIR/control.sock.eal/dpdk/tessera/dpdk_telemetry.v2" ]
	"$TESSERA" channel create demo/x
	ledger_balances
}
