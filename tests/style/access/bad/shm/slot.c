/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

static uint64_t
slot_word(struct tsr_slot const *s)
{
	return atomic_load_explicit(&s->word, memory_order_relaxed);
}

static uint64_t
slot_peek(struct tsr_slot const *s)
{
	return *(volatile uint64_t const *)&s->word;
}
