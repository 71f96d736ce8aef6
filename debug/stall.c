// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiters as debugging sees them: listed, counted, and reported when they stall
 */
#include <linux/export.h>
#include <linux/hash.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "priv.h"
#include "trace.h"

/*
 * Report a task that is about to wait while it holds an element of @pool. The PID tells it from
 * an earlier task at its address.
 */

static void check_nested(struct mempool2 *pool)
{
	struct mempool2_record record;

	if (mp2_records_copy(pool_ext(pool), current, &record, 1) &&
	    record.pid == task_pid_nr(current))
		mp2_report_nested(pool, pool_ext(pool), &record);
}

/*
 * The waiters of all pools, hashed by the address of the pool, oldest first. A pool with
 * waiters stays in place, so debugging reaches pools through their waiters, and only through
 * them.
 */
#define WAITERS_BITS	6

static struct waiters_list {
	raw_spinlock_t		lock;
	struct list_head	waiters;	/* zeroed until the first waiter comes */
} waiters_lists[1 << WAITERS_BITS] = {
	[0 ... (1 << WAITERS_BITS) - 1] = {
		.lock = __RAW_SPIN_LOCK_UNLOCKED(waiters_lists.lock),
	},
};

static struct waiters_list *waiters_list(const struct mempool2 *pool)
{
	return &waiters_lists[hash_ptr(pool, WAITERS_BITS)];
}

static void waiters_list_add(struct mempool2_waiter *waiter)
{
	struct waiters_list *list = waiters_list(waiter->pool);
	unsigned long flags;

	raw_spin_lock_irqsave(&list->lock, flags);
	if (!list->waiters.next)
		INIT_LIST_HEAD(&list->waiters);
	list_add_tail(&waiter->listed, &list->waiters);
	raw_spin_unlock_irqrestore(&list->lock, flags);
}

static void waiters_list_del(struct mempool2_waiter *waiter)
{
	struct waiters_list *list = waiters_list(waiter->pool);
	unsigned long flags;

	raw_spin_lock_irqsave(&list->lock, flags);
	list_del(&waiter->listed);
	raw_spin_unlock_irqrestore(&list->lock, flags);
}

/* A walk through the waiters of one pool. */
struct waiters_look {
	bool			(*see)(struct waiters_look *look, struct mempool2_waiter *waiter);
	const struct mempool2	*pool;		/* its address, if it has waiters */
	const struct mempool2_reserve *reserve;	/* its reserve, not to be dereferenced */
	struct mempool2_waiter	cursor;
};

/*
 * Call look->see() for a batch of waiters behind the cursor, if they are of the pool and still
 * miss elements. Returns false at the end of the list, or if look->see() does. Called with
 * list->lock held.
 */
static bool waiters_see_batch(struct waiters_list *list, struct waiters_look *look)
{
	struct mempool2_waiter *cursor = &look->cursor, *waiter;
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		if (list_is_last(&cursor->listed, &list->waiters))
			return false;
		waiter = list_next_entry(cursor, listed);
		list_move(&cursor->listed, &waiter->listed);
		/* Cursors have no pool. */
		if (waiter->pool != look->pool || !READ_ONCE(waiter->nr_missing) ||
		    rcu_access_pointer(waiter->pool->reserve) != look->reserve)
			continue;
		if (!look->see(look, waiter))
			return false;
	}
	return true;
}

/*
 * Call look->see() for the waiters of the pool, oldest first. The lock is held for a batch at a
 * time.
 */
static void waiters_see(struct waiters_look *look)
{
	struct waiters_list *list = waiters_list(look->pool);
	unsigned long flags;
	bool more;

	look->cursor.pool = NULL;
	raw_spin_lock_irqsave(&list->lock, flags);
	if (look->pool && list->waiters.next) {
		list_add(&look->cursor.listed, &list->waiters);
		do {
			more = waiters_see_batch(list, look);
			raw_spin_unlock_irqrestore(&list->lock, flags);
			raw_spin_lock_irqsave(&list->lock, flags);
		} while (more);
		list_del(&look->cursor.listed);
	}
	raw_spin_unlock_irqrestore(&list->lock, flags);
}

/* Set up a walk through the waiters of the pool of @ext. Returns -ENODEV if it has ended. */
static int waiters_look_at(struct waiters_look *look, const struct mempool2_ext *ext)
{
	int err = -ENODEV;

	spin_lock_irq(&mp2_registry_lock);
	if (ext->reserve) {
		look->reserve = ext->reserve;
		look->pool = READ_ONCE(ext->reserve->pool);
		err = 0;
	}
	spin_unlock_irq(&mp2_registry_lock);
	return err;
}

/* @timeout: how long the caller sleeps at most, 0 for a request with a callback */
void mp2_debug_wait_begin(struct mempool2_waiter *waiter, unsigned long timeout)
{
	struct mempool2 *pool = waiter->pool;
	struct mempool2_reserve *reserve;

	waiter->since = ktime_get_ns();
	waiter->is_reported = false;
	waiter->task = waiter->callback ? NULL : current;
	trace_mempool2_wait_begin(pool, waiter->nr_missing, READ_ONCE(pool->nr_waiters),
				  waiter->caller);
	/*
	 * A pool with waiters stays in place. Do not write in vain: all CPUs read this cache
	 * line.
	 */
	rcu_read_lock_sched();
	reserve = rcu_dereference_sched(pool->reserve);
	if (READ_ONCE(reserve->pool) != pool)
		WRITE_ONCE(reserve->pool, pool);
	rcu_read_unlock_sched();
	waiters_list_add(waiter);
	if (timeout && pool_has(pool, FEATURE_CHECK_NESTED))
		check_nested(pool);
}

void mp2_debug_wait_end(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	struct mempool2_stats *own;
	struct mempool2_ext *ext;
	unsigned long flags;
	u64 ns = ktime_get_ns() - waiter->since;

	waiters_list_del(waiter);
	trace_mempool2_wait_end(pool, waiter->count, waiter->nr_missing, ns, waiter->caller);
	if (!pool_is_instrumented(pool))
		return;
	ext = ext_with(pool, FEATURE_STATS);
	if (!ext)
		return;
	own = figures_begin(ext, &flags);
	figure_add(own->waits, 1);
	figure_add(own->wait_ns, ns);
	if (ns > own->max_wait_ns)
		WRITE_ONCE(own->max_wait_ns, ns);
	figures_end(ext, flags);
}

struct waiters_count {
	struct waiters_look	look;
	int			nr;
};

static bool waiter_count(struct waiters_look *look, struct mempool2_waiter *waiter)
{
	struct waiters_count *count = container_of(look, struct waiters_count, look);

	/* The first waiter leads to the pool, which has the number. */
	count->nr = READ_ONCE(waiter->pool->nr_waiters);
	return false;
}

int mp2_waiters_count(const struct mempool2_ext *ext)
{
	struct waiters_count count = { .look.see = waiter_count };

	if (!waiters_look_at(&count.look, ext))
		waiters_see(&count.look);
	return count.nr;
}

/* Called with the lock of the list held: a waiter and its task stay while the waiter is listed. */
static void waiter_snapshot(const struct mempool2_waiter *waiter, u64 now,
			    struct waiter_snapshot *view)
{
	view->pid = waiter->task ? task_pid_nr(waiter->task) : 0;
	/*
	 * Not get_task_comm(): on older kernels it takes task_lock(), which interrupts may not
	 * take.
	 */
	if (waiter->task)
		mp2_word_copy(view->comm, waiter->task->comm, TASK_COMM_LEN);
	view->callback = waiter->callback;
	view->caller = waiter->caller;
	view->ns = now - waiter->since;
	view->missing = READ_ONCE(waiter->nr_missing);
}

/*
 * The name of the task or callback, as a word. Looking up a symbol takes long, so this is not
 * done when the waiter is copied.
 */
const char *mp2_waiter_name(struct waiter_snapshot *view)
{
	char place[96];

	if (view->callback) {
		scnprintf(place, sizeof(place), "%ps", view->callback);
		mp2_place_name(view->comm, place, TASK_COMM_LEN);
	}
	return view->comm;
}

struct waiters_copy {
	struct waiters_look	look;
	u64			now;
	struct waiter_snapshot	*views;
	unsigned int		nr;
	unsigned int		max;
};

static bool waiter_copy(struct waiters_look *look, struct mempool2_waiter *waiter)
{
	struct waiters_copy *copy = container_of(look, struct waiters_copy, look);

	waiter_snapshot(waiter, copy->now, &copy->views[copy->nr++]);
	return copy->nr < copy->max;
}

/* Copy up to @max waiters, oldest first. Returns how many. */
unsigned int mp2_waiters_copy(const struct mempool2_ext *ext, struct waiter_snapshot *views,
			      unsigned int max)
{
	struct waiters_copy copy = {
		.look.see = waiter_copy,
		.now = ktime_get_ns(),
		.views = views,
		.max = max,
	};

	if (!waiters_look_at(&copy.look, ext))
		waiters_see(&copy.look);
	return copy.nr;
}

/*
 * Stalls
 */

/*
 * Snapshot of a pool with stalled waiters. All of it is copied before the report, as long work
 * must not be done under report_lock.
 */
struct stall_snapshot {
	struct waiters_look	look;
	u64			now;
	u64			ns;		/* timeout of the pool */
	char			name[MEMPOOL2_NAME_LEN];
	struct waiter_snapshot	waiters[NAMED];
	struct mempool2_record	holders[NAMED];
	unsigned int		nr_waiters;
	unsigned int		nr_holders;
	int			nr_waiting;
	int			min_nr;
	bool			has_records;
};

static bool waiter_is_stalled(const struct stall_snapshot *view,
			      const struct mempool2_waiter *waiter)
{
	return !waiter->is_reported && (s64)(view->now - waiter->since) >= (s64)view->ns;
}

static bool stall_seek(struct waiters_look *look, struct mempool2_waiter *waiter)
{
	struct stall_snapshot *view = container_of(look, struct stall_snapshot, look);

	view->nr_waiters += waiter_is_stalled(view, waiter);
	return !view->nr_waiters;
}

static bool stalls_copy(struct waiters_look *look, struct mempool2_waiter *waiter)
{
	struct stall_snapshot *view = container_of(look, struct stall_snapshot, look);

	view->nr_waiting = READ_ONCE(waiter->pool->nr_waiters);
	if (!waiter_is_stalled(view, waiter))
		return true;
	waiter->is_reported = true;
	if (view->nr_waiters < NAMED)
		waiter_snapshot(waiter, view->now, &view->waiters[view->nr_waiters]);
	view->nr_waiters++;
	return true;
}

/*
 * Returns true if the pool has newly stalled waiters and they may be reported now. The report
 * names up to NAMED of them and counts the rest.
 */
static bool stall_scan(struct mempool2_ext *ext, struct stall_snapshot *view)
{
	memset(view, 0, sizeof(*view));
	view->now = ktime_get_ns();
	view->ns = (u64)READ_ONCE(ext->stall_timeout) * NSEC_PER_SEC;
	view->look.see = stall_seek;
	if (waiters_look_at(&view->look, ext))
		return false;
	waiters_see(&view->look);
	if (!view->nr_waiters || !mp2_may_report(ext))
		return false;
	view->nr_waiters = 0;
	view->look.see = stalls_copy;
	waiters_see(&view->look);

	spin_lock_irq(&mp2_registry_lock);
	if (ext->reserve) {
		mp2_reserve_name(ext->reserve, view->name);
		view->min_nr = ext->reserve->min_nr;
	} else {
		view->nr_waiters = 0;
	}
	spin_unlock_irq(&mp2_registry_lock);
	view->has_records = ext_features(ext) & FEATURE_RECORDS;
	view->nr_holders = mp2_records_copy(ext, NULL, view->holders, NAMED);
	return view->nr_waiters;
}

/*
 * The next ext with FEATURE_STALL on, which goes to the end of the list; %NULL if there is
 * none. The mutex keeps it from being freed.
 */
static struct mempool2_ext *stall_next(void)
{
	struct mempool2_ext *ext;

	lockdep_assert_held(&mp2_features_mutex);
	spin_lock_irq(&mp2_registry_lock);
	ext = list_first_entry_or_null(&mp2_stalled_exts, struct mempool2_ext, stalled);
	if (ext)
		list_move_tail(&ext->stalled, &mp2_stalled_exts);
	spin_unlock_irq(&mp2_registry_lock);
	return ext;
}

static void report_stall(struct stall_snapshot *view)
{
	unsigned long flags = mp2_report_begin("waiter stalled", view->name);
	struct waiter_snapshot *waiter;
	unsigned int i;

	report_line("%d wait, for a pool of %d\n", view->nr_waiting, view->min_nr);
	for (i = 0; i < min_t(unsigned int, view->nr_waiters, NAMED); i++) {
		waiter = &view->waiters[i];
		report_line("task %s/%d has waited %llu ms for %u, in %pS\n",
			    mp2_waiter_name(waiter), waiter->pid,
			    div_u64(waiter->ns, NSEC_PER_MSEC), waiter->missing,
			    (void *)waiter->caller);
	}
	if (view->nr_waiters > NAMED)
		report_line("and so have %u more\n", view->nr_waiters - NAMED);
	if (!view->has_records)
		report_line("the holders are not known: switch checks on\n");
	mp2_report_holders(view->holders, view->nr_holders);
	mp2_report_end(flags, "waiter stalled");
}

static unsigned int nr_stalled(void)
{
	unsigned int nr;

	spin_lock_irq(&mp2_registry_lock);
	nr = mp2_nr_stalls;
	spin_unlock_irq(&mp2_registry_lock);
	return nr;
}

static void stall_watch(struct work_struct *work);
static DECLARE_DELAYED_WORK(stall_work, stall_watch);

static void stall_watch(struct work_struct *work)
{
	struct stall_snapshot *view = kmalloc(sizeof(*view), GFP_KERNEL | __GFP_NOWARN);
	struct mempool2_ext *ext;
	unsigned int nr;
	bool found;

	for (nr = view ? nr_stalled() : 0; nr; nr--) {
		mutex_lock(&mp2_features_mutex);
		ext = stall_next();
		found = ext && stall_scan(ext, view);
		mutex_unlock(&mp2_features_mutex);
		if (found)
			report_stall(view);
	}
	kfree(view);
	if (nr_stalled())
		schedule_delayed_work(&stall_work, HZ);
}

void mp2_stall_schedule(void)
{
	schedule_delayed_work(&stall_work, HZ);
}

void mp2_stall_cancel(void)
{
	cancel_delayed_work_sync(&stall_work);
}

int mp2_ext_set_stall_timeout(struct mempool2_ext *ext, unsigned int seconds)
{
	if (!seconds)
		return mp2_ext_switch(ext, ext->features & ~FEATURE_STALL);
	WRITE_ONCE(ext->stall_timeout, seconds);
	return mp2_ext_switch(ext, ext->features | FEATURE_STALL);
}

int mempool2_set_stall_timeout(struct mempool2 *pool, unsigned int seconds)
{
	if (misuse_uninit(pool) ||
	    misuse_once(seconds > STALL_TIMEOUT_MAX, "%u s is more than a day", seconds))
		return -EINVAL;
	return mp2_pool_set(pool, mp2_ext_set_stall_timeout, seconds);
}
EXPORT_SYMBOL_GPL(mempool2_set_stall_timeout);
