/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/sandbox_daemon.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/daemon.h"
#include "core/helper.h"
#include "shm/trace.h"

#define SANDBOX_PLACES_MAX 16
#define SANDBOX_ABI_6_1    2 /* of Landlock, in Linux 6.1 */

/* What the daemon may reach. */
struct sandbox_list {
	struct tsr_sandbox_place place[SANDBOX_PLACES_MAX];
	char *folder[SANDBOX_PLACES_MAX]; /* made for this */
	size_t count;
	bool failed; /* no memory */
};

int
tsr_daemon_shed(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	struct tsr_config const *const config = daemon->config;
	int error = 0;

	if (config->sandbox != TSR_SANDBOX_OFF) {
		/* First, while all is as it was. */
		daemon->successor =
			tsr_helper_successor(daemon->start->path, daemon->start->argv, refusal);
		if (daemon->successor < 0)
			return daemon->successor;
		error = tsr_helper_finder(config->sandbox, daemon->reload.sources->file, refusal);
		if (error != 0)
			return error;
		daemon->asker = tsr_helper_asker(config->sandbox, daemon->start->path,
		                                 daemon->start->argv, refusal);
		error = daemon->asker < 0 ? daemon->asker : 0;
	}
	if (error == 0 && config->postmortem_trace && config->postmortem_folder[0] != '\0') {
		int const recorder =
			tsr_helper_recorder(config->sandbox, config->postmortem_folder, refusal);

		daemon->postmortem.recorder = recorder;
		error = recorder < 0 ? recorder : 0;
	}
	if (error == 0)
		error = tsr_sandbox_rights(&daemon->sandbox, config->sandbox, true, refusal);
	if (error == 0 && config->sandbox != TSR_SANDBOX_OFF) {
		error = tsr_sandbox_catch(config->sandbox == TSR_SANDBOX_LOG);
		if (error != 0)
			return tsr_refuse(refusal, error, "SIGSYS: %s", strerror(-error));
	}
	return error;
}

static void
sandbox_add(struct sandbox_list *list, const char *path, unsigned rights)
{
	list->place[list->count++] = (struct tsr_sandbox_place){path, rights};
}

/* The folder that @path lies in, @up levels higher. NULL is no path. */
static void
sandbox_add_folder(struct sandbox_list *list, const char *path, unsigned up, unsigned rights)
{
	char *const folder = path == NULL ? NULL : strdup(path);

	list->failed = list->failed || (path != NULL && folder == NULL);
	if (folder == NULL)
		return;
	for (unsigned i = 0; i < up; i++) {
		char *const slash = strrchr(folder, '/');

		if (slash != NULL)
			slash[slash == folder ? 1 : 0] = '\0';
	}
	list->folder[list->count] = folder;
	sandbox_add(list, folder, rights);
}

static void
sandbox_add_places(struct sandbox_list *list, struct tsr_daemon const *daemon)
{
	const char *const file = daemon->reload.sources->file;

	/* What DPDK loads and looks at, libnuma, and we ourselves. */
	sandbox_add(list, "/usr", TSR_SANDBOX_READ);
	sandbox_add(list, "/lib", TSR_SANDBOX_READ);
	sandbox_add(list, "/lib64", TSR_SANDBOX_READ);
	sandbox_add(list, "/etc/ld.so.cache", TSR_SANDBOX_READ);
	sandbox_add(list, "/proc", TSR_SANDBOX_READ);
	sandbox_add(list, "/sys", TSR_SANDBOX_READ);
	sandbox_add(list, "/dev/null", TSR_SANDBOX_READ);
	/* What the configuration includes; itself it is opened by the finder. */
	sandbox_add_folder(list, file, 1, TSR_SANDBOX_READ);
	sandbox_add_folder(list, daemon->rundir.socket, 1, TSR_SANDBOX_READ | TSR_SANDBOX_WRITE);
	if (daemon->rundir.made_folder)
		sandbox_add_folder(list, daemon->rundir.socket, 2, TSR_SANDBOX_RMDIR);
	if (daemon->config->postmortem_folder[0] != '\0')
		sandbox_add(list, daemon->config->postmortem_folder,
		            TSR_SANDBOX_READ | TSR_SANDBOX_WRITE);
}

int
tsr_daemon_stay(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	const char *const notify = getenv("NOTIFY_SOCKET");
	struct sandbox_list list = {.count = 0};
	int error;

	sandbox_add_places(&list, daemon);
	error = list.failed ? tsr_refuse(refusal, -ENOMEM, "no memory for the list of places") : 0;
	if (error == 0)
		error = tsr_sandbox_places(&daemon->sandbox, list.place, list.count,
		                           daemon->config->compat ? SANDBOX_ABI_6_1 : UINT32_MAX,
		                           notify != NULL && notify[0] == '@', refusal);
	for (size_t i = 0; i < list.count; i++)
		free(list.folder[i]);
	if (error == 0 && daemon->sandbox.mode == TSR_SANDBOX_ON && daemon->sandbox.landlock == 0)
		tsr_log(TSR_LOG_NOTICE, "sandbox: this kernel has no Landlock: files are not shut "
		                        "away from the daemon");
	return error;
}

/* The control thread's part. */
struct sandbox_errand {
	struct tsr_daemon *daemon;
	struct tsr_refusal *refusal;
	int error;
};

static void
sandbox_control(void *argument)
{
	struct sandbox_errand *const errand = argument;

	errand->error = tsr_sandbox_calls(&errand->daemon->sandbox, TSR_SANDBOX_CONTROL, false,
	                                  errand->refusal);
}

int
tsr_daemon_shut_in(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	struct tsr_sandbox *const sandbox = &daemon->sandbox;
	struct sandbox_errand errand = {.daemon = daemon, .refusal = refusal};
	int error;

	if (sandbox->mode == TSR_SANDBOX_OFF)
		return 0;
	sandbox->tracing = tsr_trace != NULL;
	/* libc loads it for a thread that is cancelled, as LTTng's are at the end. */
	(void)dlopen("libgcc_s.so.1", RTLD_NOW);
	error = tsr_sandbox_calls(sandbox, TSR_SANDBOX_DAEMON, true, refusal);
	if (error == 0)
		error = tsr_errand_do(&daemon->errands, sandbox_control, &errand);
	if (error == 0 && errand.error == 0 && !sandbox->filtered)
		tsr_log(TSR_LOG_NOTICE,
		        "sandbox: %s: system calls are not shut away from the daemon",
		        sandbox->tracing ? "a trace provider is loaded" : "no seccomp here");
	return error != 0 ? error : errand.error;
}
