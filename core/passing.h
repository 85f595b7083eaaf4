/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_CORE_PASSING_H
#define TSR_CORE_PASSING_H

/*
 * A line of text and at most one descriptor, in one packet: what the store's protocol is made of.
 */

#include <stddef.h>

#include "shm/compiler.h"

/* tsr_passing_send - @fd -1: none goes along. Return: 0; -ETIMEDOUT the socket's own time is over;
 * -EPIPE, ... */
TSR_MUST_CHECK
int tsr_passing_send(int socket, const char *text, size_t bytes, int fd);

/*
 * tsr_passing_receive - the next packet, made a string
 * @fd:		set to its descriptor, close-on-exec, the caller's; -1: it had none
 *
 * Return: 0; -EPROTO it is empty, too long, has a 0 in it, or more than one descriptor, and none is
 * left open; -EPIPE the other end is closed; -ETIMEDOUT; -EAGAIN; ...
 */
TSR_MUST_CHECK
int tsr_passing_receive(int socket, char *text, size_t bytes, int *fd);

#endif /* TSR_CORE_PASSING_H */
