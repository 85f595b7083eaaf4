/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/*
 * tsr_send - hand a message to the channel
 *
 * Context: hot. Return: 0; -EAGAIN full.
 */
TSR_API int tsr_send(struct tsr_sender sender, struct tsr_msg *msg);

/* tsr_close - close an end. Context: cold. */
TSR_API void tsr_close(struct tsr_sender sender);
