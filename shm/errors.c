/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <errno.h>
#include <stddef.h>

#include "shm/tessera.h"

struct error_text {
	int number;
	const char *text;
};

#define TSR_ERROR(number, text) {number, text},
static struct error_text const error_texts[] = {
#include "shm/errors.def"
};
#undef TSR_ERROR

const char *
tsr_strerror(int error)
{
	if (error == 0)
		return "success";
	for (size_t i = 0; i < sizeof(error_texts) / sizeof(error_texts[0]); i++) {
		if (error_texts[i].number == -error)
			return error_texts[i].text;
	}
	return "an error of the system: see errno(3)";
}

const char *
tsr_version(void)
{
	return "0.1.0";
}
