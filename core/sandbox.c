/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

/* Linux 6.3; not in Debian 12's headers. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1UL
#endif

/* To end a client of another user that lives on behind a closed socket; to give the socket to a
 * group, at the start or by a reload. */
static const unsigned sandbox_kept[] = {CAP_KILL, CAP_CHOWN};

static const char *const sandbox_modes[] = {
	[TSR_SANDBOX_ON] = "on",
	[TSR_SANDBOX_LOG] = "log",
	[TSR_SANDBOX_OFF] = "off",
};

int
tsr_sandbox_mode_find(const char *name, enum tsr_sandbox_mode *out)
{
	for (unsigned i = 0; i < sizeof(sandbox_modes) / sizeof(sandbox_modes[0]); i++) {
		if (strcmp(sandbox_modes[i], name) == 0) {
			*out = (enum tsr_sandbox_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *
tsr_sandbox_mode_name(enum tsr_sandbox_mode mode)
{
	return sandbox_modes[mode];
}

static uint64_t
sandbox_capabilities(void)
{
	uint64_t left = 0;

	if (capng_get_caps_process() != 0)
		return UINT64_MAX;
	for (unsigned i = 0; i <= CAP_LAST_CAP; i++) {
		if (capng_have_capability(CAPNG_PERMITTED, i) != 0)
			left |= UINT64_C(1) << i;
	}
	return left;
}

/* Of those that we have; the bounding set, too, where we may. */
static int
sandbox_drop(bool daemon)
{
	bool has[sizeof(sandbox_kept) / sizeof(sandbox_kept[0])];
	bool bounds;

	if (capng_get_caps_process() != 0)
		return -EPERM;
	bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
	for (size_t i = 0; i < sizeof(has) / sizeof(has[0]); i++)
		has[i] = daemon && capng_have_capability(CAPNG_PERMITTED, sandbox_kept[i]) != 0;
	capng_clear(CAPNG_SELECT_ALL);
	if (bounds && capng_apply(CAPNG_SELECT_BOUNDS) != 0)
		return -EPERM;
	for (size_t i = 0; i < sizeof(has) / sizeof(has[0]); i++) {
		if (has[i] && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
		                           sandbox_kept[i]) != 0)
			return -EPERM;
	}
	return capng_apply(CAPNG_SELECT_CAPS) == 0 ? 0 : -EPERM;
}

int
tsr_sandbox_rights(struct tsr_sandbox *sandbox, enum tsr_sandbox_mode mode, bool daemon,
                   struct tsr_refusal *refusal)
{
	int error;

	*sandbox = (struct tsr_sandbox){.mode = mode};
	if (mode != TSR_SANDBOX_OFF) {
		error = sandbox_drop(daemon);
		if (error != 0)
			return tsr_refuse(refusal, error, "capabilities can't be dropped");
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
			return tsr_refuse(refusal, -errno, "no_new_privs: %s", strerror(errno));
	}
	sandbox->capabilities = sandbox_capabilities();
	if (mode == TSR_SANDBOX_ON) {
		if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
			return tsr_refuse(refusal, -errno, "PR_SET_DUMPABLE: %s", strerror(errno));
		/* Memory that was written is never code. The list of calls says so, too. */
		(void)prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
	}
	return 0;
}
