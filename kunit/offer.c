// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: elements that are offered, as they were held for a short time
 *
 * The holder waits for an element, and others wait behind it. The holder then keeps its CPU, on
 * which the others run, frees the element and at once asks for one without waiting. It gets one
 * if its element was offered, and none if the element was handed over.
 */
#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/irq_work.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "../mempool2_debug.h"
#include "fixture.h"

/* Results of the holder. */
static struct {
	unsigned long	since;		/* the time at which the case began, in jiffies */
	int		nr_waiters;	/* after the holder had freed its element */
	bool		again;		/* the holder got an element again */
} holder;

/*
 * Did the holder get an element again? A waiter that has slept for five seconds looks by itself,
 * and is then given an element at once. If the host stops the guest for so long, this cannot be
 * told.
 */
static void expect_again(struct kunit *test)
{
	if (time_before(jiffies, holder.since + 5 * HZ))
		KUNIT_EXPECT_TRUE(test, holder.again);
}

/*
 * From now on no other thread of the case runs on this CPU. On PREEMPT_RT the lock of the queue
 * cannot be taken with preemption disabled; there the priority of the holder must suffice.
 */
static void keep_cpu(void)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_disable();
}

static void leave_cpu(void)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_enable();
}

/* Wait for an element, and keep the CPU. */
static void *hold(struct caller *caller)
{
	void *element;

	sched_set_fifo(current);
	element = mempool2_alloc(caller->pool, GFP_NOIO);
	keep_cpu();
	return element;
}

static void ask(struct caller *caller)
{
	void *element = mempool2_alloc(caller->pool, GFP_NOWAIT);

	holder.again = element;
	mempool2_free(element, caller->pool);
}

static void free_and_ask(struct caller *caller, void *element)
{
	mempool2_free(element, caller->pool);
	holder.nr_waiters = READ_ONCE(caller->pool->nr_waiters);
	ask(caller);
}

static void caller_holds_for_nothing(struct caller *caller)
{
	free_and_ask(caller, hold(caller));
	leave_cpu();
}

static int first_cpu(void)
{
	return cpumask_first(cpu_online_mask);
}

/*
 * Keep the youngest waiter from calling the alloc function by itself when it becomes the head,
 * before the holder has freed: with a long pause its next nap takes seconds.
 */
static void let_nap(struct fixture *fx)
{
	struct mempool2_waiter *waiter;
	unsigned long pause = 4 * HZ;

	spin_lock_irq(&fx->pool.wait.lock);
	waiter = list_last_entry(&fx->pool.wait.head, struct mempool2_waiter, entry.entry);
	WRITE_ONCE(waiter->pause, pause);
	spin_unlock_irq(&fx->pool.wait.lock);
	KUNIT_ASSERT_TRUE(fx->test, comes_true(READ_ONCE(waiter->pause) != pause, TIMEOUT));
}

/* Start a waiter on the CPU of the holder. It is the youngest in the queue. */
static struct caller *waits_there(struct fixture *fx, void (*fn)(struct caller *caller),
				  unsigned int count)
{
	struct caller *caller = caller_add(fx, fn);
	int nr = nr_waiters(&fx->pool);

	if (!nr)
		holder.since = jiffies;
	caller->count = count;
	caller_run(caller, first_cpu());
	KUNIT_ASSERT_TRUE(fx->test, waiters_become(&fx->pool, nr + 1));
	let_nap(fx);
	KUNIT_ASSERT_TRUE(fx->test, caller_sleeps(caller));
	return caller;
}

/* Start the holder, and one waiter behind it. */
static struct caller *holder_and_waiter(struct fixture *fx, void (*fn)(struct caller *caller),
					int min_nr)
{
	fixture_pool(fx, min_nr);
	fixture_drain(fx);
	waits_there(fx, fn, 0);
	return waits_there(fx, caller_alloc, 0);
}

static void element_held_for_nothing_is_offered(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *waiter = holder_and_waiter(fx, caller_holds_for_nothing, 1);

	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_EQ(test, holder.nr_waiters, 1);
	expect_again(test);
	KUNIT_EXPECT_NOT_NULL(test, waiter->elems[0]);
	KUNIT_EXPECT_FALSE(test, atomic_read(&fx->pool.state) & MEMPOOL2_OFFERED);
}

static void offers_are_made_while_checks_are_on(struct kunit *test)
{
	struct fixture *fx = test->priv;

	needs_debugging(test);
	holder_and_waiter(fx, caller_holds_for_nothing, 1);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->pool, MEMPOOL2_CHECK_ALL), 0);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	expect_again(test);
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->pool, 0), 0);
}

static void caller_sleeps_over_it(struct caller *caller)
{
	void *element;

	sched_set_fifo(current);
	element = mempool2_alloc(caller->pool, GFP_NOIO);
	schedule_timeout_uninterruptible(1);
	keep_cpu();
	free_and_ask(caller, element);
	leave_cpu();
}

static void element_held_over_a_sleep_is_handed_over(struct kunit *test)
{
	struct fixture *fx = test->priv;

	holder_and_waiter(fx, caller_sleeps_over_it, 1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_EQ(test, holder.nr_waiters, 0);
	KUNIT_EXPECT_FALSE(test, holder.again);
}

struct irq_free {
	struct irq_work	work;
	struct caller	*caller;
	void		*element;
	bool		done;
};

static void free_in_interrupt(struct irq_work *work)
{
	struct irq_free *irq_free = container_of(work, struct irq_free, work);

	mempool2_free(irq_free->element, irq_free->caller->pool);
	smp_store_release(&irq_free->done, true);
}

static void caller_is_interrupted(struct caller *caller)
{
	struct irq_free irq_free = { .caller = caller };

	/* On PREEMPT_RT only hard irq_work runs in an interrupt. */
	irq_free.work = IRQ_WORK_INIT_HARD(free_in_interrupt);
	irq_free.element = hold(caller);
	irq_work_queue(&irq_free.work);
	while (!smp_load_acquire(&irq_free.done))
		cpu_relax();
	ask(caller);
	leave_cpu();
}

static void element_freed_in_an_interrupt_is_handed_over(struct kunit *test)
{
	struct fixture *fx = test->priv;

	holder_and_waiter(fx, caller_is_interrupted, 1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_FALSE(test, holder.again);
}

static void caller_frees_anothers(struct caller *caller)
{
	void *element = hold(caller);

	free_and_ask(caller, caller->fx->held[--caller->fx->nr_held]);
	leave_cpu();
	mempool2_free(element, caller->pool);
}

static void element_of_another_task_is_handed_over(struct kunit *test)
{
	struct fixture *fx = test->priv;

	holder_and_waiter(fx, caller_frees_anothers, 2);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_EQ(test, holder.nr_waiters, 0);
}

static void nothing_is_offered_below_a_limit(struct kunit *test)
{
	struct fixture *fx = test->priv;

	holder_and_waiter(fx, caller_holds_for_nothing, 1);
	KUNIT_ASSERT_EQ(test, mempool2_set_limit(&fx->pool, 2), 0);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_EQ(test, holder.nr_waiters, 0);
}

static void nothing_is_offered_to_a_bulk_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *bulk;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	waits_there(fx, caller_holds_for_nothing, 0);
	bulk = waits_there(fx, caller_alloc_bulk, 2);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(&fx->callers[0]));
	KUNIT_EXPECT_FALSE(test, holder.again);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
}

struct sent {
	struct mempool2_waiter	waiter;
	struct completion	done;
};

static void sent_callback(struct mempool2_waiter *waiter, void **elems)
{
	struct sent *sent = container_of(waiter, struct sent, waiter);

	waiter->element = elems[0];
	complete(&sent->done);
}

/* A request waits behind the holder, which runs @fn. */
static void request_behind_a_holder(struct fixture *fx, void (*fn)(struct caller *caller))
{
	struct kunit *test = fx->test;
	struct sent sent;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	waits_there(fx, fn, 0);
	init_completion(&sent.done);
	mempool2_waiter_init(&sent.waiter, sent_callback);
	KUNIT_ASSERT_PTR_EQ(test, mempool2_alloc_async(&fx->pool, GFP_NOWAIT, &sent.waiter),
			    ERR_PTR(-EINPROGRESS));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	wait_for_completion(&sent.done);
	mempool2_cancel_sync(&sent.waiter);
	fixture_hold(fx, sent.waiter.element);
}

static void nothing_is_offered_to_a_request(struct kunit *test)
{
	request_behind_a_holder(test->priv, caller_holds_for_nothing);
	KUNIT_EXPECT_EQ(test, holder.nr_waiters, 0);
	KUNIT_EXPECT_FALSE(test, holder.again);
}

static void caller_frees_with_interrupts_off(struct caller *caller)
{
	void *element = hold(caller);

	local_irq_disable();
	mempool2_free(element, caller->pool);
	caller->ret = !!irqs_disabled();
	local_irq_enable();
	leave_cpu();
}

static void interrupts_stay_off_when_the_reserve_serves_a_request(struct kunit *test)
{
	struct fixture *fx = test->priv;

	request_behind_a_holder(fx, caller_frees_with_interrupts_off);
	KUNIT_EXPECT_EQ(test, fx->callers[0].ret, 1L);
}

/* The holder offers one element to the first waiter, and then hands another one over to it. */
static void caller_offers_and_gives(struct caller *caller)
{
	void *element = hold(caller);

	mempool2_free(element, caller->pool);
	mempool2_free(caller->fx->held[--caller->fx->nr_held], caller->pool);
	holder.nr_waiters = READ_ONCE(caller->pool->nr_waiters);
	leave_cpu();
}

static void next_one_gets_what_was_offered_to_one_that_is_served(struct kunit *test)
{
	struct fixture *fx = test->priv;

	holder_and_waiter(fx, caller_offers_and_gives, 2);
	waits_there(fx, caller_alloc, 0);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_EQ(test, holder.nr_waiters, 0);
}

/*
 * The waiter runs on another CPU. A third thread keeps it off that CPU until the holder has
 * taken back the element that it had offered.
 */
static bool may_look;

static void caller_keeps_cpu(struct caller *caller)
{
	preempt_disable();
	WRITE_ONCE(caller->ret, 1);
	while (!smp_load_acquire(&may_look))
		cpu_relax();
	preempt_enable();
}

static void caller_offers_twice(struct caller *caller)
{
	void *element = hold(caller);
	struct mempool2_waiter *waiter;
	unsigned long flags;
	bool is_owed = false;

	mempool2_free(element, caller->pool);
	element = mempool2_alloc(caller->pool, GFP_NOWAIT);
	holder.again = element;
	smp_store_release(&may_look, true);
	while (!is_owed) {
		spin_lock_irqsave(&caller->pool->wait.lock, flags);
		waiter = list_first_entry(&caller->pool->wait.head, struct mempool2_waiter,
					  entry.entry);
		is_owed = waiter->is_owed;
		spin_unlock_irqrestore(&caller->pool->wait.lock, flags);
		cpu_relax();
	}
	mempool2_free(element, caller->pool);
	holder.nr_waiters = READ_ONCE(caller->pool->nr_waiters);
	leave_cpu();
}

static void waiter_that_found_nothing_is_given_the_next_element(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *keeper, *waiter;
	int other;

	if (num_online_cpus() < 2 || IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "needs two CPUs, and a lock of the queue that does not sleep");
	other = cpumask_next(first_cpu(), cpu_online_mask);
	may_look = false;
	fixture_pool(fx, 1);
	fixture_drain(fx);
	waits_there(fx, caller_offers_twice, 0);
	waiter = caller_add(fx, caller_alloc);
	caller_run(waiter, other);
	KUNIT_ASSERT_TRUE(test, waiters_become(&fx->pool, 2));
	keeper = caller_add(fx, caller_keeps_cpu);
	caller_run(keeper, other);
	while (!READ_ONCE(keeper->ret))
		schedule_timeout_uninterruptible(1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	expect_again(test);
	KUNIT_EXPECT_EQ(test, holder.nr_waiters, 0);
}

/* When the element is freed the waiter is in the alloc function, which may sleep. */
static bool is_asking;

static void ask_until_freed(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (current != READ_ONCE(fx->watcher) || smp_load_acquire(&may_look))
		return;
	smp_store_release(&is_asking, true);
	while (!smp_load_acquire(&may_look))
		schedule_timeout_uninterruptible(1);
}

static void caller_frees_when_asked_for(struct caller *caller)
{
	void *element = hold(caller);

	while (!smp_load_acquire(&is_asking))
		cpu_relax();
	free_and_ask(caller, element);
	smp_store_release(&may_look, true);
	leave_cpu();
}

static void nothing_is_offered_to_one_that_asks_for_memory(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *waiter;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	is_asking = false;
	may_look = false;
	fixture_pool(fx, 1);
	fixture_drain(fx);
	waits_there(fx, caller_frees_when_asked_for, 0);
	waiter = caller_add(fx, caller_alloc);
	caller_run(waiter, cpumask_next(first_cpu(), cpu_online_mask));
	KUNIT_ASSERT_TRUE(test, waiters_become(&fx->pool, 2));
	fx->src.hook_arg = fx;
	fx->src.hook = ask_until_freed;
	WRITE_ONCE(fx->watcher, waiter->task);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_EQ(test, holder.nr_waiters, 0);
	fx->src.hook = NULL;
}

/* All ways to hold an element, at once */

#define ROUNDS	400

static void caller_holds_somehow(struct caller *caller)
{
	unsigned int round;
	void *element;

	allow_signal(SIGKILL);
	for (round = caller->index; round < ROUNDS + caller->index; round++) {
		if (round % 5 == 0)
			element = mempool2_alloc_timeout(caller->pool, GFP_NOIO, round % 3);
		else if (round % 5 == 1)
			element = mempool2_alloc(caller->pool, GFP_NOWAIT);
		else
			element = mempool2_alloc(caller->pool, GFP_NOIO);
		if (IS_ERR_OR_NULL(element))
			continue;
		source_claim(&caller->fx->src, element);
		if (round % 7 == 0)
			udelay(2);
		else if (round % 11 == 0)
			schedule_timeout_uninterruptible(1);
		else
			cond_resched();
		source_disclaim(&caller->fx->src, element);
		mempool2_free(element, caller->pool);
	}
}

static void offers_leave_no_waiter_behind(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 2);
	source_fail(&fx->src);
	for (i = 0; i < 6; i++)
		caller_run(caller_add(fx, caller_holds_somehow), ANY_CPU);
	for (i = 0; i < 6; i++)
		KUNIT_EXPECT_TRUE(test, caller_returns_within(&fx->callers[i], 30 * HZ));
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	KUNIT_EXPECT_FALSE(test, atomic_read(&fx->pool.state) & MEMPOOL2_OFFERED);
}

static struct kunit_case offer_cases[] = {
	KUNIT_CASE(element_held_for_nothing_is_offered),
	KUNIT_CASE(offers_are_made_while_checks_are_on),
	KUNIT_CASE(element_held_over_a_sleep_is_handed_over),
	KUNIT_CASE(element_freed_in_an_interrupt_is_handed_over),
	KUNIT_CASE(element_of_another_task_is_handed_over),
	KUNIT_CASE(nothing_is_offered_below_a_limit),
	KUNIT_CASE(nothing_is_offered_to_a_bulk_waiter),
	KUNIT_CASE(nothing_is_offered_to_a_request),
	KUNIT_CASE(interrupts_stay_off_when_the_reserve_serves_a_request),
	KUNIT_CASE(nothing_is_offered_to_one_that_asks_for_memory),
	KUNIT_CASE(waiter_that_found_nothing_is_given_the_next_element),
	KUNIT_CASE(next_one_gets_what_was_offered_to_one_that_is_served),
	KUNIT_CASE(offers_leave_no_waiter_behind),
	{}
};

static struct kunit_suite offer_suite = {
	.name = "mempool2_offer",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = offer_cases,
};

kunit_test_suite(offer_suite);
