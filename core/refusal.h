/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_REFUSAL_H
#define TSR_CORE_REFUSAL_H

/*
 * A refusal: the errno and the sentence that go to the caller and into the log. The sentence names
 * what was refused and what was expected.
 */

#include <stdarg.h>
#include <stdio.h>

#include "shm/compiler.h"
#include "shm/trace.h"

#define TSR_REFUSAL_BYTES 256

struct tsr_refusal {
	int error; /* a negative errno of shm/errors.def */
	char text[TSR_REFUSAL_BYTES];
};

static inline int tsr_refuse(struct tsr_refusal *refusal, int error, const char *format, ...)
	TSR_PRINTF(3, 4);

/* Return: @error, for `return tsr_refuse(...)`. */
static inline int
tsr_refuse(struct tsr_refusal *refusal, int error, const char *format, ...)
{
	va_list args;

	refusal->error = error;
	va_start(args, format);
	(void)vsnprintf(refusal->text, sizeof(refusal->text), format, args);
	va_end(args);
	return tsr_trace_error("tesserad", error, refusal->text);
}

#endif /* TSR_CORE_REFUSAL_H */
