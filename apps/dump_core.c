/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "apps/dump_core.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/cli.h"
#include "shm/access.h"

#define CORE_PREFIX    "/memfd:tessera-"
#define CORE_NOTES_MAX (UINT64_C(1) << 26) /* bytes */
#define CORE_PARTS_MAX 1024
#define CORE_FILE_HEAD 2 /* words of the note of mapped files before its rows, and in a row */
#define CORE_FILE_ROW  3

/* A part of a realm's memory, as it was mapped. */
struct core_part {
	uint64_t epoch;
	uint32_t segment;
	uint64_t start; /* address */
	uint64_t bytes;
	uint64_t offset; /* in the segment */
};

struct core {
	int fd;
	const char *file;
	Elf *elf;
	size_t headers;
	struct tsr_dump_origin origin;
	bool cut_off;    /* its headers speak of more bytes than it has */
	bool has_thread; /* the first that the core tells of is the one that the signal met */
	struct core_part part[CORE_PARTS_MAX];
	uint32_t parts;
};

bool
tsr_dump_core_is(int fd)
{
	unsigned char head[sizeof(Elf64_Ehdr)];
	uint16_t type;

	if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    memcmp(head, ELFMAG, SELFMAG) != 0)
		return false;
	memcpy(&type, head + offsetof(Elf64_Ehdr, e_type), sizeof(type));
	return type == ET_CORE;
}

static int
core_refuse(const struct core *core, const char *why)
{
	tsr_cli_warn("%s holds no realm that can be shown: %s", core->file,
	             core->cut_off ? "it was cut off, its headers speak of more" : why);
	return TSR_EXIT_RUNTIME;
}

/* "tessera-channels.7": which segment of which realm. Return: false: it is none. */
static bool
core_segment(const char *name, uint32_t *segment, uint64_t *epoch)
{
	static const char *const names[] = {"directory.", "channels.", "tickets.", "blocks.",
	                                    "state.",     "tokens.",   "metrics.", "arena."};
	char *end;

	if (strncmp(name, CORE_PREFIX, strlen(CORE_PREFIX)) != 0)
		return false;
	name += strlen(CORE_PREFIX);
	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t const length = strlen(names[i]);

		if (strncmp(name, names[i], length) != 0)
			continue;
		*segment = i;
		*epoch = strtoull(name + length, &end, 10);
		return *end == '\0' || *end == ' '; /* " (deleted)" */
	}
	return false;
}

static uint64_t
core_word(const unsigned char *bytes, uint64_t index)
{
	uint64_t word;

	memcpy(&word, bytes + index * sizeof(word), sizeof(word));
	return word;
}

/* The note of mapped files: how many, the size of a page; start, end, offset of each; names. */
static void
core_note_files(struct core *core, const unsigned char *note, uint64_t bytes)
{
	uint64_t const words = bytes / sizeof(uint64_t);
	uint64_t const count = words >= CORE_FILE_HEAD ? core_word(note, 0) : 0;
	uint64_t const page = words >= CORE_FILE_HEAD ? core_word(note, 1) : 0;
	const char *name, *past = (const char *)note + bytes;

	if (count > (words - CORE_FILE_HEAD) / CORE_FILE_ROW)
		return;
	name = (const char *)note + (CORE_FILE_HEAD + CORE_FILE_ROW * count) * sizeof(uint64_t);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t const row = CORE_FILE_HEAD + CORE_FILE_ROW * i;
		size_t const length = strnlen(name, (size_t)(past - name));
		struct core_part part = {.start = core_word(note, row),
		                         .bytes = core_word(note, row + 1) - core_word(note, row),
		                         .offset = core_word(note, row + 2) * page};

		if (name + length == past)
			return; /* cut off */
		if (core_segment(name, &part.segment, &part.epoch) && core->parts < CORE_PARTS_MAX)
			core->part[core->parts++] = part;
		name += length + 1;
	}
}

static void
core_note(struct core *core, uint32_t type, const unsigned char *note, uint64_t bytes)
{
	struct tsr_dump_origin *const origin = &core->origin;
	prstatus_t status;
	prpsinfo_t info;

	if (type == NT_FILE) {
		core_note_files(core, note, bytes);
	} else if (type == NT_PRSTATUS && bytes >= sizeof(status) && !core->has_thread) {
		memcpy(&status, note, sizeof(status));
		core->has_thread = true;
		origin->thread = (uint32_t)status.pr_pid;
		origin->signal = (uint32_t)(unsigned short)status.pr_cursig;
	} else if (type == NT_PRPSINFO && bytes >= sizeof(info)) {
		memcpy(&info, note, sizeof(info));
		origin->pid = (uint32_t)info.pr_pid;
		memcpy(origin->program, info.pr_fname, sizeof(info.pr_fname));
	}
}

static void
core_notes(struct core *core, const GElf_Phdr *header)
{
	Elf_Data *const data = header->p_filesz > CORE_NOTES_MAX
	                               ? NULL
	                               : elf_getdata_rawchunk(core->elf, (int64_t)header->p_offset,
	                                                      header->p_filesz, ELF_T_NHDR);
	size_t at = 0, next, name, note;
	GElf_Nhdr head;

	while (data != NULL && (next = gelf_getnote(data, at, &head, &name, &note)) > 0) {
		if (head.n_namesz == sizeof("CORE") &&
		    memcmp((char *)data->d_buf + name, "CORE", sizeof("CORE")) == 0)
			core_note(core, head.n_type, (unsigned char *)data->d_buf + note,
			          head.n_descsz);
		at = next;
	}
}

/* Return: NULL; or why not. */
static const char *
core_open(struct core *core)
{
	struct stat status;
	GElf_Ehdr head;
	GElf_Phdr header;

	(void)elf_version(EV_CURRENT);
	core->elf = elf_begin(core->fd, ELF_C_READ, NULL);
	if (core->elf == NULL || elf_kind(core->elf) != ELF_K_ELF ||
	    gelf_getehdr(core->elf, &head) == NULL ||
	    elf_getphdrnum(core->elf, &core->headers) != 0)
		return "its headers are damaged";
	if (fstat(core->fd, &status) != 0)
		return strerror(errno);
	if (gelf_getclass(core->elf) != ELFCLASS64 || head.e_machine != EM_X86_64)
		return "it is of another kind of machine";
	for (size_t i = 0; i < core->headers; i++) {
		if (gelf_getphdr(core->elf, (int)i, &header) == NULL)
			return "its headers are damaged";
		core->cut_off |= header.p_offset + header.p_filesz > (uint64_t)status.st_size;
		if (header.p_type == PT_NOTE)
			core_notes(core, &header);
	}
	return core->parts == 0 ? "no memory of a realm was mapped, or its notes are damaged"
	                        : NULL;
}

/* Bytes from an address on. Return: how many of them the core has, from the first on. */
static uint64_t
core_read(const struct core *core, uint64_t address, void *to, uint64_t bytes)
{
	uint64_t done = 0;

	for (size_t i = 0; i < core->headers; i++) {
		GElf_Phdr header;
		uint64_t at, some;

		if (gelf_getphdr(core->elf, (int)i, &header) == NULL || header.p_type != PT_LOAD ||
		    address - header.p_vaddr >= header.p_filesz)
			continue;
		at = address - header.p_vaddr;
		some = header.p_filesz - at < bytes ? header.p_filesz - at : bytes;
		while (done < some) {
			ssize_t const got = pread(core->fd, (unsigned char *)to + done, some - done,
			                          (off_t)(header.p_offset + at + done));

			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0)
				break;
			done += (uint64_t)got;
		}
		return done;
	}
	return 0;
}

static bool
core_directory(const struct core *core, const struct core_part *part, struct tsr_directory *out)
{
	return part->segment == TSR_SEGMENT_DIRECTORY && part->offset == 0 &&
	       core_read(core, part->start, out, sizeof(*out)) == sizeof(*out) &&
	       tsr_ld_rlx(&out->magic) == TSR_DIRECTORY_MAGIC;
}

/* Which realm is asked for, by name, or the only one. Return: NULL; or why not. */
static const char *
core_choose(const struct core *core, const char *realm, struct tsr_directory *chosen,
            uint64_t *epoch)
{
	static char why[256];
	struct tsr_directory directory;
	uint32_t found = 0;
	int length = snprintf(why, sizeof(why), "it has several, name one with --realm:");

	for (uint32_t i = 0; i < core->parts; i++) {
		if (!core_directory(core, &core->part[i], &directory))
			continue;
		directory.name[TSR_NAME_BYTES - 1] = '\0';
		if (realm != NULL && strcmp(directory.name, realm) != 0)
			continue;
		*chosen = directory;
		*epoch = core->part[i].epoch;
		found++;
		if (length > 0 && (size_t)length < sizeof(why))
			length += snprintf(why + length, sizeof(why) - (size_t)length, " %.63s",
			                   directory.name);
	}
	if (found == 1)
		return NULL;
	for (char *c = why; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	if (found > 1)
		return why;
	return realm != NULL ? "it has no realm of that name, or not what was in its memory"
	                     : "what was in its memory is not in it: core_files of the realm is "
	                       "false, or the process excluded it (/proc/PID/coredump_filter)";
}

/* How large a segment was. */
static uint64_t
core_segment_bytes(const struct core *core, uint64_t epoch, uint32_t segment)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < core->parts; i++) {
		const struct core_part *const part = &core->part[i];

		if (part->epoch == epoch && part->segment == segment &&
		    part->offset <= UINT64_MAX - part->bytes && part->offset + part->bytes > bytes)
			bytes = part->offset + part->bytes;
	}
	return bytes;
}

/* Return: 0; -EPROTO it is not in the core; -ENOMEM. */
static int
core_copy_segment(const struct core *core, uint64_t epoch, uint32_t segment, struct tsr_dump *dump)
{
	const struct tsr_mapping *const to = &dump->map.segment[segment];

	for (uint32_t i = 0; i < core->parts; i++) {
		const struct core_part *const part = &core->part[i];

		if (part->epoch != epoch || part->segment != segment)
			continue;
		if (part->offset > to->bytes || part->bytes > to->bytes - part->offset ||
		    core_read(core, part->start, (unsigned char *)to->base + part->offset,
		              part->bytes) != part->bytes)
			return -EPROTO;
	}
	dump->held |= UINT32_C(1) << segment;
	return 0;
}

/* All but arenas; an observer has neither state nor tokens. */
static int
core_copy(const struct core *core, uint64_t epoch, const struct tsr_directory *directory,
          struct tsr_dump *dump)
{
	uint64_t const lacking[TSR_SEGMENT_ARENA0] = {
		[TSR_SEGMENT_STATE] = directory->clients * sizeof(*dump->map.states),
		[TSR_SEGMENT_TOKENS] = directory->channels * sizeof(struct tsr_tokens)};
	int error = 0;

	dump->map.segments_count = TSR_SEGMENT_ARENA0 + directory->arenas;
	for (uint32_t i = 0; error == 0 && i < TSR_SEGMENT_ARENA0; i++) {
		uint64_t const bytes = core_segment_bytes(core, epoch, i);

		error = tsr_dump_room(dump, i, bytes != 0 ? bytes : lacking[i]);
		if (error == 0 && bytes != 0)
			error = core_copy_segment(core, epoch, i, dump);
	}
	/* Their names don't tell one from the other. */
	for (uint32_t i = TSR_SEGMENT_ARENA0; i < dump->map.segments_count; i++)
		dump->map.segment[i].bytes = core_segment_bytes(core, epoch, TSR_SEGMENT_ARENA0);
	return error;
}

/* What a daemon would have said of the realm. */
static void
core_fill_row(const struct core *core, struct tsr_dump *dump)
{
	const struct tsr_directory *const directory = dump->map.directory;
	struct tsr_proto_row_realm *const row = &dump->realm;
	struct stat status;

	memcpy(row->name, directory->name, sizeof(row->name));
	row->name[sizeof(row->name) - 1] = '\0';
	row->epoch = directory->epoch;
	row->clients_max = dump->map.clients_count;
	row->channels_max = dump->map.channels_count;
	row->tickets = dump->map.tickets_count;
	for (uint32_t i = 0; i < dump->map.segments_count; i++)
		row->bytes += dump->map.segment[i].bytes;
	if (fstat(core->fd, &status) == 0)
		dump->taken_ns = (uint64_t)status.st_mtim.tv_sec * TSR_NS_PER_SECOND +
		                 (uint64_t)status.st_mtim.tv_nsec;
	dump->origin = core->origin;
	dump->origin.core = true;
}

static int
core_load(struct core *core, const char *realm, struct tsr_dump *dump)
{
	struct tsr_directory directory = {.channels = 0};
	const char *why = core_open(core);
	uint64_t epoch = 0;
	int error;

	if (why == NULL)
		why = core_choose(core, realm, &directory, &epoch);
	if (why != NULL)
		return core_refuse(core, why);
	if (directory.layout_version != TSR_LAYOUT_VERSION ||
	    directory.layout_hash != tsr_layout_hash())
		return core_refuse(core, "it is of another build: use the 'tessera' of that build");
	if (directory.clients > TSR_CLIENTS_MAX || directory.channels > TSR_CHANNELS_MAX ||
	    directory.clients == 0 || directory.channels == 0 || directory.arenas == 0 ||
	    directory.arenas > TSR_SEGMENTS_MAX - TSR_SEGMENT_ARENA0)
		return core_refuse(core, "its directory says what cannot be");
	error = core_copy(core, epoch, &directory, dump);
	if (error == -EPROTO)
		return core_refuse(core, "some of its memory was not to be written into it");
	if (error == 0)
		error = tsr_dump_bind(dump);
	if (error != 0)
		return core_refuse(core, error == -EPROTO ? "its directory says what cannot be"
		                                          : strerror(-error));
	core_fill_row(core, dump);
	return TSR_EXIT_OK;
}

int
tsr_dump_core_load(int fd, const char *file, const char *realm, struct tsr_dump *dump)
{
	struct core *const core = calloc(1, sizeof(*core));
	int status;

	if (core == NULL)
		return tsr_cli_fail(-ENOMEM, "%s can't be read", file);
	core->fd = fd;
	core->file = file;
	status = core_load(core, realm, dump);
	(void)elf_end(core->elf);
	free(core);
	return status;
}
