/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_RECONNECT_H
#define TSR_SHM_RECONNECT_H

/*
 * When the daemon dies and another one takes the realm over: the client goes on, and comes back to
 * that one by itself.
 *
 * What participants write is where it was; directory and blocks, which only daemons write, are
 * mapped anew at the same addresses, so that every pointer stays good. Until then they show what
 * the dead daemon last wrote. Who must ask the daemon something comes back first; who waits, or
 * looks and finds nothing, sees by the realm's pulse that there is another one.
 */

#include "shm/client.h"

/* tsr_reconnect_watch - an attachment that has just been made: its requests are sent again to a
 * successor. The process lock is held. */
void tsr_reconnect_watch(struct tsr_attachment *attachment);

/* tsr_reconnect_hopes - would another daemon take the realm over, as the directory says? */
bool tsr_reconnect_hopes(struct tsr_attachment const *attachment);

#endif /* TSR_SHM_RECONNECT_H */
