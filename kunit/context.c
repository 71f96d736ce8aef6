// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: the same claims from task, softirq and hardirq
 */
#include <linux/stackdepot.h>

#include "../mempool2_debug.h"
#include "fixture.h"

KUNIT_ARRAY_PARAM(context, contexts, context_name);

/* The context in which this case runs. */
static enum test_context param_context(struct kunit *test)
{
	const struct context *context = test->param_value;

	return context->where;
}

/* Arguments and results of a job in the other context, where KUnit expectations are not allowed. */
struct job {
	struct fixture	*fx;
	gfp_t		gfp;
	void		*elems[4];
	unsigned int	count;
	unsigned int	ret;
};

static void job_alloc(void *arg)
{
	struct job *job = arg;

	job->elems[0] = mempool2_alloc(&job->fx->pool, job->gfp);
}

static void job_alloc_preallocated(void *arg)
{
	struct job *job = arg;

	job->elems[0] = mempool2_alloc_preallocated(&job->fx->pool);
}

static void job_alloc_noreserve(void *arg)
{
	struct job *job = arg;

	job->elems[0] = mempool2_alloc_noreserve(&job->fx->pool, job->gfp);
}

static void job_free(void *arg)
{
	struct job *job = arg;
	unsigned int i;

	for (i = 0; i < job->count; i++)
		mempool2_free(job->elems[i], &job->fx->pool);
}

static void job_free_bulk(void *arg)
{
	struct job *job = arg;

	job->ret = mempool2_free_bulk(&job->fx->pool, job->elems, job->count);
}

/* Promise 7: alloc without reclaim, in any context */

static void gfp_atomic_gets_fresh_memory(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .gfp = GFP_ATOMIC };

	fixture_pool(fx, 2);
	run_in(fx, param_context(test), job_alloc, &job);
	fixture_hold(fx, job.elems[0]);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
}

static void gfp_atomic_gets_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .gfp = GFP_ATOMIC };

	fixture_pool(fx, 2);
	source_fail(&fx->src);
	run_in(fx, param_context(test), job_alloc, &job);
	fixture_hold(fx, job.elems[0]);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

static void gfp_nowait_gets_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .gfp = GFP_NOWAIT };

	fixture_pool(fx, 2);
	source_fail(&fx->src);
	run_in(fx, param_context(test), job_alloc, &job);
	fixture_hold(fx, job.elems[0]);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

static void gfp_atomic_gets_null_when_all_is_gone(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .gfp = GFP_ATOMIC };

	fixture_pool(fx, 2);
	fixture_drain(fx);
	job.elems[0] = &job;
	run_in(fx, param_context(test), job_alloc, &job);
	KUNIT_EXPECT_NULL(test, job.elems[0]);
}

static void gfp_atomic_gets_null_when_others_wait(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .gfp = GFP_ATOMIC };
	struct caller *caller;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	job.elems[0] = &job;
	run_in(fx, param_context(test), job_alloc, &job);
	KUNIT_EXPECT_NULL(test, job.elems[0]);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

/* Promise 17: the parts of alloc, in any context */

static void alloc_preallocated_gets_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx };

	fixture_pool(fx, 1);
	run_in(fx, param_context(test), job_alloc_preallocated, &job);
	fixture_hold(fx, job.elems[0]);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);

	run_in(fx, param_context(test), job_alloc_preallocated, &job);
	KUNIT_EXPECT_NULL(test, job.elems[0]);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
}

static void alloc_noreserve_gets_fresh_memory(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .gfp = GFP_ATOMIC };

	fixture_pool(fx, 1);
	run_in(fx, param_context(test), job_alloc_noreserve, &job);
	fixture_hold(fx, job.elems[0]);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0), bits(GFP_ATOMIC));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

/* Promise 8: free, in any context */

static void free_fills_the_reserve_and_then_calls_free_fn(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .count = 3 };
	int i;

	fixture_pool(fx, 2);
	job.elems[2] = mempool2_alloc(&fx->pool, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, job.elems[2]);
	for (i = 0; i < 2; i++)
		job.elems[i] = mempool2_alloc_preallocated(&fx->pool);

	run_in(fx, param_context(test), job_free, &job);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
}

static void callbacks_get_the_interrupts_as_the_caller_had_them(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .gfp = GFP_ATOMIC, .count = 1 };
	enum test_context where = param_context(test);
	bool irqs_are_off = where == IN_TASK_IRQS_OFF || where == IN_HARDIRQ;

	fixture_pool(fx, 1);
	run_in(fx, where, job_alloc, &job);
	run_in(fx, where, job_free, &job);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_irqs_off),
			irqs_are_off ? 2 : 0);
	if (where == IN_TASK)
		KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_atomic), 0);
}

/*
 * On PREEMPT_RT the lock of the queue cannot be taken in every context. Where it cannot, a freed
 * element goes into the reserve, and a deferred irq_work hands it to a waiter.
 */
static bool serves_later(enum test_context where)
{
	return IS_ENABLED(CONFIG_PREEMPT_RT) &&
	       (where == IN_TASK_IRQS_OFF || where == IN_HARDIRQ);
}

static void free_serves_a_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .count = 1 };
	struct caller *caller;

	fixture_pool(fx, 1);
	source_fail(&fx->src);
	job.elems[0] = mempool2_alloc_preallocated(&fx->pool);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(caller));

	run_in(fx, param_context(test), job_free, &job);
	if (!serves_later(param_context(test))) {
		KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	}
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], job.elems[0]);
}

static void free_serves_several_waiters_in_order(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .count = 3 };
	struct caller *callers[3];
	int i;

	fixture_pool(fx, 3);
	source_fail(&fx->src);
	for (i = 0; i < 3; i++)
		job.elems[i] = mempool2_alloc_preallocated(&fx->pool);
	for (i = 0; i < 3; i++)
		callers[i] = caller_that_waits(fx);

	run_in(fx, param_context(test), job_free, &job);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
		KUNIT_EXPECT_NOT_NULL(test, callers[i]->elems[0]);
		/* Elements that have gone through the reserve are not in order any more. */
		if (!serves_later(param_context(test)))
			KUNIT_EXPECT_PTR_EQ(test, callers[i]->elems[0], job.elems[i]);
	}
}

static void free_serves_the_oldest_of_several_waiters(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .count = 1 };
	struct caller *callers[3];
	void *elems[3];
	int i, j;

	fixture_pool(fx, 3);
	source_fail(&fx->src);
	for (i = 0; i < 3; i++)
		elems[i] = mempool2_alloc_preallocated(&fx->pool);
	for (i = 0; i < 3; i++)
		callers[i] = caller_that_waits(fx);

	for (i = 0; i < 3; i++) {
		job.elems[0] = elems[i];
		run_in(fx, param_context(test), job_free, &job);
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
		KUNIT_EXPECT_PTR_EQ(test, callers[i]->elems[0], elems[i]);
		for (j = i + 1; j < 3; j++)
			KUNIT_EXPECT_FALSE(test, caller_has_returned(callers[j]));
	}
}

static void free_serves_a_bulk_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .count = 3 };
	struct caller *bulk;
	int i;

	fixture_pool(fx, 3);
	source_fail(&fx->src);
	for (i = 0; i < 3; i++)
		job.elems[i] = mempool2_alloc_preallocated(&fx->pool);
	bulk = caller_that_waits_for(fx, 3);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(bulk));

	run_in(fx, param_context(test), job_free, &job);
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
	KUNIT_EXPECT_EQ(test, bulk->ret, 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
}

/* Take both elements of a pool of two, and two more from its back end, which fails afterwards. */
static void take_four_of_two(struct job *job)
{
	struct mempool2 *pool = &job->fx->pool;
	int i;

	fixture_pool(job->fx, 2);
	for (i = 2; i < 4; i++)
		job->elems[i] = mempool2_alloc(pool, GFP_KERNEL);
	source_fail(&job->fx->src);
	for (i = 0; i < 2; i++)
		job->elems[i] = mempool2_alloc_preallocated(pool);
}

/* The reserve is full, and yet a caller waits: for two elements of a pool of two. */
static void free_beyond_a_full_reserve_serves_a_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .count = 4 };
	struct caller *bulk;

	take_four_of_two(&job);
	bulk = caller_that_waits_for(fx, 2);

	run_in(fx, param_context(test), job_free, &job);
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
	/* Deferred hand-overs leave less room in the reserve at the time of the free. */
	if (!serves_later(param_context(test))) {
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
		KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	}
}

/* Promise 16: a bulk free, in any context */

static void free_bulk_serves_a_waiter_and_fills_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .count = 4 };
	struct caller *caller;
	int i;

	take_four_of_two(&job);
	caller = caller_that_waits(fx);

	run_in(fx, param_context(test), job_free_bulk, &job);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	if (serves_later(param_context(test))) {
		/* At the time of the free the reserve had room for two or three. */
		KUNIT_EXPECT_GE(test, job.ret, 2u);
		KUNIT_EXPECT_LE(test, job.ret, 3u);
	} else {
		KUNIT_EXPECT_EQ(test, job.ret, 3u);
		KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], job.elems[0]);
	}
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), (int)job.ret - 1);
	for (i = job.ret; i < 4; i++)
		mempool2_free(job.elems[i], &fx->pool);
}

/*
 * Promise 10: a caller that cannot wait gets all of the reserve, in any context
 *
 * It gets as many elements as the reserve has, one after the other, and then none; and all of
 * them again once they are back.
 */

static void job_take_all(void *arg)
{
	struct job *job = arg;
	void *element;

	job->ret = 0;
	while (job->ret < ARRAY_SIZE(job->elems)) {
		element = mempool2_alloc(&job->fx->pool, job->gfp);
		if (!element)
			break;
		job->elems[job->ret++] = element;
	}
	job->count = job->ret;
}

static void reserve_can_be_had_to_the_last_and_refilled(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .gfp = GFP_NOWAIT };
	int round;

	fixture_pool(fx, 3);
	source_fail(&fx->src);
	for (round = 0; round < 3; round++) {
		run_in(fx, param_context(test), job_take_all, &job);
		KUNIT_EXPECT_EQ(test, job.ret, 3u);
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
		run_in(fx, param_context(test), job_free, &job);
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static void first_free_after_null_makes_the_next_alloc_succeed(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .gfp = GFP_NOWAIT, .count = 1 };
	void *element;

	fixture_pool(fx, 1);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 1);
	element = fx->held[0];
	fx->nr_held = 0;
	run_in(fx, param_context(test), job_alloc, &job);
	KUNIT_EXPECT_NULL(test, job.elems[0]);
	job.elems[0] = element;
	run_in(fx, param_context(test), job_free, &job);
	run_in(fx, param_context(test), job_alloc, &job);
	KUNIT_EXPECT_PTR_EQ(test, job.elems[0], element);
	fixture_hold(fx, element);
}

/* The functions that report on the pool */

static void job_ask(void *arg)
{
	struct job *job = arg;

	job->count = mempool2_nr_reserved(&job->fx->pool);
	job->ret = mempool2_is_saturated(&job->fx->pool);
}

static void nr_reserved_can_be_asked(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx };

	fixture_pool(fx, 3);
	run_in(fx, param_context(test), job_ask, &job);
	KUNIT_EXPECT_EQ(test, job.count, 3u);
	KUNIT_EXPECT_TRUE(test, job.ret);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	run_in(fx, param_context(test), job_ask, &job);
	KUNIT_EXPECT_EQ(test, job.count, 2u);
	KUNIT_EXPECT_FALSE(test, job.ret);
}

/*
 * Once the kernel's stack depot is out of room, saving a new stack allocates pages. kmemleak and
 * the checks save stacks.
 */
#if defined(CONFIG_STACKDEPOT) && defined(STACK_DEPOT_FLAG_CAN_ALLOC)
static bool depot_can_be_spent(void)
{
	return !stack_depot_init();
}

static void depot_spend(void)
{
	static unsigned long nr_stacks;
	unsigned long entries[16] = {};

	do
		entries[0] = ++nr_stacks;
	while (stack_depot_save_flags(entries, ARRAY_SIZE(entries), 0, 0));
}
#else
static bool depot_can_be_spent(void)
{
	return false;
}

static void depot_spend(void)
{
}
#endif

static void job_take_from_a_new_place(void *arg)
{
	struct job *job = arg;
	unsigned int nr_before;

	/* No other code runs on this CPU from here to the end. */
	depot_spend();
	nr_before = pages_asked_here();
	job->elems[0] = mempool2_alloc_preallocated(&job->fx->pool);
	job->count = pages_asked_here() - nr_before;
}

static void take_without_a_page(struct kunit *test, unsigned int checks)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx };

	needs_debugging(test);
	if (!pages_are_watched())
		kunit_skip(test, "no mm_page_alloc tracepoint in this kernel");
	if (!depot_can_be_spent())
		kunit_skip(test, "the depot of stacks of this kernel cannot be spent");
	fixture_pool(fx, 1);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->pool, checks), 0);
	run_in(fx, IN_RAW_HARDIRQ, job_take_from_a_new_place, &job);
	fixture_hold(fx, job.elems[0]);
	KUNIT_EXPECT_EQ(test, job.count, 0u);
}

static void reserve_asks_for_no_memory_in_hardirq(struct kunit *test)
{
	take_without_a_page(test, 0);
}

static void reserve_with_records_asks_for_no_memory_in_hardirq(struct kunit *test)
{
	take_without_a_page(test, MEMPOOL2_CHECK_DOUBLE);
}

/* What may be called in an interrupt handler that stays one on PREEMPT_RT, as lockdep sees it */

static void free_in_a_raw_hardirq_serves_a_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .count = 1 };
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	job.elems[0] = fx->held[--fx->nr_held];
	run_in(fx, IN_RAW_HARDIRQ, job_free, &job);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], job.elems[0]);
}

static struct mempool2_waiter raw_waiter;
static DEFINE_SPINLOCK(raw_lock);
static void *raw_got;

/* On PREEMPT_RT the callback runs in a thread, so it may take a lock that sleeps there. */
static void raw_callback(struct mempool2_waiter *waiter, void **elems)
{
	unsigned long flags;

	spin_lock_irqsave(&raw_lock, flags);
	WRITE_ONCE(raw_got, elems[0]);
	spin_unlock_irqrestore(&raw_lock, flags);
}

static void job_request(void *arg)
{
	struct job *job = arg;

	job->elems[1] = mempool2_alloc_async(&job->fx->pool, GFP_NOWAIT, &raw_waiter);
}

static void job_cancel(void *arg)
{
	struct job *job = arg;

	job->ret = mempool2_cancel(&raw_waiter);
}

static void request_in_a_raw_hardirq_is_served_there(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx, .count = 1 };

	fixture_pool(fx, 1);
	fixture_drain(fx);
	WRITE_ONCE(raw_got, NULL);
	mempool2_waiter_init(&raw_waiter, raw_callback);
	run_in(fx, IN_RAW_HARDIRQ, job_request, &job);
	KUNIT_ASSERT_EQ(test, PTR_ERR(job.elems[1]), (long)-EINPROGRESS);
	KUNIT_ASSERT_TRUE(test, waiters_become(&fx->pool, 1));
	job.elems[0] = fx->held[--fx->nr_held];
	run_in(fx, IN_RAW_HARDIRQ, job_free, &job);
	KUNIT_EXPECT_TRUE(test, comes_true(READ_ONCE(raw_got), TIMEOUT));
	KUNIT_EXPECT_PTR_EQ(test, READ_ONCE(raw_got), job.elems[0]);
	KUNIT_EXPECT_FALSE(test, mempool2_cancel_sync(&raw_waiter));
	fixture_hold(fx, raw_got);
}

static void request_is_canceled_in_a_raw_hardirq(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct job job = { .fx = fx };

	fixture_pool(fx, 1);
	fixture_drain(fx);
	mempool2_waiter_init(&raw_waiter, raw_callback);
	run_in(fx, IN_RAW_HARDIRQ, job_request, &job);
	KUNIT_ASSERT_EQ(test, PTR_ERR(job.elems[1]), (long)-EINPROGRESS);
	run_in(fx, IN_RAW_HARDIRQ, job_cancel, &job);
	KUNIT_EXPECT_EQ(test, job.ret, 1u);
	mempool2_cancel_sync(&raw_waiter);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

static struct kunit_case context_cases[] = {
	KUNIT_CASE_PARAM(gfp_atomic_gets_fresh_memory, context_gen_params),
	KUNIT_CASE_PARAM(gfp_atomic_gets_the_reserve, context_gen_params),
	KUNIT_CASE_PARAM(gfp_nowait_gets_the_reserve, context_gen_params),
	KUNIT_CASE_PARAM(gfp_atomic_gets_null_when_all_is_gone, context_gen_params),
	KUNIT_CASE_PARAM(gfp_atomic_gets_null_when_others_wait, context_gen_params),
	KUNIT_CASE_PARAM(alloc_preallocated_gets_the_reserve, context_gen_params),
	KUNIT_CASE_PARAM(alloc_noreserve_gets_fresh_memory, context_gen_params),
	KUNIT_CASE_PARAM(free_fills_the_reserve_and_then_calls_free_fn,
			 context_gen_params),
	KUNIT_CASE_PARAM(callbacks_get_the_interrupts_as_the_caller_had_them,
			 context_gen_params),
	KUNIT_CASE_PARAM(free_serves_a_waiter, context_gen_params),
	KUNIT_CASE_PARAM(free_serves_several_waiters_in_order, context_gen_params),
	KUNIT_CASE_PARAM(free_serves_the_oldest_of_several_waiters, context_gen_params),
	KUNIT_CASE_PARAM(free_serves_a_bulk_waiter, context_gen_params),
	KUNIT_CASE_PARAM(free_beyond_a_full_reserve_serves_a_waiter, context_gen_params),
	KUNIT_CASE_PARAM(free_bulk_serves_a_waiter_and_fills_the_reserve,
			 context_gen_params),
	KUNIT_CASE_PARAM(reserve_can_be_had_to_the_last_and_refilled,
			 context_gen_params),
	KUNIT_CASE_PARAM(first_free_after_null_makes_the_next_alloc_succeed,
			 context_gen_params),
	KUNIT_CASE_PARAM(nr_reserved_can_be_asked, context_gen_params),
	KUNIT_CASE(reserve_asks_for_no_memory_in_hardirq),
	KUNIT_CASE(reserve_with_records_asks_for_no_memory_in_hardirq),
	KUNIT_CASE(free_in_a_raw_hardirq_serves_a_waiter),
	KUNIT_CASE(request_in_a_raw_hardirq_is_served_there),
	KUNIT_CASE(request_is_canceled_in_a_raw_hardirq),
	{}
};

static struct kunit_suite context_suite = {
	.name = "mempool2_context",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = context_cases,
};

kunit_test_suite(context_suite);
