// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests, and who calls their functions
 *
 * A waiter may have a function, which is called when it has all its elements: not
 * under the lock, of course. Until then it can be cancelled. Of the two one comes
 * first, by compare and exchange of the waiter's state.
 *
 * What is left to be done for such waiters are the CPU's errands. Whoever serves
 * some does them at once, unless the CPU is at it already: a function that frees
 * an element serves the next waiter, but does not call the next function, or there
 * would be no end to the stack. Nor is there an end to functions that free and request
 * again, so what is more than a batch is left to a thread. Whoever may have locks that a
 * function wants too lets an interrupt do them.
 *
 * PREEMPT_RT: they are always done by a thread. There too the queue is joined and left
 * for those who may not lock it.
 */
#include <linux/atomic.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "internal.h"

/**
 * struct completions - what a CPU has to do for waiters with functions
 *
 * @list: of waiters, the youngest first
 * @todo: those that were taken off @list and not done yet, the oldest first
 * @running: somebody does them
 * @called: the waiter whose function is being called
 *
 * @todo belongs to the context that has set @running.
 */
struct completions {
	struct llist_head	list;
	struct llist_node	*todo;
	int			running;
	struct mempool2_waiter	*called;
};

/**
 * struct deferred_completions - those that are left to others
 *
 * @completions: the errands
 * @irq_work: does them in an interrupt
 * @work: does them in a thread, when they are too many for that
 */
struct deferred_completions {
	struct completions		completions;
	struct irq_work		irq_work;
	struct work_struct	work;
};

/*
 * Those of a call that does them at once, and those that are left to others. They must not be
 * mixed: what a request leaves to others, as its caller may have locks that functions want,
 * is not for the next free, whose caller may have them as well.
 *
 * All zeroes until mp2_completions_init(): before 7.x the addresses in a module's per-CPU data are
 * not relocated, so no static initializer may have one.
 */
static DEFINE_PER_CPU(struct completions, cpu_completions);
static DEFINE_PER_CPU(struct deferred_completions, cpu_late);

/* The task that is calling functions. */
DEFINE_PER_CPU(struct task_struct *, mp2_callback_task);

/* Does what may not be done at once, also when there is no memory for another thread. */
static struct workqueue_struct *completions_wq __read_mostly;

/* From now on the waiter may be used again, or freed. */
static void waiter_set_idle(struct mempool2_waiter *waiter)
{
	/* Pairs with waiter_is_idle(). */
	smp_store_release(&waiter->state, WAITER_IDLE);
}

/*
 * The wake function of a waiter with a function. One that was cancelled a moment ago
 * collects as well, and whoever cancelled it will pass on what that is. A bare
 * wake_up() is for somebody who can look for memory.
 */
int mp2_async_wake(struct wait_queue_entry *entry, unsigned int mode,
		   int flags, void *key)
{
	struct mempool2_waiter *waiter = container_of(entry, struct mempool2_waiter, entry);
	struct handover *hand = key;

	if (!(flags & WAKE_HANDOVER))
		return 0;
	mp2_waiter_give(waiter, hand->element);
	hand->element = NULL;
	if (waiter->nr_missing)
		return 1;
	/* Once it is off the queue it belongs to whoever comes first now. */
	mp2_waiter_leave(waiter);
	if (cmpxchg(&waiter->state, WAITER_QUEUED, WAITER_SERVED) == WAITER_QUEUED &&
	    !mp2_retry_end(waiter, false))
		llist_add(&waiter->completion, hand->completed);
	return 1;
}

/*
 * Join the queue, unless the waiter is cancelled before: then false. @hand is for
 * what comes then.
 */
static bool async_enqueue(struct mempool2_waiter *waiter, struct handover *hand)
{
	struct mempool2 *pool = waiter->pool;
	bool queued, more = false;
	unsigned long flags;

	spin_lock_irqsave(&pool->wait.lock, flags);
	queued = cmpxchg(&waiter->state, WAITER_SUBMITTED, WAITER_QUEUED) == WAITER_SUBMITTED;
	if (queued)
		more = mp2_waiter_queue(waiter, hand);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	if (unlikely(more))
		mp2_waiters_serve(pool, hand->completed);
	return queued;
}

/* Nobody will call its function: leave the queue, and let go what it has collected. */
static void async_abort(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;

	spin_lock_irqsave(&pool->wait.lock, flags);
	if (!list_empty(&waiter->entry.entry))
		mp2_waiter_leave(waiter);
	mp2_retry_end(waiter, true);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	mp2_debug_wait_end(waiter);
	limit_freed(pool, waiter->count - waiter->nr_missing);
	mp2_pool_free_elems(pool, waiter->elems, waiter->count - waiter->nr_missing, false);
	waiter_set_idle(waiter);
}

/* It has all its elements: tell those who look at waits. */
static void async_complete(struct mempool2_waiter *waiter)
{
	mp2_debug_wait_end(waiter);
	mp2_waiter_got_elems(waiter->pool, waiter->elems, waiter->count);
}

static void callback_call(struct completions *completions, struct mempool2_waiter *waiter)
{
	mempool2_callback_t *callback = waiter->callback;
	void **elems = waiter->elems, *element;

	async_complete(waiter);
	/* Where a single one goes the next one may come before the function has looked. */
	if (elems == &waiter->element) {
		element = waiter->element;
		elems = &element;
	}
	/* Before the waiter is idle: callback_may_run() looks in the reverse order. */
	WRITE_ONCE(completions->called, waiter);
	waiter_set_idle(waiter);
	callback(waiter, elems);
	/* Pairs with callback_may_run(): the function has returned. */
	smp_store_release(&completions->called, NULL);
}

static void completion_run(struct completions *completions, struct mempool2_waiter *waiter)
{
	struct llist_head completed = {};
	struct handover hand = { .completed = &completed };

	if (READ_ONCE(waiter->state) == WAITER_SERVED)
		callback_call(completions, waiter);
	else if (READ_ONCE(waiter->state) == WAITER_SUBMITTED && async_enqueue(waiter, &hand))
		mp2_callbacks_run(&completed);
	else
		async_abort(waiter);
}

/* The oldest errand, %NULL if there is none. */
static struct mempool2_waiter *completions_next(struct completions *completions)
{
	struct llist_node *node = completions->todo;

	if (!node)
		node = llist_reverse_order(llist_del_all(&completions->list));
	if (!node)
		return NULL;
	completions->todo = node->next;
	return llist_entry(node, struct mempool2_waiter, completion);
}

static void completion_defer(struct mempool2_waiter *waiter);

/*
 * Do errands, unless somebody is at it already, who then does the new ones too: but no more
 * than a batch, as functions that free and request again would keep the caller for ever.
 * What is more is left to others, for later. If it is later already the answer is true, and
 * some are left.
 */
static bool completions_run(struct completions *completions, bool is_late)
{
	struct mempool2_waiter *waiter;
	struct task_struct *before;
	int nr = 0;

	do {
		/* A full barrier after an errand was added. Pairs with the one below. */
		if (xchg(&completions->running, 1))
			return false;
		before = this_cpu_read(mp2_callback_task);
		if (in_task())
			this_cpu_write(mp2_callback_task, current);
		for (; nr < BATCH && (waiter = completions_next(completions)); nr++)
			completion_run(completions, waiter);
		while (nr == BATCH && !is_late && (waiter = completions_next(completions)))
			completion_defer(waiter);
		if (in_task())
			this_cpu_write(mp2_callback_task, before);
		/*
		 * A full barrier before we look at the list again: the context that adds an
		 * errand and still sees @running is seen by us.
		 */
		xchg(&completions->running, 0);
		if (nr == BATCH && is_late)
			return true;
	} while (!llist_empty(&completions->list));
	return false;
}

/* The thread goes on with the rest. */
static void late_run(struct deferred_completions *late)
{
	if (completions_run(&late->completions, true))
		queue_work(completions_wq, &late->work);
}

static void late_irq_work(struct irq_work *irq_work)
{
	late_run(container_of(irq_work, struct deferred_completions, irq_work));
}

static void late_work(struct work_struct *work)
{
	/* Functions are called as elsewhere; on PREEMPT_RT they may take locks that sleep. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_disable();
	else
		preempt_disable();
	late_run(container_of(work, struct deferred_completions, work));
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_enable();
	else
		preempt_enable();
}

/*
 * An errand for this CPU, which an interrupt will do; on PREEMPT_RT, a thread. That is a
 * thread of a workqueue, not the CPU's own for such work, which does nothing any more while
 * its CPU goes down.
 */
static void completion_defer(struct mempool2_waiter *waiter)
{
	struct deferred_completions *late;

	preempt_disable();
	late = this_cpu_ptr(&cpu_late);
	llist_add(&waiter->completion, &late->completions.list);
	/*
	 * The context that does them sees it, as llist_add() is a full barrier: see
	 * completions_run(). To ask for another interrupt for it would have no end, where a
	 * function that is called late leaves one. And before there is a workqueue it stays in
	 * the list, see mp2_completions_init().
	 */
	if (!READ_ONCE(late->completions.running) && likely(completions_wq)) {
		if (IS_ENABLED(CONFIG_PREEMPT_RT))
			queue_work(completions_wq, &late->work);
		else
			irq_work_queue(&late->irq_work);
	}
	preempt_enable();
}

/* All from the oldest one on, each with its own stretch of disabled preemption. */
static void completions_defer(struct llist_node *oldest)
{
	struct mempool2_waiter *waiter, *next;

	llist_for_each_entry_safe(waiter, next, oldest, completion)
		completion_defer(waiter);
}

void mp2_callbacks_defer(struct llist_head *completed)
{
	completions_defer(llist_reverse_order(completed->first));
}

/*
 * To be called by a call that has served waiters, with the rcu_read_lock() from then on.
 * The functions may be called here, so nothing of the pool may be touched after it.
 */
void mp2_callbacks_run(struct llist_head *completed)
{
	struct llist_node *oldest, *next;
	int nr = 0;

	if (likely(llist_empty(completed)))
		return;
	oldest = llist_reverse_order(completed->first);
	preempt_disable();
	/* In a function that is called late its CPU goes on with these when it has returned. */
	if (!IS_ENABLED(CONFIG_PREEMPT_RT) && !this_cpu_read(cpu_late.completions.running)) {
		for (; oldest && nr < BATCH; oldest = next, nr++) {
			next = oldest->next;
			llist_add(oldest, &this_cpu_ptr(&cpu_completions)->list);
		}
		completions_run(this_cpu_ptr(&cpu_completions), false);
	}
	preempt_enable();
	completions_defer(oldest);
}

/*
 * Is the waiter's function going to be called, or running? Or is the waiter cancelled and still in
 * a list? Not if it waits, which it does only if somebody has made a new request with it.
 */
static bool callback_may_run(const struct mempool2_waiter *waiter)
{
	/* Pairs with waiter_set_idle(): the waiter that is idle is seen in @called below. */
	int cpu, state = smp_load_acquire(&waiter->state);

	if (state == WAITER_SERVED || state == WAITER_CANCELLED)
		return true;
	for_each_possible_cpu(cpu) {
		/* These pair with callback_call(). */
		if (smp_load_acquire(&per_cpu_ptr(&cpu_completions, cpu)->called) == waiter ||
		    smp_load_acquire(&per_cpu_ptr(&cpu_late, cpu)->completions.called) == waiter)
			return true;
	}
	return false;
}

/*
 * Until the errands are done that were left to interrupts and threads, or a batch of them on each
 * CPU. Sleeps, and is not to be called by a function.
 */
static void completions_sync(void)
{
	static DEFINE_MUTEX(mutex);
	struct deferred_completions *late;
	int cpu;

	/* Where irq_work_sync() sleeps only one at a time may. */
	mutex_lock(&mutex);
	for_each_possible_cpu(cpu) {
		late = per_cpu_ptr(&cpu_late, cpu);
		/* Before there is a workqueue nobody else does them. */
		if (!completions_wq) {
			preempt_disable();
			completions_run(&late->completions, true);
			preempt_enable();
			continue;
		}
		irq_work_sync(&late->irq_work);
		/* Last: the interrupt may have left some of them to it. */
		flush_work(&late->work);
	}
	mutex_unlock(&mutex);
}

/*
 * PREEMPT_RT: a pool with waiters for whom somebody put an element who may not lock the
 * queue is left to a thread of the workqueue. It is in the list at most once.
 */
#ifdef CONFIG_PREEMPT_RT
static LLIST_HEAD(deferred_pools);

static void deferred_pools_serve(struct work_struct *work)
{
	struct mempool2 *pool, *next;

	llist_for_each_entry_safe(pool, next, llist_del_all(&deferred_pools), deferred) {
		/* Pairs with mp2_waiters_serve_later(). */
		xchg(&pool->is_deferred, false);
		mp2_waiters_serve_and_run(pool);
	}
}

static DECLARE_WORK(pools_work, deferred_pools_serve);

static void pools_kick(void)
{
	/* Before there is a workqueue they stay in the list, see mp2_completions_init(). */
	if (likely(completions_wq))
		queue_work(completions_wq, &pools_work);
}

void mp2_waiters_serve_later(struct mempool2 *pool)
{
	/* Pairs with deferred_pools_serve(), which sees what was put if the pool is in the list. */
	if (xchg(&pool->is_deferred, true))
		return;
	llist_add(&pool->deferred, &deferred_pools);
	pools_kick();
}

void mp2_irq_works_sync(void)
{
	/* Before there is a workqueue nobody else serves them. */
	if (likely(completions_wq))
		flush_work(&pools_work);
	else
		deferred_pools_serve(NULL);
}
#else
static void pools_kick(void) {}
void mp2_waiters_serve_later(struct mempool2 *pool) {}
void mp2_irq_works_sync(void) {}
#endif

int __init mp2_completions_init(void)
{
	struct deferred_completions *late;
	int cpu;

	for_each_possible_cpu(cpu) {
		late = per_cpu_ptr(&cpu_late, cpu);
		init_irq_work(&late->irq_work, late_irq_work);
		INIT_WORK(&late->work, late_work);
	}
	completions_wq = alloc_workqueue("mempool2", MEMPOOL2_WQ_PERCPU | WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	if (!completions_wq)
		return -ENOMEM;
	/*
	 * Built in, pools may have been in use before. Pairs with llist_add(): what was left
	 * by somebody who does not see the workqueue is seen here.
	 */
	smp_mb();
	for_each_possible_cpu(cpu) {
		late = per_cpu_ptr(&cpu_late, cpu);
		if (!llist_empty(&late->completions.list))
			queue_work(completions_wq, &late->work);
	}
	pools_kick();
	return 0;
}

void __exit mp2_completions_exit(void)
{
	completions_sync();
	mp2_irq_works_sync();
	destroy_workqueue(completions_wq);
}

/*
 * Requests
 */

/*
 * What a retrier may do for a caller with the mask @gfp: no more than that, and no more than
 * the task may, which is not the one that asks.
 */
static gfp_t retry_gfp(gfp_t gfp)
{
	if (!(gfp & __GFP_DIRECT_RECLAIM))
		return gfp;
	if (current->flags & PF_MEMALLOC)
		gfp &= ~__GFP_DIRECT_RECLAIM;
	return current_gfp_context(gfp);
}

/*
 * Request what is missing of @count elements, of which @nr_missing are. 0 if they
 * are there already, and the function is not called.
 */
int mp2_async_submit(struct mempool2 *pool, gfp_t gfp, struct mempool2_waiter *waiter,
		     void **elems, unsigned int count, unsigned int nr_missing,
		     unsigned long caller)
{
	struct llist_head completed = {};
	struct handover hand = { .completed = &completed };
	int err = -EINPROGRESS;

	init_waitqueue_func_entry(&waiter->entry, mp2_async_wake);
	INIT_LIST_HEAD(&waiter->entry.entry);
	waiter->pool = pool;
	waiter->elems = elems;
	waiter->count = count;
	waiter->nr_missing = nr_missing;
	waiter->caller = caller;
	waiter->gfp = retry_gfp(gfp);
	waiter->pause = 0;
	INIT_HLIST_NODE(&waiter->retry);
	mp2_debug_wait_begin(waiter, 0);
	WRITE_ONCE(waiter->state, WAITER_SUBMITTED);
	if (!can_lock_waitq()) {
		completion_defer(waiter);
		return err;
	}

	rcu_read_lock();
	async_enqueue(waiter, &hand);
	/* Ours came last, if it did, and stands first. */
	if (!llist_empty(&completed) && completed.first == &waiter->completion) {
		completed.first = waiter->completion.next;
		async_complete(waiter);
		waiter_set_idle(waiter);
		err = 0;
	}
	/* The caller may have locks that the others' functions want. */
	mp2_callbacks_defer(&completed);
	rcu_read_unlock();
	return err;
}

bool mempool2_cancel(struct mempool2_waiter *waiter)
{
	int state = READ_ONCE(waiter->state);

	do {
		if (state != WAITER_QUEUED && state != WAITER_SUBMITTED)
			return false;
	} while (!try_cmpxchg(&waiter->state, &state, WAITER_CANCELLED));

	/* One that is on its way is dropped by whoever was to queue it. */
	if (state == WAITER_QUEUED) {
		if (can_lock_waitq())
			async_abort(waiter);
		else
			completion_defer(waiter);
	}
	return true;
}
EXPORT_SYMBOL_GPL(mempool2_cancel);

bool mempool2_cancel_sync(struct mempool2_waiter *waiter)
{
	bool cancelled = mempool2_cancel(waiter);

	might_sleep();
	/* What is idle and not being called costs nothing, however many waiters there are. */
	while ((!cancelled || IS_ENABLED(CONFIG_PREEMPT_RT)) && callback_may_run(waiter)) {
		/* A retrier that asks for it calls the function when it has come back. */
		mp2_retry_sync(waiter);
		/* Pairs with the rcu_read_lock() of who serves, up to the function's end ... */
		synchronize_rcu();
		/* ... or until it is left to these, which do a batch at a time. */
		completions_sync();
	}
	/* Nor is the pool used for it. */
	mp2_retry_sync(waiter);
	return cancelled;
}
EXPORT_SYMBOL_GPL(mempool2_cancel_sync);
