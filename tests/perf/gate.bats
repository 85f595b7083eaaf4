#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# The gate on instructions of the hot calls: this build passes, and a slower call fails it.

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
	[[ $output == *"one    tsr_send"*SLOWER* ]]
	[[ $output == *"calls take more than 5 % more instructions"* ]]
}
