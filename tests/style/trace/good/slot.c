/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

extern void (*const *tsr_trace)(int);
extern int tsr_slot_free(int slot);

int
tsr_slot_free(int slot)
{
	if (__builtin_expect(tsr_trace != 0, 0))
		(*tsr_trace)(slot);
	return slot + 1;
}
