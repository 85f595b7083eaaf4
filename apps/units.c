/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	double factor;
};

static const struct unit unit_sizes[] = {
	{"", 1},          {"B", 1},          {"K", 1024},         {"KiB", 1024}, {"M", 1048576},
	{"MiB", 1048576}, {"G", 1073741824}, {"GiB", 1073741824}, {NULL, 0},
};

static const struct unit unit_durations[] = {
	{"", 1e9},   {"ns", 1},     {"us", 1e3},    {"ms", 1e6}, {"s", 1e9},
	{"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}, {NULL, 0},
};

static int
unit_parse(const char *text, const struct unit *units, uint64_t *out)
{
	char *end;
	double value;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	value = strtod(text, &end);
	for (const struct unit *unit = units; unit->name != NULL; unit++) {
		if (strcmp(end, unit->name) != 0)
			continue;
		value *= unit->factor;
		if (!(value >= 0 && value < 9e18))
			return -EINVAL;
		*out = (uint64_t)value;
		return 0;
	}
	return -EINVAL;
}

int
tsr_size_parse(const char *text, uint64_t *bytes)
{
	return unit_parse(text, unit_sizes, bytes);
}

int
tsr_duration_parse(const char *text, uint64_t *ns)
{
	return unit_parse(text, unit_durations, ns);
}

int
tsr_count_parse(const char *text, uint64_t min, uint64_t max, uint64_t *count)
{
	char *end;
	unsigned long long value;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || value < min || value > max)
		return -EINVAL;
	*count = value;
	return 0;
}

void
tsr_size_format(uint64_t bytes, char *out)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t step = 0;

	while (value >= 1024 && step < 6) {
		value /= 1024;
		step++;
	}
	snprintf(out, TSR_UNIT_TEXT_BYTES, step == 0 ? "%.0f %s" : "%.1f %s", value, names[step]);
}

void
tsr_duration_format(uint64_t ns, char *out)
{
	static const struct unit steps[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
	size_t step = 0;

	if (ns >= UINT64_C(120000000000)) {
		uint64_t const seconds = ns / UINT64_C(1000000000);

		snprintf(out, TSR_UNIT_TEXT_BYTES, "%" PRIu64 "h%02" PRIu64 "m%02" PRIu64 "s",
		         seconds / 3600, seconds / 60 % 60, seconds % 60);
		return;
	}
	while (step < 3 && (double)ns >= steps[step + 1].factor)
		step++;
	snprintf(out, TSR_UNIT_TEXT_BYTES, step == 0 ? "%.0f %s" : "%.2f %s",
	         (double)ns / steps[step].factor, steps[step].name);
}

void
tsr_count_format(uint64_t count, char *out)
{
	char digits[TSR_UNIT_TEXT_BYTES];
	int const length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	char *to = out;

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
}
