#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Each house check accepts what is right and refuses, by name, what is wrong.

setup() {
	style=$BATS_TEST_DIRNAME
	tools=$BATS_TEST_DIRNAME/../../tools
	lib=$BATS_TEST_TMPDIR/libfixture.so
}

# accepts CHECK ARGUMENT...
accepts() {
	run "$tools/check-$1" "${@:2}"
	[ "$status" -eq 0 ] && [ -z "$output" ] || { echo "refused: $output"; false; }
}

# refuses CHECK LINES ARGUMENT... <<<what its output must hold, a line each
refuses() {
	run "$tools/check-$1" "${@:3}"
	[ "$status" -eq 1 ] || { echo "status $status: $output"; false; }
	[ "$2" = any ] || [ "${#lines[@]}" -eq "$2" ] || { echo "not $2 lines: $output"; false; }
	while read -r wanted; do
		grep -qF -- "$wanted" <<<"$output" || { echo "no '$wanted' in: $output"; false; }
	done
}

@test "check-layers accepts includes that go down" {
	accepts layers "$style/layers/good"
}

@test "check-layers refuses includes that go up, name no folder, leave libc or bypass the public header" {
	refuses layers 4 "$style/layers/bad" <<-'E'
		shm/slot.c:4: shm links libc and nothing else
		shm/slot.c:6: shm is below core
		shm/slot.c:7: "slot.h" does not name its folder
		apps/examples/hello.c:4: an example sees what a user sees
	E
}

@test "check-ordering accepts accesses that name each other" {
	accepts ordering "$style/ordering/good"
}

@test "check-ordering refuses a missing label, a missing partner and a one-sided pair" {
	refuses ordering 3 "$style/ordering/bad" <<-'E'
		shm/slot.c:7: [S1] pairs with [R1], which stands at no access
		shm/slot.c:17: ordered access without
		shm/slot.c:23: [S3] pairs with [S1], which does not name [S3]
	E
}

@test "check-access accepts the access layer" {
	accepts access "$style/access/good"
}

@test "check-access refuses what goes round it" {
	refuses access 2 "$style/access/bad" <<-'E'
		shm/slot.c:7: 'atomic_load_explicit'
		shm/slot.c:13: 'volatile'
	E
}

@test "check-walk accepts a path that is there" {
	accepts walk "$style/walk/good"
}

@test "check-walk refuses a step that is not there and one that is too long" {
	refuses walk 2 "$style/walk/bad" <<-'E'
		shm/channel.c does not define tsr_vanished()
		tsr_release() is 41 lines long
	E
}

@test "check-names accepts a library that exports what it declares" {
	gcc -shared -fPIC -fvisibility=hidden -Wl,--version-script="$style/names/good/shm/libtessera.map" \
		-o "$lib" "$style/names/good/shm/tessera.c"
	accepts names "$lib" "$style/names/good"
}

@test "check-names refuses a name that is missing in the map" {
	gcc -shared -fPIC -fvisibility=hidden -Wl,--version-script="$style/names/bad/shm/libtessera.map" \
		-o "$lib" "$style/names/bad/shm/tessera.c"
	refuses names 2 "$lib" "$style/names/bad" <<-'E'
		tsr_recv: not in libtessera.map and not exported
		tsr_receive: not declared with TSR_API in tessera.h and not exported
	E
}

@test "check-errors accepts errors that are listed" {
	accepts errors "$style/errors/good"
}

@test "check-errors refuses an error that is not" {
	refuses errors 1 "$style/errors/bad" <<<"shm/slot.c:7: -EDOM is not in shm/errors.def"
}

@test "check-mutants accepts a mutant whose lines stand there" {
	accepts mutants "$style/mutants/good"
}

@test "check-mutants refuses one whose source has moved on or is gone" {
	refuses mutants 2 "$style/mutants/bad" <<-'E'
		slot-gone: shm/gone.c is not there
		slot-moved: shm/slot.c has moved on
	E
}

@test "check-docs accepts calls that are documented" {
	accepts docs "$style/docs/good"
}

@test "check-docs refuses a call that is not" {
	refuses docs 2 "$style/docs/bad" <<-'E'
		tsr_close() has no comment
		tsr_close() stands in no guide
	E
}

@test "check-libc accepts a library that needs libc only" {
	gcc -shared -fPIC -o "$lib" -xc - <<<'#include <stdlib.h>
	void *tsr_make(void); void *tsr_make(void) { return malloc(1); }'
	accepts libc "$lib"
}

@test "check-libc refuses a library that needs another" {
	gcc -shared -fPIC -o "$lib" -xc - -Wl,--no-as-needed -lm <<<'#include <stdlib.h>
	void *tsr_make(void); void *tsr_make(void) { return malloc(1); }'
	refuses libc 1 "$lib" <<<"needs libm.so.6, besides libc"
}

@test "check-header accepts a header for C and C++" {
	accepts header "$style/header/good"
}

@test "check-header refuses one that leans on another or speaks C only" {
	refuses header any "$style/header/bad" <<-'E'
		does not compile alone as c11 with gcc
		does not compile alone as c++17 with clang++
	E
}

@test "check-format accepts the house form" {
	accepts format "$style/format/good"
}

@test "check-format refuses another form, and a file without the licence" {
	refuses format any "$style/format/bad" <<<"shm/slot.c:4:"
	refuses format 1 "$style/format/bare" <<<"shm/slot.c:1: does not begin with the licence"
}

@test "check-size accepts functions that fit a screen" {
	accepts size "$style/size/good"
}

@test "check-size refuses a function that is too long and a line that is too wide" {
	refuses size 2 "$style/size/bad" <<-'E'
		shm/slot.c:5: tsr_slot_claim() has 61 lines
		shm/slot.c:71: 108 columns
	E
}

@test "check-hot accepts hot functions that call what is allowed" {
	gcc -O2 -c -o "$BATS_TEST_TMPDIR/slot.o" "$style/hot/good/slot.c"
	accepts hot "$BATS_TEST_TMPDIR/slot.o"
}

@test "check-hot refuses a call out of a hot function, and an object without any" {
	gcc -O2 -c -o "$BATS_TEST_TMPDIR/slot.o" "$style/hot/bad/slot.c"
	refuses hot 1 "$BATS_TEST_TMPDIR/slot.o" <<<"tsr_slot_copy: calls malloc"
	gcc -O2 -c -o "$BATS_TEST_TMPDIR/cold.o" "$style/size/good/shm/slot.c"
	refuses hot 1 "$BATS_TEST_TMPDIR/cold.o" <<<"no hot function found"
}

@test "check-trace accepts a trace point that is a load and a branch" {
	gcc -O2 -c -o "$BATS_TEST_TMPDIR/slot.o" "$style/trace/good/slot.c"
	accepts trace "$BATS_TEST_TMPDIR/slot.o"
}

@test "check-trace refuses a call without a branch before it, and an object without trace points" {
	gcc -O2 -c -o "$BATS_TEST_TMPDIR/slot.o" "$style/trace/bad/slot.c"
	refuses trace 1 "$BATS_TEST_TMPDIR/slot.o" <<<"tsr_slot_free: tsr_trace is loaded and no branch"
	gcc -O2 -c -o "$BATS_TEST_TMPDIR/cold.o" "$style/size/good/shm/slot.c"
	refuses trace 1 "$BATS_TEST_TMPDIR/cold.o" <<<"no trace point found"
	gcc -O2 -Dtsr_slot_free='__attribute__((hot)) tsr_slot_free' -c -o "$BATS_TEST_TMPDIR/hot.o" "$style/trace/good/slot.c"
	refuses trace 1 "$BATS_TEST_TMPDIR/hot.o" <<<"tsr_slot_free: is hot"
}

@test "check-paths accepts the paths that Tessera has" {
	accepts paths "$style/paths/good"
}

@test "check-paths refuses the path of somebody's machine" {
	refuses paths any "$style/paths/bad" <<<"README.md:1:"
}
