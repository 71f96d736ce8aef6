// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests, and the contexts that run their callbacks
 *
 * A request is a waiter with a callback instead of a task. The callback runs when the request has
 * all its elements, after pool->wait.lock was dropped. Until then the request can be cancelled: a
 * cmpxchg() of the waiter's state decides which comes first.
 *
 * A completion is a request for which work is pending: a callback to run, or a queue to join or to
 * leave. Completions are in per-CPU lists. A CPU that serves requests runs their callbacks at once,
 * unless it is running callbacks already: a callback that frees an element serves the next request
 * and leaves that request's callback to its own caller, so that callbacks never nest. Callbacks
 * that free and request again would run for ever, so what exceeds a batch is deferred to an
 * irq_work, and what exceeds a batch there to a thread of a workqueue. A call that asks for
 * elements and does not wait, or cancels a request, defers all callbacks, because its caller may
 * hold locks that the callbacks take; a task that waits runs them.
 *
 * On PREEMPT_RT a thread runs all callbacks. A thread also queues and dequeues requests for callers
 * that may not take pool->wait.lock there, which is a sleeping lock.
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
 * struct completions - pending completions of a CPU
 *
 * @list: the completions, youngest first
 * @todo: completions that were taken off @list and have not run yet, oldest first
 * @running: a context is running completions
 * @called: the waiter of which the callback is running
 *
 * The context that has set @running owns @todo.
 */
struct completions {
	struct llist_head	list;
	struct llist_node	*todo;
	int			running;
	struct mempool2_waiter	*called;
};

/**
 * struct deferred_completions - completions that an interrupt or a thread runs
 *
 * @completions: the completions
 * @irq_work: runs a batch of them in an interrupt
 * @work: runs the rest in a thread; on PREEMPT_RT, all of them
 */
struct deferred_completions {
	struct completions		completions;
	struct irq_work		irq_work;
	struct work_struct	work;
};

/*
 * Completions that a call runs itself, and those that are deferred. Two lists: the next free must
 * not run a deferred callback, as the caller of that free may hold a lock that the callback takes.
 *
 * All zeros until mp2_completions_init(): before 7.x the kernel does not relocate addresses in the
 * per-CPU data of a module, so a static initializer cannot have one.
 */
static DEFINE_PER_CPU(struct completions, cpu_completions);
static DEFINE_PER_CPU(struct deferred_completions, cpu_late);

/*
 * The deferred completions that are running on this CPU: its own, or those of a CPU that was taken
 * away. Not on PREEMPT_RT, where a callback never calls another one.
 */
static DEFINE_PER_CPU(struct deferred_completions *, cpu_late_running);

/* The task that runs callbacks on this CPU. */
DEFINE_PER_CPU(struct task_struct *, mp2_callback_task);

/* Runs deferred completions. It has a rescuer, as memory for another thread may be missing. */
static struct workqueue_struct *completions_wq __read_mostly;

/* The owner of the waiter may reuse or free it after this. */
static void waiter_set_idle(struct mempool2_waiter *waiter)
{
	/*
	 * Pairs with waiter_is_idle() (dropped-and-used) and callback_may_run() (idle-or-called).
	 */
	smp_store_release(&waiter->state, WAITER_IDLE);
}

/*
 * The wake function of a request, under pool->wait.lock. A request that is cancelled and not yet
 * dequeued still takes elements; async_abort() returns them to the pool. A wake_up() by other code
 * passes over a request, which cannot call the alloc function.
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
	/* Off the queue. Now served or cancelled: see mempool2_cancel() (cancelled-or-served). */
	mp2_waiter_leave(waiter);
	if (cmpxchg(&waiter->state, WAITER_QUEUED, WAITER_SERVED) == WAITER_QUEUED &&
	    !mp2_retry_end(waiter, false))
		llist_add(&waiter->completion, hand->completed);
	return 1;
}

/*
 * Queue a request and serve the queue from the reserve. False if the request was cancelled before.
 * If it was served at once, and @is_served is not NULL, that is set and the callback does not run.
 */
static bool async_enqueue(struct mempool2_waiter *waiter, struct handover *hand, bool *is_served)
{
	struct mempool2 *pool = waiter->pool;
	bool queued, more = false;
	unsigned long flags;

	waitq_lock_irqsave(pool, flags);
	queued = cmpxchg(&waiter->state, WAITER_SUBMITTED, WAITER_QUEUED) == WAITER_SUBMITTED;
	if (queued)
		more = mp2_waiter_queue(waiter, hand);
	/*
	 * The thread of PREEMPT_RT must not use the pool after this: the request may be served, and
	 * the pool end, meanwhile. mempool2_exit() waits for what is done later.
	 */
	if (more && IS_ENABLED(CONFIG_PREEMPT_RT)) {
		mp2_waiters_serve_later(pool);
		more = false;
	}
	waitq_unlock_irqrestore(pool, flags);
	/*
	 * If it was served, it was served last and is the first of the list. Not later: meanwhile
	 * its callback may run on another CPU, and the next request of the waiter be served here.
	 */
	if (is_served && hand->completed->first == &waiter->completion) {
		hand->completed->first = waiter->completion.next;
		*is_served = true;
	}
	if (unlikely(more))
		mp2_waiters_serve(pool, hand->completed);
	return queued;
}

/*
 * A cancelled request: take it off the queue and free the elements that it has collected. The
 * callbacks of other requests are deferred: the caller of mempool2_cancel() may hold locks that
 * they take.
 */
static void async_abort(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;

	waitq_lock_irqsave(pool, flags);
	if (!list_empty(&waiter->entry.entry))
		mp2_waiter_leave(waiter);
	mp2_retry_end(waiter, true);
	waitq_unlock_irqrestore(pool, flags);
	mp2_debug_wait_end(waiter);
	limit_freed(pool, waiter->count - waiter->nr_missing);
	mp2_pool_free_elems(pool, waiter->elems, waiter->count - waiter->nr_missing, true);
	waiter_set_idle(waiter);
}

/* A request has all its elements: end its wait for statistics, events and checks. */
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
	/*
	 * A new request of this waiter could overwrite waiter->element before the callback reads
	 * it.
	 */
	if (elems == &waiter->element) {
		element = waiter->element;
		elems = &element;
	}
	/* Before the state: callback_may_run() reads them in the reverse order (idle-or-called). */
	WRITE_ONCE(completions->called, waiter);
	waiter_set_idle(waiter);
	mempool2_not_rt_begin();
	callback(waiter, elems);
	mempool2_not_rt_end();
	/* The callback has returned. Pairs with callback_may_run() (idle-or-called). */
	smp_store_release(&completions->called, NULL);
}

static void completion_run(struct completions *completions, struct mempool2_waiter *waiter)
{
	struct llist_head completed = {};
	struct handover hand = { .completed = &completed };

	if (READ_ONCE(waiter->state) == WAITER_SERVED)
		callback_call(completions, waiter);
	else if (READ_ONCE(waiter->state) == WAITER_SUBMITTED &&
		 async_enqueue(waiter, &hand, NULL))
		mp2_callbacks_run(&completed);
	else
		async_abort(waiter);
}

/* The oldest completion, %NULL if there is none. */
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

/* Run completions until @nr, which counts them, is a batch. The caller has set @running. */
static int completions_run(struct completions *completions, int nr)
{
	struct task_struct *before = this_cpu_read(mp2_callback_task);
	struct mempool2_waiter *waiter;

	if (in_task())
		this_cpu_write(mp2_callback_task, current);
	for (; nr < BATCH && (waiter = completions_next(completions)); nr++)
		completion_run(completions, waiter);
	if (in_task())
		this_cpu_write(mp2_callback_task, before);
	return nr;
}

/*
 * Run completions of this CPU. The caller has set @running. Callbacks that free and request again
 * would keep the caller for ever, so what exceeds a batch is deferred.
 */
static void completions_run_own(struct completions *completions)
{
	struct mempool2_waiter *waiter;
	unsigned long flags;
	int nr = 0;
	bool more;

	do {
		nr = completions_run(completions, nr);
		while (nr == BATCH && (waiter = completions_next(completions)))
			completion_defer(waiter);
		/*
		 * While the list has completions @running is set. An interrupt that frees elements
		 * would run them otherwise, and its handler may hold a lock that the callbacks
		 * take. No other CPU uses this list.
		 */
		local_irq_save(flags);
		more = !llist_empty(&completions->list);
		WRITE_ONCE(completions->running, more);
		local_irq_restore(flags);
	} while (more);
}

/*
 * Run a batch of deferred completions, unless another context is running them: that context runs
 * the new ones too. True if there are more.
 */
static bool completions_run_late(struct completions *completions)
{
	int nr = 0;

	do {
		/*
		 * A full barrier after llist_add(). Pairs with the xchg() below
		 * (completion-or-running).
		 */
		if (xchg(&completions->running, 1))
			return false;
		nr = completions_run(completions, nr);
		/*
		 * A full barrier before the list is read again: either this context sees a new
		 * completion, or the context that adds it sees @running clear. Pairs with
		 * llist_add() in completion_defer() (completion-or-running).
		 */
		xchg(&completions->running, 0);
		if (nr == BATCH)
			return true;
	} while (!llist_empty(&completions->list));
	return false;
}

/* Run a batch of deferred completions, with preemption disabled. True if there are more. */
static bool late_run_batch(struct deferred_completions *late)
{
	struct deferred_completions *before;
	bool more;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return completions_run_late(&late->completions);
	before = this_cpu_read(cpu_late_running);
	this_cpu_write(cpu_late_running, late);
	more = completions_run_late(&late->completions);
	this_cpu_write(cpu_late_running, before);
	return more;
}

/* Run deferred completions; leave what exceeds a batch to the thread. */
static void late_run(struct deferred_completions *late)
{
	if (late_run_batch(late))
		queue_work(completions_wq, &late->work);
}

static void late_irq_work(struct irq_work *irq_work)
{
	late_run(container_of(irq_work, struct deferred_completions, irq_work));
}

/* A callback runs with preemption disabled; on PREEMPT_RT it may take sleeping locks. */
static void callbacks_disable_preempt(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_disable();
	else
		preempt_disable();
}

static void callbacks_enable_preempt(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_enable();
	else
		preempt_enable();
}

static void late_work(struct work_struct *work)
{
	callbacks_disable_preempt();
	late_run(container_of(work, struct deferred_completions, work));
	callbacks_enable_preempt();
}

/*
 * Defer a completion to an interrupt of this CPU; on PREEMPT_RT, to a thread of the workqueue. The
 * irq_work thread of PREEMPT_RT would not do: it is parked early while its CPU goes down. While
 * deferred completions are running here this one joins them, and runs when the callback has
 * returned.
 */
static void completion_defer(struct mempool2_waiter *waiter)
{
	struct deferred_completions *late;

	preempt_disable();
	late = this_cpu_read(cpu_late_running) ?: this_cpu_ptr(&cpu_late);
	llist_add(&waiter->completion, &late->completions.list);
	/*
	 * llist_add() is a full barrier: a context that is @running sees the new completion.
	 * Pairs with completions_run_late() (completion-or-running). To queue the work in that case
	 * would have no end if each deferred callback leaves another completion. Before there is a
	 * workqueue the completion stays in the list, see mp2_completions_init().
	 */
	if (!READ_ONCE(late->completions.running) && likely(completions_wq)) {
		if (IS_ENABLED(CONFIG_PREEMPT_RT))
			queue_work(completions_wq, &late->work);
		else
			irq_work_queue(&late->irq_work);
	}
	preempt_enable();
}

/* Defer all completions from @oldest on. Preemption is disabled for each of them alone. */
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
 * Run the callbacks of @completed, or defer them. Call this after mp2_waiters_serve(), in the
 * rcu_read_lock() section that began before it. A callback may end the pool: do not touch the pool
 * after this.
 */
void mp2_callbacks_run(struct llist_head *completed)
{
	struct llist_node *oldest, *next;
	struct completions *own;
	bool is_running;
	int nr = 0;

	if (likely(llist_empty(completed)))
		return;
	oldest = llist_reverse_order(completed->first);
	preempt_disable();
	/*
	 * In a deferred callback: defer these too. The CPU runs them when the callback has
	 * returned.
	 */
	if (!IS_ENABLED(CONFIG_PREEMPT_RT) && !this_cpu_read(cpu_late_running)) {
		own = this_cpu_ptr(&cpu_completions);
		/* First: an interrupt must not run them, as in completions_run_own(). */
		is_running = xchg(&own->running, 1);
		for (; oldest && nr < BATCH; oldest = next, nr++) {
			next = oldest->next;
			llist_add(oldest, &own->list);
		}
		if (!is_running)
			completions_run_own(own);
	}
	preempt_enable();
	completions_defer(oldest);
}

/*
 * Is the callback of the waiter running or about to run, or is the waiter cancelled and still in a
 * list? In the other states a waiter may have a new request; then only a callback that is still
 * running counts.
 */
static bool callback_may_run(const struct mempool2_waiter *waiter)
{
	/*
	 * Pairs with waiter_set_idle(): if the waiter is idle, its callback has returned or
	 * @called below is the waiter (idle-or-called).
	 */
	int cpu, state = smp_load_acquire(&waiter->state);

	if (state == WAITER_SERVED || state == WAITER_CANCELLED)
		return true;
	for_each_possible_cpu(cpu) {
		/* Pairs with callback_call() (idle-or-called). */
		if (smp_load_acquire(&per_cpu_ptr(&cpu_completions, cpu)->called) == waiter)
			return true;
		/* The same. */
		if (smp_load_acquire(&per_cpu_ptr(&cpu_late, cpu)->completions.called) == waiter)
			return true;
	}
	return false;
}

/*
 * Wait until the deferred completions of each CPU have run, or a batch of them. Sleeps; not for
 * callbacks.
 */
static void completions_sync(void)
{
	static DEFINE_MUTEX(mutex);
	struct deferred_completions *late;
	int cpu;

	/* Where irq_work_sync() sleeps, an irq_work may have a single waiter. */
	mutex_lock(&mutex);
	for_each_possible_cpu(cpu) {
		late = per_cpu_ptr(&cpu_late, cpu);
		/* Before there is a workqueue no other context runs them. */
		if (!completions_wq) {
			callbacks_disable_preempt();
			late_run_batch(late);
			callbacks_enable_preempt();
			continue;
		}
		irq_work_sync(&late->irq_work);
		/* After the interrupt, which may have left completions to the thread. */
		flush_work(&late->work);
	}
	mutex_unlock(&mutex);
}

/*
 * PREEMPT_RT: if a CPU puts an element and may not take pool->wait.lock, a thread of the workqueue
 * serves the waiters. A pool is in the list at most once.
 */
#ifdef CONFIG_PREEMPT_RT
static LLIST_HEAD(deferred_pools);

static void deferred_pools_serve(struct work_struct *work)
{
	struct mempool2 *pool, *next;

	llist_for_each_entry_safe(pool, next, llist_del_all(&deferred_pools), deferred) {
		/*
		 * Race A: before the look for elements. Pairs with the xchg() below (served-later).
		 */
		xchg(&pool->is_deferred, false);
		mp2_waiters_serve_and_run(pool);
	}
}

static DECLARE_WORK(pools_work, deferred_pools_serve);

static void pools_kick(void)
{
	/* Before there is a workqueue the pools stay in the list, see mp2_completions_init(). */
	if (likely(completions_wq))
		queue_work(completions_wq, &pools_work);
}

void mp2_waiters_serve_later(struct mempool2 *pool)
{
	/*
	 * Race A: after the put. If the pool is in the list, the thread sees the element. Pairs
	 * with deferred_pools_serve() (served-later).
	 */
	if (xchg(&pool->is_deferred, true))
		return;
	llist_add(&pool->deferred, &deferred_pools);
	pools_kick();
}

void mp2_irq_works_sync(void)
{
	/* Before there is a workqueue no other context serves them. */
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
	completions_wq = alloc_workqueue(KBUILD_MODNAME, MEMPOOL2_WQ_PERCPU | WQ_MEM_RECLAIM |
					 WQ_HIGHPRI, 0);
	if (!completions_wq)
		return -ENOMEM;
	/*
	 * If mempool2 is built in, pools may be in use already. A completion of a CPU that did not
	 * see the workqueue is seen here. Pairs with llist_add() in completion_defer(), as in
	 * completion-or-running.
	 */
	smp_mb();
	for_each_possible_cpu(cpu) {
		late = per_cpu_ptr(&cpu_late, cpu);
		/* completions_sync() may have left what exceeds a batch. */
		if (!llist_empty(&late->completions.list) || late->completions.todo)
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
 * The mask with which a retrier calls the alloc function for a request: @gfp, narrowed by what the
 * current task may do, as the retrier runs in another task.
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
 * Submit a request for @count elements, of which @nr_missing are missing. Returns 0 if it was
 * served at once: then the callback does not run. Else -EINPROGRESS.
 */
int mp2_async_submit(struct mempool2 *pool, gfp_t gfp, struct mempool2_waiter *waiter,
		     void **elems, unsigned int count, unsigned int nr_missing,
		     unsigned long caller)
{
	struct llist_head completed = {};
	struct handover hand = { .completed = &completed };
	bool is_served = false;

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
		return -EINPROGRESS;
	}

	rcu_read_lock();
	async_enqueue(waiter, &hand, &is_served);
	if (is_served) {
		async_complete(waiter);
		waiter_set_idle(waiter);
	}
	/* Deferred: the caller may hold locks that these callbacks take. */
	mp2_callbacks_defer(&completed);
	rcu_read_unlock();
	return is_served ? 0 : -EINPROGRESS;
}

bool mempool2_cancel(struct mempool2_waiter *waiter)
{
	int state = READ_ONCE(waiter->state);

	do {
		if (state != WAITER_QUEUED && state != WAITER_SUBMITTED)
			return false;
	} while (!try_cmpxchg(&waiter->state, &state, WAITER_CANCELLED));

	/* A submitted request is aborted by the completion that would have queued it. */
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
	/*
	 * Even if the request was cancelled: a callback of the waiter that has made it may still be
	 * running. Cheap for a waiter that is idle and of which no callback is running.
	 */
	while (callback_may_run(waiter)) {
		/*
		 * A retrier that calls the alloc function for the waiter runs the callback later.
		 */
		mp2_retry_sync(waiter);
		/*
		 * Pairs with the rcu_read_lock() of each CPU that serves, held until the callback
		 * has returned ... (function-returned)
		 */
		synchronize_rcu();
		/* ... or was deferred. This waits for a batch at a time. */
		completions_sync();
	}
	/* Until no retrier uses the pool for the waiter. */
	mp2_retry_sync(waiter);
	return cancelled;
}
EXPORT_SYMBOL_GPL(mempool2_cancel_sync);
