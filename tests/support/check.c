/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/support/check.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
test_nightly(void)
{
	char const *nightly = getenv("TESSERA_NIGHTLY");

	return nightly != NULL && strcmp(nightly, "") != 0 && strcmp(nightly, "0") != 0;
}

uint64_t
test_seed(void)
{
	char const *given = getenv("TESSERA_SEED");
	uint64_t seed = given == NULL ? 0 : strtoull(given, NULL, 0);

	if (seed == 0)
		seed = (tsr_now_ns() * UINT64_C(0x9e3779b97f4a7c15)) ^ (uint64_t)getpid();
	if (seed == 0)
		seed = 1;
	fprintf(stderr, "seed: TESSERA_SEED=%#" PRIx64 "\n", seed);
	return seed;
}

uint64_t
test_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}

unsigned
test_fds_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;
	struct dirent *entry;

	cr_assert_not_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count - 1; /* the directory itself */
}

unsigned
test_maps_count(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned count = 0;
	char line[512];

	cr_assert_not_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		count += strstr(line, "memfd:") != NULL;
	fclose(maps);
	return count;
}

uint64_t
test_deadline(uint64_t ms)
{
	return tsr_deadline_in_ms(ms);
}

bool
test_passed(uint64_t deadline_ns)
{
	return tsr_now_ns() >= deadline_ns;
}
