#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
bats_require_minimum_version 1.5.0
# The gate on instructions of the hot calls: this build passes, and a slower call fails it.

setup() { cd "$BATS_TEST_TMPDIR" || return; }

gate() {
	run "$TESSERA_SOURCE/tools/perf-gate" "$TESSERA_BUILD"
	[ "$status" -ne 77 ] || skip "${lines[-1]}"
}

@test "the hot calls take no more instructions than what is stored" {
	gate
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "a send that is a few instructions slower fails the gate, and is named" {
	TESSERA_GATE_PRELOAD=$TESSERA_BUILD/tests/perf/slow_send.so gate
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"one       tsr_send"*SLOWER* ]]
	[[ $output == *"calls take more than 5 % more instructions"* ]]
}

# instructions: of the four calls of a message, one by one.
instructions() {
	run --separate-stderr "$TESSERA_SOURCE/tools/perf-gate" --json "$TESSERA_BUILD"
	[ "$status" -ne 77 ] || [ -n "$output" ] || skip "$stderr"
	jq '[.calls[] | select(.way == "one").instructions] | add' <<<"$output"
}

@test "in a traced process what is not in the sample takes at most two fifths more instructions" {
	command -v valgrind >/dev/null || skip "valgrind is not installed"
	plain=$(instructions)
	traced=$(TESSERA_TRACE_SAMPLE=1000000 TESSERA_GATE_PRELOAD=$TESSERA_BUILD/tests/perf/silent_provider.so instructions)
	echo "$plain and $traced instructions a message"
	jq -en "$traced > $plain + 20 and $traced < 1.4 * $plain"
	# All of them told of: the long way. So the sample above was one.
	all=$(TESSERA_GATE_PRELOAD=$TESSERA_BUILD/tests/perf/silent_provider.so instructions)
	jq -en "$all > 1.5 * $plain"
}

# code LIBRARY: the instructions of the four calls, without addresses.
code() {
	for call in tsr_alloc tsr_send tsr_recv tsr_release; do
		objdump --disassemble=$call --no-show-raw-insn --no-addresses "$1"
	done | sed -n '/^<tsr_/,/^$/ { s/-\?[0-9a-fx]*(%rip).*//; s/<.*//; s/\<\(j[a-z]*\|call\) .*/\1/; p }'
}

@test "a build without trace points has the same instructions in the calls of a message" {
	code "$TESSERA_BUILD/shm/libtessera.so" >with
	code "$TESSERA_BUILD/perf/libtessera-untraced.so" >without
	[ "$(wc -l <with)" -gt 300 ]
	diff with without
	# And it is another build.
	nm --dynamic "$TESSERA_BUILD/shm/libtessera.so" | grep -q dlsym
	run ! cmp "$TESSERA_BUILD/shm/libtessera.so" "$TESSERA_BUILD/perf/libtessera-untraced.so"
}
