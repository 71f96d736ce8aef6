// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of pool that are compared, and their back ends
 */
#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/limits.h>
#include <linux/mempool.h>
#ifdef HAVE_OBJPOOL
#include <linux/objpool.h>
#endif
#include <linux/slab.h>

#include "../mempool2.h"
#include "bench.h"
#include "freelist.h"

static void *mainline_create(int min_nr, void *(*alloc_fn)(gfp_t, void *),
			     void (*free_fn)(void *, void *), void *data)
{
	return mempool_create(min_nr, alloc_fn, free_fn, data);
}

static void *mainline_create_slab(int min_nr, struct kmem_cache *cache)
{
	return mempool_create_slab_pool(min_nr, cache);
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

/* The kernel's mempool has bulk calls since 7.3: allocating is a macro. */
#ifdef mempool_alloc_bulk
static int mainline_alloc_bulk(void *pool, void **elems, unsigned int count)
{
	return mempool_alloc_bulk((mempool_t *)pool, elems, count);
}
#else
#define mainline_alloc_bulk	NULL
#endif

static int mainline_resize(void *pool, int new_min_nr)
{
	return mempool_resize(pool, new_min_nr);
}

static void *mempool2_kind_create(int min_nr, void *(*alloc_fn)(gfp_t, void *),
				  void (*free_fn)(void *, void *), void *data)
{
	return mempool2_create(min_nr, alloc_fn, free_fn, data);
}

static void *mempool2_kind_create_slab(int min_nr, struct kmem_cache *cache)
{
	return mempool2_create_slab_pool(min_nr, cache);
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

static void *mempool2_kind_alloc_async(void *pool, gfp_t gfp_mask,
				       struct mempool2_waiter *waiter)
{
	return mempool2_alloc_async((struct mempool2 *)pool, gfp_mask, waiter);
}

static int mempool2_kind_resize(void *pool, int new_min_nr)
{
	return mempool2_resize((struct mempool2 *)pool, new_min_nr);
}

/*
 * objpool (6.7) has elements of its own and no allocator behind it. No caller can wait for an
 * element, so it has only the calls in pair.h.
 */
#ifdef HAVE_OBJPOOL
#define OBJPOOL_SIZE	sizeof(struct objpool_head)

static int objpool_release(struct objpool_head *pool, void *context)
{
	kfree(pool);
	return 0;
}

static void *objpool_kind_create(int min_nr, void *(*alloc_fn)(gfp_t, void *),
				 void (*free_fn)(void *, void *), void *data)
{
	struct objpool_head *pool = kzalloc(sizeof(*pool), GFP_KERNEL);

	if (!pool)
		return NULL;
	if (objpool_init(pool, min_nr, sizeof(u64), GFP_KERNEL, NULL, NULL,
			 objpool_release)) {
		kfree(pool);
		return NULL;
	}
	return pool;
}

static void objpool_kind_destroy(void *pool)
{
	objpool_fini(pool);
}
#else
#define OBJPOOL_SIZE		0
#define objpool_kind_create	NULL
#define objpool_kind_destroy	NULL
#endif

const struct mp2b_kind mp2b_kinds[MP2B_NR_KINDS] = {
	[MP2B_MEMPOOL] = {
		.name		= "mempool",
		.struct_size	= sizeof(mempool_t),
		.create		= mainline_create,
		.create_slab	= mainline_create_slab,
		.destroy	= mainline_destroy,
		.alloc		= mainline_alloc,
		.free		= mainline_free,
		.alloc_bulk	= mainline_alloc_bulk,
		.resize		= mainline_resize,
	},
	[MP2B_MEMPOOL2] = {
		.name		= "mempool2",
		.struct_size	= sizeof(struct mempool2),
		.create		= mempool2_kind_create,
		.create_slab	= mempool2_kind_create_slab,
		.destroy	= mempool2_kind_destroy,
		.alloc		= mempool2_kind_alloc,
		.free		= mempool2_kind_free,
		.alloc_bulk	= mempool2_kind_alloc_bulk,
		.alloc_async	= mempool2_kind_alloc_async,
		.resize		= mempool2_kind_resize,
	},
	[MP2B_OBJPOOL] = {
		.name		= "objpool",
		.struct_size	= OBJPOOL_SIZE,
		.create		= objpool_kind_create,
		.destroy	= objpool_kind_destroy,
	},
	[MP2B_FREELIST] = {
		.name		= "freelist",
		.struct_size	= sizeof(struct mp2b_freelist),
		.create		= mp2b_freelist_create,
		.destroy	= mp2b_freelist_destroy,
	},
	[MP2B_BARE]	= { .name = "bare" },
	[MP2B_INDIRECT]	= { .name = "indirect" },
	[MP2B_EMPTY]	= { .name = "empty" },
};

/* For scenarios in which callers may have to wait for an element. */
bool mp2b_supports_waiting(const struct mp2b_params *params)
{
	return params->kind->alloc;
}

/*
 * The back ends are not in the files of the loops that call them, so that the compiler cannot
 * inline them there.
 */

void *mp2b_static_alloc(gfp_t gfp_mask, void *data)
{
	return data;
}

void mp2b_static_free(void *element, void *data)
{
}

void *mp2b_exhausted_alloc(gfp_t gfp_mask, void *data)
{
	struct mp2b_exhausted *exhausted = data;

	if (gfp_mask & __GFP_NOMEMALLOC)
		return NULL;
	return kzalloc(exhausted->size, gfp_mask);
}

/* For a crew that waits: records the order in which its workers came. */
void *mp2b_queue_alloc(gfp_t gfp_mask, void *data)
{
	struct mp2b_exhausted *exhausted = data;
	struct mp2b_worker *worker;

	if (!(gfp_mask & __GFP_NOMEMALLOC) || READ_ONCE(exhausted->serves))
		return kzalloc(exhausted->size, gfp_mask);

	/*
	 * A pool calls its back end twice before the caller waits, and again after each wait.
	 * The second call is the closest point before the caller joins the queue.
	 */
	worker = kthread_data(current);
	if (++worker->nr_asked == 2) {
		worker->number = atomic_inc_return(&exhausted->nr_came);
		worker->turn = atomic_read(&exhausted->nr_freed);
	}
	return NULL;
}

void *mp2b_number_alloc(gfp_t gfp_mask, void *data)
{
	static atomic_long_t next = ATOMIC_LONG_INIT(0);
	const struct mp2b_exhausted *exhausted = data;

	if ((gfp_mask & __GFP_NOMEMALLOC) && !READ_ONCE(exhausted->serves))
		return NULL;
	return mp2b_number(atomic_long_inc_return(&next) & (LONG_MAX >> 1));
}

void mp2b_number_free(void *element, void *data)
{
}

void mp2b_exhausted_free(void *element, void *data)
{
	kfree(element);
}
