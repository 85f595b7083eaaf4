#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# tessera events: what happens.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
}
teardown() { tessera_teardown; }

# follow [OPTION...]: what happens from now on, into the file events.
follow() {
	background "$TESSERA" events --json --last 0 "$@" >events 2>said
	follower=$last
	# It waits when it sleeps on the socket.
	until_true 5 grep -q "^State:.S" "/proc/$follower/status"
	sleep 0.1
}

# happened FILTER: an event that jq finds comes within 5 seconds.
happened() { until_true 5 jq -es "any($1)" events || { cat events; return 1; }; }

@test "who attaches and leaves is shown, and the channel that is made and removed" {
	start_daemon
	follow
	"$TESSERA" channel create demo/a/b
	happened '.kind == "channel" and .realm == "demo" and .channel == "a/b" and (.text | contains("made"))'
	happened '.kind == "attach" and .realm == "demo" and .id == 1 and .name == "tessera channel" and .pid > 1'
	happened '.kind == "detach" and .id == 1'
	"$TESSERA" channel rm demo/a/b
	happened '.kind == "channel" and (.text | contains("removed"))'
	"$TESSERA" sub demo/nix || true
	happened '.kind == "attach" and .realm == "demo" and (has("id") | not)'
	[ "$(jq -s 'map(.number) | . == (sort | unique)' events)" = true ]
	[ "$(jq -s 'all(.wall_ns > 1600000000000000000 and .schema == 1 and .user == "'"$(id -un)"'")' events)" = true ]
}

@test "a death is shown with what was repaired" {
	start_daemon
	follow
	mkfifo pipe
	exec 7<>pipe
	background "$TESSERA" send demo/cut --block-size 64 <pipe
	sender=$last
	until_true 5 sh -c "\"$TESSERA\" --json channels | jq -e '.channels[0].senders == 1'"
	kill -KILL "$sender"
	happened '.kind == "death" and .realm == "demo" and .pid == '"$sender"' and .name == "tessera send" and
		has("slots_voided") and has("slots_restored") and .tickets > 0 and .took_ns > 0'
}

@test "a refusal is shown with its cause, and so is one of a user's limit" {
	start_daemon --set limits.bytes_per_user=64K
	follow --kind refusal
	run "$TESSERA" channel rm demo/nix
	[ "$status" -eq 4 ]
	happened '.kind == "refusal" and .error == "ENOENT" and .count == 1 and .realm == "demo" and (.text | contains("nix"))'
	run "$TESSERA" channel create --capacity 65536 demo/large
	[ "$status" -eq 1 ]
	happened '.kind == "refusal" and .error == "ENOBUFS" and (.text | contains("bytes_per_user"))'
	[ "$(jq -s 'all(.kind == "refusal")' events)" = true ]
}

@test "a reload is shown, taken or refused" {
	echo 'log: { level = "info"; };' >conf
	start_daemon --config "$BATS_TEST_TMPDIR/conf"
	follow --kind reload,condemn
	"$TESSERA" reload
	happened '.kind == "reload" and (has("error") | not) and .took_ns > 0'
	echo 'log: { level = "none"; };' >conf.next
	mv conf.next conf
	happened '.kind == "reload" and .error == "EINVAL"'
}

@test "what has been is there: all, the last, what is not too old, of a realm, of a kind" {
	start_daemon
	for channel in a b c; do "$TESSERA" channel create "demo/$channel"; done
	run "$TESSERA" events --json --no-follow
	[ "$status" -eq 0 ]
	[ "$(jq -s 'map(.kind) | join(" ")' <<<"$output")" = '"realm start attach channel detach attach channel detach attach channel detach"' ]
	[ "$(jq -s 'map(.number) == [range(1; 12)]' <<<"$output")" = true ]
	run "$TESSERA" events --json --no-follow --last 2 --kind channel
	[ "$(jq -s 'map(.channel) | join(" ")' <<<"$output")" = '"b c"' ]
	run "$TESSERA" --realm demo events --json --no-follow
	[ "$(jq -s 'length == 10 and all(.realm == "demo")' <<<"$output")" = true ]
	run "$TESSERA" events --no-follow --since 0
	[ -z "$output" ]
	run "$TESSERA" events --no-follow --since 10m --kind start
	[[ $output == 20*"  start    ready: "* ]]
}

@test "it survives the daemon, and follows the next one" {
	start_daemon
	follow
	kill -TERM "$daemon"
	happened '.kind == "stop"'
	until_true 5 grep -q "the daemon is gone" said
	wait "$daemon"
	start_daemon
	happened '.kind == "start" and .number == 2'
	grep -q "the daemon is back (pid $daemon)" said
	"$TESSERA" channel create demo/again
	happened '.channel == "again"'
	kill -0 "$follower"
}

@test "a follower that is stopped is told how many it missed" {
	start_daemon
	follow
	"$TESSERA" channel create demo/before
	happened '.channel == "before"'
	kill -STOP "$follower"
	for i in $(seq 560); do "$TESSERA" channel create demo/x; done
	kill -CONT "$follower"
	"$TESSERA" channel create demo/after
	happened '.channel == "after"'
	# Each number is there, or counted.
	[ "$(jq -s '(map(select(.kind == "missed").count) | add // 0) as $missed
		| map(.number | values) | $missed > 0 and $missed + length == max - min + 1' events)" = true ]
}

@test "a follower ends with 0 when it is interrupted, with the daemon and without it" {
	start_daemon
	for signal in INT TERM; do
		follow
		kill -"$signal" "$follower"
		wait "$follower"
	done
	follow
	kill "$daemon"
	until_true 5 grep -q "waiting for it to come back" said
	kill "$follower"
	wait "$follower"
}

@test "a follower ends when nobody reads it any more, though nothing happens" {
	start_daemon
	# The pipe ends with the first line, and no other event comes.
	run timeout 10 bash -c "\"$TESSERA\" events | head -n 1; exit \${PIPESTATUS[0]}"
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
}

@test "what is not there is said" {
	run "$TESSERA" events
	[ "$status" -eq 3 ]
	start_daemon
	run "$TESSERA" --realm nix events
	[ "$status" -eq 4 ]
	[[ $output == *"there is no realm 'nix'"* ]]
	run "$TESSERA" events --kind attach,nix
	[ "$status" -eq 2 ]
	[[ $output == *"no kind 'nix'"* ]]
	run "$TESSERA" events --last x
	[ "$status" -eq 2 ]
	run "$TESSERA" events --since x
	[ "$status" -eq 2 ]
}
