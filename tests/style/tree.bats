#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The house checks on the tree itself and on what was built of it. TESSERA_BUILD is the build folder.

setup() {
	cd "$BATS_TEST_DIRNAME/../.."
	library=$TESSERA_BUILD/shm/libtessera.so
}

@test "includes go down the layers and name their folder" { tools/check-layers; }
@test "every ordered access names its partner" { tools/check-ordering; }
@test "shared words are reached through the access layer only" { tools/check-access; }
@test "doc/walk.md tells the truth about the path of a message" { tools/check-walk; }
@test "the library exports what tessera.h declares, no more and no less" { tools/check-names "$library"; }
@test "hot functions call what is listed and nothing else" { tools/check-hot "$TESSERA_BUILD/shm/libtsr_shm.a"; }
@test "a trace point that nobody listens to is a load and a branch" {
	tools/check-trace "$TESSERA_BUILD/shm/libtsr_shm.a" "$TESSERA_BUILD/core/libtsr_core.a"
}
@test "every error of the library is listed" { tools/check-errors; }
@test "every public call is documented" { tools/check-docs; }
@test "every mutant fits the tree, and every memory order that is listed stands there" {
	tools/check-mutants
	tests/tsan/weaken --list >"$BATS_TEST_TMPDIR/orders"
}
@test "libtessera needs libc and nothing else" { tools/check-libc "$library"; }
@test "a running program can load the library" {
	# Its thread-local memory must fit into what the C library keeps for such latecomers.
	/usr/bin/python3 -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$library"
}
@test "tessera.h compiles alone in C and C++" { tools/check-header; }
@test "every source has the house form and the licence" { tools/check-format; }
@test "no function is longer than 60 lines, no line wider than 100 columns" { tools/check-size; }
@test "no path of somebody's machine stands in the tree" { tools/check-paths; }

@test "DPDK's flags stay in the targets that use DPDK" {
	run python3 - "$TESSERA_BUILD/compile_commands.json" <<-'PYTHON'
		import json, sys
		units = json.load(open(sys.argv[1]))
		with_dpdk = {u["file"].split("/")[-1] for u in units if "rte_config.h" in u["command"] or "corei7" in u["command"]}
		print(*sorted(with_dpdk))
	PYTHON
	[ "$status" -eq 0 ]
	[ -n "$output" ]
	for unit in $output; do
		[[ $unit == *eal* || $unit == baseline_rte_ring.c ]] || { echo "$unit is compiled with DPDK's flags"; false; }
	done
}

@test "only tesserad is linked with DPDK" {
	readelf -d "$TESSERA_BUILD/apps/tesserad" | grep -q 'librte_eal'
	run bash -c "readelf -d '$TESSERA_BUILD/apps/tessera' '$TESSERA_BUILD/perf/tessera-perf' '$library' | grep librte_"
	[ "$status" -eq 1 ]
}

@test "only the trace provider is linked with LTTng" {
	provider=$TESSERA_BUILD/drivers/trace/lttng/libtessera-trace.so
	[ -e "$provider" ] || skip "the provider of trace events is not built: lttng-ust is not installed"
	readelf -d "$provider" | grep -q 'NEEDED.*lttng-ust'
	run bash -c "readelf -d '$TESSERA_BUILD/apps/tessera' '$TESSERA_BUILD/apps/tesserad' '$library' | grep lttng-ust"
	[ "$status" -eq 1 ]
}

@test "shell scripts are clean for shellcheck" {
	grep -rlE '^#!/bin/(ba)?sh' tools .ci | xargs shellcheck
}

@test "clang-tidy and cppcheck have nothing to say about the product" {
	clang_build=${TESSERA_BUILD%/*}/build-clang
	[ -r "$clang_build/compile_commands.json" ] || skip "no build folder made with clang beside this one"
	tools/check-lint "$clang_build"
}

@test "words are spelled right" {
	tools/files | xargs -0 codespell --skip '*.bats' --ignore-words tests/style/words
}

@test "manual pages are clean for mandoc" {
	found=0
	for page in "$TESSERA_BUILD"/doc/man/*.[1-9]; do
		# scdoc begins each paragraph with one, needed or not.
		mandoc -T lint -W warning "$page" >"$BATS_TEST_TMPDIR/lint" || true
		run grep -v 'skipping paragraph macro: PP' "$BATS_TEST_TMPDIR/lint"
		echo "$output"
		[ "$status" -eq 1 ]
		found=1
	done
	[ $found = 1 ]
}
