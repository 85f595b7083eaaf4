/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_TESTS_SUPPORT_RAW_H
#define TSR_TESTS_SUPPORT_RAW_H

/*
 * A connection to the control socket that says whatever a test wants: packets that the client
 * library would never send.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/daemon.h"

/* Connect; asserts that it succeeds. */
int raw_connect(struct daemon const *daemon);

/* The same, greeted: HELLO, and PIDFD where it is asked for. raw_attach: and attached to "demo". */
int raw_greet(struct daemon const *daemon);
int raw_attach(struct daemon const *daemon);

/* The same, and keep the descriptors that come along: [TSR_SEGMENTS_MAX + 1]. */
int raw_attach_segments(struct daemon const *daemon, int *segments,
                        struct tsr_proto_attach_reply *reply);
/* The same with TSR_PROTO_ATTACH_*. */
int raw_attach_as(struct daemon const *daemon, uint32_t flags, int *segments,
                  struct tsr_proto_attach_reply *reply);

/*
 * Detach if it is attached, and close. A process that hangs up while it is attached is killed by
 * the daemon.
 */
void raw_close(int fd);

/* Send a packet with descriptors. Return: 0 or a negative errno. */
int raw_send(int fd, void const *packet, size_t bytes, int const *fds, size_t fds_count);

/*
 * Receive a packet (5 s at most); descriptors that come with it are counted and closed.
 * Return: its bytes; 0 the daemon hung up; -ETIMEDOUT.
 */
int raw_recv(int fd, void *packet, size_t bytes, size_t *fds_count);

/* The same, and keep the one descriptor that comes with it; -1: none does. */
int raw_recv_fd(int fd, void *packet, size_t bytes, int *passed);

/* Fill in a head. */
void raw_head(void *packet, uint16_t type, size_t bytes);

/* Send, and assert that the reply is a refusal with @error and a text; return the text. */
char const *raw_refused(int fd, void const *packet, size_t bytes, int error);

/* Whether PING is answered on this connection. */
bool raw_alive(int fd);

#endif /* TSR_TESTS_SUPPORT_RAW_H */
