// SPDX-License-Identifier: GPL-2.0-only
/*
 * memhog - take the machine's memory while a benchmark runs, then give it back
 *
 * memhog LEAVE_KIB RUN-FILE LINE...
 *
 * Takes and locks memory until only LEAVE_KIB are free and the kernel's caches give back no
 * more. Then writes each LINE to RUN-FILE, which returns when the scenario is over, and exits.
 * memhog allocates all that it needs itself before: with no memory left an allocation would
 * invoke the OOM killer. For a virtual machine without swap, linked statically, as root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define STEP	(64UL << 10)

static void die(const char *what)
{
	fprintf(stderr, "memhog: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void nap(long ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000 };

	nanosleep(&time, NULL);
}

static unsigned long free_bytes(void)
{
	struct sysinfo info;

	if (sysinfo(&info))
		die("sysinfo");
	return info.freeram * info.mem_unit;
}

/* Lock each page before touching the next one, so that the kernel cannot reclaim any. */
static size_t take_down_to(char *memory, size_t size, size_t taken, unsigned long leave)
{
	while (taken + STEP <= size && free_bytes() > leave + STEP) {
		if (mlock(memory + taken, STEP))
			die("mlock");
		taken += STEP;
	}
	return taken;
}

/* kswapd frees some pages of the caches: take these too. */
static size_t settle(char *memory, size_t size, size_t taken, unsigned long leave)
{
	int i;

	for (i = 0; i < 10; i++) {
		taken = take_down_to(memory, size, taken, leave);
		nap(50);
	}
	return taken;
}

int main(int argc, char **argv)
{
	unsigned long leave;
	struct sysinfo info;
	size_t size, taken;
	char *memory;
	int fd, i;

	if (argc < 3) {
		fprintf(stderr, "usage: memhog LEAVE_KIB RUN-FILE LINE...\n");
		return 2;
	}
	leave = strtoul(argv[1], NULL, 0) << 10;
	fd = open(argv[2], O_WRONLY);
	/* The first write makes debugfs allocate memory: do it now. */
	if (fd < 0 || write(fd, "clear", 5) != 5)
		die(argv[2]);
	if (mlockall(MCL_CURRENT))
		die("mlockall");

	if (sysinfo(&info))
		die("sysinfo");
	size = info.totalram * info.mem_unit & ~(STEP - 1);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	/* Huge pages would overshoot. */
	madvise(memory, size, MADV_NOHUGEPAGE);

	taken = 0;
	for (i = 3; i < argc; i++) {
		taken = settle(memory, size, taken, leave);
		if (write(fd, argv[i], strlen(argv[i])) < 0)
			die(argv[i]);
	}
	munmap(memory, size);
	printf("memhog taken_kib=%zu left_kib=%lu\n", taken >> 10, leave >> 10);
	return 0;
}
