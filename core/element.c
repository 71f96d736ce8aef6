// SPDX-License-Identifier: GPL-2.0-only
/*
 * Elements on their way into the reserve and out of it
 *
 * An element in the reserve is parked: poisoned, for KASAN and for the checks of mempool2, which
 * report a use of the element while it is there.
 */
#include <linux/rcupdate.h>

#include "internal.h"

/* Park @nr elements. Returns how many were parked before KASAN refused one. */
unsigned int mp2_elements_park(struct mempool2 *pool, void **elems, unsigned int nr)
{
	unsigned int parked = 0;

	if (unlikely(pool_is_instrumented(pool)))
		mp2_debug_park(pool, elems, nr);
	while (parked < nr && element_kasan_park(pool, elems[parked]))
		parked++;
	return parked;
}

void mp2_elements_unpark(struct mempool2 *pool, void **elems, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		element_kasan_unpark(pool, elems[i]);
	if (unlikely(pool_is_instrumented(pool)))
		mp2_debug_unpark(pool, elems, nr);
}

/*
 * Park up to @nr elements and mp2_reserve_put() them. Returns how many were put. The caller has to
 * look for waiters after this.
 */
unsigned int mp2_pool_put_into_reserve(struct mempool2 *pool, void **elems, unsigned int nr)
{
	unsigned int parked, put = 1;

	rcu_read_lock_sched();
	parked = mp2_elements_park(pool, elems, nr);
	/* If KASAN has reported the first element, leak it and count it as put. */
	if (parked) {
		put = mp2_reserve_put(pool, elems, parked);
		mp2_elements_unpark(pool, elems + put, parked - put);
	}
	rcu_read_unlock_sched();
	if (unlikely(pool_is_instrumented(pool)))
		mp2_debug_refill(pool, put);
	return put;
}

/* A waiter has its elements: tell kmemleak and the debugging code. */
void mp2_waiter_got_elems(struct mempool2 *pool, void **elems, unsigned int nr)
{
	pool_update_kmemleak(elems, nr);
	if (unlikely(pool_is_instrumented(pool)))
		mp2_debug_track_alloc(pool, elems, nr);
}

/* Out of line, as all kinds of back ends are much code, and the calls are rare. */
void *mp2_backend_alloc(struct mempool2 *pool, gfp_t gfp)
{
	void *element;

	if (likely(!pool_is_instrumented(pool)))
		return __mempool2_backend_alloc(pool, pool->kind, gfp);
	if (mp2_debug_should_fail(pool))
		return NULL;
	element = __mempool2_backend_alloc(pool, pool->kind, gfp);
	if (element)
		mp2_debug_track(pool, element);
	return element;
}

void mp2_backend_free(struct mempool2 *pool, void *element)
{
	if (unlikely(pool_is_instrumented(pool)))
		mp2_debug_untrack(pool, element);
	__mempool2_backend_free(pool, pool->kind, element);
}
