/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_NAMES_H
#define TSR_APPS_NAMES_H

/*
 * Users and groups by name.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TSR_ACCOUNT_BYTES 64 /* a name with its final 0; a longer one is given as its number */

/* The name, or the number as text if there is none. @out has TSR_ACCOUNT_BYTES. */
void tsr_user_name(uid_t user, char *out);
void tsr_group_name(gid_t group, char *out);

/* tsr_group_find - the number of a group. Return: false if there is none of that name. */
bool tsr_group_find(const char *name, gid_t *group);

#endif /* TSR_APPS_NAMES_H */
