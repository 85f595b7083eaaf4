/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

static uint64_t
slot_word(struct tsr_slot const *s)
{
	/* atomic_load(&s->word) stands in a comment only */
	return tsr_ld_rlx(&s->word);
}
