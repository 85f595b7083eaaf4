/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/eal.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_telemetry.h>

#include "core/log.h"

#define EAL_LAST_BYTES 200
#define EAL_KEY_BYTES  24
#define EAL_SOCKET     "/dpdk/tessera/dpdk_telemetry.v2" /* in its folder */

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
eal_init(int cpu, bool telemetry)
{
	static char program[] = "tesserad", huge[] = "--no-huge", shconf[] = "--no-shconf",
		    memory[] = "-m", megabytes[] = "64", pci[] = "--no-pci", with[] = "--telemetry",
		    without[] = "--no-telemetry", prefix[] = "--file-prefix=tessera",
		    cores[] = "-l", cpu_text[16];
	static char *argv[] = {program, huge,   shconf, memory,   megabytes, pci,
	                       with,    prefix, cores,  cpu_text, NULL};

	if (!telemetry)
		argv[6] = without;
	(void)snprintf(cpu_text, sizeof(cpu_text), "%d", cpu);
	return rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0 ? -rte_errno : 0;
}

/* DPDK would cut a name that is too long, and bind the socket elsewhere. */
static bool
eal_has_room(const char *folder)
{
	struct sockaddr_un address;

	if (strlen(folder) + sizeof(EAL_SOCKET) <= sizeof(address.sun_path))
		return true;
	tsr_log(TSR_LOG_NOTICE,
	        "DPDK's telemetry is off: the socket %s" EAL_SOCKET " would have more than %zu "
	        "characters",
	        folder, sizeof(address.sun_path) - 1);
	return false;
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
	error = eal_init(cpu >= 0 ? cpu : eal_first_cpu(&before), eal_has_room(folder));
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

/* DPDK says which command is asked for, and has no room for more. */
static struct {
	const char *command;
	tsr_eal_answer_fn *answer;
} eal_answers[TSR_EAL_ANSWERS];
static size_t eal_answers_count;

static struct rte_tel_data *
eal_data(struct tsr_eal_data *dict)
{
	return (struct rte_tel_data *)(void *)dict;
}

static struct tsr_eal_data *
eal_ours(struct rte_tel_data *data)
{
	return (struct tsr_eal_data *)(void *)data;
}

static int
eal_answer(const char *command, const char *parameters, struct rte_tel_data *data)
{
	int error = rte_tel_data_start_dict(data);

	for (size_t i = 0; error == 0 && i < eal_answers_count; i++) {
		if (strcmp(eal_answers[i].command, command) == 0)
			return eal_answers[i].answer(parameters, eal_ours(data));
	}
	return -ENOENT;
}

int
tsr_eal_answer(const char *command, const char *help, tsr_eal_answer_fn *answer)
{
	if (eal_answers_count == TSR_EAL_ANSWERS)
		return -ENOBUFS;
	eal_answers[eal_answers_count].command = command;
	eal_answers[eal_answers_count].answer = answer;
	eal_answers_count++;
	return rte_telemetry_register_cmd(command, eal_answer, help);
}

int
tsr_eal_text(struct tsr_eal_data *dict, const char *key, const char *text)
{
	return rte_tel_data_add_dict_string(eal_data(dict), key, text);
}

int
tsr_eal_number(struct tsr_eal_data *dict, const char *key, uint64_t number)
{
	return rte_tel_data_add_dict_u64(eal_data(dict), key, number);
}

static int
eal_list_add(struct rte_tel_data *list, struct tsr_eal_rows const *rows, size_t index)
{
	struct rte_tel_data *const data = rte_tel_data_alloc();
	int error = data == NULL ? -ENOMEM : rte_tel_data_start_dict(data);
	char key[EAL_KEY_BYTES];

	if (error == 0)
		error = rows->fill(eal_ours(data),
		                   (const unsigned char *)rows->rows + index * rows->row_bytes,
		                   rows->context);
	(void)snprintf(key, sizeof(key), "%zu", rows->first + index);
	if (error == 0)
		error = rte_tel_data_add_dict_container(list, key, data, 0);
	if (error != 0)
		rte_tel_data_free(data);
	return error;
}

int
tsr_eal_list(struct tsr_eal_data *dict, struct tsr_eal_rows const *rows)
{
	int error = 0;

	for (size_t i = 0; error == 0 && i < rows->count; i++)
		error = eal_list_add(eal_data(dict), rows, i);
	return error;
}
