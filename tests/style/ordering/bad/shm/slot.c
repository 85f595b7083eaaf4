/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

void
tsr_slot_publish(struct tsr_slot *s)
{
	/* [S1] pairs with [R1]: the descriptor is visible before the phase. */
	tsr_st_rel(&s->word, READY);
}

void
tsr_slot_void(struct tsr_slot *s)
{
	s->spare = 0;
	s->spare = 1;
	s->spare = 2;
	tsr_st_rel(&s->word, EMPTY);
}

uint64_t
tsr_slot_look(struct tsr_slot *s)
{
	/* [S3] pairs with [S1]: which does not name it. */
	return tsr_ld_acq(&s->word);
}
