/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TSR_SHM_PROTO_H
#define TSR_SHM_PROTO_H

/*
 * The control protocol: what client and daemon say to each other on the control socket.
 *
 * Bytes	SOCK_SEQPACKET, one message a packet, little-endian, fixed width, no padding. Each
 *		begins with struct tsr_proto_head; length counts the whole packet. A request is
 *		answered by exactly one reply (LIST and LEDGER: by as many as it takes, the last one
 *		with TSR_PROTO_LAST) with the same cookie and type | TSR_PROTO_REPLY, or by
 *		TSR_PROTO_ERROR.
 * Order	HELLO first; then, if the reply asks for it, PIDFD; then anything. A connection is
 *		attached to at most one realm. ATTACH makes it a client or an observer; CHANNEL_FIND
 *		and EVENT_* need either, CHANNEL_CREATE, CHANNEL_REMOVE and END_* a client.
 * Trust	the daemon checks length, type, and every field; a packet that is too short, too
 *		long, of unknown type or out of order, or that carries descriptors nobody asked for,
 *		is answered with TSR_PROTO_ERROR and changes nothing. Names are 0-terminated inside
 *		their array or refused.
 * Descriptors	with the replies to ATTACH and SEGMENTS (what `held` and `sent` say), EVENT_OPEN
 *		(one to wait on), REGION_CREATE and REGION_MAP (the memory) and REGION_OFFER (a
 *		socket); with the request PIDFD (one process descriptor of the sender), and with
 *		REGION_REGISTER on the socket that was made for it. With nothing else.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/channel.h"
#include "shm/layout.h"

#define TSR_PROTO_MAGIC      UINT32_C(0x31525354) /* "TSR1" */
#define TSR_PROTO_VERSION    UINT16_C(1)
#define TSR_PROTO_PACKET_MAX 8192
#define TSR_PROTO_TEXT_BYTES 256
#define TSR_PROTO_REPLY      UINT16_C(0x8000)

enum tsr_proto_type {
	TSR_PROTO_HELLO = 1,
	TSR_PROTO_PIDFD = 2,
	TSR_PROTO_ATTACH = 3,
	TSR_PROTO_DETACH = 4, /* goodbye: the reply says that all was given back */
	TSR_PROTO_CHANNEL_CREATE = 5,
	TSR_PROTO_CHANNEL_REMOVE = 6,
	TSR_PROTO_END_OPEN = 7,
	TSR_PROTO_END_CLOSE = 8,
	TSR_PROTO_PING = 9,
	TSR_PROTO_STATUS = 10,
	TSR_PROTO_LIST = 11,
	TSR_PROTO_LEDGER = 12,
	TSR_PROTO_STOP = 13,
	TSR_PROTO_RELOAD = 14,
	TSR_PROTO_CHANNEL_FIND = 15,
	TSR_PROTO_EVENT_OPEN = 16,
	TSR_PROTO_EVENT_ARM = 17,
	TSR_PROTO_EVENT_CLOSE = 18,
	TSR_PROTO_SEGMENTS = 23,
	TSR_PROTO_REGION_CREATE = 24,
	TSR_PROTO_REGION_OFFER = 25,    /* the reply brings a socket for the next one */
	TSR_PROTO_REGION_REGISTER = 26, /* on that socket, with the memory */
	TSR_PROTO_REGION_MAP = 27,
	TSR_PROTO_REGION_CLOSE = 28,
	TSR_PROTO_REGION_SETTLE = 29, /* a closing region has got its last ticket back */
	TSR_PROTO_FEED = 30, /* what has happened; the reply may wait until something does */
	TSR_PROTO_SHARED_SETTLE = 31, /* a message that the daemon was to free is held no more */
	TSR_PROTO_EVICT = 32,
	TSR_PROTO_REATTACH = 33, /* to a daemon that took the realm over: the same client */
	TSR_PROTO_UPGRADE = 34,  /* another binary takes the realms over */
	TSR_PROTO_TYPE_END,
	TSR_PROTO_ERROR = 0x7fff, /* as a reply only: type is TSR_PROTO_ERROR | TSR_PROTO_REPLY */
};

struct tsr_proto_head {
	uint32_t length; /* of the packet, this head included */
	uint16_t type;
	uint16_t flags;  /* TSR_PROTO_LAST */
	uint64_t cookie; /* chosen by the asker, echoed */
};

#define TSR_PROTO_LAST UINT16_C(1) /* no further reply to this request */

struct tsr_proto_error {
	struct tsr_proto_head head;
	int32_t error; /* a negative errno of errors.def */
	uint32_t reserved;
	char text[TSR_PROTO_TEXT_BYTES]; /* what was refused, what was expected */
};

struct tsr_proto_hello {
	struct tsr_proto_head head;
	uint32_t magic;
	uint16_t version;
	uint16_t flags;
	uint32_t layout_version;
	uint32_t reserved;
	uint64_t layout_hash;
};

struct tsr_proto_hello_reply {
	struct tsr_proto_head head;
	uint16_t version;
	uint16_t flags;    /* TSR_HELLO_* */
	uint32_t pid;      /* of the daemon */
	uint64_t instance; /* random, of this run of the daemon */
	char release[32];  /* "0.1.0" */
};

#define TSR_HELLO_WANTS_PIDFD UINT16_C(1) /* send TSR_PROTO_PIDFD before ATTACH */

/* PIDFD, DETACH, PING, STATUS, STOP, RELOAD: the head alone. Their plain replies too (but STATUS
 * and RELOAD). */
struct tsr_proto_plain {
	struct tsr_proto_head head;
};

struct tsr_proto_attach {
	struct tsr_proto_head head;
	char realm[TSR_NAME_BYTES];
	char name[TSR_NAME_BYTES]; /* of the client */
	uint32_t flags;            /* TSR_PROTO_ATTACH_* */
	uint32_t reserved;
};

#define TSR_PROTO_ATTACH_FENCED   UINT32_C(1) /* this process is not reached by membarrier */
#define TSR_PROTO_ATTACH_OBSERVER UINT32_C(2) /* to look, and write nothing; goes with no other */

struct tsr_proto_attach_reply {
	struct tsr_proto_head head;
	uint16_t client_id; /* 0: an observer */
	uint16_t segments;  /* of the realm */
	uint32_t held;      /* the descriptors that come along, in this order: TSR_PROTO_HELD_* */
	uint64_t bytes[TSR_SEGMENTS_MAX];
	uint32_t page_bytes_log2[TSR_SEGMENTS_MAX]; /* 12, 21, 30: align mappings to it */
};

#define TSR_PROTO_HELD(segment) (UINT32_C(1) << (segment))
#define TSR_PROTO_HELD_DOORBELL (UINT32_C(1) << 31)
/* What an observer is not given. */
#define TSR_PROTO_HELD_CLIENT                                                     \
	(TSR_PROTO_HELD(TSR_SEGMENT_STATE) | TSR_PROTO_HELD(TSR_SEGMENT_TOKENS) | \
	 TSR_PROTO_HELD_DOORBELL)

/* What comes along with a realm of so many segments. */
TSR_INLINE uint32_t
tsr_proto_held(uint32_t segments, bool observer)
{
	uint32_t const all = (TSR_PROTO_HELD(segments) - 1) | TSR_PROTO_HELD_DOORBELL;

	return observer ? all & ~TSR_PROTO_HELD_CLIENT : all;
}

/*
 * REATTACH: the client that the realm's last daemon knew under that id, by the same process. The
 * reply brings directory and blocks anew, as descriptors.
 */
struct tsr_proto_reattach {
	struct tsr_proto_head head;
	char realm[TSR_NAME_BYTES];
	char name[TSR_NAME_BYTES]; /* of an observer, who comes as a new one */
	uint64_t epoch;
	uint32_t client_id; /* 0: an observer */
	uint32_t flags;     /* TSR_REATTACH_* */
	/* One bit each for the numbers (the low 16 bits) of its open ends: others are closed. */
	uint64_t ends[64];
	/* TSR_REATTACH_REGIONS: likewise for the numbers of the regions that it owns. */
	uint64_t regions[16];
	/* TSR_REATTACH_OPENING: it is about to ask again for an end of that channel and side. If an
	 * earlier daemon opened one that the client does not know it is given that. */
	char channel[TSR_NAME_BYTES];
	uint32_t side;
	uint32_t reserved;
};

#define TSR_REATTACH_REGIONS UINT32_C(1)
#define TSR_REATTACH_OPENING UINT32_C(2)

struct tsr_proto_reattach_reply {
	struct tsr_proto_head head;
	uint64_t generation; /* of directory and blocks */
	uint64_t bytes[2];   /* of these */
};

struct tsr_proto_channel {
	struct tsr_proto_head head;
	char name[TSR_NAME_BYTES];
	uint32_t capacity; /* 0: 1,024 */
	uint32_t flags;    /* TSR_CHANNEL_* */
	uint32_t kind;     /* TSR_KIND_* */
	uint32_t reserved;
};

/* END_OPEN; with TSR_END_MUST_EXIST in end_flags the properties are ignored. */
struct tsr_proto_end_open {
	struct tsr_proto_channel channel; /* made so if not there; TSR_END_ANY_SHAPE: as it is */
	uint32_t side;
	uint32_t end_flags; /* TSR_END_MUST_EXIST, TSR_PROTO_END_* */
};

#define TSR_PROTO_END_ANY_SHAPE UINT32_C(0x10000) /* an existing channel fits whatever its shape */
#define TSR_PROTO_END_REPLIES   UINT32_C(0x20000) /* one for replies: goes with its last end */

struct tsr_proto_end_open_reply {
	struct tsr_proto_head head;
	uint64_t channel_id;
	uint64_t offset; /* of its tsr_channel_shm in the channels segment */
	uint32_t index;  /* of its entry and its tokens */
	uint32_t capacity;
	uint32_t flags;
	uint32_t kind;
	uint32_t end;     /* number of this end, for END_CLOSE */
	uint32_t seen;    /* 1: the other side is there, or has left something to drain */
	uint64_t stream;  /* of the other side when this end was counted: shows what came since */
	uint32_t metrics; /* number of its metrics; UINT32_MAX: all are in use, it counts nowhere */
	uint32_t reserved;
};

struct tsr_proto_end_close {
	struct tsr_proto_head head;
	uint32_t end;
	uint32_t reserved;
};

/* CHANNEL_FIND: where a channel lies that is there. */
struct tsr_proto_channel_find {
	struct tsr_proto_head head;
	char name[TSR_NAME_BYTES];
};

struct tsr_proto_channel_found {
	struct tsr_proto_head head;
	uint64_t channel_id;
	uint64_t offset; /* of its tsr_channel_shm in the channels segment */
	uint32_t index;  /* of its entry */
	uint32_t capacity;
	uint32_t flags;
	uint32_t kind;
};

/* EVENT_OPEN: a descriptor that becomes readable, once each time that EVENT_ARM was asked for. */
struct tsr_proto_event_open {
	struct tsr_proto_head head;
	uint64_t channel_id;
	uint32_t side; /* when there may be something for this side to do */
	uint32_t reserved;
};

struct tsr_proto_event_open_reply {
	struct tsr_proto_head head;
	uint32_t event; /* number, for EVENT_ARM and EVENT_CLOSE */
	uint32_t reserved;
};

/* EVENT_ARM, EVENT_CLOSE: answered by the head. */
struct tsr_proto_event {
	struct tsr_proto_head head;
	uint32_t event;
	uint32_t reserved;
};

/* REGION_CREATE, REGION_OFFER. */
struct tsr_proto_region {
	struct tsr_proto_head head;
	uint64_t bytes;   /* CREATE: wanted; OFFER: 0 */
	uint32_t tickets; /* 1 .. */
	uint32_t reserved;
};

/* REGION_MAP, REGION_CLOSE. */
struct tsr_proto_region_ref {
	struct tsr_proto_head head;
	uint64_t id;
	uint32_t number; /* of its entry in the directory */
	uint32_t reserved;
};

/* To REGION_CREATE and REGION_MAP (with a descriptor), and to REGION_REGISTER. */
struct tsr_proto_region_reply {
	struct tsr_proto_head head;
	uint64_t id;
	uint64_t bytes;
	uint32_t number;
	uint32_t first_ticket;
	uint32_t tickets;
	uint32_t flags; /* TSR_REGION_READ_ONLY, TSR_REGION_FOREIGN */
	uint32_t page_bytes_log2;
	uint32_t reserved;
};

enum tsr_repair {
	TSR_REPAIR_SLOTS_VOIDED = 0,
	TSR_REPAIR_SLOTS_RESTORED = 1,
	TSR_REPAIR_CELLS = 2,
	TSR_REPAIR_CURSORS = 3,
	TSR_REPAIR_TICKETS = 4,
	TSR_REPAIR_REQUEUED = 5,
	TSR_REPAIR_TOKENS = 6,
	TSR_REPAIR_WOKEN = 7,
	TSR_REPAIRS,
};

struct tsr_proto_status_reply {
	struct tsr_proto_head head;
	uint32_t pid;
	uint32_t uid;
	uint32_t realms;
	uint32_t clients;
	uint32_t channels;
	uint32_t connections;
	uint64_t instance;
	uint64_t uptime_ns;
	uint64_t busy_ns;    /* of the poll core */
	uint64_t polling_ns; /* looked and found nothing */
	uint64_t asleep_ns;
	uint64_t reaped;               /* clients that died and were cleaned up after */
	uint64_t repairs[TSR_REPAIRS]; /* the same by kind: enum tsr_repair */
	uint64_t repaired;             /* slots, cells and tickets given back for them */
	uint64_t refused;              /* requests */
	uint64_t evicted;              /* clients */
	uint64_t reap_steps;           /* in which that was done, and what is removed */
	uint64_t reap_longest;         /* words of memory looked at in one of them */
	uint64_t memory_bytes;
	uint32_t poll_cpu;
	uint32_t flags; /* TSR_STATUS_* */
	char release[32];
	char hint[TSR_PROTO_TEXT_BYTES]; /* what would make it faster */
	/* Of the configuration. */
	uint64_t reloads;         /* that were taken */
	uint64_t reloads_refused; /* that changed nothing */
	uint64_t reload_age_ns;   /* since the last one, taken or refused; UINT64_MAX: none yet */
	int32_t reload_error;     /* of the last one: 0, or a negative errno */
	uint32_t reload_restart;  /* values of the file that wait for a restart */
	char reload_text[TSR_PROTO_TEXT_BYTES]; /* of the last one: who asked; why it was refused */
	/* Take-over. */
	uint32_t store;         /* TSR_STATUS_STORE_* */
	uint32_t stored;        /* descriptors that it keeps */
	uint32_t realms_kept;   /* by it: a successor could take them over */
	uint32_t realms_taken;  /* over from another daemon, at the start */
	uint32_t clients_away;  /* of these, that have not come back yet */
	uint32_t sandbox;       /* TSR_STATUS_SANDBOX_* */
	uint64_t taken_over_ns; /* from the descriptors to the first that was served; 0: not yet */
	/* 0: it did not follow another one by UPGRADE; else how long nobody served in between. */
	uint64_t upgraded_ns;
	char upgraded_from[32]; /* its release */
	/* The sandbox. */
	uint64_t capabilities; /* that the daemon has: bit n is capability n */
	uint32_t landlock;     /* the ABI in force; 0: none */
	uint32_t reserved;
};

#define TSR_STATUS_STORE_NONE    UINT32_C(0)
#define TSR_STATUS_STORE_SYSTEMD UINT32_C(1)
#define TSR_STATUS_STORE_HOLDER  UINT32_C(2)

#define TSR_STATUS_SANDBOX_OFF     UINT32_C(0) /* of the low two bits */
#define TSR_STATUS_SANDBOX_LOG     UINT32_C(1)
#define TSR_STATUS_SANDBOX_ON      UINT32_C(2)
#define TSR_STATUS_SANDBOX_MODE    UINT32_C(3)
#define TSR_STATUS_SANDBOX_SECCOMP UINT32_C(4) /* each thread has a list of system calls */

#define TSR_STATUS_COMPAT   UINT32_C(1) /* runs with the fallbacks of an older kernel */
#define TSR_STATUS_SYSTEMD  UINT32_C(2)
#define TSR_STATUS_AGAIN    UINT32_C(4) /* it was to become another one, which could not be run */
#define TSR_STATUS_STARTING UINT32_C(8) /* it serves, and is not ready yet */

enum tsr_proto_list_what {
	TSR_LIST_REALMS = 1,
	TSR_LIST_CLIENTS = 2,
	TSR_LIST_CHANNELS = 3,
	TSR_LIST_CHANGES = 4, /* of the last reload; the daemon's user and root */
	TSR_LIST_REGIONS = 8,
	TSR_LIST_QUOTA = 9, /* all of it for the daemon's user and root, one's own for others */
};

struct tsr_proto_list {
	struct tsr_proto_head head;
	uint32_t what;
	uint32_t reserved;
	char realm[TSR_NAME_BYTES]; /* "" all (that the asker may see) */
};

struct tsr_proto_row_realm {
	char name[TSR_NAME_BYTES];
	char backing[16];
	uint64_t arena_bytes;
	uint64_t epoch;
	uint32_t mode; /* as in chmod: r observer, w participant */
	uint32_t owner;
	uint32_t group;
	uint32_t clients;
	uint32_t channels;
	uint32_t tickets;
	uint32_t tickets_free; /* in depots and with the daemon */
	uint32_t message_bytes_max;
	uint32_t clients_max;
	uint32_t channels_max;
	uint64_t bytes; /* of all its segments */
	uint32_t state; /* TSR_ROW_REALM_* */
	uint32_t regions;
};

#define TSR_ROW_REALM_LIVING    UINT32_C(0)
#define TSR_ROW_REALM_LEAVING   UINT32_C(1) /* closes when its last client has left */
#define TSR_ROW_REALM_CONDEMNED UINT32_C(2) /* made anew when somebody attaches */

struct tsr_proto_row_client {
	char realm[TSR_NAME_BYTES];
	char name[TSR_NAME_BYTES];
	uint32_t pid;
	uint32_t uid;
	uint32_t id; /* 0: an observer */
	uint32_t senders;
	uint32_t receivers;
	uint32_t tickets;  /* that name it as holder */
	uint32_t state;    /* TSR_ROW_CLIENT_* */
	uint32_t flags;    /* TSR_PROTO_ATTACH_* */
	uint64_t since_ns; /* how long it is attached */
	uint64_t sleeps;   /* as the client says */
	uint64_t wakes;
	uint64_t missed_wakes;
};

#define TSR_ROW_CLIENT_ATTACHED UINT32_C(0)
#define TSR_ROW_CLIENT_CLOSING  UINT32_C(1) /* it hung up without a goodbye, and lives */
#define TSR_ROW_CLIENT_EVICTED  UINT32_C(2) /* and has not left yet */

struct tsr_proto_row_channel {
	char realm[TSR_NAME_BYTES];
	char name[TSR_NAME_BYTES];
	uint64_t id;
	uint64_t sent;  /* the newest position, from the slots */
	uint32_t depth; /* slots with a message now */
	uint32_t capacity;
	uint32_t kind;
	uint32_t flags;
	uint32_t senders;
	uint32_t receivers;
	uint32_t message_bytes_max;
	uint32_t sleepers;
	uint32_t slowest; /* broadcast: client of the reader that is furthest behind; 0: none */
	uint32_t reserved;
};

struct tsr_proto_row_region {
	char realm[TSR_NAME_BYTES];
	char owner[TSR_NAME_BYTES]; /* the client's name */
	char backing[16];           /* "1G", "2M", "thp", "4K"; of a client's memory: "2M", "4K" */
	uint64_t id;
	uint64_t bytes;
	uint32_t number;
	uint32_t flags; /* TSR_REGION_READ_ONLY, TSR_REGION_FOREIGN */
	uint32_t state; /* TSR_REGION_OPEN, TSR_REGION_CLOSING */
	uint32_t client_id;
	uint32_t pid;
	uint32_t uid;
	uint32_t tickets;
	uint32_t tickets_out; /* held by clients or channels */
};

/* What a user has taken of one thing. */
struct tsr_proto_row_quota {
	char what[32]; /* "connections", "requests_per_second" */
	uint64_t taken;
	uint64_t limit;
	uint64_t all_taken; /* by all users; 0 for who may not know it, and of rates */
	uint64_t all_limit;
	uint64_t refused; /* of rates: had to wait, or was left out */
	uint32_t uid;
	uint32_t reserved;
};

enum tsr_proto_change {
	TSR_CHANGE_APPLIED = 1,  /* in force */
	TSR_CHANGE_RESTART = 2,  /* only a restart can change it; `before` stays in force */
	TSR_CHANGE_NEW = 3,      /* a realm is there */
	TSR_CHANGE_LEAVING = 4,  /* a realm closes when its last client has left */
	TSR_CHANGE_RETURNED = 5, /* a realm that was leaving stays */
	TSR_CHANGE_MISTAKE = 6,  /* why nothing was changed: only `text` */
};

struct tsr_proto_row_change {
	uint32_t what; /* enum tsr_proto_change */
	uint32_t reserved;
	char key[128]; /* "limits.bytes_per_user", "realms.demo.mode", "realms.demo" */
	char before[192];
	char after[192];
	char text[448]; /* "FILE:LINE: ..." */
};

/*
 * FEED: what has happened, oldest first. The daemon keeps the last TSR_FEED_MAX events of its run
 * (tsr_proto_hello_reply.instance); their numbers begin at 1 and leave none out.
 */
struct tsr_proto_feed {
	struct tsr_proto_head head;
	uint64_t from;              /* the first number that is wanted; 0: the oldest */
	uint32_t flags;             /* TSR_PROTO_FEED_WAIT */
	uint32_t kinds;             /* one bit for each wanted enum tsr_feed_kind; 0: all */
	char realm[TSR_NAME_BYTES]; /* "": all that the asker may see, and what is of none */
};

/* The reply comes when there is at least one row, or any other request on the connection. */
#define TSR_PROTO_FEED_WAIT UINT32_C(1)

#define TSR_FEED_MAX        1024
#define TSR_FEED_TEXT_BYTES 320
#define TSR_FEED_WHAT_BYTES 16

enum tsr_feed_kind {
	TSR_FEED_START = 0, /* the daemon is ready */
	TSR_FEED_STOP = 1,
	TSR_FEED_REALM = 2,   /* is there, or has closed */
	TSR_FEED_CONDEMN = 3, /* a realm; `text` says why */
	TSR_FEED_ATTACH = 4,
	TSR_FEED_DETACH = 5,
	TSR_FEED_KILL = 6, /* a client that left without a goodbye and lived on */
	TSR_FEED_DEATH = 7,
	TSR_FEED_REPAIR = 8,   /* a word that the dead had left half done */
	TSR_FEED_CHANNEL = 9,  /* made, removed */
	TSR_FEED_REFUSAL = 10, /* of a request, or of `count` */
	TSR_FEED_DROP = 11,    /* of a connection */
	TSR_FEED_RELOAD = 12,  /* taken, or refused: `error` */
	TSR_FEED_EVICT = 13,   /* of a client */
	TSR_FEED_KEEP = 14,    /* of what a dead one left, or `error` why not */
	TSR_FEED_UPGRADE = 15, /* it leaves to another binary, or has followed one */
	TSR_FEED_KINDS,
};

struct tsr_proto_row_feed {
	uint64_t number;
	uint64_t wall_ns; /* CLOCK_REALTIME */
	uint32_t kind;    /* enum tsr_feed_kind */
	int32_t error;    /* REFUSAL, RELOAD: a negative errno; else 0 */
	uint32_t pid;     /* 0: of none */
	uint32_t uid;     /* UINT32_MAX: of none */
	uint32_t client_id;
	uint32_t count; /* how many alike it stands for: 1, or refusals put together */
	/* DEATH: of all that was half done; REPAIR: of one word. */
	uint32_t slots_voided;
	uint32_t slots_restored;
	uint32_t cells;
	uint32_t tickets;
	uint32_t tokens;
	uint32_t woken;
	uint32_t cursors;
	uint32_t requeued;
	/* REPAIR: the word: of which slot, token, cursor (of `channel`) or cell. */
	uint64_t before;
	uint64_t after;
	uint32_t index;
	uint32_t reserved;
	char what[TSR_FEED_WHAT_BYTES];
	uint64_t took_ns; /* DEATH, RELOAD, UPGRADE */
	char realm[TSR_NAME_BYTES];
	char name[TSR_NAME_BYTES]; /* the client's */
	char channel[TSR_NAME_BYTES];
	char text[TSR_FEED_TEXT_BYTES]; /* the sentence of the log */
};

#define TSR_PROTO_PATH_BYTES 1024

/* UPGRADE: give way to another binary, by the daemon's user and root. The reply comes when that has
 * said that it can take over; from then on nobody is served. */
struct tsr_proto_upgrade {
	struct tsr_proto_head head;
	char binary[TSR_PROTO_PATH_BYTES]; /* absolute; "": where the running one was started */
};

struct tsr_proto_upgrade_reply {
	struct tsr_proto_head head;
	uint32_t how;     /* TSR_UPGRADE_* */
	uint32_t realms;  /* that it is left */
	char release[32]; /* the successor's */
	char binary[TSR_PROTO_PATH_BYTES];
};

#define TSR_UPGRADE_EXEC    UINT32_C(1) /* the process becomes the other binary */
#define TSR_UPGRADE_FOLLOW  UINT32_C(3) /* it ends, and another one, which waits, becomes it */
#define TSR_UPGRADE_RESTART UINT32_C(2) /* it ends, and its supervisor starts the next one */

#define TSR_EVICT_REASON_BYTES 128

/* EVICT: end one client, by its id or by its name. */
struct tsr_proto_evict {
	struct tsr_proto_head head;
	char realm[TSR_NAME_BYTES];
	char client[TSR_NAME_BYTES];         /* its name; "": by its id */
	char reason[TSR_EVICT_REASON_BYTES]; /* what it is told */
	uint32_t client_id;                  /* 0: by its name */
	uint32_t reserved;
};

struct tsr_proto_evict_reply {
	struct tsr_proto_head head;
	uint64_t next; /* number of the first event after this: its end will be among them */
	uint32_t client_id;
	uint32_t pid;
	uint32_t uid;
	uint32_t grace_ms; /* then it is killed */
	char name[TSR_NAME_BYTES];
};

/* After this head, `rows` rows, each `row_bytes` long: as many as fit; ask again from `next`. */
struct tsr_proto_feed_reply {
	struct tsr_proto_head head;
	uint64_t next;   /* the number to ask from next */
	uint64_t newest; /* number of the newest event; `next` beyond it: that is all for now */
	uint64_t missed; /* from `from` on, but no longer kept */
	uint32_t rows;
	uint32_t row_bytes;
};

/* RELOAD: the configuration is read again before the reply; LIST of changes says what came of it.
 */
struct tsr_proto_reload_reply {
	struct tsr_proto_head head;
	int32_t error; /* 0; -EINVAL the configuration is wrong and nothing was changed; ... */
	uint32_t applied;
	uint32_t restart; /* values that wait for a restart */
	uint32_t reserved;
	char text[TSR_PROTO_TEXT_BYTES]; /* the first mistake */
};

/* LIST: after this head, `rows` rows of the kind asked for, each `row_bytes` long. */
struct tsr_proto_list_reply {
	struct tsr_proto_head head;
	uint32_t what;
	uint32_t rows;
	uint32_t row_bytes;
	uint32_t reserved;
};

/* LEDGER of a realm: every ticket, block, slot, token and descriptor is accounted for, or not. */
struct tsr_proto_ledger {
	struct tsr_proto_head head;
	char realm[TSR_NAME_BYTES];
};

struct tsr_proto_ledger_reply {
	struct tsr_proto_head head;
	uint32_t balanced; /* 1: everything adds up */
	uint32_t tickets;
	uint32_t in_depot;
	uint32_t with_daemon;
	uint32_t in_channels;
	uint32_t with_clients;  /* that are attached */
	uint32_t lost;          /* tickets that nobody accounts for */
	uint32_t slots_claimed; /* by somebody who isn't attached */
	uint32_t tokens_stray;  /* owned or claimed by somebody who isn't attached */
	uint32_t connections;
	uint32_t descriptors;            /* open in the daemon */
	uint32_t mappings;               /* of realm segments in the daemon */
	uint32_t reaps_pending;          /* deaths that are not yet cleaned up after */
	uint32_t in_regions;             /* tickets of regions that nobody holds */
	char text[TSR_PROTO_TEXT_BYTES]; /* the first thing that does not add up */
};

/*
 * SEGMENTS of a realm, to look at: descriptors that can't be written through, and no arena. Who may
 * attach as a participant gets them all, who may observe not those that hold futex words or that
 * only participants map.
 */
struct tsr_proto_segments {
	struct tsr_proto_head head;
	char realm[TSR_NAME_BYTES];
};

struct tsr_proto_segments_reply {
	struct tsr_proto_head head;
	uint32_t segments; /* of the realm */
	uint32_t sent;     /* one bit each, by enum tsr_segment: the descriptors, in this order */
	uint64_t bytes[TSR_SEGMENTS_MAX];
};

static_assert(sizeof(struct tsr_proto_head) == 16, "protocol");
static_assert(sizeof(struct tsr_proto_error) == 280, "protocol");
static_assert(sizeof(struct tsr_proto_hello) == 40, "protocol");
static_assert(sizeof(struct tsr_proto_hello_reply) == 64, "protocol");
static_assert(sizeof(struct tsr_proto_attach) == 152, "protocol");
static_assert(sizeof(struct tsr_proto_channel) == 96, "protocol");
static_assert(sizeof(struct tsr_proto_end_open) == 104, "protocol");
static_assert(sizeof(struct tsr_proto_end_open_reply) == 72, "protocol");
static_assert(sizeof(struct tsr_proto_region) == 32, "protocol");
static_assert(sizeof(struct tsr_proto_region_ref) == 32, "protocol");
static_assert(sizeof(struct tsr_proto_region_reply) == 56, "protocol");
static_assert(sizeof(struct tsr_proto_row_change) == 968, "protocol");
static_assert(sizeof(struct tsr_proto_reload_reply) == 288, "protocol");
static_assert(sizeof(struct tsr_proto_channel_find) == 80, "protocol");
static_assert(sizeof(struct tsr_proto_channel_found) == 48, "protocol");
static_assert(sizeof(struct tsr_proto_event_open) == 32, "protocol");
static_assert(sizeof(struct tsr_proto_event) == 24, "protocol");
static_assert(sizeof(struct tsr_proto_row_realm) == 152, "protocol");
static_assert(sizeof(struct tsr_proto_evict) == 280, "protocol");
static_assert(sizeof(struct tsr_proto_evict_reply) == 104, "protocol");
static_assert(sizeof(struct tsr_proto_segments) == 80, "protocol");
static_assert(sizeof(struct tsr_proto_segments_reply) == 144, "protocol");

#endif /* TSR_SHM_PROTO_H */
