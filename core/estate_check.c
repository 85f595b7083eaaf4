/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* Whether an estate can be believed: every record, against the others and the directory. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/estate.h"
#include "shm/channel.h"
#include "shm/format.h"
#include "shm/kind.h"
#include "shm/meters.h"
#include "shm/proto.h"

struct check {
	struct tsr_estate const *estate;
	struct tsr_map const *map;
	uint32_t (*ends)[2]; /* [channels]: counted, by side */
	bool *metered;       /* [ends_count]: somebody has it */
	char *why;
	size_t why_bytes;
};

static int
check_fails(struct check const *check, const char *what, uint32_t number)
{
	(void)snprintf(check->why, check->why_bytes, "%s %u %s", check->estate->head->realm, number,
	               what);
	return -EINVAL;
}

static bool
check_text(const char text[TSR_NAME_BYTES])
{
	size_t const length = strnlen(text, TSR_NAME_BYTES);

	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	}
	return length < TSR_NAME_BYTES;
}

static int
check_channel(struct check const *check, uint32_t index)
{
	struct tsr_channel_entry const *const entry = &check->map->entries[index];
	struct tsr_estate_channel const known =
		tsr_estate_channel_read(tsr_ld_rlx(&check->estate->channels[index]));
	struct tsr_shape const shape = tsr_channel_entry_shape(entry);
	struct tsr_kind const *const kind = tsr_kind_get(shape.kind);
	uint64_t const id = tsr_ld_rlx(&entry->id);
	struct tsr_channel channel;

	if (id == 0 && !known.retired)
		return 0;
	if (!known.used || (id != 0 && id != tsr_channel_id(index, known.generation)))
		return check_fails(check, "is a channel that the estate does not know", index);
	if (entry->name[0] == '\0' || !check_text(entry->name))
		return check_fails(check, "is a channel whose name has no end", index);
	if (kind == NULL || (shape.flags & ~kind->flags) != 0 || shape.capacity < TSR_SLOTS_MIN ||
	    shape.capacity > TSR_SLOTS_MAX || !tsr_is_power_of_two(shape.capacity) ||
	    shape.capacity < kind->capacity_min)
		return check_fails(check, "is a channel of an impossible shape", index);
	if (entry->offset % TSR_CACHELINE != 0 ||
	    tsr_channel_bind(&channel, check->map, index, entry->offset, shape, id) != 0)
		return check_fails(check, "is a channel outside of its segment", index);
	return 0;
}

static int
check_end(struct check const *check, uint32_t client, struct tsr_estate_end const *end)
{
	uint32_t const index = tsr_channel_index(end->channel_id);

	if (index >= check->map->channels_count ||
	    tsr_ld_rlx(&check->map->entries[index].id) != end->channel_id)
		return check_fails(check, "is a client with an end of a channel that is not there",
		                   client);
	if (++check->ends[index][end->side] > UINT16_MAX)
		return check_fails(check, "is a channel with too many ends", index);
	if (end->metrics == UINT32_MAX)
		return 0;
	if (end->metrics >= check->map->ends_count || check->metered[end->metrics])
		return check_fails(check, "is a client that counts where another one does, or none",
		                   client);
	check->metered[end->metrics] = true;
	return 0;
}

static int
check_client(struct check const *check, uint32_t id)
{
	struct tsr_estate_client const *const client = &check->estate->clients[id - 1];
	_Atomic uint64_t const *const row = tsr_estate_row(check->estate, (uint16_t)id);
	/* [C2] pairs with [C1]. */
	uint64_t const state = tsr_ld_acq(&client->state);
	uint64_t const ends = tsr_ld_rlx(&client->ends);

	if (state == TSR_ESTATE_FREE)
		return 0;
	if (state > TSR_ESTATE_ATTACHING || client->serial == 0 || client->pid == 0 ||
	    !check_text(client->name) || (client->flags & ~TSR_PROTO_ATTACH_FENCED) != 0)
		return check_fails(check, "is an impossible client", id);
	if (ends > TSR_ESTATE_ROW)
		return check_fails(check, "is a client with more ends than there may be", id);
	for (uint32_t i = 0; i < ends; i++) {
		struct tsr_estate_end const end = tsr_estate_end_read(tsr_ld_rlx(&row[i]));
		int const error = end.open ? check_end(check, id, &end) : 0;

		if (error != 0)
			return error;
	}
	return 0;
}

static int
check_region(struct check const *check, uint32_t number)
{
	struct tsr_map const *const map = check->map;
	struct tsr_region_entry const *const entry = &map->regions[number];
	struct tsr_estate_region const *const region = &check->estate->regions[number];
	uint64_t const state = tsr_ld_rlx(&entry->state);
	uint64_t const id = tsr_ld_rlx(&entry->id);

	if (id == 0)
		return 0;
	/* [C2] pairs with [C1]. */
	if (tsr_ld_acq(&region->id) != id || id > tsr_ld_rlx(&check->estate->head->newest_region))
		return check_fails(check, "is a region that the estate does not know", number);
	if ((state != TSR_REGION_OPEN && state != TSR_REGION_CLOSING) || entry->bytes == 0 ||
	    entry->bytes > TSR_REGION_BYTES_MAX || entry->page_bytes_log2 < 12 ||
	    entry->page_bytes_log2 > 30 || entry->first_ticket < map->tickets_count ||
	    entry->first_ticket > map->tickets_all || entry->tickets == 0 ||
	    entry->tickets > map->tickets_all - entry->first_ticket || !check_text(region->name) ||
	    region->owner == 0 || region->owner > map->clients_count)
		return check_fails(check, "is an impossible region", number);
	return 0;
}

static int
check_all(struct check const *check)
{
	int error = 0;

	for (uint32_t i = 0; error == 0 && i < check->map->channels_count; i++)
		error = check_channel(check, i);
	for (uint32_t id = 1; error == 0 && id <= check->map->clients_count; id++)
		error = check_client(check, id);
	for (uint32_t i = 0; error == 0 && i < check->map->regions_count; i++)
		error = check_region(check, i);
	return error;
}

int
tsr_estate_check(struct tsr_estate const *estate, struct tsr_map const *map, char *why,
                 size_t why_bytes)
{
	struct tsr_estate_head const *const head = estate->head;
	struct check check = {.estate = estate, .map = map, .why = why, .why_bytes = why_bytes};
	int error;

	if (head->clients != map->clients_count || head->channels != map->channels_count ||
	    head->regions != map->regions_count || head->segments != map->segments_count ||
	    head->epoch != map->directory->epoch ||
	    strncmp(head->realm, map->directory->name, TSR_NAME_BYTES) != 0) {
		(void)snprintf(why, why_bytes, "estate and directory are of different realms");
		return -EINVAL;
	}
	check.ends = calloc(map->channels_count, sizeof(check.ends[0]));
	check.metered = calloc((size_t)map->ends_count + 1, sizeof(check.metered[0]));
	error = check.ends == NULL || check.metered == NULL ? -ENOMEM : check_all(&check);
	free(check.metered);
	free((void *)check.ends);
	return error;
}
