// SPDX-License-Identifier: GPL-2.0-only
/*
 * hog - keep the memory of a guest full and its swap busy, and notice a lost page
 *
 * hog MIB PAGES
 *
 * Fills MIB of memory with pages, each marked with its number. Then, until it is terminated,
 * visits PAGES of them at random every millisecond and compares the marks. MIB exceeds the
 * memory of the guest, so many of the visited pages were swapped out. Ends with the number of
 * compared pages, or at the first page with a wrong mark.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	4096UL

static volatile sig_atomic_t stop;

static void on_term(int number)
{
	(void)number;
	stop = 1;
}

static uint64_t *page_at(char *memory, size_t page)
{
	return (uint64_t *)(memory + page * PAGE);
}

/* The mark of a page after @visits visits. */
static uint64_t mark(size_t page, uint64_t visits)
{
	return (uint64_t)page << 32 | visits;
}

int main(int argc, char **argv)
{
	uint64_t random = 1, compared = 0, visits;
	size_t nr_pages, page;
	unsigned long burst, i;
	char *memory;

	if (argc != 3) {
		fprintf(stderr, "usage: hog MIB PAGES\n");
		return 2;
	}
	nr_pages = (strtoul(argv[1], NULL, 0) << 20) / PAGE;
	burst = strtoul(argv[2], NULL, 0);
	signal(SIGTERM, on_term);

	memory = mmap(NULL, nr_pages * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		fprintf(stderr, "hog: mmap: %s\n", strerror(errno));
		return 1;
	}
	/* Huge pages would be swapped out as a whole. */
	madvise(memory, nr_pages * PAGE, MADV_NOHUGEPAGE);
	for (page = 0; page < nr_pages && !stop; page++)
		*page_at(memory, page) = mark(page, 0);

	while (!stop) {
		for (i = 0; i < burst; i++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			page = (random >> 32) % nr_pages;
			visits = *page_at(memory, page) & UINT32_MAX;
			if (*page_at(memory, page) != mark(page, visits)) {
				printf("hog: page %zu is not what it was\n", page);
				return 1;
			}
			*page_at(memory, page) = mark(page, (visits + 1) & UINT32_MAX);
			compared++;
		}
		usleep(1000);
	}
	printf("compared_pages=%llu\n", (unsigned long long)compared);
	return 0;
}
