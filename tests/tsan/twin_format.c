/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <string.h>

#include "tests/tsan/twin.h"

/* A realm, and then channel after channel, are laid out while somebody waits to bind them. */

#define REALMS   20
#define CHANNELS 100

static struct twin twin;
static struct tsr_realm_geometry geometry;
static struct tsr_client client;
static _Atomic uint64_t opened; /* channels that the reader is done with */

static void *
formatting_realm(void *arg)
{
	struct tsr_map map = twin.map;

	(void)arg;
	twin_is(tsr_realm_format(&map, &geometry), 0);
	return NULL;
}

static void *
binding_realm(void *arg)
{
	struct tsr_map map = twin.map;

	(void)arg;
	/* [M1]: everything else in the directory is plain. */
	while (tsr_map_bind(&map) != 0)
		twin_pause();
	twin_check(map.tickets_count == 256 && map.klass[0].block_bytes == 256);
	return NULL;
}

static void *
formatting_channels(void *arg)
{
	char name[2] = "A";

	(void)arg;
	for (uint32_t i = 1; i <= CHANNELS; i++) {
		name[0] = (char)('A' + i % 26);
		tsr_channel_format(&twin.map, 0, 0, shape_buffered(4, 0), tsr_channel_id(0, i),
		                   name);
		while (tsr_ld_acq(&opened) < i)
			twin_pause();
	}
	return NULL;
}

static void *
opening_channels(void *arg)
{
	(void)arg;
	for (uint32_t i = 1; i <= CHANNELS; i++) {
		struct tsr_receiver receiver;

		while (tsr_ld_rlx(&twin.map.entries[0].id) != tsr_channel_id(0, i))
			twin_pause();
		twin_is(tsr_channel_bind(&twin.channel, &twin.map, 0, 0, shape_buffered(4, 0),
		                         tsr_channel_id(0, i)),
		        0);
		twin_is(local_receiver(client, &twin.channel, NULL, &receiver), 0);
		/* [F3]: the rest of its entry is plain. */
		twin_check(twin.channel.entry->name[0] == (char)('A' + i % 26));
		twin_is(local_receiver_close(client, receiver), 0);
		tsr_st_rel(&opened, i);
	}
	return NULL;
}

int
main(void)
{
	for (int i = 0; i < REALMS; i++) {
		twin_map(&twin, &geometry);
		twin_run(binding_realm, formatting_realm);
	}
	twin_is(tsr_map_bind(&twin.map), 0);
	twin_is(local_attach(&twin.map, 1, false, &client), 0);
	twin_run(opening_channels, formatting_channels);
	twin_is(local_detach(client), 0);
	puts("format: no race");
	return 0;
}
