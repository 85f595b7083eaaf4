/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/postmortem_folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/daemon.h"
#include "core/file.h"
#include "core/helper.h"

#define FOLDER_DATE_BYTES 20 /* "20261120T171500.123Z" */
#define FOLDER_NAME_BYTES (TSR_NAME_BYTES + FOLDER_DATE_BYTES + 16)
#define FOLDER_BESIDE     ".new"
#define FOLDER_MODE       0700

/* A realm's name may hold what a file's may not. */
static void
folder_name(struct tsr_remains const *remains, char out[FOLDER_NAME_BYTES])
{
	time_t const second = (time_t)(remains->dump.taken_ns / UINT64_C(1000000000));
	unsigned const ms = (unsigned)(remains->dump.taken_ns / 1000000 % 1000);
	char realm[TSR_NAME_BYTES + 1] = "", date[FOLDER_DATE_BYTES + 1] = "";
	struct tm parts;

	memcpy(realm, remains->victim.realm, TSR_NAME_BYTES);
	for (char *c = realm; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c))
			*c = '_';
	}
	if (gmtime_r(&second, &parts) != NULL)
		(void)strftime(date, sizeof(date), "%Y%m%dT%H%M%S", &parts);
	(void)snprintf(out, FOLDER_NAME_BYTES, "%s-%u-%s.%03uZ", realm, remains->victim.id, date,
	               ms);
}

/* Where the date of a folder of ours begins; NULL: it is none of ours. */
static const char *
folder_date(const char *name)
{
	static const char form[] = "-dddddddd"
				   "Tdddddd.dddZ";
	const char *const dash = strrchr(name, '-');
	const char *c = dash;

	if (dash == NULL || dash == name || strlen(dash + 1) != FOLDER_DATE_BYTES)
		return NULL;
	for (const char *f = form; *f != '\0'; f++) {
		if (*f == 'd' ? !isdigit((unsigned char)*c) : *f != *c)
			return NULL;
		c++;
	}
	return dash + 1;
}

static int
folder_select(const struct dirent *entry)
{
	return folder_date(entry->d_name) != NULL;
}

static int
folder_compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp(folder_date((*a)->d_name), folder_date((*b)->d_name));
}

/* Only the newest @keep stay. */
static void
folder_prune(const char *folder, uint32_t keep)
{
	struct dirent **entries = NULL;
	int const count = scandir(folder, &entries, folder_select, folder_compare);
	char path[TSR_POSTMORTEM_PATH_MAX];

	for (int i = 0; i < count; i++) {
		if ((uint32_t)(count - i) > keep &&
		    snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name) <
		            (int)sizeof(path))
			(void)tsr_tree_remove(path);
		free(entries[i]);
	}
	free(entries);
}

/* Into an open folder. */
static int
folder_file(int folder, const char *name)
{
	int const fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	return fd;
}

static int
folder_write_state(int folder, struct tsr_remains const *remains)
{
	int const fd = folder_file(folder, "state");
	int error;

	if (fd < 0)
		return fd;
	error = tsr_dump_write(&remains->dump, fd);
	return close(fd) != 0 && error == 0 ? -errno : error;
}

static int
folder_write_events(int folder, struct tsr_remains const *remains)
{
	struct tsr_postmortem_head const head = {
		.magic = TSR_POSTMORTEM_MAGIC,
		.head_bytes = sizeof(head),
		.row_bytes = sizeof(remains->rows[0]),
		.rows = remains->rows_count,
		.victim = remains->victim,
	};
	int const fd = folder_file(folder, "events");
	int error;

	if (fd < 0)
		return fd;
	error = tsr_file_write(fd, &head, sizeof(head), 0);
	if (error == 0)
		error = tsr_file_write(fd, remains->rows,
		                       remains->rows_count * sizeof(remains->rows[0]),
		                       sizeof(head));
	return close(fd) != 0 && error == 0 ? -errno : error;
}

static int
folder_fill(const char *path, struct tsr_remains const *remains)
{
	struct tsr_postmortem const *const postmortem = &remains->daemon->postmortem;
	int const folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int error;

	if (folder < 0)
		return -errno;
	/* First: it goes on, and forgets. */
	if (postmortem->trace)
		tsr_helper_record(postmortem->recorder, path);
	error = folder_write_state(folder, remains);
	if (error == 0)
		error = folder_write_events(folder, remains);
	(void)close(folder);
	return error;
}

int
tsr_postmortem_write(struct tsr_remains const *remains, char path[TSR_POSTMORTEM_PATH_MAX])
{
	struct tsr_postmortem const *const postmortem = &remains->daemon->postmortem;
	char beside[TSR_POSTMORTEM_PATH_MAX], name[FOLDER_NAME_BYTES];
	int error;

	folder_name(remains, name);
	(void)snprintf(path, TSR_POSTMORTEM_PATH_MAX, "%s/%s", postmortem->folder, name);
	(void)snprintf(beside, sizeof(beside), "%s/%s" FOLDER_BESIDE, postmortem->folder, name);
	if (mkdir(beside, FOLDER_MODE) != 0)
		return -errno;
	error = folder_fill(beside, remains);
	if (error == 0 && rename(beside, path) != 0)
		error = -errno;
	if (error != 0)
		(void)tsr_tree_remove(beside);
	else
		folder_prune(postmortem->folder, postmortem->keep);
	return error;
}
