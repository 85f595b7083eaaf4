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

@test "what a form may lose is no miss; what another loses is" {
	page --quick --rounds 1 -o page.html jitter
	jq -c '.lost = 1 | .must = null | .reach = null' page.ndjson >lost.ndjson
	page --from lost.ndjson -o lost.html
	grep -q "class='LOST'" lost.html
	jq -c '.conditions.lossy = true' lost.ndjson >lossy.ndjson
	page --from lossy.ndjson -o lossy.html
	grep -q 'Missed: <b>nothing</b>' lossy.html
}

@test "files without objects are refused" {
	: >empty.ndjson
	run "$TESSERA_SOURCE/tools/perf-report" --from empty.ndjson -o no.html
	[ "$status" -eq 1 ]
	[ ! -e no.html ]
}

@test "the README's table is written between its markers, each class by itself" {
	object() { jq -nc --arg case "$1" --arg class "$2" --arg name "$3" --argjson ours "$4" --argjson ratio "$5" '{case: $case, class: $class, unit: "M/s",
		better: "higher", must: null, reach: null, runs: 1, lost: 0, ratio: $ratio, ours: {name: "ours", median: $ours}, baseline: {name: $name, median: 1},
		conditions: {ratio_min: $ratio, ratio_max: $ratio, limits_bind: "ratio", commit: "abc", compiler: "c", clock: {name: "t", step: 1}, priority: "p", page: "4K"}}'; }
	{ object stream-64 near pipe 44.4 14.8; object stream-64 far pipe 13.5 14.0; object rtt far "bare two-line ping-pong" 534.8 1.11; } >some.ndjson
	printf '%s\n' before '<!-- figures: old -->' '| 1 |' '<!-- end of figures -->' after >README.md
	page --from some.ndjson -o page.html --readme README.md
	cat README.md
	[ "$(head -n 1 README.md)" = before ]
	[ "$(tail -n 1 README.md)" = after ]
	grep -q '^<!-- figures: .* commit abc, ' README.md
	grep -qxF '| 64-byte messages, written and read in full | 44 M/s, 15 times a pipe | 14 M/s, 14 times a pipe |' README.md
	grep -qE '^\| round trip .* \| - \| 0.53 µs, 1.1 times two bare cache lines \|$' README.md
	run ! grep -q '| 1 |' README.md
	# Once more, it is the same.
	cp README.md once
	page --from some.ndjson -o page.html --readme README.md
	cmp once README.md
	echo nothing >other.md
	run "$TESSERA_SOURCE/tools/perf-report" --from some.ndjson -o page.html --readme other.md
	[ "$status" -eq 1 ]
	[ "$(cat other.md)" = nothing ]
}

@test "the README of this tree has its figures from there" {
	grep -q '^<!-- figures: written by tools/perf-report --readme, from commit ' "$TESSERA_SOURCE/README.md"
	grep -qx '<!-- end of figures -->' "$TESSERA_SOURCE/README.md"
}
