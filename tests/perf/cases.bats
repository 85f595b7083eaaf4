#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# The cases with every form of a channel, once each: they run, and say what they should. No figure is looked at.

bats_require_minimum_version 1.5.0

setup() {
	perf=$TESSERA_BUILD/perf/tessera-perf
	cd "$BATS_TEST_TMPDIR"
}

# forms CASE: the kinds that --list says it has.
forms() {
	"$perf" --list | sed -n "/^$1 /,/^[a-z]/s/.*KIND: //p" | head -n 1
}

# measure CASE...: one run each, into the file figures, only what was measured.
measure() {
	run --separate-stderr "$perf" --quick --runs 1 --json "$@"
	[ "$status" -ne 77 ] || skip "$stderr"
	echo "$stderr"
	[ "$status" -eq 0 ]
	jq -c 'select(.runs > 0)' <<<"$output" >figures
	cat figures
	[ -s figures ]
}

# measure_alike CASE: likewise, all of it in one class: rows 'flat' compare what is of the same.
measure_alike() {
	for _ in 1 2 3 4 5; do
		measure "$1"
		[ "$(jq -r .class figures | sort -u | wc -l)" -gt 1 ] || return 0
	done
	skip "the machine moves its cores all the time"
}

@test "every kind of channel is a form of the cases" {
	for kind in rendezvous unlimited conflated broadcast; do
		[[ " $(forms stream-64) " == *" $kind "* ]]
	done
	for case in rtt stream-64 stream-512 stream-4096 wake capacities; do
		[[ " $(forms $case) " == *" one many drop-oldest requeue rendezvous "* ]]
	done
	run -2 "$perf" stream-64:sideways
	[[ $output == *"neither a kind nor a payload"* ]]
}

@test "a stream of every form arrives, whole; what is lost is told of where it may be" {
	for form in $(forms stream-64); do
		measure "stream-64:$form"
		jq -es --arg form "$form" 'all(.case | startswith("stream-64")) and all(.ours.median > 0 and .baseline.median > 0)' figures
		[[ $form == conflated || $form == drop-oldest ]] || jq -es 'all(.lost == 0)' figures
	done
	measure stream-64:conflated
	jq -es 'map(.case) | contains(["stream-64:conflated sent"])' figures
	jq -es 'all(.conditions.lossy)' figures
	measure stream-512:broadcast stream-4096:requeue
	jq -es 'length == 2 and all(.lost == 0)' figures
}

@test "a round trip and a wake-up of every form" {
	for form in $(forms wake); do
		measure "rtt:$form" "wake:$form"
		jq -es 'length >= 4 and all(.ours.median > 0)' figures
	done
}

@test "a rendezvous has no capacity to be flat over; other forms say how flat they are" {
	run -2 "$perf" capacities:rendezvous
	run -2 "$perf" capacities:unlimited
	measure_alike capacities:conflated
	jq -es 'map(select(.case | endswith(" flat"))) | length == 3 and all(.must == 1.1 and .unit == "ratio" and .baseline.name == "capacities:conflated 2^8")' figures
	# The row says what it is: how much worse its ratio is than the first.
	jq -es 'map(select(.case | endswith(" flat")) | .ratio * .ours.median / .baseline.median) | all(. > 0.99 and . < 1.01)' figures
}

@test "a round trip among idle clients, beside one of a single" {
	measure_alike rtt:clients
	jq -es 'map(.case) | contains(["rtt:clients 1", "rtt:clients 1000", "rtt:clients 1000 flat"])' figures
	jq -es 'map(select(.case == "rtt:clients 1000 flat").baseline.name) == ["rtt:clients 1"]' figures
}

@test "a round trip among idle channels, beside one of a single" {
	measure rtt:channels
	jq -es 'map(.case) | contains(["rtt:channels 1", "rtt:channels 1000", "rtt:channels 100000"])' figures
	jq -es 'all(.ours.median > 0 and .baseline.median > 0)' figures
	jq -es 'map(select(.case | endswith(" flat")).baseline.name) | all(. == "rtt:channels 1")' figures
}
