/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* Landlock, by its system calls: Debian 12's headers know its first two ABIs. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/sandbox.h"

#define PLACES_VERSION      1U /* of landlock_create_ruleset(2): say the ABI */
#define PLACES_PATH_BENEATH 1  /* of landlock_add_rule(2) */

enum {
	PLACES_EXECUTE = 1 << 0,
	PLACES_WRITE_FILE = 1 << 1,
	PLACES_READ_FILE = 1 << 2,
	PLACES_READ_DIR = 1 << 3,
	PLACES_REMOVE_DIR = 1 << 4,
	PLACES_REMOVE_FILE = 1 << 5,
	PLACES_MAKE_DIR = 1 << 7,
	PLACES_MAKE_REG = 1 << 8,
	PLACES_MAKE_SOCK = 1 << 9,
	PLACES_ABI1 = (1 << 13) - 1,
	PLACES_REFER = 1 << 13,     /* ABI 2 */
	PLACES_TRUNCATE = 1 << 14,  /* 3 */
	PLACES_IOCTL_DEV = 1 << 15, /* 5 */
};

#define PLACES_NET_ALL        UINT64_C(3) /* ABI 4: TCP, bind and connect */
#define PLACES_SCOPE_ABSTRACT UINT64_C(1) /* ABI 6 */

/* What may be done to a file that is no folder. */
#define PLACES_OF_A_FILE \
	(PLACES_EXECUTE | PLACES_WRITE_FILE | PLACES_READ_FILE | PLACES_TRUNCATE | PLACES_IOCTL_DEV)

struct places_ruleset {
	uint64_t files;
	uint64_t net;
	uint64_t scoped;
};

struct places_rule {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

uint32_t
tsr_sandbox_landlock(void)
{
	long const abi = syscall(SYS_landlock_create_ruleset, NULL, 0, PLACES_VERSION);

	return abi > 0 ? (uint32_t)abi : 0;
}

static uint64_t
places_handled(uint32_t abi)
{
	uint64_t handled = PLACES_ABI1;

	if (abi >= 2)
		handled |= PLACES_REFER;
	if (abi >= 3)
		handled |= PLACES_TRUNCATE;
	if (abi >= 5)
		handled |= PLACES_IOCTL_DEV;
	return handled;
}

static uint64_t
places_rights(unsigned rights)
{
	uint64_t allowed = 0;

	if ((rights & TSR_SANDBOX_READ) != 0)
		allowed |= PLACES_READ_FILE | PLACES_READ_DIR;
	if ((rights & TSR_SANDBOX_WRITE) != 0)
		allowed |= PLACES_WRITE_FILE | PLACES_REMOVE_DIR | PLACES_REMOVE_FILE |
		           PLACES_MAKE_DIR | PLACES_MAKE_REG | PLACES_MAKE_SOCK | PLACES_TRUNCATE;
	if ((rights & TSR_SANDBOX_EXECUTE) != 0)
		allowed |= PLACES_EXECUTE;
	if ((rights & TSR_SANDBOX_RMDIR) != 0)
		allowed |= PLACES_REMOVE_DIR;
	return allowed;
}

/* One place. Return: 0, also if it is not there; what the system gave. */
static int
places_add(int ruleset, struct tsr_sandbox_place const *place, uint64_t handled)
{
	int const parent = open(place->path, O_PATH | O_CLOEXEC);
	struct places_rule rule = {.allowed = places_rights(place->rights) & handled,
	                           .parent = parent};
	struct stat status;
	int error = 0;

	if (parent < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
	if (fstat(parent, &status) == 0 && !S_ISDIR(status.st_mode))
		rule.allowed &= PLACES_OF_A_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, PLACES_PATH_BENEATH, &rule, 0) != 0)
		error = -errno;
	(void)close(parent);
	return error;
}

static int
places_restrict(struct tsr_sandbox_place const *places, size_t places_count, uint32_t abi,
                bool abstract)
{
	struct places_ruleset const wanted = {
		.files = places_handled(abi),
		.net = abi >= 4 ? PLACES_NET_ALL : 0,
		.scoped = abi >= 6 && !abstract ? PLACES_SCOPE_ABSTRACT : 0,
	};
	/* An older kernel takes no more than it knows. */
	size_t const bytes = abi >= 6   ? sizeof(wanted)
	                     : abi >= 4 ? offsetof(struct places_ruleset, scoped)
	                                : offsetof(struct places_ruleset, net);
	int const ruleset = (int)syscall(SYS_landlock_create_ruleset, &wanted, bytes, 0);
	int error = 0;

	if (ruleset < 0)
		return -errno;
	for (size_t i = 0; error == 0 && i < places_count; i++)
		error = places_add(ruleset, &places[i], wanted.files);
	if (error == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		error = -errno;
	(void)close(ruleset);
	return error;
}

int
tsr_sandbox_places(struct tsr_sandbox *sandbox, struct tsr_sandbox_place const *places,
                   size_t places_count, uint32_t abi_max, bool abstract,
                   struct tsr_refusal *refusal)
{
	uint32_t const offered = tsr_sandbox_landlock();
	uint32_t const abi = offered < abi_max ? offered : abi_max;
	int error;

	if (sandbox->mode != TSR_SANDBOX_ON || abi == 0)
		return 0;
	error = places_restrict(places, places_count, abi, abstract);
	if (error != 0)
		return tsr_refuse(refusal, error, "Landlock: %s", strerror(-error));
	sandbox->landlock = abi;
	return 0;
}
