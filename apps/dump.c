/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/dump.h"

#include <stdio.h>
#include <string.h>

#include "apps/cli.h"
#include "shm/access.h"
#include "shm/format.h"
#include "shm/zdesc.h"

int
tsr_dump_bind(struct tsr_dump *dump)
{
	int const error = tsr_map_bind(&dump->map);
	uint64_t left = dump->map.channels_bytes;
	struct tsr_channel channel;

	for (uint32_t i = 0; error == 0 && i < dump->map.channels_count; i++) {
		if (tsr_ld_rlx(&dump->map.entries[i].id) == 0)
			continue;
		if (tsr_dump_channel(dump, i, &channel) && tsr_channel_bytes(&channel) <= left)
			left -= tsr_channel_bytes(&channel);
		else
			tsr_st_rlx(&dump->map.entries[i].id, 0);
	}
	return error;
}

bool
tsr_dump_channel(const struct tsr_dump *dump, uint32_t index, struct tsr_channel *channel)
{
	const struct tsr_channel_entry *entry;
	uint64_t id;

	if (index >= dump->map.channels_count)
		return false;
	entry = &dump->map.entries[index];
	id = tsr_ld_rlx(&entry->id);
	return id != 0 && tsr_channel_bind(channel, &dump->map, index, entry->offset,
	                                   tsr_channel_entry_shape(entry), id) == 0;
}

uint32_t
tsr_dump_channel_index(const struct tsr_dump *dump, uint64_t id)
{
	uint32_t const index = (uint32_t)(id & (TSR_CHANNELS_MAX)) - 1;

	if ((id & TSR_CHANNELS_MAX) == 0 || index >= dump->map.channels_count ||
	    tsr_ld_rlx(&dump->map.entries[index].id) != id)
		return TSR_DUMP_NONE;
	return index;
}

uint32_t
tsr_dump_channel_find(const struct tsr_dump *dump, const char *name)
{
	struct tsr_channel channel;

	for (uint32_t i = 0; i < dump->map.channels_count; i++) {
		if (tsr_dump_channel(dump, i, &channel) &&
		    strncmp(channel.entry->name, name, sizeof(channel.entry->name)) == 0)
			return i;
	}
	return TSR_DUMP_NONE;
}

json_t *
tsr_dump_text(const char *text, size_t bytes)
{
	char printed[512];
	size_t length = strnlen(text, bytes < sizeof(printed) ? bytes : sizeof(printed) - 1);

	for (size_t i = 0; i < length; i++) {
		unsigned char const c = (unsigned char)text[i];

		printed[i] = text[i];
		if (c < ' ' || c > '~')
			printed[i] = '?';
	}
	return json_stringn(printed, length);
}

json_t *
tsr_dump_channel_name(const struct tsr_dump *dump, uint32_t index)
{
	return tsr_dump_text(dump->map.entries[index].name, TSR_NAME_BYTES);
}

json_t *
tsr_dump_channel_label(const struct tsr_dump *dump, uint64_t id)
{
	uint32_t const index = tsr_dump_channel_index(dump, id);
	char text[48];

	if (index != TSR_DUMP_NONE)
		return tsr_dump_channel_name(dump, index);
	if (id == 0)
		return json_null();
	snprintf(text, sizeof(text), "(gone: 0x%06llx)", (unsigned long long)id);
	return json_string(text);
}

const struct tsr_proto_row_client *
tsr_dump_client(const struct tsr_dump *dump, uint32_t id)
{
	for (uint32_t i = 0; i < dump->clients_count; i++) {
		if (dump->clients[i].id == id)
			return &dump->clients[i];
	}
	return NULL;
}

uint64_t
tsr_dump_age_ns(const struct tsr_dump *dump, uint64_t stamp)
{
	uint64_t const ticks = dump->taken_ticks > stamp ? dump->taken_ticks - stamp : 0;
	uint64_t const per_second = dump->map.ticks_per_second;

	if (per_second == 0)
		return 0;
	return ticks / per_second * TSR_NS_PER_SECOND +
	       (uint64_t)((double)(ticks % per_second) / (double)per_second * 1e9);
}

uint32_t
tsr_dump_class(const struct tsr_dump *dump, uint32_t ticket)
{
	for (uint32_t k = 0; k < dump->map.classes_count; k++) {
		if (ticket >= dump->map.klass[k].first_ticket &&
		    ticket - dump->map.klass[k].first_ticket < dump->map.klass[k].count)
			return k;
	}
	return TSR_DUMP_NONE;
}

json_t *
tsr_dump_holder(const struct tsr_dump *dump, uint16_t holder)
{
	const struct tsr_proto_row_client *client;
	char text[48];

	switch (holder) {
	case TSR_HOLDER_FREE:
		return json_string("depot");
	case TSR_HOLDER_DAEMON:
		return json_string("daemon");
	case TSR_HOLDER_CHANNEL:
		return json_string("channel");
	case TSR_HOLDER_SHARED:
		return json_string("shared");
	default:
		client = tsr_dump_client(dump, holder);
		if (client != NULL)
			snprintf(text, sizeof(text), "client %u (pid %u)", holder, client->pid);
		else
			snprintf(text, sizeof(text), "nobody (%u)", holder);
		return json_string(text);
	}
}

/* One of a few words, or the number that is none of them. */
static json_t *
dump_word(const char *const *words, uint32_t count, uint32_t number)
{
	char text[16];

	if (number < count)
		return json_string(words[number]);
	snprintf(text, sizeof(text), "%u", number);
	return json_string(text);
}

json_t *
tsr_dump_phase(uint32_t phase)
{
	static const char *const words[] = {"empty", "claimed", "ready", "taken"};

	return dump_word(words, 4, phase);
}

json_t *
tsr_dump_kind(uint8_t kind)
{
	static const char *const words[] = {"idle", "received", "shared", "requeued", "segment"};

	return dump_word(words, TSR_TICKET_SEGMENT + 1, kind);
}
