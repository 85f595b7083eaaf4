/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/cores.h"

#include <stdlib.h>

#include "apps/cli.h"
#include "apps/process.h"
#include "apps/table.h"

static struct tsr_core_use const *
cores_find(struct tsr_core_use const *use, size_t count, pid_t pid)
{
	for (size_t i = 0; i < count; i++) {
		if (use[i].pid == pid)
			return &use[i];
	}
	return NULL;
}

static json_t *
cores_row(const json_t *client, struct tsr_process const *process, uint64_t busy_ns,
          uint64_t all_ns)
{
	double const busy = all_ns > 0 ? (double)busy_ns * 100.0 / (double)all_ns : 0.0;
	json_t *const out = json_object();

	tsr_report_set(out, "core", json_incref(json_object_get(client, "client")));
	tsr_report_set(out, "cpu", json_integer(process->cpu));
	tsr_report_set(out, "pid", json_integer(process->pid));
	tsr_report_set(out, "busy_percent", json_real(busy));
	tsr_report_set(out, "polling_percent", json_null());
	tsr_report_set(out, "asleep_percent", json_real(busy < 100.0 ? 100.0 - busy : 0.0));
	tsr_report_set(out, "busy_ns", tsr_report_count(process->busy_ns));
	tsr_report_set(out, "polling_ns", json_null());
	tsr_report_set(out, "asleep_ns",
	               tsr_report_count(process->age_ns > process->busy_ns
	                                        ? process->age_ns - process->busy_ns
	                                        : 0));
	return out;
}

void
tsr_cores_add(struct tsr_cores *cores, const json_t *clients, json_t *rows)
{
	size_t const most = json_array_size(clients);
	uint64_t const now_ns = tsr_now_ns();
	struct tsr_cores seen = {.at_ns = now_ns};
	struct tsr_core_use const *before;
	struct tsr_process process;

	seen.use = calloc(most + 1, sizeof(seen.use[0]));
	for (size_t i = 0; i < most && seen.use != NULL; i++) {
		const json_t *const client = json_array_get(clients, i);
		pid_t const pid = (pid_t)json_integer_value(json_object_get(client, "pid"));

		if (cores_find(seen.use, seen.count, pid) != NULL ||
		    tsr_process_look(pid, &process) != 0)
			continue;
		before = cores_find(cores->use, cores->count, pid);
		if (before != NULL && before->born_ns == process.born_ns)
			tsr_report_add(rows, cores_row(client, &process,
			                               process.busy_ns - before->busy_ns,
			                               now_ns - cores->at_ns));
		else
			tsr_report_add(
				rows, cores_row(client, &process, process.busy_ns, process.age_ns));
		seen.use[seen.count++] =
			(struct tsr_core_use){pid, process.born_ns, process.busy_ns};
	}
	free(cores->use);
	*cores = seen;
}

void
tsr_cores_free(struct tsr_cores *cores)
{
	free(cores->use);
	*cores = (struct tsr_cores){0};
}
