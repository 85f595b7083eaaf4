#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# The page of figures: made of what was run, and what misses its limit is named.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
}

page() {
	run "$TESSERA_SOURCE/tools/perf-report" --build "$TESSERA_BUILD" "$@"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "a run becomes one page, with its distribution and no reference outside" {
	page --quick --rounds 1 -o page.html jitter
	grep -q '<td>jitter longest gap<td' page.html
	grep -q 'polyline' page.html
	grep -q 'Missed: <b>nothing</b>' page.html
	run ! grep -qE 'src=|href=|https?://' page.html
	jq -es 'all(.case | startswith("jitter"))' page.ndjson
}

@test "what misses its limit is named, whatever the round" {
	page --quick --rounds 1 -o page.html jitter
	jq -c '.must = 0.000000001' page.ndjson >missed.ndjson
	page --from missed.ndjson page.ndjson -o missed.html
	grep -q 'Missed: <b>jitter longest gap one-core' missed.html
	grep -q "class='MISSED'" missed.html
}

@test "files without objects are refused" {
	: >empty.ndjson
	run "$TESSERA_SOURCE/tools/perf-report" --from empty.ndjson -o no.html
	[ "$status" -eq 1 ]
	[ ! -e no.html ]
}
