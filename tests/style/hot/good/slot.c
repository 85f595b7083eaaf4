/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <string.h>

__attribute__((hot)) void tsr_slot_fill(void *slot, const void *from, unsigned long bytes);

__attribute__((hot)) void
tsr_slot_fill(void *slot, const void *from, unsigned long bytes)
{
	memcpy(slot, from, bytes);
}
