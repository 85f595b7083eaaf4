# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# What the suites of the command line share: a run directory and a daemon of one test's own.
# TESSERA, TESSERAD: the programs. TESSERA_TEST_SET: settings for every daemon, blank between them.

bats_require_minimum_version 1.5.0

tessera_setup() {
	export TESSERA_RUNTIME_DIR=$BATS_TEST_TMPDIR/run
	mkdir -m 700 "$TESSERA_RUNTIME_DIR"
	unset NO_COLOR
	settings=()
	for assignment in ${TESSERA_TEST_SET:-}; do
		settings+=(--set "$assignment")
	done
	: >"$BATS_TEST_TMPDIR/started"
}

# until_true SECONDS COMMAND...: again and again, until it succeeds.
until_true() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -le "$deadline" ] || { echo "in vain: $*"; return 1; }
		sleep 0.02
	done
}

# background COMMAND...: start it; its process is $last, and it ends with the test. A pipe that the test
# writes to by 7 is the test's alone.
background() {
	"$@" <&0 3>&- 7>&- &
	last=$!
	echo "$last" >>"$BATS_TEST_TMPDIR/started"
}

start_daemon() {
	"$TESSERAD" "${settings[@]}" "$@" >"$BATS_TEST_TMPDIR/daemon.log" 2>&1 3>&- &
	daemon=$!
	echo "$daemon" >>"$BATS_TEST_TMPDIR/started"
	until_true 20 "$TESSERA" ping --count 1 || { cat "$BATS_TEST_TMPDIR/daemon.log"; return 1; }
	# It answers before it has done with its start.
	until_true 20 grep -q "ready: " "$BATS_TEST_TMPDIR/daemon.log"
}

# A realm at rest must add up, whatever the test did.
ledger_balances() {
	until_true 5 "$TESSERA" ledger || { "$TESSERA" ledger; return 1; }
}

# Only what the test started is ended, each by its number.
tessera_teardown() {
	local process
	while read -r process; do
		# One that was stopped has to go on to take its leave.
		kill "$process" 2>/dev/null && kill -CONT "$process" 2>/dev/null || true
	done <"$BATS_TEST_TMPDIR/started"
	while read -r process; do
		wait "$process" 2>/dev/null || true
	done <"$BATS_TEST_TMPDIR/started"
}

# value KEY: a number or text of the JSON in $output, by its path: .realms[0].realm
value() {
	# shellcheck disable=SC2154 # bats sets it
	jq -er "$1" <<<"$output"
}
