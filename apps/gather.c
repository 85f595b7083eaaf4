/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/gather.h"

#include <errno.h>
#include <sys/uio.h>

int
tsr_gather_write(int fd, const struct tsr_msg *msgs, size_t count, uint64_t *bytes)
{
	struct iovec parts[TSR_GATHER_MAX];
	size_t first = 0;

	for (size_t i = 0; i < count; i++)
		parts[i] = (struct iovec){.iov_base = msgs[i].data, .iov_len = msgs[i].length};
	while (first < count) {
		ssize_t wrote = writev(fd, parts + first, (int)(count - first));

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -errno;
		*bytes += (uint64_t)wrote;
		while (first < count && (size_t)wrote >= parts[first].iov_len)
			wrote -= (ssize_t)parts[first++].iov_len;
		if (first < count) {
			parts[first].iov_base = (char *)parts[first].iov_base + wrote;
			parts[first].iov_len -= (size_t)wrote;
		}
	}
	return 0;
}
