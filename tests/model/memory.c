/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * The shared words. Each change is kept for undo, and the hash of them all follows it: a sum over
 * the words, so that one change costs two terms.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/model/hook.h"
#include "tests/model/model.h"

#define MEMORY_BYTES (UINT32_C(1) << 17)
#define MEMORY_WORDS (MEMORY_BYTES / 8)
#define MEMORY_UNDO  (UINT32_C(1) << 22)

struct memory_change {
	uint32_t word;
	uint64_t old;
};

/* What is known about a word from all paths so far. */
struct memory_use {
	uint8_t users; /* one bit a process */
	bool changes;
};

static struct {
	uint64_t *base;
	uint32_t used;                    /* bytes */
	uint32_t state_first, state_last; /* the clients' counters: no part of any protocol */
	uint64_t hash;
	struct memory_change *undo;
	uint32_t undos;
	struct memory_use use[MEMORY_WORDS];
	bool learnt;
	bool forced; /* what is shared is known: a replay */
} memory;

struct model model;

static uint64_t
memory_mix(uint64_t v)
{
	v ^= v >> 32;
	v *= UINT64_C(0xd6e8feb86659fd93);
	v ^= v >> 32;
	v *= UINT64_C(0xd6e8feb86659fd93);
	return v ^ v >> 32;
}

static uint64_t
memory_term(uint32_t word, uint64_t v)
{
	return memory_mix(memory_mix(v + UINT64_C(0x9e3779b97f4a7c15)) +
	                  word * UINT64_C(0xa0761d6478bd642f));
}

void
model_memory_make(void)
{
	memory.base = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                   -1, 0);
	memory.undo = mmap(NULL, MEMORY_UNDO * sizeof(memory.undo[0]), PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory.base == MAP_FAILED || memory.undo == MAP_FAILED)
		abort();
	model.ghost = (struct model_ghost *)memory.base;
	memory.used = (sizeof(struct model_ghost) + 4095) & ~UINT32_C(4095);
}

/* Segments of a realm, one after the other. */
void
model_memory_place(struct tsr_map *map, uint64_t const *bytes)
{
	for (uint32_t i = 0; i < map->segments_count; i++) {
		map->segment[i].base = (unsigned char *)memory.base + memory.used;
		map->segment[i].bytes = bytes[i];
		memory.used += (uint32_t)((bytes[i] + 4095) & ~UINT64_C(4095));
		if (memory.used > MEMORY_BYTES)
			abort();
	}
	memory.state_first = model_memory_word(map->segment[TSR_SEGMENT_STATE].base);
	memory.state_last =
		memory.state_first + (uint32_t)(bytes[TSR_SEGMENT_STATE] / sizeof(uint64_t));
}

/* All is set up: hash what stands there. */
void
model_memory_settle(void)
{
	memory.hash = 0;
	memory.undos = 0;
	for (uint32_t i = 0; i < memory.used / 8; i++)
		memory.hash += memory_term(i, memory.base[i]);
}

uint64_t
model_memory_hash(void)
{
	return memory.hash;
}

uint32_t
model_memory_mark(void)
{
	return memory.undos;
}

static void
memory_write(uint32_t word, uint64_t v)
{
	uint64_t const old = memory.base[word];

	if (old == v)
		return;
	if (memory.undos == MEMORY_UNDO)
		abort();
	memory.undo[memory.undos++] = (struct memory_change){.word = word, .old = old};
	memory.hash += memory_term(word, v) - memory_term(word, old);
	memory.base[word] = v;
}

void
model_memory_undo(uint32_t mark)
{
	while (memory.undos > mark) {
		struct memory_change const *const change = &memory.undo[--memory.undos];

		memory.hash += memory_term(change->word, change->old) -
		               memory_term(change->word, memory.base[change->word]);
		memory.base[change->word] = change->old;
	}
}

void
model_set(uint64_t *ghost_word, uint64_t v)
{
	memory_write(model_memory_word(ghost_word), v);
}

uint64_t
model_memory_look(uint32_t word)
{
	return memory.base[word];
}

uint32_t
model_memory_word(void const *p)
{
	return (uint32_t)(((uintptr_t)p - (uintptr_t)memory.base) / 8);
}

bool
model_memory_learnt(void)
{
	bool const learnt = memory.learnt;

	memory.learnt = false;
	return learnt;
}

/* An access that the scheduler need not see: nobody else uses the word, or nothing changes it. */
bool
model_memory_local(uint32_t word)
{
	struct memory_use const *const use = &memory.use[word];

	return !use->changes || (use->users & (use->users - 1)) == 0;
}

static bool
memory_use(uint32_t word, bool changes)
{
	struct memory_use *const use = &memory.use[word];
	bool const was_local = model_memory_local(word);

	if (memory.forced)
		return was_local;
	use->users |= (uint8_t)(1U << model.current->number);
	use->changes = use->changes || changes;
	if (model_memory_local(word))
		return true;
	if (was_local)
		memory.learnt = true;
	return false;
}

/* The words that are shared, as distances, for a schedule. */
void
model_memory_classes(void)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i < memory.used / 8; i++) {
		if (model_memory_local(i))
			continue;
		printf("%s%x", last == 0 ? "" : ".", i - last);
		last = i;
	}
	printf("/");
}

/* Take them as a schedule says. Return: its moves; NULL: it is none. */
const char *
model_memory_force(const char *schedule)
{
	uint32_t word = 0;

	memset(memory.use, 0, sizeof(memory.use));
	memory.forced = true;
	while (*schedule != '\0' && *schedule != '/') {
		char *end;

		word += (uint32_t)strtoul(schedule, &end, 16);
		if (end == schedule || word >= MEMORY_WORDS)
			return NULL;
		memory.use[word] = (struct memory_use){.users = 3, .changes = true};
		schedule = *end == '.' ? end + 1 : end;
	}
	return *schedule == '/' ? schedule + 1 : NULL;
}

static bool
memory_is_ours(void const *p)
{
	return (uintptr_t)p - (uintptr_t)memory.base < MEMORY_BYTES;
}

static bool
memory_is_counter(uint32_t word)
{
	return word >= memory.state_first && word < memory.state_last;
}

static void
memory_perform(struct model_process const *p, uint32_t word, uint64_t v)
{
	uint64_t const old = memory.base[word];

	memory_write(word, v);
	model_ghost_wrote(p->leader->number, word, old, v);
}

static bool
memory_buffer_find(struct model_private const *now, uint32_t word, uint64_t *v)
{
	for (uint32_t i = now->buffered; i > 0; i--) {
		if (now->buffer_word[i - 1] == word) {
			*v = now->buffer_value[i - 1];
			return true;
		}
	}
	return false;
}

/* Which of the stores may arrive next? */
bool
model_memory_may_drain(struct model_process const *p, unsigned i)
{
	struct model_private const *const now = &p->now;

	if (i >= now->buffered || now->buffer_epoch[i] != now->buffer_epoch[0] ||
	    (i > 0 && now->buffer_last[i] != 0))
		return false;
	for (unsigned k = 0; k < i; k++) {
		if (now->buffer_word[k] == now->buffer_word[i])
			return false;
	}
	return true;
}

void
model_memory_drain(struct model_process *p, unsigned i)
{
	struct model_private *const now = &p->now;
	uint32_t const word = now->buffer_word[i];
	uint64_t const v = now->buffer_value[i];

	now->buffered--;
	for (; i < now->buffered; i++) {
		now->buffer_word[i] = now->buffer_word[i + 1];
		now->buffer_value[i] = now->buffer_value[i + 1];
		now->buffer_epoch[i] = now->buffer_epoch[i + 1];
		now->buffer_last[i] = now->buffer_last[i + 1];
	}
	now->buffer_word[i] = 0;
	now->buffer_value[i] = 0;
	now->buffer_epoch[i] = 0;
	now->buffer_last[i] = 0;
	if (i == 0)
		now->epoch = 0;
	memory_perform(p, word, v);
}

uint64_t
model_load(_Atomic uint64_t const *p)
{
	const void *const site = __builtin_return_address(0);
	uint64_t const *const plain = (uint64_t const *)(uintptr_t)p;
	uint32_t word;
	uint64_t v;

	if (model.current == NULL || !memory_is_ours(p))
		return *plain;
	word = model_memory_word(p);
	if (memory_is_counter(word))
		return 0;
	if (memory_use(word, false)) {
		v = memory.base[word];
	} else if (!memory_buffer_find(&model.current->now, word, &v)) {
		model_yield(MODEL_LOAD, word, 0, site);
		v = memory.base[word];
	}
	if (model.tracing)
		model_trace_access("load", word, v, site);
	return v;
}

static void
memory_count(uint32_t word)
{
	uint32_t const at = (word - memory.state_first) % (sizeof(struct tsr_state) / 8);

	if (at == offsetof(struct tsr_state, refused) / 8)
		model_violate("process %u met a word that cannot be", model.current->number);
	else if (at == offsetof(struct tsr_state, missed_wakes) / 8)
		model_violate("process %u missed a wake-up", model.current->number);
}

static void
memory_buffer(uint32_t word, uint64_t v, bool release, const void *site)
{
	struct model_private *const now = &model.current->now;

	/* Nobody else sees it yet, but a membarrier of theirs comes before it or after it. */
	model_yield(MODEL_BUFFERED, word, v, site);
	now->buffer_word[now->buffered] = word;
	now->buffer_value[now->buffered] = v;
	now->buffer_epoch[now->buffered] = now->epoch;
	now->buffer_last[now->buffered++] = release && model.scenario->pso;
}

void
model_store(_Atomic uint64_t *p, uint64_t v, bool release)
{
	const void *const site = __builtin_return_address(0);
	uint32_t word;

	if (model.current == NULL || !memory_is_ours(p)) {
		*(uint64_t *)(uintptr_t)p = v;
		return;
	}
	word = model_memory_word(p);
	if (memory_is_counter(word)) {
		memory_count(word);
		return;
	}
	if (memory_use(word, v != memory.base[word])) {
		memory_perform(model.current, word, v);
	} else if (model.tso) {
		memory_buffer(word, v, release, site);
	} else {
		model_yield(MODEL_STORE, word, v, site);
		memory_perform(model.current, word, v);
	}
	if (model.tracing)
		model_trace_access(model.tso ? "store, buffered" : "store", word, v, site);
}

/* Before a locked instruction: the word, once it is our turn and our buffer is empty. */
static uint64_t
memory_lock(uint32_t word, uint64_t v, const void *site)
{
	bool const local = memory_use(word, v != memory.base[word]);

	if (!local || model.current->now.buffered > 0)
		model_yield(MODEL_UPDATE, word, v, site);
	return memory.base[word];
}

static uint64_t
memory_update(const char *what, uint32_t word, uint64_t v, const void *site)
{
	uint64_t const old = memory.base[word];

	(void)memory_use(word, v != old);
	memory_perform(model.current, word, v);
	if (model.tracing)
		model_trace_access(what, word, v, site);
	return old;
}

#define MEMORY_UPDATE(what, expression)                                               \
	do {                                                                          \
		const void *const site = __builtin_return_address(0);                 \
		uint64_t *const plain = (uint64_t *)(uintptr_t)p;                     \
		uint64_t old = *plain;                                                \
		if (model.current == NULL || !memory_is_ours(p)) {                    \
			*plain = (expression);                                        \
			return old;                                                   \
		}                                                                     \
		old = memory_lock(model_memory_word(p), (expression), site);          \
		return memory_update(what, model_memory_word(p), (expression), site); \
	} while (0)

uint64_t
model_exchange(_Atomic uint64_t *p, uint64_t v)
{
	MEMORY_UPDATE("exchange", v);
}

uint64_t
model_or(_Atomic uint64_t *p, uint64_t v)
{
	MEMORY_UPDATE("or", old | v);
}

uint64_t
model_and(_Atomic uint64_t *p, uint64_t v)
{
	MEMORY_UPDATE("and", old & v);
}

uint64_t
model_add(_Atomic uint64_t *p, uint64_t v)
{
	MEMORY_UPDATE("add", old + v);
}

bool
model_cas(_Atomic uint64_t *p, uint64_t *seen, uint64_t v)
{
	const void *const site = __builtin_return_address(0);
	uint64_t *const plain = (uint64_t *)(uintptr_t)p;
	uint64_t found = *plain;
	bool const expected = found == *seen;

	if (model.current != NULL && memory_is_ours(p))
		found = memory_lock(model_memory_word(p), expected ? v : found, site);
	if (found != *seen) {
		*seen = found;
		if (model.tracing && model.current != NULL)
			model_trace_access("cas fails", model_memory_word(p), found, site);
		return false;
	}
	if (model.current != NULL && memory_is_ours(p))
		(void)memory_update("cas", model_memory_word(p), v, site);
	else
		*plain = v;
	return true;
}

void
model_fence(void)
{
	if (model.current != NULL && model.current->now.buffered > 0)
		model_yield(MODEL_FENCE, 0, 0, __builtin_return_address(0));
}

/* What is stored from here on arrives after what was stored before. */
void
model_fence_release(void)
{
	if (model.current != NULL && model.scenario->pso && model.current->now.buffered > 0)
		model.current->now.epoch++;
}
