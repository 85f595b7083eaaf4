/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_LAYOUT_H
#define TSR_SHM_LAYOUT_H

/*
 * What lies in the segments of a realm, byte for byte.
 *
 * Bytes	position-independent: references are (segment, offset) pairs. Every offset below is
 *		pinned by a static assert; their hash goes into the directory and is compared at
 *		attach, so two builds that disagree refuse each other.
 * Writers	directory, blocks: the daemon, nobody else can map them writable.
 *		channels, tickets, state, tokens, arenas: participants.
 * Trust	participants trust what the daemon writes. The daemon takes nothing that stands in
 *		the second group at its word: it keeps its own copy of geometry and names.
 * Crash	magic is stored last, so a half-made realm can't be joined.
 */

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/compiler.h"
#include "shm/tessera.h"

#define TSR_DIRECTORY_MAGIC UINT64_C(0x4c4d525245535354) /* "TSSERRML" */
#define TSR_LAYOUT_VERSION  UINT32_C(1)

#define TSR_CLASSES_MAX  8
#define TSR_ARENAS_MAX   8
#define TSR_SEGMENTS_MAX (TSR_SEGMENT_ARENA0 + TSR_ARENAS_MAX)
#define TSR_CHANNELS_MAX UINT32_C(131071) /* 17 bits of an id, where 0 means none */
#define TSR_CLIENTS_MAX  UINT32_C(4096)

#define TSR_ENDS_METERED_MAX UINT32_C(65536) /* open ends that count, of a realm */

#define TSR_REGIONS_MAX        UINT32_C(1024)
#define TSR_REGION_TICKETS_MAX UINT32_C(65536)
#define TSR_REGION_BYTES_MAX   UINT64_C(0xffe00000) /* an offset in it has 32 bits */

#define TSR_BLOCK_BYTES_MIN UINT32_C(64)
#define TSR_BLOCK_BYTES_MAX (UINT32_C(1) << 30)

#define TSR_CELL_ENTRIES    32 /* tickets that travel between magazine and depot at once */
#define TSR_TOKENS_PER_SIDE 63 /* one bit each in a mask of waiters; the highest says fenced */

/* Segments, in the order in which their descriptors are sent. */
enum tsr_segment {
	TSR_SEGMENT_DIRECTORY = 0,
	TSR_SEGMENT_CHANNELS,
	TSR_SEGMENT_TICKETS,
	TSR_SEGMENT_BLOCKS,
	TSR_SEGMENT_STATE,
	TSR_SEGMENT_TOKENS,
	TSR_SEGMENT_METRICS,
	TSR_SEGMENT_ARENA0, /* and up to TSR_ARENAS_MAX - 1 more */
};

/* One ticket. Written by its holder. */
struct tsr_ticket {
	_Atomic uint64_t word; /* zdesc.h: generation, kind, holder */
	_Atomic uint64_t tag;  /* channel id (24, low) | correlation (40); where it was last sent */
};

static_assert(sizeof(struct tsr_ticket) == 16, "layout");

/* Where the block of a ticket lies. Written by the daemon while the ticket is its own. */
struct tsr_block {
	uint64_t offset;   /* in bytes, in the arena */
	uint32_t capacity; /* bytes */
	uint16_t arena;    /* number of the arena, 0 ..; of the region, with TSR_CLASS_REGION */
	uint16_t klass;    /* size class */
};

#define TSR_CLASS_REGION UINT16_C(0xffff) /* the block is a whole region: shm/region.h */

static_assert(sizeof(struct tsr_block) == 16, "layout");

/*
 * The depot of a class: one word a cell, dense so that looking for a cell touches few lines, and
 * the cells beside them. Word as in channel.h: lap, owner, phase. A cell that is ready holds free
 * tickets, TSR_NAME_NONE where it is not full.
 */
struct tsr_cell {
	alignas(TSR_CACHELINE) _Atomic uint64_t entry[TSR_CELL_ENTRIES]; /* names, see zdesc.h */
};

static_assert(sizeof(struct tsr_cell) == 256, "layout");

/* A slot of a channel. */
struct tsr_slot {
	_Atomic uint64_t word;  /* lap, owner, phase: see channel.h */
	_Atomic uint64_t name;  /* of the zdesc */
	_Atomic uint64_t range; /* of the zdesc */
	_Atomic uint64_t stamp; /* ticks when it was sent; 0 not stamped */
};

static_assert(sizeof(struct tsr_slot) == 32, "layout");

/* A channel in the channels segment; the slots follow. */
struct tsr_channel_shm {
	/* Receivers write the mask when they go to sleep and wake up; the reaper writes redo. */
	alignas(TSR_CACHELINE) _Atomic uint64_t receivers_waiting; /* one bit a token */
	_Atomic uint64_t newest; /* conflated: the position of the message that counts */
	_Atomic uint64_t redo; /* incremented when something before the receivers is ready again */
	/* Senders write it when they go to sleep and wake up. */
	alignas(TSR_CACHELINE) _Atomic uint64_t senders_waiting;
	/* What dead receivers held, and comes again: see requeue.h. */
	_Atomic uint64_t requeue_first;
	_Atomic uint64_t requeue_last;
	_Atomic uint64_t segments; /* unlimited: so many, about */
	alignas(TSR_CACHELINE) struct tsr_slot slot[];
};

static_assert(offsetof(struct tsr_channel_shm, redo) == 16, "layout");
static_assert(offsetof(struct tsr_channel_shm, senders_waiting) == 64, "layout");
static_assert(offsetof(struct tsr_channel_shm, slot) == 128, "layout");

#ifndef TSR_CURSORS_MAX
#define TSR_CURSORS_MAX UINT32_C(256) /* reliable readers of a broadcast at a time */
#endif
#define TSR_CURSOR_HOLDS 6 /* messages that one of them may retain */
#define TSR_CURSOR_WORDS ((TSR_CURSORS_MAX + 63) / 64)

/* A reliable reader: written by it, but for the word, which senders may change. See broadcast.h. */
struct tsr_cursor {
	alignas(TSR_CACHELINE) _Atomic uint64_t word; /* generation, owner, state */
	_Atomic uint64_t position;                    /* the oldest that it has not released */
	_Atomic uint64_t hold[TSR_CURSOR_HOLDS];      /* names of tickets; 0: none */
};

static_assert(sizeof(struct tsr_cursor) == 64, "layout");

/* What a broadcast has behind its slots. */
struct tsr_broadcast_shm {
	alignas(TSR_CACHELINE) _Atomic uint64_t joins; /* grows with each reader that comes */
	_Atomic uint64_t reserved[7];
	/* One bit a cursor: it is to be heeded; it may hold something. */
	alignas(TSR_CACHELINE) _Atomic uint64_t reading[TSR_CURSOR_WORDS];
	alignas(TSR_CACHELINE) _Atomic uint64_t holding[TSR_CURSOR_WORDS];
	struct tsr_cursor cursor[TSR_CURSORS_MAX];
};

static_assert(offsetof(struct tsr_broadcast_shm, reading) == 64, "layout");
static_assert(offsetof(struct tsr_broadcast_shm, holding) == 128, "layout");
static_assert(offsetof(struct tsr_broadcast_shm, cursor) == 192, "layout");

/* The waiter tokens of a channel, in the tokens segment; words as in waiter.h. */
struct tsr_tokens {
	alignas(TSR_CACHELINE) _Atomic uint64_t receiver[TSR_TOKENS_PER_SIDE];
	alignas(TSR_CACHELINE) _Atomic uint64_t sender[TSR_TOKENS_PER_SIDE];
};

static_assert(sizeof(struct tsr_tokens) == 1024, "layout");

/* One client's own lines in the state segment: written by that client alone. */
struct tsr_state {
	alignas(TSR_CACHELINE) _Atomic uint64_t sleeps; /* times it went to sleep */
	_Atomic uint64_t wakes;                         /* others that it woke */
	_Atomic uint64_t missed_wakes; /* work that it found by looking again: must stay 0 */
	_Atomic uint64_t refused;      /* impossible words that it met */
	_Atomic uint64_t reserved[12];
};

static_assert(sizeof(struct tsr_state) == 128, "layout");

/* Directory: a size class. Constant while the realm lives. */
struct tsr_class {
	uint32_t block_bytes;
	uint32_t count; /* tickets, from first_ticket on */
	uint32_t first_ticket;
	uint32_t cells;        /* of its depot */
	uint64_t words_offset; /* of the words of its depot, in the tickets segment */
	uint64_t cells_offset; /* of the cells, likewise */
	uint64_t arena_offset; /* of its first block */
	uint32_t arena;        /* number of the arena */
	uint32_t batch; /* tickets in a cell: fewer than TSR_CELL_ENTRIES where there are few */
};

static_assert(sizeof(struct tsr_class) == 48, "layout");

/* What ends are open on one side: see channel.h for the packing. Written by the daemon. */
struct tsr_channel_entry {
	alignas(TSR_CACHELINE) _Atomic uint64_t senders;
	_Atomic uint64_t receivers;
	_Atomic uint64_t
		id;      /* 0 free; else index + 1, generation above: changes with each channel */
	uint64_t offset; /* of the tsr_channel_shm, in the channels segment */
	uint32_t capacity;
	uint32_t flags; /* TSR_CHANNEL_* */
	uint32_t kind;  /* TSR_KIND_* */
	uint32_t reserved0;
	uint64_t reserved1[2];
	char name[TSR_NAME_BYTES];
};

static_assert(offsetof(struct tsr_channel_entry, name) == 64, "layout");
static_assert(sizeof(struct tsr_channel_entry) == 128, "layout");

/* Directory: a region. Written by the daemon; constant, but for state, as long as id is. */
struct tsr_region_entry {
	alignas(TSR_CACHELINE) _Atomic uint64_t id; /* 0 none; no id comes twice in a realm */
	_Atomic uint64_t state;                     /* TSR_REGION_* */
	uint64_t bytes;
	uint32_t first_ticket;
	uint32_t tickets;
	uint32_t flags; /* TSR_REGION_READ_ONLY, TSR_REGION_FOREIGN */
	uint32_t page_bytes_log2;
	uint64_t reserved[3];
};

static_assert(sizeof(struct tsr_region_entry) == 64, "layout");

#define TSR_REGION_OPEN UINT64_C(1)
#define TSR_REGION_CLOSING \
	UINT64_C(2) /* its owner has closed it or is gone: it ends when the \
					* last of its tickets is back */

#define TSR_REGION_READ_ONLY UINT32_C(1) /* nobody can map it writable */
#define TSR_REGION_FOREIGN   UINT32_C(2) /* a client's own memory */

/* Directory: whose the metrics of the same number are. Written by the daemon: see meters.h. */
struct tsr_end_entry {
	_Atomic uint64_t word; /* channel id (24, low) | client (16) | side (1) | generation (23) */
};

static_assert(sizeof(struct tsr_end_entry) == 8, "layout");

/* Directory: what closed ends of a channel have counted. Written by the daemon: see meters.h. */
struct tsr_channel_totals {
	alignas(TSR_CACHELINE) struct {
		_Atomic uint64_t messages;
		_Atomic uint64_t bytes;
		_Atomic uint64_t blocked_ns;
		_Atomic uint64_t waits;
		_Atomic uint64_t cause[5]; /* by enum tsr_metric_cause */
	} side[2];                         /* by enum tsr_side */
};

static_assert(sizeof(struct tsr_channel_totals) == 192, "layout");

#define TSR_NOTICE_BYTES 184

/* Directory: what the daemon has to say to one client. Written by the daemon. */
struct tsr_notice {
	alignas(TSR_CACHELINE) _Atomic uint64_t evicted; /* not 0: it is to go; stored last */
	char text[TSR_NOTICE_BYTES];                     /* why */
};

static_assert(sizeof(struct tsr_notice) == 192, "layout");

/*
 * Directory, at offset 0 of its segment; the channel entries start at channels_offset, the regions'
 * at regions_offset, the ends' at ends_offset, the channels' totals at totals_offset, the clients'
 * notices at notices_offset.
 */
struct tsr_directory {
	_Atomic uint64_t magic; /* stored last */
	uint32_t layout_version;
	uint32_t header_bytes;
	uint64_t layout_hash;
	uint64_t features; /* TSR_FEATURE_* */
	uint64_t epoch;    /* of the realm: another one is another realm */
	uint64_t ticks_per_second;
	_Atomic uint64_t state; /* TSR_REALM_* */
	uint32_t tickets;
	uint32_t classes;
	uint32_t channels;
	uint32_t clients; /* state lines: client ids are 1 .. clients */
	uint32_t arenas;
	uint32_t region_tickets; /* their tickets follow those of the classes */
	uint64_t channels_offset;
	uint64_t first_lap; /* of every channel and cell: not 0 in tests of wrap-around */
	char name[TSR_NAME_BYTES];
	char backing[16];
	struct tsr_class klass[TSR_CLASSES_MAX];
	uint64_t regions_offset;
	uint32_t regions; /* at most so many at a time */
	uint32_t ends;    /* that count: see meters.h */
	uint64_t ends_offset;
	uint64_t totals_offset;
	_Atomic uint64_t meters_version; /* odd: an end's counts are being moved */
	uint64_t ranges_offset;          /* of the tickets' ranges, in the tickets segment */
	uint64_t notices_offset;
	_Atomic uint64_t kept; /* 1: another daemon takes the realm over when this one dies */
	uint64_t reserved1[8];
};

static_assert(offsetof(struct tsr_directory, tickets) == 56, "layout");
static_assert(offsetof(struct tsr_directory, name) == 96, "layout");
static_assert(offsetof(struct tsr_directory, klass) == 176, "layout");
static_assert(sizeof(struct tsr_directory) == 688, "layout");

/* Behind the metrics: written by the daemon that took the realm over, when it is ready to serve. */
struct tsr_pulse {
	alignas(TSR_CACHELINE) _Atomic uint64_t generation; /* 0: nobody has taken it over yet */
	_Atomic uint64_t reserved[7];
};

static_assert(sizeof(struct tsr_pulse) == 64, "layout");

/* A core file of whoever has it mapped holds all of the realm but what is in its arenas. */
#define TSR_FEATURE_IN_CORES UINT64_C(1)

#define TSR_REALM_LIVING    UINT64_C(0)
#define TSR_REALM_CONDEMNED UINT64_C(1) /* its memory can't be trusted: detach */
#define TSR_REALM_CLOSED    UINT64_C(2) /* the daemon has stopped */

/* tsr_layout_hash - of every size and offset above: what two builds must agree on. */
uint64_t tsr_layout_hash(void);

#endif /* TSR_SHM_LAYOUT_H */
