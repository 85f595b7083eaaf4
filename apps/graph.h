/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_GRAPH_H
#define TSR_APPS_GRAPH_H

/*
 * What a channel received, over time, as bars on the terminal.
 */

#include "apps/view.h"

/* tsr_graph_draw - from line @top on, @lines high, as wide as the screen. @history: NULL: nothing
 * is known yet. */
void tsr_graph_draw(struct tsr_history const *history, const char *channel, int top, int lines);

#endif /* TSR_APPS_GRAPH_H */
