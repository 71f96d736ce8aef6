/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One allocation and the free that goes with it, for each kind of pool
 *
 * For loops that are timed: every call is written out for the compiler, as in a
 * driver, so that what a pool has inline counts as inline. Each function tells
 * whether it got what it should have, which a driver would look at as well.
 */
#ifndef _MEMPOOL2_BENCH_PAIR_H
#define _MEMPOOL2_BENCH_PAIR_H

#include <linux/gfp.h>
#include <linux/mempool.h>
#ifdef HAVE_OBJPOOL
#include <linux/objpool.h>
#endif

#include "../mempool2.h"
#include "freelist.h"

/* Never sleeps, so that pairs may run with interrupts off. */
#define MP2B_PAIR_GFP	GFP_NOWAIT

static __always_inline bool mp2b_mempool_pair(void *pool)
{
	void *element = mempool_alloc((mempool_t *)pool, MP2B_PAIR_GFP);

	if (unlikely(!element))
		return false;
	mempool_free(element, pool);
	return true;
}

static __always_inline bool mp2b_mempool2_pair(void *pool)
{
	void *element = mempool2_alloc((struct mempool2 *)pool, MP2B_PAIR_GFP);

	if (unlikely(!element))
		return false;
	mempool2_free(element, pool);
	return true;
}

static __always_inline bool mp2b_freelist_pair(void *pool)
{
	void *element = mp2b_freelist_alloc(pool);

	if (unlikely(!element))
		return false;
	mp2b_freelist_free(pool, element);
	return true;
}

#ifdef HAVE_OBJPOOL
static __always_inline bool mp2b_objpool_pair(void *pool)
{
	void *element = objpool_pop(pool);

	if (unlikely(!element))
		return false;
	objpool_push(element, pool);
	return true;
}
#endif

#endif /* _MEMPOOL2_BENCH_PAIR_H */
