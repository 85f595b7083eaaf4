#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# Messages into a channel, from the shell.

load helper

setup() {
	tessera_setup
	start_daemon
	cd "$BATS_TEST_TMPDIR"
}
teardown() { tessera_teardown; }

# What lies in the channel, a message a line, in hexadecimal.
lying() {
	"$TESSERA" sub "$1" --now --json --bytes hex | jq -r .hex
}

@test "arguments, lines, a file and hexadecimal each become messages" {
	"$TESSERA" pub demo/out one "two words" ""
	printf 'line one\n\nno end' | "$TESSERA" pub demo/out
	head -c 5000 /dev/urandom >file
	"$TESSERA" pub demo/out --file file
	"$TESSERA" pub demo/out --hex "00 ff" 1a2B
	echo "63 64" | "$TESSERA" pub demo/out --hex
	lying demo/out >got
	{
		printf 'one' | xxd -p
		printf 'two words' | xxd -p
		echo
		printf 'line one' | xxd -p
		echo
		printf 'no end' | xxd -p
		xxd -p file | tr -d '\n'
		echo
		printf '00ff\n1a2b\n6364\n'
	} >want
	diff got want
	"$TESSERA" recv demo/out >/dev/null
	ledger_balances
}

@test "generated messages are what the manual says, and repeated ones the same" {
	"$TESSERA" pub demo/out --size 4 --count 2
	"$TESSERA" pub demo/out --count 3 a b
	[ "$(lying demo/out | tr '\n' ' ')" = "00010203 01020304 61 62 61 " ]
	printf 'x\ny\nz\n' | "$TESSERA" pub demo/lines --count 2
	[ "$(lying demo/lines | tr '\n' ' ')" = "78 79 " ]
	echo -n again >file
	"$TESSERA" pub demo/file --file file --count 2
	[ "$("$TESSERA" recv demo/file)" = againagain ]
}

@test "it says what was sent" {
	run "$TESSERA" pub demo/out one three
	[ "$status" -eq 0 ]
	[ "${lines[2]}" = $'messages\t2' ]
	[ "${lines[3]}" = $'bytes\t8' ]
	[ "$("$TESSERA" pub demo/out --json one | jq -c '[.schema, .realm, .channel, .messages, .bytes]')" = '[1,"demo","out",1,3]' ]
}

@test "--rate keeps to the clock" {
	took=$("$TESSERA" pub demo/out --json --size 8 --count 51 --rate 100 | jq .took_ns)
	[ "$took" -ge 490000000 ]
	# Every message is stamped: 50 gaps of 10 ms, whatever single ones were.
	"$TESSERA" sub demo/out --now --json | jq -s '.[-1].sent_s - .[0].sent_s' >span
	jq -e '. > 0.49 and . < 5' span
}

@test "the channel is made as asked, joined if it is there, and refused if it is another" {
	"$TESSERA" pub demo/shaped --capacity 4 --one-sender first
	[ "$("$TESSERA" --json channels | jq -c '.channels[] | [.kind, .capacity, .shape]')" = '["buffered",4,"one-to-many"]' ]
	"$TESSERA" pub demo/shaped second
	"$TESSERA" pub demo/shaped --capacity 4 --one-sender third
	run "$TESSERA" pub demo/shaped --capacity 8 fourth
	[ "$status" -eq 1 ]
	[[ $output == *"exists already with other properties"* ]]
	[ "$("$TESSERA" recv demo/shaped)" = firstsecondthird ]
}

@test "a full channel is waited for, for so long, and until it is interrupted" {
	"$TESSERA" channel create demo/small --capacity 2
	run "$TESSERA" pub demo/small --timeout 50ms 1 2 3
	[ "$status" -eq 6 ]
	[[ $output == *$'messages\t2'* ]]
	background "$TESSERA" pub demo/small --json 4 >said
	publisher=$last
	blocked() { "$TESSERA" stat demo/small --json --interval 10ms -n 1 | jq -e '.senders_blocked == 1'; }
	until_true 10 blocked
	# Its wait is no failure, however long.
	[ "$("$TESSERA" stat demo/small --json --interval 400ms -n 1 | jq '[.failed, .full] | add')" -eq 0 ]
	[ "$("$TESSERA" sub demo/small --now --raw)" = 12 ]
	kill -INT "$publisher"
	wait "$publisher"
	[ "$(jq .messages said)" -eq 0 ]
	background "$TESSERA" pub demo/small 5
	publisher=$last
	until_true 10 blocked
	[ "$(timeout 10 "$TESSERA" recv demo/small)" = 125 ]
	wait "$publisher"
	ledger_balances
}

@test "interrupted, it closes the channel and says what was sent" {
	background "$TESSERA" pub demo/out --json --size 8 --rate 1000 --count 0 >said
	publisher=$last
	background "$TESSERA" recv demo/out >received
	receiver=$last
	until_true 10 test -s received
	kill -INT "$publisher"
	wait "$publisher"
	wait "$receiver"
	[ "$(stat --format %s received)" -eq "$(jq .bytes said)" ]
	# So it is while it waits for a line.
	mkfifo held
	exec 7<>held
	background "$TESSERA" pub demo/lines --json <held >said
	publisher=$last
	echo one >&7
	lies() { [ "$("$TESSERA" sub demo/lines --now --raw)" = one ]; }
	until_true 10 lies
	kill -INT "$publisher"
	wait "$publisher"
	exec 7>&-
	[ "$(jq .messages said)" -eq 1 ]
	ledger_balances
}

@test "pub says what it can't do" {
	for wrong in "" "demo/out --count x one" "demo/out --rate 0 one" "demo/out --size 0" "demo/out --size 8 one" \
		"demo/out --file x one" "demo/out --file x --hex" "demo/out --hex 1" "demo/out --hex zz" "demo/out --kind odd one" \
		"demo/out --capacity 3 one" "demo/out --on-full never one" "demo/out --size 1G"; do
		# shellcheck disable=SC2086
		run "$TESSERA" pub $wrong
		[ "$status" -eq 2 ] || { echo "pub $wrong: $status $output"; false; }
	done
	run "$TESSERA" pub demo/out --file nowhere
	[ "$status" -eq 4 ]
	[[ $output == *"'nowhere' can't be read"* ]]
	head -c 2M /dev/zero >large
	run "$TESSERA" pub demo/out --file large
	[ "$status" -eq 2 ]
	[[ $output == *"more than the largest of the realm"* ]]
	run "$TESSERA" pub demo/out --file .
	[ "$status" -eq 1 ]
	ledger_balances
}
