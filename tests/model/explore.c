/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * The search: depth first over the moves of all processes; each state, as a hash of 63 bits, is
 * gone on from once. A state that comes again on its own path is a loop that never ends.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/model/model.h"

#define EXPLORE_DEPTH    (UINT32_C(1) << 16)
#define EXPLORE_PRIVATE  (UINT64_C(1) << 30)
#define EXPLORE_LEARN    20000 /* transitions of the first run, while it learns */
#define EXPLORE_MOVES    32
#define EXPLORE_NOTES    UINT64_C(31) /* the low bits of an entry of the table */
#define EXPLORE_SWITCHES 15           /* that fit there */

/* A state on the path, and how to go back to the one before. */
struct explore_level {
	uint64_t hash;
	uint64_t private_at; /* of the process that moved, as it was */
	uint32_t undo;
	uint8_t moves[EXPLORE_MOVES];
	uint8_t count, next;
	uint8_t move;     /* that led here */
	uint8_t switches; /* before it */
};

static struct {
	struct explore_level *level;
	uint32_t depth;
	unsigned char *private;
	uint64_t private_used;
	uint64_t *table; /* 0 empty; bit 0: on the path; bits 1 to 4: interruptions left */
	uint64_t mask, filled;
	uint8_t schedule[EXPLORE_DEPTH];
} explore;

static bool
explore_ready(struct model_process const *p)
{
	switch ((enum model_pending)p->now.pending) {
	case MODEL_BUFFERED:
		return p->now.buffered < MODEL_BUFFER;
	case MODEL_UPDATE:
	case MODEL_FENCE:
	case MODEL_WAIT:
	case MODEL_WAKE:
	case MODEL_CALL:
		return p->now.buffered == 0;
	case MODEL_MEMBARRIER:
		for (unsigned i = 0; i < model.processes; i++) {
			struct model_process const *const q = &model.process[i];

			if (q->now.buffered > 0 && (q == p || i == 0 || !q->attachment->fenced))
				return false;
		}
		return true;
	case MODEL_LOCK:
		return p->now.buffered == 0 && model.ghost->locked[p->now.word] == 0;
	case MODEL_EVENT:
		return false;
	case MODEL_START:
	case MODEL_LOAD:
	case MODEL_STORE:
	case MODEL_SLEEP:
	case MODEL_REPLY:
		return true;
	}
	return false;
}

/* A death here leaves a memory that a death before or after does not. */
static bool
explore_mortal(struct model_process const *p)
{
	uint8_t const pending = p->now.pending;

	if (p->number == 0)
		return model.ghost->reaper_kills > 0 && model.ghost->reaping != 0 &&
		       (pending == MODEL_STORE || pending == MODEL_BUFFERED ||
		        ((pending == MODEL_UPDATE || pending == MODEL_WAKE) &&
		         p->now.buffered == 0));
	if (model.ghost->kills == 0)
		return false;
	if (model.ghost->status[p->number] != MODEL_RUNS)
		return true; /* asleep, or waiting for the daemon */
	return pending == MODEL_STORE || pending == MODEL_BUFFERED ||
	       ((pending == MODEL_UPDATE || pending == MODEL_WAKE || pending == MODEL_CALL) &&
	        p->now.buffered == 0);
}

static unsigned
explore_moves_of(struct model_process const *p, uint8_t *moves)
{
	uint64_t const status = model.ghost->status[p->number];
	unsigned count = 0;

	if (status == MODEL_RUNS && explore_ready(p))
		moves[count++] = MODEL_MOVE(MODEL_MOVE_STEP, p->number);
	if (p->now.buffered > 0)
		moves[count++] = MODEL_MOVE(MODEL_MOVE_DRAIN, p->number);
	for (unsigned i = 1; model.scenario->pso && i < p->now.buffered; i++) {
		if (model_memory_may_drain(p, i))
			moves[count++] = (uint8_t)MODEL_MOVE(MODEL_MOVE_PASS + i - 1, p->number);
	}
	if (status == MODEL_ASLEEP && p->now.timed != 0 && p->now.timeouts > 0)
		moves[count++] = MODEL_MOVE(MODEL_MOVE_TIMEOUT, p->number);
	return count;
}

static unsigned
explore_events(uint8_t *moves)
{
	struct model_process const *const daemon = &model.process[0];
	unsigned count = 0;

	if (daemon->now.pending != MODEL_EVENT || daemon->now.buffered > 0)
		return 0;
	for (unsigned i = 1; i < model.processes; i++) {
		if (model.ghost->status[i] == MODEL_DEAD)
			moves[count++] = MODEL_MOVE(MODEL_MOVE_REAP, i);
		if (model.ghost->request[i] != 0)
			moves[count++] = MODEL_MOVE(MODEL_MOVE_ANSWER, i);
	}
	return count;
}

static struct model_process *
explore_mover(uint8_t move)
{
	unsigned const kind = move >> 4;

	return &model.process[kind == MODEL_MOVE_REAP || kind == MODEL_MOVE_ANSWER ? 0
	                                                                           : move & 15U];
}

/* Who moved last could go on: that somebody else moves is an interruption. */
static bool
explore_goes_on(void)
{
	struct model_process const *const p = &model.process[model.ghost->last];

	return model.ghost->status[p->number] == MODEL_RUNS && explore_ready(p);
}

/* What interrupts: not a death, nor a store that drains. */
static bool
explore_interrupts(uint8_t move)
{
	unsigned const kind = move >> 4;

	return kind != MODEL_MOVE_KILL && kind != MODEL_MOVE_DRAIN && kind < MODEL_MOVE_PASS &&
	       explore_mover(move)->number != model.ghost->last;
}

static void
explore_count_switch(uint8_t move)
{
	unsigned const kind = move >> 4;

	if (explore_interrupts(move) && explore_goes_on())
		model.switches--;
	if (kind != MODEL_MOVE_KILL && kind != MODEL_MOVE_DRAIN && kind < MODEL_MOVE_PASS)
		model_set(&model.ghost->last, explore_mover(move)->number);
}

/* Leave out the moves that would interrupt once too often. */
static unsigned
explore_hold(uint8_t *moves, unsigned count)
{
	unsigned left = 0;

	if (!model.bounded || model.switches > 0 || !explore_goes_on())
		return count;
	for (unsigned i = 0; i < count; i++) {
		if (explore_interrupts(moves[i]))
			model.held = true;
		else
			moves[left++] = moves[i];
	}
	return left;
}

/* One of its threads stands where a death counts. */
static bool
explore_may_die(struct model_process const *p)
{
	for (unsigned i = 0; i < model.processes; i++) {
		uint64_t const status = model.ghost->status[i];

		if (model.process[i].leader == p && status != MODEL_ABSENT && status < MODEL_DONE &&
		    explore_mortal(&model.process[i]))
			return true;
	}
	return false;
}

/* All moves of a state. */
unsigned
model_moves(uint8_t *moves)
{
	unsigned count = 0;

	for (unsigned i = 0; i < model.processes; i++)
		count += explore_moves_of(&model.process[i], &moves[count]);
	count += explore_events(&moves[count]);
	for (unsigned i = 0; i < model.processes; i++) {
		if (explore_may_die(&model.process[i]))
			moves[count++] = MODEL_MOVE(MODEL_MOVE_KILL, i);
	}
	return explore_hold(moves, count);
}

static void
explore_kill(struct model_process *p)
{
	if (model.tracing)
		model_trace_note(p->number, "dies");
	while (p->now.buffered > 0)
		model_memory_drain(p, 0);
	if (p->number == 0) {
		model_set(&model.ghost->reaper_kills, model.ghost->reaper_kills - 1);
		model_daemon_restart();
		return;
	}
	model_set(&model.ghost->kills, model.ghost->kills - 1);
	model_ghost_died(p);
	for (unsigned i = 1; i < model.processes; i++) {
		struct model_process *const thread = &model.process[i];

		if (thread->leader != p)
			continue;
		while (thread->now.buffered > 0)
			model_memory_drain(thread, 0);
		model_set(&model.ghost->status[i], thread == p ? MODEL_DEAD : MODEL_REAPED);
		model_set(&model.ghost->asleep_on[i], 0);
		model_process_forget(thread);
	}
	for (unsigned i = 1; i < model.processes; i++) {
		if (model.process[i].leader == p)
			model_process_rehash(&model.process[i]);
	}
}

static void
explore_drain(struct model_process *p, unsigned i)
{
	if (model.tracing)
		model_trace_access("drains", p->now.buffer_word[i], p->now.buffer_value[i], NULL);
	model_memory_drain(p, i);
	model_process_rehash(p);
}

void
model_move(uint8_t move)
{
	struct model_process *const p = explore_mover(move);

	if (model.bounded)
		explore_count_switch(move);
	if (move >> 4 == MODEL_MOVE_DRAIN || move >> 4 >= MODEL_MOVE_PASS) {
		explore_drain(
			p, move >> 4 == MODEL_MOVE_DRAIN ? 0 : (move >> 4) - MODEL_MOVE_PASS + 1U);
		return;
	}
	switch ((enum model_move)(move >> 4)) {
	case MODEL_MOVE_KILL:
		explore_kill(p);
		return;
	case MODEL_MOVE_TIMEOUT:
		model_set(&model.ghost->status[p->number], MODEL_RUNS);
		model_set(&model.ghost->asleep_on[p->number], 0);
		p->now.timeouts--;
		p->now.answer = 1;
		break;
	case MODEL_MOVE_REAP:
	case MODEL_MOVE_ANSWER:
		p->now.answer = move;
		break;
	case MODEL_MOVE_STEP:
	case MODEL_MOVE_DRAIN:
	case MODEL_MOVE_PASS:
		break;
	}
	model_process_run(p);
}

static uint64_t
explore_hash(void)
{
	uint64_t parts[MODEL_PROCESSES + 1] = {model_memory_hash()};

	for (unsigned i = 0; i < model.processes; i++)
		parts[i + 1] = model.process[i].hash;
	return (XXH3_64bits(parts, sizeof(parts)) & ~EXPLORE_NOTES) | (EXPLORE_NOTES + 1);
}

static uint64_t *
explore_slot(uint64_t hash)
{
	uint64_t i = hash >> 6 & explore.mask;

	while (explore.table[i] != 0 && (explore.table[i] & ~EXPLORE_NOTES) != hash)
		i = (i + 1) & explore.mask;
	return &explore.table[i];
}

static void
explore_table_make(uint64_t entries)
{
	explore.table = mmap(NULL, entries * sizeof(uint64_t), PROT_READ | PROT_WRITE,
	                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (explore.table == MAP_FAILED)
		abort();
	explore.mask = entries - 1;
}

static void
explore_table_grow(void)
{
	uint64_t *const old = explore.table;
	uint64_t const entries = explore.mask + 1;

	explore_table_make(2 * entries);
	for (uint64_t i = 0; i < entries; i++) {
		if (old[i] != 0)
			*explore_slot(old[i] & ~EXPLORE_NOTES) = old[i];
	}
	munmap(old, entries * sizeof(uint64_t));
}

/*
 * Is the state new, or are more interruptions left than when it was gone on from? Then it is
 * entered, as one on the path.
 */
static bool
explore_enter(uint64_t hash)
{
	uint64_t *slot = explore_slot(hash);

	if ((*slot & 1) != 0) {
		model_violate("the same state comes again: somebody goes round for ever");
		return false;
	}
	if (*slot != 0 && (*slot & EXPLORE_NOTES) >> 1 >= model.switches)
		return false;
	if (*slot == 0 && ++explore.filled > explore.mask / 4 * 3) {
		explore_table_grow();
		slot = explore_slot(hash);
	}
	*slot = hash | (uint64_t)model.switches << 1 | 1;
	return true;
}

/* Keep what is needed to go back from where @move leads. */
static struct explore_level *
explore_keep(uint8_t move)
{
	struct explore_level *const level = &explore.level[explore.depth];

	level->move = move;
	level->private_at = explore.private_used;
	level->undo = model_memory_mark();
	level->switches = (uint8_t)model.switches;
	explore.private_used +=
		model_process_save(explore_mover(move), &explore.private[level->private_at]);
	return level;
}

static void
explore_push(struct explore_level *level, uint64_t hash)
{
	explore.depth++;
	level->hash = hash;
	level->next = 0;
	level->count = (uint8_t)model_moves(level->moves);
}

/* Back to where the move began. */
static void
explore_back(struct explore_level const *level)
{
	model_memory_undo(level->undo);
	model_process_load(explore_mover(level->move), &explore.private[level->private_at]);
	explore.private_used = level->private_at;
	model.switches = level->switches;
}

static void
explore_pop(void)
{
	struct explore_level const *const level = &explore.level[--explore.depth];

	*explore_slot(level->hash) &= ~UINT64_C(1);
	if (explore.depth > 0)
		explore_back(level);
}

static void
explore_clear(void)
{
	if (explore.level == NULL) {
		explore.level =
			mmap(NULL, EXPLORE_DEPTH * sizeof(explore.level[0]), PROT_READ | PROT_WRITE,
		             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		explore.private = mmap(NULL, EXPLORE_PRIVATE, PROT_READ | PROT_WRITE,
		                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	} else {
		munmap(explore.table, (explore.mask + 1) * sizeof(uint64_t));
	}
	explore_table_make(UINT64_C(1) << 16);
	explore.filled = 0;
	explore.private_used = 0;
	explore.depth = 0;
}

static void
explore_step(uint8_t move, struct model_result *result)
{
	struct explore_level *const level = explore_keep(move);
	uint64_t hash;

	model_move(move);
	result->transitions++;
	result->kills += move >> 4 == MODEL_MOVE_KILL;
	hash = explore_hash();
	if (model.violation != NULL) {
		explore_push(level, hash); /* it stays on the path, as its last move */
	} else if (explore_enter(hash)) {
		explore_push(level, hash);
		if (explore.depth > result->depth)
			result->depth = explore.depth;
		if (level->count == 0) {
			result->terminals++;
			model_ghost_terminal();
		}
		if (explore.depth == EXPLORE_DEPTH - 1)
			model_violate("%u steps and no end", EXPLORE_DEPTH);
	} else if (model.violation == NULL) {
		explore_back(level);
	} else {
		explore_push(level, hash);
	}
}

static bool
explore_run(uint64_t states, uint64_t transitions, struct model_result *result)
{
	explore_clear();
	result->transitions = 0;
	result->terminals = 0;
	result->kills = 0;
	(void)explore_enter(explore_hash());
	explore_push(&explore.level[0], explore_hash());
	while (explore.depth > 0 && model.violation == NULL) {
		struct explore_level *const level = &explore.level[explore.depth - 1];

		if (level->next < level->count)
			explore_step(level->moves[level->next++], result);
		else
			explore_pop();
		result->states = explore.filled;
		if (result->states >= states || result->transitions >= transitions)
			break;
	}
	return explore.depth == 0;
}

static uint32_t
explore_schedule(void)
{
	for (uint32_t i = 1; i < explore.depth; i++)
		explore.schedule[i - 1] = explore.level[i].move;
	return explore.depth > 0 ? explore.depth - 1 : 0;
}

static double
explore_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/*
 * Run until nothing is learnt on the way about who uses which word, first with short runs. What is
 * learnt in a run that shows a violation makes its schedule useless: it is found once more.
 */
static uint32_t
explore_settle(uint64_t bound, struct model_result *result)
{
	uint64_t limit = EXPLORE_LEARN;
	uint32_t length;
	bool again;

	do {
		bool learnt, cut;

		model.violation = NULL;
		model.held = false;
		result->complete = explore_run(bound != 0 ? bound : UINT64_MAX, limit, result);
		length = explore_schedule();
		while (explore.depth > 0)
			explore_pop();
		learnt = model_memory_learnt();
		cut = result->transitions >= limit;
		again = learnt || (cut && model.violation == NULL);
		limit = !learnt ? UINT64_MAX : limit < UINT64_MAX / 4 ? 4 * limit : limit;
	} while (again);
	return length;
}

/* Without interruptions first, then with one, and so on, while states are left of @bound. */
static uint32_t
explore_switches(uint64_t bound, struct model_result *result)
{
	uint64_t states = 0;
	uint32_t length = 0;

	model.bounded = true;
	for (unsigned switches = 0; switches <= EXPLORE_SWITCHES && states < bound; switches++) {
		model.switches = switches;
		length = explore_settle(bound - states, result);
		states += result->states;
		if (!result->complete || model.violation != NULL)
			break;
		result->switches = switches + 1;
		if (!model.held)
			break;
	}
	result->complete = result->complete && !model.held;
	model.bounded = false;
	model.switches = 0;
	return length;
}

/*
 * Without a bound: all paths. With one, all paths if half of it is enough; else, with the other
 * half, all paths on which processes are interrupted at most so many times.
 */
bool
model_explore(uint64_t bound, struct model_result *result, const uint8_t **schedule,
              uint32_t *length)
{
	double const begun = explore_now();
	uint64_t states;

	*result = (struct model_result){0};
	*length = explore_settle(bound / 2, result);
	states = result->states;
	if (!result->complete && model.violation == NULL) {
		*length = explore_switches(bound - states, result);
		result->states += states;
	}
	*schedule = explore.schedule;
	result->seconds = explore_now() - begun;
	return model.violation == NULL;
}
