#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# tessera top: one look, and the screen in a terminal of tmux's.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
	terminal=(tmux -S "$BATS_TEST_TMPDIR/tmux")
}
teardown() {
	"${terminal[@]}" kill-server 2>/dev/null || true
	tessera_teardown
}

# feed CHANNEL: a sender of small messages that goes on living, for its pipe stays open.
feed() {
	mkfifo pipe
	exec 7<>pipe
	background "$TESSERA" send "$1" --block-size 64 <pipe
	head -c 60000 /dev/zero >&7
}

# open_screen COLUMNS LINES [OPTION...]
open_screen() {
	command -v tmux >/dev/null || skip "tmux is not installed"
	local size=(-x "$1" -y "$2")
	shift 2
	"${terminal[@]}" -f /dev/null new-session -d "${size[@]}" \
		"env LC_ALL=C.UTF-8 '$TESSERA' top -i 100ms $* 2>errors; echo \$? >ended; cat errors; sleep 60" 3>&- 7>&-
}

press() { "${terminal[@]}" send-keys "$@"; }
screen() { "${terminal[@]}" capture-pane -p; }
shows() { screen | grep -qE -- "$1"; }

@test "one look tells of channels, clients, the poll core and memory" {
	start_daemon
	"$TESSERA" channel create --capacity 2 demo/full
	"$TESSERA" channel create demo/quiet
	feed demo/full
	blocked() { "$TESSERA" top --json -i 100ms | jq -e '.channels[] | select(.channel == "full") | .senders_blocked == 1 and .blocked_percent > 90 and .depth == 2'; }
	until_true 10 blocked
	output=$("$TESSERA" top --json -i 100ms)
	[ "$(value '.channels | all(.spin_ns >= 0 and .spin_ns <= 20000)')" = true ]
	[ "$(value '.channels | length')" -eq 2 ]
	[ "$(value '.channels[] | select(.channel == "full").held_by')" = "nobody receives" ]
	[ "$(value '.channels[] | select(.channel == "quiet") | .blocked_percent == 0')" = true ]
	[ "$(value '.clients[] | select(.role == "participant").senders')" -eq 1 ]
	[ "$(value '.clients[] | select(.role == "participant").process')" = asleep ]
	[ "$(value '.cores[0] | .busy_percent + .polling_percent + .asleep_percent > 99')" = true ]
	[ "$(value '.memory[] | select(.realm == "demo") | .tickets_free < .tickets and .free_percent < 100')" = true ]
	run "$TESSERA" top --once -i 100ms
	[ "$status" -eq 0 ]
	[[ $output == *Channels*BLOCK%*full*Clients*Cores*"poll core"*Memory*demo* ]]
}

@test "rates are what was received since the look before" {
	start_daemon
	background "$TESSERA" recv demo/moved >received
	mkfifo pipe
	exec 7<>pipe
	background "$TESSERA" send demo/moved --block-size 1000 <pipe
	until_true 10 sh -c "\"$TESSERA\" --json channels | jq -e '.channels[0] | .senders == 1 and .receivers == 1'"
	background "$TESSERA" top --json -i 2s >report
	top=$last
	until_true 5 sh -c "\"$TESSERA\" --json clients | jq -e '.clients[] | select(.role == \"observer\")'"
	sleep 0.2
	head -c 300000 /dev/zero >&7
	arrived() { [ "$(stat --format %s received)" -eq 300000 ]; }
	until_true 5 arrived
	wait "$top"
	cat report
	jq -e '.channels[0].received_per_s * .seconds | . > 295 and . < 700' report
	jq -e '.channels[0].bytes_per_s * .seconds | . > 299000 and . < 310000' report
	jq -e '.channels[0] | .stamped > 0 and .latency_p50_ns > 0 and .latency_p50_ns <= .latency_p99_ns' report
}

@test "a client that is stopped is shown as stopped, and as who holds a channel" {
	start_daemon
	"$TESSERA" channel create --capacity 2 demo/held
	background "$TESSERA" recv demo/held >/dev/null
	receiver=$last
	is() { "$TESSERA" top --json -i 100ms | jq -e --arg is "$1" --argjson pid "$receiver" '.clients[] | select(.pid == $pid).process == $is'; }
	until_true 10 is asleep
	kill -STOP "$receiver"
	until_true 10 is stopped
	mkfifo pipe
	exec 7<>pipe
	background "$TESSERA" send demo/held --block-size 16 <pipe
	head -c 60000 /dev/zero >&7
	holds() { "$TESSERA" top --json -i 100ms | jq -e --arg by "tessera recv $receiver: stopped" '.channels[0].held_by == $by'; }
	until_true 10 holds
	# And how long senders were blocked by it, which is all the time.
	output=$("$TESSERA" top --json -i 200ms)
	[ "$(value ".clients[] | select(.pid == $receiver) | .causes_percent > 90 and .causes_percent < 110")" = true ]
	[ "$(value ".clients[] | select(.pid == $last) | .causes_percent == 0")" = true ]
	kill -CONT "$receiver"
	until_true 10 is asleep
}

@test "a receiver that does not wait for messages is named as slow" {
	start_daemon
	"$TESSERA" channel create --capacity 2 demo/slow
	background /usr/bin/python3 "$BATS_TEST_DIRNAME/slow.py" "$TESSERA_BUILD/shm/libtessera.so" slow 0.005
	slow=$last
	background "$TESSERA" recv demo/other >/dev/null
	mkfifo pipe
	exec 7<>pipe
	background "$TESSERA" send demo/slow --block-size 16 <pipe
	background cp /dev/zero pipe
	blames() { "$TESSERA" top --json -i 200ms | jq -e --arg by "python3 $slow: slow" '[.channels[] | select(.held_by != null) | .channel, .held_by] == ["slow", $by]'; }
	until_true 10 blames
}

@test "the cores of clients are shown, with what they use of them" {
	start_daemon
	background "$TESSERA" recv demo/quiet >/dev/null
	asleep=$last
	background "$TESSERA" recv demo/busy >/dev/null
	background "$TESSERA" send demo/busy </dev/zero
	busy=$last
	uses() { "$TESSERA" top --json -i 500ms | jq -e --argjson pid "$1" ".cores[] | select(.pid == \$pid) | .cpu >= 0 and .cpu < $(nproc --all) and .polling_percent == null and .busy_ns >= 0 and ($2)"; }
	until_true 10 uses "$busy" ".busy_percent > 10 and .busy_percent + .asleep_percent > 99"
	until_true 10 uses "$asleep" ".busy_percent < 10"
	open_screen 80 24
	press 3
	until_true 10 shows "^tessera (send|recv) +[0-9]+ +$busy "
	# The largest share stands first, beside the poll core that has less to do.
	until_true 10 eval "screen | sed -n 5p | grep -E '^tessera '"
}

@test "the screen has four tables, sorts, filters and draws" {
	start_daemon
	"$TESSERA" channel create demo/alpha
	"$TESSERA" channel create --capacity 2 demo/beta
	feed demo/beta
	open_screen 80 24
	until_true 10 shows '^beta +0 +0 B +2 .* 100\.0 '
	[ "$(screen | grep -nE '^(alpha|beta) ' | head -n 1 | grep -c alpha)" -eq 1 ]
	press '>' '>'
	until_true 5 shows '2 of 2, by DEPTH'
	[ "$(screen | grep -E '^(alpha|beta) ' | head -n 1 | grep -c beta)" -eq 1 ]
	shows 'held up: nobody receives'
	press r
	until_true 5 shows 'turned around'
	[ "$(screen | grep -E '^(alpha|beta) ' | head -n 1 | grep -c alpha)" -eq 1 ]
	press / b e t Enter
	until_true 5 shows '1 of 2,.* /bet$'
	run ! shows '^alpha '
	press Enter
	until_true 5 shows '^beta received a second: now 0, average 0, peak 0'
	press Enter Escape
	until_true 5 shows '2 of 2'
	# The columns move so that the one that sorts is in sight.
	for _ in {1..25}; do press '>'; done
	until_true 5 shows '^CHANNEL .* HELD BY( |$)'
	until_true 5 shows '^beta .* nobody receives'
	for _ in {1..25}; do press '<'; done
	until_true 5 shows '^CHANNEL +RECEIVED/S .* BLOCK% FAILED$'
	press 2
	until_true 5 shows '^tessera .* asleep .* attached'
	press 3
	until_true 5 shows '^poll core '
	press 4
	until_true 5 shows '^demo .* MiB .* MiB '
	press '?'
	until_true 5 shows 'sort by the column'
	press q
	until_true 5 test -s ended
	[ "$(cat ended)" -eq 0 ]
}

@test "ten thousand channels are shown, sorted and filtered, and cost a fraction of a core" {
	start_daemon --set realms.demo.channels=10010 --set realms.demo.slots=65536 --set limits.bytes_per_user=1G
	/usr/bin/python3 "$BATS_TEST_DIRNAME/crowd.py" "$TESSERA_BUILD/shm/libtessera.so" 9999
	"$TESSERA" channel create --capacity 2 demo/beta
	feed demo/beta
	open_screen 80 24
	until_true 20 shows '^10,000 of 10,000, by RECEIVED/S'
	press '>' '>' '>' '>' '>'
	until_true 10 shows '10,000 of 10,000, by BLOCK%'
	# The one whose sender is blocked comes first, and the last one is found.
	until_true 10 eval "screen | sed -n 5p | grep -E '^beta '"
	press End
	until_true 10 shows '^crowd.09998 '
	press Home
	until_true 10 shows '^beta '
	press / 0 4 2 4 2 Enter
	until_true 10 shows '^1 of 10,000,.*/04242$'
	shows '^crowd.04242 '
	press Escape
	until_true 10 shows '^10,000 of 10,000'
	# In clock ticks, of which a second has 100: a look every 100 ms.
	pid=$("$TESSERA" --json clients | jq '[.clients[] | select(.role == "observer").pid] | max')
	busy() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
	before=$(busy) began=$(date +%s%N)
	sleep 3
	spent=$((($(busy) - before) * 10000000)) took=$(($(date +%s%N) - began))
	echo "$((spent / 1000000)) ms of $((took / 1000000)) ms"
	[ "$spent" -gt 0 ]
	[ "$spent" -lt "$((took * 9 / 10))" ]
	kill -STOP "$daemon"
	until_true 10 shows 'does not answer, process .* is stopped'
	shows '^10,000 of 10,000'
	kill -CONT "$daemon"
	until_true 10 shows '^daemon .* up '
	press q
	until_true 10 test -s ended
}

@test "the screen lives through clients that are stopped, go on and are killed" {
	start_daemon
	"$TESSERA" channel create --capacity 2 demo/held
	background "$TESSERA" recv demo/held >/dev/null
	receiver=$last
	feed demo/held
	open_screen 80 24
	press 2
	until_true 10 shows "^tessera recv +$receiver +asleep "
	kill -STOP "$receiver"
	head -c 6000 /dev/zero >&7
	until_true 10 shows "^tessera recv +$receiver +stopped +[1-9][0-9.]+ "
	press 1
	until_true 10 shows "held up: tessera recv $receiver: stopped"
	kill -CONT "$receiver"
	until_true 10 shows '^held .* 0\.0 +0$'
	kill -KILL "$receiver"
	press 2
	until_true 10 eval "! shows '^tessera recv +$receiver '"
	press q
	until_true 5 test -s ended
	[ "$(cat ended)" -eq 0 ]
}

@test "the screen lives through a daemon that stops, dies and comes back" {
	start_daemon
	"$TESSERA" channel create demo/first
	open_screen 200 50
	until_true 10 shows '^first .*\.0 +0 -( |$)'
	kill -STOP "$daemon"
	until_true 10 shows 'does not answer, process .* is stopped'
	shows '^first '
	kill -CONT "$daemon"
	until_true 10 shows '^daemon .* up '
	kill -KILL "$daemon"
	until_true 10 shows 'trying again'
	start_daemon
	"$TESSERA" channel create demo/second
	until_true 10 shows '^second '
	run ! shows '^first '
	press q
	until_true 5 test -s ended
	[ "$(cat ended)" -eq 0 ]
}

@test "the tool that writes doc/screens.md sees the one that holds up a channel" {
	command -v tmux >/dev/null || skip "tmux is not installed"
	run "$TESSERA_SOURCE/tools/screens" --build "$TESSERA_BUILD" held 3>&-
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"3 of 3, by BLOCK%; held up: pager "*": stopped"*"alarms "*" 100.0 "* ]]
	# Nothing is left of it.
	run ! pgrep --full "$TESSERA_BUILD/shm/libtessera.so (send|recv) (pager|watch)"
}

@test "what is not there is said" {
	run "$TESSERA" top --once
	[ "$status" -eq 3 ]
	start_daemon
	run "$TESSERA" top </dev/null
	[ "$status" -eq 1 ]
	[[ $output == *"needs a terminal"* ]]
	run "$TESSERA" top -i 10ms
	[ "$status" -eq 2 ]
	run "$TESSERA" top demo
	[ "$status" -eq 2 ]
	run "$TESSERA" --realm nix top --once
	[ "$status" -eq 4 ]
}
