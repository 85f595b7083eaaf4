/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_PROCESS_H
#define TSR_APPS_PROCESS_H

/*
 * Starting other programs, ending them, seeing what they do.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/compiler.h"

/* What a child begins with. Descriptors of -1 become /dev/null (in, out) or stay ours (error). */
struct tsr_spawn {
	const char *path;
	const char *const *argv; /* ends with a NULL */
	int input;
	int output;
	int error;
	bool session; /* of its own: a Ctrl-C at our terminal does not reach it */
	bool tied;    /* gets SIGTERM when we die */
};

/* tsr_process_spawn - fork and exec. Return: 0; a negative errno of fork. */
TSR_MUST_CHECK
int tsr_process_spawn(const struct tsr_spawn *spawn, pid_t *pid);

/*
 * tsr_process_self - the path of this program
 * tsr_process_find - of the program @name beside it, or in PATH
 *
 * Return: 0, the caller frees @path; -ENOENT; -ENOMEM.
 */
TSR_MUST_CHECK
int tsr_process_self(char **path);
TSR_MUST_CHECK
int tsr_process_find(const char *name, char **path);

/* tsr_process_ended - has the child ended? Sets @status as waitpid() does. */
bool tsr_process_ended(pid_t pid, int *status);

/* tsr_process_show_log - the last that a program said, from the file it said it into. */
void tsr_process_show_log(int log);

/* tsr_process_wait - wait for a child. Return: its exit status, 128 + N if signal N ended it. */
int tsr_process_wait(pid_t pid);

/* tsr_process_end - SIGTERM, and SIGKILL if it has not ended within @grace_ms. Return: as above. */
int tsr_process_end(pid_t pid, uint64_t grace_ms);

/* What the kernel tells everybody of a process. */
struct tsr_process {
	pid_t pid;
	char state;       /* as in proc(5) */
	int cpu;          /* that its first thread ran on last */
	uint64_t busy_ns; /* of all threads, in user and kernel mode; in steps of 10 ms */
	uint64_t born_ns; /* since the machine was started */
	uint64_t age_ns;
};

/* tsr_process_look - Return: 0; -ENOENT it is gone; -EPROTO the kernel tells nothing of it. */
TSR_MUST_CHECK
int tsr_process_look(pid_t pid, struct tsr_process *out);

/*
 * tsr_process_doing - what a process does at this moment, in a word
 *
 * Return: "running", "asleep", "disk" (in a call that can't be interrupted), "stopped", "zombie",
 * "gone", "unknown".
 */
const char *tsr_process_doing(pid_t pid);

/* tsr_process_stuck - whether a process that does this can't go on by itself. */
bool tsr_process_stuck(const char *doing);

#endif /* TSR_APPS_PROCESS_H */
