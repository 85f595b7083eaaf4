#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# What the daemon keeps of a death, and how it is shown.

load helper

setup() {
	tessera_setup
	kept=$BATS_TEST_TMPDIR/kept
	mkdir "$kept"
}
teardown() { tessera_teardown; }

# a_death: a client that has sent 100 messages of 512 bytes and holds its end open is killed; $victim was it.
a_death() {
	local before
	before=$("$TESSERA" events --no-follow --json --kind keep | jq -s length)
	rm -f "$BATS_TEST_TMPDIR/pipe"
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 7<>"$BATS_TEST_TMPDIR/pipe"
	background "$TESSERA" send demo/files --block-size 512 <"$BATS_TEST_TMPDIR/pipe"
	victim=$last
	head -c 51200 /dev/zero >&7
	until_true 5 sent 100
	kill -9 "$victim"
	exec 7>&-
	until_true 10 newest_after "$before"
	# The next one finds the channel empty.
	"$TESSERA" recv demo/files >"$BATS_TEST_TMPDIR/out" 2>&1 || true
}

sent() {
	[ "$("$TESSERA" --json channels | jq '.channels[] | select(.name == "files").depth')" -eq "$1" ]
}

# What is the newest folder, once more than so many deaths were kept? How many stay is another matter.
newest_after() {
	# In a condition no failure ends the function by itself.
	[ "$("$TESSERA" events --no-follow --json --kind keep | jq -s length)" -gt "$1" ] || return 1
	newest=$("$TESSERA" events --no-follow --json --kind keep | jq -rs '.[-1].text' | sed "s/.*'tessera report \(.*\)'/\1/")
	[ -d "$newest" ]
}

# json COMMAND...: it succeeds, and what it writes is one JSON object with a schema.
json() {
	run --separate-stderr "$TESSERA" --json "$@"
	echo "$* ends with $status: $stderr"
	[ "$status" -eq 0 ]
	[ "$(value .schema)" = 1 ]
}

@test "a death is kept as it was before anything was repaired" {
	start_daemon --set postmortem.folder="$kept"
	a_death
	[ "$(stat -c %a "$newest")" = 700 ]
	json report "$newest"
	[ "$(value .client)" = "tessera send" ]
	[ "$(value .pid)" -eq "$victim" ]
	[ "$(value .realm)" = demo ]
	[ "$(value .user)" = "$(id -un)" ]
	[ "$(value .attached_ns)" -gt 0 ]
	[ "$(value .others)" -eq 0 ]
	[ "$(jq .trace <<<"$output")" = null ]
	# What it held then is free now.
	[ "$(value .tickets)" -gt 0 ]
	[ "$(value '.held | length')" -eq "$(value .tickets)" ]
	[[ "$(value .repaired)" == *" $(value .tickets) tickets"* ]]
	[ "$(value '.ends | length')" -eq 1 ]
	[ "$(value '.ends[0].channel')" = files ]
	[ "$(value '.ends[0].end')" = sender ]
	[ "$(value '.ends[0].messages')" -eq 100 ]
	[ "$(value '.ends[0].bytes')" -eq 51200 ]
	[ "$(value '.events[-1].kind')" = death ]
	[ "$(jq "[.events[] | select(.kind == \"attach\") | .pid] == [$victim]" <<<"$output")" = true ]
	json tickets --segment "$newest/state" --holder "tessera send"
	[ "$(value '.tickets | length')" -gt 0 ]
	json tickets --held
	[ "$(value '.tickets | length')" -eq 0 ]
	json dump --segment "$newest/state" files
	[ "$(value .senders)" -eq 1 ]
	[ "$(value .ready)" -eq 100 ]
	run "$TESSERA" report "$newest" --last 1
	[ "$status" -eq 0 ]
	[[ $output == *"tessera dump --segment $newest/state"* ]]
	[ "$(grep -c '^20.*  attach ' <<<"$output")" -eq 0 ]
	ledger_balances
}

@test "only the newest stay, and what is not ours is left alone" {
	mkdir "$kept/mine-1-20200101T000000" "$kept/20200101T000000.000Z"
	touch "$kept/demo-1-20200101T000000.000Z.new"
	# One that is older than all.
	mkdir "$kept/demo-1-20200101T000000.000Z"
	echo x >"$kept/demo-1-20200101T000000.000Z/events"
	start_daemon --set postmortem.folder="$kept" --set postmortem.keep=2
	for _ in 1 2 3; do a_death; done
	until_true 5 sh -c '[ "$(find "$0" -name "demo-*Z" | wc -l)" -eq 2 ]' "$kept"
	[ ! -e "$kept/demo-1-20200101T000000.000Z" ]
	[ -d "$newest" ]
	[ -d "$kept/mine-1-20200101T000000" ]
	[ -d "$kept/20200101T000000.000Z" ]
	[ -e "$kept/demo-1-20200101T000000.000Z.new" ]
	ledger_balances
}

@test "a goodbye is no death, and nothing is kept unless it is asked for" {
	start_daemon --set postmortem.folder="$kept"
	head -c 1000 /dev/zero | "$TESSERA" send demo/files
	"$TESSERA" recv demo/files >/dev/null
	"$TESSERA" stop
	[ -z "$(ls "$kept")" ]
	start_daemon
	a_death_untold
	"$TESSERA" stop
	[ -z "$(ls "$kept")" ]
}

a_death_untold() {
	background sleep 60
	background "$TESSERA" recv demo/none
	until_true 5 sh -c '[ "$("$0" --json clients | jq ".clients | length")" -eq 1 ]' "$TESSERA"
	kill -9 "$last"
	until_true 5 sh -c '"$0" events --no-follow --json | grep -q "\"kind\":\"death\""' "$TESSERA"
}

@test "a folder that can't be written to is refused at the start, one that is full is said later" {
	run "$TESSERAD" "${settings[@]}" --set postmortem.folder="$kept/nix"
	[ "$status" -ne 0 ]
	[[ $output == *"postmortem.folder '$kept/nix' can't be written to: No such file"*"make it"* ]]
	run "$TESSERAD" --check-config --set postmortem.folder=here
	[ "$status" -ne 0 ]
	[[ $output == *"an absolute path of at most 200 bytes"* ]]
	run "$TESSERAD" --check-config --set postmortem.keep=0
	[ "$status" -ne 0 ]
	start_daemon --set postmortem.folder="$kept"
	rmdir "$kept"
	a_death_untold
	until_true 5 sh -c '"$0" events --no-follow --kind keep | grep -q "could not be kept in .*: No such file"' "$TESSERA"
	ledger_balances
}

@test "a folder that anybody may have filled is refused or shown, nothing else" {
	start_daemon --set postmortem.folder="$kept"
	a_death
	run --separate-stderr "$TESSERA" report "$kept"
	[ "$status" -eq 4 ]
	[[ $stderr == *"no folder that a daemon kept of a death"* ]]
	copy=$BATS_TEST_TMPDIR/copy
	cp -r "$newest" "$copy"
	json report "$copy"
	truncate -s -1 "$copy/events"
	run --separate-stderr "$TESSERA" report "$copy"
	[ "$status" -eq 1 ]
	[[ $stderr == *"not as many events as it should"* ]]
	truncate -s 10 "$copy/events"
	run --separate-stderr "$TESSERA" report "$copy"
	[ "$status" -eq 1 ]
	cp "$newest/events" "$copy/events"
	echo x >>"$copy/events"
	run --separate-stderr "$TESSERA" report "$copy"
	[ "$status" -eq 1 ]
	# Any byte of it may be anything.
	for offset in $(seq 0 37 2000); do
		cp "$newest/events" "$copy/events"
		printf '\xff' | dd of="$copy/events" bs=1 seek="$offset" conv=notrunc status=none
		run --separate-stderr "$TESSERA" --json report "$copy"
		[ "$status" -le 1 ]
	done
	rm "$copy/state"
	cp "$newest/events" "$copy/events"
	run --separate-stderr "$TESSERA" report "$copy"
	[ "$status" -eq 4 ]
}

@test "with a trace that LTTng keeps, the last of it is there" {
	for program in lttng lttng-sessiond babeltrace2; do
		command -v $program >/dev/null || skip "$program is not installed"
	done
	[ -e "$TESSERA_BUILD/drivers/trace/lttng/libtessera-trace.so" ] || skip "the provider of trace events is not built"
	export LTTNG_HOME=$BATS_TEST_TMPDIR
	background "$TESSERA" trace keep --messages --buffer 256K
	keeper=$last
	until_true 10 bash -c "lttng --no-sessiond list tessera-keep | grep -q active"
	export TESSERA_TRACE=1
	start_daemon --set postmortem.folder="$kept" --set postmortem.trace=true
	a_death
	json report "$newest"
	[ "$(value .trace)" = "$newest/trace" ]
	json trace show --events "$newest/trace"
	[ "$(value "[.others[] | select(.event == \"attach\" and .pid == $victim)] | length")" -eq 1 ]
	[ "$(value '[.others[] | select(.event == "death")] | length')" -eq 1 ]
	kill "$keeper"
	wait "$keeper"
	# Nobody keeps one any more: the rest is kept all the same, and the log says why.
	a_death
	[ ! -e "$newest/trace" ]
	grep -q . "$newest/lttng.log"
	json report "$newest"
	[ "$(jq .trace <<<"$output")" = null ]
}
