#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# tessera regions, and the example that shares a buffer of its own.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
	share=$TESSERA_BUILD/apps/examples/region_share
}
teardown() { tessera_teardown; }

json() { run --separate-stderr "$TESSERA" --json "$@"; [ "$status" -eq 0 ]; }

@test "a buffer that a program had allocated itself is read without a copy, after the program's end" {
	start_daemon --set realms.demo.foreign_regions=true
	"$share" send "not a byte" "was copied"
	json regions
	[ "$(value '.regions | length')" -eq 1 ]
	[ "$(value '.regions[0] | "\(.realm) \(.kind) \(.access) \(.bytes) \(.tickets) \(.out) \(.state) \(.owner)"')" = \
		"demo theirs write 65536 64 2 closing region_share" ]
	json status
	[ "$(value '.realms[0].regions')" -eq 1 ]
	run "$share" recv
	[ "$status" -eq 0 ]
	[ "$(tr -d '\0' <<<"$output")" = $'not a byte\nwas copied' ]
	json regions
	[ "$(jq -c .regions <<<"$output")" = "[]" ]
	ledger_balances
}

@test "a receiver that waits is sent to, and the list names the region while it is open" {
	start_daemon --set realms.demo.foreign_regions=true
	background "$share" recv >output
	receiver=$last
	"$share" send one two three
	wait "$receiver"
	[ "$(tr -d '\0' <output | tr '\n' ' ')" = "one two three " ]
	ledger_balances
}

@test "a realm that does not take clients' memory says so" {
	start_daemon
	run "$share" send one
	[ "$status" -eq 1 ]
	[[ $output == *"does not take clients' memory"*foreign_regions* ]]
	run "$TESSERA" regions
	[ "$status" -eq 0 ]
	ledger_balances
}

@test "the list of a realm that is not there is refused, and the command tells its use" {
	start_daemon
	run "$TESSERA" --realm nowhere regions
	[ "$status" -eq 4 ]
	run "$TESSERA" regions --help
	[ "$status" -eq 0 ]
	[[ $output == *"Show the regions"* ]]
	run "$TESSERA" regions surplus
	[ "$status" -eq 2 ]
}

@test "settings of regions are checked" {
	run "$TESSERAD" --check-config --set realms.demo.regions=1025
	[ "$status" -ne 0 ]
	[[ $output == *"expected 0 to 1024"* ]]
	run "$TESSERAD" --check-config --set realms.demo.foreign_regions=perhaps
	[ "$status" -ne 0 ]
	run "$TESSERAD" --check-config --set realms.demo.region_tickets=0 --set limits.regions_per_user=0
	[ "$status" -eq 0 ]
}
