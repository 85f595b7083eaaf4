/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/hugepages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HUGEPAGES_FOLDER      "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define HUGEPAGES_SHMEM       "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define HUGEPAGES_TEXT        128
#define HUGEPAGES_FEW         128 /* fewer free ones are not worth starting with */
#define HUGEPAGES_NUMBER_BASE 10

static size_t hugepages_before;
static bool hugepages_reserved;

static int
hugepages_read(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, text, bytes - 1);
	(void)close(fd);
	if (got < 0)
		return -EIO;
	text[got] = '\0';
	return 0;
}

static size_t
hugepages_number(const char *path)
{
	char text[HUGEPAGES_TEXT];

	if (hugepages_read(path, text, sizeof(text)) != 0)
		return 0;
	return strtoul(text, NULL, HUGEPAGES_NUMBER_BASE);
}

static int
hugepages_write(size_t pages)
{
	char text[HUGEPAGES_TEXT];
	int length = snprintf(text, sizeof(text), "%zu\n", pages);
	int fd = open(HUGEPAGES_FOLDER "nr_hugepages", O_WRONLY | O_CLOEXEC);
	ssize_t written;

	if (fd < 0)
		return -errno;
	written = write(fd, text, (size_t)length);
	(void)close(fd);
	return written == length ? 0 : -EIO;
}

size_t
tsr_perf_hugepages_free(void)
{
	return hugepages_number(HUGEPAGES_FOLDER "free_hugepages");
}

const char *
tsr_perf_backing(bool will_reserve)
{
	char text[HUGEPAGES_TEXT];

	if (will_reserve || tsr_perf_hugepages_free() >= HUGEPAGES_FEW)
		return "2M";
	if (hugepages_read(HUGEPAGES_SHMEM, text, sizeof(text)) != 0)
		return "4K";
	return strstr(text, "[never]") == NULL && strstr(text, "[deny]") == NULL ? "thp" : "4K";
}

int
tsr_perf_hugepages_reserve(size_t pages, char *message, size_t message_bytes)
{
	int error;

	hugepages_before = hugepages_number(HUGEPAGES_FOLDER "nr_hugepages");
	error = hugepages_write(hugepages_before + pages);
	if (error == 0) {
		hugepages_reserved = true;
		if (tsr_perf_hugepages_free() >= pages)
			return 0;
		tsr_perf_hugepages_give_back();
		error = -ENOMEM;
	}
	(void)snprintf(message, message_bytes, "%zu pages of 2 MiB can't be reserved", pages);
	return error;
}

void
tsr_perf_hugepages_give_back(void)
{
	if (hugepages_reserved)
		(void)hugepages_write(hugepages_before);
	hugepages_reserved = false;
}
