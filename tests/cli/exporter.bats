#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# tessera-exporter: what `tessera metrics` prints, over HTTP. TESSERA_EXPORTER is the program.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
	PATH=$PATH:${XDG_CACHE_HOME:-$HOME/.cache}/tessera/bin
	socket=$TESSERA_RUNTIME_DIR/exporter.sock
}
teardown() {
	# A stopped one would not end.
	[ -z "${daemon:-}" ] || kill -CONT "$daemon" 2>/dev/null || true
	tessera_teardown
}

# start_exporter OPTION...
start_exporter() {
	"$TESSERA_EXPORTER" "$@" 2>exporter.log 3>&- &
	exporter=$!
	echo "$exporter" >>started
	until_true 5 grep serves exporter.log
}

get() { curl --silent --show-error --max-time 10 --unix-socket "$socket" "http://localhost$1" "${@:2}"; }
up_is() { [ "$(get /metrics | grep '^tessera_up ')" = "tessera_up $1" ]; }

@test "it serves what tessera metrics prints, and says what else there is" {
	start_daemon
	"$TESSERA" channel create demo/served
	start_exporter
	get /metrics --dump-header head >metrics
	grep -qi '^content-type: text/plain; version=0.0.4' head
	"$BATS_TEST_DIRNAME/exposition.py" <metrics
	! command -v promtool >/dev/null || promtool check metrics <metrics
	grep -qx 'tessera_channel_capacity{realm="demo",channel="served"} 1024' metrics
	"$TESSERA" metrics >printed
	diff <(grep '^#' metrics) <(grep '^#' printed)
	[ "$(get /-/healthy)" = healthy ]
	[[ $(get /) == *'href="/metrics"'* ]]
	[ "$(get /nothing --output /dev/null --write-out '%{http_code}')" = 404 ]
	[ "$(get /metrics --request POST --data x --output /dev/null --write-out '%{http_code}')" = 405 ]
	[ "$(get /metrics --request GET --data x | grep -c '^tessera_up 1')" -eq 1 ]
	get /metrics --head | grep -q '^HTTP/1.1 200'
	[ "$(stat --format %a "$socket")" = 660 ]
}

@test "it waits for a daemon, notices that it went and finds the next one" {
	start_exporter
	up_is 0
	get /metrics >metrics
	"$BATS_TEST_DIRNAME/exposition.py" <metrics
	start_daemon
	"$TESSERA" channel create demo/first
	up_is 1
	get /metrics | grep -q 'tessera_channel_depth{realm="demo",channel="first"} 0'
	kill "$daemon"
	wait "$daemon"
	up_is 0
	run grep 'channel=' <(get /metrics)
	[ "$status" -eq 1 ]
	start_daemon
	"$TESSERA" channel create demo/second
	up_is 1
	get /metrics >metrics
	"$BATS_TEST_DIRNAME/exposition.py" <metrics
	grep -q 'channel="second"' metrics
	run grep first metrics
	[ "$status" -eq 1 ]
	kill -KILL "$daemon"
	wait "$daemon" || true
	up_is 0
	start_daemon
	up_is 1
	# Each change is logged once.
	[ "$(grep -c 'does not answer' exporter.log)" -eq 3 ]
	[ "$(grep -c 'the daemon answers' exporter.log)" -eq 3 ]
}

@test "while the daemon is stopped channels are told, and it ends at once when asked" {
	start_daemon
	"$TESSERA" channel create demo/still
	start_exporter
	up_is 1
	kill -STOP "$daemon"
	up_is 0
	get /metrics >metrics
	"$BATS_TEST_DIRNAME/exposition.py" <metrics
	grep -qx 'tessera_channel_capacity{realm="demo",channel="still"} 1024' metrics
	grep -qx 'tessera_realm_readable{realm="demo"} 1' metrics
	kill "$exporter"
	timeout 2 tail --pid="$exporter" -f /dev/null
	kill -CONT "$daemon"
	wait "$exporter"
	[ ! -e "$socket" ]
	# The daemon takes that for an end, and for no death.
	observers() { [ "$("$TESSERA" status --json | jq '.connections')" -eq 1 ]; }
	until_true 5 observers
	[ "$("$TESSERA" status --json | jq .reaped)" -eq 0 ]
}

@test "no counter goes down, whoever comes, goes, waits and is woken" {
	start_daemon
	start_exporter
	up_is 1
	# Ends that come and go, while somebody looks all the time.
	cat >watch.py <<-'PYTHON'
		import re, socket, sys, time
		def metrics():
		    connection = socket.socket(socket.AF_UNIX)
		    connection.connect(sys.argv[1])
		    connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		    data = b"".join(iter(lambda: connection.recv(1 << 20), b""))
		    return dict(re.findall(r"^(tessera_\w+_total\S*|tessera_\w+_(?:bucket|count|sum)\S*) (\S+)$", data.decode(), re.M))
		before, end, looks = {}, time.monotonic() + 2, 0
		while time.monotonic() < end:
		    now = metrics()
		    for series in before.keys() & now.keys():
		        assert float(now[series]) >= float(before[series]), (series, before[series], now[series])
		    before, looks = now, looks + 1
		assert looks > 100 and len(before) > 20, (looks, len(before))
	PYTHON
	churn() { while :; do head -c 50000 /dev/zero | "$TESSERA" send demo/churn --block-size 50 & "$TESSERA" recv demo/churn >/dev/null; wait $!; done; }
	background churn
	# And a sender that is blocked and woken as often as can be.
	"$TESSERA" channel create demo/narrow --capacity 2
	background "$TESSERA" send demo/narrow --block-size 64 </dev/zero
	background "$TESSERA" recv demo/narrow >/dev/null
	/usr/bin/python3 watch.py "$socket"
}

@test "it listens on a path or on the loopback, and nowhere else" {
	for address in 0.0.0.0:9464 10.1.2.3:9464 '[::]:9464' 192.168.0.1:1 example.org:80 9464 127.0.0.1 127.0.0.1:x 127.0.0.1:70000; do
		run timeout 5 "$TESSERA_EXPORTER" --listen "$address"
		[ "$status" -eq 2 ] || { echo "$address: $status"; false; }
		[[ $output == *"$address is neither a path nor on the loopback"*expected* ]]
	done
	run timeout 5 "$TESSERA_EXPORTER" extra
	[ "$status" -eq 2 ]
	echo precious >file
	run timeout 5 "$TESSERA_EXPORTER" --listen ./file
	[ "$status" -eq 1 ]
	[ "$(cat file)" = precious ]
	run timeout 5 "$TESSERA_EXPORTER" --listen ./no/folder
	[ "$status" -eq 1 ]
	[[ $output == *"No such file"* ]]
}

@test "on the loopback only what names the loopback is answered" {
	start_exporter --listen 127.0.0.1:0
	url=$(grep -o 'http://127.*' exporter.log)
	code() { curl --silent --max-time 10 --output /dev/null --write-out '%{http_code}' "$@"; }
	[ "$(code "$url")" = 200 ]
	[ "$(code --header 'Host: localhost' "$url")" = 200 ]
	[ "$(code --header 'Host: [::1]:9464' "$url")" = 200 ]
	[ "$(code --header 'Host: evil.example:9464' "$url")" = 403 ]
	[ "$(code --header 'Host: 127.0.0.1.evil.example' "$url")" = 403 ]
	[ "$(code --header 'Host;' "$url")" = 403 ]
	kill -INT "$exporter"
	wait "$exporter"
}

@test "what a dead one left is replaced, what a living one has is not" {
	start_exporter
	run timeout 5 "$TESSERA_EXPORTER"
	[ "$status" -eq 1 ]
	[[ $output == *"a living process already serves $socket"* ]]
	up_is 0
	kill -KILL "$exporter"
	wait "$exporter" || true
	[ -S "$socket" ]
	start_exporter
	up_is 0
}

@test "who connects and says nothing holds nobody up for long" {
	start_exporter
	cat >hold.py <<-'PYTHON'
		import socket, sys, time
		held = []
		for _ in range(16):
		    held.append(socket.socket(socket.AF_UNIX))
		    held[-1].connect(sys.argv[1])
		    held[-1].send(b"GET /metrics HTTP/1.1\r\nHost: ")
		print("held", flush=True)
		for one in held:
		    while one.recv(1000):
		        pass
		print("closed", flush=True)
	PYTHON
	background /usr/bin/python3 hold.py "$socket" >holding
	until_true 5 grep held holding
	# All places are taken, until their time is over.
	run get /-/healthy --max-time 1
	[ "$status" -eq 28 ]
	[ "$(get /-/healthy)" = healthy ]
	until_true 10 grep closed holding
}

@test "patterns and switches are those of tessera metrics" {
	start_daemon --set realms.other.clients=8
	for channel in demo/camera-1 demo/log other/camera-2; do
		"$TESSERA" channel create "$channel"
	done
	start_exporter --realm 'd*' --channel 'camera*' --no-latency
	get /metrics >metrics
	[ "$(grep -c '^tessera_channel_capacity' metrics)" -eq 1 ]
	run grep -E 'latency|realm="other"' metrics
	[ "$status" -eq 1 ]
	run "$TESSERA_EXPORTER" --help
	[ "$status" -eq 0 ]
	for option in $(grep -oE -- '--[a-z][a-z-]*' <<<"$output" | sort -u | grep -vxE -- '--usage'); do
		grep -q -- "\*$option\*" "$TESSERA_SOURCE/doc/man/tessera-exporter.8.scd" || { echo "$option is in no page"; false; }
	done
}

@test "another user is told what he may look at, and makes no socket where he does not own the folder" {
	[ "$(id -u)" -eq 0 ] || skip "only root can be somebody else"
	nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	chmod 711 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_RUN_TMPDIR" "${BATS_TEST_TMPDIR%/*}"
	chmod 777 "$TESSERA_RUNTIME_DIR"
	"${nobody[@]}" test -x "$TESSERA_EXPORTER" || skip "nobody can't reach the build folder"
	run timeout 5 "${nobody[@]}" "$TESSERA_EXPORTER"
	[ "$status" -eq 1 ]
	[[ $output == *"$TESSERA_RUNTIME_DIR is not a folder of user 65534's own"* ]]
	chmod 755 "$TESSERA_RUNTIME_DIR"
	start_daemon --set socket_mode=0666 --set realms.demo.mode=0664 --set realms.closed.mode=0660
	"$TESSERA" channel create demo/shown
	"$TESSERA" channel create closed/hidden
	"${nobody[@]}" "$TESSERA_EXPORTER" --listen localhost:0 2>exporter.log 3>&- &
	echo $! >>started
	until_true 5 grep serves exporter.log
	curl --silent --max-time 10 "$(grep -o 'http://.*' exporter.log)" >metrics
	"$BATS_TEST_DIRNAME/exposition.py" <metrics
	grep -qx 'tessera_realm_readable{realm="demo"} 1' metrics
	grep -q 'channel="shown"' metrics
	run grep -E 'hidden|readable{realm="closed"} 1' metrics
	[ "$status" -eq 1 ]
}

@test "completion knows its options" {
	run bash -c '
		source "$TESSERA_SOURCE/apps/completion/tessera.bash"
		COMP_WORDS=("$TESSERA_EXPORTER" --l) COMP_CWORD=1
		compopt() { :; }
		_tessera_exporter
		printf "%s\n" "${COMPREPLY[@]}"'
	[ "$output" = --listen= ]
}

@test "the dashboard shows metrics that there are" {
	"$TESSERA" metrics --list --json >list
	jq -r '.metrics[] | if .type == "histogram" then .name + ("_bucket", "_sum", "_count") else .name end' list | sort >there
	dashboard=$TESSERA_SOURCE/etc/tessera-dashboard.json
	jq -er '[.panels[].targets[].expr, .templating.list[].query.query?] | .[] | select(. != null)' "$dashboard" |
		grep -oE 'tessera_[a-z_0-9]+' | sort -u >shown
	[ "$(wc -l <shown)" -ge 20 ]
	run comm -13 there shown
	[ -z "$output" ] || { echo "there is no $output"; false; }
	jq -e '[.panels[] | .title] | contains(["Messages sent", "Latency, p50", "Latency, p99", "Depth", "Losses", "Blocked",
		"Deaths and repairs", "Poll core"])' "$dashboard"
	jq -e '[.panels[].id] | length == (unique | length)' "$dashboard"
	# What is selected are labels that the metrics have.
	jq -e '[.panels[].targets[].expr | scan("by \\(([^)]*)\\)")[] | split(", ")[]] | unique - ["le", "realm", "channel", "cause"] == []' "$dashboard"
}

@test "Prometheus understands what the dashboard asks" {
	command -v promtool >/dev/null || skip "promtool is neither installed nor unpacked by tools/setup"
	rules() {
		jq '{groups: [{name: "dashboard", rules: [.panels[].targets[].expr | gsub("\\$__rate_interval"; "1m")] | to_entries
			| map({record: "asked:\(.key)", expr: .value})}]}' "$1" >rules.yml
		promtool check rules rules.yml
	}
	run rules "$TESSERA_SOURCE/etc/tessera-dashboard.json"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *" 2"[0-9]" rules found"* ]]
	sed 's/rate(tessera_channel_sent_total/rate((tessera_channel_sent_total/' "$TESSERA_SOURCE/etc/tessera-dashboard.json" >broken
	run rules broken
	[ "$status" -ne 0 ]
}
