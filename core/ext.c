// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registry of pools, and what is switched on for them
 *
 * The registry lists the reserves of all pools rather than the pools: a pool may be copied
 * before it is used, but its reserve stays in place.
 *
 * A feature that is off must not cost anything, so the main paths do not test for it. Instead,
 * while a feature is on for any pool, mempool2_inline_kinds matches no pool: the calls on all
 * pools go out of line, where a static key makes them read the features of their pool. A call
 * that read the old kind completes as before; where that matters, the switch waits for an RCU
 * grace period.
 *
 * Code that finds a pool through the registry neither writes to the pool nor dereferences
 * reserve->pool: a pool may be copied, and the memory of the original reused. All that
 * debugging needs is in the reserve. Only waiters lead to the pool, because a pool with waiters
 * stays in place.
 */
#include <linux/cpu.h>
#include <linux/export.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
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

/* The first reserve without a directory in debugfs; all reserves behind it have none either. */
struct list_head *mp2_registry_no_dir = &mp2_registry;

/* Pools with a feature on. */
static unsigned int nr_instrumented;

/* Exts with FEATURE_STALL on, which stall_work scans, and their number. */
LIST_HEAD(mp2_stalled_exts);
unsigned int mp2_nr_stalls;

/* Tracepoints of the reserve that are enabled. */
unsigned int mp2_nr_traced;

/* Checks, of FEATURES_CHECK, for pools that are created from now on. */
unsigned int mp2_checks_for_new;

/* Serializes all switching of features. Taken before all other locks. */
DEFINE_MUTEX(mp2_features_mutex);

/*
 * Exts that pools left when they ended. Work frees them, as mempool2_exit() must not sleep for
 * it.
 */
static LIST_HEAD(dead_exts);

static void dead_exts_free(struct work_struct *work);
static DECLARE_WORK(dead_exts_work, dead_exts_free);

/*
 * Instrumenting pools
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
 * Locks for a switch of features. A static branch needs the lock of CPU hotplug. That comes first:
 * code that takes a CPU down or up holds it, and may resize a pool, which takes the mutex.
 */
void mp2_features_lock(void)
{
	cpus_read_lock();
	mutex_lock(&mp2_features_mutex);
}

void mp2_features_unlock(void)
{
	mutex_unlock(&mp2_features_mutex);
	cpus_read_unlock();
}

/*
 * Call before a feature is switched on: once any call on a pool sees the feature, no other call
 * on the pool may miss it.
 */
void mp2_instrumented_begin(void)
{
	lockdep_assert_held(&mp2_features_mutex);
	static_branch_enable_cpuslocked(&mp2_instrumented);
	inline_kinds_set(false);
}

/* Call after a feature was switched off: stops instrumenting pools if nothing needs it. */
void mp2_instrumented_update(void)
{
	unsigned long flags;
	bool on;

	lockdep_assert_held(&mp2_features_mutex);
	/* trace_event= on the command line enables tracepoints while interrupts must stay off. */
	spin_lock_irqsave(&mp2_registry_lock, flags);
	on = nr_instrumented || mp2_nr_traced || mp2_checks_for_new;
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	if (on)
		return;
	inline_kinds_set(true);
	static_branch_disable_cpuslocked(&mp2_instrumented);
}

/* The pool is complete: from now on debugging finds it and may switch features on. */
void mp2_registry_add(struct mempool2 *pool, struct mempool2_reserve *reserve)
{
	unsigned long flags;

	/* A pool on the stack is short-lived, or about to be copied. */
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

/* Replace @old by @reserve, for the calls on the pool and in the registry. */
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
 * The pool is about to end: from now on debugging does not find it. Its features stay on,
 * because elements that were parked with a feature on must be unparked with it on.
 */
void mp2_registry_remove(struct mempool2_reserve *reserve)
{
	struct mempool2_ext *ext;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	/* Under the lock: opening the table in debugfs may just have attached an ext. */
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
 * The ext of a pool
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

/* Set the features, and update what is derived from them. */
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
	/*
	 * Pairs with ext_features(): the values that a feature uses are stored before the
	 * feature (feature-or-figure).
	 */
	smp_store_release(&ext->features, features);
}

/* The pool has ended, or could not be created, and its elements are gone. */
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
		/*
		 * Files in debugfs lead to the ext, or stall_watch() may be using it, or its end
		 * may sleep, in vfree().
		 */
		is_kept = ext->id || ext->features & FEATURE_STALL || is_vmalloc_addr(ext->table);
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

/* The ext of @pool, created if needed. For calls by the owner of @pool, which knows its address. */
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
 * Switch features, then wait until no CPU is in the reserve that has not seen the switch.
 * Returns -ENODEV if the pool has ended.
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

/* Call @set under the mutex, with the ext of @pool, which is created if needed. */
int mp2_pool_set(struct mempool2 *pool, int (*set)(struct mempool2_ext *ext,
						   unsigned int value),
		 unsigned int value)
{
	struct mempool2_ext *ext;
	int err;

	might_sleep();
	mp2_features_lock();
	ext = mp2_pool_make_ext(pool);
	err = ext ? set(ext, value) : -ENOMEM;
	mp2_features_unlock();
	return err;
}

/*
 * The limit
 */

static int ext_switch_limit(struct mempool2_ext *ext, unsigned int limit)
{
	if (!limit)
		return mp2_ext_switch(ext, ext->features & ~FEATURE_LIMIT);
	/* Elements in flight now were never counted, and an earlier count is stale. */
	if (!(ext->features & FEATURE_LIMIT))
		atomic_set(&ext->nr_inflight, 0);
	WRITE_ONCE(ext->limit, limit);
	return mp2_ext_switch(ext, ext->features | FEATURE_LIMIT);
}

int mp2_ext_set_limit(struct mempool2 *pool, int limit)
{
	return mp2_pool_set(pool, ext_switch_limit, limit);
}

/*
 * Exts of ended pools
 */

static void dead_exts_free(struct work_struct *work)
{
	struct mempool2_ext *ext, *next;
	LIST_HEAD(dead_list);

	mp2_features_lock();
	spin_lock_irq(&mp2_registry_lock);
	list_splice_init(&dead_exts, &dead_list);
	spin_unlock_irq(&mp2_registry_lock);
	mp2_instrumented_update();
	mp2_features_unlock();

	list_for_each_entry_safe(ext, next, &dead_list, dead) {
		mp2_ext_remove_dir(ext);
		mp2_ext_drop(ext);
	}
}

/* All pools have ended: wait until the last exts are freed. */
void mp2_ext_unload(void)
{
	flush_work(&dead_exts_work);
}
