#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# tessera metrics: what there is to count, for Prometheus.

load helper

setup() {
	tessera_setup
	cd "$BATS_TEST_TMPDIR"
	# Where tools/setup puts it, if it is not installed.
	PATH=$PATH:${XDG_CACHE_HOME:-$HOME/.cache}/tessera/bin
}
teardown() { tessera_teardown; }

# checked FILE: by Prometheus' own checker, if it is there, and by ours.
checked() {
	"$BATS_TEST_DIRNAME/exposition.py" <"$1"
	! command -v promtool >/dev/null || promtool check metrics <"$1"
}

# number SERIES: the value of one line of the file "metrics".
number() { grep -v '^#' metrics | grep -F -- "$1 " | sed 's/.* //'; }

# traffic CHANNEL: a sender and a receiver of small messages that go on living.
traffic() {
	background "$TESSERA" recv "$1" >/dev/null
	until_true 5 sh -c "\"$TESSERA\" channels --json | jq -e '.channels[] | select(.receivers == 1)'"
	mkfifo pipe
	exec 7<>pipe
	background "$TESSERA" send "$1" --block-size 64 <pipe
	head -c 640000 /dev/zero >&7
	until_true 5 sh -c "\"$TESSERA\" metrics | grep -qx 'tessera_channel_received_total{realm=\"demo\",channel=\"${1#*/}\"} 10000'"
}

@test "what was dropped is lost, and waits no more" {
	start_daemon
	"$TESSERA" pub demo/frames --on-full drop-oldest --capacity 4 1 2 3 4 5 6
	"$TESSERA" metrics >metrics
	[ "$(number 'tessera_channel_sent_total{realm="demo",channel="frames"}')" = 6 ]
	[ "$(number 'tessera_channel_lost_total{realm="demo",channel="frames"}')" = 2 ]
	[ "$(number 'tessera_channel_depth{realm="demo",channel="frames"}')" = 4 ]
}

@test "of a broadcast what its slowest reader has not released waits" {
	start_daemon
	"$TESSERA" pub demo/unread --kind broadcast --capacity 16 1 2 3 4 5 6 7 8
	"$TESSERA" channel create demo/news --kind broadcast --capacity 16
	background "$TESSERA" recv demo/news >/dev/null
	until_true 5 sh -c "\"$TESSERA\" channels --json | jq -e '.channels[] | select(.receivers == 1)'"
	kill -STOP "$last"
	"$TESSERA" pub demo/news 1 2 3 4 5 6
	"$TESSERA" metrics >metrics
	kill -CONT "$last"
	[ "$(number 'tessera_channel_depth{realm="demo",channel="unread"}')" = 0 ]
	[ "$(number 'tessera_channel_depth{realm="demo",channel="news"}')" = 6 ]
}

@test "the format is right, and the numbers are those of the other commands" {
	start_daemon
	"$TESSERA" channel create --capacity 2 demo/quiet
	traffic demo/busy
	"$TESSERA" metrics >metrics
	checked metrics
	[ "$(number tessera_up)" = 1 ]
	[ "$(number 'tessera_channel_sent_total{realm="demo",channel="busy"}')" = 10000 ]
	[ "$(number 'tessera_channel_received_bytes_total{realm="demo",channel="busy"}')" = 640000 ]
	[ "$(number 'tessera_channel_receivers_blocked{realm="demo",channel="busy"}')" = 1 ]
	[ "$(number 'tessera_channel_capacity{realm="demo",channel="quiet"}')" = 2 ]
	[ "$(number 'tessera_channel_sent_total{realm="demo",channel="quiet"}')" = 0 ]
	[ "$(number tessera_clients)" -ge 2 ]
	[ "$(number 'tessera_realm_tickets{realm="demo"}')" = "$("$TESSERA" status --json | jq '.realms[0].tickets')" ]
	sender=$("$TESSERA" clients --json | jq '.clients[] | select(.senders == 1).id')
	receiver=$("$TESSERA" clients --json | jq '.clients[] | select(.receivers == 1).id')
	[ "$(number "tessera_client_senders{realm=\"demo\",client=\"tessera send\",id=\"$sender\"}")" = 1 ]
	# One message in 64 is stamped, and each stamp is in the histogram of the one end that received it.
	[ "$(grep -c '^tessera_channel_latency_seconds_count' metrics)" -eq 1 ]
	labels="{realm=\"demo\",channel=\"busy\",id=\"$receiver\",end=\"0\"}"
	stamped=$(number "tessera_channel_latency_seconds_count$labels")
	[ "$stamped" -ge 100 ] && [ "$stamped" -le 1000 ]
	mean=$(number "tessera_channel_latency_seconds_sum$labels")
	jq -en "$mean / $stamped > 1e-7 and $mean / $stamped < 10"
}

@test "Prometheus' own checker takes it, of a realm with messages in it" {
	command -v promtool >/dev/null || skip "promtool is neither installed nor unpacked by tools/setup"
	start_daemon
	traffic demo/busy
	"$TESSERA" metrics >metrics
	grep -q '^tessera_channel_latency_seconds_bucket' metrics
	run promtool check metrics <metrics
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	run promtool check metrics < <(sed 's/tessera_channel_sent_total/tessera_channel_sent_ms/' metrics)
	[ "$status" -ne 0 ]
}

@test "every metric has the name of a key that a command tells in its JSON" {
	start_daemon
	traffic demo/named
	"$TESSERA" metrics --list --json >list
	for command in status clients channels "stat -n 1 -i 10ms"; do
		# shellcheck disable=SC2086
		"$TESSERA" --json $command >"${command%% *}"
	done
	run jq -en '[input.metrics[]] as $all | input as $status | input as $clients | input as $channels | input as $stat
		| {"status": $status, "status .realms[]": $status.realms[0], "clients .clients[]": $clients.clients[0],
		   "stat, channels .channels[]": ($stat + $channels.channels[0])} as $there
		| [$all[] | select(.key != null)] | length > 40 and all(.[]; . as $metric
			| ($there[.where] | has($metric.key))
			and (($metric.name | sub("^tessera_((realm|client|channel)_)?"; "") | sub("_total$"; "") | sub("_seconds$"; "_ns"))
				== ($metric.key | sub("_p50_ns$"; "_ns") | sub("^release$"; "release_info"))))' list status clients channels stat
	echo "$output"
	[ "$status" -eq 0 ]
	# And what is listed is what is printed.
	"$TESSERA" metrics >metrics
	diff <(jq -r '.metrics[] | "\(.name) \(.type)"' list) <(sed -n 's/^# TYPE //p' metrics)
}

@test "patterns choose realms and channels" {
	start_daemon --set realms.other.clients=8
	for channel in demo/camera-1 demo/camera-2 demo/log other/camera-3; do
		"$TESSERA" channel create "$channel"
	done
	"$TESSERA" metrics --channel 'camera-*' >metrics
	checked metrics
	[ "$(grep -c '^tessera_channel_capacity' metrics)" -eq 3 ]
	[ "$(grep -c '^tessera_realm_clients{' metrics)" -eq 2 ]
	"$TESSERA" metrics --realm 'o*' >metrics
	checked metrics
	[ "$(grep -c '^tessera_channel_capacity' metrics)" -eq 1 ]
	[ "$(grep -c '^tessera_realm_clients{' metrics)" -eq 1 ]
	run "$TESSERA" metrics --realm 'x*'
	[ "$status" -eq 4 ]
	[[ $output == *"no realm 'x*'"* ]]
}

@test "more realms than a process can be attached to" {
	settings+=(--set realms.r1.clients=4 --set realms.r2.clients=4 --set realms.r3.clients=4 --set realms.r4.clients=4)
	settings+=(--set realms.r5.clients=4 --set realms.r6.clients=4 --set realms.r7.clients=4 --set realms.r8.clients=4)
	start_daemon --set realms.r9.clients=4
	"$TESSERA" channel create r1/x
	"$TESSERA" channel create r9/x
	"$TESSERA" metrics >metrics
	checked metrics
	[ "$(grep -c '^tessera_realm_readable.* 1$' metrics)" -ge 9 ]
	[ "$(grep -c '^tessera_channel_capacity' metrics)" -eq 2 ]
}

@test "a client may be called what it likes" {
	start_daemon
	cat >attach.py <<-'PYTHON'
		import ctypes, os, sys, time
		library, client = ctypes.CDLL(sys.argv[1]), ctypes.c_uint64()
		# Their size, the realm, the name, and zeros: whatever else they have, by default.
		def attach(size):
		    options = (ctypes.c_void_p * 64)(size, ctypes.cast(ctypes.c_char_p(b"demo"), ctypes.c_void_p),
		                                     ctypes.cast(ctypes.c_char_p(os.fsencode(sys.argv[2])), ctypes.c_void_p))
		    return library.tsr_attach(options, ctypes.byref(client))
		assert any(attach(size) == 0 for size in range(24, 512, 8))
		print("there", flush=True)
		time.sleep(60)
	PYTHON
	for name in 'a "b" \ c' $'\xc3\xa4' $'\xe4'; do
		background env LC_ALL=C.UTF-8 /usr/bin/python3 attach.py "$TESSERA_BUILD/shm/libtessera.so" "$name" >attached
		until_true 5 grep there attached
	done
	"$TESSERA" metrics >metrics
	checked metrics
	grep -qxF 'tessera_client_tickets{realm="demo",client="a \"b\" \\ c",id="1"} 0' metrics
	grep -qxF 'tessera_client_tickets{realm="demo",client="ä",id="2"} 0' metrics
	grep -qxF 'tessera_client_tickets{realm="demo",client="(not text)",id="3"} 0' metrics
}

@test "what was told of a wait stays told when its owner dies in it" {
	start_daemon
	background "$TESSERA" recv demo/waited >/dev/null
	receiver=$last
	blocked() { "$TESSERA" metrics | sed -n 's/^tessera_channel_receivers_blocked_seconds_total{.*"waited"} //p'; }
	long_blocked() { jq -en "$(blocked) > 0.5"; }
	until_true 5 long_blocked
	before=$(blocked)
	kill -KILL "$receiver"
	wait "$receiver" || true
	gone() { "$TESSERA" metrics | grep -qx 'tessera_channel_receivers{realm="demo",channel="waited"} 0'; }
	until_true 5 gone
	after=$(blocked)
	echo "before $before after $after"
	jq -en "$after >= $before"
}

@test "ten thousand channels are told, and without histograms by a switch" {
	start_daemon --set realms.demo.channels=10001
	cat >create.py <<-'PYTHON'
		import ctypes, sys
		library = ctypes.CDLL(sys.argv[1])
		class Client(ctypes.Structure):
		    _fields_ = [("handle", ctypes.c_uint64)]
		client = Client()
		assert library.tsr_attach(None, ctypes.byref(client)) == 0
		# Their size, slots, and zeros: whatever else they have, by default.
		def create(number, size):
		    options = (ctypes.c_uint32 * 64)(size, 0, 2)
		    return library.tsr_channel_create(client, b"channel-%d" % number, options)
		size = next(size for size in range(16, 256, 8) if create(0, size) == 0)
		assert all(create(number, size) == 0 for number in range(1, 10000))
		library.tsr_detach(client)
	PYTHON
	/usr/bin/python3 create.py "$TESSERA_BUILD/shm/libtessera.so"
	traffic demo/busy
	"$TESSERA" metrics >metrics
	checked metrics
	[ "$(grep -c '^tessera_channel_depth{' metrics)" -eq 10001 ]
	grep -q '^tessera_channel_latency' metrics
	"$TESSERA" metrics --no-latency --channel 'channel-99*' >metrics
	checked metrics
	[ "$(grep -c '^tessera_channel_depth{' metrics)" -eq 111 ]
	run grep tessera_channel_latency metrics
	[ "$status" -eq 1 ]
}

@test "a format that is wrong is noticed" {
	bad() {
		run "$BATS_TEST_DIRNAME/exposition.py" <<<"$1"
		[ "$status" -eq 1 ] || { echo "taken: $1"; false; }
	}
	head=$'# HELP a_total of a\n# TYPE a_total counter\n'
	"$BATS_TEST_DIRNAME/exposition.py" <<<"${head}"$'a_total{x="1"} 5\na_total{x="2"} 5'
	bad "${head}"$'a_total{x="1"} 5\na_total{x="1"} 6'
	bad "${head}"$'a_total{x="1"} 5\na_total{y="1"} 6'
	bad "${head}"$'a_total{x="a"b"} 5'
	bad $'# HELP a of a\n# TYPE a counter\na 5'
	bad "${head}"$'b_total 5'
	histogram=$'# HELP a of a\n# TYPE a histogram\n'
	"$BATS_TEST_DIRNAME/exposition.py" <<<"$histogram"$'a_bucket{le="1"} 1\na_bucket{le="+Inf"} 2\na_sum 1.5\na_count 2'
	bad "$histogram"$'a_bucket{le="1"} 3\na_bucket{le="+Inf"} 2\na_sum 1.5\na_count 2'
	bad "$histogram"$'a_bucket{le="1"} 1\na_bucket{le="+Inf"} 2\na_sum 1.5\na_count 3'
	bad "$histogram"$'a_bucket{le="1"} 1\na_sum 1.5\na_count 2'
}

@test "what is not there is said" {
	run "$TESSERA" metrics
	[ "$status" -eq 3 ]
	[[ $output == *"no daemon listens"* ]]
	run "$TESSERA" metrics extra
	[ "$status" -eq 2 ]
	# The list needs none.
	run "$TESSERA" metrics --list
	[ "$status" -eq 0 ]
	[[ $output == *tessera_channel_latency_seconds* ]]
}
