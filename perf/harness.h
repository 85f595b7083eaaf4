/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_PERF_HARNESS_H
#define TSR_PERF_HARNESS_H

/*
 * Two processes that run pairs of benchmarks side by side, and keep only what can be compared.
 *
 * Side 0 is this process, on the first core; side 1 is a child, on the second. They share one
 * struct tsr_perf_world and, per benchmark, the memory that it asks for. A *burst* is: probe, ours,
 * baseline, probe, at real-time priority, both sides in step; it is kept only if both probes find
 * the same distance between the cores. Between bursts both sides rest.
 *
 * Writers	each side writes its own arrival line and samples; side 0 writes the command.
 * Progress	blocking, but bounded: every wait of side 0 ends after TSR_PERF_PATIENCE_NS, and the
 *		child dies with its parent.
 * Crash	a side that fails reports by tsr_perf_fail() and goes on meeting the other, so that
 *		both come out of the burst.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "perf/clock.h"
#include "perf/stats.h"
#include "shm/access.h"

#define TSR_PERF_METRICS       2
#define TSR_PERF_BENCHES       12
#define TSR_PERF_PAIRS         12
#define TSR_PERF_STEPS         2
#define TSR_PERF_RUNS_MAX      64
#define TSR_PERF_SETTINGS      24
#define TSR_PERF_SETTING_BYTES 256
#define TSR_PERF_WORDS_BYTES   2048
#define TSR_PERF_FLAT          1.1
#define TSR_PERF_LINE          128 /* two cache lines: the prefetcher fetches neighbours in pairs */

#define TSR_PERF_STEP_NS     UINT64_C(30000000)    /* how long one benchmark runs in a burst */
#define TSR_PERF_PATIENCE_NS UINT64_C(30000000000) /* side 0 gives up on side 1 */

enum tsr_perf_class {
	TSR_PERF_NEAR,
	TSR_PERF_FAR,
	TSR_PERF_ONE_CORE,
	TSR_PERF_CLASSES, /* how many, and "neither near nor far" */
};

struct tsr_perf_sample {
	double value[TSR_PERF_METRICS];
	uint64_t messages;
	uint64_t lost;
	uint64_t empty; /* looks of the receiver that found nothing */
	uint64_t full;  /* tries of the sender that found no room, or no block */
	double quantile_ns[TSR_PERF_QUANTILES]; /* of single operations; 0 where none is timed */
};

struct tsr_perf_word {
	_Alignas(TSR_PERF_LINE) _Atomic uint64_t word;
};

enum tsr_perf_command {
	TSR_PERF_OPEN,
	TSR_PERF_BURST,
	TSR_PERF_CLOSE,
	TSR_PERF_QUIT,
};

struct tsr_perf_world {
	struct tsr_perf_word arrived[2];
	struct tsr_perf_word asleep[2];
	struct tsr_perf_word ping; /* of the probe */
	struct tsr_perf_word pong;
	struct tsr_perf_word total; /* messages sent, told when the sender has sent its last */
	struct tsr_perf_word check; /* sum of what was written into them */
	struct tsr_perf_word failed;
	char message[256]; /* of the first failure */
	char page[16];     /* backing of the realm, as side 0 found it */
	enum tsr_perf_command command;
	bool probed;  /* the burst finds the class */
	bool calm;    /* the burst runs at ordinary priority */
	bool refused; /* real-time priority was asked for and refused */
	size_t steps[TSR_PERF_STEPS];
	size_t step_count;
	double probe_ns[2];
	struct tsr_perf_sample samples[2][TSR_PERF_STEPS];
};

struct tsr_perf_bench;

/* One side's view of one benchmark. */
struct tsr_perf_side {
	int index; /* 0 or 1 */
	struct tsr_perf_world *world;
	const struct tsr_perf_bench *bench;
	void *memory; /* shared by both sides, bench->memory_bytes, zeroed at first */
	void *state;  /* the benchmark's own, of this side; lives from open to close */
};

struct tsr_perf_bench {
	const char *name;
	size_t payload_bytes;
	uint32_t slots;
	uint32_t kind;          /* of its channels: TSR_KIND_*; 0: buffered */
	uint32_t channel_flags; /* TSR_CHANNEL_* */
	uint32_t idle_channels; /* in its realm, of this benchmark's doing */
	uint32_t idle_clients;
	uint32_t flags;    /* the benchmark's own */
	const char *realm; /* NULL: TSR_PERF_REALM */
	size_t memory_bytes;
	int fds[2]; /* made before the fork; fds[0] is read by side 1, fds[1] written by side 0 */
	/* Each is called on both sides: open, close by side 0 first, run at once. 0 or -errno. */
	int (*open)(struct tsr_perf_side *side);
	int (*run)(struct tsr_perf_side *side, struct tsr_perf_sample *sample);
	void (*close)(struct tsr_perf_side *side);
};

/* What must and reach bind. */
enum tsr_perf_binding {
	TSR_PERF_LIMITS_RATIO = 0,
	TSR_PERF_LIMITS_OURS,       /* ours.median */
	TSR_PERF_LIMITS_DIFFERENCE, /* ours.median - baseline.median */
};

/* What a figure of one pair is called and has to reach. 0: no such limit. */
struct tsr_perf_metric {
	const char *label; /* as in "rtt:p99" */
	const char *unit;
	bool higher_is_better;
	enum tsr_perf_binding limits;
	double must[TSR_PERF_CLASSES];
	double reach[TSR_PERF_CLASSES];
};

struct tsr_perf_result {
	size_t runs;
	uint64_t lost;
	uint64_t messages[2]; /* ours, baseline */
	uint64_t empty[2];
	uint64_t full[2];
	double value[2][TSR_PERF_METRICS][TSR_PERF_RUNS_MAX];
	double quantile_ns[2][TSR_PERF_QUANTILES][TSR_PERF_RUNS_MAX];
};

struct tsr_perf_pair {
	size_t ours;
	size_t baseline;
	size_t metric_count;
	bool one_core; /* nothing crosses cores: not probed */
	bool calm;     /* nothing spins: ordinary priority */
	bool lossy;    /* what is lost is no fault */
	size_t warm;   /* so many repetitions first that don't count: memory is met */
	const struct tsr_perf_pair *flat_to; /* of the same plan: see tsr_perf_plan_flat() */
	struct tsr_perf_metric metrics[TSR_PERF_METRICS];
	struct tsr_perf_metric flat;
	struct tsr_perf_result results[TSR_PERF_CLASSES];
};

struct tsr_perf_plan {
	size_t bench_count;
	size_t pair_count;
	struct tsr_perf_bench benches[TSR_PERF_BENCHES];
	struct tsr_perf_pair pairs[TSR_PERF_PAIRS];
	size_t words_used;
	char words[TSR_PERF_WORDS_BYTES]; /* of tsr_perf_plan_say() */
	/* "path=value" for the private tesserad; none: no daemon */
	char daemon_settings[TSR_PERF_SETTINGS][TSR_PERF_SETTING_BYTES];
	size_t hugepages;   /* how many 2 MiB pages it takes */
	char page[16];      /* backing of the memory of ours, as found */
	uint64_t discarded; /* repetitions whose probes did not agree */
	bool refused;       /* real-time priority was refused */
	double seconds;     /* that the whole of it took */
};

struct tsr_perf_limits {
	size_t runs;           /* repetitions per pair and class */
	uint64_t seconds;      /* after so long a class that did not show up is absent */
	bool any_class;        /* content with the class that the host offers */
	const char *backing;   /* of the memory of the baselines: "2M", "thp", "4K" */
	volatile int *stopped; /* not 0: the user wants to leave */
};

/*
 * tsr_perf_run - fork the child, run all pairs in turn until each has its runs, end the child
 *
 * Context: cold; takes up to limits->seconds and some.
 * Return: 0; -EINTR stopped; -ECHILD the child died; else what the benchmark that failed returned,
 * and @message says which and why.
 */
int tsr_perf_run(struct tsr_perf_plan *plan, const struct tsr_perf_limits *limits, char *message,
                 size_t message_bytes);

/* tsr_perf_meet - wait until the other side has called it as often. Return: 0 or -ECHILD. */
int tsr_perf_meet(struct tsr_perf_side *side);

/* tsr_perf_fail - note the first failure; returns @error for convenience */
int tsr_perf_fail(struct tsr_perf_side *side, int error, const char *format, ...) TSR_PRINTF(3, 4);

/* tsr_perf_probe - bare two-line round trip; side 0 gets its time. Both sides call it at once. */
double tsr_perf_probe(struct tsr_perf_side *side);

/* tsr_perf_classify - what a round trip of @ns says. Return: TSR_PERF_CLASSES if it is unclear. */
enum tsr_perf_class tsr_perf_classify(double ns);

extern const char *const tsr_perf_class_names[TSR_PERF_CLASSES];

/* tsr_perf_pin - keep this process, or this thread, on one core */
int tsr_perf_pin(int cpu);

/*
 * tsr_perf_realtime - SCHED_FIFO 50, or back to ordinary
 *
 * Return: 0 or a negative errno: this user may not.
 */
int tsr_perf_realtime(bool on);

/* tsr_perf_map - zeroed, touched memory that a forked child shares; NULL if there is none */
void *tsr_perf_map(size_t bytes, const char *backing);

#endif /* TSR_PERF_HARNESS_H */
