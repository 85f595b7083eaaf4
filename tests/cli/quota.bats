#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# tessera quota: who has taken what of the daemon.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
}
teardown() { tessera_teardown; }

of() { jq -r --arg what "$1" '.quota[] | select(.what == $what) | '"$2" <<<"$output"; }

@test "what is taken, of what, and what was refused" {
	start_daemon --set limits.channels_per_user=2 --set limits.channels=9 --set limits.requests_per_second=100
	"$TESSERA" channel create demo/one
	"$TESSERA" channel create demo/two
	run "$TESSERA" channel create demo/three
	[ "$status" -ne 0 ]
	[[ $output == *"limits.channels_per_user (2)"* ]]
	run --separate-stderr "$TESSERA" --json quota
	[ "$status" -eq 0 ]
	[ "$(of channels '"\(.user) \(.taken) \(.limit) \(.all_taken) \(.all_limit) \(.refused)"')" = "$(id -un) 2 2 2 9 1" ]
	[ "$(of bytes .taken)" -gt 65536 ]
	[ "$(of requests_per_second '.taken > 0 and .limit == 100 and .all_limit == null')" = true ]
	run "$TESSERA" quota
	[ "$status" -eq 0 ]
	[[ $output == *channels*2*2*2*9*1* ]]
}

@test "a reload changes limits, and who is above keeps what he has" {
	printf 'limits: { channels_per_user = 5; };\n' >t.conf
	start_daemon --config t.conf
	"$TESSERA" channel create demo/one
	"$TESSERA" channel create demo/two
	printf 'limits: { channels_per_user = 1; };\n' >t.conf
	"$TESSERA" reload
	run --separate-stderr "$TESSERA" --json quota
	[ "$(of channels '"\(.taken) \(.limit)"')" = "2 1" ]
	run "$TESSERA" channel create demo/three
	[ "$status" -ne 0 ]
}
