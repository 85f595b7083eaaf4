/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/estate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/segment.h"

#define ESTATE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static uint64_t
estate_round(uint64_t bytes)
{
	return (bytes + 4095) & ~UINT64_C(4095);
}

/* Where the parts begin; the last: the size of all. */
struct estate_parts {
	uint64_t clients, channels, regions, ends, all;
};

static struct estate_parts
estate_parts(uint64_t clients, uint64_t channels, uint64_t regions)
{
	struct estate_parts parts = {.clients = estate_round(sizeof(struct tsr_estate_head))};

	parts.channels = parts.clients + estate_round(clients * sizeof(struct tsr_estate_client));
	parts.regions = parts.channels + estate_round(channels * sizeof(uint64_t));
	parts.ends = parts.regions + estate_round(regions * sizeof(struct tsr_estate_region));
	parts.all = parts.ends + clients * TSR_ESTATE_ROW * sizeof(uint64_t);
	return parts;
}

static void
estate_bind(struct tsr_estate *estate, struct estate_parts const *parts)
{
	unsigned char *const base = (unsigned char *)estate->head;

	estate->clients = (struct tsr_estate_client *)(void *)(base + parts->clients);
	estate->channels = (_Atomic uint64_t *)(void *)(base + parts->channels);
	estate->regions = (struct tsr_estate_region *)(void *)(base + parts->regions);
	estate->ends = (_Atomic uint64_t *)(void *)(base + parts->ends);
}

/* The whole of it. Return: NULL: errno says why not. */
static struct tsr_estate_head *
estate_map(struct tsr_estate *estate)
{
	void *const base = mmap(NULL, estate->bytes, PROT_READ | PROT_WRITE,
	                        MAP_SHARED | MAP_NORESERVE, estate->fd, 0);

	if (base == MAP_FAILED)
		return NULL;
	(void)madvise(base, estate->bytes, MADV_DONTFORK);
	(void)madvise(base, estate->bytes, MADV_DONTDUMP);
	estate->head = base;
	return base;
}

void
tsr_estate_close(struct tsr_estate *estate)
{
	if (estate->head != NULL)
		(void)munmap(estate->head, estate->bytes);
	if (estate->fd >= 0)
		(void)close(estate->fd);
	*estate = (struct tsr_estate){.fd = -1};
}

int
tsr_estate_create(struct tsr_kernel const *kernel, struct tsr_estate_facts const *facts,
                  struct tsr_estate *out)
{
	struct estate_parts const parts =
		estate_parts(facts->clients, facts->channels, facts->regions);
	struct tsr_estate estate = {.bytes = parts.all};
	struct tsr_estate_head *head = NULL;
	int error;

	estate.fd = tsr_kernel_memfd(kernel, "tessera-estate", 0);
	if (estate.fd < 0)
		return estate.fd;
	if (ftruncate(estate.fd, (off_t)estate.bytes) == 0 &&
	    fcntl(estate.fd, F_ADD_SEALS, ESTATE_SEALS) == 0)
		head = estate_map(&estate);
	if (head == NULL) {
		error = -errno;
		tsr_estate_close(&estate);
		return error;
	}
	estate_bind(&estate, &parts);
	head->version = TSR_ESTATE_VERSION;
	head->head_bytes = sizeof(*head);
	head->layout_version = TSR_LAYOUT_VERSION;
	head->layout_hash = tsr_layout_hash();
	head->epoch = facts->epoch;
	head->channels = facts->channels;
	head->clients = facts->clients;
	head->regions = facts->regions;
	head->segments = facts->segments;
	head->slots = facts->slots;
	head->ticks_per_second = facts->ticks_per_second;
	memcpy(head->bytes, facts->bytes, sizeof(head->bytes));
	memcpy(head->page_log2, facts->page_log2, sizeof(head->page_log2));
	memcpy(head->backing, facts->backing, sizeof(head->backing));
	memcpy(head->realm, facts->realm, strnlen(facts->realm, sizeof(head->realm) - 1));
	/* [C1] pairs with [C2]: what the magic vouches for is written. */
	tsr_st_rel(&head->magic, TSR_ESTATE_MAGIC);
	*out = estate;
	return 0;
}

/* Damage: @what does not add up. */
static int
estate_damaged(char *why, size_t why_bytes, const char *what, uint64_t number)
{
	(void)snprintf(why, why_bytes, "the estate is damaged: %s (%llu)", what,
	               (unsigned long long)number);
	return -EINVAL;
}

static int
estate_check_head(struct tsr_estate_head const *head, uint64_t bytes, char *why, size_t why_bytes)
{
	/* [C2] pairs with [C1]. */
	if (tsr_ld_acq(&head->magic) != TSR_ESTATE_MAGIC)
		return estate_damaged(why, why_bytes, "it has no magic", 0);
	if (head->version != TSR_ESTATE_VERSION || head->head_bytes != sizeof(*head) ||
	    head->layout_version != TSR_LAYOUT_VERSION || head->layout_hash != tsr_layout_hash()) {
		(void)snprintf(why, why_bytes,
		               "it is of another build: estate version %u, layout version %u, hash "
		               "0x%016llx, expected %u, %u, 0x%016llx",
		               head->version, head->layout_version,
		               (unsigned long long)head->layout_hash, TSR_ESTATE_VERSION,
		               TSR_LAYOUT_VERSION, (unsigned long long)tsr_layout_hash());
		return -EPROTO;
	}
	if (head->clients == 0 || head->clients > TSR_CLIENTS_MAX || head->channels == 0 ||
	    head->channels > TSR_CHANNELS_MAX || head->regions > TSR_REGIONS_MAX ||
	    head->segments <= TSR_SEGMENT_ARENA0 || head->segments > TSR_SEGMENTS_MAX)
		return estate_damaged(why, why_bytes, "impossible counts", head->clients);
	if (estate_parts(head->clients, head->channels, head->regions).all != bytes)
		return estate_damaged(why, why_bytes, "it has another size", bytes);
	if (strnlen(head->realm, sizeof(head->realm)) == sizeof(head->realm))
		return estate_damaged(why, why_bytes, "the realm's name has no end", 0);
	for (uint32_t i = 0; i < head->segments; i++) {
		if (head->bytes[i] == 0 || head->page_log2[i] < 12 || head->page_log2[i] > 30 ||
		    head->backing[i] == TSR_BACKING_AUTO || head->backing[i] > TSR_BACKING_4K)
			return estate_damaged(why, why_bytes, "an impossible segment", i);
	}
	return 0;
}

int
tsr_estate_open(int fd, struct tsr_estate *out, char *why, size_t why_bytes)
{
	struct tsr_estate estate = {.fd = fd};
	struct tsr_estate_head *head;
	struct estate_parts parts;
	struct stat status;
	int const seals = fcntl(fd, F_GET_SEALS);
	int error;

	if (fstat(fd, &status) != 0 || seals < 0 || (seals & ESTATE_SEALS) != ESTATE_SEALS ||
	    (uint64_t)status.st_size < sizeof(struct tsr_estate_head))
		return estate_damaged(why, why_bytes, "it is no sealed memory",
		                      (uint64_t)(seals < 0 ? 0 : seals));
	estate.bytes = (uint64_t)status.st_size;
	head = estate_map(&estate);
	if (head == NULL) {
		error = -errno;
		(void)snprintf(why, why_bytes, "the estate can't be mapped: %s", strerror(-error));
		return error;
	}
	error = estate_check_head(head, estate.bytes, why, why_bytes);
	if (error != 0) {
		(void)munmap(head, estate.bytes);
		return error;
	}
	parts = estate_parts(head->clients, head->channels, head->regions);
	estate_bind(&estate, &parts);
	*out = estate;
	return 0;
}

struct tsr_estate_client *
tsr_estate_enter(struct tsr_estate const *estate, uint16_t id,
                 struct tsr_estate_client const *client)
{
	struct tsr_estate_client *record;
	_Atomic uint64_t *row;
	uint64_t used;

	if (estate->head == NULL)
		return NULL;
	record = &estate->clients[id - 1];
	row = tsr_estate_row(estate, id);
	used = tsr_ld_rlx(&record->ends);
	for (uint64_t i = 0; i < used && i < TSR_ESTATE_ROW; i++)
		tsr_st_rlx(&row[i], 0);
	tsr_st_rlx(&record->ends, 0);
	record->serial = client->serial;
	record->since_ns = client->since_ns;
	record->pid = client->pid;
	record->uid = client->uid;
	record->flags = client->flags;
	memcpy(record->name, client->name, sizeof(record->name));
	/* [C1] pairs with [C2]: a record with a state is complete. */
	tsr_st_rel(&record->state, TSR_ESTATE_ATTACHING);
	return record;
}

void
tsr_estate_enter_region(struct tsr_estate const *estate, uint32_t number, uint64_t id,
                        struct tsr_estate_region const *region)
{
	struct tsr_estate_region *record;

	if (estate->head == NULL)
		return;
	record = &estate->regions[number];
	record->owner = region->owner;
	record->pid = region->pid;
	record->uid = region->uid;
	record->backing = region->backing;
	memcpy(record->name, region->name, sizeof(record->name));
	tsr_st_rlx(&estate->head->newest_region, id);
	/* [C1] pairs with [C2]: a record with an id is complete. */
	tsr_st_rel(&record->id, id);
}
