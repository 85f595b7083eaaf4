#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# Every command looks at a daemon, tells what it saw in three forms, and says what to do when none is there.

load helper

setup() { tessera_setup; }
teardown() { tessera_teardown; }

commands="demo doctor status realms clients channels channel send recv ping tickets dump ledger metrics reload evict trace stop"

# json COMMAND...: it succeeds, and what it writes is one JSON object with a schema.
json() {
	run --separate-stderr "$TESSERA" --json "$@"
	[ "$status" -eq 0 ]
	[ "$(value .schema)" = 1 ]
}

@test "help and version are everywhere" {
	for command in "" $commands; do
		# shellcheck disable=SC2086
		run "$TESSERA" $command --help
		[ "$status" -eq 0 ]
		[[ $output == *"Usage: tessera"* && $output == *--json* && $output == *--socket* ]]
		# shellcheck disable=SC2086
		run "$TESSERA" $command --version
		[ "$status" -eq 0 ]
		[[ $output == "tessera "[0-9]* ]]
	done
	run "$TESSERA" --help
	for command in $commands; do
		[[ $output == *"  $command "* ]]
	done
}

@test "help is as good as --help" {
	[ "$("$TESSERA" help)" = "$("$TESSERA" --help)" ]
	[ "$("$TESSERA" help help)" = "$("$TESSERA" help --help)" ]
	for command in top channel; do
		[ "$("$TESSERA" help $command)" = "$("$TESSERA" $command --help)" ]
	done
	run "$TESSERA" help nix
	[ "$status" -eq 2 ]
	[[ $output == *"no command 'nix'"* ]]
}

@test "a wrong command line exits with 2 and says why" {
	for arguments in "" nonsense "status extra" "channel" "channel create" "channel make x" "channel rm x --one-sender" \
		"channel create x --capacity 3" "channel create x --capacity 0" "channel create x --capacity 8388608" "channel create x --kind round" "channel create x --on-full burst" "send" "send demo/" "send a/b --block-size x" "recv a b" "ping --count 0" \
		"ping --interval 5parsecs" "status --color=mauve" "realms x" "tickets a b" "tickets --older 0" "tickets --segment x --older 1" "dump a b" "dump --save x --segment y" "demo --limit none" "recv a --timeout 0" \
		"evict" "evict a b" "evict 1 --reason $(printf %0128d 0)" "trace" "trace play" "trace export" "trace show a b" "trace show --seconds 1" "trace record --ticket 1" \
		"trace show --ticket x" "trace show --ticket 1 --events" "trace record --sample 0" "trace record --buffer 3M"; do
		# shellcheck disable=SC2086
		run --separate-stderr "$TESSERA" $arguments
		echo "$arguments: $status $stderr"
		[ "$status" -eq 2 ]
		[ -z "$output" ]
		[ -n "$stderr" ]
	done
}

@test "durations are read in each of their units" {
	# An hour is the longest that top takes; there is no daemon, so what is read fails later.
	for interval in 1h 60m 0.0416d 3600s 3600 3600000ms 3600000000us 3600000000000ns; do
		run "$TESSERA" top --once --interval "$interval"
		[ "$status" -eq 3 ] || { echo "$interval: $status: $output"; return 1; }
	done
	for interval in 1.001h 61m 0.0417d 1d 3601s 3601 3601000ms 3601000000us 3601000000000ns 1w 1hour d; do
		run "$TESSERA" top --once --interval "$interval"
		[ "$status" -eq 2 ] || { echo "$interval: $status: $output"; return 1; }
		[[ $output == *"--interval $interval, expected"*"to 1 hour"* ]]
	done
}

@test "without a daemon every command exits with 3 and says in one sentence what to do" {
	for arguments in status realms clients channels "tickets" "dump demo/x" "channel create x" "channel rm x" "send demo/x" "recv demo/x" ping ledger metrics reload "evict 1" stop; do
		# shellcheck disable=SC2086
		run --separate-stderr "$TESSERA" $arguments </dev/null
		echo "$arguments: $status $stderr"
		[ "$status" -eq 3 ]
		[ -z "$output" ]
		[[ $stderr == *"no daemon listens on $TESSERA_RUNTIME_DIR/control.sock"*"start one with '"*"tesserad &'"* ]]
		[ "${#stderr_lines[@]}" -eq 1 ]
	done
}

@test "the socket that a daemon says it has is the one that answers" {
	start_daemon
	run "$TESSERA" --socket "$TESSERA_RUNTIME_DIR/control.sock" --json status
	[ "$(value .pid)" -eq "$daemon" ]
	run "$TESSERA" --socket "$TESSERA_RUNTIME_DIR/other.sock" status
	[ "$status" -eq 3 ]
	TESSERA_RUNTIME_DIR=/nonexistent run "$TESSERA" status --socket "$TESSERA_RUNTIME_DIR/control.sock"
	[ "$status" -eq 0 ]
}

@test "status tells of the daemon and the realm demo" {
	start_daemon
	json status
	[ "$(value .pid)" -eq "$daemon" ]
	[ "$(value .user)" = "$(id -un)" ]
	[ "$(value '.realms[0].realm')" = demo ]
	[ "$(value '.realms[0].backing' | grep -cE '^(1G|2M|thp|4K)$')" -eq 1 ]
	[ "$(value '.realms[0].message_bytes_max')" -ge 65536 ]
	[ "$(value '.realms[0].clients')" -eq 0 ]
	value .hint
	value .uptime_ns
	# The pass for the older kernel must be one.
	[[ "${TESSERA_TEST_SET:-}" != *compat.kernel=6.1* ]] || [ "$(value .compat)" = true ]
}

@test "what the pipe gets is what JSON says" {
	start_daemon
	"$TESSERA" channel create one --capacity 64
	"$TESSERA" channel create two --one-sender
	run --separate-stderr "$TESSERA" --json channels
	table=$("$TESSERA" channels)
	[ "$(head -n 1 <<<"$table" | cut -f 1,2,5)" = $'realm\tname\tcapacity' ]
	[ "$(tail -n +2 <<<"$table" | cut -f 1,2,4,5 | sort)" = \
		"$(value '.channels[] | [.realm, .name, .shape, (.capacity | tostring)] | join("\t")' | sort)" ]
	[ "$(value '.channels | length')" -eq 2 ]
}

@test "on a terminal there is a table, in colour unless NO_COLOR or --color says otherwise" {
	start_daemon
	"$TESSERA" channel create seen --capacity 2048
	export TERM=xterm
	run script -qec "$TESSERA channels" /dev/null
	[[ $output == *$'\033[1mREALM'*"2,048"* ]]
	NO_COLOR=1 run script -qec "$TESSERA channels" /dev/null
	[[ $output == *REALM* && $output != *$'\033'* ]]
	run script -qec "$TESSERA --color=never channels" /dev/null
	[[ $output == *REALM* && $output != *$'\033'* ]]
	NO_COLOR=1 run script -qec "$TESSERA --color=always channels" /dev/null
	[[ $output == *$'\033[1m'* ]]
	TERM=dumb run script -qec "$TESSERA channels" /dev/null
	[[ $output != *$'\033'* ]]
}

@test "a channel is created once, shown, and removed" {
	start_daemon
	json channel create demo/files --capacity 16 --one-receiver
	[ "$(value .done)" = created ]
	"$TESSERA" channel create demo/files --capacity 16 --one-receiver
	run --separate-stderr "$TESSERA" channel create demo/files --capacity 32
	[ "$status" -eq 1 ]
	[[ $stderr == *"exists already"* ]]
	run "$TESSERA" --json channels
	[ "$(value '.channels[0].capacity')" -eq 16 ]
	[ "$(value '.channels[0].shape')" = many-to-one ]
	json channel rm demo/files
	run --separate-stderr "$TESSERA" channel rm demo/files
	[ "$status" -eq 4 ]
	[[ $stderr == *files* ]]
	ledger_balances
}

@test "an unknown realm exits with 4 and its name" {
	start_daemon
	for arguments in "send nowhere/x" "recv nowhere/x" "channel create nowhere/x" "--realm nowhere ledger"; do
		# shellcheck disable=SC2086
		run --separate-stderr "$TESSERA" $arguments </dev/null
		echo "$arguments: $status $stderr"
		[ "$status" -eq 4 ]
		[[ $stderr == *nowhere* ]]
	done
}

@test "clients shows who is attached and what they have open" {
	start_daemon
	background "$TESSERA" recv demo/watched
	receiver=$last
	until_true 10 grep -q . <("$TESSERA" --json clients | jq -e '.clients[0].receivers == 1')
	run "$TESSERA" --json clients
	[ "$(value '.clients | length')" -eq 1 ]
	[ "$(value '.clients[0].pid')" -eq "$receiver" ]
	[ "$(value '.clients[0].user')" = "$(id -un)" ]
	[ "$(value '.clients[0].realm')" = demo ]
	run "$TESSERA" --json channels
	[ "$(value '.channels[0].receivers')" -eq 1 ]
	run "$TESSERA" --realm demo channel rm watched
	[ "$status" -eq 1 ]
	[[ $output == *"in use"* ]]
	kill "$receiver"
	until_true 10 sh -c "'$TESSERA' --json clients | jq -e '.clients == []'"
	ledger_balances
}

@test "ping measures as often as it is told" {
	start_daemon
	json ping --count 25 --interval 1ms
	[ "$(value .count)" -eq 25 ]
	[ "$(value '.min_ns <= .avg_ns and .avg_ns <= .max_ns and .min_ns > 0')" = true ]
}

@test "the ledger adds up, and names its parts" {
	start_daemon
	json ledger
	[ "$(value .balanced)" = true ]
	[ "$(value '.tickets == .in_depot + .with_daemon + .in_channels + .with_clients + .in_regions')" = true ]
	[ "$(jq -r .lost <<<"$output")" -eq 0 ]
	printf x | "$TESSERA" send demo/kept
	json ledger
	[ "$(value .in_channels)" -eq 1 ]
	"$TESSERA" channel rm demo/kept
	ledger_balances
}

@test "stop returns when the daemon has ended, and its socket is gone" {
	start_daemon
	json stop
	[ "$(value .pid)" -eq "$daemon" ]
	[ "$(value .stopped)" = true ]
	wait "$daemon"
	[ ! -e "$TESSERA_RUNTIME_DIR/control.sock" ]
	run "$TESSERA" stop
	[ "$status" -eq 3 ]
}

@test "another user is kept out with 5, by the socket and by the realm, and told how to be let in" {
	[ "$(id -u)" -eq 0 ] || skip "only root can be somebody else"
	nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	chmod 711 "$TESSERA_RUNTIME_DIR" "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_RUN_TMPDIR" \
		"${BATS_TEST_TMPDIR%/*}"
	"${nobody[@]}" test -x "$TESSERA" || skip "nobody can't reach the build folder"
	start_daemon
	for command in status "send demo/x"; do
		# shellcheck disable=SC2086
		run --separate-stderr "${nobody[@]}" "$TESSERA" $command </dev/null
		[ "$status" -eq 5 ]
		[[ $stderr == *"this user may not use the daemon's socket"*doctor* ]]
	done
	run --separate-stderr "${nobody[@]}" "$TESSERA" doctor --json
	[ "$(value '.findings[] | select(.check == "your daemon") | .state')" = FAIL ]
	chmod 666 "$TESSERA_RUNTIME_DIR/control.sock"
	run --separate-stderr "${nobody[@]}" "$TESSERA" send demo/x </dev/null
	echo "$stderr"
	[ "$status" -eq 5 ]
	[[ $stderr == *"realm 'demo'"* ]]
	run --separate-stderr "${nobody[@]}" "$TESSERA" stop
	[ "$status" -eq 5 ]
	kill -0 "$daemon"
	ledger_balances
}
