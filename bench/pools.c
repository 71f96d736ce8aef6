// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of pool that are compared, and where their elements come from
 */
#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/mempool.h>
#include <linux/slab.h>

#include "../mempool2.h"
#include "bench.h"

static void *mainline_create(int min_nr, void *(*alloc_fn)(gfp_t, void *),
			     void (*free_fn)(void *, void *), void *data)
{
	return mempool_create(min_nr, alloc_fn, free_fn, data);
}

static void mainline_destroy(void *pool)
{
	mempool_destroy(pool);
}

static void *mainline_alloc(void *pool, gfp_t gfp_mask)
{
	return mempool_alloc((mempool_t *)pool, gfp_mask);
}

static void mainline_free(void *pool, void *element)
{
	mempool_free(element, pool);
}

/* The kernel's mempool has bulk in 7.3, as a macro. */
#ifdef mempool_alloc_bulk
static int mainline_alloc_bulk(void *pool, void **elems, unsigned int count)
{
	return mempool_alloc_bulk((mempool_t *)pool, elems, count);
}
#else
#define mainline_alloc_bulk	NULL
#endif

static void *mempool2_kind_create(int min_nr, void *(*alloc_fn)(gfp_t, void *),
				  void (*free_fn)(void *, void *), void *data)
{
	return mempool2_create(min_nr, alloc_fn, free_fn, data);
}

static void mempool2_kind_destroy(void *pool)
{
	mempool2_destroy(pool);
}

static void *mempool2_kind_alloc(void *pool, gfp_t gfp_mask)
{
	return mempool2_alloc((struct mempool2 *)pool, gfp_mask);
}

static void mempool2_kind_free(void *pool, void *element)
{
	mempool2_free(element, pool);
}

static int mempool2_kind_alloc_bulk(void *pool, void **elems, unsigned int count)
{
	return mempool2_alloc_bulk((struct mempool2 *)pool, elems, count);
}

const struct mp2b_kind mp2b_kinds[] = {
	{
		.name		= "mempool",
		.create		= mainline_create,
		.destroy	= mainline_destroy,
		.alloc		= mainline_alloc,
		.free		= mainline_free,
		.alloc_bulk	= mainline_alloc_bulk,
	},
	{
		.name		= "mempool2",
		.create		= mempool2_kind_create,
		.destroy	= mempool2_kind_destroy,
		.alloc		= mempool2_kind_alloc,
		.free		= mempool2_kind_free,
		.alloc_bulk	= mempool2_kind_alloc_bulk,
	},
};

const unsigned int mp2b_nr_kinds = ARRAY_SIZE(mp2b_kinds);

static void *dry_alloc(gfp_t gfp_mask, void *data)
{
	struct mp2b_dry *dry = data;

	struct mp2b_worker *worker;

	if (READ_ONCE(dry->serves))
		return kzalloc(dry->size, gfp_mask);

	/*
	 * Pools ask twice before they wait, and again whenever they have waited.
	 * The second time is as close as one gets to joining the queue.
	 */
	worker = kthread_data(current);
	if (++worker->nr_asked == 2) {
		worker->number = atomic_inc_return(&dry->nr_came);
		worker->turn = atomic_read(&dry->nr_freed);
	}
	return NULL;
}

static void dry_free(void *element, void *data)
{
	kfree(element);
}

void *mp2b_dry_pool(const struct mp2b_kind *kind, int min_nr, struct mp2b_dry *dry)
{
	void *pool;

	dry->serves = true;
	pool = kind->create(min_nr, dry_alloc, dry_free, dry);
	WRITE_ONCE(dry->serves, false);
	return pool;
}
