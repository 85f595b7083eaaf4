/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not in Debian 12's headers. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif
#define KERNEL_MFD_HUGE_SHIFT 26

int
tsr_kernel_memfd(struct tsr_kernel const *kernel, const char *name, unsigned huge_log2)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = -1;
	int error;

	if (huge_log2 != 0)
		flags |= MFD_HUGETLB | huge_log2 << KERNEL_MFD_HUGE_SHIFT;
	if (!kernel->compat)
		fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
	if (kernel->compat || (fd < 0 && errno == EINVAL))
		fd = memfd_create(name, flags);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) != 0) {
		error = -errno;
		(void)close(fd);
		return error;
	}
	return fd;
}

int
tsr_kernel_peer_pidfd(struct tsr_kernel const *kernel, int connection)
{
	socklen_t bytes = sizeof(int);
	int pidfd;

	if (kernel->compat)
		return -EOPNOTSUPP;
	if (getsockopt(connection, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &bytes) != 0)
		return errno == ENOPROTOOPT ? -EOPNOTSUPP : -errno;
	return pidfd;
}

pid_t
tsr_kernel_pidfd_pid(int pidfd)
{
	char path[64];
	char line[128];
	long pid = -EBADF;
	FILE *info;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	info = fopen(path, "re");
	if (info == NULL)
		return -EBADF;
	/* "Pid:" stands in the information of process descriptors alone; -1 once it is gone. */
	while (fgets(line, sizeof(line), info) != NULL) {
		if (strncmp(line, "Pid:", 4) == 0) {
			pid = strtol(line + 4, NULL, 10);
			break;
		}
	}
	(void)fclose(info);
	return pid > 0 ? (pid_t)pid : -EBADF;
}

bool
tsr_kernel_refuse_rights(struct tsr_kernel const *kernel, int connection)
{
	int const off = 0;

	return !kernel->compat &&
	       setsockopt(connection, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) == 0;
}

int
tsr_kernel_kill(int pidfd)
{
	return syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0 ? 0 : -errno;
}

unsigned
tsr_kernel_descriptors(void)
{
	DIR *const folder = opendir("/proc/self/fd");
	unsigned count = 0;

	if (folder == NULL)
		return 0;
	while (readdir(folder) != NULL)
		count++;
	(void)closedir(folder);
	return count > 3 ? count - 3 : 0; /* ".", "..", and the folder itself */
}
