/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

/* UPGRADE: whether another binary can take over is asked of itself, aside; everybody is served
 * meanwhile. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/control_request.h"
#include "core/counter.h"
#include "core/helper.h"
#include "core/program.h"
#include "core/realm.h"
#include "core/upgrade.h"
#include "core/user.h"

#define UPGRADE_ANSWER_NS    UINT64_C(5000000000)
#define UPGRADE_ANSWER_BYTES 512

struct tsr_successor {
	struct tsr_source source;
	struct tsr_server *server;
	struct tsr_connection *connection; /* who asked; NULL: it hung up */
	struct tsr_proto_head head;
	pid_t pid;
	int pidfd;
	int answer; /* a pipe: all that it says; at most what fits into it */
	uint64_t deadline_ns;
	bool late;
	char said[UPGRADE_ANSWER_BYTES];
	struct tsr_proto_upgrade_reply reply; /* if it can */
};

static void
successor_free(struct tsr_successor *successor)
{
	if (successor->pid > 0) {
		/* Whoever is at its end by itself does not mind. */
		(void)kill(successor->pid, SIGKILL);
		(void)waitpid(successor->pid, NULL, 0);
	}
	if (successor->pidfd >= 0)
		(void)close(successor->pidfd);
	if (successor->answer >= 0)
		(void)close(successor->answer);
	successor->server->successor = NULL;
	free(successor);
}

struct upgrade_kept {
	uint32_t count;
	const char *lost; /* one that is not; NULL */
};

static void
upgrade_look(struct tsr_realm *realm, void *argument)
{
	struct upgrade_kept *const kept = argument;

	kept->count += realm->kept;
	if (!realm->kept && !realm->condemned)
		kept->lost = realm->settings.geometry.name;
}

/* Is there somebody who keeps all, and who starts the next one? */
static int
upgrade_check_store(struct tsr_daemon *daemon, struct tsr_refusal *refusal)
{
	struct upgrade_kept kept = {0};

	if (tsr_store_is(&daemon->store) == TSR_STORE_NONE)
		return tsr_refuse(refusal, -EOPNOTSUPP,
		                  "nothing keeps the realms meanwhile: start a holder (tesserad "
		                  "--holder), or have systemd start the daemon");
	tsr_daemon_each_realm(daemon, upgrade_look, &kept);
	if (kept.lost == NULL)
		return 0;
	return tsr_refuse(refusal, -EOPNOTSUPP,
	                  "realm '%s' is not kept, its clients would be cut off: the log says why",
	                  kept.lost);
}

static bool
upgrade_same_file(const char *a, const char *b)
{
	struct stat one, other;

	return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

static int
upgrade_check(struct tsr_connection const *connection, struct tsr_proto_upgrade const *request,
              struct tsr_refusal *refusal)
{
	struct tsr_server const *const server = connection->server;
	int error;

	if (!tsr_user_rules(connection->uid))
		return tsr_refuse(refusal, -EACCES, "UPGRADE by user %u, expected user %u or root",
		                  connection->uid, geteuid());
	if (server->stopping)
		return tsr_refuse(refusal, -ENOTCONN, "UPGRADE while the daemon stops");
	if (tsr_counter_read(&server->daemon->ready) == 0)
		return tsr_refuse(refusal, -EBUSY, "UPGRADE while the daemon starts: try again");
	if (server->successor != NULL)
		return tsr_refuse(refusal, -EBUSY, "another binary is just being asked");
	error = tsr_request_words(request->binary, sizeof(request->binary), "the binary's path",
	                          refusal);
	if (error != 0)
		return error;
	if (request->binary[0] != '\0' && request->binary[0] != '/')
		return tsr_refuse(refusal, -EINVAL, "UPGRADE to %s, expected an absolute path",
		                  request->binary);
	return upgrade_check_store(server->daemon, refusal);
}

/* How, and to what: a supervisor starts what it was told to start. */
static int
upgrade_choose(struct tsr_daemon *daemon, struct tsr_proto_upgrade const *request,
               struct tsr_successor *successor, struct tsr_refusal *refusal)
{
	const char *const own = daemon->start->path;
	const char *binary = request->binary[0] != '\0' ? request->binary : own;
	bool const supervised =
		tsr_store_is(&daemon->store) == TSR_STORE_SYSTEMD || daemon->rundir.from_systemd;
	bool const follower = !supervised && daemon->sandbox.mode != TSR_SANDBOX_OFF;

	if ((supervised || follower) && !upgrade_same_file(binary, own))
		return tsr_refuse(refusal, -EOPNOTSUPP,
		                  "%s %s: install the new one there, and name none",
		                  supervised ? "the supervisor starts"
		                             : "out of its sandbox the daemon can have run only",
		                  own);
	/* Where there are two names for it, ours. */
	binary = supervised || follower ? own : binary;
	successor->reply.how = supervised ? TSR_UPGRADE_RESTART
	                       : follower ? TSR_UPGRADE_FOLLOW
	                                  : TSR_UPGRADE_EXEC;
	(void)snprintf(successor->reply.binary, sizeof(successor->reply.binary), "%s", binary);
	return 0;
}

static void successor_serve(struct tsr_source *source, uint32_t events);

/* The same by the helper, which was forked while that could be done. */
static int
successor_ask_aside(struct tsr_successor *successor, struct tsr_refusal *refusal)
{
	struct tsr_server *const server = successor->server;
	struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &successor->source}};
	char layout[TSR_LAYOUT_BYTES];
	int error;

	tsr_upgrade_layout(layout);
	error = tsr_helper_check(server->daemon->asker, layout);
	if (error == 0 &&
	    epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->daemon->asker, &event) != 0)
		error = -errno;
	return error == 0 ? 0
	                  : tsr_refuse(refusal, -EPROTO,
	                               "%s can't be asked, and nothing was touched: %s",
	                               successor->reply.binary, strerror(-error));
}

/* Run it, and hear when it has answered. */
static int
successor_start(struct tsr_successor *successor, struct tsr_refusal *refusal)
{
	struct tsr_server *const server = successor->server;
	struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &successor->source}};
	char layout[TSR_LAYOUT_BYTES];
	int out[2];
	int error;

	if (server->daemon->asker >= 0)
		return successor_ask_aside(successor, refusal);
	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0)
		return tsr_refuse(refusal, -ENOBUFS, "pipe: %s", strerror(errno));
	successor->answer = out[0];
	tsr_upgrade_layout(layout);
	error = tsr_program_ask(&successor->pid, successor->reply.binary,
	                        server->daemon->start->argv, layout, out[1]);
	(void)close(out[1]);
	if (error != 0)
		return tsr_refuse(refusal, -EINVAL, "%s can't be run, and nothing was touched: %s",
		                  successor->reply.binary, strerror(error));
	successor->pidfd = pidfd_open(successor->pid, 0);
	if (successor->pidfd < 0 ||
	    epoll_ctl(server->epoll, EPOLL_CTL_ADD, successor->pidfd, &event) != 0)
		return tsr_refuse(refusal, -ENOBUFS, "%s can't be watched: %s",
		                  successor->reply.binary, strerror(errno));
	successor->deadline_ns = tsr_now_ns() + UPGRADE_ANSWER_NS;
	tsr_server_arm(server, successor->deadline_ns);
	return 0;
}

int
tsr_request_upgrade(struct tsr_connection *connection, void const *packet,
                    struct tsr_refusal *refusal)
{
	struct tsr_server *const server = connection->server;
	struct tsr_successor *successor;
	struct tsr_proto_upgrade request;
	int error;

	memcpy(&request, packet, sizeof(request));
	error = upgrade_check(connection, &request, refusal);
	if (error != 0)
		return error;
	successor = calloc(1, sizeof(*successor));
	if (successor == NULL)
		return tsr_refuse(refusal, -ENOMEM, "no memory to ask another binary");
	*successor = (struct tsr_successor){.source = {.serve = successor_serve},
	                                    .server = server,
	                                    .connection = connection,
	                                    .head = request.head,
	                                    .pidfd = -1,
	                                    .answer = -1};
	server->successor = successor;
	error = upgrade_choose(server->daemon, &request, successor, refusal);
	if (error == 0)
		error = successor_start(successor, refusal);
	if (error != 0)
		successor_free(successor);
	return error;
}

/* What it said, as one text; of what else it may have said, one line. */
static int
successor_judge(struct tsr_successor *successor, int status, struct tsr_refusal *refusal)
{
	char *const text = successor->said;
	bool const can = tsr_upgrade_understand(text, successor->reply.release);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && can)
		return 0;
	if (successor->late)
		return tsr_refuse(refusal, -EPROTO,
		                  "%s did not answer whether it can take over, and nothing was "
		                  "touched: is it a tesserad?",
		                  successor->reply.binary);
	text[strcspn(text, "\n")] = '\0';
	for (char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
			*c = '?';
	}
	return tsr_refuse(refusal, -EPROTO,
	                  "%s can't take over, and nothing was touched: %s %d%s%s",
	                  successor->reply.binary, WIFEXITED(status) ? "status" : "signal",
	                  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
	                  text[0] != '\0' ? ", " : "", text);
}

static void
successor_refuse(struct tsr_successor const *successor, struct tsr_refusal const *refusal)
{
	struct tsr_connection *const connection = successor->connection;
	struct tsr_proto_row_feed row = tsr_connection_row(connection, TSR_FEED_REFUSAL);
	struct tsr_proto_error reply;

	tsr_request_refusal(successor->server, &row, successor->head.cookie, refusal, &reply);
	tsr_connection_send(connection, &reply, sizeof(reply));
}

/* It can: from here on all is its. */
static void
successor_follow(struct tsr_successor *successor)
{
	struct tsr_connection *const connection = successor->connection;
	struct tsr_proto_row_feed row = tsr_connection_row(connection, TSR_FEED_UPGRADE);
	struct tsr_daemon *const daemon = successor->server->daemon;
	struct tsr_proto_upgrade_reply *const reply = &successor->reply;
	struct upgrade_kept kept = {0};
	char why[TSR_FEED_TEXT_BYTES];

	tsr_daemon_each_realm(daemon, upgrade_look, &kept);
	reply->realms = kept.count;
	daemon->leave.how = reply->how;
	memcpy(daemon->leave.binary, reply->binary, sizeof(daemon->leave.binary));
	(void)snprintf(why, sizeof(why), "release %s to %s, %.200s, asked by pid %d", TSR_VERSION,
	               reply->release, reply->binary, (int)connection->pid);
	tsr_request_reply(connection, &successor->head, reply, sizeof(*reply));
	tsr_server_leave(successor->server, &row, why);
}

/* What it said, and how it ended. Return: false: it has not yet. */
static bool
successor_hear(struct tsr_successor *successor, int *status)
{
	struct tsr_server *const server = successor->server;
	int const asker = server->daemon->asker;
	ssize_t got;

	if (asker >= 0) {
		(void)epoll_ctl(server->epoll, EPOLL_CTL_DEL, asker, NULL);
		*status = tsr_helper_checked(asker, successor->said, sizeof(successor->said));
		/* The helper gives it no longer than we do. */
		successor->late = WIFSIGNALED(*status) && WTERMSIG(*status) == SIGKILL;
		return true;
	}
	if (waitpid(successor->pid, status, WNOHANG) != successor->pid)
		return false;
	successor->pid = 0;
	got = read(successor->answer, successor->said, sizeof(successor->said) - 1);
	successor->said[got > 0 ? got : 0] = '\0';
	return true;
}

/* It has ended. */
static void
successor_serve(struct tsr_source *source, uint32_t events)
{
	struct tsr_successor *const successor =
		TSR_CONTAINER_OF(source, struct tsr_successor, source);
	struct tsr_refusal refusal = {0};
	int status, error;

	(void)events;
	if (!successor_hear(successor, &status))
		return;
	error = successor_judge(successor, status, &refusal);
	if (error == 0 && successor->server->stopping)
		error = tsr_refuse(&refusal, -ENOTCONN, "UPGRADE while the daemon stops");
	/* It may have gone meanwhile. */
	if (error == 0)
		error = upgrade_check_store(successor->server->daemon, &refusal);
	if (successor->connection != NULL && error == 0)
		successor_follow(successor);
	else if (successor->connection != NULL)
		successor_refuse(successor, &refusal);
	successor_free(successor);
}

void
tsr_upgrade_unask(struct tsr_connection const *connection)
{
	struct tsr_successor *const successor = connection->server->successor;

	if (successor == NULL || successor->connection != connection)
		return;
	successor->connection = NULL;
	if (successor->pid > 0)
		(void)kill(successor->pid, SIGKILL);
}

void
tsr_upgrade_expire(struct tsr_server *server, uint64_t now_ns)
{
	struct tsr_successor *const successor = server->successor;

	if (successor == NULL || successor->deadline_ns == 0)
		return;
	if (now_ns < successor->deadline_ns) {
		tsr_server_arm(server, successor->deadline_ns);
		return;
	}
	successor->late = true;
	if (successor->pid > 0)
		(void)kill(successor->pid, SIGKILL);
}

void
tsr_upgrade_drop(struct tsr_server *server)
{
	if (server->successor != NULL)
		successor_free(server->successor);
}
