/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One allocation and its free, for each kind of pool
 *
 * For timed loops: each call is written out for the compiler, as in a driver, so that the inline
 * parts of a pool count as inline. Each function returns whether the allocation succeeded, which
 * a driver would check as well.
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

/* Never sleeps, so that pairs may run with interrupts disabled. */
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
