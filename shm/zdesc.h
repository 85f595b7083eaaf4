/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_ZDESC_H
#define TSR_SHM_ZDESC_H

/*
 * zdesc and ticket word: how a block is named, and who owns it.
 *
 * Bytes	zdesc, 16 bytes: name = ticket index (24, low) | generation (40);
 *		range = offset (32, low) | length (32).
 *		ticket word, 8 bytes: holder (16, low) | kind (8) | generation (40).
 * Indices	generations wrap modulo 2^40 and are only ever compared for equality.
 * Trust	a zdesc gives no access by itself: whoever resolves it checks index, generation,
 *		holder and range. The ticket word alone decides who owns the block.
 */

#include <stdbool.h>
#include <stdint.h>

#include "shm/compiler.h"
#include "shm/tessera.h"

#define TSR_TICKET_INDEX_BITS 24
#define TSR_GENERATION_BITS   40
#define TSR_TICKETS_MAX       ((UINT32_C(1) << TSR_TICKET_INDEX_BITS) - 1)
#define TSR_GENERATION_MASK   ((UINT64_C(1) << TSR_GENERATION_BITS) - 1)

/* A name that no ticket has: its index is one too large. */
#define TSR_NAME_NONE UINT64_MAX

/* Holders: client ids are 1 .. TSR_CLIENT_ID_MAX. */
#define TSR_HOLDER_FREE    UINT16_C(0)
#define TSR_CLIENT_ID_MAX  UINT16_C(0xfff0)
#define TSR_HOLDER_SHARED  UINT16_C(0xfffd)
#define TSR_HOLDER_CHANNEL UINT16_C(0xfffe)
#define TSR_HOLDER_DAEMON  UINT16_C(0xffff)

enum tsr_ticket_kind {
	TSR_TICKET_IDLE = 0,     /* in a magazine, or allocated and never received */
	TSR_TICKET_RECEIVED = 1, /* received and not yet released */
	TSR_TICKET_SHARED = 2,   /* held by a broadcast */
	TSR_TICKET_REQUEUED = 3, /* the channel's again: see requeue.h */
	TSR_TICKET_SEGMENT = 4,  /* slots of an unlimited channel: see unlimited.h */
};

TSR_INLINE uint64_t
tsr_name_make(uint32_t index, uint64_t generation)
{
	return (uint64_t)index | (generation << TSR_TICKET_INDEX_BITS);
}

TSR_INLINE uint32_t
tsr_name_index(uint64_t name)
{
	return (uint32_t)(name & TSR_TICKETS_MAX);
}

TSR_INLINE uint64_t
tsr_name_generation(uint64_t name)
{
	return name >> TSR_TICKET_INDEX_BITS;
}

TSR_INLINE uint64_t
tsr_range_make(uint32_t offset, uint32_t length)
{
	return (uint64_t)offset | ((uint64_t)length << 32);
}

TSR_INLINE uint32_t
tsr_range_offset(uint64_t range)
{
	return (uint32_t)range;
}

TSR_INLINE uint32_t
tsr_range_length(uint64_t range)
{
	return (uint32_t)(range >> 32);
}

TSR_INLINE uint64_t
tsr_word_make(uint64_t generation, enum tsr_ticket_kind kind, uint16_t holder)
{
	return ((generation & TSR_GENERATION_MASK) << 24) | ((uint64_t)kind << 16) | holder;
}

TSR_INLINE uint64_t
tsr_word_generation(uint64_t word)
{
	return word >> 24;
}

TSR_INLINE uint16_t
tsr_word_holder(uint64_t word)
{
	return (uint16_t)word;
}

TSR_INLINE uint8_t
tsr_word_kind(uint64_t word)
{
	return (uint8_t)(word >> 16);
}

TSR_INLINE uint64_t
tsr_generation_next(uint64_t generation)
{
	return (generation + 1) & TSR_GENERATION_MASK;
}

/*
 * Name and word carry the generation in the same upper 40 bits, so that one becomes the other
 * without taking it apart.
 */
#define TSR_GENERATION_ONE (UINT64_C(1) << TSR_TICKET_INDEX_BITS)

/* The word of the ticket @name, held by @holder. */
TSR_INLINE uint64_t
tsr_name_word(uint64_t name, enum tsr_ticket_kind kind, uint16_t holder)
{
	return (name & ~(uint64_t)TSR_TICKETS_MAX) | ((uint64_t)kind << 16) | holder;
}

/* The same ticket in its next generation; the 40 bits wrap by themselves. */
TSR_INLINE uint64_t
tsr_name_next(uint64_t name)
{
	return name + TSR_GENERATION_ONE;
}

/* The word says the generation of @name and @holder, whatever the kind. */
TSR_INLINE bool
tsr_word_is(uint64_t word, uint64_t name, uint16_t holder)
{
	return (word & ~(UINT64_C(0xff) << 16)) == tsr_name_word(name, TSR_TICKET_IDLE, holder);
}

#endif /* TSR_SHM_ZDESC_H */
