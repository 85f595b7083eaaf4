/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_APPS_CULPRIT_H
#define TSR_APPS_CULPRIT_H

/*
 * Who keeps the senders of each channel waiting: of its receivers one that can't go on, or else the
 * one that waited least for a message itself.
 */

#include "apps/sample.h"

struct tsr_culprit {
	json_t *client; /* borrowed from the rows of clients; NULL: none that stands out */
	const char *reason;
	uint64_t waited_ns; /* for messages, since the sample before */
	bool receives;      /* the channel has receivers */
};

/*
 * tsr_culprits_find - one for each entry of the directory, free() it
 * @clients:	rows with "id" and "process"
 *
 * Return: NULL: no memory.
 */
struct tsr_culprit *tsr_culprits_find(struct tsr_sample const *before, struct tsr_sample const *now,
                                      const json_t *clients);

/*
 * tsr_culprit_blame - in words; and what senders were blocked is added to "holds_up_ns" of the
 * client's row
 */
json_t *tsr_culprit_blame(struct tsr_culprit const *culprit, uint64_t blocked_ns);

#endif /* TSR_APPS_CULPRIT_H */
