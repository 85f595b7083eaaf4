/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/shape.h"

#include <string.h>

#include "apps/units.h"
#include "shm/compiler.h"
#include "shm/kind.h"

enum {
	SHAPE_ONE_SENDER = 0x800,
	SHAPE_ONE_RECEIVER,
	SHAPE_ON_FULL,
	SHAPE_ON_DEATH,
};

static const struct argp_option shape_options[] = {
	{"kind", 'k', "KIND", 0,
         "buffered (default), rendezvous, unlimited, conflated or broadcast", 1},
	{"capacity", 'n', "SLOTS", 0, "A power of two, from 2 on (default: 1024 if buffered)", 1},
	{"one-sender", SHAPE_ONE_SENDER, NULL, 0, "Only one sender at a time: faster", 1},
	{"one-receiver", SHAPE_ONE_RECEIVER, NULL, 0, "Only one receiver at a time: faster", 1},
	{"on-full", SHAPE_ON_FULL, "WHAT", 0,
         "wait (default), drop-newest or drop-oldest; broadcast: wait, evict or lap", 1},
	{"on-death", SHAPE_ON_DEATH, "WHAT", 0,
         "What a receiver that dies had not released: drop (default) or requeue", 1},
	{NULL, 0, NULL, 0, NULL, 0},
};

/* What --on-full and --on-death may say, and the flag that it means. */
struct shape_word {
	const char *word;
	uint32_t flag;
};

static const struct shape_word shape_on_full[] = {
	{"wait", 0},
	{"drop-newest", TSR_CHANNEL_DROP_NEWEST},
	{"drop-oldest", TSR_CHANNEL_DROP_OLDEST},
	{"evict", TSR_CHANNEL_EVICT},
	{"lap", TSR_CHANNEL_LAP},
	{NULL, 0},
};

static const struct shape_word shape_on_death[] = {
	{"drop", 0},
	{"requeue", TSR_CHANNEL_REQUEUE},
	{NULL, 0},
};

/* Set the flag that @arg means among @words, and clear the others of them. */
static void
shape_word(struct tsr_shape_options *shape, const struct shape_word *words, const char *option,
           const char *arg, struct argp_state *state)
{
	const struct shape_word *word = words;

	while (word->word != NULL && strcmp(word->word, arg) != 0)
		word++;
	if (word->word == NULL)
		argp_error(state, "--%s takes one of the words that --help names, not '%s'", option,
		           arg);
	for (const struct shape_word *other = words; other->word != NULL; other++)
		shape->options.flags &= ~other->flag;
	shape->options.flags |= word->flag;
	shape->said = true;
}

static error_t
shape_parse(int key, char *arg, struct argp_state *state)
{
	struct tsr_shape_options *const shape = state->input;
	uint64_t capacity = 0;

	switch (key) {
	case ARGP_KEY_INIT:
		shape->options.size = sizeof(shape->options);
		return 0;
	case 'n':
		shape->said = true;
		if (tsr_count_parse(arg, TSR_SLOTS_MIN, TSR_SLOTS_MAX, &capacity) != 0 ||
		    !tsr_is_power_of_two(capacity))
			argp_error(state, "--capacity takes a power of two from %u to %u, not '%s'",
			           TSR_SLOTS_MIN, TSR_SLOTS_MAX, arg);
		shape->options.capacity = (uint32_t)capacity;
		return 0;
	case 'k':
		shape->said = true;
		shape->options.kind = tsr_kind_find(arg);
		if (shape->options.kind == 0)
			argp_error(state,
			           "--kind takes buffered, rendezvous, unlimited, conflated or "
			           "broadcast, not '%s'",
			           arg);
		return 0;
	case SHAPE_ON_FULL:
		shape_word(shape, shape_on_full, "on-full", arg, state);
		return 0;
	case SHAPE_ON_DEATH:
		shape_word(shape, shape_on_death, "on-death", arg, state);
		return 0;
	case SHAPE_ONE_SENDER:
		shape->said = true;
		shape->options.flags |= TSR_CHANNEL_ONE_SENDER;
		return 0;
	case SHAPE_ONE_RECEIVER:
		shape->said = true;
		shape->options.flags |= TSR_CHANNEL_ONE_RECEIVER;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp tsr_shape_argp = {.options = shape_options, .parser = shape_parse};
