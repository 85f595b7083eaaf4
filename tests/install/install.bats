#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# What is installed is all there, works for somebody who has nothing else, and goes away again.
# TESSERA_BUILD is the build folder.

# The tests of this file use one installed tree, in the order of the file.
setup_file() {
	export DESTDIR=$BATS_FILE_TMPDIR/tree
	meson install -C "$TESSERA_BUILD" --no-rebuild --quiet
	prefix=$(meson introspect --buildoptions "$TESSERA_BUILD" |
		python3 -c 'import json, sys; print(*[o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"])')
	export top=$DESTDIR$prefix
	lib=$(dirname "$(find "$top" -name 'libtessera.so')")
	export lib
	export PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$DESTDIR
	export TESSERA_RUNTIME_DIR=$BATS_FILE_TMPDIR/run
}

teardown_file() {
	[ ! -e "$BATS_FILE_TMPDIR/daemon" ] || kill "$(cat "$BATS_FILE_TMPDIR/daemon")" || true
}

@test "the installed files are those of the list" {
	multiarch=${lib#"$top/"}
	optional=none
	[ -e "$TESSERA_BUILD/drivers/trace/lttng/libtessera-trace.so" ] || optional=libtessera-trace
	diff <(sed -n 's/^[^#]/&/p' "$BATS_TEST_DIRNAME/files" | grep -v "$optional" | sort) \
		<(cd "$top" && find . -type f -o -type l | sed "s,^\./,,;s,^$multiarch/,LIB/," | sort)
}

@test "the soname is libtessera.so.0 and its links lead to it" {
	readelf -d "$lib/libtessera.so" | grep -q 'SONAME.*\[libtessera.so.0\]'
	[ "$(readlink -f "$lib/libtessera.so.0")" = "$lib/libtessera.so.0.1.0" ]
	[ "$(readlink -f "$lib/libtessera.so")" = "$lib/libtessera.so.0.1.0" ]
}

@test "the installed programs tell their version" {
	for program in tessera tesserad tessera-exporter; do
		run "$top/bin/$program" --version
		[ "$status" -eq 0 ]
		[[ $output == *0.1.0* ]]
	done
}

@test "the units start the programs where they were installed" {
	grep -q "^ExecStart=${top#"$DESTDIR"}/bin/tesserad" "$top/lib/systemd/system/tesserad.service"
	grep -q "^ExecStart=${top#"$DESTDIR"}/bin/tessera-exporter" "$top/lib/systemd/system/tessera-exporter.service"
	grep -q "^ExecReload=${top#"$DESTDIR"}/bin/tessera reload$" "$top/lib/systemd/system/tesserad.service"
	run grep -r '@[a-z]*@' "$top/lib/systemd" "$lib/pkgconfig"
	[ "$status" -eq 1 ]
}

@test "systemd accepts the units, and finds the services well shut in" {
	units=$BATS_TEST_TMPDIR
	cp "$top"/lib/systemd/system/tessera* "$units"
	sed -i "s,^Exec[A-Z][a-z]*=,&$DESTDIR," "$units"/*.service
	systemd-analyze verify --man=no --recursive-errors=no "$units"/*
	for service in tesserad tessera-exporter; do
		systemd-analyze security --offline=yes --threshold=15 "$units/$service.service" | tail -n 1
	done
	systemd-analyze security --offline=yes --threshold=10 "$units/tesserad.service" | tail -n 1
}

@test "programs and libraries lie where nobody knows, and what links them is read-only" {
	for file in "$top"/bin/* "$lib"/lib*.so; do
		[ "$(head -c 4 "$file" | tail -c 3)" = ELF ] || continue
		echo "$file"
		readelf -hW "$file" | grep -q 'Type: *DYN'
		readelf -lW "$file" >"$BATS_TEST_TMPDIR/headers"
		grep -q GNU_RELRO "$BATS_TEST_TMPDIR/headers"
		grep -q 'GNU_STACK.* RW  *0x' "$BATS_TEST_TMPDIR/headers"
		run grep 'LOAD.* [R ]WE ' "$BATS_TEST_TMPDIR/headers"
		[ "$status" -eq 1 ]
		readelf -dW "$file" >"$BATS_TEST_TMPDIR/dynamic"
		grep -q 'FLAGS_1.* NOW' "$BATS_TEST_TMPDIR/dynamic"
		[[ $file != */bin/* ]] || grep -q 'FLAGS_1.* PIE' "$BATS_TEST_TMPDIR/dynamic"
		run grep -E 'RPATH|RUNPATH|TEXTREL' "$BATS_TEST_TMPDIR/dynamic"
		[ "$status" -eq 1 ]
	done
}

@test "a program built by pkg-config carries a message through the installed daemon, as C and as C++" {
	mkdir -m 700 "$TESSERA_RUNTIME_DIR"
	"$top/bin/tesserad" 2>"$BATS_FILE_TMPDIR/log" 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/daemon"
	for _ in $(seq 100); do
		[ ! -S "$TESSERA_RUNTIME_DIR/control.sock" ] || break
		sleep 0.1
	done
	for compiler in "gcc -x c" "g++ -x c++"; do
		# shellcheck disable=SC2046,SC2086
		$compiler -Wall -Wextra -Werror "$BATS_TEST_DIRNAME/user.c" -x none \
			$(pkg-config --cflags --libs tessera) -o "$BATS_TEST_TMPDIR/user"
		LD_LIBRARY_PATH=$lib run "$BATS_TEST_TMPDIR/user"
		echo "$output"
		[ "$status" -eq 0 ]
		[ "$output" = "libtessera 0.1.0: hello" ]
	done
	kill "$(cat "$BATS_FILE_TMPDIR/daemon")"
	wait "$(cat "$BATS_FILE_TMPDIR/daemon")"
	rm "$BATS_FILE_TMPDIR/daemon"
}

@test "with TESSERA_TRACE=1 the installed programs load the installed provider, or say what is missing" {
	provider=$lib/libtessera-trace.so
	[ -e "$provider" ] || skip "the provider of trace events is not built: lttng-ust is not installed"
	# Nothing but bin and lib: the programs find it from where they are.
	TESSERA_TRACE=1 LD_DEBUG=files run "$top/bin/tessera" --socket "$BATS_TEST_TMPDIR/none" recv demo/x
	[[ $output == *"calling init: $DESTDIR"*"libtessera-trace.so"* ]]
	mv "$provider" "$provider.away"
	TESSERA_TRACE=1 run "$top/bin/tessera" --socket "$BATS_TEST_TMPDIR/none" recv demo/x
	mv "$provider.away" "$provider"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"TESSERA_TRACE=1, and libtessera-trace.so can't be loaded"*"unset TESSERA_TRACE"* ]]
}

@test "ninja uninstall leaves nothing" {
	ninja -C "$TESSERA_BUILD" uninstall
	[ ! -e "$DESTDIR" ] || { find "$DESTDIR"; false; }
}
