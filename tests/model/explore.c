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

#define EXPLORE_DEPTH   (UINT32_C(1) << 16)
#define EXPLORE_PRIVATE (UINT64_C(1) << 30)
#define EXPLORE_LEARN   20000 /* transitions of the first run, while it learns */
#define EXPLORE_MOVES   32

/* A state on the path, and how to go back to the one before. */
struct explore_level {
	uint64_t hash;
	uint64_t private_at; /* of the process that moved, as it was */
	uint32_t undo;
	uint8_t moves[EXPLORE_MOVES];
	uint8_t count, next;
	uint8_t move; /* that led here */
};

static struct {
	struct explore_level *level;
	uint32_t depth;
	unsigned char *private;
	uint64_t private_used;
	uint64_t *table; /* 0 empty; bit 0: on the path */
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

/* All moves of a state, those of the process that moved last first: fewer changes in a trace. */
unsigned
model_moves(uint8_t *moves, uint8_t last)
{
	unsigned count = 0;
	unsigned const first = last & 15U;

	for (unsigned i = 0; i < model.processes; i++)
		count += explore_moves_of(&model.process[(first + i) % model.processes],
		                          &moves[count]);
	count += explore_events(&moves[count]);
	for (unsigned i = 0; i < model.processes; i++) {
		if (model.ghost->status[i] != MODEL_ABSENT && model.ghost->status[i] < MODEL_DONE &&
		    explore_mortal(&model.process[i]))
			moves[count++] = MODEL_MOVE(MODEL_MOVE_KILL, i);
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

static void
explore_kill(struct model_process *p)
{
	if (model.tracing)
		model_trace_note(p->number, "dies");
	while (p->now.buffered > 0)
		model_memory_drain(p);
	if (p->number == 0) {
		model_set(&model.ghost->reaper_kills, model.ghost->reaper_kills - 1);
		model_daemon_restart();
		return;
	}
	model_set(&model.ghost->kills, model.ghost->kills - 1);
	model_set(&model.ghost->status[p->number], MODEL_DEAD);
	model_set(&model.ghost->asleep_on[p->number], 0);
	model_ghost_died(p);
	model_process_forget(p);
	model_process_rehash(p);
}

void
model_move(uint8_t move)
{
	struct model_process *const p = explore_mover(move);

	switch ((enum model_move)(move >> 4)) {
	case MODEL_MOVE_DRAIN:
		if (model.tracing)
			model_trace_access("drains", p->now.buffer_word[0], p->now.buffer_value[0],
			                   NULL);
		model_memory_drain(p);
		model_process_rehash(p);
		return;
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
	return (XXH3_64bits(parts, sizeof(parts)) & ~UINT64_C(1)) | 2;
}

static uint64_t *
explore_slot(uint64_t hash)
{
	uint64_t i = hash >> 2 & explore.mask;

	while (explore.table[i] != 0 && (explore.table[i] & ~UINT64_C(1)) != hash)
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
			*explore_slot(old[i] & ~UINT64_C(1)) = old[i];
	}
	munmap(old, entries * sizeof(uint64_t));
}

/* Is the state new? Then it is entered, as one on the path. */
static bool
explore_enter(uint64_t hash)
{
	uint64_t *slot = explore_slot(hash);

	if (*slot != 0) {
		if ((*slot & 1) != 0)
			model_violate("the same state comes again: somebody goes round for ever");
		return false;
	}
	if (++explore.filled > explore.mask / 4 * 3) {
		explore_table_grow();
		slot = explore_slot(hash);
	}
	*slot = hash | 1;
	return true;
}

static void
explore_push(uint64_t hash, uint8_t move, uint64_t private_at, uint32_t undo)
{
	struct explore_level *const level = &explore.level[explore.depth++];

	level->hash = hash;
	level->move = move;
	level->private_at = private_at;
	level->undo = undo;
	level->next = 0;
	level->count = (uint8_t)model_moves(level->moves, move);
}

/* Back to where the move began. */
static void
explore_back(uint8_t move, uint64_t private_at, uint32_t undo)
{
	model_memory_undo(undo);
	model_process_load(explore_mover(move), &explore.private[private_at]);
	explore.private_used = private_at;
}

static void
explore_pop(void)
{
	struct explore_level const *const level = &explore.level[--explore.depth];

	*explore_slot(level->hash) = level->hash;
	if (explore.depth > 0)
		explore_back(level->move, level->private_at, level->undo);
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
explore_step(struct explore_level *level, struct model_result *result)
{
	uint8_t const move = level->moves[level->next++];
	uint64_t const private_at = explore.private_used;
	uint32_t const undo = model_memory_mark();
	uint64_t hash;

	explore.private_used +=
		model_process_save(explore_mover(move), &explore.private[private_at]);
	model_move(move);
	result->transitions++;
	result->kills += move >> 4 == MODEL_MOVE_KILL;
	hash = explore_hash();
	if (model.violation == NULL && explore_enter(hash)) {
		result->states++;
		explore_push(hash, move, private_at, undo);
		if (explore.depth > result->depth)
			result->depth = explore.depth;
		if (explore.level[explore.depth - 1].count == 0) {
			result->terminals++;
			model_ghost_terminal();
		}
		if (explore.depth == EXPLORE_DEPTH - 1)
			model_violate("%u steps and no end", EXPLORE_DEPTH);
	} else if (model.violation == NULL) {
		explore_back(move, private_at, undo);
	} else {
		/* It stays on the path, as its last move. */
		explore_push(hash, move, private_at, undo);
	}
}

static bool
explore_run(uint64_t states, uint64_t transitions, struct model_result *result)
{
	explore_clear();
	result->states = 1;
	result->transitions = 0;
	result->terminals = 0;
	result->kills = 0;
	(void)explore_enter(explore_hash());
	explore_push(explore_hash(), 0, 0, 0);
	while (explore.depth > 0 && model.violation == NULL) {
		struct explore_level *const level = &explore.level[explore.depth - 1];

		if (level->next < level->count)
			explore_step(level, result);
		else
			explore_pop();
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
bool
model_explore(uint64_t bound, struct model_result *result, const uint8_t **schedule,
              uint32_t *length)
{
	double const begun = explore_now();
	uint64_t limit = EXPLORE_LEARN;
	bool again;

	*result = (struct model_result){0};
	do {
		bool learnt, cut;

		model.violation = NULL;
		result->runs++;
		result->complete = explore_run(bound != 0 ? bound : UINT64_MAX, limit, result);
		*length = explore_schedule();
		*schedule = explore.schedule;
		while (explore.depth > 0)
			explore_pop();
		learnt = model_memory_learnt();
		cut = result->transitions >= limit;
		again = learnt || (cut && model.violation == NULL);
		limit = !learnt ? UINT64_MAX : limit < UINT64_MAX / 4 ? 4 * limit : limit;
	} while (again);
	result->seconds = explore_now() - begun;
	return model.violation == NULL;
}
