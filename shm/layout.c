/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "shm/layout.h"

#include "shm/channel.h"
#include "shm/metrics.h"
#include "shm/waiter.h"
#include "shm/zdesc.h"

/* Every number that two builds must agree on. */
static uint64_t const layout_numbers[] = {
	TSR_LAYOUT_VERSION,
	TSR_CELL_ENTRIES,
	TSR_TOKENS_PER_SIDE,
	TSR_CLASSES_MAX,
	TSR_ARENAS_MAX,
	TSR_NAME_BYTES,
	TSR_LAP_BITS,
	TSR_GENERATION_BITS,
	TSR_TICKET_INDEX_BITS,
	TSR_EMPTY,
	TSR_CLAIMED,
	TSR_READY,
	TSR_TAKEN,
	TSR_TOKEN_FREE,
	TSR_TOKEN_INIT,
	TSR_TOKEN_ENQUEUED,
	TSR_TOKEN_CLAIMED,
	TSR_TOKEN_CANCELLED,
	TSR_HOLDER_FREE,
	TSR_HOLDER_CHANNEL,
	TSR_HOLDER_DAEMON,
	sizeof(struct tsr_ticket),
	sizeof(struct tsr_block),
	sizeof(struct tsr_cell),
	sizeof(struct tsr_slot),
	sizeof(struct tsr_channel_shm),
	sizeof(struct tsr_tokens),
	sizeof(struct tsr_cursor),
	sizeof(struct tsr_broadcast_shm),
	TSR_TOKEN_CROWD,
	sizeof(struct tsr_state),
	sizeof(struct tsr_class),
	sizeof(struct tsr_channel_entry),
	sizeof(struct tsr_region_entry),
	sizeof(struct tsr_directory),
	sizeof(struct tsr_end_entry),
	sizeof(struct tsr_channel_totals),
	sizeof(struct tsr_metrics),
	sizeof(struct tsr_notice),
	offsetof(struct tsr_ticket, tag),
	offsetof(struct tsr_block, capacity),
	offsetof(struct tsr_class, cells_offset),
	offsetof(struct tsr_slot, stamp),
	offsetof(struct tsr_channel_shm, redo),
	offsetof(struct tsr_channel_shm, senders_waiting),
	offsetof(struct tsr_channel_entry, name),
	offsetof(struct tsr_directory, channels_offset),
	offsetof(struct tsr_directory, klass),
	offsetof(struct tsr_directory, regions_offset),
	offsetof(struct tsr_directory, meters_version),
	offsetof(struct tsr_directory, ranges_offset),
	offsetof(struct tsr_directory, notices_offset),
	offsetof(struct tsr_channel_shm, requeue_first),
	offsetof(struct tsr_channel_shm, segments),
	TSR_TICKET_REQUEUED,
	TSR_TICKET_SEGMENT,
	TSR_LINK,
	offsetof(struct tsr_metrics, times),
	offsetof(struct tsr_directory, kept),
	sizeof(struct tsr_pulse),
};

/* FNV-1a, 64 bits, over the bytes of the numbers. */
uint64_t
tsr_layout_hash(void)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < sizeof(layout_numbers) / sizeof(layout_numbers[0]); i++) {
		for (unsigned shift = 0; shift < 64; shift += 8) {
			hash ^= (layout_numbers[i] >> shift) & 0xff;
			hash *= UINT64_C(0x100000001b3);
		}
	}
	return hash;
}
