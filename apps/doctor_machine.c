/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */
/* doctor: kernel, memory, processors. */

#include <errno.h>
#include <inttypes.h>
#include <linux/landlock.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "apps/doctor.h"
#include "apps/units.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#define DOCTOR_SO_PASSRIGHTS 83 /* Linux 6.16; not in Debian 12's headers */

#define DOCTOR_MIB UINT64_C(1048576)

#define DOCTOR_UPGRADE "sudo apt-get install linux-image-amd64"

static void
kernel_release(struct tsr_doctor *doctor)
{
	struct utsname name;
	unsigned int major = 0, minor = 0;

	uname(&name);
	if (sscanf(name.release, "%u.%u", &major, &minor) != 2) /* NOLINT(cert-err34-c) */
		major = 0;
	tsr_doctor_found(
		doctor, major > 6 || (major == 6 && minor >= 1) ? TSR_FINDING_OK : TSR_FINDING_FAIL,
		"kernel", DOCTOR_UPGRADE, "Linux %s (6.1 is the least)", name.release);
}

/* pidfd: how deaths are noticed. */
static void
kernel_pidfd(struct tsr_doctor *doctor)
{
	int const fd = pidfd_open(getpid(), 0);

	if (fd >= 0)
		close(fd);
	tsr_doctor_found(doctor, fd >= 0 ? TSR_FINDING_OK : TSR_FINDING_FAIL, "process descriptors",
	                 DOCTOR_UPGRADE, "pidfd_open(2): %s", fd >= 0 ? "there" : strerror(errno));
}

static void
kernel_membarrier(struct tsr_doctor *doctor)
{
	long const commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	bool const there = commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0;

	tsr_doctor_found(doctor, there ? TSR_FINDING_OK : TSR_FINDING_WARN, "membarrier",
	                 DOCTOR_UPGRADE, "%s",
	                 there ? "expedited: sends need no fence"
	                       : "not there or forbidden: every send costs a fence");
}

static bool
kernel_has_option(int option)
{
	int pair[2], value;
	socklen_t bytes = sizeof(value);
	bool there;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	there = getsockopt(pair[0], SOL_SOCKET, option, &value, &bytes) == 0;
	if (there && option == SO_PEERPIDFD)
		close(value);
	close(pair[0]);
	close(pair[1]);
	return there;
}

/* What newer kernels offer; Tessera does without. */
static void
kernel_newer(struct tsr_doctor *doctor)
{
	int const memory = memfd_create("doctor", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	bool const peer = kernel_has_option(SO_PEERPIDFD);
	bool const rights = kernel_has_option(DOCTOR_SO_PASSRIGHTS);

	if (memory >= 0)
		close(memory);
	tsr_doctor_found(doctor, TSR_FINDING_OK, "newer calls", NULL,
	                 "SO_PEERPIDFD %s, SO_PASSRIGHTS %s, MFD_NOEXEC_SEAL %s%s",
	                 peer ? "yes" : "no", rights ? "yes" : "no", memory >= 0 ? "yes" : "no",
	                 peer && rights && memory >= 0 ? ""
	                                               : ": fallbacks are used for those missing");
}

/* What the daemon shuts itself in with. */
static void
kernel_sandbox(struct tsr_doctor *doctor)
{
	uint32_t const trap = SECCOMP_RET_TRAP;
	bool const calls = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &trap) == 0;
	long const abi =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	tsr_doctor_found(doctor, calls && abi > 0 ? TSR_FINDING_OK : TSR_FINDING_WARN, "sandbox",
	                 DOCTOR_UPGRADE, "seccomp %s, Landlock ABI %ld%s", calls ? "yes" : "no",
	                 abi > 0 ? abi : 0L,
	                 calls && abi > 0 ? "" : ": the daemon is less shut in");
}

void
tsr_doctor_kernel(struct tsr_doctor *doctor)
{
	kernel_release(doctor);
	kernel_pidfd(doctor);
	kernel_membarrier(doctor);
	kernel_newer(doctor);
	kernel_sandbox(doctor);
}

/* Reserved pages of one size. Return: whether there are any. */
static bool
memory_pages(struct tsr_doctor *doctor, const char *folder, uint64_t *total, uint64_t *unused)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/nr_hugepages", folder);
	if (!tsr_doctor_number(doctor, path, total))
		return false;
	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages", folder);
	return tsr_doctor_number(doctor, path, unused) && *total > 0;
}

static void
memory_hugepages(struct tsr_doctor *doctor)
{
	uint64_t big = 0, big_free = 0, small = 0, small_free = 0;
	int const memory = memfd_create("doctor", MFD_CLOEXEC | MFD_HUGETLB);
	bool any = memory_pages(doctor, "hugepages-1048576kB", &big, &big_free);

	any = memory_pages(doctor, "hugepages-2048kB", &small, &small_free) || any;
	if (memory >= 0)
		close(memory);
	if (memory < 0)
		tsr_doctor_found(doctor, TSR_FINDING_WARN, "hugepages", DOCTOR_UPGRADE,
		                 "this kernel makes no hugetlb memory: %s", strerror(errno));
	else
		tsr_doctor_found(doctor, any ? TSR_FINDING_OK : TSR_FINDING_WARN, "hugepages",
		                 "sudo sysctl vm.nr_hugepages=256   (before tesserad starts)",
		                 "2M: %" PRIu64 " reserved, %" PRIu64 " free; 1G: %" PRIu64
		                 " reserved, %" PRIu64 " free",
		                 small, small_free, big, big_free);
}

static void
memory_thp(struct tsr_doctor *doctor)
{
	char line[128];
	const char *chosen;

	if (!tsr_doctor_read(doctor, "/sys/kernel/mm/transparent_hugepage/shmem_enabled", line,
	                     sizeof(line))) {
		tsr_doctor_found(doctor, TSR_FINDING_WARN, "transparent huge pages", DOCTOR_UPGRADE,
		                 "this kernel has none for shared memory");
		return;
	}
	chosen = strchr(line, '[');
	if (chosen == NULL)
		chosen = "[unknown]";
	tsr_doctor_found(doctor,
	                 strncmp(chosen, "[never]", 7) == 0 || strncmp(chosen, "[deny]", 6) == 0
	                         ? TSR_FINDING_WARN
	                         : TSR_FINDING_OK,
	                 "transparent huge pages",
	                 "echo advise | sudo tee /sys/kernel/mm/transparent_hugepage/shmem_enabled",
	                 "for shared memory: %.*s", (int)strcspn(chosen + 1, "]"), chosen + 1);
}

static void
memory_locked(struct tsr_doctor *doctor)
{
	struct rlimit limit;
	char text[TSR_UNIT_TEXT_BYTES];

	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		return;
	if (limit.rlim_cur == RLIM_INFINITY) {
		tsr_doctor_found(doctor, TSR_FINDING_OK, "locked memory", NULL, "no limit");
		return;
	}
	tsr_size_format(limit.rlim_cur, text);
	tsr_doctor_found(doctor,
	                 limit.rlim_cur >= 64 * DOCTOR_MIB ? TSR_FINDING_OK : TSR_FINDING_WARN,
	                 "locked memory",
	                 limit.rlim_max == RLIM_INFINITY
	                         ? "ulimit -l unlimited   (in the shell that starts tesserad)"
	                         : "echo '* - memlock unlimited' | sudo tee "
	                           "/etc/security/limits.d/tessera.conf   (then log in again)",
	                 "at most %s", text);
}

static void
memory_available(struct tsr_doctor *doctor)
{
	uint64_t limit = 0;
	char text[TSR_UNIT_TEXT_BYTES];
	bool const limited = tsr_doctor_number(doctor, "/sys/fs/cgroup/memory.max", &limit);

	if (!limited) {
		tsr_doctor_found(doctor, TSR_FINDING_OK, "memory of the control group", NULL,
		                 "no limit");
		return;
	}
	tsr_size_format(limit, text);
	tsr_doctor_found(doctor, limit >= 512 * DOCTOR_MIB ? TSR_FINDING_OK : TSR_FINDING_FAIL,
	                 "memory of the control group",
	                 "give the container or unit 512 MiB or more, as in MemoryMax=1G",
	                 "at most %s", text);
}

static void
memory_descriptors(struct tsr_doctor *doctor)
{
	struct rlimit limit;
	char remedy[128];

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	snprintf(remedy, sizeof(remedy),
	         "ulimit -n %" PRIu64 "   (in the shell that starts tesserad)",
	         limit.rlim_max > 65536 ? UINT64_C(65536) : (uint64_t)limit.rlim_max);
	tsr_doctor_found(doctor, limit.rlim_cur > 1024 ? TSR_FINDING_OK : TSR_FINDING_WARN,
	                 "descriptors", remedy,
	                 "%" PRIu64 " at most (hard limit %" PRIu64
	                 "); a daemon takes three a client",
	                 (uint64_t)limit.rlim_cur, (uint64_t)limit.rlim_max);
}

void
tsr_doctor_memory(struct tsr_doctor *doctor)
{
	memory_hugepages(doctor);
	memory_thp(doctor);
	memory_locked(doctor);
	memory_available(doctor);
	memory_descriptors(doctor);
}

static void
processors_isolated(struct tsr_doctor *doctor)
{
	char isolated[256] = "";
	cpu_set_t set;
	int const cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	tsr_doctor_read(doctor, "/sys/devices/system/cpu/isolated", isolated, sizeof(isolated));
	if (cpus < 2)
		tsr_doctor_found(doctor, TSR_FINDING_WARN, "processors",
		                 "give this machine or container a second CPU",
		                 "1: sender, receiver and daemon take turns");
	else if (isolated[0] != '\0')
		tsr_doctor_found(doctor, TSR_FINDING_OK, "processors", NULL, "%d, isolated: %s",
		                 cpus, isolated);
	else
		tsr_doctor_found(doctor, cpus < 4 ? TSR_FINDING_OK : TSR_FINDING_WARN, "processors",
		                 "add isolcpus=2,3 nohz_full=2,3 to GRUB_CMDLINE_LINUX in "
		                 "/etc/default/grub, then: sudo update-grub && sudo reboot",
		                 "%d, none isolated%s", cpus,
		                 cpus < 4 ? " (too few to isolate any)" : "");
}

static bool
processors_have_flag(struct tsr_doctor *doctor, const char *flag)
{
	char path[512], *line = NULL;
	size_t room = 0;
	bool there = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/cpuinfo", doctor->root);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	while (!there && getline(&line, &room, file) > 0)
		there = strncmp(line, "flags", 5) == 0 && strstr(line, flag) != NULL;
	free(line);
	fclose(file);
	return there;
}

static void
processors_clock(struct tsr_doctor *doctor)
{
	char source[64] = "unknown";
	bool const steady = processors_have_flag(doctor, " constant_tsc");

	tsr_doctor_read(doctor, "/sys/devices/system/clocksource/clocksource0/current_clocksource",
	                source, sizeof(source));
	/* Stamps are read from the counter; the kernel's choice says whether it trusts it. */
	tsr_doctor_found(doctor,
	                 strcmp(source, "tsc") == 0 || (steady && strcmp(source, "kvm-clock") == 0)
	                         ? TSR_FINDING_OK
	                         : TSR_FINDING_WARN,
	                 "clock",
	                 "echo tsc | sudo tee "
	                 "/sys/devices/system/clocksource/clocksource0/current_clocksource",
	                 "%s%s", source,
	                 steady ? ", steady time-stamp counter"
	                        : ", no steady time-stamp counter: "
	                          "latencies are not exact");
}

static void
processors_governor(struct tsr_doctor *doctor)
{
	char governor[64];

	if (!tsr_doctor_read(doctor, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
	                     governor, sizeof(governor)))
		return;
	tsr_doctor_found(doctor,
	                 strcmp(governor, "performance") == 0 ? TSR_FINDING_OK : TSR_FINDING_WARN,
	                 "frequency",
	                 "echo performance | sudo tee "
	                 "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
	                 "governor %s", governor);
}

void
tsr_doctor_processors(struct tsr_doctor *doctor)
{
	processors_isolated(doctor);
	processors_clock(doctor);
	processors_governor(doctor);
}
