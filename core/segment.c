/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <numa.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1, not in Debian 12's libc headers */
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define SEGMENT_4K_LOG2 12
#define SEGMENT_2M_LOG2 21
#define SEGMENT_1G_LOG2 30
#define SEGMENT_RETRIES 64

static const struct {
	const char *name;
	uint32_t page_log2;
	unsigned huge_log2; /* of hugetlb pages; 0 none */
} segment_backings[] = {
	[TSR_BACKING_AUTO] = {"auto", 0, 0},
	[TSR_BACKING_1G] = {"1G", SEGMENT_1G_LOG2, SEGMENT_1G_LOG2},
	[TSR_BACKING_2M] = {"2M", SEGMENT_2M_LOG2, SEGMENT_2M_LOG2},
	[TSR_BACKING_THP] = {"thp", SEGMENT_2M_LOG2, 0},
	[TSR_BACKING_4K] = {"4K", SEGMENT_4K_LOG2, 0},
};

const char *
tsr_backing_name(enum tsr_backing backing)
{
	return segment_backings[backing].name;
}

int
tsr_backing_find(const char *name, enum tsr_backing *out)
{
	for (unsigned i = 0; i < sizeof(segment_backings) / sizeof(segment_backings[0]); i++) {
		if (strcmp(segment_backings[i].name, name) == 0) {
			*out = (enum tsr_backing)i;
			return 0;
		}
	}
	return -EINVAL;
}

int
tsr_segment_node(int cpu)
{
	if (numa_available() < 0 || numa_max_node() == 0)
		return -1;
	return numa_node_of_cpu(cpu);
}

/* Map with the start on a page of the segment's size, which mmap(2) does by itself for hugetlb
 * only. */
static int
segment_map(struct tsr_memory *segment, bool hugetlb)
{
	size_t const align = (size_t)1 << segment->page_log2;
	size_t const room = segment->bytes + (hugetlb ? 0 : align);
	uintptr_t begin, aligned;
	void *reserved;

	if (hugetlb) {
		reserved = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);
		if (reserved == MAP_FAILED)
			return -errno;
		segment->base = reserved;
		return 0;
	}
	reserved = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		return -errno;
	begin = (uintptr_t)reserved;
	aligned = (begin + align - 1) & ~(align - 1);
	if (aligned > begin)
		(void)munmap(reserved, aligned - begin);
	if (begin + room > aligned + segment->bytes)
		(void)munmap((unsigned char *)reserved + (aligned - begin) + segment->bytes,
		             begin + room - aligned - segment->bytes);
	segment->base = (unsigned char *)reserved + (aligned - begin);
	if (mmap(segment->base, segment->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
	         segment->fd, 0) == MAP_FAILED) {
		int const error = -errno;

		(void)munmap(segment->base, segment->bytes);
		segment->base = NULL;
		return error;
	}
	return 0;
}

/*
 * Make every 2 MiB of it one transparent huge page. Where shared-memory THP is off only
 * MADV_COLLAPSE makes them. It wants one page to be there, and copies all that are: so one is made,
 * and the rest of the huge page comes zeroed (20 ms for 164 MiB, against 750 ms populated first).
 */
static int
segment_collapse(struct tsr_memory const *segment)
{
	size_t const huge = (size_t)1 << SEGMENT_2M_LOG2;

	unsigned retries = 0;

	for (uint64_t at = 0; at < segment->bytes;) {
		unsigned char *const page = (unsigned char *)segment->base + at;

		if (madvise(page, (size_t)1 << SEGMENT_4K_LOG2, MADV_POPULATE_WRITE) == 0 &&
		    madvise(page, huge, MADV_COLLAPSE) == 0)
			at += huge;
		else if (errno != EAGAIN || retries++ == SEGMENT_RETRIES)
			return -errno; /* EAGAIN: somebody had hold of the page for a moment */
	}
	return 0;
}

static int
segment_populate(struct tsr_memory const *segment, int node)
{
	int error;

	if (node >= 0)
		numa_tonode_memory(segment->base, segment->bytes, node);
	if (segment->backing == TSR_BACKING_THP) {
		error = segment_collapse(segment);
		if (error != 0)
			return error;
	}
	/* The one way to hear of missing memory as an errno, and not as a signal later. */
	if (madvise(segment->base, segment->bytes, MADV_POPULATE_WRITE) != 0)
		return errno == EFAULT || errno == EHWPOISON ? -ENOMEM : -errno;
	(void)madvise(segment->base, segment->bytes, MADV_DONTFORK);
	(void)madvise(segment->base, segment->bytes, MADV_DONTDUMP);
	return 0;
}

/*
 * Without touching it: hugetlb pages are reserved by mapping it, and stay so; whether transparent
 * huge pages can be made shows on the first.
 */
static int
segment_reserve(struct tsr_memory *segment, int node)
{
	struct tsr_memory first = *segment;
	int error = 0;

	if (node >= 0)
		numa_tonode_memory(segment->base, segment->bytes, node);
	if (segment->backing == TSR_BACKING_THP) {
		first.bytes = UINT64_C(1) << SEGMENT_2M_LOG2;
		error = segment_collapse(&first);
	}
	(void)munmap(segment->base, segment->bytes);
	segment->base = NULL;
	return error;
}

/* What the system says it could still give; UINT64_MAX: it does not say. */
static uint64_t
segment_available_bytes(void)
{
	FILE *const info = fopen("/proc/meminfo", "re");
	unsigned long long kib = UINT64_MAX >> 10;
	char line[128];

	if (info == NULL)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), info) != NULL) {
		if (strncmp(line, "MemAvailable:", 13) == 0) {
			kib = strtoull(line + 13, NULL, 10);
			break;
		}
	}
	(void)fclose(info);
	return (uint64_t)kib << 10;
}

/* One attempt with one backing. */
static int
segment_try(struct tsr_kernel const *kernel, struct tsr_segment_request const *request,
            enum tsr_backing backing, struct tsr_memory *out)
{
	unsigned const huge_log2 = segment_backings[backing].huge_log2;
	uint64_t const page = UINT64_C(1) << segment_backings[backing].page_log2;
	struct tsr_memory segment = {
		.fd = -1,
		.bytes = (request->bytes + page - 1) / page * page,
		.page_log2 = segment_backings[backing].page_log2,
		.backing = backing,
	};
	int error;

	/* Hugetlb pages are reserved or refused. Others are promised, and when they are missing
	 * later the system kills somebody for it: so it is asked before. */
	if (huge_log2 == 0 && segment.bytes > segment_available_bytes())
		return -ENOMEM;
	segment.fd = tsr_kernel_memfd(kernel, request->name, huge_log2);
	if (segment.fd < 0)
		return segment.fd;
	if (ftruncate(segment.fd, (off_t)segment.bytes) != 0) {
		error = -errno;
		goto destroy;
	}
	error = segment_map(&segment, huge_log2 != 0);
	if (error != 0)
		goto destroy;
	error = request->untouched ? segment_reserve(&segment, request->node)
	                           : segment_populate(&segment, request->node);
	if (error != 0)
		goto destroy;
	*out = segment;
	return 0;

destroy:
	tsr_segment_destroy(&segment);
	return error;
}

/* Rounding up to the page may waste a quarter at most. */
static bool
segment_suits(uint64_t bytes, enum tsr_backing backing)
{
	uint64_t const page = UINT64_C(1) << segment_backings[backing].page_log2;
	uint64_t const rounded = (bytes + page - 1) / page * page;

	return backing == TSR_BACKING_4K || rounded - bytes <= bytes / 4;
}

static void
segment_explain(char *why, size_t why_bytes, enum tsr_backing backing, uint64_t bytes, int error)
{
	uint64_t const page = UINT64_C(1) << segment_backings[backing].page_log2;

	if (segment_backings[backing].huge_log2 != 0)
		(void)snprintf(why, why_bytes, "%llu free hugetlb pages of %s are not there (%s)",
		               (unsigned long long)((bytes + page - 1) / page),
		               segment_backings[backing].name, strerror(-error));
	else if (backing == TSR_BACKING_THP)
		(void)snprintf(why, why_bytes, "transparent huge pages could not be made (%s)",
		               strerror(-error));
	else
		(void)snprintf(why, why_bytes,
		               "%llu KiB of memory could not be had (%s), the system has %llu KiB "
		               "available",
		               (unsigned long long)(bytes >> 10), strerror(-error),
		               (unsigned long long)(segment_available_bytes() >> 10));
}

int
tsr_segment_create(struct tsr_kernel const *kernel, struct tsr_segment_request const *request,
                   struct tsr_memory *out, char *why, size_t why_bytes)
{
	int backing = request->best == TSR_BACKING_AUTO ? TSR_BACKING_1G : (int)request->best;
	int error = -ENOMEM;

	why[0] = '\0';
	for (; backing <= TSR_BACKING_4K; backing++) {
		if (!segment_suits(request->bytes, (enum tsr_backing)backing))
			continue;
		error = segment_try(kernel, request, (enum tsr_backing)backing, out);
		if (error == 0)
			return 0;
		/* The first reason is the one that a user can do something about. */
		if (why[0] == '\0' || backing == TSR_BACKING_4K)
			segment_explain(why, why_bytes, (enum tsr_backing)backing, request->bytes,
			                error);
	}
	return error;
}

static int
segment_seals(bool daemon_writes)
{
	return F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL |
	       (daemon_writes ? F_SEAL_FUTURE_WRITE : 0);
}

/* Is it what we once made? */
static int
segment_check(struct tsr_memory const *segment, bool daemon_writes)
{
	int const wanted = segment_seals(daemon_writes);
	int const seals = fcntl(segment->fd, F_GET_SEALS);
	struct stat status;

	if (seals < 0 || (seals & wanted) != wanted || fstat(segment->fd, &status) != 0 ||
	    (uint64_t)status.st_size != segment->bytes)
		return -EINVAL;
	return 0;
}

int
tsr_segment_open(struct tsr_memory *out, bool daemon_writes)
{
	int error = segment_check(out, daemon_writes);

	if (error == 0)
		error = segment_map(out, segment_backings[out->backing].huge_log2 != 0);
	if (error != 0)
		return error;
	(void)madvise(out->base, out->bytes, MADV_DONTFORK);
	(void)madvise(out->base, out->bytes, MADV_DONTDUMP);
	return 0;
}

int
tsr_segment_read(struct tsr_memory const *segment, void *to)
{
	int const error = segment_check(segment, true);
	void *from;

	if (error != 0)
		return error;
	/* Private: before Linux 6.7 it can't be mapped shared, see mapping_place(). */
	from = mmap(NULL, segment->bytes, PROT_READ, MAP_PRIVATE, segment->fd, 0);
	if (from == MAP_FAILED)
		return -errno;
	memcpy(to, from, segment->bytes);
	(void)munmap(from, segment->bytes);
	return 0;
}

int
tsr_segment_open_reading(struct tsr_memory const *segment)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", segment->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fd;
}

int
tsr_segment_seal(struct tsr_memory const *segment, bool daemon_writes)
{
	return fcntl(segment->fd, F_ADD_SEALS, segment_seals(daemon_writes)) == 0 ? 0 : -errno;
}

void
tsr_segment_destroy(struct tsr_memory *segment)
{
	if (segment->base != NULL)
		(void)munmap(segment->base, segment->bytes);
	if (segment->fd >= 0)
		(void)close(segment->fd);
	*segment = (struct tsr_memory){.fd = -1};
}
