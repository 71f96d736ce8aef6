// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the test cases of mempool2 share, see fixture.h
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "../core/reserve.h"
#include "../mempool2_debug.h"
#include "fixture.h"

/*
 * The back end
 */

struct item {
	struct source	*source;	/* NULL when it has been freed */
	struct item	*next;		/* in the stock */
	atomic_t	nr_owners;
};

/* No case has more elements out at a time in contexts in which it cannot sleep. */
#define STOCK		64

/*
 * On PREEMPT_RT the slab allocator takes sleeping locks: where they are not allowed, elements
 * come from the stock.
 */
static bool slab_is_legal(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible();
}

static struct item *item_take(struct source *src, gfp_t gfp_mask)
{
	unsigned long flags;
	struct item *item;

	if (slab_is_legal())
		return kmalloc(SMP_CACHE_BYTES, gfp_mask);
	raw_spin_lock_irqsave(&src->stock_lock, flags);
	item = src->stock;
	if (item)
		src->stock = item->next;
	raw_spin_unlock_irqrestore(&src->stock_lock, flags);
	return item;
}

static void item_leave(struct source *src, struct item *item)
{
	unsigned long flags;

	if (slab_is_legal()) {
		kfree(item);
		return;
	}
	raw_spin_lock_irqsave(&src->stock_lock, flags);
	item->next = src->stock;
	src->stock = item;
	raw_spin_unlock_irqrestore(&src->stock_lock, flags);
}

static struct item *item_make(struct source *src, gfp_t gfp_mask)
{
	struct item *item = item_take(src, gfp_mask);

	if (!item)
		return NULL;
	item->source = src;
	atomic_set(&item->nr_owners, 0);
	atomic_inc(&src->nr_live);
	return item;
}

static void source_unstock(struct source *src)
{
	struct item *item;

	while ((item = src->stock)) {
		src->stock = item->next;
		kfree(item);
	}
}

static int source_stock(struct source *src)
{
	struct item *item;
	int i;

	raw_spin_lock_init(&src->stock_lock);
	for (i = 0; IS_ENABLED(CONFIG_PREEMPT_RT) && i < STOCK; i++) {
		item = kmalloc(SMP_CACHE_BYTES, GFP_KERNEL);
		if (!item) {
			source_unstock(src);
			return -ENOMEM;
		}
		item->next = src->stock;
		src->stock = item;
	}
	return 0;
}

/*
 * Does this CPU hold the lock? Other CPUs hold it for moments and queue for it, and the host may
 * stop an emulated CPU that holds it: so try for a second. One such callback is enough for the
 * verdict.
 */
static bool is_locked(struct mempool2 *pool, bool was_locked)
{
	int i, nr_tries = was_locked ? 1 : 200000;
	unsigned long flags;

	for (i = 0; i < nr_tries; i++) {
		if (spin_trylock_irqsave(&pool->wait.lock, flags)) {
			spin_unlock_irqrestore(&pool->wait.lock, flags);
			return false;
		}
		udelay(5);
	}
	return true;
}

static void source_look_around(struct source *src)
{
	if (irqs_disabled())
		atomic_inc(&src->nr_irqs_off);
	if (preempt_count())
		atomic_inc(&src->nr_atomic);
	/* Where a sleeping lock may not be tried, this CPU cannot hold it either. */
	if (src->pool && mempool2_initialized(src->pool) && slab_is_legal() &&
	    is_locked(src->pool, atomic_read(&src->nr_locked)))
		atomic_inc(&src->nr_locked);
}

void *source_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct source *src = pool_data;
	int call = atomic_inc_return(&src->nr_allocs) - 1;

	if (call < MAX_MASKS)
		src->masks[call] = gfp_mask;
	source_look_around(src);
	if (src->hook)
		src->hook(src, gfp_mask);
	if (READ_ONCE(src->sleeps) && (gfp_mask & __GFP_DIRECT_RECLAIM))
		schedule_timeout_uninterruptible(1);

	if (READ_ONCE(src->only_for) && src->only_for != current)
		return NULL;
	if (atomic_add_unless(&src->to_fail, -1, 0) ||
	    !atomic_add_unless(&src->budget, -1, 0))
		return NULL;
	return item_make(src, gfp_mask);
}

void source_free(void *element, void *pool_data)
{
	struct source *src = pool_data;
	struct item *item = element;

	atomic_inc(&src->nr_frees);
	source_look_around(src);
	if (src->free_hook)
		src->free_hook(src);
	if (READ_ONCE(src->sleeps))
		schedule_timeout_uninterruptible(1);

	if (item->source != src) {
		/* Whatever it is, it is not ours to free. */
		atomic_inc(&src->nr_strangers);
		return;
	}
	item->source = NULL;
	atomic_dec(&src->nr_live);
	item_leave(src, item);
}

void source_allow(struct source *src, int nr)
{
	atomic_set(&src->budget, nr);
}

void source_fail(struct source *src)
{
	source_allow(src, 0);
}

void source_recover(struct source *src)
{
	atomic_set(&src->to_fail, 0);
	source_allow(src, INT_MAX);
}

void source_fail_next(struct source *src, int nr)
{
	source_recover(src);
	atomic_set(&src->to_fail, nr);
}

int too_many_for_memory(void)
{
	u64 size = ((u64)totalram_pages() << PAGE_SHIFT) + SZ_64M;

	return size < INT_MAX ? size / sizeof(void *) : 0;
}

void source_forget(struct source *src)
{
	atomic_set(&src->nr_allocs, 0);
	atomic_set(&src->nr_frees, 0);
	atomic_set(&src->nr_irqs_off, 0);
	atomic_set(&src->nr_atomic, 0);
	memset(src->masks, 0, sizeof(src->masks));
}

void source_claim(struct source *src, void *element)
{
	struct item *item = element;

	if (atomic_inc_return(&item->nr_owners) != 1)
		atomic_inc(&src->nr_irregular);
}

void source_disclaim(struct source *src, void *element)
{
	struct item *item = element;

	if (atomic_dec_return(&item->nr_owners) != 0)
		atomic_inc(&src->nr_irregular);
}

/*
 * What the kernel reports: lines for the console, and wake-ups
 */

static struct {
	atomic_t	nr_ours;
	atomic_t	nr_warnings;
	atomic_t	nr_bugs;
	bool		may_report;
	char		line[256];	/* the last line by mempool2 */
} said;

static struct {
	struct task_struct	*task;
	atomic_t		nr;
} wakes[MAX_CALLERS];

/* Only wake-ups by this task count: a waiter is also woken by its own timer. */
static struct task_struct *waker;

#ifdef CONFIG_TRACEPOINTS

static struct tracepoint *console_tracepoint;
static struct tracepoint *waking_tracepoint;
static struct tracepoint *pages_tracepoint;

static void console_probe(void *data, const char *text, size_t len)
{
	size_t fits = min(len, sizeof(said.line) - 1);

	if (READ_ONCE(said.may_report) && strnstr(text, "BUG: mempool2: ", len))
		return;
	if (strnstr(text, "mempool2: ", len)) {
		memcpy(said.line, text, fits);
		said.line[fits] = '\0';
		atomic_inc(&said.nr_ours);
	} else if (strnstr(text, "BUG: KCSAN", len)) {
		/* Data races in the rest of the kernel do not concern these cases. */
		if (strnstr(text, "mempool2", len))
			atomic_inc(&said.nr_bugs);
	} else if (strnstr(text, "BUG: ", len)) {
		atomic_inc(&said.nr_bugs);
	} else if (strnstr(text, "WARNING: ", len)) {
		atomic_inc(&said.nr_warnings);
	}
}

static void waking_probe(void *data, struct task_struct *task)
{
	int i;

	if (!in_task() || READ_ONCE(waker) != current)
		return;
	/*
	 * PREEMPT_RT: this wake-up passes on a lock for which the task slept after it had been
	 * woken.
	 */
	if (READ_ONCE(task->__state) == TASK_RTLOCK_WAIT)
		return;
	for (i = 0; i < MAX_CALLERS; i++)
		if (READ_ONCE(wakes[i].task) == task)
			atomic_inc(&wakes[i].nr);
}

static DEFINE_PER_CPU(unsigned int, nr_pages_asked);

static void pages_probe(void *data, struct page *page, unsigned int order, gfp_t gfp,
			int migratetype)
{
	this_cpu_inc(nr_pages_asked);
}

/* Find the tracepoints by name: not all of them are exported, or exist in all kernels. */
static void tracepoint_found(struct tracepoint *tp, void *unused)
{
	if (!strcmp(tp->name, "console"))
		console_tracepoint = tp;
	else if (!strcmp(tp->name, "sched_waking"))
		waking_tracepoint = tp;
	else if (!strcmp(tp->name, "mm_page_alloc"))
		pages_tracepoint = tp;
}

static bool console_is_watched(void)
{
	return console_tracepoint;
}

static bool waking_is_watched(void)
{
	return waking_tracepoint;
}

bool pages_are_watched(void)
{
	return pages_tracepoint;
}

unsigned int pages_asked_here(void)
{
	return this_cpu_read(nr_pages_asked);
}

static void __init fixture_watch(void)
{
	for_each_kernel_tracepoint(tracepoint_found, NULL);
	if (console_tracepoint &&
	    tracepoint_probe_register(console_tracepoint, console_probe, NULL))
		console_tracepoint = NULL;
	if (waking_tracepoint &&
	    tracepoint_probe_register(waking_tracepoint, waking_probe, NULL))
		waking_tracepoint = NULL;
	if (pages_tracepoint &&
	    tracepoint_probe_register(pages_tracepoint, pages_probe, NULL))
		pages_tracepoint = NULL;
}

static void fixture_unwatch(void)
{
	if (console_tracepoint)
		tracepoint_probe_unregister(console_tracepoint, console_probe, NULL);
	if (waking_tracepoint)
		tracepoint_probe_unregister(waking_tracepoint, waking_probe, NULL);
	if (pages_tracepoint)
		tracepoint_probe_unregister(pages_tracepoint, pages_probe, NULL);
	tracepoint_synchronize_unregister();
}

#else /* !CONFIG_TRACEPOINTS */

static bool console_is_watched(void)
{
	return false;
}

static bool waking_is_watched(void)
{
	return false;
}

bool pages_are_watched(void)
{
	return false;
}

unsigned int pages_asked_here(void)
{
	return 0;
}

static void __init fixture_watch(void)
{
}

static void fixture_unwatch(void)
{
}

#endif /* !CONFIG_TRACEPOINTS */

/* Runs before the suites, which start when the module is live or the initcalls are over. */
static int __init fixture_start(void)
{
	int err;

	fixture_watch();
	err = stock_start();
	if (err)
		fixture_unwatch();
	return err;
}

static void __exit fixture_stop(void)
{
	stock_stop();
	fixture_unwatch();
}

module_init(fixture_start);
module_exit(fixture_stop);

static void said_forget(void)
{
	atomic_set(&said.nr_ours, 0);
	atomic_set(&said.nr_warnings, 0);
	atomic_set(&said.nr_bugs, 0);
	WRITE_ONCE(said.may_report, false);
	said.line[0] = '\0';
}

void checks_may_report(void)
{
	WRITE_ONCE(said.may_report, true);
}

int nr_said(void)
{
	return atomic_read(&said.nr_ours);
}

void expect_no_warning(struct fixture *fx)
{
	struct kunit *test = fx->test;

	if (!console_is_watched()) {
		kunit_warn(test, "no console tracepoint: warnings are not counted");
		return;
	}
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&said.nr_ours), 0, "%s", said.line);
}

static void expect_said(struct fixture *fx, const char *text)
{
	KUNIT_EXPECT_TRUE_MSG(fx->test, strstr(said.line, text),
			      "\"%s\" is not in: %s", text, said.line);
}

void expect_one_warning_from(struct fixture *fx, bool *spent, const char *caller,
			     const char *text)
{
	struct kunit *test = fx->test;

	if (*spent) {
		kunit_info(test, "run again: the warning was given before");
		expect_no_warning(fx);
		return;
	}
	*spent = true;
	if (!console_is_watched()) {
		kunit_warn(test, "no console tracepoint: warnings are not counted");
		return;
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&said.nr_ours), 1);
	expect_said(fx, text);
	/*
	 * With gcov, gcc does not inline the inline functions of mempool2.h, so the warning does
	 * not name their callers.
	 */
	if (IS_ENABLED(CONFIG_KALLSYMS) && !IS_ENABLED(CONFIG_GCOV_KERNEL) &&
	    !IS_ENABLED(CONFIG_GCOV))
		expect_said(fx, caller);
}

void expect_report(struct fixture *fx, const char *what, const char *pool_name)
{
	struct kunit *test = fx->test;
	const char *end;
	char text[96];

	if (!console_is_watched()) {
		kunit_warn(test, "no console tracepoint: reports are not seen");
		return;
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&said.nr_ours), 1);
	snprintf(text, sizeof(text), "%s in pool %s", what,
		 IS_ENABLED(CONFIG_KALLSYMS) ? pool_name : "");
	expect_said(fx, text);
	/* The name is the last word of the line. */
	end = strstr(said.line, text);
	if (end && IS_ENABLED(CONFIG_KALLSYMS))
		KUNIT_EXPECT_EQ_MSG(test, strcspn(end + strlen(text), "\n"), 0, "%s", said.line);
	atomic_set(&said.nr_ours, 0);
	said.line[0] = '\0';
}

bool report_comes_within(unsigned long timeout)
{
	return !console_is_watched() || comes_true(atomic_read(&said.nr_ours), timeout);
}

bool wakes_watch(struct fixture *fx)
{
	int i;

	WRITE_ONCE(waker, current);
	for (i = 0; i < fx->nr_callers; i++) {
		atomic_set(&wakes[i].nr, 0);
		WRITE_ONCE(wakes[i].task, fx->callers[i].task);
	}
	return waking_is_watched();
}

int wakes_of(struct caller *caller)
{
	return atomic_read(&wakes[caller->index].nr);
}

static void wakes_forget(void)
{
	int i;

	for (i = 0; i < MAX_CALLERS; i++)
		WRITE_ONCE(wakes[i].task, NULL);
}

/*
 * Threads
 */

bool fixture_left_behind;

/* Note that something did not happen in time. */
static bool left_behind(void)
{
	fixture_left_behind = true;
	return false;
}

struct patience patience_of(unsigned long time)
{
	return (struct patience) { .left = time, .last_look = jiffies };
}

bool patience_lasts(struct patience *patience)
{
	unsigned long now = jiffies;

	patience->left -= min3(now - patience->last_look, HZ / 20UL, patience->left);
	patience->last_look = now;
	return patience->left;
}

void let_pass(unsigned long time)
{
	struct patience patience = patience_of(time);

	while (patience_lasts(&patience))
		schedule_timeout_uninterruptible(1);
}

static int caller_thread(void *data)
{
	struct caller *caller = data;

	caller->fn(caller);
	complete(&caller->done);
	return 0;
}

struct caller *caller_add(struct fixture *fx, void (*fn)(struct caller *caller))
{
	struct caller *caller;

	KUNIT_ASSERT_LT(fx->test, fx->nr_callers, MAX_CALLERS);
	caller = &fx->callers[fx->nr_callers];
	*caller = (struct caller) {
		.fx = fx,
		.fn = fn,
		.index = fx->nr_callers,
		.pool = &fx->pool,
		.gfp = GFP_KERNEL,
		.count = 1,
	};
	init_completion(&caller->done);
	return caller;
}

void caller_run(struct caller *caller, int cpu)
{
	struct fixture *fx = caller->fx;
	struct task_struct *task;

	task = kthread_create(caller_thread, caller, "mempool2_kunit/%d",
			      caller->index);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(fx->test, task);
	get_task_struct(task);
	caller->task = task;
	fx->nr_callers++;
	if (cpu != ANY_CPU)
		kthread_bind(task, cpu);
	wake_up_process(task);
}

bool caller_has_returned(struct caller *caller)
{
	return completion_done(&caller->done);
}

bool caller_returns_within(struct caller *caller, unsigned long timeout)
{
	/* Do not wait for the completion: it may be tested several times. */
	return comes_true(caller_has_returned(caller), timeout);
}

bool caller_returns(struct caller *caller)
{
	return caller_returns_within(caller, TIMEOUT) || left_behind();
}

bool caller_sleeps(struct caller *caller)
{
	return comes_true(READ_ONCE(caller->task->__state) & TASK_UNINTERRUPTIBLE, TIMEOUT) ||
	       left_behind();
}

void caller_alloc(struct caller *caller)
{
	caller->elems[0] = mempool2_alloc(caller->pool, caller->gfp);
}

void caller_alloc_bulk(struct caller *caller)
{
	caller->ret = mempool2_alloc_bulk(caller->pool, caller->elems,
					  caller->count);
}

static bool is_queued(struct caller *caller)
{
	struct mempool2 *pool = caller->pool;
	struct wait_queue_entry *entry;
	unsigned long flags;
	bool found = false;

	spin_lock_irqsave(&pool->wait.lock, flags);
	list_for_each_entry(entry, &pool->wait.head, entry)
		found = found || entry->private == caller->task;
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return found;
}

bool caller_queues(struct caller *caller, bool briefly)
{
	return comes_true(is_queued(caller) || (briefly && caller_has_returned(caller)),
			  TIMEOUT) || left_behind();
}

static struct caller *caller_queue(struct fixture *fx, struct caller *caller)
{
	caller_run(caller, ANY_CPU);
	KUNIT_ASSERT_TRUE_MSG(fx->test, caller_queues(caller, false),
			      "caller %d was never queued", caller->index);
	return caller;
}

struct caller *caller_that_waits(struct fixture *fx)
{
	return caller_queue(fx, caller_add(fx, caller_alloc));
}

struct caller *caller_that_waits_for(struct fixture *fx, unsigned int count)
{
	struct caller *caller = caller_add(fx, caller_alloc_bulk);

	caller->count = count;
	return caller_queue(fx, caller);
}

bool give_late(struct mempool2 *pool, void *element, unsigned int ms, const int *state)
{
	int before = state ? READ_ONCE(*state) : 0;
	struct llist_head served = {};
	/* The key of a hand-over, see struct handover. */
	struct {
		void			*element;
		struct llist_head	*served;
	} hand = { .element = element, .served = &served };
	struct wait_queue_entry *entry;
	unsigned long flags;

	spin_lock_irqsave(&pool->wait.lock, flags);
	while (ms-- && (!state || READ_ONCE(*state) == before))
		mdelay(1);
	entry = list_first_entry_or_null(&pool->wait.head, struct wait_queue_entry, entry);
	if (entry && (!state || READ_ONCE(*state) != before))
		/* The flags mark a hand-over. */
		entry->func(entry, TASK_NORMAL, BIT(30), &hand);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	WARN_ON_ONCE(!llist_empty(&served));
	mempool2_free(hand.element, pool);
	return entry;
}

void park_unseen(struct mempool2 *pool, void *element)
{
	void **slot = rcu_access_pointer(pool->reserve)->slots;

	while (cmpxchg(slot, NULL, element))
		slot++;
}

int nr_waiters(const struct mempool2 *pool)
{
	spinlock_t *lock = (spinlock_t *)&pool->wait.lock;
	unsigned long flags;
	int nr;

	spin_lock_irqsave(lock, flags);
	nr = pool->nr_waiters;
	spin_unlock_irqrestore(lock, flags);
	return nr;
}

static bool becomes(int (*number)(const struct mempool2 *pool), const struct mempool2 *pool,
		    int nr)
{
	return comes_true(number(pool) == nr, TIMEOUT) || left_behind();
}

bool waiters_become(const struct mempool2 *pool, int nr)
{
	return becomes(nr_waiters, pool, nr);
}

bool reserved_become(const struct mempool2 *pool, int nr)
{
	return becomes(mempool2_nr_reserved, pool, nr);
}

/*
 * Contexts
 */

const struct context contexts[NR_CONTEXTS] = {
	{ "task", IN_TASK },
	{ "task with interrupts off", IN_TASK_IRQS_OFF },
	{ "task with softirqs off", IN_TASK_BH_OFF },
	{ "softirq", IN_SOFTIRQ },
	{ "hardirq", IN_HARDIRQ },
};

static void deferred_call_run(struct deferred_call *call)
{
	bool irqs_were_off = irqs_disabled();

	call->was_hardirq = in_hardirq();
	call->was_softirq = in_serving_softirq() && !in_hardirq();
	call->fn(call->arg);
	/* irqs_disabled() does not return 1 on every architecture. */
	call->irqs_restored = !!irqs_disabled() == irqs_were_off;
}

static void deferred_call_tasklet(struct tasklet_struct *tasklet)
{
	struct deferred_call *call = container_of(tasklet, struct deferred_call, tasklet);

	deferred_call_run(call);
	complete(&call->done);
}

static void deferred_call_irq_work(struct irq_work *irq_work)
{
	struct deferred_call *call = container_of(irq_work, struct deferred_call, irq_work);

	deferred_call_run(call);
	complete(&call->done);
}

void allocators_are_legal(struct kunit *test, enum test_context where)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT) &&
	    (where == IN_TASK_IRQS_OFF || where == IN_HARDIRQ))
		kunit_skip(test, "PREEMPT_RT: the kernel's allocators may sleep for a lock");
}

void run_in(struct fixture *fx, enum test_context where, void (*fn)(void *arg), void *arg)
{
	struct deferred_call *call = &fx->call;
	struct kunit *test = fx->test;

	*call = (struct deferred_call) { .fn = fn, .arg = arg };
	init_completion(&call->done);

	switch (where) {
	case IN_TASK:
		deferred_call_run(call);
		break;
	case IN_TASK_IRQS_OFF:
		local_irq_disable();
		deferred_call_run(call);
		local_irq_enable();
		break;
	case IN_TASK_BH_OFF:
		local_bh_disable();
		deferred_call_run(call);
		local_bh_enable();
		break;
	case IN_SOFTIRQ:
		tasklet_setup(&call->tasklet, deferred_call_tasklet);
		tasklet_schedule(&call->tasklet);
		wait_for_completion(&call->done);
		tasklet_kill(&call->tasklet);
		break;
	case IN_HARDIRQ:
	case IN_RAW_HARDIRQ:
		call->irq_work = where == IN_HARDIRQ ? HARDIRQ_WORK_INIT(deferred_call_irq_work) :
							 IRQ_WORK_INIT_HARD(deferred_call_irq_work);
		irq_work_queue(&call->irq_work);
		wait_for_completion(&call->done);
		irq_work_sync(&call->irq_work);
		break;
	}
	KUNIT_EXPECT_EQ(test, call->was_softirq, where == IN_SOFTIRQ);
	KUNIT_EXPECT_EQ(test, call->was_hardirq,
			where == IN_HARDIRQ || where == IN_RAW_HARDIRQ);
	KUNIT_EXPECT_TRUE(test, call->irqs_restored);
}

/*
 * Begin and end of a case
 */

int fixture_init(struct kunit *test)
{
	/* Not kunit_kzalloc(): the fixture must outlive a thread that never returns. */
	struct fixture *fx = kzalloc(sizeof(*fx), GFP_KERNEL);

	if (!fx)
		return -ENOMEM;
	fx->test = test;
	fx->src.pool = &fx->pool;
	if (source_stock(&fx->src)) {
		kfree(fx);
		return -ENOMEM;
	}
	source_recover(&fx->src);
	test->priv = fx;
	said_forget();
	return 0;
}

/* Free elements until the caller stops waiting. Returns false if even that does not help. */
static bool caller_rescue(struct caller *caller, struct patience *patience)
{
	KUNIT_FAIL(caller->fx->test, "caller %d had to be rescued", caller->index);
	while (!caller_returns_within(caller, 1)) {
		if (!patience_lasts(patience))
			return false;
		if (mempool2_initialized(caller->pool))
			mempool2_free(fixture_foreign(caller->fx), caller->pool);
		/* The caller may have been served without being woken. */
		wake_up_process(caller->task);
	}
	return true;
}

static bool all_have_returned(struct fixture *fx)
{
	int i;

	for (i = 0; i < fx->nr_callers; i++)
		if (!caller_has_returned(&fx->callers[i]))
			return false;
	return true;
}

bool callers_return(struct fixture *fx)
{
	return comes_true(all_have_returned(fx), TIMEOUT) || left_behind();
}

static bool callers_join(struct fixture *fx)
{
	struct patience patience;
	struct caller *caller;
	bool all = true;
	int i;

	callers_return(fx);
	patience = patience_of(TIMEOUT);
	for (i = 0; i < fx->nr_callers; i++) {
		caller = &fx->callers[i];
		if (!caller_has_returned(caller) && !caller_rescue(caller, &patience)) {
			all = false;
			continue;
		}
		/* Waits until the thread has left this module. */
		kthread_stop(caller->task);
		put_task_struct(caller->task);
	}
	return all;
}

static void callers_give_back(struct fixture *fx)
{
	struct caller *caller;
	int i, j;

	for (i = 0; i < fx->nr_callers; i++) {
		caller = &fx->callers[i];
		for (j = 0; j < MAX_BULK; j++)
			if (caller->elems[j])
				mempool2_free(caller->elems[j], caller->pool);
	}
}

/*
 * May the pool go? A case that failed half-way may leave requests or other entries in the queue.
 * Cases have these in static memory, so that they may stay.
 */
static bool queue_is_empty(struct mempool2 *pool)
{
	unsigned long flags;
	bool is_empty;

	spin_lock_irqsave(&pool->wait.lock, flags);
	is_empty = list_empty(&pool->wait.head);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return is_empty;
}

void fixture_exit(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct source *src;

	if (!fx)
		return;
	test->priv = NULL;
	src = &fx->src;

	WRITE_ONCE(fx->stop, true);
	source_recover(src);
	src->hook = NULL;
	src->free_hook = NULL;
	if (!callers_join(fx)) {
		KUNIT_FAIL(test, "a thread never returned; it stays, and so does the module");
		__module_get(THIS_MODULE);
		return;
	}
	wakes_forget();
	if (mempool2_initialized(&fx->pool)) {
		fixture_put_all(fx);
		callers_give_back(fx);
		if (!queue_is_empty(&fx->pool)) {
			KUNIT_FAIL(test, "an entry stays in the queue, and the module stays too");
			__module_get(THIS_MODULE);
			return;
		}
		KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
		if (!fx->incomplete)
			KUNIT_EXPECT_TRUE(test, mempool2_is_saturated(&fx->pool));
	}
	mempool2_exit(&fx->spare);
	mempool2_exit(&fx->pool);

	KUNIT_EXPECT_EQ(test, atomic_read(&src->nr_live), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&src->nr_strangers), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&src->nr_irregular), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&src->nr_locked), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&said.nr_bugs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&said.nr_warnings),
			atomic_read(&said.nr_ours));
	source_unstock(src);
	kfree(fx);
}

void fixture_pool(struct fixture *fx, int min_nr)
{
	struct kunit *test = fx->test;

	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->pool, min_nr, source_alloc,
					    source_free, &fx->src), 0);
	source_forget(&fx->src);
}

static struct mempool2 instrumented;

int suite_patches_no_code(struct kunit_suite *suite)
{
	if (!IS_ENABLED(CONFIG_JUMP_LABEL) || mempool2_initialized(&instrumented))
		return 0;
	return mempool2_init_kmalloc_pool(&instrumented, 0, sizeof(long)) ?:
	       mempool2_set_limit(&instrumented, 1);
}

void suite_patches_code(struct kunit_suite *suite)
{
	mempool2_exit(&instrumented);
}

void fixture_hold(struct fixture *fx, void *element)
{
	KUNIT_ASSERT_NOT_NULL(fx->test, element);
	if (fx->nr_held < MAX_HELD) {
		fx->held[fx->nr_held++] = element;
		return;
	}
	mempool2_free(element, &fx->pool);
	KUNIT_FAIL(fx->test, "the fixture holds no more than %d elements", MAX_HELD);
}

void *fixture_put(struct fixture *fx)
{
	void *element;

	KUNIT_ASSERT_GT(fx->test, fx->nr_held, 0);
	element = fx->held[0];
	fx->nr_held--;
	memmove(&fx->held[0], &fx->held[1], fx->nr_held * sizeof(fx->held[0]));
	mempool2_free(element, &fx->pool);
	return element;
}

void fixture_put_all(struct fixture *fx)
{
	while (fx->nr_held)
		fixture_put(fx);
}

int fixture_drain(struct fixture *fx)
{
	void *element;
	int nr;

	source_fail(&fx->src);
	for (nr = 0; ; nr++) {
		element = mempool2_alloc_preallocated(&fx->pool);
		if (!element)
			return nr;
		fixture_hold(fx, element);
	}
}

void fixture_nest(struct fixture *fx, gfp_t gfp_mask)
{
	void *element;

	if (current == fx->watcher || fx->has_nested || !(gfp_mask & __GFP_DIRECT_RECLAIM))
		return;
	fx->has_nested = true;
	element = mempool2_alloc(&fx->pool, GFP_NOIO);
	mempool2_free(element, &fx->pool);
}

void *fixture_foreign(struct fixture *fx)
{
	struct item *item = item_make(&fx->src, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(fx->test, item);
	return item;
}

MODULE_DESCRIPTION("KUnit tests of mempool2");
MODULE_AUTHOR("mempool2 developers");
MODULE_VERSION(MEMPOOL2_VERSION);
MODULE_LICENSE("GPL");
