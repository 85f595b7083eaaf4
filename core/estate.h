/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_ESTATE_H
#define TSR_CORE_ESTATE_H

/*
 * The estate of a realm: what a daemon leaves to its successor besides the segments. Which client
 * has which id and which ends, who made which channel, whose a region is.
 *
 * Bytes	one memfd a realm: this head, a record a client, a word a channel, a record a
 *		region, and for each client a row of words, one an end. The rows are sparse.
 * Writers	daemons alone: no client ever gets the descriptor.
 * Crash	a daemon may die between any two stores. An end and a channel are one word. A
 *		record of a client or region is valid by its state word, stored last [C1] and
 *		cleared first. What is made is written here before anybody is told of it; what is
 *		gone leaves here when nothing is left to be repaired.
 * Trust	a successor believes nothing before tsr_estate_check() has seen it.
 *
 * Context of every call: under the realm's lock.
 */

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/kernel.h"
#include "shm/access.h"
#include "shm/layout.h"
#include "shm/map.h"

#define TSR_ESTATE_MAGIC   UINT64_C(0x4554415453455354) /* "TSESTATE" */
#define TSR_ESTATE_VERSION UINT32_C(2)
#define TSR_ESTATE_ROW     4096 /* ends of a client */

struct tsr_estate_client {
	alignas(TSR_CACHELINE) _Atomic uint64_t state; /* TSR_ESTATE_* */
	_Atomic uint64_t ends;                         /* so many words of its row were ever used */
	uint64_t serial;
	uint64_t since_ns;
	uint32_t pid;
	uint32_t uid;
	uint32_t flags; /* TSR_PROTO_ATTACH_* */
	uint32_t reserved;
	char name[TSR_NAME_BYTES];
};

static_assert(sizeof(struct tsr_estate_client) == 128, "layout");

#define TSR_ESTATE_FREE      UINT64_C(0)
#define TSR_ESTATE_ATTACHED  UINT64_C(1)
#define TSR_ESTATE_CLOSING   UINT64_C(2) /* it hung up without a goodbye */
#define TSR_ESTATE_ATTACHING UINT64_C(3) /* it has not said yet that it knows, nor used anything */

struct tsr_estate_region {
	alignas(TSR_CACHELINE) _Atomic uint64_t id; /* of the region; 0: none */
	uint32_t owner;                             /* client id */
	uint32_t pid;
	uint32_t uid;
	uint32_t backing; /* enum tsr_backing */
	char name[TSR_NAME_BYTES];
	uint64_t reserved[5];
};

static_assert(sizeof(struct tsr_estate_region) == 128, "layout");

struct tsr_estate_head {
	_Atomic uint64_t magic; /* stored last */
	uint32_t version;
	uint32_t head_bytes;
	uint64_t layout_hash;
	uint64_t epoch;
	_Atomic uint64_t generation;    /* of directory and blocks: how often it was taken over */
	_Atomic uint64_t newest_region; /* no id of a region comes twice */
	uint32_t channels;
	uint32_t clients;
	uint32_t regions;
	uint32_t segments;
	uint64_t bytes[TSR_SEGMENTS_MAX];
	uint32_t page_log2[TSR_SEGMENTS_MAX];
	uint32_t backing[TSR_SEGMENTS_MAX]; /* enum tsr_backing */
	uint32_t slots;                     /* of the channels segment, as configured */
	uint32_t layout_version;
	uint64_t ticks_per_second;
	char realm[TSR_NAME_BYTES];
};

/* As it is mapped; head NULL: there is none. */
struct tsr_estate {
	int fd; /* -1 */
	uint64_t bytes;
	struct tsr_estate_head *head;
	struct tsr_estate_client *clients; /* [clients]: id 1 has the first */
	_Atomic uint64_t *channels;        /* [channels] */
	struct tsr_estate_region *regions; /* [regions] */
	_Atomic uint64_t *ends;            /* [clients][TSR_ESTATE_ROW] */
};

/* An end, in one word. */
struct tsr_estate_end {
	bool open;
	uint32_t side;
	uint32_t metrics; /* UINT32_MAX: it counts nowhere */
	uint16_t generation;
	uint32_t channel_id;
};

#define TSR_ESTATE_METRICS_NONE UINT32_C(0x1ffff)

TSR_INLINE uint64_t
tsr_estate_end_word(struct tsr_estate_end const *end)
{
	uint64_t const metrics =
		end->metrics < TSR_ESTATE_METRICS_NONE ? end->metrics : TSR_ESTATE_METRICS_NONE;

	return (uint64_t)end->open | (uint64_t)end->side << 1 | metrics << 2 |
	       (uint64_t)end->generation << 19 | (uint64_t)end->channel_id << 35;
}

TSR_INLINE struct tsr_estate_end
tsr_estate_end_read(uint64_t word)
{
	uint32_t const metrics = (uint32_t)(word >> 2) & TSR_ESTATE_METRICS_NONE;

	return (struct tsr_estate_end){
		.open = (word & 1) != 0,
		.side = (uint32_t)(word >> 1) & 1,
		.metrics = metrics == TSR_ESTATE_METRICS_NONE ? UINT32_MAX : metrics,
		.generation = (uint16_t)(word >> 19),
		.channel_id = (uint32_t)(word >> 35) & 0xffffff,
	};
}

/* What the directory does not say of a channel, in one word. */
struct tsr_estate_channel {
	bool used;
	bool replies;
	bool gone[2]; /* by enum tsr_side */
	uint8_t generation;
	bool retired; /* removed, and perhaps not empty yet: the directory does not show it */
	uid_t creator;
};

TSR_INLINE uint64_t
tsr_estate_channel_word(struct tsr_estate_channel const *channel)
{
	return (uint64_t)channel->used | (uint64_t)channel->replies << 1 |
	       (uint64_t)channel->gone[0] << 2 | (uint64_t)channel->gone[1] << 3 |
	       (uint64_t)channel->generation << 4 | (uint64_t)channel->retired << 12 |
	       (uint64_t)channel->creator << 32;
}

TSR_INLINE struct tsr_estate_channel
tsr_estate_channel_read(uint64_t word)
{
	return (struct tsr_estate_channel){
		.used = (word & 1) != 0,
		.replies = (word & 2) != 0,
		.gone = {(word & 4) != 0, (word & 8) != 0},
		.generation = (uint8_t)(word >> 4),
		.retired = (word >> 12 & 1) != 0,
		.creator = (uid_t)(word >> 32),
	};
}

/* Store a word, where there is an estate: in tests of parts of the daemon there is none. */
TSR_INLINE void
tsr_estate_store(_Atomic uint64_t *word, uint64_t value)
{
	if (word != NULL)
		tsr_st_rlx(word, value);
}

/* What of an estate there is only once. */
struct tsr_estate_facts {
	const char *realm;
	uint64_t epoch;
	uint32_t channels;
	uint32_t clients;
	uint32_t regions;
	uint32_t segments;
	uint32_t slots;
	uint64_t ticks_per_second;
	uint64_t bytes[TSR_SEGMENTS_MAX];
	uint32_t page_log2[TSR_SEGMENTS_MAX];
	uint32_t backing[TSR_SEGMENTS_MAX];
};

/* tsr_estate_create - an empty one. Return: 0; what the system gave. */
TSR_MUST_CHECK
int tsr_estate_create(struct tsr_kernel const *kernel, struct tsr_estate_facts const *facts,
                      struct tsr_estate *out);

/*
 * tsr_estate_open - one that was left, and whether its head can be believed
 * @fd:		is the estate's if this returns 0
 * @why:	on failure, a sentence
 *
 * Return: 0; -EPROTO another build's: a layout that is not ours; -EINVAL it is damaged; what the
 * system gave.
 */
TSR_MUST_CHECK
int tsr_estate_open(int fd, struct tsr_estate *out, char *why, size_t why_bytes);
void tsr_estate_close(struct tsr_estate *estate);

/*
 * tsr_estate_check - does every record agree with the others, and with the directory?
 * @map:	of the realm, bound
 * @why:	on failure, a sentence
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
TSR_MUST_CHECK
int tsr_estate_check(struct tsr_estate const *estate, struct tsr_map const *map, char *why,
                     size_t why_bytes);

/* tsr_estate_row - of a client's ends; NULL without an estate. */
TSR_INLINE _Atomic uint64_t *
tsr_estate_row(struct tsr_estate const *estate, uint16_t id)
{
	return estate->head == NULL ? NULL : estate->ends + (size_t)(id - 1) * TSR_ESTATE_ROW;
}

/* tsr_estate_enter - a client that is attaching, from here on; its row is empty. */
struct tsr_estate_client *tsr_estate_enter(struct tsr_estate const *estate, uint16_t id,
                                           struct tsr_estate_client const *client);

/* tsr_estate_enter_region - a region, from here on. */
void tsr_estate_enter_region(struct tsr_estate const *estate, uint32_t number, uint64_t id,
                             struct tsr_estate_region const *region);

#endif /* TSR_CORE_ESTATE_H */
