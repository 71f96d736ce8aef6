// SPDX-License-Identifier: GPL-2.0-only
/*
 * mempool2 - seeing inside
 *
 * A part of mempool2.c, which includes it, in a file of its own as it is of no
 * concern to who wants to know how a pool works.
 *
 * All pools are in a registry, or rather their reserves are: a pool may be copied
 * before it is used, and what is allocated stays where it is.
 *
 * What is off for a pool must not cost it anything, so there is no test for it on
 * the main paths. Instead a pool for which anything is on has a kind that none of
 * these know, and so goes out of line each time. Who has read the old kind when it
 * changes does once more what was right before; where that matters, switching
 * waits until these are through.
 */

/* Protects the registry and what the reserves have for it. */
static DEFINE_SPINLOCK(registry_lock);
static LIST_HEAD(registry);

/* Switching features of all pools; taken before all other locks. */
static DEFINE_MUTEX(features_mutex);

static void registry_add(struct mempool2 *pool, struct mempool2_reserve *reserve,
			 unsigned long creator)
{
	unsigned long flags;

	/* A pool on the stack is one that is going to be copied, or a short-lived one. */
	reserve->pool = object_is_on_stack(pool) ? NULL : pool;
	reserve->min_nr = pool->min_nr;
	reserve->creator = (const void *)creator;
	spin_lock_irqsave(&registry_lock, flags);
	list_add_tail(&reserve->registered, &registry);
	spin_unlock_irqrestore(&registry_lock, flags);
}

/* Make @reserve the pool's in place of @old, for those who look from outside too. */
static void registry_replace(struct mempool2 *pool, struct mempool2_reserve *old,
			     struct mempool2_reserve *reserve)
{
	unsigned long flags;

	spin_lock_irqsave(&registry_lock, flags);
	reserve->pool = pool;
	reserve->min_nr = pool->min_nr;
	reserve->creator = old->creator;
	reserve->inside = old->inside;
	list_replace(&old->registered, &reserve->registered);
	rcu_assign_pointer(pool->reserve, reserve);
	spin_unlock_irqrestore(&registry_lock, flags);
}

/* From now on nobody looks at the pool from outside. */
static void registry_remove(struct mempool2_reserve *reserve)
{
	unsigned long flags;

	spin_lock_irqsave(&registry_lock, flags);
	list_del(&reserve->registered);
	spin_unlock_irqrestore(&registry_lock, flags);
	kfree(reserve->inside);
}

static struct mempool2_inside *pool_inside(const struct mempool2 *pool)
{
	struct mempool2_inside *inside;

	rcu_read_lock_sched();
	/* Pairs with the release in pool_make_inside(). */
	inside = smp_load_acquire(&rcu_dereference_sched(pool->reserve)->inside);
	rcu_read_unlock_sched();
	return inside;
}

/* Is it on for this pool? */
static bool pool_has(const struct mempool2 *pool, enum mempool2_feature feature)
{
	return pool_is_watched(pool) && READ_ONCE(pool_inside(pool)->features) & feature;
}

static struct mempool2_inside *pool_make_inside(struct mempool2 *pool)
{
	struct mempool2_inside *inside = pool_inside(pool);
	struct mempool2_reserve *reserve;

	lockdep_assert_held(&features_mutex);
	if (inside)
		return inside;
	inside = kzalloc(sizeof(*inside), GFP_KERNEL);
	if (!inside)
		return NULL;
	spin_lock_irq(&registry_lock);
	reserve = rcu_dereference_protected(pool->reserve, lockdep_is_held(&registry_lock));
	/* Pairs with pool_inside(). */
	smp_store_release(&reserve->inside, inside);
	reserve->pool = pool;
	spin_unlock_irq(&registry_lock);
	return inside;
}

/* Let all calls on the pool go out of line, or let them not. */
static void pool_set_watched(struct mempool2 *pool, bool watched)
{
	u8 kind = watched ? MEMPOOL2_WATCHED : pool->source;
	int state = atomic_read(&pool->state), new;

	lockdep_assert_held(&registry_lock);
	WRITE_ONCE(pool->kind, kind);
	do {
		new = state & ~(MEMPOOL2_FULL(MEMPOOL2_KIND_MASK) | MEMPOOL2_WATCH);
		new |= MEMPOOL2_FULL(kind) | (watched ? MEMPOOL2_WATCH : 0);
	} while (!atomic_try_cmpxchg(&pool->state, &state, new));
}

/*
 * Switch a feature on or off. Then wait until nobody is in the reserve any more
 * who has not seen it. Sleeps. 0 or %-ENOMEM.
 */
static int pool_watch(struct mempool2 *pool, enum mempool2_feature feature, bool on)
{
	struct mempool2_inside *inside;
	int err = 0;

	mutex_lock(&features_mutex);
	inside = on ? pool_make_inside(pool) : pool_inside(pool);
	if (!inside) {
		err = on ? -ENOMEM : 0;
		goto unlock;
	}
	if (on)
		static_branch_enable(&pools_watched);
	spin_lock_irq(&registry_lock);
	WRITE_ONCE(inside->features, on ? inside->features | feature :
					  inside->features & ~feature);
	pool_set_watched(pool, inside->features);
	spin_unlock_irq(&registry_lock);
	synchronize_rcu();
unlock:
	mutex_unlock(&features_mutex);
	return err;
}

/*
 * Making the alloc function fail
 */

/* Is this call of the alloc function to count as failed? */
static bool pool_is_failing(struct mempool2 *pool)
{
	struct mempool2_inside *inside;

	if (!pool_has(pool, FEATURE_FAILING))
		return false;
	inside = pool_inside(pool);
	return (unsigned int)atomic_inc_return(&inside->nr_calls) %
	       READ_ONCE(inside->fail_one_in) == 0;
}

/**
 * mempool2_set_failing() - let a pool's alloc function count as failed
 * @pool: the pool
 * @one_in: 1 for each call, N for one call in N, 0 for none, as at first
 *
 * For tests: it drives a pool to its reserve, and its callers to waiting, without
 * a lack of memory. The alloc function is not called when it is to fail. Calls of
 * mempool2_alloc_noreserve(), mempool2_resize() and the like are not concerned.
 *
 * Context: Task context; sleeps.
 * Return: 0, or %-ENOMEM, or %-EINVAL with a warning if @pool is not initialised.
 */
int mempool2_set_failing(struct mempool2 *pool, unsigned int one_in)
{
	struct mempool2_inside *inside;

	if (not_initialised(pool))
		return -EINVAL;
	might_sleep();
	if (!one_in)
		return pool_watch(pool, FEATURE_FAILING, false);
	mutex_lock(&features_mutex);
	inside = pool_make_inside(pool);
	if (inside)
		WRITE_ONCE(inside->fail_one_in, one_in);
	mutex_unlock(&features_mutex);
	return inside ? pool_watch(pool, FEATURE_FAILING, true) : -ENOMEM;
}
EXPORT_SYMBOL_GPL(mempool2_set_failing);
