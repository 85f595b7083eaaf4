/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "core/config_watch.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCH_LINKS_MAX   40
#define WATCH_BUFFER      1024
#define WATCH_SELF_EVENTS (IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR)
#define WATCH_NAME_EVENTS (WATCH_SELF_EVENTS | IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE)

int
tsr_config_watch_open(struct tsr_config_watch *watch)
{
	*watch = (struct tsr_config_watch){.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
	if (watch->fd < 0)
		return -errno;
	watch->step = calloc(TSR_WATCH_STEPS_MAX, sizeof(watch->step[0]));
	if (watch->step == NULL) {
		tsr_config_watch_close(watch);
		return -ENOMEM;
	}
	return 0;
}

void
tsr_config_watch_close(struct tsr_config_watch *watch)
{
	if (watch->fd >= 0)
		(void)close(watch->fd);
	free(watch->step);
	*watch = (struct tsr_config_watch){.fd = -1};
}

/* The way: what is resolved, a real folder, and what is left to go. */
struct watch_way {
	char folder[PATH_MAX];
	char rest[PATH_MAX];
	char path[PATH_MAX + NAME_MAX + 2]; /* of the name that is looked at */
	char target[PATH_MAX];              /* of a link */
	char joined[PATH_MAX];
	struct tsr_watch_step *step;
	uint32_t steps;
	unsigned links;
};

/* The next name on the way. Return: false: there is none; or it is too long. */
static bool
way_take(struct watch_way *way, char name[NAME_MAX + 1])
{
	size_t const slashes = strspn(way->rest, "/");
	size_t const length = strcspn(way->rest + slashes, "/");

	if (length == 0 || length > NAME_MAX)
		return false;
	memcpy(name, way->rest + slashes, length);
	name[length] = '\0';
	memmove(way->rest, way->rest + slashes + length, strlen(way->rest + slashes + length) + 1);
	return true;
}

/* The symbolic link's target comes before what is left. */
static int
way_follow(struct watch_way *way)
{
	ssize_t const length = readlink(way->path, way->target, sizeof(way->target) - 1);
	int joined;

	if (length <= 0)
		return length == 0 ? -ENOENT : -errno;
	if (++way->links > WATCH_LINKS_MAX)
		return -ELOOP;
	way->target[length] = '\0';
	joined = snprintf(way->joined, sizeof(way->joined), "%s/%s", way->target, way->rest);
	if (joined < 0 || (size_t)joined >= sizeof(way->joined))
		return -ENAMETOOLONG;
	strcpy(way->rest, way->joined);
	if (way->target[0] == '/')
		way->folder[0] = '\0';
	return 0;
}

/* Watch the folder, for @name in it or for itself alone. Same folder, same watch: only the events
 * are set anew. */
static int
way_watch(struct tsr_config_watch const *watch, struct watch_way *way, const char *name)
{
	const char *const folder = way->folder[0] == '\0' ? "/" : way->folder;
	uint32_t const events =
		name[0] == '\0' ? WATCH_SELF_EVENTS | IN_MASK_ADD : WATCH_NAME_EVENTS | IN_MASK_ADD;
	int const number = inotify_add_watch(watch->fd, folder, events);

	/* A folder that may be passed and not read: that it is moved is then not told. */
	if (number < 0 && errno == EACCES && name[0] == '\0')
		return 0;
	if (number < 0)
		return -errno;
	if (way->steps == TSR_WATCH_STEPS_MAX)
		return -ELOOP;
	way->step[way->steps].watch = number;
	strcpy(way->step[way->steps].name, name);
	way->steps++;
	return 0;
}

/* Go one name further. Return: 1 there is more to go; 0 the way ends here; or a negative errno. */
static int
way_step(struct tsr_config_watch const *watch, struct watch_way *way)
{
	char name[NAME_MAX + 1];
	struct stat status;
	bool there, last;
	int error;

	if (!way_take(way, name))
		return 0;
	last = way->rest[strspn(way->rest, "/")] == '\0';
	if (strcmp(name, ".") == 0)
		return 1;
	if (strcmp(name, "..") == 0) {
		char *const slash = strrchr(way->folder, '/');

		way->folder[slash != NULL ? slash - way->folder : 0] = '\0';
		return 1;
	}
	/* Both are bounded: path has room for a folder and a name. */
	stpcpy(stpcpy(stpcpy(way->path, way->folder), "/"), name);
	there = lstat(way->path, &status) == 0;
	if (!there && errno != ENOENT)
		return -errno;
	if (there && S_ISDIR(status.st_mode) && !last) {
		error = way_watch(watch, way, "");
		if (strlen(way->path) >= sizeof(way->folder))
			return -ENAMETOOLONG;
		strcpy(way->folder, way->path);
		return error == 0 ? 1 : error;
	}
	error = way_watch(watch, way, name);
	if (error != 0 || !there || !S_ISLNK(status.st_mode))
		return error;
	error = way_follow(way);
	return error == 0 ? 1 : error;
}

static bool
watch_has(struct tsr_watch_step const *step, uint32_t steps, int number)
{
	for (uint32_t i = 0; i < steps; i++) {
		if (step[i].watch == number)
			return true;
	}
	return false;
}

int
tsr_config_watch_aim(struct tsr_config_watch *watch, const char *file)
{
	struct watch_way *const way = calloc(1, sizeof(*way));
	struct tsr_watch_step *const step = calloc(TSR_WATCH_STEPS_MAX, sizeof(step[0]));
	size_t const length = strlen(file);
	int more = length < PATH_MAX ? 1 : -ENAMETOOLONG;

	if (way == NULL || step == NULL) {
		free(way);
		free(step);
		return -ENOMEM;
	}
	way->step = step;
	memcpy(way->rest, file, more > 0 ? length : 0);
	while (more > 0)
		more = way_step(watch, way);
	/* Folders that the way has left. */
	for (uint32_t i = 0; i < watch->steps; i++) {
		if (!watch_has(step, way->steps, watch->step[i].watch))
			(void)inotify_rm_watch(watch->fd, watch->step[i].watch);
	}
	free(watch->step);
	watch->step = step;
	watch->steps = way->steps;
	free(way);
	return more;
}

/* A file that somebody has just made is about to be written; a link or a folder is there. */
static bool
watch_counts(struct inotify_event const *event, const char *file)
{
	struct stat status;

	if ((event->mask & IN_CREATE) == 0 || (event->mask & IN_ISDIR) != 0)
		return true;
	/* Through the link; and if the file itself was made, it is no link. */
	return lstat(file, &status) != 0 || S_ISLNK(status.st_mode);
}

static bool
watch_is_about(struct tsr_config_watch const *watch, struct inotify_event const *event,
               const char *file)
{
	if ((event->mask & IN_Q_OVERFLOW) != 0)
		return true;
	for (uint32_t i = 0; i < watch->steps; i++) {
		struct tsr_watch_step const *const step = &watch->step[i];

		if (step->watch != event->wd)
			continue;
		if ((event->mask & (IN_MOVE_SELF | IN_DELETE_SELF)) != 0)
			return true;
		if (event->len != 0 && strcmp(step->name, event->name) == 0 &&
		    watch_counts(event, file))
			return true;
	}
	return false;
}

bool
tsr_config_watch_read(struct tsr_config_watch *watch, const char *file)
{
	alignas(struct inotify_event) char buffer[WATCH_BUFFER];
	bool about = false;
	ssize_t got;

	while ((got = read(watch->fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < got;) {
			struct inotify_event const *const event =
				(struct inotify_event const *)(void const *)(buffer + at);

			about = watch_is_about(watch, event, file) || about;
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	return about;
}
