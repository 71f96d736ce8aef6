// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is on for a pool, and for any pool at all
 *
 * All pools are in a registry, or rather their reserves are: a pool may be copied
 * before it is used, and what is allocated stays where it is.
 *
 * What is off must not cost anything, so there is no test for it on the main paths.
 * Instead, while anything is on for any pool, these know of no kind of pool that they
 * serve directly (mempool2_inline_kinds), and all pools go out of line, where a static key
 * has them look for what is on. A call that began before does once more what was right
 * then; where that matters, switching waits until such calls are through.
 *
 * Nothing here writes to a pool, or follows an address where one was seen: a pool may
 * be copied, and the original's memory be used for something else. What is known of a
 * pool is in its reserve; only who waits for a pool leads there, as it stays until then.
 */
#include <linux/export.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "internal.h"

/*
 * The registry
 */

DEFINE_SPINLOCK(mp2_registry_lock);
DEFINE_STATIC_KEY_FALSE(mp2_instrumented);

LIST_HEAD(mp2_registry);

/* The first one of them without a directory in debugfs; none of those after it has one. */
struct list_head *mp2_registry_no_dir = &mp2_registry;

/* Pools for which something is on. */
static unsigned int nr_instrumented;

/* Those whose waiters stall_work looks at. */
LIST_HEAD(mp2_stalled_exts);
unsigned int mp2_nr_stalls;

/* Events of the reserve that somebody wants to see. */
unsigned int mp2_nr_traced;

/* The checks, of FEATURES_CHECK, that are on for pools made from now on. */
unsigned int mp2_checks_for_new;

/* Switching features of all pools; taken before all other locks. */
DEFINE_MUTEX(mp2_features_mutex);

/* What the end of a pool leaves to be done, as mempool2_exit() may not sleep for it. */
static LIST_HEAD(dead_exts);

static void dead_exts_free(struct work_struct *work);
static DECLARE_WORK(dead_exts_work, dead_exts_free);

/*
 * Whether anything is on
 */

struct mempool2_inline_kinds mempool2_inline_kinds __read_mostly = {
	.custom	= MEMPOOL2_CUSTOM,
	.slab	= MEMPOOL2_SLAB,
};
EXPORT_SYMBOL_GPL(mempool2_inline_kinds);

static void inline_kinds_set(bool on)
{
	WRITE_ONCE(mempool2_inline_kinds.custom, on ? MEMPOOL2_CUSTOM : MEMPOOL2_NO_KIND);
	WRITE_ONCE(mempool2_inline_kinds.slab, on ? MEMPOOL2_SLAB : MEMPOOL2_NO_KIND);
}

/*
 * To be called before anything is on, so that no call sees that something is on for its
 * pool and others on the same pool do not look for it.
 */
void mp2_instrumented_begin(void)
{
	lockdep_assert_held(&mp2_features_mutex);
	static_branch_enable(&mp2_instrumented);
	inline_kinds_set(false);
}

/* To be called after something is on no more: if nothing is, nobody needs to look. */
void mp2_instrumented_update(void)
{
	unsigned long flags;
	bool on;

	lockdep_assert_held(&mp2_features_mutex);
	/* Events on the kernel's command line are switched on while interrupts must be off. */
	spin_lock_irqsave(&mp2_registry_lock, flags);
	on = nr_instrumented || mp2_nr_traced || mp2_checks_for_new;
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	if (on)
		return;
	inline_kinds_set(true);
	static_branch_disable(&mp2_instrumented);
}

/* The pool is made: from now on others find it, and may switch something on for it. */
void mp2_registry_add(struct mempool2 *pool, struct mempool2_reserve *reserve)
{
	unsigned long flags;

	/* A pool on the stack does not live long, or is going to be copied. */
	reserve->pool = object_is_on_stack(pool) ? NULL : pool;
	reserve->min_nr = pool->min_nr;
	spin_lock_irqsave(&mp2_registry_lock, flags);
	if (reserve->ext)
		reserve->ext->reserve = reserve;
	list_add_tail(&reserve->registered, &mp2_registry);
	if (mp2_registry_no_dir == &mp2_registry)
		mp2_registry_no_dir = &reserve->registered;
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
}

/* Make @reserve the pool's in place of @old, for those who look from outside too. */
void mp2_registry_replace(struct mempool2 *pool, struct mempool2_reserve *old,
			     struct mempool2_reserve *reserve)
{
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	reserve->pool = pool;
	reserve->elements = old->elements;
	reserve->min_nr = pool->min_nr;
	reserve->site = old->site;
	reserve->ext = old->ext;
	if (reserve->ext)
		reserve->ext->reserve = reserve;
	list_replace(&old->registered, &reserve->registered);
	if (mp2_registry_no_dir == &old->registered)
		mp2_registry_no_dir = &reserve->registered;
	rcu_assign_pointer(pool->reserve, reserve);
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
}

/*
 * The pool is about to end: from now on nobody finds it. What is on for it stays on, as
 * what rests was put with that on, and is to be taken with it.
 */
void mp2_registry_remove(struct mempool2_reserve *reserve)
{
	struct mempool2_ext *ext;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	/* Under the lock, as somebody may just have made it to have a directory for it. */
	ext = reserve->ext;
	if (mp2_registry_no_dir == &reserve->registered)
		mp2_registry_no_dir = reserve->registered.next;
	list_del(&reserve->registered);
	if (ext) {
		ext->reserve = NULL;
		mp2_nr_stalls -= !list_empty(&ext->stalled);
		list_del_init(&ext->stalled);
	}
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
}

/*
 * What a pool has for features
 */

struct mempool2_ext *mp2_ext_create(gfp_t gfp)
{
	struct mempool2_ext *ext = kzalloc(sizeof(*ext), gfp);

	if (!ext)
		return NULL;
	raw_spin_lock_init(&ext->lock);
	INIT_LIST_HEAD(&ext->chunks);
	INIT_LIST_HEAD(&ext->stalled);
	ratelimit_state_init(&ext->ratelimit, 5 * HZ, 5);
	ratelimit_set_flags(&ext->ratelimit, RATELIMIT_MSG_ON_RELEASE);
	return ext;
}

void mp2_ext_drop(struct mempool2_ext *ext)
{
	if (!ext)
		return;
	mp2_records_free(ext);
	free_percpu(ext->figures);
	kfree(ext);
}

void mp2_ext_attach(struct mempool2_ext *ext, struct mempool2_reserve *reserve)
{
	lockdep_assert_held(&mp2_registry_lock);
	ext->elements = reserve->elements;
	/* Pairs with pool_ext(). */
	smp_store_release(&reserve->ext, ext);
}

/* Under the lock: the features, and what follows from them. */
void mp2_features_set(struct mempool2_ext *ext, unsigned int features)
{
	lockdep_assert_held(&mp2_registry_lock);
	nr_instrumented += !!features - ext->is_instrumented;
	ext->is_instrumented = features;
	mp2_nr_stalls -= !list_empty(&ext->stalled);
	list_del_init(&ext->stalled);
	if (features & FEATURE_STALL) {
		list_add_tail(&ext->stalled, &mp2_stalled_exts);
		mp2_nr_stalls++;
	}
	/* Pairs with ext_features(): a figure that a feature goes by is there before. */
	smp_store_release(&ext->features, features);
}

/* The pool has ended, or was never made, and its elements have left. */
void mp2_ext_ended(struct mempool2_reserve *reserve)
{
	struct mempool2_ext *ext = reserve->ext;
	bool is_kept = false, was_last = false;
	struct mempool2_site *site;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	site = mp2_site_put(reserve->site);
	if (ext) {
		nr_instrumented -= ext->is_instrumented;
		was_last = ext->is_instrumented && !nr_instrumented;
		/* There are files that lead to it; or stall_watch() may have it in hand. */
		is_kept = ext->id || ext->features & FEATURE_STALL;
		if (is_kept)
			list_add_tail(&ext->dead, &dead_exts);
	}
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	kfree(site);
	if (is_kept || was_last)
		schedule_work(&dead_exts_work);
	if (!is_kept)
		mp2_ext_drop(ext);
}

/* For the calls of a pool's owner. */
struct mempool2_ext *mp2_pool_make_ext(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;
	struct mempool2_ext *ext;

	lockdep_assert_held(&mp2_features_mutex);
	ext = pool_ext(pool) ?: mp2_ext_create(GFP_KERNEL);
	if (!ext)
		return NULL;
	spin_lock_irq(&mp2_registry_lock);
	reserve = rcu_dereference_protected(pool->reserve, lockdep_is_held(&mp2_registry_lock));
	WRITE_ONCE(reserve->pool, pool);
	if (!reserve->ext) {
		ext->reserve = reserve;
		mp2_ext_attach(ext, reserve);
	}
	spin_unlock_irq(&mp2_registry_lock);
	return ext;
}

/*
 * Switch features; then wait until nobody is in the reserve any more who has not
 * seen it. -ENODEV if the pool has ended.
 */
int mp2_ext_switch(struct mempool2_ext *ext, unsigned int features)
{
	int err = -ENODEV;

	lockdep_assert_held(&mp2_features_mutex);
	if (features)
		mp2_instrumented_begin();
	spin_lock_irq(&mp2_registry_lock);
	if (ext->reserve) {
		mp2_features_set(ext, features);
		err = 0;
	}
	spin_unlock_irq(&mp2_registry_lock);
	if (!err)
		synchronize_rcu();
	if (features & FEATURE_STALL)
		mp2_stall_schedule();
	mp2_instrumented_update();
	return err;
}

/*
 * Call @set with what @pool has for features, which it may need memory for, and
 * with the mutex held.
 */
int mp2_pool_set(struct mempool2 *pool, int (*set)(struct mempool2_ext *ext,
						   unsigned int value),
		 unsigned int value)
{
	struct mempool2_ext *ext;
	int err;

	might_sleep();
	mutex_lock(&mp2_features_mutex);
	ext = mp2_pool_make_ext(pool);
	err = ext ? set(ext, value) : -ENOMEM;
	mutex_unlock(&mp2_features_mutex);
	return err;
}

/*
 * The limit
 */

static int ext_switch_limit(struct mempool2_ext *ext, unsigned int limit)
{
	if (!limit)
		return mp2_ext_switch(ext, ext->features & ~FEATURE_LIMIT);
	/* What is out already was not counted, and what was counted before is history. */
	if (!(ext->features & FEATURE_LIMIT))
		atomic_set(&ext->nr_inflight, 0);
	WRITE_ONCE(ext->limit, limit);
	return mp2_ext_switch(ext, ext->features | FEATURE_LIMIT);
}

int mp2_ext_set_limit(struct mempool2 *pool, int limit)
{
	return mp2_pool_set(pool, ext_switch_limit, limit);
}

static void dead_exts_free(struct work_struct *work)
{
	struct mempool2_ext *ext, *next;
	LIST_HEAD(dead_list);

	mutex_lock(&mp2_features_mutex);
	spin_lock_irq(&mp2_registry_lock);
	list_splice_init(&dead_exts, &dead_list);
	spin_unlock_irq(&mp2_registry_lock);
	mp2_instrumented_update();
	mutex_unlock(&mp2_features_mutex);

	list_for_each_entry_safe(ext, next, &dead_list, dead) {
		mp2_ext_remove_dir(ext);
		mp2_ext_drop(ext);
	}
}

/* Users have ended their pools, and what they left is freed. */
void mp2_ext_unload(void)
{
	flush_work(&dead_exts_work);
}
