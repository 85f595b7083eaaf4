/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_SCREEN_H
#define TSR_APPS_SCREEN_H

/*
 * The tables of a view on a terminal, live: one at a time, sorted, filtered; and a graph of what
 * one channel received.
 */

#include "apps/view.h"

/*
 * tsr_screen_run - until the user quits
 * @interval_ns:	between two looks
 *
 * Return: 0; -ENOTTY no terminal, or one of an unknown type.
 */
TSR_MUST_CHECK
int tsr_screen_run(struct tsr_view *view, uint64_t interval_ns);

#endif /* TSR_APPS_SCREEN_H */
