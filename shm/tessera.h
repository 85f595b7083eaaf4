/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
#ifndef TESSERA_H
#define TESSERA_H

/*
 * libtessera: pass messages between processes of one machine without copying them.
 *
 * A client attaches to a realm of a running tesserad, opens ends of channels, and then:
 *
 *	struct tsr_client client;
 *	struct tsr_sender sender;
 *	struct tsr_msg msg;
 *
 *	error = tsr_attach(NULL, &client);                              realm "demo"
 *	error = tsr_sender_open(client, "greetings", NULL, &sender);
 *	error = tsr_alloc(client, 64, &msg);                            a block of shared memory
 *	strcpy(msg.data, "hello");                                      written in place
 *	error = tsr_send(sender, &msg, tsr_deadline_in_ms(1000));       now it is the channel's
 *
 *	error = tsr_receiver_open(client, "greetings", NULL, &receiver);
 *	error = tsr_recv(receiver, &msg, TSR_FOREVER);                  now it is ours
 *	puts(msg.data);
 *	error = tsr_release(client, &msg);                              now it is free again
 *
 * Errors	every call that can fail returns 0 or a negative errno; tsr_strerror() names it.
 *		Results come through pointers and stay untouched on failure. After a refusal by the
 *		daemon tsr_last_hint() says in a sentence what was refused and what was expected.
 * Threads	a client handle may be used by any thread. An end (sender or receiver) is used by
 *		one thread at a time; threads that want the same channel open ends of their own.
 * Deadlines	absolute, nanoseconds of CLOCK_MONOTONIC. TSR_NOWAIT (0) tries once and gives
 *		-EAGAIN; TSR_FOREVER waits; any other gives -ETIMEDOUT once it has passed.
 *
 * Caveats
 *	- A message belongs to exactly one: the client that allocated or received it, or the
 *	  channel. After tsr_send() succeeded, or tsr_release(), its data must not be touched.
 *	- A send that fails leaves the message with the sender, who may try again or release it.
 *	- A client may be evicted. Its calls give -ECONNABORTED, but those that neither wait nor
 *	  want something of the daemon or new memory may still succeed; tsr_last_hint() says why.
 *	  What does not tsr_detach() (or end) within a second is killed.
 *	- Handles are dead after tsr_detach(), and in a forked child: calls give -ENOTCONN there.
 *	  The mappings are not inherited either; a child attaches for itself.
 *	- execve() without tsr_detach() ends the connection while the process lives on: the daemon
 *	  kills such a process after 100 ms, for it can't know what it still does with the memory.
 *	- Participants of a realm trust each other with its memory; see the manual on trust.
 *	- Messages of one sender end arrive in order, as long as no receiver dies; what a dead
 *	  receiver had taken and not received comes again, flagged TSR_MSG_REDELIVERED.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TSR_API __attribute__((visibility("default")))

#define TSR_NOWAIT  UINT64_C(0)
#define TSR_FOREVER UINT64_MAX

#define TSR_NAME_BYTES 64 /* longest name of a realm, channel or client, with its final 0 */

/* Flags of a message. */
#define TSR_MSG_REDELIVERED UINT32_C(1) /* a receiver that died had taken it before */
#define TSR_MSG_READ_ONLY   UINT32_C(2) /* it lies in a region that can't be written here */
#define TSR_MSG_SHARED      UINT32_C(4) /* of a broadcast: others read the same bytes, write none */
#define TSR_MSG_RETAINED    UINT32_C(8) /* and it was retained */

/* An attached client, an open sender end, an open receiver end: values, made by the calls below. */
struct tsr_client {
	uint64_t handle;
};

struct tsr_sender {
	uint64_t handle;
};

struct tsr_receiver {
	uint64_t handle;
};

/* An open tap: looks at a channel without taking part in it. */
struct tsr_tap {
	uint64_t handle;
};

/* A region that this client owns. */
struct tsr_region {
	uint64_t handle;
};

/* The ticket descriptor that travels through channels: a value that gives no access by itself. */
struct tsr_zdesc {
	uint64_t name;  /* ticket index (24 bits, low), generation (40) */
	uint64_t range; /* offset in bytes (32, low), length in bytes (32) */
};

struct tsr_msg {
	struct tsr_zdesc zdesc;
	void *data;      /* the first byte of the range, in shared memory */
	uint32_t length; /* bytes from @data that the message is; a sender may lower it */
	uint32_t flags;  /* TSR_MSG_*; the upper half is the library's */
	uint64_t stamp;  /* when it was sent, in tsr_ticks(); 0 if it was not stamped */
};

/* tsr_attach(): who attaches where. Zero every member that you don't set. */
struct tsr_attach_options {
	size_t size;        /* sizeof(struct tsr_attach_options) */
	const char *realm;  /* NULL: "demo" */
	const char *name;   /* how `tessera clients` shows this client; NULL: the program's name */
	const char *socket; /* NULL: $TESSERA_RUNTIME_DIR, the user's own daemon, the system's */
	uint64_t deadline_ns; /* until when to wait for the daemon's answers; 0: five seconds */
	uint32_t flags;       /* TSR_ATTACH_* */
	uint32_t reserved;
};

#define TSR_ATTACH_FENCED UINT32_C(1) /* don't use membarrier(2): every publish is fenced instead */
/* To look and write nothing, which a realm's owner may grant to whom he does not trust: everything
 * is mapped read-only, tsr_tap_open() and tsr_client_info() work, what would change something is
 * -EPERM. Alone; other flags beside it are -EINVAL. */
#define TSR_ATTACH_OBSERVER UINT32_C(2)

/* Channels: how one is made. */
struct tsr_channel_options {
	size_t size;       /* sizeof(struct tsr_channel_options) */
	uint32_t capacity; /* slots, a power of two, TSR_SLOTS_MIN .. TSR_SLOTS_MAX; 0: the kind's.
	                   * Unlimited: of a segment, which must fit a block (32 bytes a slot) */
	uint32_t flags;    /* TSR_CHANNEL_*, those that the kind knows */
	uint32_t kind;     /* TSR_KIND_*; 0: buffered */
	uint32_t reserved; /* 0 */
};

#define TSR_KIND_BUFFERED   UINT32_C(1) /* a ring of slots */
#define TSR_KIND_RENDEZVOUS UINT32_C(2) /* a send returns when its message was received */
#define TSR_KIND_UNLIMITED  UINT32_C(3) /* grows as far as the realm's memory goes */
#define TSR_KIND_CONFLATED  UINT32_C(4) /* only the newest message counts */
#define TSR_KIND_BROADCAST  UINT32_C(5) /* every receiver gets every message */

#define TSR_SLOTS_MIN UINT32_C(2)
#define TSR_SLOTS_MAX (UINT32_C(1) << 20)

#define TSR_CHANNEL_ONE_SENDER   UINT32_C(1) /* at most one sender end at a time: no claim needed */
#define TSR_CHANNEL_ONE_RECEIVER UINT32_C(2) /* at most one receiver end at a time */
#define TSR_CHANNEL_DROP_NEWEST  UINT32_C(4) /* full: what is being sent is dropped */
#define TSR_CHANNEL_DROP_OLDEST  UINT32_C(8) /* full: the oldest message is dropped */
#define TSR_CHANNEL_REQUEUE      UINT32_C(16) /* what a dead receiver held comes again */
#define TSR_CHANNEL_EVICT        UINT32_C(32) /* broadcast, full: the slowest receiver is cut off */
#define TSR_CHANNEL_LAP          UINT32_C(64) /* broadcast, full: the slowest receiver is lapped */

/* tsr_sender_open(), tsr_receiver_open(). */
struct tsr_end_options {
	size_t size;          /* sizeof(struct tsr_end_options) */
	uint32_t flags;       /* TSR_END_* */
	uint32_t stamp_every; /* senders: stamp one message in so many (a power of two); 0: 64 */
	uint64_t spin_ns;     /* how long at most to look again before going to sleep; 0: 20,000 */
	const struct tsr_channel_options *create; /* how to make the channel if it is not there */
	uint32_t from;                            /* receivers of a broadcast: TSR_FROM_* */
	uint32_t reserved;                        /* 0 */
	uint64_t after; /* TSR_FROM_AFTER: the sequence number before the first one wanted */
};

/* Where a receiver of a broadcast begins. Sequence numbers count places, from 0 on: tsr_copy. */
#define TSR_FROM_NEXT   UINT32_C(0) /* the next message that is sent */
#define TSR_FROM_OLDEST UINT32_C(1) /* the oldest that nobody is about to write over */
#define TSR_FROM_NEWEST UINT32_C(2) /* the newest that is there */
#define TSR_FROM_AFTER  UINT32_C(3) /* the one after tsr_end_options.after, or the oldest */

#define TSR_END_MUST_EXIST UINT32_C(1) /* -ENOENT instead of making the channel */
#define TSR_END_NO_SPIN    UINT32_C(2) /* go to sleep at once */
#define TSR_END_NO_STAMP   UINT32_C(4) /* never read the clock */
/* Receivers of a broadcast: hold nobody up, get copies in blocks of one's own, miss what is written
 * over meanwhile. */
#define TSR_END_LOSSY UINT32_C(8)
#define TSR_END_SPIN  UINT32_C(16) /* never go to sleep: look again until the deadline */
/* With neither _SPIN nor _NO_SPIN an end learns how long to look again, up to spin_ns, from how
 * long it had to wait: not at all where that is always long. */

/* tsr_tap_open(): which message is copied first. */
struct tsr_tap_options {
	size_t size;       /* sizeof(struct tsr_tap_options) */
	uint32_t from;     /* TSR_TAP_* */
	uint32_t reserved; /* 0 */
	uint64_t after;    /* TSR_TAP_AFTER: the sequence number before it */
};

#define TSR_TAP_NEXT   UINT32_C(0) /* the next that is sent */
#define TSR_TAP_OLDEST UINT32_C(1) /* the oldest that is still there */
#define TSR_TAP_NEWEST UINT32_C(2) /* the newest that is still there */
#define TSR_TAP_AFTER  UINT32_C(3) /* the one after tsr_tap_options.after */

/* What tsr_read_copy() tells of a message. */
struct tsr_copy {
	uint64_t sequence; /* how many places of the channel were filled before its own */
	uint64_t missed;   /* places between the one copied before (or the start) and this one */
	uint64_t stamp;    /* when it was sent, in tsr_ticks(); 0 if it was not stamped */
	uint32_t length;   /* of the message, in bytes */
	uint32_t copied; /* the first so many of them: fewer if there was no room for all, and none
	                    * of a message that lies in a region */
};

/* tsr_region_create(), tsr_region_register(). */
struct tsr_region_options {
	size_t size;      /* sizeof(struct tsr_region_options) */
	uint32_t tickets; /* so many messages of it may be out at a time; 0: 64 */
	uint32_t reserved;
};

/* A scope: calls, messages and further scopes that are cancelled together. */
struct tsr_scope {
	uint64_t handle;
};

/* What becomes of a message that a cancelled scope did not deliver: it is the callback's to
 * release, or to send elsewhere. */
typedef void tsr_undelivered(void *argument, struct tsr_msg *msg);

/* tsr_scope_open(). */
struct tsr_scope_options {
	size_t size;                  /* sizeof(struct tsr_scope_options) */
	struct tsr_scope parent;      /* cancelled with it; handle 0: none */
	tsr_undelivered *undelivered; /* NULL: such messages are released */
	void *argument;               /* of the callback */
};

/* One who sends requests and gets their replies. */
struct tsr_asker {
	uint64_t handle;
};

#define TSR_ASKS_MAX 64 /* requests of an asker that are on their way */

/* One case of a select: a send or a receive. */
struct tsr_case {
	struct tsr_sender sender;     /* send *msg there; or: */
	struct tsr_receiver receiver; /* receive *msg from there; the other handle is 0 */
	struct tsr_msg *msg;
};

#define TSR_SELECT_MAX  64
#define TSR_SELECT_NONE UINT32_MAX

/* tsr_select(): keep it for as long as the cases are the same, it says whose turn is next. */
struct tsr_select {
	size_t size; /* sizeof(struct tsr_select) */
	struct tsr_case *cases;
	uint32_t count; /* 1 .. TSR_SELECT_MAX */
	uint32_t fired; /* set: the case that was done, or that failed; or TSR_SELECT_NONE */
	uint32_t turn;  /* the library's; 0 to begin with */
	uint32_t reserved;
};

/* What tsr_client_info() tells. */
struct tsr_client_info {
	size_t size; /* sizeof(struct tsr_client_info), set by the caller */
	char realm[TSR_NAME_BYTES];
	char backing[16];           /* of the arenas: "1G", "2M", "thp", "4K" */
	uint64_t arena_bytes;       /* payload memory of the realm */
	uint64_t ticks_per_second;  /* unit of tsr_ticks() and of stamps */
	uint32_t message_bytes_max; /* the largest message that fits */
	uint32_t tickets;           /* in the realm, those of regions not counted */
	uint16_t client_id;         /* ours; 0: an observer */
	uint16_t flags; /* TSR_ATTACH_FENCED or TSR_ATTACH_OBSERVER if that is in force */
	uint32_t reserved;
};

/*
 * tsr_attach - join a realm
 * @options:	NULL for the realm "demo" of the nearest daemon
 * @out:	the client handle; give it back with tsr_detach()
 *
 * Context: cold, any thread; blocks until the daemon has answered or the deadline passes.
 * Return: 0; -ECONNREFUSED no daemon listens; -ENOENT no such realm; -EACCES the realm does not
 * admit this user; -EPROTO another version or layout; -ENOBUFS a limit of the daemon, or the
 * process holds as many clients or descriptors as it may; -ENOMEM; -ETIMEDOUT; -EINVAL;
 * -ENAMETOOLONG; or what socket(2), connect(2) or mmap(2) gave.
 */
TSR_API int tsr_attach(const struct tsr_attach_options *options, struct tsr_client *out);

/*
 * tsr_detach - leave the realm: closes its ends, gives its messages back, unmaps everything
 *
 * Context: cold; no other thread may be inside a call with this client or one of its ends. Messages
 * that were not released or sent are freed.
 * Return: 0, also when the daemon is gone; -ENOTCONN it was not attached (any more); -ETIMEDOUT the
 * daemon did not answer: it was left all the same.
 */
TSR_API int tsr_detach(struct tsr_client client);

/*
 * tsr_client_info - facts about the realm and this client
 *
 * Context: any thread. Return: 0; -ENOTCONN; -EINVAL @info->size is not this library's.
 */
TSR_API int tsr_client_info(struct tsr_client client, struct tsr_client_info *info);

/*
 * tsr_channel_create - make a channel
 * @name:	1 to 63 of the characters A-Z a-z 0-9 . _ - /
 * @options:	NULL: buffered, 1,024 slots, many senders, many receivers
 *
 * Context: cold, asks the daemon.
 * Return: 0, also if it was there with the same properties; -EEXIST it is there with others;
 * -EINVAL name, capacity, flags or kind; -EOPNOTSUPP the daemon does not offer that kind;
 * -ENAMETOOLONG; -ENOBUFS the realm's table or slot memory is full; -ENOTCONN; -ETIMEDOUT.
 */
TSR_API int tsr_channel_create(struct tsr_client client, const char *name,
                               const struct tsr_channel_options *options);

/*
 * tsr_channel_remove - remove a channel; messages in it are freed
 *
 * Context: cold, asks the daemon.
 * Return: 0; -ENOENT; -EBUSY ends are open; -EINVAL; -ENOTCONN; -ETIMEDOUT.
 */
TSR_API int tsr_channel_remove(struct tsr_client client, const char *name);

/*
 * tsr_sender_open, tsr_receiver_open - open an end, making the channel if need be
 * @options:	NULL: defaults
 *
 * Context: cold, asks the daemon. The end belongs to the thread that uses it.
 * Return: 0; -EBUSY the one end of that side is taken; -ENOENT with TSR_END_MUST_EXIST; -EEXIST the
 * channel has other properties than @options->create; -ENOBUFS too many ends, or as many senders of
 * a rendezvous as it has slots; and as tsr_channel_create().
 */
TSR_API int tsr_sender_open(struct tsr_client client, const char *name,
                            const struct tsr_end_options *options, struct tsr_sender *out);
TSR_API int tsr_receiver_open(struct tsr_client client, const char *name,
                              const struct tsr_end_options *options, struct tsr_receiver *out);

/*
 * tsr_sender_close, tsr_receiver_close - close an end
 *
 * What was sent stays in the channel. When the last sender has closed, receivers take what is left
 * and then get -EPIPE, until somebody opens a sender again.
 * Context: cold, asks the daemon; waits for who is cancelling the end's scope.
 * Return: 0; -EBUSY within the callback of its scope; else the end is closed in any case: -ENOTCONN
 * it was not open, or the daemon is gone; -ETIMEDOUT the daemon did not answer.
 */
TSR_API int tsr_sender_close(struct tsr_sender sender);
TSR_API int tsr_receiver_close(struct tsr_receiver receiver);

/*
 * tsr_alloc - take a free block
 * @bytes:	1 .. message_bytes_max
 * @msg:	set on success: data, length = @bytes, zdesc; contents of the block are arbitrary
 *
 * Context: hot, any thread, never blocks; nothing shared is written unless the thread's magazine
 * is empty.
 * Return: 0; -ENOMEM no block of that size or larger is free; -EMSGSIZE; -EINVAL 0 bytes;
 * -ENOTCONN.
 */
TSR_API int tsr_alloc(struct tsr_client client, uint32_t bytes, struct tsr_msg *msg);

/*
 * tsr_send - hand a message to the channel
 * @msg:	allocated or received by this client; length may have been lowered, and tsr_view()
 *		gives any other range
 *
 * Context: hot, the sender's thread; waits for room until @deadline_ns.
 * Return: 0, the message is the channel's; else it is still the caller's: -EAGAIN full
 * (TSR_NOWAIT); -ETIMEDOUT; -EPIPE full, and all receivers have closed since; -ECONNRESET full, and
 * all receivers are gone, one by death; -ECANCELED see tsr_scope_cancel(); -ESTALE the message is
 * not (or no longer) the caller's; -EINVAL the range is not inside the message; -EOPNOTSUPP a
 * message of a region, and a broadcast; -ENOBUFS an unlimited channel, and the realm has no block
 * left by which it could grow; -EPROTO likewise, and a participant wrote what cannot be; -ENOTCONN.
 *
 * On a rendezvous it waits until a receiver has taken the message: 0 says that one has. TSR_NOWAIT
 * offers it for a few microseconds, which is enough for a receiver that is looking just then (with
 * TSR_END_NO_SPIN for one look). A message that was offered and not taken is the caller's under
 * another name (@msg has it): views of it that were made before are stale.
 */
TSR_API int tsr_send(struct tsr_sender sender, struct tsr_msg *msg, uint64_t deadline_ns);

/*
 * tsr_recv - take the next message
 * @msg:	set on success; give it back with tsr_release() or send it on
 *
 * Context: hot, the receiver's thread; waits for a message until @deadline_ns. The first message
 * of a region that this client has not mapped asks the daemon for it; if it can't be had, the call
 * gives that error (-ENOBUFS, -ENOMEM, -ETIMEDOUT, ...) and the message stays in the channel.
 * Of a broadcast the message is a view (TSR_MSG_SHARED) that stays where it is until it is
 * released; at most 64 may be out. A lossy end gets a copy in a block of its own.
 * Return: 0; -EAGAIN empty (TSR_NOWAIT); -ETIMEDOUT; -EPIPE everything was received and every
 * sender has closed; -ECONNRESET the same, and a sender died before it closed; -EPROTO a
 * participant wrote what cannot be (the message was dropped); -ENOTCONN. Broadcast: -EOVERFLOW this
 * end was evicted, close it; -ENOBUFS 64 messages are out; lossy: -ENOMEM no block for the copy;
 * -ESTALE messages were written over while they were copied, 8 times in a row: call again.
 */
TSR_API int tsr_recv(struct tsr_receiver receiver, struct tsr_msg *msg, uint64_t deadline_ns);

/*
 * tsr_select - do one of several sends and receives, whichever can be done first
 * @select:	the cases: ends of one client, each of another channel; fired is set, on failure too
 *
 *	struct tsr_case cases[] = {{.receiver = orders, .msg = &order},
 *	                           {.sender = results, .msg = &result}};
 *	struct tsr_select select = {.size = sizeof(select), .cases = cases, .count = 2};
 *
 *	error = tsr_select(&select, TSR_FOREVER);
 *	if (error == 0 && select.fired == 0)
 *		handle(&order);
 *
 * Exactly one case is done, or none. If several can be, they take turns: a channel that always has
 * something is picked at least once in as many calls as there are cases, however fast the others
 * are. A channel that has ended fails its case; take it out and go on.
 * Context: hot, the thread of all the ends; waits until @deadline_ns. TSR_NOWAIT makes it a select
 * with a default: -EAGAIN if nothing can be done now.
 * Return: 0, fired was done; with fired set, what tsr_send() or tsr_recv() would have said of that
 * case; -EAGAIN (TSR_NOWAIT), -ETIMEDOUT: fired is TSR_SELECT_NONE; -EINVAL the count; or, with
 * fired set: neither or both of the handles, an end of another client, a channel that is there
 * twice, a send on a rendezvous.
 */
TSR_API int tsr_select(struct tsr_select *select, uint64_t deadline_ns);

/*
 * tsr_scope_open - a scope, which ends, messages and further scopes are put into
 * @options:	NULL: no parent, no callback
 * @out:	give it back with tsr_scope_close(); it goes with the client
 *
 * Context: any thread. Return: 0; -ECANCELED the parent was cancelled; -ENOBUFS the process has 256
 * scopes; -EINVAL the parent is another client's; -ENOTCONN client or parent.
 */
TSR_API int tsr_scope_open(struct tsr_client client, const struct tsr_scope_options *options,
                           struct tsr_scope *out);

/*
 * tsr_scope_add_sender, tsr_scope_add_receiver - what is called with this end belongs to the scope
 *
 * Each call costs two uncontended locks more from then on. Closing the end takes it out.
 * tsr_scope_add_msg - a message that this client holds: cancelling releases it, if it was neither
 * sent nor released meanwhile.
 * Context: the end's thread; not hot. Return: 0; -EBUSY the end is in a scope; -ECANCELED the scope
 * was cancelled; -ESTALE, -EINVAL the message is not the client's, or the end another client's;
 * -ENOMEM; -ENOTCONN.
 */
TSR_API int tsr_scope_add_sender(struct tsr_scope scope, struct tsr_sender sender);
TSR_API int tsr_scope_add_receiver(struct tsr_scope scope, struct tsr_receiver receiver);
TSR_API int tsr_scope_add_msg(struct tsr_scope scope, const struct tsr_msg *msg);

/*
 * tsr_scope_cancel - end every call in the scope, and in those below it, and take what is left
 *
 * Blocked calls with its ends give -ECANCELED, and so does every later one. When all have left,
 * each message that was not delivered is handed to the callback of its scope, in this thread, once:
 * what a cancelled send could not send (its msg->data is NULL then, and the message no longer the
 * caller's), and what lies in the channel of a receiver, if no other has it open. What lies in a
 * rendezvous stays its sender's, of a broadcast nothing is handed. Then the scope's messages are
 * released.
 * Context: any thread of the client, but not within a callback of the same scope; blocks until the
 * calls have left. Nobody else may be using the scope's messages.
 * Return: 0; -ECANCELED it was cancelled before; -ENOTCONN.
 */
TSR_API int tsr_scope_cancel(struct tsr_scope scope);

/*
 * tsr_scope_close - forget the scope, cancelled or not: its ends are in none, and can be used
 *
 * Context: any thread. Return: 0; -EBUSY a call is inside, it is being cancelled, or scopes are
 * open below it; -ENOTCONN.
 */
TSR_API int tsr_scope_close(struct tsr_scope scope);

/*
 * tsr_asker_open, tsr_asker_close - one who asks those that receive from channel @service
 *
 * The channel is made if need be, and is a buffered one. Replies come by a channel of the asker's
 * own, named reply/CLIENT.N. It goes with its last end: when the asker has closed or ended, and
 * who answered it ends, or answers somebody for the first time.
 * Context: cold, asks the daemon. An asker is used by one thread at a time; a process may have 64.
 * Return: 0; -EOPNOTSUPP the channel is of another kind; -EEXIST its own name is taken; -ENOBUFS;
 * and as tsr_sender_open().
 */
TSR_API int tsr_asker_open(struct tsr_client client, const char *service, struct tsr_asker *out);
TSR_API int tsr_asker_close(struct tsr_asker asker);

/*
 * tsr_ask - send a request and wait for its reply
 * @msg:	the request; on success the reply, which is the caller's
 *
 * tsr_ask_begin - send a request; up to TSR_ASKS_MAX may be on their way
 * @ask:	set: for tsr_ask_end()
 * tsr_ask_end - wait for the reply to it, in any order
 *
 * A request that was received and whose receiver dies, or releases it without a reply, has failed;
 * one that is still in the channel waits for the next who receives. A death wakes who waits for the
 * reply; such a release wakes nobody: a sleeper sees it when it next looks, after 100 ms, then 200
 * and so on, at most 10 s, or at its deadline. What fails or passes its deadline is forgotten: its
 * reply, should it still come, is dropped, and counted by tsr_asker_late().
 * Context: warm, the asker's thread. TSR_NOWAIT of tsr_ask_end() looks once.
 * Return: 0; tsr_ask(), tsr_ask_begin(): what tsr_send() gives, then the message is still the
 * caller's; -ENOBUFS TSR_ASKS_MAX are on their way. tsr_ask(), tsr_ask_end(), and the request is
 * gone (msg->data is NULL): -ETIMEDOUT; -ECONNRESET it has failed; -EAGAIN (TSR_NOWAIT) not yet;
 * -ESTALE no such request is on its way; -ENOTCONN.
 */
TSR_API int tsr_ask(struct tsr_asker asker, struct tsr_msg *msg, uint64_t deadline_ns);
TSR_API int tsr_ask_begin(struct tsr_asker asker, struct tsr_msg *msg, uint64_t deadline_ns,
                          uint64_t *ask);
TSR_API int tsr_ask_end(struct tsr_asker asker, uint64_t ask, struct tsr_msg *reply,
                        uint64_t deadline_ns);

/* tsr_asker_late - how many replies came when nobody waited for them. Return: 0; -ENOTCONN. */
TSR_API int tsr_asker_late(struct tsr_asker asker, uint64_t *late);

/*
 * tsr_reply - answer a request
 * @request:	as received, and not yet released
 * @reply:	any message of this client; @request itself, to answer in its block
 *
 * Sent on to another channel a request can't be answered any more.
 * Context: warm, any thread; the first reply to an asker asks the daemon. Then release @request, if
 * it is not @reply.
 * Return: 0, @reply is sent; else it is still the caller's: -EINVAL it was no request; -EPIPE the
 * asker is gone; -EAGAIN (TSR_NOWAIT), -ETIMEDOUT its channel is full; -ESTALE; -EPERM; -ENOTCONN.
 */
TSR_API int tsr_reply(struct tsr_client client, const struct tsr_msg *request,
                      struct tsr_msg *reply, uint64_t deadline_ns);

/*
 * tsr_release - give a block back
 *
 * Context: hot, any thread of the client, never blocks; only the last message of a region that its
 * owner has given up asks the daemon.
 * Return: 0; -ESTALE it was released or sent before, or was never this client's; -EINVAL no such
 * ticket; -ENOTCONN. A view of a broadcast is released by the thread of its end, in any order; its
 * slot is free when all before it are released. -EOVERFLOW this end was evicted, or lapped, before
 * that: what was read may not have been whole.
 */
TSR_API int tsr_release(struct tsr_client client, struct tsr_msg *msg);

/*
 * tsr_retain - keep a view of a broadcast past its slot: the senders may go on
 * @msg:	received and not released; flagged TSR_MSG_RETAINED on success. Give it back with
 *		tsr_release(), or with the end
 *
 * Context: warm, the thread of the end. A message that is no view is the client's own already.
 * Return: 0; -ENOBUFS the end retains 6 messages already; -EOVERFLOW it was evicted or lapped, and
 * the message written over; -ESTALE it was released before, or its end is closed; -ENOTCONN.
 */
TSR_API int tsr_retain(struct tsr_client client, struct tsr_msg *msg);

/*
 * tsr_receiver_missed - how many places of a broadcast this end never got to see
 * @missed:	since it was opened: written over before it had copied them (TSR_END_LOSSY, or
 *		lapped); with TSR_FROM_AFTER also those that were gone when it came
 *
 * Context: the receiver's thread. Return: 0; -EINVAL it is no broadcast; -ENOTCONN.
 */
TSR_API int tsr_receiver_missed(struct tsr_receiver receiver, uint64_t *missed);

/*
 * tsr_alloc_batch, tsr_send_batch, tsr_recv_batch, tsr_release_batch - the same for up to @count
 * @done:	how many were handled, from the first on; set on failure too
 *
 * A batch goes as far as it can: 0 means at least one was handled, and @done says how many. Only
 * the first waits until @deadline_ns; what it finds beside it is taken along. tsr_release_batch
 * goes through to the end and returns the first error, if any.
 * Context and Return: as for one; an error only if none was handled.
 */
TSR_API int tsr_alloc_batch(struct tsr_client client, uint32_t bytes, struct tsr_msg *msgs,
                            size_t count, size_t *done);
TSR_API int tsr_send_batch(struct tsr_sender sender, struct tsr_msg *msgs, size_t count,
                           uint64_t deadline_ns, size_t *done);
TSR_API int tsr_recv_batch(struct tsr_receiver receiver, struct tsr_msg *msgs, size_t count,
                           uint64_t deadline_ns, size_t *done);
TSR_API int tsr_release_batch(struct tsr_client client, struct tsr_msg *msgs, size_t count,
                              size_t *done);

/*
 * tsr_view - narrow a message to a range of itself; costs nothing
 * @offset, @length:	bytes inside @msg
 * @out:		the same ticket with the other range; may be @msg
 *
 * A view is the same ticket: whoever sends or releases one view has sent or released all of them.
 * Return: 0; -EINVAL the range is not inside @msg.
 */
TSR_API int tsr_view(const struct tsr_msg *msg, uint32_t offset, uint32_t length,
                     struct tsr_msg *out);

/*
 * tsr_resolve - turn a zdesc of a ticket that this client owns into a message
 *
 * Context: any thread. Return: 0; -ESTALE generation or owner is another; -EINVAL no such ticket,
 * or the range is not inside its block; -ENOTCONN; or why its region can't be had, as tsr_recv().
 */
TSR_API int tsr_resolve(struct tsr_client client, struct tsr_zdesc zdesc, struct tsr_msg *msg);

/*
 * tsr_tap_open - look at a channel that is there, as a participant or an observer
 * @options:	NULL: from the next message on
 *
 * A tap takes no message and slows nobody: it sees those that lie in the channel when it looks, and
 * misses those that were received before.
 * Context: cold, asks the daemon. A tap is used by one thread at a time; there may be 256.
 * Return: 0; -ENOENT no such channel; -EINVAL nothing was sent with that sequence number yet;
 * -EOPNOTSUPP a rendezvous, whose messages lie nowhere; and otherwise as tsr_channel_create().
 */
TSR_API int tsr_tap_open(struct tsr_client client, const char *name,
                         const struct tsr_tap_options *options, struct tsr_tap *out);

/* tsr_tap_close - Context: cold. Return: 0; -ENOTCONN it was not open. */
TSR_API int tsr_tap_close(struct tsr_tap tap);

/*
 * tsr_read_copy - copy the next message that is there, and leave it there
 * @to, @bytes:	room for it; the rest of a longer one is left out
 * @copy:	set on success: which one it was, how long, how many were missed
 *
 * The copy is checked after it was made: it is whole, and as it was sent. @to may be written to on
 * failure.
 * Context: the tap's thread; never blocks, but for looking for its place after it was overtaken by
 * a lap it takes time in proportion to the capacity.
 * Return: 0; -EAGAIN nothing new is there; -ESTALE everything that was there was received while it
 * was being copied, 64 times in a row: call again; -ENOENT the channel was removed; -EINVAL;
 * -ENOTCONN not open, or the realm has ended.
 */
TSR_API int tsr_read_copy(struct tsr_tap tap, void *to, size_t bytes, struct tsr_copy *copy);

/*
 * tsr_receiver_event, tsr_sender_event, tsr_tap_event - a descriptor for poll(2), epoll(7) and such
 * @fd:		set; the same with every call. It is the library's: don't read or close it. It goes
 *		with the end, the tap, or the client.
 *
 * It becomes readable (POLLIN) once after each successful call of the arm function below that left
 * *ready at 0: when there may be something to receive, room to send, something to copy, or an error
 * to be told. Look until -EAGAIN, arm, and wait again:
 *
 *	error = tsr_receiver_event(receiver, &fd);              and put it into the epoll set
 *	for (;;) {
 *		while ((error = tsr_recv(receiver, &msg, TSR_NOWAIT)) == 0)
 *			handle(&msg);
 *		if (error != -EAGAIN)
 *			break;                                  the end of the stream, say
 *		error = tsr_receiver_arm(receiver, &ready);
 *		if (error == 0 && ready == 0)
 *			epoll_wait(epoll, &event, 1, -1);
 *	}
 *
 * Context: cold, asks the daemon; the thread of the end or tap.
 * Return: 0; -ENOBUFS the user has as many as limits.events_per_user; -ENOENT the channel was
 * removed; -ENOMEM; -EINVAL, also for a sender of a rendezvous, whose offer ends with its call;
 * -ENOTCONN; -ETIMEDOUT.
 */
TSR_API int tsr_receiver_event(struct tsr_receiver receiver, int *fd);
TSR_API int tsr_sender_event(struct tsr_sender sender, int *fd);
TSR_API int tsr_tap_event(struct tsr_tap tap, int *fd);

/*
 * tsr_receiver_arm, tsr_sender_arm, tsr_tap_arm - ask for one signal, and look
 * @ready:	set on success: 1 there is something to be done already, don't wait; 0 the
 *		descriptor becomes readable
 *
 * The signals that came before are taken back. A signal may be for nothing: somebody else was
 * faster. All that wait on a side of a channel by descriptor get it, and all sleepers as ever.
 * Context: warm, asks the daemon unless there is something to be done; the thread of the end or
 * tap.
 * Return: 0; -ENOBUFS 63 waiters sleep on that side of the channel already; -ENOENT the channel was
 * removed; -EINVAL no descriptor was asked for; -ENOTCONN; -ETIMEDOUT.
 */
TSR_API int tsr_receiver_arm(struct tsr_receiver receiver, int *ready);
TSR_API int tsr_sender_arm(struct tsr_sender sender, int *ready);
TSR_API int tsr_tap_arm(struct tsr_tap tap, int *ready);

/*
 * tsr_region_create - have memory made beside the arenas, for messages that point into it
 * @bytes:	1 .. 4 GiB - 2 MiB, rounded up to pages; zeroed, and in the largest pages to be had
 * @options:	NULL: 64 tickets
 * @out:	give it back with tsr_region_close(), or tsr_detach()
 *
 * Context: cold, any thread; asks the daemon, then touches all of the memory.
 * Return: 0; -ENOBUFS limits.regions_per_user, limits.region_bytes_per_user, or the realm's regions
 * or region_tickets are used up; -ENOMEM; -EINVAL; -ENOTCONN; -ETIMEDOUT.
 */
TSR_API int tsr_region_create(struct tsr_client client, uint64_t bytes,
                              const struct tsr_region_options *options, struct tsr_region *out);

/*
 * tsr_region_register - let messages point into memory that this process made itself
 * @memfd:	made by memfd_create(2), of whole pages, and sealed with F_SEAL_SHRINK | F_SEAL_GROW
 *		| F_SEAL_SEAL; on huge pages also with F_SEAL_WRITE or F_SEAL_FUTURE_WRITE, for
 *		who receives must not lose a page to a hole. With one of these seals, or a
 *		descriptor that is open for reading only, nobody else can write to it. It stays the
 *		caller's, who may close it.
 *
 * The realm's configuration must allow it (foreign_regions). Every participant of the realm may map
 * the memory from here on. Where nothing is sealed against writing, those who can write may punch
 * holes into it, which read as zeros.
 * Context and Return: as tsr_region_create(), and: -EACCES the realm does not take clients' memory;
 * -EINVAL no memfd, a seal is missing, or the size; -EEXIST the realm has this memory already;
 * -EBUSY another thread is just registering, or the daemon is still closing what it refused.
 */
TSR_API int tsr_region_register(struct tsr_client client, int memfd,
                                const struct tsr_region_options *options, struct tsr_region *out);

/*
 * tsr_region_alloc - a message that is a range of the region
 * @offset, @bytes:	inside the region; @bytes from 1 on
 * @msg:	set on success: data, length = @bytes, zdesc; contents are what is there
 *
 * It is sent, received, viewed and released as any other, and takes one of the region's tickets,
 * which comes back when it is released, by whomever. Whether ranges overlap, and who may write
 * where, is up to the programs.
 * Context: warm, any thread, never blocks.
 * Return: 0; -ENOMEM all tickets of the region are out; -EINVAL the range; -ENOTCONN.
 */
TSR_API int tsr_region_alloc(struct tsr_region region, uint32_t offset, uint32_t bytes,
                             struct tsr_msg *msg);

/*
 * tsr_region_address - where the region lies in this process
 * @address, @bytes:	valid until tsr_region_close(); of memory that can't be written through the
 *		descriptor that was registered, a read-only view
 *
 * Context: any thread. Return: 0; -ENOTCONN.
 */
TSR_API int tsr_region_address(struct tsr_region region, void **address, uint64_t *bytes);

/*
 * tsr_region_close - give the region up
 *
 * Messages of it that are out stay good: sent ones can be received, and the region ends when the
 * last of them is released. So it is, too, if the owner detaches or dies.
 * Context: cold, asks the daemon; the handle is dead in any case.
 * Return: 0; -ENOTCONN it was not open, or the daemon is gone; -ETIMEDOUT the daemon did not
 * answer.
 */
TSR_API int tsr_region_close(struct tsr_region region);

/*
 * tsr_copy_in - copy bytes into a message the way that is fastest for another core to read
 *
 * From 1 KiB on it learns which is quicker: the processor's string copy, or stores that go past the
 * caches, which is several times as fast where the receiver's core is far away.
 *
 * Context: hot, any thread; @from need not be shared memory, and the two don't overlap.
 */
TSR_API void tsr_copy_in(void *to, const void *from, size_t bytes);

/* tsr_now_ns - CLOCK_MONOTONIC, nanoseconds. tsr_deadline_in_ms - so many milliseconds from now. */
TSR_API uint64_t tsr_now_ns(void);
TSR_API uint64_t tsr_deadline_in_ms(uint64_t ms);

/* tsr_ticks - the clock of the stamps, now; ticks_per_second stands in struct tsr_client_info. */
TSR_API uint64_t tsr_ticks(void);

/* tsr_strerror - a sentence for a negative errno that a call returned; never NULL. */
TSR_API const char *tsr_strerror(int error);

/* tsr_last_hint - what the daemon said with this thread's last refusal; "" if nothing. */
TSR_API const char *tsr_last_hint(void);

/* tsr_version - of the library, as in "0.1.0". */
TSR_API const char *tsr_version(void);

#ifdef __cplusplus
}
#endif

#endif /* TESSERA_H */
