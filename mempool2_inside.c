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
DEFINE_STATIC_KEY_FALSE(mp2_instrumented);

static LIST_HEAD(registry);

/* The first one of them without a directory in debugfs; none of those after it has one. */
static struct list_head *registry_no_dir = &registry;

/* Pools for which something is on. */
static unsigned int nr_instrumented;

/* Those whose waiters stall_work looks at. */
static LIST_HEAD(stalled_exts);
static unsigned int nr_stalls;

/* Events of the reserve that somebody wants to see. */
static unsigned int nr_traced;

/* The checks, of FEATURES_CHECK, that are on for pools made from now on. */
static unsigned int checks_for_new;

/* Switching features of all pools; taken before all other locks. */
static DEFINE_MUTEX(features_mutex);

/* What the end of a pool leaves to be done, as mempool2_exit() may not sleep for it. */
static LIST_HEAD(dead_exts);
static void dead_exts_free(struct work_struct *work);
static DECLARE_WORK(dead_exts_work, dead_exts_free);

static void ext_drop(struct mempool2_ext *ext);
static void records_free(struct mempool2_ext *ext);

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
static void instrumented_begin(void)
{
	lockdep_assert_held(&features_mutex);
	static_branch_enable(&mp2_instrumented);
	inline_kinds_set(false);
}

/* To be called after something is on no more: if nothing is, nobody needs to look. */
static void instrumented_update(void)
{
	unsigned long flags;
	bool on;

	lockdep_assert_held(&features_mutex);
	/* Events on the kernel's command line are switched on while interrupts must be off. */
	spin_lock_irqsave(&mp2_registry_lock, flags);
	on = nr_instrumented || nr_traced || checks_for_new;
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	if (on)
		return;
	inline_kinds_set(true);
	static_branch_disable(&mp2_instrumented);
}

/**
 * struct mempool2_site - a place in the code that makes pools
 *
 * @list: of all of them, with mp2_registry_lock
 * @address: the place
 * @nr_pools: pools that it has made and that have not ended
 * @text: what the kernel calls the place
 *
 * Most pools are made by functions that the kernel forgets once it has booted or
 * loaded a module, so their names are kept; once, however many pools they make.
 */
struct mempool2_site {
	struct list_head	list;
	unsigned long		address;
	unsigned int		nr_pools;
	char			text[96];
};

static LIST_HEAD(sites);

static struct mempool2_site *site_find(unsigned long address)
{
	struct mempool2_site *site;

	lockdep_assert_held(&mp2_registry_lock);
	list_for_each_entry(site, &sites, list)
		if (site->address == address)
			return site;
	return NULL;
}

/* A new one, %NULL if it is known or there is no memory. */
static struct mempool2_site *site_alloc(unsigned long address, gfp_t gfp)
{
	struct mempool2_site *site;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	site = site_find(address);
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	if (site)
		return NULL;
	site = kzalloc(sizeof(*site), gfp | __GFP_NOWARN);
	if (!site)
		return NULL;
	site->address = address;
	scnprintf(site->text, sizeof(site->text), "%pS", (void *)address);
	return site;
}

/* The last pool of its is gone, and with it what kept the module there. */
static struct mempool2_site *site_put(struct mempool2_site *site)
{
	lockdep_assert_held(&mp2_registry_lock);
	if (!site || --site->nr_pools)
		return NULL;
	list_del(&site->list);
	return site;
}

/* Note where the pool of @reserve was made. */
void mp2_site_get(struct mempool2_reserve *reserve, unsigned long caller, gfp_t gfp)
{
	struct mempool2_site *new = site_alloc(caller, gfp), *site;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	site = site_find(caller);
	if (!site && new) {
		list_add(&new->list, &sites);
		site = new;
		new = NULL;
	}
	if (site)
		site->nr_pools++;
	reserve->site = site;
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
	if (reserve->ext)
		reserve->ext->reserve = reserve;
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
	reserve->site = old->site;
	reserve->ext = old->ext;
	if (reserve->ext)
		reserve->ext->reserve = reserve;
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
	struct mempool2_ext *ext;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	/* Under the lock, as somebody may just have made it to have a directory for it. */
	ext = reserve->ext;
	if (registry_no_dir == &reserve->registered)
		registry_no_dir = reserve->registered.next;
	list_del(&reserve->registered);
	if (ext) {
		ext->reserve = NULL;
		nr_stalls -= !list_empty(&ext->stuck);
		list_del_init(&ext->stuck);
	}
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
}

/*
 * What a pool has for features
 */

static struct mempool2_ext *ext_create(gfp_t gfp)
{
	struct mempool2_ext *ext = kzalloc(sizeof(*ext), gfp);

	if (!ext)
		return NULL;
	raw_spin_lock_init(&ext->lock);
	INIT_LIST_HEAD(&ext->chunks);
	INIT_LIST_HEAD(&ext->stuck);
	ratelimit_state_init(&ext->ratelimit, 5 * HZ, 5);
	ratelimit_set_flags(&ext->ratelimit, RATELIMIT_MSG_ON_RELEASE);
	return ext;
}

static void ext_drop(struct mempool2_ext *ext)
{
	if (!ext)
		return;
	records_free(ext);
	free_percpu(ext->figures);
	kfree(ext);
}

static void ext_attach(struct mempool2_ext *ext, struct mempool2_reserve *reserve)
{
	lockdep_assert_held(&mp2_registry_lock);
	ext->elements = reserve->elements;
	/* Pairs with pool_ext(). */
	smp_store_release(&reserve->ext, ext);
}

/* Under the lock: the features, and what follows from them. */
static void features_set(struct mempool2_ext *ext, unsigned int features)
{
	lockdep_assert_held(&mp2_registry_lock);
	nr_instrumented += !!features - ext->is_instrumented;
	ext->is_instrumented = features;
	nr_stalls -= !list_empty(&ext->stuck);
	list_del_init(&ext->stuck);
	if (features & FEATURE_STALL) {
		list_add_tail(&ext->stuck, &stalled_exts);
		nr_stalls++;
	}
	/* Pairs with ext_features(): a figure that a feature goes by is there before. */
	smp_store_release(&ext->features, features);
}

/* The pool has ended, or was never made, and its elements have left. */
void mp2_debug_ended(struct mempool2_reserve *reserve)
{
	struct mempool2_ext *ext = reserve->ext;
	bool is_kept = false, was_last = false;
	struct mempool2_site *site;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	site = site_put(reserve->site);
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
		ext_drop(ext);
}

/* For the calls of a pool's owner. */
static struct mempool2_ext *pool_make_ext(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;
	struct mempool2_ext *ext;

	lockdep_assert_held(&features_mutex);
	ext = pool_ext(pool) ?: ext_create(GFP_KERNEL);
	if (!ext)
		return NULL;
	spin_lock_irq(&mp2_registry_lock);
	reserve = rcu_dereference_protected(pool->reserve, lockdep_is_held(&mp2_registry_lock));
	WRITE_ONCE(reserve->pool, pool);
	if (!reserve->ext) {
		ext->reserve = reserve;
		ext_attach(ext, reserve);
	}
	spin_unlock_irq(&mp2_registry_lock);
	return ext;
}

static void stall_watch(struct work_struct *work);
static DECLARE_DELAYED_WORK(stall_work, stall_watch);

/*
 * Switch features; then wait until nobody is in the reserve any more who has not
 * seen it. -ENODEV if the pool has ended.
 */
static int ext_switch(struct mempool2_ext *ext, unsigned int features)
{
	int err = -ENODEV;

	lockdep_assert_held(&features_mutex);
	if (features)
		instrumented_begin();
	spin_lock_irq(&mp2_registry_lock);
	if (ext->reserve) {
		features_set(ext, features);
		err = 0;
	}
	spin_unlock_irq(&mp2_registry_lock);
	if (!err)
		synchronize_rcu();
	if (features & FEATURE_STALL)
		schedule_delayed_work(&stall_work, HZ);
	instrumented_update();
	return err;
}

/*
 * Call @set with what @pool has for features, which it may need memory for, and
 * with the mutex held.
 */
static int pool_set(struct mempool2 *pool, int (*set)(struct mempool2_ext *ext,
						      unsigned int value),
		    unsigned int value)
{
	struct mempool2_ext *ext;
	int err;

	might_sleep();
	mutex_lock(&features_mutex);
	ext = pool_make_ext(pool);
	err = ext ? set(ext, value) : -ENOMEM;
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
	const struct mempool2_ext *ext = READ_ONCE(reserve->ext);

	if (ext && ext->name[0]) {
		memcpy(name, ext->name, MEMPOOL2_NAME_LEN);
		return;
	}
	place_name(name, reserve->site ? reserve->site->text : "unknown", MEMPOOL2_NAME_LEN);
}

static void pool_name(const struct mempool2 *pool, char *name)
{
	rcu_read_lock_sched();
	reserve_name(rcu_dereference_sched(pool->reserve), name);
	rcu_read_unlock_sched();
}

int mempool2_set_name(struct mempool2 *pool, const char *name)
{
	struct mempool2_ext *ext;
	char text[MEMPOOL2_NAME_LEN];

	if (misuse_uninit(pool) || misuse_once(!name || !*name, "the name is empty"))
		return -EINVAL;
	might_sleep();
	word_copy(text, name, sizeof(text));
	mutex_lock(&features_mutex);
	ext = pool_make_ext(pool);
	if (ext) {
		/* Somebody may be reading it in debugfs. */
		spin_lock_irq(&mp2_registry_lock);
		memcpy(ext->name, text, sizeof(text));
		spin_unlock_irq(&mp2_registry_lock);
	}
	mutex_unlock(&features_mutex);
	return ext ? 0 : -ENOMEM;
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
	instrumented_begin();
	/* With trace_event= on the command line interrupts are off, and have to stay so. */
	spin_lock_irqsave(&mp2_registry_lock, flags);
	nr_traced += change;
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	instrumented_update();
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
static bool ext_should_fail(struct mempool2_ext *ext)
{
	unsigned int one_in = READ_ONCE(ext->fail_interval);

	if (one_in <= 1)
		return one_in;
	return (unsigned int)atomic_inc_return(&ext->nr_calls) % one_in == 0;
}

bool mp2_debug_should_fail(struct mempool2 *pool)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_FAILING);

	return ext && ext_should_fail(ext);
}

static int ext_set_fail_interval(struct mempool2_ext *ext, unsigned int one_in)
{
	if (!one_in)
		return ext_switch(ext, ext->features & ~FEATURE_FAILING);
	WRITE_ONCE(ext->fail_interval, one_in);
	return ext_switch(ext, ext->features | FEATURE_FAILING);
}

int mempool2_set_fail_interval(struct mempool2 *pool, unsigned int one_in)
{
	if (misuse_uninit(pool))
		return -EINVAL;
	return pool_set(pool, ext_set_fail_interval, one_in);
}
EXPORT_SYMBOL_GPL(mempool2_set_fail_interval);

/*
 * The limit
 */

static int ext_switch_limit(struct mempool2_ext *ext, unsigned int limit)
{
	if (!limit)
		return ext_switch(ext, ext->features & ~FEATURE_LIMIT);
	/* What is out already was not counted, and what was counted before is history. */
	if (!(ext->features & FEATURE_LIMIT))
		atomic_set(&ext->nr_inflight, 0);
	WRITE_ONCE(ext->limit, limit);
	return ext_switch(ext, ext->features | FEATURE_LIMIT);
}

int mp2_ext_set_limit(struct mempool2 *pool, int limit)
{
	return pool_set(pool, ext_switch_limit, limit);
}

/*
 * Statistics
 */

/* The figures that a CPU counts. On 32 bits they take two steps to write, and to read. */
struct mempool2_figures {
	struct u64_stats_sync		sync;
	struct mempool2_stats	figures;
};

/* Interrupts count too. */
static struct mempool2_stats *figures_begin(const struct mempool2_ext *ext,
					    unsigned long *flags)
{
	struct mempool2_figures *own;

	local_irq_save(*flags);
	own = this_cpu_ptr(ext->figures);
	u64_stats_update_begin(&own->sync);
	return &own->figures;
}

static void figures_end(const struct mempool2_ext *ext, unsigned long flags)
{
	u64_stats_update_end(&this_cpu_ptr(ext->figures)->sync);
	local_irq_restore(flags);
}

#define figure_add(figure, nr)		WRITE_ONCE(figure, (figure) + (nr))

/* Add to one of the figures of what a pool has for features. */
#define stats_add(ext, figure, nr)					\
	do {								\
		unsigned long flags;					\
		struct mempool2_stats *own = figures_begin(ext, &flags);	 \
									\
		figure_add(own->figure, nr);				\
		figures_end(ext, flags);				\
	} while (0)

/* The same, if the pool has any, without looking twice. */
#define pool_stats_add(pool, figure, nr)				\
	do {								\
		struct mempool2_ext *ext;				\
									\
		if (!pool_is_instrumented(pool))			\
			break;						\
		ext = ext_with(pool, FEATURE_STATS);			\
		if (ext)						\
			stats_add(ext, figure, nr);			\
	} while (0)

static void figures_read(struct mempool2_figures *own, struct mempool2_stats *copy)
{
	const struct mempool2_stats *figures = &own->figures;
	unsigned long flags;
	unsigned int start;

	local_irq_save(flags);
	do {
		start = u64_stats_fetch_begin(&own->sync);
		copy->reserve_allocs = READ_ONCE(figures->reserve_allocs);
		copy->refills = READ_ONCE(figures->refills);
		copy->waits = READ_ONCE(figures->waits);
		copy->wait_ns = READ_ONCE(figures->wait_ns);
		copy->max_wait_ns = READ_ONCE(figures->max_wait_ns);
		copy->handovers = READ_ONCE(figures->handovers);
		copy->failed = READ_ONCE(figures->failed);
		copy->resizes = READ_ONCE(figures->resizes);
	} while (u64_stats_fetch_retry(&own->sync, start));
	local_irq_restore(flags);
}

static void statistics_sum(const struct mempool2_ext *ext,
			   struct mempool2_stats *sum)
{
	struct mempool2_stats one;
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		figures_read(per_cpu_ptr(ext->figures, cpu), &one);
		sum->reserve_allocs += one.reserve_allocs;
		sum->refills += one.refills;
		sum->waits += one.waits;
		sum->wait_ns += one.wait_ns;
		sum->max_wait_ns = max(sum->max_wait_ns, one.max_wait_ns);
		sum->handovers += one.handovers;
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

static int ext_enable_stats(struct mempool2_ext *ext, unsigned int on)
{
	struct mempool2_figures __percpu *figures;

	if (!on)
		return ext_switch(ext, ext->features & ~FEATURE_STATS);
	if (!ext->figures) {
		figures = figures_alloc();
		if (!figures)
			return -ENOMEM;
		/* Pairs with mempool2_get_stats(). */
		smp_store_release(&ext->figures, figures);
	}
	return ext_switch(ext, ext->features | FEATURE_STATS);
}

int mempool2_enable_stats(struct mempool2 *pool, bool on)
{
	if (misuse_uninit(pool))
		return -EINVAL;
	return pool_set(pool, ext_enable_stats, on);
}
EXPORT_SYMBOL_GPL(mempool2_enable_stats);

int mempool2_get_stats(struct mempool2 *pool, struct mempool2_stats *sum)
{
	struct mempool2_ext *ext;

	if (misuse_uninit(pool))
		return -EINVAL;
	ext = pool_ext(pool);
	/* Pairs with ext_enable_stats(). */
	if (!ext || !smp_load_acquire(&ext->figures))
		return -ENODATA;
	statistics_sum(ext, sum);
	return 0;
}
EXPORT_SYMBOL_GPL(mempool2_get_stats);

void mp2_debug_refill(struct mempool2 *pool, unsigned int nr)
{
	if (!nr)
		return;
	trace_mempool2_refill(pool, nr);
	pool_stats_add(pool, refills, nr);
}

/* With the lock of the wait queue held. */
void mp2_debug_handover(struct mempool2 *pool, const void *element)
{
	trace_mempool2_handover(pool, element, pool->nr_waiters);
	pool_stats_add(pool, handovers, 1);
}

void mp2_debug_failed(struct mempool2 *pool, unsigned long caller)
{
	trace_mempool2_alloc_failed(pool, caller);
	pool_stats_add(pool, failed, 1);
}

#include "mempool2_checks.c"
#include "mempool2_debugfs.c"
