/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/reaper.h"
#include "shm/depot.h"
#include "shm/ticket.h"
#include "shm/waiter.h"
#include "tests/tsan/twin.h"

/*
 * The reaper against those who died and those who go on. The death itself would order everything
 * that the dead one did: here nobody waits for it, so that each order of the reaper's stands alone.
 * What the dead one did is written by hand, as the prologues of channel.h and depot.h say.
 */

#define DEAD   3
#define LIVING 1
#define OTHER  7 /* holds what shall be in nobody's way */
#define ROUNDS 20000

static struct twin twin;
static struct tsr_client client;
static struct tsr_sender sender;
static struct tsr_receiver receiver;
static uint64_t note[ROUNDS + 1];
static uint64_t names[TSR_CELL_ENTRIES];
static uint32_t names_count;

static void
reap(uint32_t side, struct tsr_reap_result *result)
{
	struct tsr_reap_end const end = {.channel = twin.channel, .side = side};

	*result = (struct tsr_reap_result){0};
	tsr_reaper_slots(&end, DEAD, result);
}

static void
make(uint32_t capacity, uint32_t flags)
{
	twin_make(&twin, capacity, flags);
	twin_is(local_attach(&twin.map, LIVING, false, &client), 0);
	note[1] = 0;
}

/* Run both on what was made, and leave. */
static void
run(void *(*first)(void *), void *(*second)(void *))
{
	twin_run(first, second);
	twin_is(local_detach(client), 0);
}

static uint64_t *
payload(uint64_t name)
{
	return tsr_block_data(&twin.map, &twin.map.blocks[tsr_name_index(name)], 0);
}

/* The state of @word, of which the other thread wants to hear nothing more. */
static void
await(_Atomic uint64_t const *word, uint64_t want)
{
	while (tsr_ld_rlx(word) != want)
		twin_pause();
}

/* [Q2]: redo alone, for no slot is in the hands of the dead. */
static void *
saying_redo(void *arg)
{
	struct tsr_reap_result result;

	(void)arg;
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		note[i] = i;
		reap(TSR_SIDE_RECEIVER, &result);
	}
	return NULL;
}

static void
heard(struct tsr_receiver end, uint64_t *seen)
{
	struct tsr_end const *const found = tsr_end_get(end.handle);

	twin_check(found != NULL);
	*seen = found->redo_seen;
	twin_check(*seen == 0 || note[*seen] == *seen);
}

/* [Q1]: by a receiver that finds nothing, and by one that comes new. */
static void *
hearing_redo(void *arg)
{
	uint64_t seen = 0;

	while (seen < ROUNDS) {
		struct tsr_receiver late;
		struct tsr_msg msg;

		if (arg != NULL) {
			twin_is(local_receiver(client, &twin.channel, NULL, &late), 0);
			heard(late, &seen);
			twin_is(local_receiver_close(client, late), 0);
			continue;
		}
		twin_is(tsr_recv(receiver, &msg, TSR_NOWAIT), -EAGAIN);
		heard(receiver, &seen);
	}
	return NULL;
}

static void *
opening_late(void *arg)
{
	(void)arg;
	return hearing_redo(&twin);
}

static void
redo(void)
{
	make(4, 0);
	twin_is(local_receiver(client, &twin.channel, NULL, &receiver), 0);
	run(hearing_redo, saying_redo);
	make(4, 0);
	run(opening_late, saying_redo);
}

/* The one sender stops between stamp and publish: [T1]. */
static void *
stamping(void *arg)
{
	uint64_t const name = names[0];

	(void)arg;
	*payload(name) = 77;
	tsr_st_rlx(&twin.channel.shm->slot[0].name, name);
	tsr_ticket_send(&twin.map.tickets[tsr_name_index(name)], name, twin.channel.id);
	return NULL;
}

/* [P1]: what it had written is the next owner's to write over. */
static void *
reclaiming(void *arg)
{
	struct tsr_reap_result result;

	(void)arg;
	do
		reap(TSR_SIDE_SENDER, &result);
	while (result.tickets == 0);
	*payload(names[0]) = 78;
	return NULL;
}

static void
reclaimed(void)
{
	make(4, TSR_CHANNEL_ONE_SENDER);
	twin_check(tsr_depot_take(&twin.map, 0, DEAD, names) > 0);
	run(reclaiming, stamping);
}

/* A message that DEAD has taken and stamped, and LIVING waits behind the one before it. */
static void *
restoring(void *arg)
{
	struct tsr_reap_result result;

	(void)arg;
	note[1] = 1;
	reap(TSR_SIDE_RECEIVER, &result);
	twin_check(result.slots_restored == 1);
	return NULL;
}

/* [R1]: the reaper's [S2]; its redo is not looked at. */
static void *
receiving_again(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	await(&twin.channel.shm->slot[1].word, tsr_slot_word(0, TSR_READY_AGAIN, TSR_READY));
	twin_is(tsr_recv(receiver, &msg, TSR_NOWAIT), 0);
	twin_check(msg.flags == TSR_MSG_REDELIVERED && note[1] == 1);
	return NULL;
}

static void
restored(void)
{
	struct tsr_slot *slot;
	struct tsr_msg msg;
	uint64_t name;

	make(4, 0);
	slot = &twin.channel.shm->slot[1];
	twin_is(local_sender(client, &twin.channel, NULL, &sender), 0);
	twin_is(local_receiver(client, &twin.channel, NULL, &receiver), 0);
	for (int i = 0; i < 2; i++) {
		twin_is(tsr_alloc(client, 64, &msg), 0);
		twin_is(tsr_send(sender, &msg, TSR_NOWAIT), 0);
	}
	twin_is(tsr_recv(receiver, &msg, TSR_NOWAIT), 0);
	tsr_st_rlx(&slot->word, tsr_slot_word(0, DEAD, TSR_TAKEN));
	name = tsr_ld_rlx(&slot->name);
	twin_is(tsr_ticket_receive(&twin.map, name, DEAD, &name), 0);
	run(receiving_again, restoring);
}

/* A slot that DEAD had claimed, and LIVING is a lap ahead: [R2]. */
static void *
voiding(void *arg)
{
	struct tsr_reap_result result;

	(void)arg;
	note[1] = 1;
	reap(TSR_SIDE_SENDER, &result);
	twin_check(result.slots_voided == 1);
	return NULL;
}

/* [S1] */
static void *
sending_there(void *arg)
{
	struct tsr_msg msg;

	(void)arg;
	twin_is(tsr_alloc(client, 64, &msg), 0);
	while (tsr_send(sender, &msg, TSR_NOWAIT) == -EAGAIN)
		twin_pause();
	twin_check(note[1] == 1);
	return NULL;
}

static void
voided(void)
{
	struct tsr_msg msg;

	make(2, 0);
	twin_is(local_sender(client, &twin.channel, NULL, &sender), 0);
	tsr_st_rlx(&twin.channel.shm->slot[0].word, tsr_slot_word(0, DEAD, TSR_CLAIMED));
	twin_is(tsr_alloc(client, 64, &msg), 0);
	twin_is(tsr_send(sender, &msg, TSR_NOWAIT), 0);
	run(sending_there, voiding);
}

/* The only cell that is not full is one that DEAD had claimed: [D4]. */
static void *
emptying(void *arg)
{
	struct tsr_reap_result result = {0};
	struct tsr_sweep sweep = {.died = true};
	uint32_t work = UINT32_MAX;

	(void)arg;
	note[1] = 1;
	twin_is(tsr_reaper_sweep(&twin.map, DEAD, &sweep, &work, &result), 0);
	twin_check(result.cells == 1);
	return NULL;
}

/* [D5] */
static void *
filling_there(void *arg)
{
	(void)arg;
	while (tsr_depot_fill(&twin.map, 0, OTHER, names, names_count) != 0)
		twin_pause();
	twin_check(note[1] == 1);
	return NULL;
}

static void
emptied(void)
{
	make(4, 0);
	names_count = tsr_depot_take(&twin.map, 0, OTHER, names);
	for (uint32_t i = 0; i < twin.map.klass[0].cells; i++) {
		_Atomic uint64_t *const word = &tsr_map_cell_words(&twin.map, 0)[i];

		if (tsr_slot_phase(tsr_ld_rlx(word)) == TSR_EMPTY)
			tsr_st_rlx(word, tsr_slot_word(9, i == 0 ? DEAD : OTHER, TSR_CLAIMED));
	}
	run(filling_there, emptying);
}

/* The only token that somebody may have soon is DEAD's: [W5]. */
static void *
settling(void *arg)
{
	struct tsr_reap_end const end = {.channel = twin.channel, .side = TSR_SIDE_RECEIVER};
	struct tsr_reap_result result = {0};

	(void)arg;
	note[1] = 1;
	tsr_reaper_wake(&end, DEAD, &result);
	twin_check(result.tokens == 1);
	return NULL;
}

/* [W4] */
static void *
acquiring(void *arg)
{
	struct tsr_wait_side const side = {&twin.channel.shm->receivers_waiting,
	                                   twin.channel.tokens->receiver, NULL};
	uint32_t number;

	(void)arg;
	while (tsr_token_acquire(&side, LIVING, &number) != 0)
		twin_pause();
	twin_check(number == 5 && note[1] == 1);
	return NULL;
}

static void
settled(void)
{
	make(4, 0);
	for (uint32_t i = 0; i < TSR_TOKENS_PER_SIDE; i++)
		tsr_st_rlx(&twin.channel.tokens->receiver[i],
		           tsr_token_make(TSR_TOKEN_INIT, 1, i == 5 ? DEAD : OTHER, 0));
	run(acquiring, settling);
}

/* [E4]: what the ends that are counted out had done. */
static void *
counting_out(void *arg)
{
	(void)arg;
	note[1] = 1;
	tsr_ends_publish(&twin.channel, TSR_SIDE_SENDER, 0, false, 1);
	return NULL;
}

/* [E3] */
static void *
seeing_the_end(void *arg)
{
	struct tsr_msg msg;
	int error;

	(void)arg;
	while ((error = tsr_recv(receiver, &msg, TSR_NOWAIT)) == -EAGAIN)
		twin_pause();
	twin_is(error, -EPIPE);
	twin_check(note[1] == 1);
	return NULL;
}

static void
counted_out(void)
{
	make(4, 0);
	twin_is(local_receiver(client, &twin.channel, NULL, &receiver), 0);
	run(seeing_the_end, counting_out);
}

int
main(void)
{
	redo();
	reclaimed();
	restored();
	voided();
	emptied();
	settled();
	counted_out();
	puts("reaper: no race");
	return 0;
}
