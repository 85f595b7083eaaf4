#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# A realm out of core files: of a client that aborted, of one that goes on, of the daemon; and of damaged ones.

load helper

setup() { tessera_setup; }
teardown() { tessera_teardown; }

SMALL=(--set 'realms.demo.classes=64:256,512:256' --set realms.demo.slots=2048 --set realms.demo.channels=8 --set realms.demo.clients=4)

# json COMMAND...: it succeeds, and what it writes is one JSON object with a schema.
json() {
	run --separate-stderr "$TESSERA" --json "$@"
	echo "$* ends with $status: $stderr"
	[ "$status" -eq 0 ]
	[ "$(value .schema)" = 1 ]
}

# A client whose core may be written, into the test's own folder; $last is its process.
cored() {
	# shellcheck disable=SC2016
	background sh -c 'cd "$0" && { ulimit -c unlimited || :; } 2>/dev/null; exec "$@"' "$BATS_TEST_TMPDIR" "$TESSERA" "$@"
}

# Does the kernel write core files where the process was?
kernel_writes() {
	pattern=$(</proc/sys/kernel/core_pattern)
	[[ $pattern != "|"* && $pattern != */* ]] && (ulimit -c unlimited) 2>/dev/null
}

# written PID: $core is of that process, which goes on.
written() {
	command -v gcore >/dev/null || skip "there is no gcore (package gdb)"
	gcore -o "$BATS_TEST_TMPDIR/of" "$1" >"$BATS_TEST_TMPDIR/gcore.log" 2>&1 || skip "gcore may not look at other processes here"
	core=$BATS_TEST_TMPDIR/of.$1
}

sent() {
	[ "$("$TESSERA" --json channels | jq ".channels[] | select(.name == \"$1\").depth")" -ge "$2" ]
}

# 100 messages of 512 bytes, and who sent them waits for more; $sender is its process.
start_sender() {
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 7<>"$BATS_TEST_TMPDIR/pipe"
	cored send demo/files --block-size 512 <"$BATS_TEST_TMPDIR/pipe"
	sender=$last
	head -c 51200 /dev/zero >&7
	until_true 5 sent files 100
}

@test "the core of a client that aborts in the middle of sending shows the realm, and who, where and why" {
	kernel_writes || skip "core files are not written as files here: $(</proc/sys/kernel/core_pattern)"
	start_daemon "${SMALL[@]}" --set realms.demo.classes=64:256,512:1024
	start_sender
	cored send demo/moving --block-size 64 </dev/zero
	victim=$last
	background "$TESSERA" recv demo/moving >/dev/null
	until_true 5 sh -c '[ "$("$0" --json clients | jq ".clients | length")" -eq 3 ]' "$TESSERA"
	kill -ABRT "$victim"
	run wait "$victim"
	core=$(find "$BATS_TEST_TMPDIR" -name 'core*' -size +0)
	[ -n "$core" ]
	json dump "$core"
	[ "$(value .realm)" = demo ]
	[ "$(value .core_program)" = tessera ]
	[ "$(value .core_pid)" -eq "$victim" ]
	[ "$(value .core_thread)" -gt 0 ]
	[ "$(value .core_signal)" = SIGABRT ]
	[ "$(jq -c '[.segments[] | select(.copied | not).segment]' <<<"$output")" = '["arena 0"]' ]
	[ "$(value '.channels | length')" -eq 2 ]
	json dump "$core" files
	[ "$(value .ready)" -eq 100 ]
	[ "$(value '.slots[7].length')" -eq 512 ]
	[ "$(value '.slots[7].ticket_says')" = "channel, idle, generation +0" ]
	json dump --segment "$core" demo/moving
	[ "$(value .senders)" -eq 1 ]
	json tickets --segment "$core" --channel files
	[ "$(value '.tickets | length')" -eq 100 ]
	json realms --segment "$core"
	[ "$(value '.realms[0].realm')" = demo ]
	run "$TESSERA" dump "$core"
	[[ $output == *core_program*tessera*core_signal*SIGABRT*core_lacks*payload* ]]
	run --separate-stderr "$TESSERA" dump "$core" none
	[ "$status" -eq 4 ]
	run --separate-stderr "$TESSERA" dump "$core" --realm other
	[ "$status" -eq 1 ]
	[[ $stderr == *"no realm of that name"* ]]
	# What is shown of a core that was cut off is right; else it is refused, and says why.
	size=$(stat -c %s "$core")
	for tenths in 9 8 7 6 5 4 3 2 1; do
		truncate -s $((size * tenths / 10)) "$core"
		run --separate-stderr "$TESSERA" --json dump "$core" files
		[ "$status" -eq 1 ] || [ "$(value .ready)" -eq 100 ]
		[ "$status" -eq 0 ] || [[ $stderr == *"it was cut off"* ]]
	done
	[ "$status" -eq 1 ]
}

@test "the core of a client that goes on shows the same as the realm" {
	start_daemon "${SMALL[@]}"
	start_sender
	written "$sender"
	"$TESSERA" --json dump demo/files | jq 'del(.slots[].age_ns, .core_program, .core_pid, .core_thread, .core_signal, .core_lacks, .tokens, .slots[].owner)' >"$BATS_TEST_TMPDIR/live"
	"$TESSERA" --json dump "$core" files | jq 'del(.slots[].age_ns, .core_program, .core_pid, .core_thread, .core_signal, .core_lacks, .tokens, .slots[].owner)' >"$BATS_TEST_TMPDIR/core-shows"
	diff "$BATS_TEST_TMPDIR/live" "$BATS_TEST_TMPDIR/core-shows"
}

@test "what a message says is in no core file, nor is anything of a realm that is not to be" {
	start_daemon "${SMALL[@]}"
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 7<>"$BATS_TEST_TMPDIR/pipe"
	cored send demo/files --block-size 64 <"$BATS_TEST_TMPDIR/pipe"
	sender=$last
	for _ in 1 2 3 4 5 6 7 8; do head -c 64 /dev/zero | tr '\0' Q >&7; done
	until_true 5 sent files 8
	written "$sender"
	# The tessera that sends has one block in its own buffer, the arena has eight.
	[ "$(grep -ao "$(head -c 64 /dev/zero | tr '\0' Q)" "$core" | wc -l)" -le 2 ]
	exec 7>&-
	"$TESSERA" stop
	rm -rf "$BATS_TEST_TMPDIR/pipe" "$core"
	start_daemon "${SMALL[@]}" --set realms.demo.core_files=false
	start_sender
	written "$sender"
	run --separate-stderr "$TESSERA" dump "$core"
	[ "$status" -eq 1 ]
	[[ $stderr == *"holds no realm that can be shown: "*core_files* ]]
}

@test "the daemon's core has all of its realms, one of which is to be named" {
	start_daemon "${SMALL[@]}" --set realms.more.classes=64:256 --set realms.more.slots=1024
	start_sender
	written "$(jq .pid <<<"$("$TESSERA" --json status)")"
	run --separate-stderr "$TESSERA" dump "$core"
	[ "$status" -eq 1 ]
	[[ $stderr == *"it has several, name one with --realm:"*demo* ]]
	json dump "$core" --realm demo files
	[ "$(value .ready)" -eq 100 ]
	[ "$(value .core_program)" = tesserad ]
	json dump "$core" --realm more
	[ "$(value .realm)" = more ]
}

@test "a core file that was damaged or cut off is refused or shown, and never falls over" {
	start_daemon "${SMALL[@]}"
	start_sender
	written "$sender"
	count=60
	[ -z "${TESSERA_NIGHTLY:-}" ] || count=1500
	run "$BATS_TEST_DIRNAME/hostile-core" "$TESSERA" "$core" "${TESSERA_SEED:-$RANDOM}" "$count"
	echo "$output"
	[ "$status" -eq 0 ]
	# One segment of it was not written.
	json dump "$core"
	python3 - "$core" "$(value '.segments[1].bytes')" <<-'END'
		import struct, sys
		with open(sys.argv[1], "r+b") as file:
		    head = file.read(64)
		    at, = struct.unpack_from("<Q", head, 32)
		    for place in range(at, at + 56 * struct.unpack_from("<H", head, 56)[0], 56):
		        file.seek(place)
		        kind, size = struct.unpack("<I28xQ16x", file.read(56))
		        if kind == 1 and size == int(sys.argv[2]):
		            file.seek(place + 32)
		            file.write(bytes(8))
	END
	run --separate-stderr "$TESSERA" dump "$core"
	[ "$status" -eq 1 ]
	[[ $stderr == *"some of its memory was not to be written into it"* ]]
	truncate -s $(($(stat -c %s "$core") / 2)) "$core"
	run --separate-stderr "$TESSERA" dump "$core"
	[ "$status" -eq 1 ]
	[[ $stderr == *"it was cut off"* ]]
	# Not one of a realm's, nor one at all.
	printf '\177ELF' >"$BATS_TEST_TMPDIR/short"
	run --separate-stderr "$TESSERA" dump --segment "$BATS_TEST_TMPDIR/short"
	[ "$status" -eq 1 ]
	run --separate-stderr "$TESSERA" dump --segment "$TESSERA"
	[ "$status" -eq 1 ]
	[[ $stderr == *"is not a saved dump"* ]]
}
