#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# The main job: files from process to process, checked and measured.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
	input=$TESSERA_SOURCE/shm
}
teardown() { tessera_teardown; }

demo() {
	"$TESSERA" demo "${settings[@]}" "$@"
}

@test "the demo starts a daemon, streams, compares, and leaves nothing behind" {
	run --separate-stderr demo --input "$input"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *identical* && $output == *unloaded* && $output == *saturated* && $output == *P99.9* ]]
	[[ $output == *"pages of "* && $output == *"Try next:"* && $output == *" stop"* ]]
	[ ! -e "$TESSERA_RUNTIME_DIR/control.sock" ]
	run "$TESSERA" status
	[ "$status" -eq 3 ]
}

@test "its JSON has all that the table shows, and the sum is that of the files" {
	run --separate-stderr demo --input "$input" --json
	[ "$status" -eq 0 ]
	[ "$(value .schema)" = 1 ]
	[ "$(value .identical)" = true ]
	want=$(cd / && find "$input" -type f -printf '%P\0' | LC_ALL=C sort -z | sed -z "s,^,$input/," | xargs -0 cat | sha256sum)
	[ "$(value .sha256_received)  -" = "$want" ]
	[ "$(value .bytes)" -eq "$(find "$input" -type f -printf '%s\n' | awk '{ s += $1 } END { print s }')" ]
	[ "$(value .received_bytes)" -eq "$(value .bytes)" ]
	[ "$(value .files)" -eq "$(find "$input" -type f -size +0 | wc -l)" ]
	[ "$(value .latency.unloaded.messages)" -eq "$(value .latency.unloaded.stamped)" ]
	[ "$(value '.latency.saturated | (.stamped - .messages / 64) * (.stamped - .messages / 64) <= 1')" = true ]
	[ "$(value '.latency[] | select(.p50_ns <= .p99_ns and .p99_ns <= .p999_ns and .p999_ns <= .max_ns) | 1' | wc -l)" -eq 2 ]
	[ "$(value '.next | length')" -eq 3 ]
	value .backing
	value .stop
}

@test "where memory is short it hashes on the way, and says so" {
	run --separate-stderr demo --input "$input" --through
	[ "$status" -eq 0 ]
	[[ $output == *identical* && $output == *"memory is short"* ]]
	run --separate-stderr demo --input "$input" --through --corrupt-one-bit --json
	[ "$status" -eq 1 ]
	[ "$(value .hashed_on_the_way)" = true ]
}

@test "one flipped bit fails it" {
	run --separate-stderr demo --input "$input" --corrupt-one-bit
	[ "$status" -eq 1 ]
	[[ $output == *DIFFERENT* ]]
	[[ $stderr == *"FAILED: what arrived is not what was sent"* ]]
	run --separate-stderr demo --input "$input" --corrupt-one-bit --json
	[ "$status" -eq 1 ]
	[ "$(jq -r .identical <<<"$output")" = false ]
	[ ! -e "$TESSERA_RUNTIME_DIR/control.sock" ]
}

@test "with --keep the daemon stays, with nothing in it, until it is stopped as told" {
	run --separate-stderr demo --input "$input" --keep --json
	[ "$status" -eq 0 ]
	echo "$(value .daemon_pid)" >>"$BATS_TEST_TMPDIR/started"
	[ "$(value .daemon_runs)" = true ]
	stop=$(value .stop)
	kept=$(value .daemon_pid)
	ledger_balances
	run "$TESSERA" --json channels
	[ "$(value '.channels | length')" -eq 0 ]
	run "$TESSERA" --json clients
	[ "$(value '.clients | length')" -eq 0 ]
	$stop
	until_true 5 sh -c "! kill -0 $kept"
}

@test "a daemon that runs already is used, and left alone" {
	start_daemon
	run --separate-stderr "$TESSERA" demo --input "$input" --json
	[ "$status" -eq 0 ]
	[ "$(value .daemon_pid)" -eq "$daemon" ]
	[ "$(jq -r .daemon_started <<<"$output")" = false ]
	kill -0 "$daemon"
	ledger_balances
}

@test "the input is cut where --limit says, and the file is named" {
	mkdir -p tree/b
	head -c 10000 /dev/zero >tree/a
	head -c 10000 /dev/urandom >tree/b/x
	head -c 10000 /dev/zero >tree/c
	ln -s a tree/link
	run --separate-stderr demo --input tree --limit 15000B --json
	[ "$status" -eq 0 ]
	[ "$(value .bytes)" -eq 15000 ]
	[ "$(value .files)" -eq 2 ]
	[ "$(value .cut_file)" = tree/b/x ]
	[ "$(value .cut_bytes)" -eq 5000 ]
	[ "$(value .sha256_source)  -" = "$(cat tree/a tree/b/x | head -c 15000 | sha256sum)" ]
}

@test "entries that can't be read are counted" {
	[ "$(id -u)" -ne 0 ] || command -v setpriv >/dev/null || skip "no way to be somebody else"
	mkdir tree
	echo seen >tree/seen
	echo secret >tree/secret
	chmod 000 tree/secret
	if [ "$(id -u)" -eq 0 ]; then
		chmod 755 tree
		chmod 711 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_SUITE_TMPDIR" "${BATS_TEST_TMPDIR%/*}"
		[ -x "$TESSERA" ] && setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$TESSERA" -a -x "$TESSERAD" ||
			skip "nobody can't reach the build folder"
		chown 65534:65534 "$TESSERA_RUNTIME_DIR"
		run --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups "$TESSERA" demo "${settings[@]}" --input tree --json
	else
		run --separate-stderr demo --input tree --json
	fi
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ "$(value .unreadable)" -eq 1 ]
	[ "$(value .bytes)" -eq 5 ]
}

@test "nothing to stream, no such folder: said, and no daemon is started" {
	mkdir empty
	for place in empty nowhere; do
		run --separate-stderr demo --input "$place"
		[ "$status" -eq 4 ]
		[[ $stderr == *"$place"* && $stderr == *--input* ]]
	done
	[ ! -e "$TESSERA_RUNTIME_DIR/control.sock" ]
}

@test "a daemon that does not come up is shown with what it said" {
	run --separate-stderr "$TESSERA" demo --input "$input" --set realms.demo.mode=nonsense
	[ "$status" -eq 3 ]
	[[ $stderr == *"tesserad ended with status"* && $stderr == *mode* ]]
}

@test "interrupted, it ends its processes and its daemon" {
	truncate -s 1G big
	mkdir tree
	mv big tree
	background "$TESSERA" demo "${settings[@]}" --input tree 2>progress
	running=$last
	until_true 20 "$TESSERA" ping --count 1
	mine=$("$TESSERA" --json status | jq .pid)
	kill -INT "$running"
	code=0
	wait "$running" || code=$?
	[ "$code" -eq 130 ]
	! kill -0 "$mine"
	[ ! -e "$TESSERA_RUNTIME_DIR/control.sock" ]
	[ -z "$(pgrep -P "$running")" ]
}
