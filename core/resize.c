// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moving elements: a larger or smaller reserve
 *
 * A reserve that is replaced is emptied into the new one, a batch at a time under the locks of
 * both. mempool2_reserve::is_moving is set meanwhile, and was for a grace period before the first
 * element is moved: so each CPU that finds nothing in the slots looks again under the lock, and no
 * element is overlooked. Between batches nothing is held while callbacks run; they may resize the
 * pool. A step of a resize, or a sweep, owns the reserve, so there is one at a time.
 */
#include "reserve.h"

/* For a step or sweep while a reserve has another owner. */
static DECLARE_WAIT_QUEUE_HEAD(owner_wait);

static bool reserve_own(struct mempool2_reserve *reserve)
{
	bool was_owned = reserve->is_owned;

	lockdep_assert_held(&registry_lock);
	reserve->is_owned = true;
	return !was_owned;
}

static void reserve_disown(struct mempool2_reserve *reserve)
{
	lockdep_assert_held(&registry_lock);
	reserve->is_owned = false;
	wake_up_all(&owner_wait);
}

static void reserve_set_moving(struct mempool2_reserve *reserve, bool moving)
{
	/* What was moved is where it belongs before. Pairs with reserve_has_more(): moving-over. */
	smp_store_release(&reserve->is_moving, moving);
}

static struct mempool2_reserve *pool_try_own(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;

	spin_lock_irq(&registry_lock);
	reserve = rcu_dereference_protected(pool->reserve, lockdep_is_held(&registry_lock));
	if (!reserve_own(reserve))
		reserve = NULL;
	spin_unlock_irq(&registry_lock);
	return reserve;
}

static struct mempool2_reserve *pool_own(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;

	wait_event(owner_wait, (reserve = pool_try_own(pool)));
	return reserve;
}

static void pool_disown(struct mempool2 *pool)
{
	spin_lock_irq(&registry_lock);
	reserve_disown(rcu_dereference_protected(pool->reserve, lockdep_is_held(&registry_lock)));
	spin_unlock_irq(&registry_lock);
}

/*
 * Move up to a batch of what is left in @reserve->old. What has no room goes to @surplus: returns
 * how many these are.
 */
static unsigned int reserve_move_batch(struct mempool2_reserve *reserve, void **surplus)
{
	struct mempool2_reserve *old = reserve->old;
	unsigned int nr, put;

	raw_spin_lock_irq(&reserve->lock);
	raw_spin_lock_nested(&old->lock, SINGLE_DEPTH_NESTING);
	nr = store_take(old, surplus, BATCH);
	if (nr < BATCH)
		nr += slots_take(old, surplus + nr, BATCH - nr);
	raw_spin_unlock(&old->lock);
	put = store_put(reserve, surplus, nr);
	if (put < nr)
		put += slots_put(reserve, surplus + put, nr - put);
	/* Pairs with inside_try_own(), which has another lock. */
	if (nr < BATCH)
		WRITE_ONCE(reserve->old, NULL);
	raw_spin_unlock_irq(&reserve->lock);
	memmove(surplus, surplus + put, (nr - put) * sizeof(*surplus));
	return nr - put;
}

/*
 * Make @reserve one for @size elements where it is: the same for what is too much then. The xchg()
 * that closes a slot pairs with slot_put(): put-or-closed.
 */
static unsigned int reserve_shrink_batch(struct mempool2_reserve *reserve, unsigned int size,
					 void **surplus)
{
	unsigned int nr_slots = min_t(unsigned int, reserve->nr_slots, size), nr, excess;
	void *element;

	raw_spin_lock_irq(&reserve->lock);
	reserve->max_stored = size - nr_slots;
	excess = reserve->nr_stored - min(reserve->nr_stored, reserve->max_stored);
	nr = store_take(reserve, surplus, min_t(unsigned int, excess, BATCH));
	while (nr < BATCH && reserve->nr_slots > nr_slots) {
		element = xchg(&reserve->slots[reserve->nr_slots - 1], SLOT_CLOSED);
		WRITE_ONCE(reserve->nr_slots, reserve->nr_slots - 1);
		if (is_element(element))
			surplus[nr++] = element;
	}
	raw_spin_unlock_irq(&reserve->lock);
	return nr;
}

/*
 * Go on in @reserve. From now on the pool is as large as that; its elements, and room for them,
 * come and go in the steps that follow.
 */
static void reserve_replace(struct mempool2 *pool, struct mempool2_reserve *old,
			    struct mempool2_reserve *reserve)
{
	reserve->old = old;
	reserve->nr_unfilled = old->nr_unfilled;
	reserve->is_owned = true;
	reserve->is_moving = true;
	registry_replace(pool, old, reserve);
	/*
	 * A full barrier, and the end of a scan of the old one. Pairs with its begin:
	 * full-or-replaced.
	 */
	reserve_set_not_full(pool, NULL);
	/*
	 * From then on nobody uses the old one but through the new one, under its lock. Pairs with
	 * rcu_read_lock_sched() in those that look at a reserve: moving-seen, reserve-freed.
	 */
	synchronize_rcu();
}

/*
 * One step of what resizes have left to do. Returns how many elements it took out and the pool kept
 * all the same, for @nr_kept of the next step; or -1 if there is nothing left to do.
 */
static int resize_step(struct mempool2 *pool, int nr_kept)
{
	struct mempool2_reserve *reserve = pool_own(pool), *old = reserve->old;
	unsigned int size = reserve_size(pool->min_nr), nr = 0, kept;
	struct llist_head served = {};
	void *surplus[BATCH];
	bool more = true;

	if (old)
		nr = reserve_move_batch(reserve, surplus);
	else if (reserve_room(reserve) > size || reserve->nr_stored > reserve->max_stored)
		nr = reserve_shrink_batch(reserve, size, surplus);
	else
		more = false;
	if (old && !reserve->old) {
		reserve_set_moving(reserve, false);
		kvfree(old);
	}
	/*
	 * Room goes with the element that was there, or else with one that never was. What is taken
	 * out counts at once: callbacks may resize the pool before it is known what the pool keeps.
	 */
	reserve->nr_unfilled += (int)nr - nr_kept;
	if (!more)
		reserve->nr_unfilled = max(reserve->nr_unfilled, 0);
	pool_disown(pool);
	if (!more)
		return -1;

	/* As by a free: waiters and the reserve come first. */
	elements_unpark(pool, surplus, nr);
	rcu_read_lock();
	kept = pool_return(pool, surplus, nr, &served);
	functions_call(&served);
	rcu_read_unlock();
	nr_kept = kept;
	while (kept < nr)
		pool_call_free(pool, surplus[kept++]);
	return nr_kept;
}

static void resize_finish(struct mempool2 *pool)
{
	int nr_kept = 0;

	while ((nr_kept = resize_step(pool, nr_kept)) >= 0)
		cond_resched();
	/* An element that rests beside waiters was overlooked by somebody. */
	after_put(pool);
}

/*
 * That there is no memory for the reserve is the caller's to say, not the allocator's. One that
 * is to be smaller does without. True if the pool is larger now; else 0 or %-ENOMEM.
 */
static int pool_resize(struct mempool2 *pool, int min_nr)
{
	struct mempool2_reserve *new, *reserve;
	int growth, err = 0;

	new = reserve_create(min_nr, GFP_KERNEL | __GFP_NOWARN, pool->node);
	/* One after the other. */
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

