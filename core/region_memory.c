/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * The memory of a region: made for a client, or brought by one and looked at.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "core/daemon.h"
#include "core/realm.h"
#include "core/regions.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define REGION_WHY_BYTES 192
#define REGION_SEALS     (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Which memory it is: no descriptor of another file has the same. */
static int
region_identify(struct tsr_region_memory *memory)
{
	struct stat status;

	if (fstat(memory->fd, &status) != 0)
		return -errno;
	memory->device = status.st_dev;
	memory->inode = status.st_ino;
	memory->bytes = (uint64_t)status.st_size;
	return 0;
}

int
tsr_region_make(struct tsr_realm *realm, uint64_t bytes, struct tsr_region_memory *memory,
                struct tsr_refusal *refusal)
{
	struct tsr_segment_request const request = {
		.name = "tessera-region",
		.bytes = bytes,
		.best = realm->config->backing,
		.node = tsr_segment_node(realm->daemon->poll_cpu),
		.untouched = true,
	};
	struct tsr_memory segment;
	char why[REGION_WHY_BYTES];
	int error =
		tsr_segment_create(&realm->daemon->kernel, &request, &segment, why, sizeof(why));

	if (error != 0)
		return tsr_refuse(refusal, error, "a region of %llu bytes: %s",
		                  (unsigned long long)bytes, why);
	*memory = (struct tsr_region_memory){
		.fd = segment.fd, .page_log2 = segment.page_log2, .backing = segment.backing};
	error = tsr_segment_seal(&segment, false);
	if (error == 0)
		error = region_identify(memory);
	if (error != 0) {
		tsr_segment_destroy(&segment);
		return tsr_refuse(refusal, error, "a region of %llu bytes could not be sealed: %s",
		                  (unsigned long long)bytes, strerror(-error));
	}
	return 0;
}

static int
region_check_seals(int seals, bool huge, struct tsr_refusal *refusal)
{
	if ((seals & REGION_SEALS) != REGION_SEALS)
		return tsr_refuse(refusal, -EINVAL,
		                  "a region's memory with seals 0x%x, expected 0x%x among them: "
		                  "F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL",
		                  seals, REGION_SEALS);
	/* A hole in small pages reads as zeros; in huge pages it is a SIGBUS as soon as the page
	 * that was freed is somebody else's. */
	if (huge && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0)
		return tsr_refuse(
			refusal, -EINVAL,
			"a region's memory on huge pages with seals 0x%x, expected "
			"F_SEAL_WRITE or F_SEAL_FUTURE_WRITE among them, so that no hole can "
			"be punched",
			seals);
	return 0;
}

static int
region_check_size(struct tsr_region_memory const *memory, struct tsr_refusal *refusal)
{
	uint64_t const page = UINT64_C(1) << memory->page_log2;

	if (memory->bytes == 0 || memory->bytes > TSR_REGION_BYTES_MAX || memory->bytes % page != 0)
		return tsr_refuse(
			refusal, -EINVAL,
			"a region's memory of %llu bytes, expected a multiple of %llu up to "
			"%llu",
			(unsigned long long)memory->bytes, (unsigned long long)page,
			(unsigned long long)TSR_REGION_BYTES_MAX);
	return 0;
}

int
tsr_region_inspect(int fd, struct tsr_region_memory *memory, struct tsr_refusal *refusal)
{
	struct tsr_region_memory found = {.fd = fd, .flags = TSR_REGION_FOREIGN};
	/* Answered by the kernel alone, and with an error for all that is not tmpfs or hugetlbfs;
	 * only then is anything asked that goes through the file system. */
	int const seals = fcntl(fd, F_GET_SEALS);
	int const mode = fcntl(fd, F_GETFL);
	struct statfs system;
	bool huge;
	int error;

	if (seals < 0 || mode < 0 || fstatfs(fd, &system) != 0)
		return tsr_refuse(refusal, -EINVAL,
		                  "a region's memory is something else, expected a memfd: "
		                  "memfd_create(2) with MFD_ALLOW_SEALING");
	huge = system.f_type == HUGETLBFS_MAGIC;
	if (!huge && system.f_type != TMPFS_MAGIC)
		return tsr_refuse(refusal, -EINVAL,
		                  "a region's memory is a file of a file system 0x%lx, expected a "
		                  "memfd",
		                  (unsigned long)system.f_type);
	error = region_check_seals(seals, huge, refusal);
	if (error != 0)
		return error;
	if ((mode & O_ACCMODE) == O_WRONLY)
		return tsr_refuse(
			refusal, -EINVAL,
			"a region's memory can't be read through its descriptor, expected "
			"one open for reading");
	found.page_log2 = huge ? (uint32_t)__builtin_ctzl((unsigned long)system.f_bsize) : 12;
	found.backing = found.page_log2 == 30   ? TSR_BACKING_1G
	                : found.page_log2 == 21 ? TSR_BACKING_2M
	                                        : TSR_BACKING_4K;
	if ((mode & O_ACCMODE) == O_RDONLY || (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0)
		found.flags |= TSR_REGION_READ_ONLY;
	error = region_identify(&found);
	if (error != 0)
		return tsr_refuse(refusal, error, "a region's memory: %s", strerror(-error));
	error = region_check_size(&found, refusal);
	if (error == 0)
		*memory = found;
	return error;
}
