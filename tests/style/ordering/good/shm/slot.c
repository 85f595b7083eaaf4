/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

void
tsr_slot_publish(struct tsr_slot *s)
{
	/* [S1] pairs with [R1]: the descriptor is visible before the phase. */
	tsr_st_rel(&s->word, READY);
}
