// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resize, refill and limits
 *
 * A resize publishes a new reserve, which leads to the old one, and moves the elements in batches,
 * under the locks of both. It sets mempool2_reserve::is_moving a grace period before it moves the
 * first element: each CPU that finds no element in the slots then looks again under the lock, and
 * misses no element (race C). Without memory for a smaller reserve the resize shrinks the reserve
 * in place.
 *
 * A step of a resize, or a sweep of the checks, owns the reserve, so that one of them moves
 * elements at a time. No step owns the reserve while the alloc function, the free function or a
 * callback runs; the first two may resize the pool too.
 */
#include <linux/export.h>
#include <linux/limits.h>
#include <linux/llist.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "internal.h"

/* Steps and sweeps that wait for the owner of a reserve. */
DECLARE_WAIT_QUEUE_HEAD(mp2_owner_wait);

bool mp2_reserve_own(struct mempool2_reserve *reserve)
{
	bool was_owned = reserve->is_owned;

	lockdep_assert_held(&mp2_registry_lock);
	reserve->is_owned = true;
	return !was_owned;
}

void mp2_reserve_disown(struct mempool2_reserve *reserve)
{
	lockdep_assert_held(&mp2_registry_lock);
	reserve->is_owned = false;
	wake_up_all(&mp2_owner_wait);
}

void mp2_reserve_set_moving(struct mempool2_reserve *reserve, bool moving)
{
	/*
	 * Race C: if cleared, after all moves. Pairs with reserve_has_more() (moving-over,
	 * swept-or-taken).
	 */
	smp_store_release(&reserve->is_moving, moving);
}

static struct mempool2_reserve *pool_try_own(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;

	spin_lock_irq(&mp2_registry_lock);
	reserve = rcu_dereference_protected(pool->reserve, lockdep_is_held(&mp2_registry_lock));
	if (!mp2_reserve_own(reserve))
		reserve = NULL;
	spin_unlock_irq(&mp2_registry_lock);
	return reserve;
}

static struct mempool2_reserve *pool_own(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;

	wait_event(mp2_owner_wait, (reserve = pool_try_own(pool)));
	return reserve;
}

static void pool_disown(struct mempool2 *pool)
{
	spin_lock_irq(&mp2_registry_lock);
	mp2_reserve_disown(rcu_dereference_protected(pool->reserve,
						     lockdep_is_held(&mp2_registry_lock)));
	spin_unlock_irq(&mp2_registry_lock);
}

/*
 * Put what has room from @surplus, and return how many elements are left there. Elements are left
 * only if the slots are proved to be full: a caller that cannot wait looks in vain for those that
 * the resize has in hand. The caller has the lock and owns the reserve.
 */
static unsigned int surplus_put(struct mempool2 *pool, struct mempool2_reserve *reserve,
				void **surplus, unsigned int nr)
{
	unsigned int put = mp2_store_put(reserve, surplus, nr);
	int more;

	while (put < nr) {
		more = mp2_slots_put_or_commit_full(pool, reserve, surplus + put, nr - put);
		if (more <= 0)
			break;
		put += more;
	}
	memmove(surplus, surplus + put, (nr - put) * sizeof(*surplus));
	return nr - put;
}

/*
 * Move a batch of elements from @reserve->old. Elements without room in @reserve go to @surplus;
 * returns how many. Race C: under both locks, so that a CPU which takes under them misses no
 * element (moved-or-taken).
 */
static unsigned int reserve_move_batch(struct mempool2 *pool, struct mempool2_reserve *reserve,
				       void **surplus)
{
	struct mempool2_reserve *old = reserve->old;
	unsigned int nr, left;

	raw_spin_lock_irq(&reserve->lock);
	raw_spin_lock_nested(&old->lock, SINGLE_DEPTH_NESTING);
	nr = mp2_store_take(old, surplus, BATCH);
	if (nr < BATCH)
		nr += mp2_slots_take(old, surplus + nr, BATCH - nr);
	raw_spin_unlock(&old->lock);
	left = surplus_put(pool, reserve, surplus, nr);
	if (nr < BATCH)
		reserve->old = NULL;
	raw_spin_unlock_irq(&reserve->lock);
	return left;
}

/*
 * Shrink @reserve in place to @size elements, by a batch. Elements without room go to @surplus;
 * returns how many. The xchg() that closes a slot pairs with slot_put() (put-or-closed).
 */
static unsigned int reserve_shrink_batch(struct mempool2_reserve *reserve, unsigned int size,
					 void **surplus)
{
	unsigned int nr_slots = min_t(unsigned int, reserve->nr_slots, size), nr, excess;
	void *element;

	raw_spin_lock_irq(&reserve->lock);
	reserve->max_stored = size - nr_slots;
	excess = reserve->nr_stored - min(reserve->nr_stored, reserve->max_stored);
	nr = mp2_store_take(reserve, surplus, min_t(unsigned int, excess, BATCH));
	while (nr < BATCH && reserve->nr_slots > nr_slots) {
		element = xchg(&reserve->slots[reserve->nr_slots - 1], SLOT_CLOSED);
		WRITE_ONCE(reserve->nr_slots, reserve->nr_slots - 1);
		if (is_element(element))
			surplus[nr++] = element;
	}
	raw_spin_unlock_irq(&reserve->lock);
	return nr;
}

/* Replace the reserve of @pool. The steps that follow move the elements and the surplus. */
static void reserve_replace(struct mempool2 *pool, struct mempool2_reserve *old,
			    struct mempool2_reserve *reserve)
{
	reserve->old = old;
	reserve->nr_unfilled = old->nr_unfilled;
	reserve->is_owned = true;
	reserve->is_moving = true;
	mp2_registry_replace(pool, old, reserve);
	/*
	 * Race B: spoil a scan of the old reserve, after the new one is published. Pairs with
	 * scan_begin() (full-or-replaced, full-or-rescanned).
	 */
	mp2_reserve_set_not_full(pool, NULL);
	/*
	 * Race C: after this all CPUs see is_moving, and use the old reserve only through the new
	 * one, under the locks of both. Pairs with rcu_read_lock_sched() of mp2_reserve_take() and
	 * of every other look at a reserve (moving-seen, reserve-freed).
	 */
	synchronize_rcu();
}

/*
 * A step of the work that resizes have left. Returns how many elements the step took out of the
 * reserve and the pool then kept, which is @nr_kept of the next step; or -1 if no work is left.
 */
static int resize_step(struct mempool2 *pool, int nr_kept)
{
	struct mempool2_reserve *reserve = pool_own(pool), *old = reserve->old;
	unsigned int size = reserve_size(pool->min_nr), nr = 0, kept;
	struct llist_head completed = {};
	void *surplus[BATCH];
	bool more = true;

	if (old)
		nr = reserve_move_batch(pool, reserve, surplus);
	else if (reserve_room(reserve) > size || reserve->nr_stored > reserve->max_stored)
		nr = reserve_shrink_batch(reserve, size, surplus);
	else
		more = false;
	if (old && !reserve->old) {
		mp2_reserve_set_moving(reserve, false);
		kvfree(old);
	}
	/*
	 * Room that a resize takes away goes with an element that was there, or with one that never
	 * was. Elements that were taken out count at once, and the next step takes back those that
	 * the pool kept: the free function may resize the pool in between.
	 */
	reserve->nr_unfilled += (int)nr - nr_kept;
	if (!more)
		reserve->nr_unfilled = max(reserve->nr_unfilled, 0);
	/*
	 * As the owner: a sweep misses these elements, so the check that it prepares must not be on
	 * yet. It cannot end before. Pairs with checks_prepare() (swept-or-checked).
	 */
	mp2_elements_unpark(pool, surplus, nr);
	pool_disown(pool);
	if (!more)
		return -1;

	/* Free the surplus: waiters and the reserve come first. */
	rcu_read_lock();
	kept = mp2_pool_return(pool, surplus, nr, &completed);
	mp2_callbacks_run(&completed);
	rcu_read_unlock();
	nr_kept = kept;
	while (kept < nr)
		mp2_backend_free(pool, surplus[kept++]);
	return nr_kept;
}

static void resize_finish(struct mempool2 *pool)
{
	int nr_kept = 0;

	while ((nr_kept = resize_step(pool, nr_kept)) >= 0)
		cond_resched();
	/* Should a hand-over ever be lost, this mends it. */
	pool_kick_waiters(pool);
}

/*
 * Returns 1 if the pool is larger after this, else 0 or -ENOMEM. __GFP_NOWARN: the caller gets the
 * error, and a resize to a smaller reserve needs no memory.
 */
static int pool_resize(struct mempool2 *pool, int min_nr)
{
	struct mempool2_reserve *new, *reserve;
	int growth, err = 0;

	new = mp2_reserve_create(min_nr, GFP_KERNEL | __GFP_NOWARN, pool->node);
	/* Finish another resize first. */
	while ((reserve = pool_own(pool))->old) {
		pool_disown(pool);
		resize_finish(pool);
	}
	growth = reserve_size(min_nr) - reserve_size(pool->min_nr);
	if (!new && min_nr > pool->min_nr) {
		err = -ENOMEM;
	} else if (min_nr != pool->min_nr) {
		WRITE_ONCE(pool->min_nr, min_nr);
		WRITE_ONCE(reserve->min_nr, min_nr);
		reserve->nr_unfilled += growth;
		if (new)
			reserve_replace(pool, reserve, new);
		new = NULL;
	}
	pool_disown(pool);
	kvfree(new);
	if (err)
		return err;
	resize_finish(pool);
	return growth > 0;
}

/*
 * Refill
 */

static int nr_missing_now(const struct mempool2 *pool)
{
	return reserve_size(READ_ONCE(pool->min_nr)) - mempool2_nr_reserved(pool);
}

/* Give one element to a waiter or the reserve. The caller goes on to use the pool. */
static bool pool_return_one(struct mempool2 *pool, void *element)
{
	struct llist_head completed = {};
	bool taken;

	rcu_read_lock();
	taken = mp2_pool_return(pool, &element, 1, &completed);
	mp2_callbacks_run(&completed);
	rcu_read_unlock();
	return taken;
}

/* A new element for the reserve or a waiter, so check its address. */
static void *pool_alloc_new(struct mempool2 *pool, gfp_t gfp)
{
	void *element = pool->alloc(gfp, pool->pool_data);

	if (!element || misuse_element(element, pool->alloc))
		return NULL;
	if (unlikely(pool_is_instrumented(pool)))
		mp2_debug_track(pool, element);
	return element;
}

/*
 * Allocate the elements that the reserve lacks, up to @nr_most: waiters get elements first, and
 * without a bound they could keep this going.
 */
static void pool_fill(struct mempool2 *pool, gfp_t gfp, unsigned int nr_most)
{
	struct mempool2_reserve *reserve;
	unsigned int nr, nr_given = 0;
	bool had_waiters = false;
	int missing = 0;
	void *element;

	for (nr = 0; nr < nr_most; nr++, missing--) {
		/* What a waiter got the reserve still lacks, unless a callback has freed it. */
		if (missing <= 0 || had_waiters)
			missing = nr_missing_now(pool);
		if (missing <= 0)
			break;
		element = pool_alloc_new(pool, gfp);
		if (!element)
			break;
		had_waiters = pool_has_waiters(pool);
		if (pool_return_one(pool, element))
			nr_given++;
		else
			mp2_backend_free(pool, element);
		if (gfp & __GFP_DIRECT_RECLAIM)
			cond_resched();
	}
	/* To own the reserve may sleep. Otherwise the check "exit" misses as many elements. */
	if (nr_given && gfp & __GFP_DIRECT_RECLAIM) {
		reserve = pool_own(pool);
		reserve->nr_unfilled = max(reserve->nr_unfilled - (int)nr_given, 0);
		pool_disown(pool);
	}
}

int mempool2_resize_noprof(struct mempool2 *pool, int new_min_nr)
{
	int min_nr, nr_new;

	if (misuse_uninit(pool) ||
	    misuse_once(new_min_nr < 0, "resize to %d, which is negative", new_min_nr) ||
	    misuse_once(new_min_nr > MAX_MIN_NR, "resize to %d, which is more than %d",
			new_min_nr, MAX_MIN_NR))
		return -EINVAL;
	might_sleep();

	min_nr = READ_ONCE(pool->min_nr);
	if (new_min_nr == min_nr)
		return 0;
	nr_new = pool_resize(pool, new_min_nr);
	if (nr_new > 0) {
		pool_fill(pool, GFP_KERNEL, new_min_nr);
		nr_new = 0;
	}
	mp2_debug_resized(pool, min_nr, new_min_nr, nr_new);
	return nr_new;
}
EXPORT_SYMBOL_GPL(mempool2_resize_noprof);

int mempool2_refill_noprof(struct mempool2 *pool, gfp_t gfp_mask)
{
	if (misuse_uninit(pool))
		return -EINVAL;
	might_alloc(gfp_mask);
	pool_fill(pool, gfp_mask, max(nr_missing_now(pool), 0));
	return max(nr_missing_now(pool), 0);
}
EXPORT_SYMBOL_GPL(mempool2_refill_noprof);

/* Waiters blocked by the limit have not called the alloc function since: call it for them. */
static void waiters_retry_alloc(struct mempool2 *pool)
{
	long nr_most = (long)READ_ONCE(pool->nr_waiters) * reserve_size(READ_ONCE(pool->min_nr));
	void *element;

	mp2_waiters_serve_and_run(pool);
	for (; nr_most > 0 && READ_ONCE(pool->nr_waiters); nr_most--) {
		element = pool_alloc_new(pool, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
		if (!element)
			break;
		if (!pool_return_one(pool, element)) {
			mp2_backend_free(pool, element);
			break;
		}
		cond_resched();
	}
}

int mempool2_set_limit(struct mempool2 *pool, int limit)
{
	int err;

	if (misuse_uninit(pool) ||
	    misuse_once(limit < 0, "limit %d is negative", limit) ||
	    misuse_once(limit && limit < READ_ONCE(pool->min_nr),
			"limit %d is less than min_nr %d", limit, READ_ONCE(pool->min_nr)))
		return -EINVAL;
	might_sleep();
	err = mp2_ext_set_limit(pool, limit);
	if (!err)
		waiters_retry_alloc(pool);
	return err;
}
EXPORT_SYMBOL_GPL(mempool2_set_limit);
