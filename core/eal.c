/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/eal.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "core/log.h"

#define EAL_LAST_BYTES 200

static FILE *eal_stream;
static char eal_last[EAL_LAST_BYTES]; /* its last line: the reason, if it fails */

/* EAL writes its log here, a line at a time. */
static ssize_t
eal_log_write(void *cookie, const char *text, size_t bytes)
{
	size_t length = bytes;

	(void)cookie;
	while (length > 0 && text[length - 1] <= ' ')
		length--;
	if (length == 0)
		return (ssize_t)bytes;
	(void)snprintf(eal_last, sizeof(eal_last), "%.*s", (int)length, text);
	tsr_log(TSR_LOG_DEBUG, "dpdk: %.*s", (int)length, text);
	return (ssize_t)bytes;
}

static int
eal_log_open(void)
{
	eal_stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = eal_log_write});
	if (eal_stream == NULL)
		return -ENOMEM;
	(void)setvbuf(eal_stream, NULL, _IOLBF, 0);
	return rte_openlog_stream(eal_stream) == 0 ? 0 : -EIO;
}

static void
eal_log_close(void)
{
	if (eal_stream == NULL)
		return;
	(void)rte_openlog_stream(NULL);
	(void)fclose(eal_stream);
	eal_stream = NULL;
}

/* A CPU that we may run on. */
static int
eal_first_cpu(cpu_set_t const *allowed)
{
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, allowed))
			return (int)cpu;
	}
	return 0;
}

static int
eal_init(int cpu)
{
	static char program[] = "tesserad", huge[] = "--no-huge", shconf[] = "--no-shconf",
		    memory[] = "-m", megabytes[] = "64", pci[] = "--no-pci",
		    telemetry[] = "--no-telemetry", prefix[] = "--file-prefix=tessera",
		    cores[] = "-l", cpu_text[16];
	static char *argv[] = {program,   huge,   shconf, memory,   megabytes, pci,
	                       telemetry, prefix, cores,  cpu_text, NULL};

	(void)snprintf(cpu_text, sizeof(cpu_text), "%d", cpu);
	return rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0 ? -rte_errno : 0;
}

int
tsr_eal_start(const char *folder, int cpu, char *why, size_t why_bytes)
{
	cpu_set_t before;
	int error;

	if (sched_getaffinity(0, sizeof(before), &before) != 0)
		return -errno;
	/* Where EAL puts its files; without it root needs a writable /var/run. */
	if (setenv("RUNTIME_DIRECTORY", folder, 1) != 0)
		return -errno;
	error = eal_log_open();
	if (error != 0)
		return error;
	error = eal_init(cpu >= 0 ? cpu : eal_first_cpu(&before));
	if (error != 0) {
		(void)snprintf(why, why_bytes, "DPDK did not start: %s (%s)", eal_last,
		               strerror(-error));
		eal_log_close();
		return error;
	}
	/* EAL pins its main lcore. Unless that was asked for, the scheduler knows better: beside
	 * a busy client a pinned core would wait for its turn while another one idles. */
	if (cpu < 0)
		(void)sched_setaffinity(0, sizeof(before), &before);
	return 0;
}

void
tsr_eal_stop(void)
{
	(void)rte_eal_cleanup();
	eal_log_close();
}

uint64_t
tsr_eal_ticks_per_second(void)
{
#if defined(__x86_64__)
	return rte_get_tsc_hz();
#else
	return UINT64_C(1000000000);
#endif
}
