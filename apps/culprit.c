/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/culprit.h"

#include <stdlib.h>

#include "apps/process.h"
#include "apps/table.h"
#include "shm/zdesc.h"

#define CULPRIT_CLIENTS (UINT32_C(1) << 16)

/* The rows of clients by their id. */
static json_t **
culprit_index(const json_t *clients)
{
	json_t **const by_id = calloc(CULPRIT_CLIENTS, sizeof(by_id[0]));

	for (size_t i = 0; by_id != NULL && i < json_array_size(clients); i++) {
		json_t *const row = json_array_get(clients, i);
		json_int_t const id = json_integer_value(json_object_get(row, "id"));

		if (id > 0 && id < CULPRIT_CLIENTS)
			by_id[id] = row;
	}
	return by_id;
}

static void
culprit_try(struct tsr_culprit *culprit, json_t *client, uint64_t waited_ns, uint64_t all_ns)
{
	const char *const process = json_string_value(json_object_get(client, "process"));
	bool const stuck = process != NULL && tsr_process_stuck(process);
	bool const found = culprit->client != NULL;

	if (client == NULL || (found && tsr_process_stuck(culprit->reason)))
		return;
	/* Who always waited for a message is none that others wait for. */
	if (!stuck &&
	    (waited_ns > all_ns - all_ns / 16 || (found && waited_ns >= culprit->waited_ns)))
		return;
	culprit->client = client;
	culprit->reason = stuck ? process : "slow";
	culprit->waited_ns = waited_ns;
}

struct tsr_culprit *
tsr_culprits_find(struct tsr_sample const *before, struct tsr_sample const *now,
                  const json_t *clients)
{
	struct tsr_culprit *const culprits = calloc(now->channels_count, sizeof(culprits[0]));
	json_t **const by_id = culprit_index(clients);

	for (uint32_t i = 0; culprits != NULL && by_id != NULL && i < now->ends_count; i++) {
		uint64_t const word = now->ends[i].word;
		uint32_t const index = tsr_channel_index(tsr_end_word_channel(word));
		uint64_t waited_ns = now->ends[i].seen.blocked_ns;

		if (word == 0 || index >= now->channels_count ||
		    tsr_end_word_side(word) != TSR_SIDE_RECEIVER)
			continue;
		if (before->ends[i].word == word)
			waited_ns -= before->ends[i].seen.blocked_ns < waited_ns
			                     ? before->ends[i].seen.blocked_ns
			                     : waited_ns;
		culprits[index].receives = true;
		culprit_try(&culprits[index], by_id[tsr_end_word_client(word)], waited_ns,
		            now->at_ns - before->at_ns);
	}
	free(by_id);
	return culprits;
}

json_t *
tsr_culprit_blame(struct tsr_culprit const *culprit, uint64_t blocked_ns)
{
	json_t *const client = culprit->client;
	json_int_t const so_far = json_integer_value(json_object_get(client, "holds_up_ns"));

	if (client == NULL)
		return json_string(culprit->receives ? "its receivers" : "nobody receives");
	tsr_report_set(client, "holds_up_ns", tsr_report_count((uint64_t)so_far + blocked_ns));
	return json_sprintf("%s %lld: %s", json_string_value(json_object_get(client, "client")),
	                    (long long)json_integer_value(json_object_get(client, "pid")),
	                    culprit->reason);
}
