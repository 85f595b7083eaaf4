#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Tessera Authors
# The doctor finds what is wrong, and says what helps.

load helper

setup() {
	tessera_setup
	root=$BATS_TEST_TMPDIR/root
	mkdir -p "$root/proc" "$root"/sys/kernel/mm/{transparent_hugepage,hugepages/hugepages-2048kB} \
		"$root"/sys/devices/system/{cpu/cpu0/cpufreq,clocksource/clocksource0} "$root/sys/fs/cgroup"
	# A machine on which all is well.
	echo "flags		: fpu constant_tsc nonstop_tsc" >"$root/proc/cpuinfo"
	echo "always within_size [advise] never deny force" >"$root/sys/kernel/mm/transparent_hugepage/shmem_enabled"
	echo 512 | tee "$root"/sys/kernel/mm/hugepages/hugepages-2048kB/{nr,free}_hugepages
	echo tsc >"$root/sys/devices/system/clocksource/clocksource0/current_clocksource"
	echo performance >"$root/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
	echo 2-3 >"$root/sys/devices/system/cpu/isolated"
	echo max >"$root/sys/fs/cgroup/memory.max"
}
teardown() { tessera_teardown; }

doctor() {
	run --separate-stderr "$TESSERA" doctor --json --root "$root"
}

# finding CHECK: its state.
finding() {
	jq -er --arg check "$1" '.findings[] | select(.check == $check) | .state' <<<"$output"
}

remedy() {
	jq -er --arg check "$1" '.findings[] | select(.check == $check) | .remedy' <<<"$output"
}

@test "on this machine it tells a line each, in all three forms" {
	run --separate-stderr "$TESSERA" doctor --json
	[ "$status" -eq 0 ]
	count=$(value '.findings | length')
	[ "$count" -ge 14 ]
	for check in kernel "process descriptors" membarrier hugepages "transparent huge pages" "locked memory" descriptors \
		processors clock "run directory" "your daemon" group; do
		finding "$check"
	done
	[ "$("$TESSERA" doctor | wc -l)" -eq $((count + 1)) ]
	TERM=xterm run script -qec "$TESSERA doctor" /dev/null
	[[ $output == *STATE*REMEDY* ]]
}

@test "all that is not OK has a remedy" {
	run --separate-stderr "$TESSERA" doctor --json
	[ "$(jq '[.findings[] | select(.state != "OK" and .remedy == null)] | length' <<<"$output")" -eq 0 ]
}

@test "a machine on which all is well is told so" {
	doctor
	for check in hugepages "transparent huge pages" "memory of the control group" clock frequency; do
		[ "$(finding "$check")" = OK ]
	done
}

@test "each thing that is missing is found, with its command" {
	echo 0 | tee "$root"/sys/kernel/mm/hugepages/hugepages-2048kB/{nr,free}_hugepages
	echo "always within_size advise [never] deny force" >"$root/sys/kernel/mm/transparent_hugepage/shmem_enabled"
	echo hpet >"$root/sys/devices/system/clocksource/clocksource0/current_clocksource"
	echo powersave >"$root/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
	doctor
	[ "$status" -eq 0 ]
	for check in hugepages "transparent huge pages" clock frequency; do
		[ "$(finding "$check")" = WARN ]
	done
	[[ $(remedy hugepages) == *"sysctl vm.nr_hugepages="* ]]
	[[ $(remedy "transparent huge pages") == *shmem_enabled* ]]
	[[ $(remedy clock) == *current_clocksource* ]]
}

@test "a control group that is too small fails" {
	echo $((100 << 20)) >"$root/sys/fs/cgroup/memory.max"
	doctor
	[ "$status" -eq 1 ]
	[ "$(finding "memory of the control group")" = FAIL ]
	[ "$(value .failed)" -eq 1 ]
}

@test "a low limit on descriptors is found" {
	run --separate-stderr bash -c "ulimit -Sn 1024; '$TESSERA' doctor --json"
	[ "$(finding descriptors)" = WARN ]
	[[ $(remedy descriptors) == "ulimit -n "* ]]
}

@test "a daemon that answers, a stale socket, and none are told apart" {
	doctor
	[ "$(finding "your daemon")" = WARN ]
	[[ $output == *"no daemon"* ]]
	start_daemon
	doctor
	[ "$(finding "your daemon")" = OK ]
	kill -9 "$daemon"
	until_true 5 sh -c "! kill -0 $daemon"
	doctor
	[ "$(finding "your daemon")" = WARN ]
	[[ $output == *stale* ]]
}

@test "a run directory that others can write fails" {
	chmod 777 "$TESSERA_RUNTIME_DIR"
	doctor
	[ "$status" -eq 1 ]
	[ "$(finding "run directory")" = FAIL ]
}
