// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: callers that wait for a limited time, or until they are killed
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>

#include "fixture.h"

static void caller_alloc_timeout(struct caller *caller)
{
	void *element = mempool2_alloc_timeout(caller->pool, caller->gfp, caller->count);

	caller->ret = PTR_ERR_OR_ZERO(element);
	if (!IS_ERR(element))
		caller->elems[0] = element;
}

static void caller_alloc_killable(struct caller *caller)
{
	void *element;

	/* A kernel thread cannot be killed unless it allows the signal. */
	allow_signal(SIGKILL);
	element = mempool2_alloc_killable(caller->pool, caller->gfp);
	caller->ret = PTR_ERR_OR_ZERO(element);
	if (!IS_ERR(element))
		caller->elems[0] = element;
}

static void caller_kill(struct caller *caller)
{
	send_sig(SIGKILL, caller->task, 1);
}

/* Start a caller that waits in @fn, for @count jiffies if @fn has a timeout. */
static struct caller *caller_that_waits_with(struct fixture *fx,
					     void (*fn)(struct caller *caller),
					     unsigned long timeout)
{
	struct caller *caller = caller_add(fx, fn);

	caller->count = timeout;
	caller_run(caller, ANY_CPU);
	KUNIT_ASSERT_TRUE(fx->test, caller_queues(caller, timeout && timeout < HZ));
	return caller;
}

/* A caller waits only if it has to */

static void caller_that_may_give_up_gets_fresh_memory_first(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	fixture_hold(fx, mempool2_alloc_timeout(&fx->pool, GFP_KERNEL, 0));
	fixture_hold(fx, mempool2_alloc_killable(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 2);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0),
			bits((GFP_KERNEL | ADDED_GFP) & ~LATER_GFP));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

static void caller_that_may_give_up_gets_the_reserve_next(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	source_fail(&fx->src);
	fixture_hold(fx, mempool2_alloc_timeout(&fx->pool, GFP_KERNEL, 0));
	fixture_hold(fx, mempool2_alloc_killable(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	/* The reserve comes before reclaim, which may take time. */
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 2);
}

static void caller_that_may_give_up_reclaims_before_waiting(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	source_fail_next(&fx->src, 1);
	fixture_hold(fx, mempool2_alloc_timeout(&fx->pool, GFP_NOIO, 0));
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 1), bits(GFP_NOIO | ADDED_GFP));
}

static void mask_without_reclaim_does_not_wait(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_timeout(&fx->pool, GFP_NOWAIT, HZ)),
			(long)-ENOMEM);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_killable(&fx->pool, GFP_NOWAIT)),
			(long)-ENOMEM);
}

/* Timeouts */

static void wait_ends_when_the_time_is_over(struct kunit *test)
{
	struct fixture *fx = test->priv;
	unsigned long start = jiffies;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits_with(fx, caller_alloc_timeout, HZ / 10);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, (long)-ETIMEDOUT);
	KUNIT_EXPECT_TRUE(test, time_after_eq(jiffies, start + HZ / 10));
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

/* At the end of its time a waiter behind the head sleeps in a nap that ends in the fifth second. */
static void time_of_a_waiter_behind_the_head_is_over_in_time(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *head, *caller;
	unsigned long start = jiffies;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	head = caller_that_waits(fx);
	caller = caller_that_waits_with(fx, caller_alloc_timeout, 16 * HZ / 5);
	KUNIT_EXPECT_TRUE(test, caller_returns_within(caller, 9 * HZ / 2));
	KUNIT_EXPECT_EQ(test, caller->ret, (long)-ETIMEDOUT);
	KUNIT_EXPECT_TRUE(test, time_after_eq(jiffies, start + 16 * HZ / 5));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(head));
}

static void waiter_behind_one_whose_time_is_over_asks_soon(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *head, *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	head = caller_that_waits_with(fx, caller_alloc_timeout, HZ / 10);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(head));
	KUNIT_EXPECT_EQ(test, head->ret, (long)-ETIMEDOUT);
	source_recover(&fx->src);
	KUNIT_EXPECT_TRUE(test, caller_returns_within(caller, SOON));
	KUNIT_EXPECT_NOT_NULL(test, caller->elems[0]);
}

static void timeout_of_0_does_not_wait(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_timeout(&fx->pool, GFP_KERNEL, 0)),
			(long)-ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

static void element_freed_in_time_is_returned(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits_with(fx, caller_alloc_timeout, 100 * HZ);
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, 0L);
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
}

static void largest_timeout_is_for_ever(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	/* @count is an unsigned int; the timeout of the call has a wider type. */
	caller = caller_that_waits_with(fx, caller_alloc_timeout, UINT_MAX);
	KUNIT_EXPECT_FALSE(test, caller_returns_within(caller, HZ / 20));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, 0L);
	mempool2_free(caller->elems[0], &fx->pool);
	caller->elems[0] = mempool2_alloc_timeout(&fx->pool, GFP_KERNEL, ULONG_MAX);
	KUNIT_EXPECT_FALSE(test, IS_ERR(caller->elems[0]));
}

/* time_after() cannot represent a time so far in the future. */
static const struct long_timeout {
	const char	*name;
	unsigned long	jiffies;
} long_timeouts[] = {
	{ "LONG_MAX", LONG_MAX },
	{ "LONG_MAX + 1", LONG_MAX + 1UL },
	{ "ULONG_MAX", ULONG_MAX },
};

static void long_timeout_name(const struct long_timeout *timeout, char *name)
{
	strscpy(name, timeout->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(long_timeout, long_timeouts, long_timeout_name);

static void caller_alloc_long_timeout(struct caller *caller)
{
	const struct long_timeout *timeout = caller->fx->test->param_value;
	void *element = mempool2_alloc_timeout(caller->pool, caller->gfp, timeout->jiffies);

	caller->ret = PTR_ERR_OR_ZERO(element);
	if (!IS_ERR(element))
		caller->elems[0] = element;
}

static void timeout_beyond_all_jiffies_does_not_end_the_wait(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits_with(fx, caller_alloc_long_timeout, 0);
	KUNIT_EXPECT_FALSE(test, caller_returns_within(caller, HZ / 20));
	/* The wait does not end either when the waiter checks the time again. */
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_FALSE(test, caller_returns_within(caller, HZ / 20));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, 0L);
}

static void bare_wake_up_does_not_lengthen_the_time(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct patience patience;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits_with(fx, caller_alloc_timeout, HZ / 2);
	patience = patience_of(3 * HZ);
	while (!caller_has_returned(caller) && patience_lasts(&patience)) {
		wake_up(&fx->pool.wait);
		schedule_timeout_uninterruptible(1);
	}
	KUNIT_EXPECT_TRUE(test, caller_has_returned(caller));
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, (long)-ETIMEDOUT);
}

/* Killing */

static void killed_caller_gives_up(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits_with(fx, caller_alloc_killable, 0);
	KUNIT_EXPECT_FALSE(test, caller_returns_within(caller, HZ / 20));
	caller_kill(caller);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, (long)-EINTR);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

static void killable_caller_gets_a_freed_element(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits_with(fx, caller_alloc_killable, 0);
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
}

static void alloc_killed(struct caller *caller)
{
	allow_signal(SIGKILL);
	caller_alloc(caller);
}

static void alloc_timeout_killed(struct caller *caller)
{
	allow_signal(SIGKILL);
	caller_alloc_timeout(caller);
}

static void killing_does_not_concern_the_others(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller, *timed;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	caller = caller_that_waits_with(fx, alloc_killed, 0);
	timed = caller_that_waits_with(fx, alloc_timeout_killed, 100 * HZ);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(caller));
	caller_kill(caller);
	caller_kill(timed);
	KUNIT_EXPECT_FALSE(test, caller_returns_within(caller, HZ / 20));
	KUNIT_EXPECT_FALSE(test, caller_has_returned(timed));
	fixture_put_all(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_TRUE(test, caller_returns(timed));
	KUNIT_EXPECT_EQ(test, timed->ret, 0L);
}

/* The order of the queue */

static void callers_that_may_give_up_are_served_in_turn(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[4];
	void *element;
	int i;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	callers[0] = caller_that_waits_with(fx, caller_alloc_timeout, 100 * HZ);
	callers[1] = caller_that_waits(fx);
	callers[2] = caller_that_waits_with(fx, caller_alloc_killable, 0);
	callers[3] = caller_that_waits_with(fx, caller_alloc_timeout, 100 * HZ);
	element = fixture_put(fx);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
		KUNIT_EXPECT_PTR_EQ(test, callers[i]->elems[0], element);
		KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 3 - i);
		callers[i]->elems[0] = NULL;
		mempool2_free(element, &fx->pool);
	}
}

static void waiter_that_gives_up_makes_room_for_the_next(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *first, *second, *third;
	void *element;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	first = caller_that_waits_with(fx, caller_alloc_killable, 0);
	second = caller_that_waits(fx);
	third = caller_that_waits_with(fx, caller_alloc_killable, 0);
	caller_kill(third);
	caller_kill(first);
	KUNIT_EXPECT_TRUE(test, caller_returns(first));
	KUNIT_EXPECT_EQ(test, first->ret, (long)-EINTR);
	KUNIT_EXPECT_TRUE(test, caller_returns(third));
	KUNIT_EXPECT_EQ(test, third->ret, (long)-EINTR);
	KUNIT_EXPECT_FALSE(test, caller_has_returned(second));
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(second));
	KUNIT_EXPECT_PTR_EQ(test, second->elems[0], element);
	fixture_put(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	/* MEMPOOL2_WAITERS is clear, so a newcomer need not wait. */
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

/*
 * The wait ends and an element is freed at the same time. The last retry, after the time is
 * over, is a good moment for the free, as the waiter is still queued.
 */
static unsigned long last_moment;

static void serve_at_the_end(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (time_after_eq(jiffies, last_moment) && fx->nr_held)
		fixture_put(fx);
}

static void element_freed_at_the_last_moment_is_returned(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	element = fx->held[0];
	last_moment = jiffies + HZ / 10;
	fx->src.hook_arg = fx;
	fx->src.hook = serve_at_the_end;
	caller = caller_that_waits_with(fx, caller_alloc_timeout, HZ / 10);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, 0L);
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
}

/*
 * A free just after the waiter has found nothing, when it waits for the lock to leave the queue. A
 * killed waiter calls the alloc function once more before it leaves, and that returns only when
 * the freeing CPU has the lock.
 */
static void ask_until_locked(struct source *src, gfp_t gfp_mask)
{
	struct caller *giver = src->hook_arg;

	if (!signal_pending(current))
		return;
	WRITE_ONCE(giver->count, 1);
	comes_true(spin_is_locked(&giver->pool->wait.lock), 10 * HZ);
}

static void caller_gives_late(struct caller *caller)
{
	if (!comes_true(READ_ONCE(caller->count), 10 * HZ))
		return;
	caller->ret = give_late(caller->pool, caller->elems[0], 200, NULL);
	caller->elems[0] = NULL;
}

static void element_given_while_the_waiter_leaves_is_returned(struct kunit *test)
{
	int cpu = cpumask_first(cpu_online_mask);
	struct fixture *fx = test->priv;
	struct caller *caller, *giver;
	void *element;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	fixture_pool(fx, 1);
	source_fail(&fx->src);
	element = mempool2_alloc_preallocated(&fx->pool);
	caller = caller_add(fx, caller_alloc_killable);
	caller_run(caller, cpu);
	KUNIT_ASSERT_TRUE(test, caller_queues(caller, false));
	giver = caller_add(fx, caller_gives_late);
	giver->count = 0;
	giver->elems[0] = element;
	fx->src.hook_arg = giver;
	fx->src.hook = ask_until_locked;
	caller_run(giver, cpumask_next(cpu, cpu_online_mask));
	caller_kill(caller);
	KUNIT_EXPECT_TRUE(test, caller_returns(giver));
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, giver->ret, 1L);
	KUNIT_EXPECT_EQ(test, caller->ret, 0L);
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
}

static void give_up_loop(struct caller *caller)
{
	struct source *src = &caller->fx->src;
	void *element;

	allow_signal(SIGKILL);
	while (!READ_ONCE(caller->fx->stop)) {
		if (caller->index % 2)
			element = mempool2_alloc_timeout(caller->pool, GFP_NOIO, caller->ret % 3);
		else
			element = mempool2_alloc_killable(caller->pool, GFP_NOIO);
		/* Some callers hold the element until the time of others is over. */
		if (!IS_ERR(element)) {
			source_claim(src, element);
			schedule_timeout_uninterruptible(caller->ret % 2);
			source_disclaim(src, element);
			mempool2_free(element, caller->pool);
		} else {
			caller->count++;
			flush_signals(current);
		}
		caller->ret++;
		cond_resched();
	}
}

static void kill_loop(struct caller *caller)
{
	struct fixture *fx = caller->fx;

	while (!READ_ONCE(fx->stop)) {
		/* The killable callers have even numbers. */
		caller_kill(&fx->callers[caller->ret++ % 4 * 2]);
		schedule_timeout_uninterruptible(caller->ret % 2);
		cond_resched();
	}
}

static void waiter_that_gives_up_when_served_loses_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;
	long nr_given_up = 0;
	int i;

	fixture_pool(fx, 2);
	fx->src.pool = NULL;
	source_fail(&fx->src);
	for (i = 0; i < 8; i++)
		caller_run(caller_add(fx, give_up_loop), ANY_CPU);
	caller_run(caller_add(fx, kill_loop), ANY_CPU);
	let_pass(HZ);
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	for (i = 0; i < 8; i++) {
		nr_given_up += fx->callers[i].count - 1;
		KUNIT_EXPECT_GT(test, fx->callers[i].ret, 0L);
	}
	KUNIT_EXPECT_GT(test, nr_given_up, 0L);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

/* Misuse by callers */

static void alloc_timeout_of_no_pool_is_refused(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;

	KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_timeout(&fx->pool, GFP_KERNEL, 1)),
			(long)-EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_timeout(&fx->pool, GFP_KERNEL, 1)),
			(long)-EINVAL);
	expect_one_warning(fx, &spent, "pool is not initialized");
}

static void alloc_killable_of_no_pool_is_refused(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;

	KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_killable(&fx->pool, GFP_KERNEL)),
			(long)-EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_killable(&fx->pool, GFP_KERNEL)),
			(long)-EINVAL);
	expect_one_warning(fx, &spent, "pool is not initialized");
}

static void gfp_zero_is_noticed_in_other_ways_to_wait_too(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;
	int i;

	fixture_pool(fx, 1);
	for (i = 0; i < 2; i++)
		fixture_hold(fx, mempool2_alloc_killable(&fx->pool, GFP_KERNEL | __GFP_ZERO));
	expect_one_warning(fx, &spent, "__GFP_ZERO");
}

static struct kunit_case giveup_cases[] = {
	KUNIT_CASE(caller_that_may_give_up_gets_fresh_memory_first),
	KUNIT_CASE(caller_that_may_give_up_gets_the_reserve_next),
	KUNIT_CASE(caller_that_may_give_up_reclaims_before_waiting),
	KUNIT_CASE(mask_without_reclaim_does_not_wait),
	KUNIT_CASE(wait_ends_when_the_time_is_over),
	KUNIT_CASE_SLOW(time_of_a_waiter_behind_the_head_is_over_in_time),
	KUNIT_CASE(waiter_behind_one_whose_time_is_over_asks_soon),
	KUNIT_CASE(timeout_of_0_does_not_wait),
	KUNIT_CASE(element_freed_in_time_is_returned),
	KUNIT_CASE(largest_timeout_is_for_ever),
	KUNIT_CASE_PARAM(timeout_beyond_all_jiffies_does_not_end_the_wait,
			 long_timeout_gen_params),
	KUNIT_CASE(bare_wake_up_does_not_lengthen_the_time),
	KUNIT_CASE(killed_caller_gives_up),
	KUNIT_CASE(killable_caller_gets_a_freed_element),
	KUNIT_CASE(killing_does_not_concern_the_others),
	KUNIT_CASE(callers_that_may_give_up_are_served_in_turn),
	KUNIT_CASE(waiter_that_gives_up_makes_room_for_the_next),
	KUNIT_CASE(element_freed_at_the_last_moment_is_returned),
	KUNIT_CASE(element_given_while_the_waiter_leaves_is_returned),
	KUNIT_CASE(waiter_that_gives_up_when_served_loses_nothing),
	KUNIT_CASE(alloc_timeout_of_no_pool_is_refused),
	KUNIT_CASE(alloc_killable_of_no_pool_is_refused),
	KUNIT_CASE(gfp_zero_is_noticed_in_other_ways_to_wait_too),
	{}
};

static struct kunit_suite giveup_suite = {
	.name = "mempool2_giveup",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = giveup_cases,
};

kunit_test_suite(giveup_suite);
