/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_SEGMENT_H
#define TSR_CORE_SEGMENT_H

/*
 * One segment of a realm: a sealed memfd, mapped and populated in the daemon.
 *
 * Trust	many writers: shrink, grow and seal are sealed at once, or a participant could add
 *		seals that lock out those who join later. One writer, the daemon: mapped first, then
 *		also sealed against new writable mappings and holes.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/kernel.h"
#include "shm/compiler.h"

/* Best first: each falls back to the next. */
enum tsr_backing {
	TSR_BACKING_AUTO = 0,
	TSR_BACKING_1G,
	TSR_BACKING_2M,
	TSR_BACKING_THP,
	TSR_BACKING_4K,
};

struct tsr_memory {
	int fd; /* -1: none */
	void *base;
	uint64_t bytes;     /* rounded up to its pages */
	uint32_t page_log2; /* 12, 21 or 30: what mappings should be aligned to */
	enum tsr_backing backing;
};

struct tsr_segment_request {
	const char *name; /* of the memfd, as /proc shows it */
	uint64_t bytes;
	enum tsr_backing best; /* where to begin on the way down */
	int node;              /* NUMA node to bind to; -1: none */
	bool daemon_writes;    /* nobody else will map it writable */
	bool untouched; /* reserve it only, and don't stay mapped: others will touch it first */
};

/*
 * tsr_segment_create - make, bind, populate and map one
 * @why, @why_bytes:	on failure, and when a better backing was not to be had, a sentence on it;
 * ""
 *
 * Context: cold; it touches every page, unless @request->untouched. Return: 0; -ENOMEM; or what the
 * kernel gave; nothing is left behind.
 */
TSR_MUST_CHECK
int tsr_segment_create(struct tsr_kernel const *kernel, struct tsr_segment_request const *request,
                       struct tsr_memory *out, char *why, size_t why_bytes);

/*
 * tsr_segment_open - map one that is there, and touch nothing of it
 * @out:	fd, bytes, page_log2 and backing are set
 *
 * Return: 0; -EINVAL it is not of that size, or not sealed as we seal; what the kernel gave.
 */
TSR_MUST_CHECK
int tsr_segment_open(struct tsr_memory *out, bool daemon_writes);

/* tsr_segment_read - copy all of one that nobody can map for writing any more. Return: as above. */
TSR_MUST_CHECK
int tsr_segment_read(struct tsr_memory const *segment, void *to);

/* tsr_segment_open_reading - a descriptor of its own that can't be written through, to be sent to
 * who may only look; the caller's. Return: a descriptor; what open(2) gave. */
TSR_MUST_CHECK
int tsr_segment_open_reading(struct tsr_memory const *segment);

/* tsr_segment_seal - after the first bytes are written, before anybody else has the descriptor. */
TSR_MUST_CHECK
int tsr_segment_seal(struct tsr_memory const *segment, bool daemon_writes);

void tsr_segment_destroy(struct tsr_memory *segment);

/* "auto", "1G", "2M", "thp", "4K". Return of find: 0; -EINVAL. */
const char *tsr_backing_name(enum tsr_backing backing);
TSR_MUST_CHECK
int tsr_backing_find(const char *name, enum tsr_backing *out);

/* tsr_segment_node - the NUMA node of a CPU; -1 where there is only one node. */
int tsr_segment_node(int cpu);

#endif /* TSR_CORE_SEGMENT_H */
