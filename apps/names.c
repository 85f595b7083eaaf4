/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/names.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define NAMES_BUFFER_BYTES 65536 /* a group with all its members */

static char names_buffer[NAMES_BUFFER_BYTES];

/* @name if it is there and fits, else @number. */
static void
names_put(const char *name, unsigned int number, char *out)
{
	if (name != NULL && strlen(name) < TSR_ACCOUNT_BYTES)
		strcpy(out, name);
	else
		snprintf(out, TSR_ACCOUNT_BYTES, "%u", number);
}

void
tsr_user_name(uid_t user, char *out)
{
	struct passwd entry, *found = NULL;

	if (getpwuid_r(user, &entry, names_buffer, sizeof(names_buffer), &found) != 0)
		found = NULL;
	names_put(found != NULL ? found->pw_name : NULL, user, out);
}

void
tsr_group_name(gid_t group, char *out)
{
	struct group entry, *found = NULL;

	if (getgrgid_r(group, &entry, names_buffer, sizeof(names_buffer), &found) != 0)
		found = NULL;
	names_put(found != NULL ? found->gr_name : NULL, group, out);
}

bool
tsr_group_find(const char *name, gid_t *group)
{
	struct group entry, *found = NULL;

	if (getgrnam_r(name, &entry, names_buffer, sizeof(names_buffer), &found) != 0 ||
	    found == NULL)
		return false;
	*group = found->gr_gid;
	return true;
}
