/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* doctor: run directory, sockets, groups, the programs. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apps/cli.h"
#include "apps/doctor.h"
#include "apps/names.h"
#include "apps/process.h"

#define DOCTOR_SYSTEM_DIR "/run/tessera"
#define DOCTOR_GROUP      "tessera"

static void
places_program(struct tsr_doctor *doctor)
{
	char *path;
	bool const there = tsr_process_find("tesserad", &path) == 0;

	tsr_doctor_found(doctor, there ? TSR_FINDING_OK : TSR_FINDING_FAIL, "daemon program",
	                 "ninja -C build   (in the source tree)", "%s",
	                 there ? path : "no tesserad beside this program or in PATH");
	if (there)
		free(path);
}

static void
places_run_dir(struct tsr_doctor *doctor, const char *dir)
{
	struct stat info;
	char remedy[160];

	if (stat(dir, &info) != 0) {
		tsr_doctor_found(doctor, errno == ENOENT ? TSR_FINDING_OK : TSR_FINDING_FAIL,
		                 "run directory", "export TESSERA_RUNTIME_DIR=$HOME/.tessera",
		                 "%s: %s", dir,
		                 errno == ENOENT ? "will be made by tesserad" : strerror(errno));
		return;
	}
	snprintf(remedy, sizeof(remedy), "sudo rm -r %s", dir);
	if (!S_ISDIR(info.st_mode) || (info.st_uid != geteuid() && info.st_uid != 0))
		tsr_doctor_found(doctor, TSR_FINDING_FAIL, "run directory", remedy,
		                 "%s is no directory of yours", dir);
	else if ((info.st_mode & 002) != 0)
		tsr_doctor_found(doctor, TSR_FINDING_FAIL, "run directory", remedy,
		                 "%s can be written by everybody", dir);
	else
		tsr_doctor_found(doctor, TSR_FINDING_OK, "run directory", NULL, "%s, mode %04o",
		                 dir, (unsigned int)(info.st_mode & 07777));
}

/* Connect without a word. Return: 0; a negative errno. */
static int
socket_try(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int const fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path)) {
		close(fd);
		return -ENAMETOOLONG;
	}
	strcpy(address.sun_path, path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		error = -errno;
	close(fd);
	return error;
}

/* Somebody else's socket that this user may not use. */
static void
places_denied(struct tsr_doctor *doctor, const char *check, const char *path)
{
	struct stat info = {.st_gid = 0};
	char group[TSR_ACCOUNT_BYTES] = DOCTOR_GROUP, remedy[600];

	/* Where even that is denied, it is the group that the unit gives it. */
	if (stat(path, &info) == 0)
		tsr_group_name(info.st_gid, group);
	if (strcmp(group, "root") == 0)
		snprintf(remedy, sizeof(remedy), "%s   (one of your own)",
		         tsr_cli_daemon_command());
	else
		snprintf(remedy, sizeof(remedy),
		         "sudo usermod -aG %s \"$USER\"   (then log in again)", group);
	tsr_doctor_found(doctor, TSR_FINDING_FAIL, check, remedy,
	                 "%s: only its owner and the group %s may use it", path, group);
}

static void
places_socket(struct tsr_doctor *doctor, const char *check, const char *path,
              enum tsr_finding if_absent)
{
	int const error = socket_try(path);
	char remedy[600];

	snprintf(remedy, sizeof(remedy), "%s   (it replaces the stale socket)",
	         tsr_cli_daemon_command());
	if (error == 0)
		tsr_doctor_found(doctor, TSR_FINDING_OK, check, NULL, "%s: a daemon answers", path);
	else if (error == -ECONNREFUSED)
		tsr_doctor_found(doctor, TSR_FINDING_WARN, check, remedy,
		                 "%s is stale: the daemon that made it is dead", path);
	else if (error == -EACCES)
		places_denied(doctor, check, path);
	else if (error == -ENOENT || error == -ENOTDIR)
		tsr_doctor_found(doctor, if_absent, check, tsr_cli_daemon_command(),
		                 "%s: no daemon", path);
	else
		tsr_doctor_found(doctor, TSR_FINDING_FAIL, check, remedy, "%s: %s", path,
		                 strerror(-error));
}

/* The group matters only where a system daemon may be. */
static void
places_group(struct tsr_doctor *doctor)
{
	gid_t id;
	int count;
	bool member = false;
	gid_t *groups;

	if (!tsr_group_find(DOCTOR_GROUP, &id)) {
		tsr_doctor_found(doctor, TSR_FINDING_OK, "group", NULL,
		                 "no group " DOCTOR_GROUP ": needed by a system daemon only");
		return;
	}
	count = getgroups(0, NULL);
	groups = calloc((size_t)(count > 0 ? count : 1), sizeof(*groups));
	if (groups == NULL)
		return;
	count = getgroups(count, groups);
	for (int i = 0; i < count; i++)
		member = member || groups[i] == id;
	free(groups);
	member = member || geteuid() == 0 || getegid() == id;
	tsr_doctor_found(doctor, member ? TSR_FINDING_OK : TSR_FINDING_WARN, "group",
	                 "sudo usermod -aG " DOCTOR_GROUP " \"$USER\"   (then log in again)",
	                 "%s " DOCTOR_GROUP, member ? "may act as a member of" : "not a member of");
}

void
tsr_doctor_places(struct tsr_doctor *doctor)
{
	char dir[TSR_NAME_BYTES * 2], path[sizeof(dir) + sizeof(TSR_SOCKET_NAME) + 1];
	int const error = tsr_run_dir(dir, sizeof(dir));

	places_program(doctor);
	if (error != 0) {
		tsr_doctor_found(doctor, TSR_FINDING_FAIL, "run directory",
		                 "export TESSERA_RUNTIME_DIR=$HOME/.tessera",
		                 "its name is too long for a socket");
		return;
	}
	places_run_dir(doctor, dir);
	snprintf(path, sizeof(path), "%s/%s", dir, TSR_SOCKET_NAME);
	places_socket(doctor, "your daemon", tsr_globals.socket != NULL ? tsr_globals.socket : path,
	              TSR_FINDING_WARN);
	if (strcmp(dir, DOCTOR_SYSTEM_DIR) != 0)
		places_socket(doctor, "system daemon", DOCTOR_SYSTEM_DIR "/" TSR_SOCKET_NAME,
		              TSR_FINDING_OK);
	places_group(doctor);
}
