/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

uint64_t
tsr_reaper_look(struct tsr_slot *s)
{
	/* [R1] pairs with [S1]: a phase that is ready shows its descriptor. */
	return tsr_ld_acq(&s->word);
}
