#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# The programs of the guide do what it says, and are built as it says.

load helper

setup() {
	tessera_setup
	start_daemon
	cd "$BATS_TEST_TMPDIR"
	examples=$TESSERA_BUILD/apps/examples
}
teardown() { tessera_teardown; }

@test "hello_send and hello_recv: each word arrives" {
	background "$examples/hello_recv" >output
	receiver=$last
	"$examples/hello_send" Good morning
	wait "$receiver"
	[ "$(tr -d '\0' <output)" = $'Good\nmorning' ]
	"$examples/hello_send"
	[ "$("$examples/hello_recv" | tr -d '\0' | tr '\n' ' ')" = "hello from another process " ]
	ledger_balances
}

@test "telemetry: as many alarms are raised as there are messages with a reading too high" {
	background "$examples/telemetry" alarms >alarms
	alarms=$last
	background "$examples/telemetry" filter >filter
	filter=$last
	"$examples/telemetry" source 1000 >source
	wait "$filter"
	wait "$alarms"
	want=$(python3 -c 'print(sum(any((m * 16 + i) * 7919 % 2**32 % 1000 >= 900 for i in range(16)) for m in range(1000)))')
	[ "$(cat source)" = "sent 1000 messages of 16 readings" ]
	[ "$(cat filter)" = "looked at 1000 messages, raised $want alarms" ]
	[ "$(tail -n 1 alarms)" = "$want alarms" ]
	ledger_balances
}

@test "select_merge: both channels arrive, each in its order, and both ends are told" {
	background "$examples/select_merge" greetings other >output
	merge=$last
	until_true 10 grep -q "nothing for a second" output
	printf one | "$TESSERA" send demo/other
	"$examples/hello_send" Good morning
	wait "$merge"
	[ "$(tr -d '\0' <output | grep ^greetings)" = $'greetings: Good\ngreetings: morning\ngreetings has ended' ]
	[ "$(tr -d '\0' <output | grep ^other)" = $'other: one\nother has ended' ]
	ledger_balances
}

@test "ask: a server multiplies, and one that is killed fails its request" {
	background "$examples/ask" serve
	server=$last
	[ "$("$examples/ask" 6 7)" = "6 * 7 = 42" ]
	[ "$("$examples/ask" 8 9)" = "8 * 9 = 72" ]
	kill -STOP "$server"
	background "$examples/ask" 1 2 >output 2>&1
	asker=$last
	kill -KILL "$server"
	background "$examples/ask" serve
	wait "$asker"
	[ "$(cat output)" = "1 * 2 = 2" ]
	ledger_balances
}

@test "scope: what the worker had no time for is told, and nothing is lost" {
	"$TESSERA" channel create --capacity 8 demo/greetings
	"$examples/hello_send" One Two Three Four
	background "$examples/scope" greetings 1000 >output
	scope=$last
	until_true 10 grep -q "worked on One" output
	kill -INT "$scope"
	wait "$scope"
	[ "$(tr -d '\0' <output | sed -n 's/^worked on //p; s/^left: //p' | sort | tr '\n' ' ')" = "Four One Three Two " ]
	grep -q "^left: Four" output
	grep -q "the worker's call gave: the call, or its scope, was cancelled" output
	ledger_balances
}

@test "ticker: who reads gets every quote, who glances knows what it missed" {
	background "$examples/ticker" read >one
	first=$last
	background "$examples/ticker" read >two
	second=$last
	background "$examples/ticker" glance >glance
	third=$last
	until_true 10 grep -q here one
	until_true 10 grep -q here two
	until_true 10 grep -q here glance
	"$examples/ticker" write 10000
	wait "$first" "$second" "$third"
	[ "$(tail -n 1 one)" = "10000 quotes, missed 0; number 321 was the highest" ]
	[ "$(tail -n 1 two)" = "$(tail -n 1 one)" ]
	read -r got _ _ missed _ < <(tail -n 1 glance)
	[ $((got + ${missed%;})) -eq 10000 ]
	[ "$("$TESSERA" channels --json | python3 -c 'import json, sys; print([c["kind"] for c in json.load(sys.stdin)["channels"] if c["name"] == "ticker"][0])')" = broadcast ]
	ledger_balances
}

@test "observe and event_loop: one looks at what the other receives" {
	"$examples/hello_send" Good morning
	background "$examples/observe" greetings >observed
	observer=$last
	until_true 10 grep -q morning observed
	run "$examples/event_loop" greetings
	[ "$status" -eq 0 ]
	[ "$(tr -d '\0' <<<"$output")" = $'greetings: Good\ngreetings: morning' ]
	[ "$(tr -d '\0' <observed)" = $'0: Good\n1: morning' ]
	background "$examples/event_loop" greetings other >output
	loop=$last
	until_true 10 grep -q tick output
	"$examples/hello_send" Later
	wait "$loop"
	grep -q "greetings: Later" output
	"$TESSERA" channel rm greetings
	wait "$observer"
	ledger_balances
}

receivers() {
	[ "$("$TESSERA" --json channels | jq "[.channels[] | select(.name == \"$1\").receivers] | add")" -eq "$2" ]
}

@test "news: each reader of the broadcast gets every word" {
	background "$examples/news" read >first
	first=$last
	background "$examples/news" read >second
	second=$last
	background "$examples/news" glance >glanced
	glance=$last
	until_true 10 receivers news 3
	"$examples/news" tell all the news
	for reader in $first $second $glance; do
		wait "$reader"
	done
	for output in first second glanced; do
		[ "$(tr -d '\0' <$output)" = $'all\nthe\nnews\n0 missed' ]
	done
	ledger_balances
}

@test "position: who follows sees the newest, never an older one, and the last" {
	background "$examples/position" follow >seen
	follower=$last
	until_true 10 receivers position 1
	"$examples/position" move 100000
	wait "$follower"
	[ "$(tail -n 1 seen)" -eq 100000 ]
	sort -nuc seen
	[ "$(wc -l <seen)" -lt 1000 ]
	ledger_balances
}

@test "spool: what is written while nobody reads is read later, all of it" {
	[ "$("$examples/spool" write 10000)" = "wrote 10000" ]
	[ "$("$examples/spool" read)" = "read 10000, 50005000 in all" ]
	background "$examples/spool" read >read
	reader=$last
	until_true 10 receivers spool 1
	"$examples/spool" write 3000
	wait "$reader"
	[ "$(cat read)" = "read 3000, 4501500 in all" ]
	ledger_balances
}

@test "handover: who gives learns that each word was taken, or that nobody took it" {
	background "$examples/handover" take >taken
	taker=$last
	until_true 10 receivers handover 1
	run "$examples/handover" give one two
	[ "$status" -eq 0 ]
	[ "$output" = $'one was taken\ntwo was taken' ]
	wait "$taker"
	[ "$(tr -d '\0' <taken)" = $'took one\ntook two' ]
	run "$examples/handover" give lonely
	[ "$status" -eq 0 ]
	[ "$output" = "lonely was not taken" ]
	ledger_balances
}

@test "the examples say what to do when no daemon is there" {
	kill "$daemon"
	wait "$daemon"
	for program in hello_send hello_recv "telemetry source"; do
		# shellcheck disable=SC2086
		run "$examples"/$program
		[ "$status" -eq 1 ]
		[[ $output == *"start one with"* ]]
	done
}

# What a sanitizer adds is not what a user links.
plain_only() {
	! readelf -d "$TESSERA_BUILD/shm/libtessera.so" | grep -q 'libasan' || skip "built with AddressSanitizer"
}

@test "the examples link libtessera, and nothing else of ours" {
	plain_only
	for program in hello_send hello_recv telemetry; do
		readelf -d "$examples/$program" | grep -q 'NEEDED.*libtessera.so.0'
		[ "$(readelf -d "$examples/$program" | grep -c NEEDED)" -le 2 ]
	done
}

@test "the programs in the guide compile as it says and say hello" {
	plain_only
	export PKG_CONFIG_PATH=$TESSERA_BUILD/meson-uninstalled
	for n in 1 2; do
		awk -v n=$n '/^```c$/ { k++; on = k == n; next } /^```$/ { on = 0 } on' "$TESSERA_SOURCE/doc/guide.md" >program$n.c
		# shellcheck disable=SC2046
		gcc -Wall -Wextra -Werror program$n.c -o program$n $(pkg-config --cflags --libs tessera) \
			-Wl,-rpath,"$TESSERA_BUILD/shm"
	done
	background ./program2 >output
	receiver=$last
	./program1
	wait "$receiver"
	[ "$(cat output)" = hello ]
	ledger_balances
}
