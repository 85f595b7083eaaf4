#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# Set-up and the runner of the suites, with a machine made up of stubs: nothing is installed here.

setup() {
	tree=$BATS_TEST_TMPDIR/tree
	stubs=$BATS_TEST_TMPDIR/stubs
	mkdir -p "$tree" "$stubs"
	cp -r "$BATS_TEST_DIRNAME/../../tools" "$tree/"
	printf '# packages\nbuild gcc\nbuild meson\ntest bats\n' >"$tree/tools/packages"
	stub dpkg-query 'case "$*" in *gcc) echo installed ;; *) exit 1 ;; esac'
	stub apt-get "echo \"\$*\" >>$BATS_TEST_TMPDIR/apt"
	stub sudo 'exit 1'
	stub id 'echo 1000'
	PATH=$stubs:$PATH
}

stub() {
	printf '#!/bin/bash\n%s\n' "$2" >"$stubs/$1"
	chmod +x "$stubs/$1"
}

@test "with every package there, set-up says and does nothing" {
	stub dpkg-query 'echo installed'
	run "$tree/tools/setup" build test
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ ! -e "$BATS_TEST_TMPDIR/apt" ]
}

@test "without the right to install, it prints the one line, changes nothing and fails" {
	run "$tree/tools/setup" build test
	[ "$status" -eq 5 ]
	[ "${lines[-1]}" = "sudo apt-get install --yes --no-install-recommends meson bats" ]
	[ "$(grep -c apt-get <<<"$output")" -eq 1 ]
	[ ! -e "$BATS_TEST_TMPDIR/apt" ]
}

@test "of some packages one program is unpacked, once, and nothing installed" {
	export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache
	cd "$BATS_TEST_TMPDIR"
	mkdir -p package/DEBIAN package/usr/bin
	printf 'Package: served\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: x\n' >package/DEBIAN/control
	printf '#!/bin/sh\necho it runs\n' >package/usr/bin/only-this
	chmod +x package/usr/bin/only-this
	printf 'unpack served usr/bin/only-this\n' >"$tree/tools/packages"
	stub apt-get "echo \"\$*\" >>$BATS_TEST_TMPDIR/apt; dpkg-deb --build $PWD/package served.deb"
	run "$tree/tools/setup" build
	[ ! -e "$XDG_CACHE_HOME" ]
	run "$tree/tools/setup" test
	[ "$status" -eq 0 ]
	[ "$("$XDG_CACHE_HOME/tessera/bin/only-this")" = "it runs" ]
	run "$tree/tools/setup" test
	[ -z "$output" ]
	[ "$(cat "$BATS_TEST_TMPDIR/apt")" = "download served" ]
	# Where it can't be had, the rest goes on.
	rm -r "$XDG_CACHE_HOME"
	stub apt-get 'echo "E: no network"; exit 100'
	run "$tree/tools/setup" test
	[ "$status" -eq 0 ]
	[[ $output == *"no network"*"no only-this: what needs it will be skipped"* ]]
}

@test "quickstart stops there too, before it builds anything" {
	run "$tree/tools/quickstart"
	[ "$status" -eq 5 ]
	[ "${lines[-1]}" = "sudo apt-get install --yes --no-install-recommends meson" ]
	[ ! -e "$tree/build" ]
}

@test "root installs what is missing and nothing else" {
	stub id 'echo 0'
	run "$tree/tools/setup" build test
	[ "$status" -eq 0 ]
	[[ $(tail -n 1 "$BATS_TEST_TMPDIR/apt") == "install --yes --no-install-recommends meson bats "* ]]
}

@test "a sudo that asks nothing is used" {
	stub sudo 'shift; exec "$@"'
	run "$tree/tools/setup" build
	[ "$status" -eq 0 ]
	[[ $(tail -n 1 "$BATS_TEST_TMPDIR/apt") == "install --yes --no-install-recommends meson "* ]]
}

@test "an installation that fails is shown and fails" {
	stub id 'echo 0'
	stub apt-get 'echo "E: no network"; exit 100'
	run "$tree/tools/setup" build
	[ "$status" -eq 1 ]
	[[ $output == *"E: no network"*"sudo apt-get install"* ]]
}

@test "the runner: a plain suite passes, fails or is skipped by its exit status" {
	run "$tree/tools/run-suite" plain true
	[ "${lines[-1]}" = "ok - true" ]
	run "$tree/tools/run-suite" plain false
	[ "${lines[-1]}" = "not ok - false" ]
	run "$tree/tools/run-suite" plain bash -c 'exit 77'
	[[ ${lines[-1]} == "ok - "*" # SKIP "* ]]
}

@test "the runner: a suite that hangs is ended with all that it started" {
	printf '#!/bin/bash\nsetsid sleep 1000 &\necho $! >%s\nwait\n' "$BATS_TEST_TMPDIR/pid" >"$stubs/hang"
	chmod +x "$stubs/hang"
	TESSERA_NIGHTLY='' run "$tree/tools/run-suite" --timeout 0.5 plain hang
	[[ $output == *"not ok - hang ended within 0.5 seconds"* ]]
	run kill -0 "$(cat "$BATS_TEST_TMPDIR/pid")"
	[ "$status" -ne 0 ]
}

@test "the runner: a process left behind is killed, named and counted as a failure" {
	run "$tree/tools/run-suite" plain bash -c 'setsid sleep 1000 & exit 0'
	[[ $output == *"not ok - "*"left nothing running: sleep ("* ]]
}

@test "the runner: a test that was declared and not run counts as a failure" {
	printf '@test "one" { true; }\n@test "two" { true; }\n' >"$BATS_TEST_TMPDIR/two.bats"
	stub bats 'printf "1..2\nok 1 one\n"'
	run "$tree/tools/run-suite" bats "$BATS_TEST_TMPDIR/two.bats"
	[[ $output == *"ok 1 one"* ]]
	[[ $output == *"not ok - two was declared and not run"* ]]
}

@test "the sum: single cases are counted, and a suite that reports nothing has failed" {
	printf '%s\n' '{"name": "a / b", "duration": 1, "result": "OK", "stdout": "1..3\nok 1 x\nok 2 y # SKIP no root\nnot ok 3 z\n"}' \
		'{"name": "a / c", "duration": 1, "result": "OK", "stdout": ""}' >"$BATS_TEST_TMPDIR/log"
	run "$tree/tools/tap-report" "=$BATS_TEST_TMPDIR/log"
	[ "$status" -eq 1 ]
	[ "${lines[-1]}" = "1 passed, 2 failed, 1 skipped" ]
	run "$tree/tools/tap-report" "=$BATS_TEST_TMPDIR/none"
	[ "$status" -eq 1 ]
	[ "${lines[-1]}" = "0 passed, 1 failed, 0 skipped" ]
}
