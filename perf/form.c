/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/form.h"

#include <string.h>

#include "shm/kind.h"

#define FORM_ONE      (TSR_CHANNEL_ONE_SENDER | TSR_CHANNEL_ONE_RECEIVER)
#define FORM_BUFFERED (sizeof(form_buffered) / sizeof(form_buffered[0]))
#define FORM_OFFERS   2 /* of a kind that has a slot per sender */
#define FORM_KINDS    32

static const struct tsr_perf_form form_buffered[] = {
	{"one", TSR_KIND_BUFFERED, FORM_ONE, 0, false},
	{"many", TSR_KIND_BUFFERED, 0, 0, false},
	{"drop-oldest", TSR_KIND_BUFFERED, TSR_CHANNEL_DROP_OLDEST, 0, true},
	{"requeue", TSR_KIND_BUFFERED, TSR_CHANNEL_REQUEUE, 0, false},
};

bool
tsr_perf_form_at(size_t i, struct tsr_perf_form *form)
{
	if (i < FORM_BUFFERED) {
		*form = form_buffered[i];
		return true;
	}
	i -= FORM_BUFFERED;
	for (uint32_t kind = TSR_KIND_BUFFERED + 1; kind < FORM_KINDS; kind++) {
		struct tsr_kind const *const known = tsr_kind_get(kind);

		if (known == NULL || i-- > 0)
			continue;
		*form = (struct tsr_perf_form){
			.name = known->name,
			.kind = kind,
			.flags = FORM_ONE & known->flags,
			.capacity = known->slot_per_sender ? FORM_OFFERS : 0,
			.lossy = kind == TSR_KIND_CONFLATED,
		};
		return true;
	}
	return false;
}

bool
tsr_perf_form_find(const char *name, struct tsr_perf_form *form)
{
	if (name[0] == '\0')
		return tsr_perf_form_at(0, form);
	for (size_t i = 0; tsr_perf_form_at(i, form); i++) {
		if (strcmp(form->name, name) == 0)
			return true;
	}
	return false;
}

void
tsr_perf_form_use(struct tsr_perf_form const *form, struct tsr_perf_bench *bench, uint32_t slots)
{
	bench->kind = form->kind;
	bench->channel_flags = form->flags;
	bench->slots = form->capacity != 0 ? form->capacity : slots;
}
