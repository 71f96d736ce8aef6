// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks: poison, switching checks on and off, and pools that end too early
 *
 * debug/track.c finds double frees, and debug/stall.c tasks that wait while they hold an
 * element.
 */
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "priv.h"
#include "trace.h"

/*
 * Poison: parked elements are filled with POISON_PARKED, as far as their size is known
 */

/* Bytes of each element that may be poisoned. KASAN poisons parked objects itself. */
static size_t elements_area(const struct mempool2 *pool)
{
	size_t size = (size_t)pool->pool_data;

	if (pool->kind == MEMPOOL2_SLAB)
		return MEMPOOL2_KASAN_WRITES || !mp2_slab_may_poison(pool->pool_data) ?
		       0 : kmem_cache_size(pool->pool_data);
	if (pool->kind == MEMPOOL2_KMALLOC)
		return MEMPOOL2_KASAN_WRITES ? 0 : size;
	return pool->alloc == mempool2_kvmalloc && pool->free == mempool2_kvfree ? size : 0;
}

/*
 * A new pool has got @element, after @nr others: are there elements with equal addresses? A
 * comparison with the first few shows it, unless the addresses are many.
 */
void mp2_elements_compare(struct mempool2_reserve *reserve, const void *element, unsigned int nr)
{
	struct mempool2_elements *elements = &reserve->elements;
	unsigned int i;

	if (elements->alike == ALIKE_NEVER || elements->alike == ALIKE_SOME || !nr)
		return;
	elements->alike = ALIKE_NOT_ALL;
	for (i = 0; i < min_t(unsigned int, nr, MIN_SLOTS); i++)
		if (reserve->slots[i] == element)
			elements->alike = ALIKE_SOME;
}

struct mempool2_elements mp2_elements_of(const struct mempool2 *pool)
{
	struct mempool2_elements elements = {
		.alike = mp2_pool_may_repeat(pool) ? ALIKE_PERHAPS : ALIKE_NEVER,
	};

	if (pool->kind == MEMPOOL2_PAGES) {
		elements.are_pages = true;
		elements.area = (unsigned long)pool->pool_data;
	} else {
		elements.area = min_t(size_t, elements_area(pool), POISON_MOST);
	}
	return elements;
}

static bool elements_can_be_poisoned(struct mempool2_elements elements)
{
	return elements.are_pages || elements.area;
}

void *mp2_poison_area(const struct mempool2_ext *ext, void *element, size_t *size)
{
	*size = ext->elements.area;
	if (!ext->elements.are_pages) {
		/*
		 * An element from elsewhere may be smaller than those of the pool. KASAN reports
		 * that, and ksize() would have it miss overruns from then on.
		 */
		if (*size && !IS_ENABLED(CONFIG_KASAN) && !is_vmalloc_addr(element))
			*size = min(*size, ksize(element));
		return element;
	}
	*size = PageHighMem((struct page *)element) ? 0 : POISON_MOST;
	return *size ? page_address(element) : element;
}

noinline void mp2_poison_set(const struct mempool2_ext *ext, void *element)
{
	size_t size;
	void *area = mp2_poison_area(ext, element, &size);

	memset(area, POISON_PARKED, size);
}

/* The first byte that was written to, or %NULL. */
static u8 *poison_broken(const struct mempool2_ext *ext, void *element)
{
	size_t size;
	void *area = mp2_poison_area(ext, element, &size);

	return size ? memchr_inv(area, POISON_PARKED, size) : NULL;
}

/*
 * Called before elements go into the reserve, with preemption disabled until they are there. Only
 * elements with a record are certain to stay the pool's, or to be freed.
 */
void mp2_debug_park(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_POISON);
	unsigned int i;

	for (i = 0; i < nr && ext; i++)
		if (mp2_record_has_poison(ext, elems[i]))
			mp2_poison_set(ext, elems[i]);
}

noinline void mp2_poison_check(struct mempool2 *pool, struct mempool2_ext *ext,
			       void *element)
{
	u8 *broken = poison_broken(ext, element);

	if (broken && mp2_record_has_poison(ext, element))
		mp2_report_poison(pool, ext, element, broken);
}

/*
 * Called with preemption disabled since the elements were taken from the reserve. Pairs with
 * checks_prepare() (swept-or-checked).
 */
void mp2_debug_unpark(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_CHECK_POISON);
	unsigned int i;

	for (i = 0; i < nr && ext; i++)
		mp2_poison_check(pool, ext, elems[i]);
}

/*
 * Switching checks
 */

static unsigned int features_of_checks(unsigned int checks)
{
	return (checks & MEMPOOL2_CHECK_POISON ? FEATURE_CHECK_POISON : 0) |
	       (checks & MEMPOOL2_CHECK_DOUBLE ? FEATURE_CHECK_DOUBLE : 0) |
	       (checks & MEMPOOL2_CHECK_NESTED ? FEATURE_CHECK_NESTED : 0) |
	       (checks & MEMPOOL2_CHECK_EXIT ? FEATURE_CHECK_EXIT : 0);
}

static unsigned int features_needed(unsigned int checks)
{
	return (checks ? FEATURE_RECORDS : 0) |
	       (checks & FEATURE_CHECK_POISON ? FEATURE_POISON : 0);
}

static void element_prepare(struct mempool2_ext *ext, void *element)
{
	unsigned int order = ext->elements.area;

	/* Objects that KASAN has poisoned itself have no bytes to poison. */
	if (!ext->elements.are_pages) {
		mp2_poison_set(ext, element);
		return;
	}
	mempool2_kasan_unpoison_pages(element, order);
	mp2_poison_set(ext, element);
	(void)mempool2_kasan_poison_pages(element, order);
}

/* Poison a parked element and record it, as if it were freed now. */
static void element_sweep(struct mempool2_ext *ext, void *element)
{
	if (ext->features & FEATURE_POISON)
		element_prepare(ext, element);
	raw_spin_lock(&ext->lock);
	mp2_record_swept(ext, element);
	raw_spin_unlock(&ext->lock);
}

/* A CPU that misses the element while the slot is closed looks again under the lock. */
static void slot_sweep(struct mempool2_ext *ext, void **slot)
{
	void *element = READ_ONCE(*slot);

	if (!is_element(element) || !try_cmpxchg(slot, &element, SLOT_CLOSED))
		return;
	element_sweep(ext, element);
	/* Reopens the slot before is_moving is cleared. Pairs with slot_take() (swept-or-taken). */
	smp_store_release(slot, element);
}

/*
 * Sweep all elements in the reserve, or in the one that it replaces if @old, one per critical
 * section, as the pool may end meanwhile. CPUs that put elements from now on prepare them
 * themselves. The store is a stack and is swept from the top: elements that come and go at the top
 * leave those below in place.
 */
static void reserve_sweep(struct mempool2_ext *ext, bool old)
{
	unsigned int slot = 0, below = UINT_MAX;
	struct mempool2_reserve *reserve;
	unsigned long flags;

	while (below) {
		spin_lock_irq(&mp2_registry_lock);
		reserve = ext->reserve;
		if (reserve && old)
			reserve = reserve->old;
		/* The pool is about to end, and may free the reserve; or this one replaces none. */
		if (!reserve) {
			spin_unlock_irq(&mp2_registry_lock);
			return;
		}
		/* On PREEMPT_RT spin_lock_irq() leaves interrupts enabled. */
		raw_spin_lock_irqsave(&reserve->lock, flags);
		if (slot < reserve->nr_slots) {
			slot_sweep(ext, &reserve->slots[slot++]);
		} else {
			below = min(below, reserve->nr_stored);
			if (below)
				element_sweep(ext, reserve->store[--below]);
		}
		raw_spin_unlock_irqrestore(&reserve->lock, flags);
		spin_unlock_irq(&mp2_registry_lock);
		if ((slot + below) % BATCH == 0)
			cond_resched();
	}
}

/*
 * Returns false if the pool has ended. Otherwise sets @found to its reserve, or to %NULL while
 * the reserve has another owner, which is never for as long as a function of the user takes.
 */
static bool ext_try_own(struct mempool2_ext *ext, struct mempool2_reserve **found)
{
	struct mempool2_reserve *reserve;

	spin_lock_irq(&mp2_registry_lock);
	reserve = ext->reserve;
	*found = reserve && mp2_reserve_own(reserve) ? reserve : NULL;
	spin_unlock_irq(&mp2_registry_lock);
	return reserve;
}

/* Returns false if the pool has ended. In the midst of a resize it is the resize that moves. */
static bool ext_set_moving(struct mempool2_ext *ext, bool moving)
{
	struct mempool2_reserve *reserve;

	spin_lock_irq(&mp2_registry_lock);
	reserve = ext->reserve;
	if (reserve && !reserve->old)
		mp2_reserve_set_moving(reserve, moving);
	spin_unlock_irq(&mp2_registry_lock);
	return reserve;
}

/* Prepare all parked elements. CPUs that put elements prepare them by now. */
static void checks_prepare(struct mempool2_ext *ext)
{
	struct mempool2_reserve *reserve = NULL;

	mp2_records_drop_parked(ext);
	/* As the owner: elements stay in place, and no resize replaces the reserve. */
	wait_event(mp2_owner_wait, !ext_try_own(ext, &reserve) || reserve);
	if (!reserve || !ext_set_moving(ext, true))
		return;
	/*
	 * Now each CPU that finds no element looks again. Pairs with mp2_reserve_take()
	 * (swept-or-taken).
	 */
	synchronize_rcu();
	reserve_sweep(ext, false);
	reserve_sweep(ext, true);
	ext_set_moving(ext, false);
	spin_lock_irq(&mp2_registry_lock);
	if (ext->reserve)
		mp2_reserve_disown(reserve);
	spin_unlock_irq(&mp2_registry_lock);
	/*
	 * A CPU may have taken an element before the sweep came to it, and not have read the
	 * features yet. It must not see the check. Pairs with mp2_debug_unpark()
	 * (swept-or-checked).
	 */
	synchronize_rcu();
}

static unsigned int ext_nr_slots(struct mempool2_ext *ext)
{
	unsigned int nr;

	spin_lock_irq(&mp2_registry_lock);
	nr = ext->reserve ? reserve_room(ext->reserve) : 0;
	spin_unlock_irq(&mp2_registry_lock);
	return nr;
}

/*
 * Switch to @checks, of FEATURES_CHECK. A check relies on a preparation of all parked elements,
 * a record or poison. So the order is: switch the preparation on, so that all CPUs prepare the
 * elements that they put; prepare the elements that are parked; switch the check on. Off goes
 * the other way round.
 */
int mp2_ext_set_checks(struct mempool2_ext *ext, unsigned int checks)
{
	unsigned int features = ext->features, needed, missing;
	int err = 0;

	/* Off for pools that cannot have this check, so that take and put need not test for it. */
	if (!elements_can_be_poisoned(ext->elements))
		checks &= ~FEATURE_CHECK_POISON;
	needed = features_needed(checks);
	if (features & FEATURES_CHECK & ~checks) {
		features &= ~FEATURES_CHECK | checks;
		err = mp2_ext_switch(ext, features);
		if (err)
			return err;
	}
	if (features & FEATURES_PREPARE & ~needed) {
		features &= ~FEATURES_PREPARE | needed;
		err = mp2_ext_switch(ext, features);
		if (!err && !(features & FEATURE_RECORDS))
			mp2_records_free(ext);
		if (err)
			return err;
	}
	missing = needed & ~features;
	if (missing) {
		mp2_depot_prepare();
		if (missing & FEATURE_RECORDS)
			err = mp2_records_alloc(ext, ext_nr_slots(ext), GFP_KERNEL);
		/* From now on all CPUs prepare the elements that they put, ... */
		err = err ?: mp2_ext_switch(ext, features | missing);
		if (err) {
			if (missing & FEATURE_RECORDS)
				mp2_records_free(ext);
			return err;
		}
		features |= missing;
		/* A resize that did not see the records yet may have made the pool larger. */
		if (missing & FEATURE_RECORDS)
			mp2_records_alloc(ext, ext_nr_slots(ext), GFP_KERNEL | __GFP_NOWARN);
		checks_prepare(ext);
	}
	/* ... and now all parked elements are prepared. */
	return mp2_ext_switch(ext, features | checks);
}

int mempool2_set_checks(struct mempool2 *pool, unsigned int checks)
{
	if (misuse_uninit(pool) ||
	    misuse_once(checks & ~MEMPOOL2_CHECK_ALL, "there is no check %#x",
			checks & ~MEMPOOL2_CHECK_ALL))
		return -EINVAL;
	return mp2_pool_set(pool, mp2_ext_set_checks, features_of_checks(checks));
}
EXPORT_SYMBOL_GPL(mempool2_set_checks);

/*
 * Switch checks on for a new pool. It has no element and is not in the registry, so there is
 * nothing to wait for. Without memory for the records the pool has no checks.
 */
void mp2_debug_created(struct mempool2_reserve *reserve, gfp_t gfp)
{
	unsigned int possible = FEATURES_CHECK, checks;
	struct mempool2_ext *ext;
	unsigned long flags;

	if (!elements_can_be_poisoned(reserve->elements))
		possible &= ~FEATURE_CHECK_POISON;
	if (!(READ_ONCE(mp2_checks_for_new) & possible))
		return;
	ext = mp2_ext_create(gfp);
	if (!ext)
		return;
	if (mp2_records_alloc(ext, reserve_room(reserve), gfp)) {
		mp2_ext_drop(ext);
		return;
	}
	spin_lock_irqsave(&mp2_registry_lock, flags);
	/* The parameter may have changed meanwhile, and mp2_instrumented with it. */
	checks = mp2_checks_for_new & possible;
	if (checks) {
		mp2_features_set(ext, checks | features_needed(checks));
		mp2_ext_attach(ext, reserve);
		ext = NULL;
	}
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	mp2_ext_drop(ext);
}

/* Set the checks for pools that are created from now on. */
static void checks_for_new_set(unsigned int checks)
{
	lockdep_assert_held(&mp2_features_mutex);
	if (checks) {
		mp2_instrumented_begin();
		mp2_depot_prepare();
	}
	spin_lock_irq(&mp2_registry_lock);
	WRITE_ONCE(mp2_checks_for_new, checks);
	spin_unlock_irq(&mp2_registry_lock);
	mp2_instrumented_update();
}

/*
 * The module parameter. On the kernel command line it is parsed before mempool2 is initialized,
 * so mp2_checks_load() applies it later.
 */
static unsigned int checks_to_load;
static bool checks_are_loaded;

void mp2_checks_param_switch(unsigned int checks)
{
	mp2_features_lock();
	if (checks_are_loaded)
		checks_for_new_set(checks);
	else
		checks_to_load = checks;
	mp2_features_unlock();
}

void __init mp2_checks_load(void)
{
	mp2_features_lock();
	checks_are_loaded = true;
	checks_for_new_set(checks_to_load);
	mp2_features_unlock();
}

void mp2_debug_resized(struct mempool2 *pool, int from, int to, int err)
{
	trace_mempool2_resize(pool, from, to, err);
	if (err || from == to)
		return;
	pool_stats_add(pool, resizes, 1);
	if (to <= from || !pool_has(pool, FEATURE_RECORDS))
		return;
	mutex_lock(&mp2_features_mutex);
	if (pool_has(pool, FEATURE_RECORDS))
		mp2_records_alloc(pool_ext(pool), to, GFP_KERNEL | __GFP_NOWARN);
	mutex_unlock(&mp2_features_mutex);
}

/*
 * Destroyed pools
 */

/**
 * struct destroyed - a pool that ended while %FEATURE_CHECK_EXIT was on
 *
 * @pool: its address
 * @name: its name
 * @is_ours: its memory is in quarantine: not freed yet, so that an element freed to the pool is
 *	not mistaken for a use of other memory at its address
 * @ender: the task that ended the pool
 */
static struct destroyed {
	struct mempool2		*pool;
	char			name[MEMPOOL2_NAME_LEN];
	bool			is_ours;
	struct mempool2_record	ender;
} destroyed[16];

static DEFINE_RAW_SPINLOCK(destroyed_lock);
static unsigned int nr_destroyed;
static DEFINE_RATELIMIT_STATE(destroyed_ratelimit, 5 * HZ, 5);

static struct destroyed *destroyed_find(const struct mempool2 *pool)
{
	unsigned int i;

	lockdep_assert_held(&destroyed_lock);
	/* Newest first: there may be older ones at this address. */
	for (i = 1; i <= ARRAY_SIZE(destroyed); i++)
		if (destroyed[(nr_destroyed - i) % ARRAY_SIZE(destroyed)].pool == pool)
			return &destroyed[(nr_destroyed - i) % ARRAY_SIZE(destroyed)];
	return NULL;
}

static void destroyed_add(struct mempool2 *pool)
{
	u32 stack = stack_here();
	struct mempool2 *oldest;
	char name[MEMPOOL2_NAME_LEN];
	unsigned long flags;
	struct destroyed *one;

	mp2_pool_name(pool, name);
	raw_spin_lock_irqsave(&destroyed_lock, flags);
	one = &destroyed[nr_destroyed++ % ARRAY_SIZE(destroyed)];
	oldest = one->is_ours ? one->pool : NULL;
	one->pool = pool;
	one->is_ours = false;
	memcpy(one->name, name, sizeof(name));
	one->ender.pid = task_pid_nr(current);
	mp2_word_copy(one->ender.comm, current->comm, sizeof(one->ender.comm));
	one->ender.stack = stack;
	one->ender.since = jiffies;
	raw_spin_unlock_irqrestore(&destroyed_lock, flags);
	kfree(oldest);
}

static void report_exit(struct mempool2 *pool, struct mempool2_ext *ext,
			int nr_waiters, int nr_inflight)
{
	struct mempool2_record holders[2];
	char name[MEMPOOL2_NAME_LEN];
	unsigned long flags;
	unsigned int nr;

	if (!mp2_may_report(ext))
		return;
	mp2_pool_name(pool, name);
	nr = mp2_records_copy(ext, NULL, holders, ARRAY_SIZE(holders));
	flags = mp2_report_begin(nr_waiters ? "destroyed while callers wait" :
					  "destroyed while elements are out", name);
	report_line("pool %p: %d wait, %d of %d elements are out\n", pool, nr_waiters,
		    nr_inflight, READ_ONCE(pool->min_nr));
	mp2_report_here("destroyed");
	mp2_report_holders(holders, nr);
	mp2_report_end(flags, "destroyed too early");
}

/* Called before the pool begins to end. */
void mp2_debug_exit(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve = rcu_dereference_protected(pool->reserve, true);
	int nr_inflight, nr_waiters = READ_ONCE(pool->nr_waiters);

	if (!pool_has(pool, FEATURE_CHECK_EXIT))
		return;
	nr_inflight = reserve_room(reserve) - reserve->nr_unfilled - mp2_reserve_count(reserve);
	if (nr_waiters || nr_inflight > 0)
		report_exit(pool, pool_ext(pool), nr_waiters, max(nr_inflight, 0));
	destroyed_add(pool);
}

/* Returns @pool if its memory may be freed, or %NULL if it goes into quarantine. */
struct mempool2 *mp2_debug_destroyed(struct mempool2 *pool)
{
	unsigned long flags;
	struct destroyed *found;

	raw_spin_lock_irqsave(&destroyed_lock, flags);
	found = destroyed_find(pool);
	if (found && !found->is_ours)
		found->is_ours = true;
	else
		found = NULL;
	raw_spin_unlock_irqrestore(&destroyed_lock, flags);
	return found ? NULL : pool;
}

/*
 * Report a free to a pool that is not initialized. Returns false if no pool is known to have
 * been there.
 */
bool mp2_debug_free_uninit(const struct mempool2 *pool, const void *element)
{
	struct destroyed copy = {}, *found;
	unsigned long flags;

	raw_spin_lock_irqsave(&destroyed_lock, flags);
	found = destroyed_find(pool);
	if (found)
		copy = *found;
	raw_spin_unlock_irqrestore(&destroyed_lock, flags);
	if (!found)
		return false;
	if (!__ratelimit(&destroyed_ratelimit))
		return true;

	flags = mp2_report_begin("free into a destroyed pool", copy.name);
	report_line("element %p stays as it is; the pool was at %p\n", element, pool);
	mp2_report_here("freed");
	report_line("destroyed by task %s/%d %u ms ago:\n", copy.ender.comm,
		    copy.ender.pid, jiffies_to_msecs(jiffies - copy.ender.since));
	mp2_stack_print(copy.ender.stack);
	mp2_report_end(flags, "free into a destroyed pool");
	return true;
}

void mp2_destroyed_free(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(destroyed); i++)
		if (destroyed[i].is_ours)
			kfree(destroyed[i].pool);
}
