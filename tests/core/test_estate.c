/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include <string.h>
#include <unistd.h>

#include "core/estate.h"
#include "core/segment.h"
#include "shm/format.h"
#include "shm/region.h"
#include "tests/support/check.h"
#include "tests/support/realm.h"

/* An estate is believed only if each of its records agrees with the others and with the directory:
 * every kind of damage is found. */

static struct realm realm_;
static struct tsr_estate estate_;
static struct tsr_channel *channel_;

static void
estate_setup(void)
{
	struct tsr_kernel const kernel = {.compat = false};
	struct tsr_realm_geometry geometry;
	struct tsr_estate_facts facts = {.realm = "demo"};

	realm_geometry(&geometry);
	geometry.ends = 8;
	geometry.regions = 2;
	geometry.region_tickets = 16;
	realm_make(&realm_, &geometry);
	channel_ = realm_channel(&realm_, 16, 0);
	facts.epoch = geometry.epoch;
	facts.channels = geometry.channels;
	facts.clients = geometry.clients;
	facts.regions = geometry.regions;
	facts.segments = realm_.map.segments_count;
	for (uint32_t i = 0; i < facts.segments; i++) {
		facts.bytes[i] = realm_.map.segment[i].bytes;
		facts.page_log2[i] = 12;
		facts.backing[i] = TSR_BACKING_4K;
	}
	test_ok(tsr_estate_create(&kernel, &facts, &estate_));
	tsr_st_rlx(&estate_.channels[0], tsr_estate_channel_word(&(struct tsr_estate_channel){
						 .used = true, .generation = 1, .creator = 7}));
}

static void
estate_teardown(void)
{
	tsr_estate_close(&estate_);
	realm_wipe(&realm_);
}

TestSuite(estate, .timeout = 30);

static void
believed(void)
{
	char why[200] = "";

	cr_assert_eq(tsr_estate_check(&estate_, &realm_.map, why, sizeof(why)), 0, "%s", why);
}

static void
doubted(char const *words)
{
	char why[200] = "";

	cr_assert_eq(tsr_estate_check(&estate_, &realm_.map, why, sizeof(why)), -EINVAL,
	             "damage is believed, expected '%s'", words);
	cr_assert_not_null(strstr(why, words), "'%s' does not say '%s'", why, words);
}

/* A client with one end of the channel. */
static void
enter(uint16_t id, uint32_t metrics)
{
	struct tsr_estate_client const client = {.serial = id, .pid = 1, .name = "one"};
	struct tsr_estate_end const end = {
		.open = true, .metrics = metrics, .channel_id = (uint32_t)channel_->id};

	tsr_estate_enter(&estate_, id, &client);
	tsr_st_rlx(&estate_.clients[id - 1].ends, 1);
	tsr_st_rlx(tsr_estate_row(&estate_, id), tsr_estate_end_word(&end));
}

test_case(estate, words_are_read_as_they_were_written)
{
	struct tsr_estate_end const end = {.open = true,
	                                   .side = 1,
	                                   .metrics = 65535,
	                                   .generation = 65535,
	                                   .channel_id = 0xffffff};
	struct tsr_estate_end const again = tsr_estate_end_read(tsr_estate_end_word(&end));
	struct tsr_estate_channel const channel = {.used = true,
	                                           .replies = true,
	                                           .gone = {false, true},
	                                           .generation = 255,
	                                           .creator = UINT32_MAX};
	struct tsr_estate_channel const read =
		tsr_estate_channel_read(tsr_estate_channel_word(&channel));

	cr_assert(again.open && again.side == 1);
	test_same(again.metrics, 65535);
	test_same(again.generation, 65535);
	test_same(again.channel_id, 0xffffff);
	cr_assert(read.used && read.replies && !read.gone[0] && read.gone[1]);
	test_same(read.generation, 255);
	test_same(read.creator, UINT32_MAX);
}

test_case(estate, what_is_in_order_is_believed)
{
	believed();
	enter(1, 0);
	enter(2, UINT32_MAX);
	enter(3, 7);
	believed();
	/* Whoever comes next begins with an empty row. */
	tsr_st_rlx(&estate_.clients[0].state, TSR_ESTATE_FREE);
	tsr_estate_enter(&estate_, 1,
	                 &(struct tsr_estate_client){.serial = 9, .pid = 1, .name = "two"});
	test_same(tsr_ld_rlx(tsr_estate_row(&estate_, 1)), 0);
	believed();
}

test_case(estate, of_another_realm)
{
	estate_.head->epoch++;
	doubted("different realms");
	estate_.head->epoch--;
	strcpy(estate_.head->realm, "dem0");
	doubted("different realms");
}

test_case(estate, impossible_clients)
{
	struct tsr_estate_client *const client = &estate_.clients[0];

	enter(1, 0);
	tsr_st_rlx(&client->state, TSR_ESTATE_ATTACHING + 1);
	doubted("impossible client");
	tsr_st_rlx(&client->state, TSR_ESTATE_CLOSING);
	believed();
	client->pid = 0;
	doubted("impossible client");
	client->pid = 1;
	client->serial = 0;
	doubted("impossible client");
	client->serial = 1;
	client->flags = 1u << 31;
	doubted("impossible client");
	client->flags = 0;
	memset(client->name, 'x', sizeof(client->name));
	doubted("impossible client");
	strcpy(client->name, "a\nb");
	doubted("impossible client");
	strcpy(client->name, "one");
	tsr_st_rlx(&client->ends, TSR_ESTATE_ROW + 1);
	doubted("more ends than there may be");
}

test_case(estate, impossible_ends)
{
	struct tsr_estate_end end = {
		.open = true, .metrics = UINT32_MAX, .channel_id = (uint32_t)channel_->id};

	enter(1, 0);
	enter(2, 0);
	doubted("counts where another one does");
	end.metrics = 8;
	tsr_st_rlx(tsr_estate_row(&estate_, 2), tsr_estate_end_word(&end));
	doubted("counts where another one does, or none");
	end.metrics = UINT32_MAX;
	end.channel_id ^= 1u << 17; /* of another generation */
	tsr_st_rlx(tsr_estate_row(&estate_, 2), tsr_estate_end_word(&end));
	doubted("a channel that is not there");
	end.channel_id = 0xffffff;
	tsr_st_rlx(tsr_estate_row(&estate_, 2), tsr_estate_end_word(&end));
	doubted("a channel that is not there");
	/* One that is closed says nothing. */
	end.open = false;
	tsr_st_rlx(tsr_estate_row(&estate_, 2), tsr_estate_end_word(&end));
	believed();
}

test_case(estate, impossible_channels)
{
	struct tsr_channel_entry *const entry = &realm_.map.entries[0];
	struct tsr_channel_entry const good = *entry;
	uint64_t const word = tsr_ld_rlx(&estate_.channels[0]);

	tsr_st_rlx(&estate_.channels[0], word & ~UINT64_C(1));
	doubted("a channel that the estate does not know");
	tsr_st_rlx(&estate_.channels[0], word ^ 0x20);
	doubted("a channel that the estate does not know");
	tsr_st_rlx(&estate_.channels[0], word);
	entry->capacity = 17;
	doubted("impossible shape");
	entry->capacity = good.capacity;
	entry->kind = 99;
	doubted("impossible shape");
	entry->kind = good.kind;
	entry->flags = 1u << 31;
	doubted("impossible shape");
	entry->flags = good.flags;
	entry->offset = 1;
	doubted("outside of its segment");
	entry->offset = realm_.map.channels_bytes - 64;
	doubted("outside of its segment");
	entry->offset = good.offset;
	memset(entry->name, 'x', sizeof(entry->name));
	doubted("name has no end");
	entry->name[0] = '\0';
	doubted("name has no end");
	memcpy(entry->name, good.name, sizeof(entry->name));
	believed();
}

test_case(estate, impossible_regions)
{
	struct tsr_region_entry *const entry = &realm_.map.regions[1];
	struct tsr_estate_region const region = {.owner = 1, .pid = 1, .name = "one"};

	entry->bytes = 4096;
	entry->first_ticket = realm_.map.tickets_count;
	entry->tickets = 16;
	entry->page_bytes_log2 = 12;
	tsr_st_rlx(&entry->state, TSR_REGION_OPEN);
	tsr_st_rlx(&entry->id, 3);
	doubted("a region that the estate does not know");
	tsr_estate_enter_region(&estate_, 1, 3, &region);
	believed();
	entry->tickets = 17;
	doubted("impossible region");
	entry->tickets = 16;
	entry->first_ticket = 0;
	doubted("impossible region");
	entry->first_ticket = realm_.map.tickets_count;
	tsr_st_rlx(&entry->state, 5);
	doubted("impossible region");
	tsr_st_rlx(&entry->state, TSR_REGION_CLOSING);
	entry->bytes = 0;
	doubted("impossible region");
	entry->bytes = 4096;
	estate_.regions[1].owner = 0;
	doubted("impossible region");
	estate_.regions[1].owner = 1;
	tsr_st_rlx(&estate_.head->newest_region, 2);
	doubted("a region that the estate does not know");
}

/* Its head, by a descriptor of its own. */
static int
opens(char const *words)
{
	struct tsr_estate again;
	char why[250] = "";
	int const fd = dup(estate_.fd);
	int const error = tsr_estate_open(fd, &again, why, sizeof(why));

	if (error == 0) {
		tsr_estate_close(&again);
		return 0;
	}
	close(fd);
	cr_assert_not_null(strstr(why, words), "'%s' does not say '%s'", why, words);
	return error;
}

test_case(estate, impossible_heads)
{
	struct tsr_estate_head *const head = estate_.head;
	struct tsr_estate_head const good = *head;
	struct tsr_estate none;
	char why[250];
	int pair[2];

	test_is(opens(""), 0);
	tsr_st_rlx(&head->magic, 0);
	test_is(opens("no magic"), -EINVAL);
	tsr_st_rlx(&head->magic, TSR_ESTATE_MAGIC);
	head->layout_hash++;
	test_is(opens("another build"), -EPROTO);
	head->layout_hash = good.layout_hash;
	head->version++;
	test_is(opens("another build"), -EPROTO);
	head->version = good.version;
	head->layout_version++;
	test_is(opens("another build"), -EPROTO);
	head->layout_version = good.layout_version;
	head->clients = 0;
	test_is(opens("impossible counts"), -EINVAL);
	head->clients = good.clients + 1;
	test_is(opens("another size"), -EINVAL);
	head->clients = good.clients;
	head->segments = TSR_SEGMENTS_MAX + 1;
	test_is(opens("impossible counts"), -EINVAL);
	head->segments = good.segments;
	head->backing[1] = 99;
	test_is(opens("impossible segment"), -EINVAL);
	head->backing[1] = good.backing[1];
	head->bytes[0] = 0;
	test_is(opens("impossible segment"), -EINVAL);
	head->bytes[0] = good.bytes[0];
	memset(head->realm, 'x', sizeof(head->realm));
	test_is(opens("name has no end"), -EINVAL);
	cr_assert_eq(pipe(pair), 0);
	test_is(tsr_estate_open(pair[0], &none, why, sizeof(why)), -EINVAL);
	close(pair[0]);
	close(pair[1]);
}
