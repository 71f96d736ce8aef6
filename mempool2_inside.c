// SPDX-License-Identifier: GPL-2.0-only
/*
 * mempool2 - which pools there are, and what is on for each: names, events, failing,
 * limits, statistics
 *
 * It includes mempool2_checks.c, which finds misuse, and mempool2_debugfs.c.
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

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/ctype.h>
#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/u64_stats_sync.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "core/internal.h"

#define CREATE_TRACE_POINTS
#include "mempool2_trace.h"

EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_reserve_alloc);
EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_refill);
EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_wait_begin);
EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_wait_end);
EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_handover);
EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_resize);
EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_alloc_failed);

/*
 * The registry
 */

DEFINE_SPINLOCK(mp2_registry_lock);
DEFINE_STATIC_KEY_FALSE(mp2_pools_watched);

static LIST_HEAD(registry);

/* The first one of them without a directory in debugfs; none of those after it has one. */
static struct list_head *registry_no_dir = &registry;

/* Pools for which something is on. */
static unsigned int nr_watched;

/* Those whose waiters stuck_work looks at. */
static LIST_HEAD(stuck_insides);
static unsigned int nr_stuck;

/* Events of the reserve that somebody wants to see. */
static unsigned int nr_traced;

/* The checks, of FEATURES_CHECK, that are on for pools made from now on. */
static unsigned int checks_for_new;

/* Switching features of all pools; taken before all other locks. */
static DEFINE_MUTEX(features_mutex);

/* What the end of a pool leaves to be done, as mempool2_exit() may not sleep for it. */
static LIST_HEAD(gone_insides);
static void gone_insides_remove(struct work_struct *work);
static DECLARE_WORK(gone_work, gone_insides_remove);

static void inside_drop(struct mempool2_inside *inside);
static void records_free(struct mempool2_inside *inside);

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
static void pools_watch(void)
{
	lockdep_assert_held(&features_mutex);
	static_branch_enable(&mp2_pools_watched);
	inline_kinds_set(false);
}

/* To be called after something is on no more: if nothing is, nobody needs to look. */
static void pools_watched_update(void)
{
	unsigned long flags;
	bool on;

	lockdep_assert_held(&features_mutex);
	/* Events on the kernel's command line are switched on while interrupts must be off. */
	spin_lock_irqsave(&mp2_registry_lock, flags);
	on = nr_watched || nr_traced || checks_for_new;
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	if (on)
		return;
	inline_kinds_set(true);
	static_branch_disable(&mp2_pools_watched);
}

/**
 * struct mempool2_maker - a place in the code that makes pools
 *
 * @list: of all of them, with mp2_registry_lock
 * @address: the place
 * @nr_pools: pools that it has made and that have not ended
 * @text: what the kernel calls the place
 *
 * Most pools are made by functions that the kernel forgets once it has booted or
 * loaded a module, so their names are kept; once, however many pools they make.
 */
struct mempool2_maker {
	struct list_head	list;
	unsigned long		address;
	unsigned int		nr_pools;
	char			text[96];
};

static LIST_HEAD(makers);

static struct mempool2_maker *maker_find(unsigned long address)
{
	struct mempool2_maker *maker;

	lockdep_assert_held(&mp2_registry_lock);
	list_for_each_entry(maker, &makers, list)
		if (maker->address == address)
			return maker;
	return NULL;
}

/* A new one, %NULL if it is known or there is no memory. */
static struct mempool2_maker *maker_alloc(unsigned long address, gfp_t gfp)
{
	struct mempool2_maker *maker;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	maker = maker_find(address);
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	if (maker)
		return NULL;
	maker = kzalloc(sizeof(*maker), gfp | __GFP_NOWARN);
	if (!maker)
		return NULL;
	maker->address = address;
	scnprintf(maker->text, sizeof(maker->text), "%pS", (void *)address);
	return maker;
}

/* The last pool of its is gone, and with it what kept the module there. */
static struct mempool2_maker *maker_put(struct mempool2_maker *maker)
{
	lockdep_assert_held(&mp2_registry_lock);
	if (!maker || --maker->nr_pools)
		return NULL;
	list_del(&maker->list);
	return maker;
}

/* Note where the pool of @reserve was made. */
void mp2_maker_get(struct mempool2_reserve *reserve, unsigned long caller, gfp_t gfp)
{
	struct mempool2_maker *new = maker_alloc(caller, gfp), *maker;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	maker = maker_find(caller);
	if (!maker && new) {
		list_add(&new->list, &makers);
		maker = new;
		new = NULL;
	}
	if (maker)
		maker->nr_pools++;
	reserve->maker = maker;
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	kfree(new);
}

/* The pool is made: from now on others find it, and may switch something on for it. */
void mp2_registry_add(struct mempool2 *pool, struct mempool2_reserve *reserve)
{
	unsigned long flags;

	/* A pool on the stack does not live long, or is going to be copied. */
	reserve->pool = object_is_on_stack(pool) ? NULL : pool;
	reserve->min_nr = pool->min_nr;
	spin_lock_irqsave(&mp2_registry_lock, flags);
	if (reserve->inside)
		reserve->inside->reserve = reserve;
	list_add_tail(&reserve->registered, &registry);
	if (registry_no_dir == &registry)
		registry_no_dir = &reserve->registered;
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
	reserve->maker = old->maker;
	reserve->inside = old->inside;
	if (reserve->inside)
		reserve->inside->reserve = reserve;
	list_replace(&old->registered, &reserve->registered);
	if (registry_no_dir == &old->registered)
		registry_no_dir = &reserve->registered;
	rcu_assign_pointer(pool->reserve, reserve);
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
}

/*
 * The pool is about to end: from now on nobody finds it. What is on for it stays on, as
 * what rests was put with that on, and is to be taken with it.
 */
void mp2_registry_remove(struct mempool2_reserve *reserve)
{
	struct mempool2_inside *inside;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	/* Under the lock, as somebody may just have made it to have a directory for it. */
	inside = reserve->inside;
	if (registry_no_dir == &reserve->registered)
		registry_no_dir = reserve->registered.next;
	list_del(&reserve->registered);
	if (inside) {
		inside->reserve = NULL;
		nr_stuck -= !list_empty(&inside->stuck);
		list_del_init(&inside->stuck);
	}
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
}

/*
 * What a pool has for features
 */

static struct mempool2_inside *inside_create(gfp_t gfp)
{
	struct mempool2_inside *inside = kzalloc(sizeof(*inside), gfp);

	if (!inside)
		return NULL;
	raw_spin_lock_init(&inside->lock);
	INIT_LIST_HEAD(&inside->chunks);
	INIT_LIST_HEAD(&inside->stuck);
	ratelimit_state_init(&inside->ratelimit, 5 * HZ, 5);
	ratelimit_set_flags(&inside->ratelimit, RATELIMIT_MSG_ON_RELEASE);
	return inside;
}

static void inside_drop(struct mempool2_inside *inside)
{
	if (!inside)
		return;
	records_free(inside);
	free_percpu(inside->figures);
	kfree(inside);
}

static void inside_attach(struct mempool2_inside *inside, struct mempool2_reserve *reserve)
{
	lockdep_assert_held(&mp2_registry_lock);
	inside->elements = reserve->elements;
	/* Pairs with pool_inside(). */
	smp_store_release(&reserve->inside, inside);
}

/* Under the lock: the features, and what follows from them. */
static void features_set(struct mempool2_inside *inside, unsigned int features)
{
	lockdep_assert_held(&mp2_registry_lock);
	nr_watched += !!features - inside->is_watched;
	inside->is_watched = features;
	nr_stuck -= !list_empty(&inside->stuck);
	list_del_init(&inside->stuck);
	if (features & FEATURE_STUCK) {
		list_add_tail(&inside->stuck, &stuck_insides);
		nr_stuck++;
	}
	/* Pairs with inside_features(): a figure that a feature goes by is there before. */
	smp_store_release(&inside->features, features);
}

/* The pool has ended, or was never made, and its elements have left. */
void mp2_inside_ended(struct mempool2_reserve *reserve)
{
	struct mempool2_inside *inside = reserve->inside;
	bool is_kept = false, was_last = false;
	struct mempool2_maker *maker;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	maker = maker_put(reserve->maker);
	if (inside) {
		nr_watched -= inside->is_watched;
		was_last = inside->is_watched && !nr_watched;
		/* There are files that lead to it; or stuck_watch() may have it in hand. */
		is_kept = inside->id || inside->features & FEATURE_STUCK;
		if (is_kept)
			list_add_tail(&inside->gone, &gone_insides);
	}
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	kfree(maker);
	if (is_kept || was_last)
		schedule_work(&gone_work);
	if (!is_kept)
		inside_drop(inside);
}

/* For the calls of a pool's owner. */
static struct mempool2_inside *pool_make_inside(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;
	struct mempool2_inside *inside;

	lockdep_assert_held(&features_mutex);
	inside = pool_inside(pool) ?: inside_create(GFP_KERNEL);
	if (!inside)
		return NULL;
	spin_lock_irq(&mp2_registry_lock);
	reserve = rcu_dereference_protected(pool->reserve, lockdep_is_held(&mp2_registry_lock));
	WRITE_ONCE(reserve->pool, pool);
	if (!reserve->inside) {
		inside->reserve = reserve;
		inside_attach(inside, reserve);
	}
	spin_unlock_irq(&mp2_registry_lock);
	return inside;
}

static void stuck_watch(struct work_struct *work);
static DECLARE_DELAYED_WORK(stuck_work, stuck_watch);

/*
 * Switch features; then wait until nobody is in the reserve any more who has not
 * seen it. -ENODEV if the pool has ended.
 */
static int inside_switch(struct mempool2_inside *inside, unsigned int features)
{
	int err = -ENODEV;

	lockdep_assert_held(&features_mutex);
	if (features)
		pools_watch();
	spin_lock_irq(&mp2_registry_lock);
	if (inside->reserve) {
		features_set(inside, features);
		err = 0;
	}
	spin_unlock_irq(&mp2_registry_lock);
	if (!err)
		synchronize_rcu();
	if (features & FEATURE_STUCK)
		schedule_delayed_work(&stuck_work, HZ);
	pools_watched_update();
	return err;
}

/*
 * Call @set with what @pool has for features, which it may need memory for, and
 * with the mutex held.
 */
static int pool_set(struct mempool2 *pool, int (*set)(struct mempool2_inside *inside,
						      unsigned int value),
		    unsigned int value)
{
	struct mempool2_inside *inside;
	int err;

	might_sleep();
	mutex_lock(&features_mutex);
	inside = pool_make_inside(pool);
	err = inside ? set(inside, value) : -ENOMEM;
	mutex_unlock(&features_mutex);
	return err;
}

/*
 * Names
 */

/*
 * Text that mempool2 has not made, such as the name of a task, as one word of what can
 * be printed. It stands in a table, a report and a terminal, and must not end a column
 * or a line there.
 */
static void word_copy(char *word, const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size - 1 && text[i]; i++)
		word[i] = isascii(text[i]) && isgraph(text[i]) ? text[i] : '_';
	memset(word + i, 0, size - i);
}

/* Of what %pS makes of a place: the function, as its source calls it, without ".isra.0". */
static void place_name(char *name, const char *place, size_t size)
{
	scnprintf(name, size, "%.*s", (int)strcspn(place, "+. "), place);
}

static void reserve_name(const struct mempool2_reserve *reserve, char *name)
{
	const struct mempool2_inside *inside = READ_ONCE(reserve->inside);

	if (inside && inside->name[0]) {
		memcpy(name, inside->name, MEMPOOL2_NAME_LEN);
		return;
	}
	place_name(name, reserve->maker ? reserve->maker->text : "unknown", MEMPOOL2_NAME_LEN);
}

static void pool_name(const struct mempool2 *pool, char *name)
{
	rcu_read_lock_sched();
	reserve_name(rcu_dereference_sched(pool->reserve), name);
	rcu_read_unlock_sched();
}

/**
 * mempool2_set_name() - say what a pool is for
 * @pool: the pool
 * @name: the name; of a longer one, the first %MEMPOOL2_NAME_LEN - 1 characters
 *
 * The name is shown in debugfs, events and reports, with "_" for each blank and each
 * other character that is not printable ASCII. Before, that is the name of the
 * function that made the pool. Not to be called while others use the pool's
 * name: best right after the pool was made.
 *
 * Context: Task context; sleeps.
 * Return: 0, or %-ENOMEM, or %-EINVAL with a warning if @pool is not initialised or
 * @name is empty.
 */
int mempool2_set_name(struct mempool2 *pool, const char *name)
{
	struct mempool2_inside *inside;
	char text[MEMPOOL2_NAME_LEN];

	if (not_initialised(pool) || mistake(!name || !*name, "the name is empty"))
		return -EINVAL;
	might_sleep();
	word_copy(text, name, sizeof(text));
	mutex_lock(&features_mutex);
	inside = pool_make_inside(pool);
	if (inside) {
		/* Somebody may be reading it in debugfs. */
		spin_lock_irq(&mp2_registry_lock);
		memcpy(inside->name, text, sizeof(text));
		spin_unlock_irq(&mp2_registry_lock);
	}
	mutex_unlock(&features_mutex);
	return inside ? 0 : -ENOMEM;
}
EXPORT_SYMBOL_GPL(mempool2_set_name);

/*
 * Events
 */

void mempool2_trace_name(const struct mempool2 *pool, char *name)
{
	memset(name, 0, MEMPOOL2_NAME_LEN);
	pool_name(pool, name);
}

/* Under the mutex: the events of the reserve are for all pools. */
static void registry_trace(int change)
{
	unsigned long flags;

	lockdep_assert_held(&features_mutex);
	pools_watch();
	/* With trace_event= on the command line interrupts are off, and have to stay so. */
	spin_lock_irqsave(&mp2_registry_lock, flags);
	nr_traced += change;
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	pools_watched_update();
}

int mempool2_trace_begin(void)
{
	mutex_lock(&features_mutex);
	registry_trace(1);
	mutex_unlock(&features_mutex);
	return 0;
}

void mempool2_trace_end(void)
{
	mutex_lock(&features_mutex);
	registry_trace(-1);
	mutex_unlock(&features_mutex);
}

/*
 * Making the alloc function fail
 */

/* Is this call of the alloc function to count as failed, as it may? */
static bool inside_fails(struct mempool2_inside *inside)
{
	unsigned int one_in = READ_ONCE(inside->fail_one_in);

	if (one_in <= 1)
		return one_in;
	return (unsigned int)atomic_inc_return(&inside->nr_calls) % one_in == 0;
}

bool mp2_inside_is_failing(struct mempool2 *pool)
{
	struct mempool2_inside *inside = inside_with(pool, FEATURE_FAILING);

	return inside && inside_fails(inside);
}

static int inside_set_failing(struct mempool2_inside *inside, unsigned int one_in)
{
	if (!one_in)
		return inside_switch(inside, inside->features & ~FEATURE_FAILING);
	WRITE_ONCE(inside->fail_one_in, one_in);
	return inside_switch(inside, inside->features | FEATURE_FAILING);
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
	if (not_initialised(pool))
		return -EINVAL;
	return pool_set(pool, inside_set_failing, one_in);
}
EXPORT_SYMBOL_GPL(mempool2_set_failing);

/*
 * The limit
 */

static int inside_switch_limit(struct mempool2_inside *inside, unsigned int limit)
{
	if (!limit)
		return inside_switch(inside, inside->features & ~FEATURE_LIMIT);
	/* What is out already was not counted, and what was counted before is history. */
	if (!(inside->features & FEATURE_LIMIT))
		atomic_set(&inside->nr_out, 0);
	WRITE_ONCE(inside->limit, limit);
	return inside_switch(inside, inside->features | FEATURE_LIMIT);
}

int mp2_inside_set_limit(struct mempool2 *pool, int limit)
{
	return pool_set(pool, inside_switch_limit, limit);
}

/*
 * Statistics
 */

/* The figures that a CPU counts. On 32 bits they take two steps to write, and to read. */
struct mempool2_figures {
	struct u64_stats_sync		sync;
	struct mempool2_statistics	figures;
};

/* Interrupts count too. */
static struct mempool2_statistics *figures_begin(const struct mempool2_inside *inside,
						 unsigned long *flags)
{
	struct mempool2_figures *own;

	local_irq_save(*flags);
	own = this_cpu_ptr(inside->figures);
	u64_stats_update_begin(&own->sync);
	return &own->figures;
}

static void figures_end(const struct mempool2_inside *inside, unsigned long flags)
{
	u64_stats_update_end(&this_cpu_ptr(inside->figures)->sync);
	local_irq_restore(flags);
}

#define figure_add(figure, nr)		WRITE_ONCE(figure, (figure) + (nr))

/* Add to one of the figures of what a pool has for features. */
#define inside_count_one(inside, figure, nr)				\
	do {								\
		unsigned long flags;					\
		struct mempool2_statistics *own = figures_begin(inside, &flags); \
									\
		figure_add(own->figure, nr);				\
		figures_end(inside, flags);				\
	} while (0)

/* The same, if the pool has any, without looking twice. */
#define pool_count(pool, figure, nr)					\
	do {								\
		struct mempool2_inside *inside;				\
									\
		if (!pool_is_watched(pool))				\
			break;						\
		inside = inside_with(pool, FEATURE_STATISTICS);		\
		if (inside)						\
			inside_count_one(inside, figure, nr);		\
	} while (0)

static void figures_read(struct mempool2_figures *own, struct mempool2_statistics *copy)
{
	const struct mempool2_statistics *figures = &own->figures;
	unsigned long flags;
	unsigned int start;

	local_irq_save(flags);
	do {
		start = u64_stats_fetch_begin(&own->sync);
		copy->reserve_allocs = READ_ONCE(figures->reserve_allocs);
		copy->refills = READ_ONCE(figures->refills);
		copy->waits = READ_ONCE(figures->waits);
		copy->wait_ns = READ_ONCE(figures->wait_ns);
		copy->longest_wait_ns = READ_ONCE(figures->longest_wait_ns);
		copy->handed_over = READ_ONCE(figures->handed_over);
		copy->failed = READ_ONCE(figures->failed);
		copy->resizes = READ_ONCE(figures->resizes);
	} while (u64_stats_fetch_retry(&own->sync, start));
	local_irq_restore(flags);
}

static void statistics_sum(const struct mempool2_inside *inside,
			   struct mempool2_statistics *sum)
{
	struct mempool2_statistics one;
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		figures_read(per_cpu_ptr(inside->figures, cpu), &one);
		sum->reserve_allocs += one.reserve_allocs;
		sum->refills += one.refills;
		sum->waits += one.waits;
		sum->wait_ns += one.wait_ns;
		sum->longest_wait_ns = max(sum->longest_wait_ns, one.longest_wait_ns);
		sum->handed_over += one.handed_over;
		sum->failed += one.failed;
		sum->resizes += one.resizes;
	}
}

static struct mempool2_figures __percpu *figures_alloc(void)
{
	struct mempool2_figures __percpu *figures = alloc_percpu(struct mempool2_figures);
	int cpu;

	if (!figures)
		return NULL;
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(figures, cpu)->sync);
	return figures;
}

static int inside_set_statistics(struct mempool2_inside *inside, unsigned int on)
{
	struct mempool2_figures __percpu *figures;

	if (!on)
		return inside_switch(inside, inside->features & ~FEATURE_STATISTICS);
	if (!inside->figures) {
		figures = figures_alloc();
		if (!figures)
			return -ENOMEM;
		/* Pairs with mempool2_read_statistics(). */
		smp_store_release(&inside->figures, figures);
	}
	return inside_switch(inside, inside->features | FEATURE_STATISTICS);
}

/**
 * mempool2_set_statistics() - count what happens to a pool, or no longer
 * @pool: the pool
 * @on: whether to count
 *
 * Only what happens off the way of an allocation that finds memory is counted. What
 * was counted before stays.
 *
 * Context: Task context; sleeps.
 * Return: 0, or %-ENOMEM, or %-EINVAL with a warning if @pool is not initialised.
 */
int mempool2_set_statistics(struct mempool2 *pool, bool on)
{
	if (not_initialised(pool))
		return -EINVAL;
	return pool_set(pool, inside_set_statistics, on);
}
EXPORT_SYMBOL_GPL(mempool2_set_statistics);

/**
 * mempool2_read_statistics() - what has happened to a pool
 * @pool: the pool
 * @sum: where to put it
 *
 * Context: Any. Does not sleep.
 * Return: 0, or %-ENODATA if nothing was ever counted, or %-EINVAL with a warning if
 * @pool is not initialised.
 */
int mempool2_read_statistics(struct mempool2 *pool, struct mempool2_statistics *sum)
{
	struct mempool2_inside *inside;

	if (not_initialised(pool))
		return -EINVAL;
	inside = pool_inside(pool);
	/* Pairs with inside_set_statistics(). */
	if (!inside || !smp_load_acquire(&inside->figures))
		return -ENODATA;
	statistics_sum(inside, sum);
	return 0;
}
EXPORT_SYMBOL_GPL(mempool2_read_statistics);

void mp2_inside_refilled(struct mempool2 *pool, unsigned int nr)
{
	if (!nr)
		return;
	trace_mempool2_refill(pool, nr);
	pool_count(pool, refills, nr);
}

/* With the lock of the wait queue held. */
void mp2_inside_handed_over(struct mempool2 *pool, const void *element)
{
	trace_mempool2_handover(pool, element, pool->nr_waiters);
	pool_count(pool, handed_over, 1);
}

void mp2_inside_failed(struct mempool2 *pool, unsigned long caller)
{
	trace_mempool2_alloc_failed(pool, caller);
	pool_count(pool, failed, 1);
}

#include "mempool2_checks.c"
#include "mempool2_debugfs.c"
