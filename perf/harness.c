/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * Ordering	[M1] a side tells that it has arrived; [M2] the other sees it, and with it what the
 *		first wrote before: command, script, samples.
 */

#include "perf/harness.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf/flow.h"

#define HARNESS_SPIN_NS     UINT64_C(50000)
#define HARNESS_SLICE_NS    UINT64_C(100000000)
#define HARNESS_REST_MIN_NS UINT64_C(50000000)
#define HARNESS_WATCH_NS    UINT64_C(250000000) /* between probes, while waiting for a class */
#define HARNESS_RT_PRIORITY 50
#define HARNESS_HUGE_BYTES  (UINT64_C(2) << 20)

/* What one process knows: its sides of all benchmarks, and the child if it is the parent. */
struct harness {
	struct tsr_perf_plan *plan;
	const struct tsr_perf_limits *limits;
	struct tsr_perf_side side; /* for meetings and probes */
	struct tsr_perf_side sides[TSR_PERF_BENCHES];
	pid_t child;
};

int
tsr_perf_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : -errno;
}

int
tsr_perf_realtime(bool on)
{
	struct sched_param param = {.sched_priority = on ? HARNESS_RT_PRIORITY : 0};

	return sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &param) == 0 ? 0 : -errno;
}

void *
tsr_perf_map(size_t bytes, const char *backing)
{
	bool huge = strcmp(backing, "2M") == 0;
	int flags = MAP_SHARED | MAP_ANONYMOUS | (huge ? MAP_HUGETLB : 0);
	size_t rounded = (bytes + HARNESS_HUGE_BYTES - 1) & ~(HARNESS_HUGE_BYTES - 1);
	void *memory = mmap(NULL, rounded, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (!huge)
		(void)madvise(memory, rounded,
		              strcmp(backing, "thp") == 0 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(memory, 0, rounded);
	return memory;
}

int
tsr_perf_fail(struct tsr_perf_side *side, int error, const char *format, ...)
{
	va_list args;

	if (tsr_xchg_sc(&side->world->failed.word, (uint64_t)-error) != 0)
		return error;
	va_start(args, format);
	(void)vsnprintf(side->world->message, sizeof(side->world->message), format, args);
	va_end(args);
	return error;
}

/* Is the other side still there? The child dies with its parent, so only the parent asks. */
static bool
harness_child_is_gone(pid_t child)
{
	siginfo_t info = {0};

	if (child <= 0)
		return false;
	return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	       info.si_pid != 0;
}

static pid_t harness_child;       /* of side 0; 0 in the child itself */
static uint64_t harness_meetings; /* of this process in this run */

static int
harness_sleep_until(struct tsr_perf_side *side, _Atomic uint64_t *other, uint64_t n)
{
	uint64_t give_up = tsr_perf_monotonic_ns() + TSR_PERF_PATIENCE_NS;
	uint64_t seen;
	int error = 0;

	(void)tsr_xchg_sc(&side->world->asleep[side->index].word, 1);
	while ((seen = tsr_ld_acq(other)) <
	       n) { /* [M2] pairs with [M1]: all that was written before */
		uint64_t now = tsr_perf_monotonic_ns();

		if (side->index == 0 && (harness_child_is_gone(harness_child) || now > give_up)) {
			error = -ECHILD;
			break;
		}
		(void)tsr_futex_wait(other, seen, now + HARNESS_SLICE_NS);
	}
	(void)tsr_xchg_sc(&side->world->asleep[side->index].word, 0);
	return error;
}

int
tsr_perf_meet(struct tsr_perf_side *side)
{
	_Atomic uint64_t *mine = &side->world->arrived[side->index].word;
	_Atomic uint64_t *other = &side->world->arrived[1 - side->index].word;
	uint64_t n = ++harness_meetings;
	uint64_t limit = tsr_perf_ticks() + tsr_perf_ns_ticks(HARNESS_SPIN_NS);

	(void)tsr_xchg_sc(mine, n); /* [M1] pairs with [M2]: all that was written before */
	if (tsr_ld_rlx(&side->world->asleep[1 - side->index].word) != 0)
		(void)tsr_futex_wake(mine);
	do {
		if (tsr_ld_acq(other) >= n) /* [M2] pairs with [M1]: all that was written before */
			return 0;
	} while (tsr_perf_ticks() < limit);
	return harness_sleep_until(side, other, n);
}

/* Twice: the first may sleep, so that the second lets both sides go at the same moment. */
static int
harness_line_up(struct tsr_perf_side *side)
{
	int error = tsr_perf_meet(side);

	return error != 0 ? error : tsr_perf_meet(side);
}

static void
harness_priority(struct tsr_perf_side *side, bool on)
{
	if (tsr_perf_realtime(on) != 0 && on)
		side->world->refused = true;
}

static int
harness_probe(struct harness *h, int which)
{
	struct tsr_perf_world *world = h->side.world;
	int error;
	double ns;

	if (!world->probed)
		return 0;
	if (world->calm)
		harness_priority(&h->side, true);
	error = harness_line_up(&h->side);
	if (error != 0)
		return error;
	ns = tsr_perf_probe(&h->side);
	if (h->side.index == 0)
		world->probe_ns[which] = ns;
	if (world->calm)
		harness_priority(&h->side, false);
	return 0;
}

static int
harness_step(struct harness *h, size_t step)
{
	struct tsr_perf_world *world = h->side.world;
	struct tsr_perf_side *side = &h->sides[world->steps[step]];
	struct tsr_perf_sample sample = {0};
	int error;

	if (h->side.index == 0)
		tsr_st_rlx(&world->total.word, TSR_PERF_UNTOLD);
	error = harness_line_up(&h->side);
	if (error != 0)
		return error;
	error = side->bench->run(side, &sample);
	if (error != 0)
		(void)tsr_perf_fail(&h->side, error, "%s: %s", side->bench->name, strerror(-error));
	world->samples[h->side.index][step] = sample;
	return tsr_perf_meet(&h->side);
}

/* Both sides play the same script. */
static int
harness_burst(struct harness *h)
{
	struct tsr_perf_world *world = h->side.world;
	int error;

	if (!world->calm)
		harness_priority(&h->side, true);
	error = harness_probe(h, 0);
	for (size_t step = 0; step < world->step_count && error == 0; step++)
		error = harness_step(h, step);
	if (error == 0)
		error = harness_probe(h, 1);
	if (!world->calm)
		harness_priority(&h->side, false);
	return error;
}

static void
harness_open(struct harness *h, size_t bench)
{
	struct tsr_perf_side *side = &h->sides[bench];
	int error = side->bench->open != NULL ? side->bench->open(side) : 0;

	if (error != 0)
		(void)tsr_perf_fail(&h->side, error, "%s: set-up: %s", side->bench->name,
		                    strerror(-error));
}

static void
harness_close(struct harness *h, size_t bench)
{
	struct tsr_perf_side *side = &h->sides[bench];

	if (side->bench->close != NULL)
		side->bench->close(side);
}

/* What side 1 does from fork to exit. */
static int
harness_serve(struct harness *h)
{
	struct tsr_perf_world *world = h->side.world;

	for (;;) {
		int error = tsr_perf_meet(&h->side);

		if (error != 0)
			return error;
		if (world->command == TSR_PERF_QUIT)
			return 0;
		if (world->command == TSR_PERF_OPEN)
			harness_open(h, world->steps[0]);
		else if (world->command == TSR_PERF_CLOSE)
			harness_close(h, world->steps[0]);
		else
			error = harness_burst(h);
		if (error == 0)
			error = tsr_perf_meet(&h->side);
		if (error != 0)
			return error;
	}
}

/* Side 0 gives a command; side 1 obeys. */
static int
harness_command(struct harness *h, enum tsr_perf_command command, size_t bench)
{
	struct tsr_perf_world *world = h->side.world;
	int error;

	world->command = command;
	if (command == TSR_PERF_OPEN || command == TSR_PERF_CLOSE)
		world->steps[0] = bench;
	error = tsr_perf_meet(&h->side);
	if (error != 0 || command == TSR_PERF_QUIT)
		return error;
	if (command == TSR_PERF_BURST)
		error = harness_burst(h);
	if (error == 0)
		error = tsr_perf_meet(&h->side);
	if (error == 0 && tsr_ld_rlx(&world->failed.word) != 0)
		error = -(int)tsr_ld_rlx(&world->failed.word);
	return error;
}

static void
harness_keep(struct tsr_perf_pair *pair, struct tsr_perf_result *result,
             const struct tsr_perf_world *world)
{
	for (size_t step = 0; step < TSR_PERF_STEPS; step++) {
		const struct tsr_perf_sample *a = &world->samples[0][step];
		const struct tsr_perf_sample *b = &world->samples[1][step];

		result->lost += a->lost + b->lost;
		result->messages[step] += a->messages + b->messages;
		result->empty[step] += a->empty + b->empty;
		result->full[step] += a->full + b->full;
		for (size_t m = 0; m < pair->metric_count; m++)
			result->value[step][m][result->runs] = a->value[m] + b->value[m];
		for (size_t q = 0; q < TSR_PERF_QUANTILES; q++)
			result->quantile_ns[step][q][result->runs] =
				a->quantile_ns[q] + b->quantile_ns[q];
	}
	result->runs++;
}

/* The class of the last burst; TSR_PERF_CLASSES if its two probes do not agree. */
static enum tsr_perf_class
harness_class(const struct tsr_perf_world *world)
{
	enum tsr_perf_class before = tsr_perf_classify(world->probe_ns[0]);
	enum tsr_perf_class after = tsr_perf_classify(world->probe_ns[1]);

	if (!world->probed)
		return TSR_PERF_ONE_CORE;
	return before == after ? before : TSR_PERF_CLASSES;
}

static void
harness_rest(uint64_t ns)
{
	struct timespec rest = {.tv_sec = (time_t)(ns / TSR_PERF_NS_PER_SECOND),
	                        .tv_nsec = (long)(ns % TSR_PERF_NS_PER_SECOND)};

	(void)nanosleep(&rest, NULL);
}

static bool
harness_pair_is_full(const struct harness *h, const struct tsr_perf_pair *pair,
                     enum tsr_perf_class class)
{
	return class < TSR_PERF_CLASSES && pair->results[class].runs >= h->limits->runs;
}

/* Does this pair still want runs, in a class that may yet come? */
static bool
harness_pair_is_done(const struct harness *h, const struct tsr_perf_pair *pair)
{
	bool near = harness_pair_is_full(h, pair, TSR_PERF_NEAR);
	bool far = harness_pair_is_full(h, pair, TSR_PERF_FAR);

	if (pair->one_core)
		return harness_pair_is_full(h, pair, TSR_PERF_ONE_CORE);
	return h->limits->any_class ? near || far : near && far;
}

/* One repetition of one pair, or only a look at the class. */
static int
harness_repeat(struct harness *h, struct tsr_perf_pair *pair, bool look_only)
{
	struct tsr_perf_world *world = h->side.world;
	uint64_t start = tsr_perf_monotonic_ns();
	enum tsr_perf_class class;
	uint64_t took;
	int error;

	world->steps[0] = pair->ours;
	world->steps[1] = pair->baseline;
	world->step_count = look_only ? 0 : TSR_PERF_STEPS;
	world->probed = !pair->one_core;
	world->calm = pair->calm;
	memset(world->samples, 0, sizeof(world->samples));
	error = harness_command(h, TSR_PERF_BURST, 0);
	if (error != 0)
		return error;
	class = harness_class(world);
	if (!look_only && class == TSR_PERF_CLASSES)
		h->plan->discarded++;
	else if (!look_only && pair->warm > 0)
		pair->warm--;
	else if (!look_only && !harness_pair_is_full(h, pair, class))
		harness_keep(pair, &pair->results[class], world);
	took = tsr_perf_monotonic_ns() - start;
	harness_rest(took > HARNESS_REST_MIN_NS ? took : HARNESS_REST_MIN_NS);
	return 0;
}

/* Do we know of a class that this pair has its fill of, and is it the one that reigns? */
static bool
harness_only_looks(const struct harness *h, const struct tsr_perf_pair *pair)
{
	const struct tsr_perf_world *world = h->side.world;

	return !pair->one_core && world->probed &&
	       harness_pair_is_full(h, pair, harness_class(world));
}

static int
harness_round(struct harness *h, bool *done)
{
	bool looked = true;

	*done = true;
	for (size_t i = 0; i < h->plan->pair_count; i++) {
		struct tsr_perf_pair *pair = &h->plan->pairs[i];
		bool look_only;
		int error;

		if (harness_pair_is_done(h, pair))
			continue;
		*done = false;
		look_only = harness_only_looks(h, pair);
		error = harness_repeat(h, pair, look_only);
		if (error != 0)
			return error;
		if (*h->limits->stopped != 0)
			return -EINTR;
		looked = looked && look_only;
	}
	if (!*done && looked)
		harness_rest(HARNESS_WATCH_NS);
	return 0;
}

static int
harness_lead(struct harness *h)
{
	uint64_t start = tsr_perf_monotonic_ns();
	uint64_t end = start + h->limits->seconds * TSR_PERF_NS_PER_SECOND;
	bool done = false;
	int error = 0;

	for (size_t i = 0; i < h->plan->bench_count && error == 0; i++) {
		harness_open(h, i);
		error = harness_command(h, TSR_PERF_OPEN, i);
	}
	while (error == 0 && !done && tsr_perf_monotonic_ns() < end)
		error = harness_round(h, &done);
	h->plan->refused = h->side.world->refused;
	h->plan->seconds = (double)(tsr_perf_monotonic_ns() - start) / 1e9;
	memcpy(h->plan->page, h->side.world->page, sizeof(h->plan->page));
	if (error != -ECHILD) {
		for (size_t i = h->plan->bench_count; i > 0; i--) {
			harness_close(h, i - 1);
			(void)harness_command(h, TSR_PERF_CLOSE, i - 1);
		}
		(void)harness_command(h, TSR_PERF_QUIT, 0);
	}
	return error;
}

static int
harness_prepare(struct harness *h, struct tsr_perf_plan *plan, const struct tsr_perf_limits *limits)
{
	memset(h, 0, sizeof(*h));
	harness_meetings = 0;
	h->plan = plan;
	h->limits = limits;
	h->side.world = tsr_perf_map(sizeof(struct tsr_perf_world), "4K");
	if (h->side.world == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < plan->bench_count; i++) {
		struct tsr_perf_side *side = &h->sides[i];

		side->world = h->side.world;
		side->bench = &plan->benches[i];
		if (side->bench->memory_bytes == 0)
			continue;
		side->memory = tsr_perf_map(side->bench->memory_bytes, limits->backing);
		if (side->memory == NULL)
			return -ENOMEM;
	}
	return 0;
}

static void
harness_unmap(struct harness *h)
{
	size_t mask = HARNESS_HUGE_BYTES - 1;

	for (size_t i = 0; i < h->plan->bench_count; i++) {
		if (h->sides[i].memory != NULL)
			(void)munmap(h->sides[i].memory,
			             (h->plan->benches[i].memory_bytes + mask) & ~mask);
	}
	if (h->side.world != NULL)
		(void)munmap(h->side.world, (sizeof(struct tsr_perf_world) + mask) & ~mask);
}

static void
harness_child_main(struct harness *h, pid_t parent)
{
	harness_child = 0;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_DFL);
	if (getppid() != parent)
		_exit(1);
	h->side.index = 1;
	for (size_t i = 0; i < h->plan->bench_count; i++)
		h->sides[i].index = 1;
	(void)tsr_perf_pin(1);
	_exit(harness_serve(h) == 0 ? 0 : 1);
}

/* The child ends by itself after TSR_PERF_QUIT; one that can't is made to. */
static void
harness_end_child(struct harness *h, int error)
{
	if (error == -ECHILD)
		(void)kill(h->child, SIGKILL);
	while (waitpid(h->child, NULL, 0) < 0 && errno == EINTR)
		continue;
	harness_child = 0;
}

int
tsr_perf_run(struct tsr_perf_plan *plan, const struct tsr_perf_limits *limits, char *message,
             size_t message_bytes)
{
	static struct harness h;
	pid_t parent = getpid();
	int error = harness_prepare(&h, plan, limits);

	if (error != 0) {
		(void)snprintf(message, message_bytes, "no memory for the benchmarks");
		goto unmap;
	}
	h.child = fork();
	if (h.child < 0) {
		error = -errno;
		(void)snprintf(message, message_bytes, "fork: %s", strerror(-error));
		goto unmap;
	}
	if (h.child == 0)
		harness_child_main(&h, parent);
	harness_child = h.child;
	(void)tsr_perf_pin(0);
	error = harness_lead(&h);
	harness_end_child(&h, error);
	if (error == -ECHILD)
		(void)snprintf(message, message_bytes, "the second process died or hangs. %s",
		               h.side.world->message);
	else
		(void)snprintf(message, message_bytes, "%s", h.side.world->message);
unmap:
	harness_unmap(&h);
	return error;
}
