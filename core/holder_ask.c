/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* The asking side of the holder. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/holder.h"
#include "core/passing.h"
#include "core/store.h"

#define ASK_BYTES (TSR_STORE_NAME_BYTES + 64)

/* "OK", or "ERRNO=n". */
static int
ask_verdict(const char *text)
{
	long number;

	if (strcmp(text, "OK") == 0)
		return 0;
	if (strncmp(text, "ERRNO=", 6) != 0)
		return -EPROTO;
	number = strtol(text + 6, NULL, 10);
	return number > 0 && number < 4096 ? -(int)number : -EPROTO;
}

static int
ask(int holder, const char *text, int fd)
{
	char answer[ASK_BYTES];
	int none = -1;
	int error = tsr_passing_send(holder, text, strlen(text), fd);

	if (error == 0)
		error = tsr_passing_receive(holder, answer, sizeof(answer), &none);
	if (none >= 0)
		(void)close(none);
	return error == 0 ? ask_verdict(answer) : error;
}

int
tsr_holder_keep(int holder, const char *name, int fd)
{
	char text[ASK_BYTES];

	(void)snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	return ask(holder, text, fd);
}

int
tsr_holder_drop(int holder, const char *name)
{
	char text[ASK_BYTES];

	(void)snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	return ask(holder, text, -1);
}

int
tsr_holder_get(int holder, int (*found)(void *argument, const char *name, int fd), void *argument)
{
	char answer[ASK_BYTES];
	int error = tsr_passing_send(holder, "FDGET=1", strlen("FDGET=1"), -1);
	int fd;

	while (error == 0) {
		fd = -1;
		error = tsr_passing_receive(holder, answer, sizeof(answer), &fd);
		if (error != 0)
			break;
		if (fd < 0)
			return ask_verdict(answer);
		if (strncmp(answer, "FDNAME=", 7) != 0) {
			(void)close(fd);
			return -EPROTO;
		}
		error = found(argument, answer + 7, fd);
	}
	return error;
}
