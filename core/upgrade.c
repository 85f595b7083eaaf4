/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/upgrade.h"

#include <errno.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/counter.h"
#include "core/daemon.h"
#include "core/estate.h"
#include "shm/layout.h"

#define UPGRADE_MARK    TSR_STORE_PREFIX "upgrade."
#define UPGRADE_CAN     " can take over layout "
#define UPGRADE_CAN_NOT " can't take over layout "

void
tsr_upgrade_layout(char out[TSR_LAYOUT_BYTES])
{
	(void)snprintf(out, TSR_LAYOUT_BYTES, "0x%016llx/%u/%u",
	               (unsigned long long)tsr_layout_hash(), TSR_LAYOUT_VERSION,
	               TSR_ESTATE_VERSION);
}

bool
tsr_upgrade_answer(const char *layout)
{
	char ours[TSR_LAYOUT_BYTES];

	tsr_upgrade_layout(ours);
	if (strcmp(layout, ours) == 0) {
		(void)printf("tesserad " TSR_VERSION UPGRADE_CAN "%s\n", ours);
		return true;
	}
	(void)printf("tesserad " TSR_VERSION UPGRADE_CAN_NOT "%s, it has %s\n", layout, ours);
	return false;
}

bool
tsr_upgrade_understand(const char *text, char release[32])
{
	char layout[TSR_LAYOUT_BYTES], line[TSR_LAYOUT_BYTES + 128];
	size_t length;

	release[0] = '\0';
	if (strncmp(text, "tesserad ", strlen("tesserad ")) != 0)
		return false;
	text += strlen("tesserad ");
	length = strcspn(text, " \n");
	if (length == 0 || length >= 32)
		return false;
	tsr_upgrade_layout(layout);
	(void)snprintf(line, sizeof(line), "%.*s" UPGRADE_CAN "%s\n", (int)length, text, layout);
	if (strcmp(text, line) != 0)
		return false;
	(void)snprintf(release, 32, "%.*s", (int)length, text);
	return true;
}

void
tsr_upgrade_mark(struct tsr_daemon *daemon, int spare)
{
	bool const ours = daemon->rundir.bound;
	char name[TSR_STORE_NAME_BYTES];

	(void)snprintf(name, sizeof(name), UPGRADE_MARK "%d.%llu.%s", (int)getpid(),
	               (unsigned long long)tsr_now_ns(), TSR_VERSION);
	/* Without it the successor comes as after a death. */
	if (tsr_store_keep(&daemon->store, name, ours ? daemon->rundir.listener : spare) == 0 &&
	    ours)
		tsr_rundir_leave(&daemon->rundir);
}

/* What the mark's name says. Return: whether it is one. */
static bool
upgrade_read(const char *name, struct tsr_inherited *out)
{
	char *end;

	if (strncmp(name, UPGRADE_MARK, strlen(UPGRADE_MARK)) != 0)
		return false;
	out->pid = (pid_t)strtoul(name + strlen(UPGRADE_MARK), &end, 10);
	if (*end != '.')
		return false;
	out->since_ns = strtoull(end + 1, &end, 10);
	if (*end != '.')
		return false;
	(void)snprintf(out->from, sizeof(out->from), "%s", end + 1);
	return out->pid > 0 && out->since_ns <= tsr_now_ns();
}

void
tsr_upgrade_inherit(struct tsr_daemon *daemon)
{
	struct tsr_store const *const store = &daemon->store;

	for (size_t i = 0; i < store->found_count; i++) {
		struct tsr_inherited mark = {0};

		/* Of several, the one before us. */
		if (store->found[i].fd < 0 || !upgrade_read(store->found[i].name, &mark) ||
		    mark.since_ns < daemon->inherited.since_ns)
			continue;
		daemon->inherited.pid = mark.pid;
		daemon->inherited.since_ns = mark.since_ns;
		memcpy(daemon->inherited.from, mark.from, sizeof(mark.from));
		tsr_rundir_adopt(&daemon->rundir, store->found[i].fd);
	}
}

void
tsr_upgrade_serves(struct tsr_daemon *daemon)
{
	struct tsr_inherited *const inherited = &daemon->inherited;

	if (inherited->pid != 0)
		tsr_counter_add(&inherited->gap_ns, tsr_now_ns() - inherited->since_ns);
}

void
tsr_upgrade_tell(struct tsr_daemon *daemon)
{
	struct tsr_inherited const *const inherited = &daemon->inherited;
	uint64_t const gap_ns = tsr_counter_read(&inherited->gap_ns);
	struct tsr_proto_row_feed row = {.kind = TSR_FEED_UPGRADE,
	                                 .uid = UINT32_MAX,
	                                 .pid = (uint32_t)inherited->pid,
	                                 .took_ns = gap_ns};

	if (inherited->pid == 0)
		return;
	row.error = daemon->start->again ? -EINVAL : 0;
	tsr_feed_tell(&daemon->feed, TSR_LOG_NOTICE, &row,
	              "%s: release %s follows %s (process %d), %llu realms were taken over; "
	              "nobody served for %llu us",
	              daemon->start->again ? "not upgraded, the other binary could not be run"
	                                   : "upgraded",
	              TSR_VERSION, inherited->from, (int)inherited->pid,
	              (unsigned long long)daemon->taken_over, (unsigned long long)(gap_ns / 1000));
}

void
tsr_upgrade_run(const char *binary, const char *own, char **argv)
{
	argv[0] = (char *)(uintptr_t)binary;
	(void)execv(binary, argv);
	tsr_log(TSR_LOG_ERROR, "%s can't be run any more (%s): %s goes on", binary, strerror(errno),
	        own);
	argv[0] = (char *)(uintptr_t)own;
	(void)execv(TSR_UPGRADE_SELF, argv);
	tsr_log(TSR_LOG_ERROR, "%s can't be run: %s; what is kept waits for a daemon: start one",
	        own, strerror(errno));
}

void
tsr_upgrade_become(struct tsr_daemon const *daemon)
{
	struct tsr_start const *const start = daemon->start;

	/* What a process keeps as it becomes another, and the next one is to find as we did. */
	(void)sched_setaffinity(0, sizeof(daemon->cpus), &daemon->cpus);
	(void)close_range(3, UINT32_MAX, CLOSE_RANGE_CLOEXEC);
	/* To the process, not to this thread: another one of the successor's takes it. */
	if (daemon->leave.signal != 0)
		(void)kill(getpid(), daemon->leave.signal);
	tsr_upgrade_run(daemon->leave.binary, start->path, start->argv);
}
