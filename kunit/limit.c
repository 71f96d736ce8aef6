// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: a limit to how many elements may be out
 */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/wait.h>

#include "fixture.h"

static void fixture_limited_pool(struct fixture *fx, int min_nr, int limit)
{
	fixture_pool(fx, min_nr);
	KUNIT_ASSERT_EQ(fx->test, mempool2_set_limit(&fx->pool, limit), 0);
	source_forget(&fx->src);
}

/* Allocate and hold @nr elements, which must succeed. */
static void hold(struct fixture *fx, int nr)
{
	while (nr--)
		fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

static void no_more_than_the_limit_is_out(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_limited_pool(fx, 2, 5);
	hold(fx, 5);
	/* The back end has memory and the reserve has elements, but the limit is reached. */
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_NULL(test, mempool2_alloc_preallocated(&fx->pool));
	KUNIT_EXPECT_NULL(test, mempool2_alloc_noreserve(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_timeout(&fx->pool, GFP_KERNEL, 1)),
			(long)-ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 5);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
}

static void each_way_to_allocate_counts(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[2];

	fixture_limited_pool(fx, 2, 6);
	hold(fx, 1);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	fixture_hold(fx, mempool2_alloc_noreserve(&fx->pool, GFP_KERNEL));
	fixture_hold(fx, mempool2_alloc_killable(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 2), 0);
	fixture_hold(fx, elems[0]);
	fixture_hold(fx, elems[1]);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

static void failed_allocation_does_not_count(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_limited_pool(fx, 1, 2);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	source_fail(&fx->src);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
		KUNIT_EXPECT_NULL(test, mempool2_alloc_preallocated(&fx->pool));
		KUNIT_EXPECT_NULL(test, mempool2_alloc_noreserve(&fx->pool, GFP_NOWAIT));
		KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_killable(&fx->pool, GFP_NOWAIT)),
				(long)-ENOMEM);
	}
	source_recover(&fx->src);
	hold(fx, 1);
}

static void freed_element_makes_room_below_the_limit(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[2];
	int i;

	fixture_limited_pool(fx, 1, 2);
	for (i = 0; i < 3; i++) {
		hold(fx, 2);
		KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
		fixture_put_all(fx);
	}
	for (i = 0; i < 2; i++)
		elems[i] = mempool2_alloc(&fx->pool, GFP_NOWAIT);
	/* The reserve is full and takes none of the elements, but they no longer count as out. */
	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, 2), 0u);
	for (i = 0; i < 2; i++)
		source_free(elems[i], &fx->src);
	hold(fx, 2);
}

static void waiters_for_the_limit_are_served_in_turn(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[3];
	void *element;
	int i;

	fixture_limited_pool(fx, 1, 2);
	hold(fx, 2);
	for (i = 0; i < 3; i++)
		callers[i] = caller_that_waits(fx);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	element = fixture_put(fx);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
		KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 2 - i);
		KUNIT_ASSERT_NOT_NULL(test, callers[i]->elems[0]);
		mempool2_free(callers[i]->elems[0], &fx->pool);
		callers[i]->elems[0] = NULL;
	}
	KUNIT_EXPECT_NOT_NULL(test, element);
	hold(fx, 1);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

/*
 * The element that memory gave the bulk caller goes to the reserve, and the caller does not
 * count.
 */
static void bulk_caller_gives_back_what_memory_had(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	int i;

	fixture_limited_pool(fx, 3, 6);
	for (i = 0; i < 2; i++)
		fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	source_allow(&fx->src, 1);
	caller = caller_that_waits_for(fx, 3);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	source_recover(&fx->src);
	hold(fx, 2);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

static void bulk_caller_waits_for_the_limit_and_holds_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *first, *second;
	int i;

	fixture_limited_pool(fx, 3, 3);
	hold(fx, 2);
	first = caller_that_waits_for(fx, 3);
	second = caller_that_waits_for(fx, 3);
	/* The limit leaves room for one element, which the first caller collects. */
	KUNIT_EXPECT_TRUE(test, caller_sleeps(first));
	fixture_put_all(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(first));
	KUNIT_EXPECT_FALSE(test, caller_returns_within(second, 2));
	for (i = 0; i < 3; i++) {
		mempool2_free(first->elems[i], &fx->pool);
		first->elems[i] = NULL;
	}
	KUNIT_EXPECT_TRUE(test, caller_returns(second));
}

static void sent_to_nobody(struct mempool2_waiter *waiter, void **elems)
{
}

static void cancelled_request_leaves_room_below_the_limit(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct mempool2_waiter waiter;
	static void *elems[3];

	fixture_limited_pool(fx, 3, 3);
	hold(fx, 1);
	mempool2_waiter_init(&waiter, sent_to_nobody);
	KUNIT_ASSERT_EQ(test, mempool2_alloc_bulk_async(&fx->pool, GFP_NOWAIT, elems, 3,
							&waiter), -EINPROGRESS);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&waiter));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
	hold(fx, 2);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

static void waiter_below_the_limit_looks_for_memory(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *first, *second;

	fixture_limited_pool(fx, 1, 3);
	hold(fx, 1);
	fixture_drain(fx);
	first = caller_that_waits(fx);
	second = caller_that_waits(fx);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(second));
	/* The limit leaves room for one element: for the first waiter, not for a newcomer. */
	fx->src.only_for = current;
	source_recover(&fx->src);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	fx->src.only_for = second->task;
	wake_up_process(second->task);
	KUNIT_EXPECT_FALSE(test, caller_returns_within(second, 2));
	fx->src.only_for = NULL;
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_TRUE(test, caller_returns(first));
	KUNIT_EXPECT_FALSE(test, caller_returns_within(second, 2));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(second));
}

static void larger_limit_serves_waiters(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[3];
	int i;

	fixture_limited_pool(fx, 1, 1);
	hold(fx, 1);
	for (i = 0; i < 3; i++)
		callers[i] = caller_that_waits(fx);
	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, 3), 0);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
	KUNIT_EXPECT_FALSE(test, caller_returns_within(callers[2], 2));
	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, 0), 0);
	KUNIT_EXPECT_TRUE(test, caller_returns(callers[2]));
	hold(fx, 8);
}

static void larger_limit_serves_more_than_a_batch_from_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[5];
	int i;

	fixture_limited_pool(fx, 5, 5);
	hold(fx, 5);
	KUNIT_ASSERT_EQ(test, mempool2_nr_reserved(&fx->pool), 5);
	for (i = 0; i < 5; i++)
		callers[i] = caller_that_waits(fx);
	source_fail(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, 0), 0);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
}

static void smaller_limit_waits_until_enough_is_back(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_limited_pool(fx, 1, 4);
	hold(fx, 4);
	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, 2), 0);
	fixture_put(fx);
	fixture_put(fx);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	fixture_put(fx);
	hold(fx, 1);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

static void limit_is_never_less_than_min_nr(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[6];
	int i;

	fixture_limited_pool(fx, 2, 3);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 6), 0);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 6), 0);
	for (i = 0; i < 6; i++)
		fixture_hold(fx, elems[i]);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

static void elements_that_were_never_counted_may_be_freed(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	hold(fx, 3);
	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, 2), 0);
	fixture_put_all(fx);
	hold(fx, 2);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

static void limited_loop(struct caller *caller)
{
	struct source *src = &caller->fx->src;
	void *elems[2];
	int i, nr;

	do {
		nr = 1;
		if (caller->index == 0) {
			nr = 2;
			mempool2_alloc_bulk(caller->pool, elems, 2);
		} else {
			elems[0] = mempool2_alloc(caller->pool, GFP_NOIO);
		}
		/* The limit is 3. */
		if (atomic_add_return(nr, (atomic_t *)src->hook_arg) > 3)
			atomic_inc(&src->nr_irregular);
		for (i = 0; i < nr; i++)
			source_claim(src, elems[i]);
		schedule_timeout_uninterruptible(caller->ret++ % 8 == 0);
		atomic_sub(nr, (atomic_t *)src->hook_arg);
		for (i = 0; i < nr; i++) {
			source_disclaim(src, elems[i]);
			mempool2_free(elems[i], caller->pool);
		}
		cond_resched();
	} while (!READ_ONCE(caller->fx->stop));
}

static void limit_holds_under_load_and_no_waiter_is_left_behind(struct kunit *test)
{
	struct patience patience = patience_of(HZ / 2);
	struct fixture *fx = test->priv;
	static atomic_t nr_inflight;
	int i;

	fixture_limited_pool(fx, 2, 3);
	fx->src.pool = NULL;
	fx->src.hook_arg = &nr_inflight;
	atomic_set(&nr_inflight, 0);
	for (i = 0; i < 8; i++)
		caller_run(caller_add(fx, limited_loop), ANY_CPU);
	while (patience_lasts(&patience)) {
		schedule_timeout_uninterruptible(1);
		if (jiffies % 4 == 0)
			source_fail(&fx->src);
		else
			source_recover(&fx->src);
	}
	source_recover(&fx->src);
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_GT(test, fx->callers[i].ret, 0L);
	hold(fx, 3);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

static void negative_limit_is_refused(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;

	fixture_pool(fx, 1);
	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, -1), -EINVAL);
	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, -1), -EINVAL);
	expect_one_warning(fx, &spent, "limit -1 is negative");
	hold(fx, 3);
}

static void limit_below_min_nr_is_refused(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;

	fixture_limited_pool(fx, 2, 2);
	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, 1), -EINVAL);
	expect_one_warning(fx, &spent, "limit 1 is less than min_nr 2");
	hold(fx, 2);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

static void limit_of_no_pool_is_refused(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;

	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, 1), -EINVAL);
	expect_one_warning(fx, &spent, "pool is not initialized");
}

/*
 * A callback destroys the pool. The call that runs the callback must not use the pool
 * afterwards, so the callback replaces the pool by one that counts its uses.
 */
static struct mempool2 ended;
static int nr_used_after_end;

static void used_after_end(void *element, void *data)
{
	nr_used_after_end++;
}

static void callback_that_ends(struct mempool2_waiter *waiter, void **elems)
{
	struct mempool2 trap = ended;

	mempool2_free(elems[0], &ended);
	mempool2_exit(&ended);
	trap.free = used_after_end;
	RCU_INIT_POINTER(trap.reserve, NULL);
	ended = trap;
	init_waitqueue_head(&ended.wait);
}

static void function_may_end_a_pool_with_a_limit(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct mempool2_waiter waiter;
	void *element;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "PREEMPT_RT: no callback may end a pool");
	nr_used_after_end = 0;
	KUNIT_ASSERT_EQ(test, mempool2_init(&ended, 1, source_alloc, source_free, &fx->src), 0);
	KUNIT_ASSERT_EQ(test, mempool2_set_limit(&ended, 1), 0);
	element = mempool2_alloc(&ended, GFP_KERNEL);
	mempool2_waiter_init(&waiter, callback_that_ends);
	KUNIT_ASSERT_EQ(test, PTR_ERR(mempool2_alloc_async(&ended, GFP_NOWAIT, &waiter)),
			(long)-EINPROGRESS);
	mempool2_free(element, &ended);
	KUNIT_EXPECT_EQ(test, nr_used_after_end, 0);
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(ended.reserve));
	memset(&ended, 0, sizeof(ended));
}

static void freed_element_goes_to_the_waiter_for_the_limit(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *element;

	fixture_limited_pool(fx, 1, 1);
	hold(fx, 1);
	caller = caller_that_waits(fx);
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	/* The same element, not another one of the reserve. */
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
}

/* A call charges the limit, finds no element and uncharges; a request queues meanwhile. */
static struct mempool2_waiter queued_meanwhile;
static void *sent;

static void callback_that_keeps(struct mempool2_waiter *waiter, void **elems)
{
	WRITE_ONCE(sent, elems[0]);
}

static void queue_meanwhile(struct source *src, gfp_t gfp_mask)
{
	src->hook = NULL;
	mempool2_alloc_async(src->pool, GFP_NOWAIT, &queued_meanwhile);
}

static void failed_allocation_calls_no_functions_itself(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element, *sent_at_once;
	int i;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "PREEMPT_RT: only a thread runs callbacks");
	fixture_limited_pool(fx, 1, 2);
	hold(fx, 1);
	source_fail(&fx->src);
	mempool2_waiter_init(&queued_meanwhile, callback_that_keeps);
	sent = NULL;
	fx->src.hook = queue_meanwhile;
	/* The caller may hold a lock that the callback takes. */
	local_irq_disable();
	element = mempool2_alloc(&fx->pool, GFP_NOWAIT);
	sent_at_once = READ_ONCE(sent);
	local_irq_enable();
	KUNIT_EXPECT_NULL(test, element);
	KUNIT_EXPECT_NULL(test, sent_at_once);
	for (i = 0; i < 4 * HZ && !READ_ONCE(sent); i++)
		schedule_timeout_uninterruptible(1);
	mempool2_cancel_sync(&queued_meanwhile);
	KUNIT_ASSERT_NOT_NULL(test, sent);
	mempool2_free(sent, &fx->pool);
}

/*
 * A request at the head cannot look for memory when the queue is woken, so the oldest sleeper
 * does.
 */
static void request_before_it_keeps_no_sleeper_from_looking_for_memory(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct mempool2_waiter waiter;
	struct caller *caller;

	fixture_limited_pool(fx, 1, 3);
	source_fail(&fx->src);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	mempool2_waiter_init(&waiter, callback_that_keeps);
	KUNIT_ASSERT_EQ(test, PTR_ERR(mempool2_alloc_async(&fx->pool, GFP_NOWAIT, &waiter)),
			(long)-EINPROGRESS);
	caller = caller_that_waits(fx);
	fx->src.only_for = caller->task;
	source_allow(&fx->src, 1);
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&waiter));
}

/*
 * A sleeper that calls the alloc function while a request is before it keeps no element that the
 * request lacks, as the request keeps those that it has: each would wait for the other.
 */
static void bulk_caller_behind_a_bulk_request_keeps_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct mempool2_waiter waiter;
	static void *elems[2];
	struct caller *caller;

	fixture_limited_pool(fx, 2, 4);
	fixture_drain(fx);
	WRITE_ONCE(sent, NULL);
	mempool2_waiter_init(&waiter, callback_that_keeps);
	KUNIT_ASSERT_EQ(test, mempool2_alloc_bulk_async(&fx->pool, GFP_NOWAIT, elems, 2, &waiter),
			-EINPROGRESS);
	caller = caller_that_waits_for(fx, 2);
	fx->src.only_for = caller->task;
	source_allow(&fx->src, 1);
	wake_up(&fx->pool.wait);
	let_pass(HZ / 10);
	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, 2), 0);
	source_fail(&fx->src);
	fixture_put_all(fx);
	KUNIT_EXPECT_TRUE(test, comes_true(READ_ONCE(sent), TIMEOUT));
	if (!mempool2_cancel_sync(&waiter)) {
		fixture_hold(fx, elems[0]);
		fixture_hold(fx, elems[1]);
		fixture_put_all(fx);
	}
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

/* A sleeper looks at no more requests than a batch: the lock is held meanwhile. */
#define MANY_REQUESTS	70

static void caller_behind_many_requests_asks_when_there_are_fewer(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct mempool2_waiter waiters[MANY_REQUESTS];
	struct caller *caller;
	int i;

	fixture_limited_pool(fx, 1, 3);
	fixture_drain(fx);
	for (i = 0; i < MANY_REQUESTS; i++) {
		mempool2_waiter_init(&waiters[i], callback_that_keeps);
		KUNIT_ASSERT_EQ(test,
				PTR_ERR(mempool2_alloc_async(&fx->pool, GFP_NOWAIT, &waiters[i])),
				(long)-EINPROGRESS);
	}
	caller = caller_that_waits(fx);
	fx->src.only_for = caller->task;
	source_allow(&fx->src, 1);
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_FALSE(test, caller_returns_within(caller, HZ / 10));
	for (i = 0; i < MANY_REQUESTS / 2; i++)
		KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&waiters[i]));
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	for (; i < MANY_REQUESTS; i++)
		KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&waiters[i]));
}

/* A request for which there is memory, but which the limit does not allow. */
static void retry_of_a_request_keeps_to_the_limit(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct mempool2_waiter waiter;

	fixture_limited_pool(fx, 1, 1);
	hold(fx, 1);
	source_forget(&fx->src);
	WRITE_ONCE(sent, NULL);
	mempool2_waiter_init(&waiter, callback_that_keeps);
	KUNIT_ASSERT_EQ(test, PTR_ERR(mempool2_alloc_async(&fx->pool, GFP_NOWAIT, &waiter)),
			(long)-EINPROGRESS);
	let_pass(HZ / 5);
	KUNIT_EXPECT_NULL(test, READ_ONCE(sent));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&waiter));
}

/* A retry charges the limit, and uncharges when it finds no memory. */
static void retry_of_a_request_in_vain_does_not_count(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct mempool2_waiter waiter;

	fixture_limited_pool(fx, 1, 2);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	source_fail(&fx->src);
	WRITE_ONCE(sent, NULL);
	mempool2_waiter_init(&waiter, callback_that_keeps);
	KUNIT_ASSERT_EQ(test, PTR_ERR(mempool2_alloc_async(&fx->pool, GFP_NOWAIT, &waiter)),
			(long)-EINPROGRESS);
	let_pass(HZ / 5);
	source_recover(&fx->src);
	comes_true(READ_ONCE(sent), SOON);
	mempool2_cancel_sync(&waiter);
	KUNIT_ASSERT_NOT_NULL(test, sent);
	/* The element counts once. */
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	mempool2_free(sent, &fx->pool);
	hold(fx, 1);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

/* A limit that is set, or lowered, while a call is in the alloc function */

static struct completion asking_began, asking_may_end;

/* Only in a retry, not in the calls before the waiter queues. */
static void ask_for_long(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (current == fx->watcher || !READ_ONCE(fx->pool.nr_waiters) ||
	    completion_done(&asking_may_end))
		return;
	complete(&asking_began);
	wait_for_completion(&asking_may_end);
}

static void limit_set_during_a_retry_holds(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	init_completion(&asking_began);
	init_completion(&asking_may_end);
	fx->watcher = current;
	fx->src.hook_arg = fx;
	fx->src.hook = ask_for_long;
	caller = caller_that_waits(fx);
	KUNIT_ASSERT_TRUE(test, comes_true(completion_done(&asking_began), TIMEOUT));
	KUNIT_EXPECT_EQ(test, mempool2_set_limit(&fx->pool, 1), 0);
	fixture_put(fx);
	complete_all(&asking_may_end);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	fx->src.hook = NULL;
	source_recover(&fx->src);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

/* The alloc function reclaims memory, for which it needs an element of the same pool. */
static void lower_limit_and_ask(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (current == fx->watcher || fx->has_nested || !(gfp_mask & __GFP_DIRECT_RECLAIM))
		return;
	mempool2_set_limit(&fx->pool, fx->pool.min_nr);
	fixture_nest(fx, gfp_mask);
}

/* @fn allocates @nr elements. */
static void room_is_not_held(struct fixture *fx, void (*fn)(struct caller *caller), int nr)
{
	struct kunit *test = fx->test;
	struct caller *caller;

	fixture_limited_pool(fx, nr, 2 * nr);
	fixture_drain(fx);
	fx->watcher = current;
	fx->src.hook_arg = fx;
	fx->src.hook = lower_limit_and_ask;
	caller = caller_add(fx, fn);
	caller->count = nr;
	caller_run(caller, ANY_CPU);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 1));
	fixture_put_all(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	fx->src.hook = NULL;
}

static void room_is_not_held_while_memory_is_reclaimed(struct kunit *test)
{
	room_is_not_held(test->priv, caller_alloc, 1);
}

static void room_is_not_held_while_memory_is_reclaimed_for_several(struct kunit *test)
{
	room_is_not_held(test->priv, caller_alloc_bulk, 2);
}

static void caller_alloc_noreserve(struct caller *caller)
{
	caller->elems[0] = mempool2_alloc_noreserve(caller->pool, GFP_NOIO);
}

static void room_is_not_held_while_memory_is_reclaimed_without_the_reserve(struct kunit *test)
{
	room_is_not_held(test->priv, caller_alloc_noreserve, 1);
}

/* A call without reclaim may not free what it has allocated: the free function may sleep. */
static void lower_limit(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	src->hook = NULL;
	KUNIT_EXPECT_EQ(fx->test, mempool2_set_limit(&fx->pool, fx->pool.min_nr), 0);
}

static void alloc_without_reclaim_and_reserve_frees_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_limited_pool(fx, 1, 2);
	hold(fx, 1);
	fx->src.hook_arg = fx;
	fx->src.hook = lower_limit;
	fixture_hold(fx, mempool2_alloc_noreserve(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_EQ(test, fx->nr_held, 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	KUNIT_EXPECT_NULL(test, mempool2_alloc_noreserve(&fx->pool, GFP_NOWAIT));
}

/* Entries of other code do not count as waiters. */
static void entries_of_others_do_not_keep_a_waiter_from_memory(struct kunit *test)
{
	static struct wait_queue_entry entries[70];
	struct fixture *fx = test->priv;
	struct caller *caller;
	int i;

	fixture_limited_pool(fx, 1, 2);
	fixture_drain(fx);
	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		init_waitqueue_entry(&entries[i], current);
		add_wait_queue(&fx->pool.wait, &entries[i]);
	}
	caller = caller_that_waits(fx);
	source_recover(&fx->src);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		remove_wait_queue(&fx->pool.wait, &entries[i]);
}

static struct kunit_case limit_cases[] = {
	KUNIT_CASE(no_more_than_the_limit_is_out),
	KUNIT_CASE(limit_set_during_a_retry_holds),
	KUNIT_CASE(room_is_not_held_while_memory_is_reclaimed),
	KUNIT_CASE(room_is_not_held_while_memory_is_reclaimed_for_several),
	KUNIT_CASE(room_is_not_held_while_memory_is_reclaimed_without_the_reserve),
	KUNIT_CASE(alloc_without_reclaim_and_reserve_frees_nothing),
	KUNIT_CASE(entries_of_others_do_not_keep_a_waiter_from_memory),
	KUNIT_CASE(each_way_to_allocate_counts),
	KUNIT_CASE(failed_allocation_does_not_count),
	KUNIT_CASE(freed_element_makes_room_below_the_limit),
	KUNIT_CASE(waiters_for_the_limit_are_served_in_turn),
	KUNIT_CASE(bulk_caller_gives_back_what_memory_had),
	KUNIT_CASE(bulk_caller_waits_for_the_limit_and_holds_nothing),
	KUNIT_CASE(cancelled_request_leaves_room_below_the_limit),
	KUNIT_CASE(waiter_below_the_limit_looks_for_memory),
	KUNIT_CASE(larger_limit_serves_waiters),
	KUNIT_CASE(larger_limit_serves_more_than_a_batch_from_the_reserve),
	KUNIT_CASE(smaller_limit_waits_until_enough_is_back),
	KUNIT_CASE(limit_is_never_less_than_min_nr),
	KUNIT_CASE(elements_that_were_never_counted_may_be_freed),
	KUNIT_CASE(limit_holds_under_load_and_no_waiter_is_left_behind),
	KUNIT_CASE(negative_limit_is_refused),
	KUNIT_CASE(limit_below_min_nr_is_refused),
	KUNIT_CASE(limit_of_no_pool_is_refused),
	KUNIT_CASE(function_may_end_a_pool_with_a_limit),
	KUNIT_CASE(failed_allocation_calls_no_functions_itself),
	KUNIT_CASE(request_before_it_keeps_no_sleeper_from_looking_for_memory),
	KUNIT_CASE(bulk_caller_behind_a_bulk_request_keeps_nothing),
	KUNIT_CASE(caller_behind_many_requests_asks_when_there_are_fewer),
	KUNIT_CASE(retry_of_a_request_keeps_to_the_limit),
	KUNIT_CASE(retry_of_a_request_in_vain_does_not_count),
	KUNIT_CASE(freed_element_goes_to_the_waiter_for_the_limit),
	{}
};

static struct kunit_suite limit_suite = {
	.name = "mempool2_limit",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = limit_cases,
};

kunit_test_suite(limit_suite);
