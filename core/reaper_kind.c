/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/reaper_kind.h"

static struct tsr_reaper_kind const *const reaper_kinds[] = {
	[TSR_KIND_BUFFERED] = &tsr_reaper_buffered,
	[TSR_KIND_BROADCAST] = &tsr_reaper_broadcast,
	[TSR_KIND_CONFLATED] = &tsr_reaper_conflated,
	[TSR_KIND_RENDEZVOUS] = &tsr_reaper_rendezvous,
	[TSR_KIND_UNLIMITED] = &tsr_reaper_unlimited,
};

struct tsr_reaper_kind const *
tsr_reaper_kind(uint32_t kind)
{
	return reaper_kinds[kind];
}
