/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_CONTROL_H
#define TSR_SHM_CONTROL_H

/*
 * The asking side of the control protocol: connect, greet, ask, receive.
 *
 * Used by the client library and by the command line. One thread at a time per connection.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/proto.h"

#define TSR_SOCKET_NAME "control.sock"

struct tsr_control {
	int fd;
	uint32_t daemon_pid;
	uint64_t instance;
	uint64_t cookie; /* of the last request */
	bool refused;    /* the daemon said no to it: it has changed nothing */
	char release[32];
	char path[108]; /* of the socket that answered */
	/* The daemon is gone: get another one until @deadline_ns, then the request is sent again.
	 * Return: 0; -ENOTCONN. NULL: nobody does. */
	int (*renew)(struct tsr_control *control, uint16_t type, void const *request,
	             uint64_t deadline_ns);
	unsigned char *packet; /* room for one, made with the first reply; closing frees it */
};

/*
 * tsr_run_dir - where a daemon of this user keeps its socket
 * @out:	$TESSERA_RUNTIME_DIR, $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/tessera, for root
 *		/run/tessera, else /tmp/tessera-UID; nothing is created
 *
 * Return: 0; -ENAMETOOLONG.
 */
TSR_MUST_CHECK
int tsr_run_dir(char *out, size_t out_bytes);

/*
 * tsr_control_open - connect and greet
 * @socket:	path, or NULL: the socket in tsr_run_dir() if a daemon answers there, else the
 *		system's /run/tessera/control.sock (with TESSERA_RUNTIME_DIR set: only there)
 * @deadline_ns:	until when
 *
 * Return: 0; -ECONNREFUSED nobody listens (tsr_last_hint() names the sockets that were tried);
 * -EPROTO another version or layout; -ETIMEDOUT; -EACCES; or what socket(2) gave.
 */
TSR_MUST_CHECK
int tsr_control_open(struct tsr_control *control, const char *socket, uint64_t deadline_ns);

void tsr_control_close(struct tsr_control *control);

/*
 * tsr_control_withdraw - hang up after an ATTACH that came to nothing on this side
 *
 * The daemon may have let us in, or be about to, and it kills a client that lives on after it hung
 * up without a goodbye: so say one. Does not wait for an answer.
 */
void tsr_control_withdraw(struct tsr_control *control);

/*
 * tsr_control_ask - send a request and receive the first reply to it
 * @request:	begins with a head; length is set to @request_bytes and type to @type here
 * @reply:	room for the packet
 * @reply_bytes:	size of @reply; a reply of another size is -EPROTO, unless @got is given
 * @got:	NULL, or set to the bytes received (at least a head)
 *
 * A TSR_PROTO_ERROR reply becomes its errno, and its text becomes tsr_last_hint().
 * Return: 0; -ENOTCONN the daemon is gone; -ETIMEDOUT; -EPROTO; or the daemon's refusal.
 */
TSR_MUST_CHECK
int tsr_control_ask(struct tsr_control *control, uint16_t type, void *request, size_t request_bytes,
                    void *reply, size_t reply_bytes, size_t *got, uint64_t deadline_ns);

/* tsr_control_more - receive the next reply to the same request (LIST). Return: as above. */
TSR_MUST_CHECK
int tsr_control_more(struct tsr_control *control, uint16_t type, void *reply, size_t reply_bytes,
                     size_t *got, uint64_t deadline_ns);

/* tsr_control_ask with descriptors: @fds has room for @fds_max; *fds_count is set. */
TSR_MUST_CHECK
int tsr_control_ask_fds(struct tsr_control *control, uint16_t type, void *request,
                        size_t request_bytes, void *reply, size_t reply_bytes, int *fds,
                        size_t fds_max, size_t *fds_count, uint64_t deadline_ns);

/* tsr_control_ask with a descriptor of ours that goes along; it stays ours. */
TSR_MUST_CHECK
int tsr_control_ask_passing(struct tsr_control *control, uint16_t type, void *request,
                            size_t request_bytes, void *reply, size_t reply_bytes, int passed,
                            uint64_t deadline_ns);

/* Set what tsr_last_hint() of this thread returns. */
void tsr_hint_set(const char *format, ...) TSR_PRINTF(1, 2);

#endif /* TSR_SHM_CONTROL_H */
