// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenario "memory": the memory that a pool takes for itself, without its elements
 *
 * A pool with private internals does not tell, so the scenario creates pools, all with the same
 * one element, until many pages are used, and divides the pages by the number of pools. The
 * figure covers all that a pool allocates, and what the allocators waste. The first pools do not
 * count: the allocators keep pages in per-CPU lists, and these do not count as free. The
 * scenario stays on its CPU, so that the lists of this CPU are used up by then, and still are at
 * the end. In an idle guest that has just booted the figure is exact to a few per cent; other
 * scenarios leave holes in slabs, which small pools would fill.
 *
 * An objpool has elements of its own, so each slot has an element of 8 bytes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "bench.h"

#define MOST_POOLS	262144
#define FIRST_PAGES	((4UL << 20) >> PAGE_SHIFT)
#define ALL_PAGES	((32UL << 20) >> PAGE_SHIFT)

struct pools {
	void		**pools;
	unsigned int	nr;
};

static long free_pages_now(void)
{
	return global_zone_page_state(NR_FREE_PAGES);
}

/* Create pools until only @free pages are free. */
static int make_pools(const struct mp2b_params *params, struct pools *made, long free)
{
	static u64 element;
	void *pool;

	while (free_pages_now() > free && made->nr < MOST_POOLS) {
		pool = params->kind->create(params->elements, mp2b_static_alloc,
					    mp2b_static_free, &element);
		if (!pool)
			return -ENOMEM;
		made->pools[made->nr++] = pool;
		cond_resched();
	}
	return 0;
}

static bool memory_supports(const struct mp2b_params *params)
{
	return params->kind->create;
}

static int memory_run(const struct mp2b_params *params)
{
	long before, first_free, all_free;
	unsigned int first_nr;
	struct pools made = {};
	int err;

	made.pools = kvcalloc(MOST_POOLS, sizeof(*made.pools), GFP_KERNEL);
	if (!made.pools)
		return -ENOMEM;

	migrate_disable();
	before = free_pages_now();
	if (before < 2 * ALL_PAGES) {
		pr_notice("too little memory is free\n");
		err = -ENOMEM;
		goto destroy;
	}
	err = make_pools(params, &made, before - FIRST_PAGES);
	if (err)
		goto destroy;
	first_nr = made.nr;
	first_free = free_pages_now();
	err = make_pools(params, &made, before - ALL_PAGES);
	if (err)
		goto destroy;
	all_free = free_pages_now();

	mp2b_report("scenario=memory pool=%s elements=%d struct_bytes=%zu ",
		    params->kind->name, params->elements, params->kind->struct_size);
	if (made.nr == first_nr || all_free >= first_free)
		mp2b_report("error=disturbed\n");
	else
		mp2b_report("total_bytes=%lu pools=%u\n",
			    ((first_free - all_free) << PAGE_SHIFT) / (made.nr - first_nr),
			    made.nr);
destroy:
	while (made.nr) {
		params->kind->destroy(made.pools[--made.nr]);
		cond_resched();
	}
	migrate_enable();
	kvfree(made.pools);
	return err;
}

const struct mp2b_scenario mp2b_memory = {
	.name		= "memory",
	.defaults	= {
		.elements	= 16,
		.cpu		= MP2B_CPU_ANY,
	},
	.supports	= memory_supports,
	.run		= memory_run,
};
