#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# Sessions of LTTng are recorded, and what they tell is what has happened.

load helper

setup() {
	tessera_setup
	for program in lttng lttng-sessiond babeltrace2; do
		command -v $program >/dev/null || skip "$program is not installed"
	done
	provider=$TESSERA_BUILD/drivers/trace/lttng/libtessera-trace.so
	[ -e "$provider" ] || skip "the provider of trace events is not built: lttng-ust is not installed"
	trace=$BATS_TEST_TMPDIR/trace
	export LTTNG_HOME=$BATS_TEST_TMPDIR TESSERA
}
teardown() { tessera_teardown; }

# record OPTION... -- PROGRAM...: into $trace, which must go well.
record() {
	run --separate-stderr "$TESSERA" trace record --output "$trace" "$@" 3>&-
	echo "$stderr"
	[ "$status" -eq 0 ]
	[[ $stderr == *"recorded in '$trace'"* ]]
}

# show OPTION...: the report on it, as JSON, in $output.
show() {
	run --separate-stderr "$TESSERA" --json trace show "$@" "$trace"
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ "$(value .schema)" = 1 ]
}

# others EVENT: how many there are of that name.
others() {
	value "[.others[] | select(.event == \"$1\")] | length"
}

# exchange FOLDER OPTION...: a script that has bytes go from one process to another.
exchange() {
	# shellcheck disable=SC2016
	echo '"$TESSERA" recv demo/x >'"$1"'/out & receiver=$!; until "$TESSERA" --json channels | grep -q "\"receivers\": 1"; do sleep 0.02; done
		head -c 100000 /dev/zero | "$TESSERA" send demo/x '"${*:2}; wait \$receiver"
}

@test "two processes and the daemon: who attached, opened, slept, was woken, left" {
	record -- bash -c "$TESSERAD 2>/dev/null & until $TESSERA ping --count 1 >/dev/null 2>&1; do sleep 0.02; done
		$(exchange "$BATS_TEST_TMPDIR"); kill %1; wait"
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/out")" -eq 100000 ]
	show --events
	[ "$(value .lost)" -eq 0 ]
	# The daemon, one who sends, one who receives.
	[ "$(value '[.others[] | select(.event == "attach") | .pid] | unique | length')" -eq 3 ]
	[ "$(others open)" -eq 2 ]
	[ "$(others close)" -eq 2 ]
	[ "$(others detach)" -eq 2 ]
	# The receiver was there first: it slept, and somebody woke it.
	[ "$(others block)" -ge 1 ]
	[ "$(others unblock)" -eq "$(others block)" ]
	value '.others[] | select(.event == "block") | select(.text | startswith("receiver of demo/x"))' >/dev/null
	value '.others[] | select(.event == "unblock") | select(.text | contains("woken by"))' >/dev/null
	# In the order of time.
	[ "$(value '[.others[].at_ns] | . == sort')" = true ]
	show
	[ "$(value '.channels[0].channel')" = demo/x ]
	[ "$(value '.channels[0].sleeps')" -ge 1 ]
}

@test "processes that run already are recorded; a death is told with each repair" {
	export TESSERA_TRACE=1
	start_daemon
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 7<>"$BATS_TEST_TMPDIR/in"
	background "$TESSERA" send demo/y <"$BATS_TEST_TMPDIR/in"
	sender=$last
	head -c 100000 /dev/zero >&7
	until_true 10 bash -c "'$TESSERA' --json channels | jq -e '.channels[0].sent > 0'"
	unset TESSERA_TRACE
	background "$TESSERA" trace record --output "$trace" 2>"$BATS_TEST_TMPDIR/said"
	until_true 10 lttng --no-sessiond list tessera-"$last"
	until_true 10 bash -c "lttng --no-sessiond list tessera-$last | grep -q '\[active\]'"
	# What is registered is traced.
	until_true 10 bash -c "lttng --no-sessiond list --userspace | grep -q 'PID: $daemon '"
	kill -9 "$sender"
	until_true 10 grep -q "died:" "$BATS_TEST_TMPDIR/daemon.log"
	exec 7>&-
	kill -INT "$last"
	wait "$last"
	show --events
	[ "$(others death)" -eq 1 ]
	[ "$(others reap)" -ge 1 ]
	# Each has its victim, and a word that is another afterwards.
	[ "$(value '[.others[] | select(.event == "reap") | .client] | unique == [1]')" = true ]
	value '.others[] | select(.event == "reap") | select(.text | test("^ticket [0-9]+: 0x[0-9a-f]+01 -> 0x[0-9a-f]+ffff$"))' >/dev/null
	ledger_balances
}

@test "an error is told where it is born, by the client and by the daemon" {
	TESSERA_TRACE=1 start_daemon
	run "$TESSERA" trace record --output "$trace" -- "$TESSERA" send nowhere/x 3>&- </dev/null
	[ "$status" -eq 4 ]
	show --events
	[ "$(others error)" -ge 2 ]
	for where in tesserad tsr_attach; do
		value ".others[] | select(.event == \"error\") | select(.text | startswith(\"$where: \") and contains(\"no realm 'nowhere'\"))" >/dev/null
	done
}

@test "a reload and a region are told" {
	echo 'log = { level = "debug"; };' >"$BATS_TEST_TMPDIR/conf"
	TESSERA_TRACE=1 start_daemon --config "$BATS_TEST_TMPDIR/conf" --set realms.demo.foreign_regions=true
	# shellcheck disable=SC2016
	record -- bash -c '"$TESSERA" reload && "$0" send one two && "$0" recv' "$TESSERA_BUILD/apps/examples/region_share"
	show --events
	[ "$(others reload)" -eq 1 ]
	[ "$(value '[.others[] | select(.event == "region") | .text | split(" ")[5][:-1]] | join(" ")')" = "made closing ended" ]
}

@test "preloading the provider is as good as TESSERA_TRACE=1" {
	start_daemon
	record -- env -u TESSERA_TRACE LD_PRELOAD="$provider" "$TESSERA" send demo/x </dev/null
	show --events
	[ "$(others attach)" -eq 1 ]
	[ "$(others open)" -eq 1 ]
}

@test "a forked child that attaches for itself is traced, too" {
	start_daemon
	record -- /usr/bin/python3 - "$TESSERA_BUILD/shm/libtessera.so" <<-'PYTHON'
		import ctypes, os, sys
		tessera = ctypes.CDLL(sys.argv[1])
		class Client(ctypes.Structure):
		    _fields_ = [("handle", ctypes.c_uint64)]
		def attach():
		    client = Client()
		    assert tessera.tsr_attach(None, ctypes.byref(client)) == 0
		    return client
		client = attach()
		child = os.fork()
		if child == 0:
		    tessera.tsr_detach(attach())
		    os._exit(0)
		assert os.waitpid(child, 0)[1] == 0
		tessera.tsr_detach(client)
	PYTHON
	show --events
	[ "$(value '[.others[] | select(.event == "attach") | .pid] | unique | length')" -eq 2 ]
	[ "$(others detach)" -eq 2 ]
}

@test "the life of every ticket is complete, from one process to the other, in the order of its steps" {
	start_daemon
	record --messages -- bash -c "$(exchange "$BATS_TEST_TMPDIR" --block-size 1K)"
	show
	[ "$(value .lost)" -eq 0 ]
	sends=$(value '.channels[] | select(.channel == "demo/x") | .sends')
	[ "$sends" -ge 98 ]
	[ "$(value '.channels[] | select(.channel == "demo/x") | .receives')" -eq "$sends" ]
	# The sender allocates one more, finds that nothing is left to send, and releases it.
	[ "$(value .lives)" -eq $((sends + 1)) ]
	[ "$(value .complete)" -eq $((sends + 1)) ]
	for stage in write travel use life; do
		[ "$(value ".stages[] | select(.stage == \"$stage\") | .count")" -eq "$sends" ]
		value ".stages[] | select(.stage == \"$stage\") | select(.p50_ns <= .p99_ns and .p99_ns <= .max_ns)" >/dev/null
	done
	[ "$(value '.slowest | length')" -eq 5 ]
	ticket=$(value '.slowest[0].ticket')
	took=$(value '.slowest[0].took_ns')
	show --ticket "$ticket"
	[ "$(value '.of_ticket | length')" -eq 1 ]
	[ "$(value '.of_ticket[0].complete')" = true ]
	[ "$(value '[.of_ticket[0].steps[].step] | join(" ")')" = "alloc send receive release" ]
	[ "$(value '.of_ticket[0].steps | map(.pid) | .[0] == .[1] and .[2] == .[3] and .[0] != .[2]')" = true ]
	[ "$(value '[.of_ticket[0].steps[].at_ns] | . == sort')" = true ]
	[ "$(value '[.of_ticket[0].steps[].after_ns] | add')" -eq "$took" ]
	[ "$(value '[.of_ticket[0].steps[] | select(.channel == "demo/x") | .step] | join(" ")')" = "send receive" ]
	# All lives of that ticket; and of one that there is not.
	show --ticket "${ticket%:*}"
	[ "$(value '.of_ticket | length')" -ge 1 ]
	run --separate-stderr "$TESSERA" trace show --ticket 9999999 "$trace"
	[ "$status" -eq 4 ]
	[[ $stderr == *"no life of ticket 9999999"* ]]
	# An arrow for each message, and three stages of each life.
	"$TESSERA" trace export "$BATS_TEST_TMPDIR/trace.json" "$trace"
	output=$(<"$BATS_TEST_TMPDIR/trace.json")
	[ "$(value '[.traceEvents[] | select(.ph == "s")] | length')" -eq "$sends" ]
	[ "$(value '[.traceEvents[] | select(.ph == "f")] | length')" -eq "$sends" ]
	[ "$(value '[.traceEvents[] | select(.ph == "b") | .name] | group_by(.) | map([.[0], length]) | tojson')" = \
		"[[\"travel\",$sends],[\"use\",$sends],[\"write\",$((sends + 1))]]" ]
}

@test "a sample holds whole lives of some tickets, in a program and in one that runs already" {
	TESSERA_TRACE=1 start_daemon
	record --sample 8 -- bash -c "$(exchange "$BATS_TEST_TMPDIR" --block-size 64)"
	show
	lives=$(value .lives)
	# 1,563 messages, of which an eighth; by blocks of 64 generations of 31 tickets or so.
	[ "$lives" -ge 20 ]
	[ "$lives" -le 800 ]
	[ "$(value .complete)" -ge $((lives * 9 / 10)) ]
	# A process that was not told of the sample is filtered by LTTng.
	trace=$trace.2
	record --sample 8 -- env -u TESSERA_TRACE_SAMPLE bash -c "$(exchange "$BATS_TEST_TMPDIR" --block-size 64)"
	show
	[ "$(value .lives)" -ge 20 ]
	[ "$(value .lives)" -le 800 ]
	run --separate-stderr env TESSERA_TRACE=1 TESSERA_TRACE_SAMPLE=0 "$TESSERA" send demo/x </dev/null
	[ "$status" -eq 1 ]
	[[ $stderr == *"TESSERA_TRACE_SAMPLE is '0', expected a number from 1 on"* ]]
}

@test "batches, views, errors and threads that end are told of as single calls are" {
	start_daemon
	record --messages -- /usr/bin/python3 "$BATS_TEST_DIRNAME/traced.py" "$TESSERA_BUILD/shm/libtessera.so"
	show
	[ "$(value '.channels[] | select(.channel == "demo/batch") | [.sends, .receives] | join(" ")')" = "40 40" ]
	[ "$(value .complete)" -eq 41 ]
	[ "$(value .lives)" -eq 41 ]
	show --events
	[ "$(value '[.others[] | select(.event == "error") | .text | split(":")[0]] | join(" ")')" = \
		"tsr_release tsr_send tsr_send tsr_alloc tsr_recv" ]
}

@test "export writes JSON that has every event, and for each sleep a slice" {
	start_daemon
	record -- bash -c "$(exchange "$BATS_TEST_TMPDIR")"
	"$TESSERA" trace export "$BATS_TEST_TMPDIR/trace.json" "$trace"
	show --events
	count=$(value '.others | length')
	blocks=$(others block)
	output=$(<"$BATS_TEST_TMPDIR/trace.json")
	[ "$(value '[.traceEvents[] | select(.cat == "tessera")] | length')" -eq "$count" ]
	[ "$(value '[.traceEvents[] | select(.name == "asleep" and .ph == "X" and .dur > 0)] | length')" -eq "$blocks" ]
	[ "$(value '[.traceEvents[] | select(.ph == "M") | .args.name] | any(startswith("tessera"))')" = true ]
}

@test "what export writes keeps to the Trace Event Format, with an arrow for each message" {
	start_daemon
	record --messages -- bash -c "$(exchange "$BATS_TEST_TMPDIR" --block-size 1000)"
	"$TESSERA" trace export "$BATS_TEST_TMPDIR/trace.json" "$trace"
	show
	receives=$(value '.channels[0].receives')
	[ "$receives" -ge 100 ]
	output=$(/usr/bin/python3 "$BATS_TEST_DIRNAME/chrome_trace.py" "$BATS_TEST_TMPDIR/trace.json")
	echo "$output"
	[ "$(value .f)" -eq "$receives" ]
	[ "$(value .b)" -eq "$(value .e)" ]
	[ "$(value .b)" -ge "$((3 * receives))" ]
	# Two clients, the daemon is not traced.
	[ "$(value .M)" -ge 2 ]
	sed 's/"ph":"e"/"ph":"b"/' "$BATS_TEST_TMPDIR/trace.json" >"$BATS_TEST_TMPDIR/bad.json"
	run ! /usr/bin/python3 "$BATS_TEST_DIRNAME/chrome_trace.py" "$BATS_TEST_TMPDIR/bad.json"
}

@test "an ordinary user records without any rights" {
	[ "$(id -u)" -eq 0 ] || skip "we are one: every test of this file shows it"
	home=$(mktemp -d)
	chmod 755 "$home"
	chown 65534:65534 "$home"
	user=(setpriv --reuid=65534 --regid=65534 --clear-groups env -u XDG_RUNTIME_DIR LTTNG_HOME="$home"
		HOME="$home" TESSERA_RUNTIME_DIR="$home/run")
	"${user[@]}" test -x "$TESSERA" || { rm -r "$home"; skip "user 65534 may not enter the build folder"; }
	trace=$home/trace
	"${user[@]}" mkdir -m 700 "$home/run"
	cd "$home"
	run "${user[@]}" "$TESSERA" trace record --output "$trace" -- "$TESSERA" demo --limit 1M 3>&-
	echo "$output"
	[ "$status" -eq 0 ]
	run "${user[@]}" "$TESSERA" --json trace show --events "$trace"
	[ "$(value '[.others[] | select(.event == "attach") | .pid] | unique | length')" -ge 3 ]
	cd /
	rm -r "$home"
}

@test "the session daemon that was started is ended; one that runs is used and stays" {
	! lttng --no-sessiond list || skip "a session daemon of this user runs"
	start_daemon
	record -- "$TESSERA" send demo/x </dev/null
	run lttng --no-sessiond list
	[ "$status" -ne 0 ]
	background lttng-sessiond --no-kernel
	until_true 10 lttng --no-sessiond list
	trace=$trace.2
	record -- "$TESSERA" send demo/x </dev/null
	run lttng --no-sessiond list
	[ "$status" -eq 0 ]
	# Nothing of ours is left in it.
	[[ $output != *tessera-* ]]
}

@test "what is missing is named" {
	stubs=$BATS_TEST_TMPDIR/stubs
	mkdir "$stubs"
	run --separate-stderr env PATH="$stubs" "$TESSERA" trace record --output "$trace" true
	[ "$status" -eq 4 ]
	[[ $stderr == *"no program 'lttng': install it with 'sudo apt-get install lttng-tools'"* ]]
	run --separate-stderr "$TESSERA" trace show "$trace"
	[ "$status" -eq 4 ]
	[[ $stderr == *"no trace in '$trace'"*"tessera trace record"* ]]
	mkdir "$trace"
	run --separate-stderr "$TESSERA" trace show "$trace"
	[ "$status" -eq 4 ]
	[[ $stderr == *"is empty"*"TESSERA_TRACE=1"* ]]
	touch "$trace/x"
	run --separate-stderr env PATH="$stubs" "$TESSERA" trace show "$trace"
	[ "$status" -eq 4 ]
	[[ $stderr == *"no program 'babeltrace2': install it with 'sudo apt-get install babeltrace2'"* ]]
	run --separate-stderr "$TESSERA" trace show "$trace"
	[ "$status" -eq 1 ]
	[[ $stderr == *"babeltrace2 can't read"* ]]
	run --separate-stderr "$TESSERA" trace record --output "$trace" true
	[ "$status" -eq 2 ]
	[[ $stderr == *"is there already"* ]]
	run --separate-stderr "$TESSERA" trace record --output "$trace.2" nonesuch 3>&-
	[ "$status" -eq 4 ]
	[[ $stderr == *"'nonesuch' can't be started"* ]]
	run --separate-stderr "$TESSERA" trace record --output "$trace.3" false 3>&-
	[ "$status" -eq 1 ]
	[[ $stderr == *"nothing was recorded"*"TESSERA_TRACE=1"* ]]
	TESSERA_TRACE=2 run --separate-stderr "$TESSERA" send demo/x </dev/null
	[ "$status" -eq 1 ]
	[[ $stderr == *"TESSERA_TRACE is '2', expected 0 or 1"* ]]
}

@test "--seconds ends the recording and the program" {
	start_daemon
	record --seconds 300ms -- "$TESSERA" recv demo/never
	show --events
	[ "$(others attach)" -eq 1 ]
}
