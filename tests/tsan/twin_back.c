/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <sys/socket.h>

#include "shm/region.h"
#include "tests/tsan/twin.h"

/*
 * A message of a region that is not received after all: one who has the region not mapped, nor can
 * ask for it, gives the slot back as it was, and another receives it.
 */

#define OWNER    1
#define USER     2
#define STRANGER 3
#define TICKETS  2
#define ID       77
#define BYTES    4096

static struct twin twin;
static struct tsr_client client[4];
static struct tsr_sender sender;
static struct tsr_receiver receiver[4];
static struct tsr_region region;
static uint64_t memory[BYTES / sizeof(uint64_t)];
static uint64_t note;

static void
lay_out(void)
{
	struct tsr_block *const blocks = twin.map.segment[TSR_SEGMENT_BLOCKS].base;
	struct tsr_region_entry *const entry = &twin.map.regions[0];
	uint32_t const first = twin.map.tickets_count;

	for (uint32_t i = first; i < first + TICKETS; i++) {
		blocks[i] = (struct tsr_block){.capacity = BYTES, .klass = TSR_CLASS_REGION};
		tsr_st_rlx(&twin.map.tickets[i].word,
		           tsr_word_make(1, TSR_TICKET_IDLE, TSR_HOLDER_FREE));
	}
	entry->bytes = BYTES;
	entry->first_ticket = first;
	entry->tickets = TICKETS;
	tsr_st_rlx(&entry->state, TSR_REGION_OPEN);
	tsr_st_rel(&entry->id, ID);
}

static struct tsr_attachment *
join(uint16_t id, bool mapped)
{
	struct tsr_attachment *attachment;

	twin_is(local_attach(&twin.map, id, false, &client[id]), 0);
	attachment = tsr_attachment_get(client[id]);
	twin_check(attachment != NULL);
	twin_is(tsr_region_views_create(attachment), 0);
	if (mapped)
		attachment->regions->view[0] =
			(struct tsr_region_view){.id = ID, .base = (void *)memory, .bytes = BYTES};
	return attachment;
}

static void
leave(uint16_t id)
{
	struct tsr_attachment const *const attachment = tsr_attachment_get(client[id]);

	twin_check(attachment != NULL);
	attachment->regions->view[0].base = NULL; /* it is not to be unmapped */
	(void)local_detach(client[id]);
}

static void
make(void)
{
	struct tsr_attachment *owner;

	twin_make(&twin, 4, 0);
	lay_out();
	owner = join(OWNER, true);
	region.handle =
		tsr_handle_new((uint32_t)(owner - tsr_process->attachment) * TSR_REGIONS_MAX);
	owner->regions->view[0].handle = region.handle;
	(void)join(USER, true);
	twin_is(local_sender(client[OWNER], &twin.channel, NULL, &sender), 0);
	twin_is(local_receiver(client[USER], &twin.channel, NULL, &receiver[USER]), 0);
}

static void
send_one(void)
{
	struct tsr_msg msg;

	twin_is(tsr_region_alloc(region, 0, 64, &msg), 0);
	twin_is(tsr_send(sender, &msg, TSR_NOWAIT), 0);
}

/* [S2]: a message that is not received after all. */
static void *
giving_back(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	note = 1;
	twin_is(tsr_recv(receiver[STRANGER], &msg, TSR_NOWAIT), -ENOTCONN);
	return NULL;
}

/* [R1]: redo is looked at from afar, and does not order. */
static void *
receiving_what_came_back(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	while (tsr_ld_rlx(&twin.channel.shm->redo) == 0)
		twin_pause();
	twin_is(tsr_recv(receiver[USER], &msg, TSR_NOWAIT), 0);
	twin_check(note == 1);
	twin_is(tsr_release(client[USER], &msg), 0);
	return NULL;
}

int
main(void)
{
	struct tsr_attachment *stranger;

	make();
	stranger = join(STRANGER, false);
	twin_is(local_receiver(client[STRANGER], &twin.channel, NULL, &receiver[STRANGER]), 0);
	(void)shutdown(stranger->control.fd, SHUT_RDWR);
	send_one();
	twin_run(giving_back, receiving_what_came_back);
	leave(OWNER);
	leave(USER);
	leave(STRANGER);
	puts("back: no race");
	return 0;
}
