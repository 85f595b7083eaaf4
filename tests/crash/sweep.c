/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "tests/crash/sweep.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SWEEP_SEEN_BITS 22
#define SWEEP_SHOWN_MAX 24 /* words of a violation */
#define SWEEP_STEPS_MAX 200000
#define SWEEP_TOLD_MAX  10 /* violations in full */

static struct actor sweep_victim, sweep_peer, sweep_reaper;
static struct actor_copy sweep_victim_copy, sweep_peer_copy;
static struct world_image sweep_at, sweep_repairing;
static unsigned char *sweep_start, *sweep_last; /* the watched memory */
static uint64_t *sweep_seen;                    /* a set of hashes; 0: free */
static size_t sweep_seen_count;
static unsigned long sweep_told;

/* The run that is under way. */
static struct sweep_case const *sweep_which;
static struct sweep_options const *sweep_options;
static struct sweep_count *sweep_counts;
static unsigned long sweep_step;
static bool sweep_failed;

void
sweep_open(void)
{
	size_t watched, shared;
	void *const base = world_shared(&shared);

	(void)world_watched(&watched);
	world_keep(&scene, sizeof(scene));
	world_image_make(&sweep_at);
	world_image_make(&sweep_repairing);
	actor_protect(base, shared);
	sweep_start = malloc(watched);
	sweep_last = malloc(watched);
	sweep_seen = calloc((size_t)1 << SWEEP_SEEN_BITS, sizeof(sweep_seen[0]));
	if (sweep_start == NULL || sweep_last == NULL || sweep_seen == NULL)
		world_give_up("no memory");
}

void
sweep_arguments(struct sweep_case const *which, char *out, size_t out_bytes)
{
	int const used =
		snprintf(out, out_bytes, "--op %s --state %s --shape %s --era %s", which->op->name,
	                 which->start->name, which->shape->name, which->era->name);

	if (which->peer_op != NULL)
		snprintf(out + used, out_bytes - (size_t)used, " --peer %s:%s@%u",
		         which->peer_op->name, which->peer_start->name, which->phase);
}

/* The words that are not what they were at the start; and what they are @after. */
static void
sweep_show_words(unsigned char const *then, unsigned char const *after)
{
	size_t bytes;
	unsigned shown = 0;

	(void)world_watched(&bytes);
	for (size_t at = 0; at < bytes && shown < SWEEP_SHOWN_MAX; at += 8) {
		uint64_t before, there, repaired;
		char name[96];

		memcpy(&before, sweep_start + at, 8);
		memcpy(&there, then + at, 8);
		memcpy(&repaired, after + at, 8);
		if (before == there && there == repaired)
			continue;
		world_name(at, name, sizeof(name));
		printf("#   %-32s %016jx -> %016jx, in the end %016jx\n", name, (uintmax_t)before,
		       (uintmax_t)there, (uintmax_t)repaired);
		shown++;
	}
}

/* Say what went wrong and how to see it again; the world is as the judgement left it. */
static void
sweep_violation(char const *what, unsigned char const *then)
{
	char arguments[256];
	size_t bytes;

	sweep_counts->violations++;
	sweep_failed = true;
	if (sweep_told++ >= SWEEP_TOLD_MAX)
		return;
	sweep_arguments(sweep_which, arguments, sizeof(arguments));
	printf("# VIOLATION: %s after instruction %lu: %s\n#   again: %s --at %lu\n", what,
	       sweep_step, judge_fault(), arguments, sweep_step);
	sweep_show_words(then, world_watched(&bytes));
	fflush(stdout);
}

static bool
sweep_judged(bool fine, char const *what)
{
	if (!fine)
		/* Shared memory comes first in an image. */
		sweep_violation(what, sweep_at.bytes);
	judge_clear();
	world_restore(&sweep_at);
	return fine;
}

static struct judge_peer
sweep_peer_frozen(void)
{
	return sweep_which->peer_op == NULL ? (struct judge_peer){NULL, NULL}
	                                    : (struct judge_peer){&sweep_peer, &sweep_peer_copy};
}

/* Has this been met before? It is remembered. */
static bool
sweep_known(void)
{
	size_t const mask = ((size_t)1 << SWEEP_SEEN_BITS) - 1;
	size_t bytes, at;
	void const *const shared = world_shared(&bytes);
	uint64_t hash = XXH3_64bits_withSeed(shared, bytes, (uintptr_t)sweep_which->start);

	hash ^= (uint64_t)sweep_which->phase << 1 | 1;
	for (at = hash & mask; sweep_seen[at] != 0; at = (at + 1) & mask) {
		if (sweep_seen[at] == hash)
			return true;
	}
	sweep_seen[at] = hash;
	if (++sweep_seen_count > mask / 4 * 3) {
		/* Rather again than endlessly. */
		memset(sweep_seen, 0, (mask + 1) * sizeof(sweep_seen[0]));
		sweep_seen_count = 0;
	}
	return false;
}

static void
sweep_repair(void *argument)
{
	(void)argument;
	(void)judge_repair();
}

/* The daemon begins again, and knows of the repair what shared memory shows. */
static bool
sweep_repair_again(void)
{
	struct judge_peer const peer = sweep_peer_frozen();
	bool fine;

	world_restore_private(&sweep_at);
	fine = judge_repair() && judge_after(&peer, (sweep_counts->reaper & 1) != 0);
	if (!fine)
		sweep_violation("the reaper died, too,", sweep_repairing.bytes);
	judge_clear();
	world_restore(&sweep_repairing);
	return fine;
}

/* The reaper dies behind each of its writes, and begins again. */
static void
sweep_kill_reaper(void)
{
	bool fine = true;

	judge_expect();
	actor_start(&sweep_reaper, sweep_repair, NULL);
	while (fine) {
		actor_go(&sweep_reaper, ACTOR_WRITE);
		if (sweep_reaper.done)
			break;
		if (sweep_known())
			continue;
		sweep_counts->reaper++;
		world_save(&sweep_repairing);
		fine = sweep_repair_again();
	}
	world_restore(&sweep_at);
}

static void
sweep_kill(void)
{
	struct judge_peer const peer = sweep_peer_frozen();
	bool const both = sweep_options->both_drain;

	sweep_counts->images++;
	if ((both || (sweep_counts->images & 1) != 0) &&
	    !sweep_judged(judge_death(&peer, false), "killed"))
		return;
	if ((both || (sweep_counts->images & 1) == 0) &&
	    !sweep_judged(judge_death(&peer, true), "killed"))
		return;
	if (sweep_options->reaper && !sweep_known())
		sweep_kill_reaper();
}

static void
sweep_freeze(void)
{
	struct judge_peer const peer = sweep_peer_frozen();
	bool fine;

	sweep_counts->frozen++;
	actor_save(&sweep_victim, &sweep_victim_copy);
	fine = judge_frozen(&peer, sweep_counts->held);
	if (fine) {
		actor_go(&sweep_victim, ACTOR_RUN);
		fine = judge_thawed();
	}
	(void)sweep_judged(fine, "frozen");
	actor_restore(&sweep_victim, &sweep_victim_copy);
}

/* After one instruction of the victim. */
static void
sweep_point(void)
{
	size_t bytes;
	void const *const watched = world_watched(&bytes);
	bool const changed = memcmp(sweep_last, watched, bytes) != 0;
	bool const now = sweep_options->at == 0 || sweep_options->at == sweep_step;

	sweep_counts->points++;
	if (!now || (!changed && !sweep_options->freeze && sweep_options->at == 0))
		return;
	world_save(&sweep_at);
	if (changed)
		memcpy(sweep_last, watched, bytes);
	if (changed || sweep_options->at != 0)
		sweep_kill();
	if (sweep_options->freeze && !sweep_failed)
		sweep_freeze();
}

/* The peer, up to the @phase-th image that it makes. Return: false: it makes fewer. */
static bool
sweep_set_peer(void)
{
	size_t bytes;
	void const *const watched = world_watched(&bytes);

	if (!op_set_peer(sweep_which->peer_op, sweep_which->peer_start))
		return false;
	memcpy(sweep_last, watched, bytes);
	actor_start(&sweep_peer, op_body, &scene.peer);
	for (unsigned images = 0; images < sweep_which->phase;) {
		actor_go(&sweep_peer, ACTOR_STEP);
		if (sweep_peer.done)
			return false;
		if (memcmp(sweep_last, watched, bytes) != 0) {
			memcpy(sweep_last, watched, bytes);
			images++;
		}
	}
	actor_save(&sweep_peer, &sweep_peer_copy);
	return true;
}

static void
sweep_instructions(void)
{
	bool waiting = (sweep_which->start->flags & START_WOKEN) != 0;

	for (sweep_step = 1; !sweep_failed; sweep_step++) {
		actor_go(&sweep_victim, ACTOR_STEP);
		if (sweep_victim.done)
			break;
		if (sweep_step > SWEEP_STEPS_MAX)
			world_give_up("an operation does not come to its end");
		if (waiting)
			waiting = !op_interfere();
		sweep_point();
	}
	if (sweep_counts->instructions < sweep_step)
		sweep_counts->instructions = sweep_step;
}

bool
sweep_run(struct sweep_case const *which, struct sweep_options const *options,
          struct sweep_count *count)
{
	struct judge_peer peer;
	size_t bytes;
	void const *const watched = world_watched(&bytes);

	sweep_which = which;
	sweep_options = options;
	sweep_counts = count;
	sweep_failed = false;
	world_make(which->shape, which->era);
	op_set(which->op, which->start);
	if (which->peer_op != NULL && !sweep_set_peer())
		return false;
	peer = sweep_peer_frozen();
	count->cases++;
	memcpy(sweep_start, watched, bytes);
	memcpy(sweep_last, watched, bytes);
	actor_start(&sweep_victim, op_body, &scene.victim);
	sweep_instructions();
	if (sweep_failed || (options->at != 0 && options->at != sweep_step))
		return true;
	world_save(&sweep_at);
	if (sweep_judged(judge_end(&peer), "at its end"))
		sweep_kill();
	return true;
}

/* In a child: the victim, from here to its end. */
static void
sweep_traced(void)
{
	/* The client library has its tables wiped in a child. */
	world_restore_private(&sweep_at);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGSTOP) != 0)
		_exit(1);
	op_body(&scene.victim);
	(void)raise(SIGSTOP);
	_exit(0);
}

/* What the other process knows of the operation, and what the daemon in it has done. */
static void
sweep_pull(pid_t pid)
{
	struct iovec parts[2] = {{&world, sizeof(world)}, {&scene, sizeof(scene)}};

	if (process_vm_readv(pid, parts, 2, parts, 2, 0) !=
	    (ssize_t)(sizeof(world) + sizeof(scene)))
		world_give_up("the victim's memory can't be read");
}

/* Let it make one step. Return: false: it has come to its end. */
static bool
sweep_traced_step(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid ||
	    !WIFSTOPPED(status))
		world_give_up("the victim can't be stepped");
	return WSTOPSIG(status) != SIGSTOP;
}

static void
sweep_traced_point(pid_t pid, bool last)
{
	size_t bytes;
	void const *const watched = world_watched(&bytes);

	sweep_counts->points += !last;
	if (!last && memcmp(sweep_last, watched, bytes) == 0)
		return;
	sweep_pull(pid);
	if (world.daemon_works)
		return; /* the daemon lives on */
	memcpy(sweep_last, watched, bytes);
	world_save(&sweep_at);
	sweep_kill();
}

bool
sweep_run_traced(struct sweep_case const *which, struct sweep_options const *options,
                 struct sweep_count *count)
{
	unsigned const not_here = START_WOKEN | START_REDO;
	size_t bytes;
	void const *const watched = world_watched(&bytes);
	int status;
	pid_t pid;

	if (which->peer_op != NULL || (which->start->flags & not_here) != 0)
		return false;
	sweep_which = which;
	sweep_options = options;
	sweep_counts = count;
	sweep_failed = false;
	world_make(which->shape, which->era);
	op_set(which->op, which->start);
	world_save(&sweep_at);
	count->cases++;
	memcpy(sweep_start, watched, bytes);
	memcpy(sweep_last, watched, bytes);
	pid = fork();
	if (pid == 0)
		sweep_traced();
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_EXITKILL) != 0)
		world_give_up("the victim can't be traced");
	for (sweep_step = 1; !sweep_failed && sweep_traced_step(pid); sweep_step++)
		sweep_traced_point(pid, false);
	if (!sweep_failed)
		sweep_traced_point(pid, true);
	if (count->instructions < sweep_step)
		count->instructions = sweep_step;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	return true;
}
