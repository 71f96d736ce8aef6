// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: filling the reserve without waiting for frees
 */
#include "fixture.h"

KUNIT_ARRAY_PARAM(context, contexts, context_name);

static void refill_fills_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 4);
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 4);
	/* The elements that were out meanwhile are surplus now. */
	fixture_put_all(fx);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 4);
}

static void refill_allocates_no_more_than_is_missing(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
}

static void refill_returns_what_is_still_missing(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	fixture_drain(fx);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 4);
	source_allow(&fx->src, 3);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 1);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
}

static void refill_hands_the_mask_on_as_it_is(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	source_recover(&fx->src);
	source_forget(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_NOIO), 0);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0), bits(GFP_NOIO));
}

static void refill_serves_waiters_first(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[3];
	int i;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	for (i = 0; i < 3; i++)
		callers[i] = caller_that_waits(fx);
	fx->src.only_for = current;
	source_allow(&fx->src, 4);
	/* Two elements are missing, so refill allocates two. */
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 2);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
	KUNIT_EXPECT_FALSE(test, caller_has_returned(callers[2]));
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 1);
	KUNIT_EXPECT_TRUE(test, caller_returns(callers[2]));
}

static void refill_of_a_pool_with_min_nr_0_gives_it_one(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 1);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 1);
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

struct job {
	struct fixture	*fx;
	int		ret;
};

static void job_refill(void *arg)
{
	struct job *job = arg;

	job->ret = mempool2_refill(&job->fx->pool, GFP_ATOMIC);
}

static void refill_may_be_called_anywhere(struct kunit *test)
{
	const struct context *context = test->param_value;
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .ret = -1 };

	fixture_pool(fx, 3);
	fixture_drain(fx);
	source_recover(&fx->src);
	run_in(fx, context->where, job_refill, &job);
	KUNIT_EXPECT_EQ(test, job.ret, 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
}

/* Elements that the pool never had do not count as missing once refill has allocated them. */
static void pool_that_was_filled_in_part_and_refilled_shrinks(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	source_allow(&fx->src, 1);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 6), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 6);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 2), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 2);
}

/*
 * A request for two elements collects one, gets another one from the call, and its callback frees
 * both. So the reserve lacks fewer elements than when the call began.
 */
static void gives_back_two(struct mempool2_waiter *waiter, void **elems)
{
	mempool2_free(elems[0], waiter->pool);
	mempool2_free(elems[1], waiter->pool);
}

static void request_lacks_one(struct fixture *fx)
{
	static struct mempool2_waiter waiter;
	struct kunit *test = fx->test;
	static void *elems[2];

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "PREEMPT_RT: a thread runs the callback later");
	fixture_pool(fx, 2);
	fixture_drain(fx);
	mempool2_waiter_init(&waiter, gives_back_two);
	KUNIT_ASSERT_EQ(test, mempool2_alloc_bulk_async(&fx->pool, GFP_NOWAIT, elems, 2, &waiter),
			-EINPROGRESS);
	/* No retry for the request; and if one comes, it finds nothing. */
	WRITE_ONCE(waiter.due, jiffies + 1000 * HZ);
	fx->src.only_for = current;
	fixture_put(fx);
	source_forget(&fx->src);
	source_recover(&fx->src);
}

static void refill_counts_what_a_callback_frees(struct kunit *test)
{
	struct fixture *fx = test->priv;

	request_lacks_one(fx);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	/* It allocated no element in vain. */
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static void growing_counts_what_a_callback_frees(struct kunit *test)
{
	struct fixture *fx = test->priv;

	request_lacks_one(fx);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static void refill_of_no_pool_is_refused(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;

	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), -EINVAL);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), -EINVAL);
	expect_one_warning(fx, &spent, "pool is not initialized");
}

static struct kunit_case refill_cases[] = {
	KUNIT_CASE(refill_fills_the_reserve),
	KUNIT_CASE(refill_allocates_no_more_than_is_missing),
	KUNIT_CASE(refill_returns_what_is_still_missing),
	KUNIT_CASE(refill_hands_the_mask_on_as_it_is),
	KUNIT_CASE(refill_serves_waiters_first),
	KUNIT_CASE(refill_of_a_pool_with_min_nr_0_gives_it_one),
	KUNIT_CASE_PARAM(refill_may_be_called_anywhere, context_gen_params),
	KUNIT_CASE(pool_that_was_filled_in_part_and_refilled_shrinks),
	KUNIT_CASE(refill_counts_what_a_callback_frees),
	KUNIT_CASE(growing_counts_what_a_callback_frees),
	KUNIT_CASE(refill_of_no_pool_is_refused),
	{}
};

static struct kunit_suite refill_suite = {
	.name = "mempool2_refill",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = refill_cases,
};

kunit_test_suite(refill_suite);
