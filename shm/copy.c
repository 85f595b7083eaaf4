/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/copy.h"

#include <string.h>

#include "shm/clock.h"
#include "shm/compiler.h"

#define COPY_LINES UINT64_C(1024) /* the unit of what is learned */

static _Thread_local struct tsr_copy_learned copy_learned
	__attribute__((tls_model("initial-exec")));

#if defined(__x86_64__)
#define COPY_ALIGN 16

static void
copy_string(void *to, const void *from, size_t bytes)
{
	__asm__ __volatile__("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static void
copy_past(unsigned char *to, unsigned char const *from, size_t bytes)
{
	size_t const head = (COPY_ALIGN - (uintptr_t)to % COPY_ALIGN) % COPY_ALIGN;
	size_t at;

	memcpy(to, from, head);
	for (at = head; at + TSR_CACHELINE <= bytes; at += TSR_CACHELINE)
		tsr_store_past(to + at, from + at);
	memcpy(to + at, from + at, bytes - at);
	tsr_store_past_end();
}
#endif

void
tsr_copy(enum tsr_copy_way way, void *to, const void *from, size_t bytes)
{
#if defined(__x86_64__)
	if (way == TSR_COPY_PAST && bytes >= TSR_CACHELINE)
		copy_past(to, from, bytes);
	else
		copy_string(to, from, bytes);
#else
	(void)way;
	memcpy(to, from, bytes);
#endif
}

enum tsr_copy_way
tsr_copy_choose(struct tsr_copy_learned *learned)
{
	bool const past = (uint64_t)learned->ticks[TSR_COPY_PAST] * TSR_COPY_WORTH <
	                  learned->ticks[TSR_COPY_STRING];
	bool const other = learned->copies++ % TSR_COPY_TRY == 0;

	return past != other ? TSR_COPY_PAST : TSR_COPY_STRING;
}

void
tsr_copy_learn(struct tsr_copy_learned *learned, enum tsr_copy_way way, size_t bytes,
               uint64_t ticks)
{
	uint32_t const old = learned->ticks[way];
	uint32_t const most = old + old / 4 + 1;
	uint64_t const now = ticks * (COPY_LINES * TSR_CACHELINE) / bytes + 1;

	if (old == 0 && now <= UINT32_MAX)
		learned->ticks[way] = (uint32_t)now;
	else
		learned->ticks[way] = now < most ? (uint32_t)now : most;
}

void
tsr_copy_in(void *to, const void *from, size_t bytes)
{
	enum tsr_copy_way way;
	uint64_t start;

	if (bytes < TSR_COPY_LEARN_BYTES) {
		memcpy(to, from, bytes);
		return;
	}
	way = tsr_copy_choose(&copy_learned);
	start = tsr_clock_ticks();
	tsr_copy(way, to, from, bytes);
	tsr_copy_learn(&copy_learned, way, bytes, tsr_clock_ticks() - start);
}
