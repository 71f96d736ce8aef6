// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: requests by code that may not sleep, which get their elements in a callback
 */
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "../examples/hrtimer_compat.h"
#include "fixture.h"

KUNIT_ARRAY_PARAM(context, contexts, context_name);

static enum test_context param_context(struct kunit *test)
{
	const struct context *context = test->param_value;

	return context->where;
}

/*
 * A request, and what its callback saw: the elements, the number of calls, the position among
 * all calls, and the context.
 */
struct request {
	struct mempool2_waiter	waiter;
	struct fixture		*fx;
	unsigned int		count;
	void			*elems[MAX_BULK];	/* of a bulk request */
	void			*got[MAX_BULK];
	atomic_t		nr_calls;
	int			turn;
	bool			irqs_off;
	bool			in_hardirq;
	bool			locked;
	void			(*then)(struct request *request);
	int			result;			/* of the job that run_in() runs */
	bool			cancelled;
};

static atomic_t turns;

static void request_callback(struct mempool2_waiter *waiter, void **elems)
{
	struct request *request = container_of(waiter, struct request, waiter);
	struct mempool2 *pool = &request->fx->pool;
	unsigned long flags;

	memcpy(request->got, elems, request->count * sizeof(*elems));
	request->turn = atomic_inc_return(&turns);
	request->irqs_off = irqs_disabled();
	request->in_hardirq = in_hardirq();
	if (spin_trylock_irqsave(&pool->wait.lock, flags))
		spin_unlock_irqrestore(&pool->wait.lock, flags);
	else
		request->locked = true;
	atomic_inc(&request->nr_calls);
	if (request->then)
		request->then(request);
}

static void request_init(struct fixture *fx, struct request *request, unsigned int count)
{
	memset(request, 0, sizeof(*request));
	/* The memory of a waiter may hold anything. */
	memset(&request->waiter, 0xff, sizeof(request->waiter));
	request->fx = fx;
	request->count = count;
	mempool2_waiter_init(&request->waiter, request_callback);
}

/*
 * Make the request, with a mask that does not allow sleeping. Returns 0 or the error of the
 * call.
 */
static int request_make(struct request *request)
{
	struct mempool2 *pool = &request->fx->pool;
	void *element;

	if (request->count > 1)
		return mempool2_alloc_bulk_async(pool, GFP_NOWAIT, request->elems,
						 request->count, &request->waiter);
	element = mempool2_alloc_async(pool, GFP_NOWAIT, &request->waiter);
	if (IS_ERR(element))
		return PTR_ERR(element);
	request->elems[0] = element;
	return 0;
}

/*
 * Make the request and check that it is queued. The request is not retried, so that only the
 * case itself serves it, unless the request becomes the head of the queue later.
 */
static void request_queue(struct fixture *fx, struct request *request, unsigned int count)
{
	int nr = nr_waiters(&fx->pool);

	request_init(fx, request, count);
	KUNIT_ASSERT_EQ(fx->test, request_make(request), -EINPROGRESS);
	KUNIT_ASSERT_EQ(fx->test, nr_waiters(&fx->pool), nr + 1);
	WRITE_ONCE(request->waiter.due, jiffies + 1000 * HZ);
}

/* Has the callback run once, or does it run within TIMEOUT? */
static bool callback_ran(struct request *request)
{
	return comes_true(atomic_read(&request->nr_calls), TIMEOUT) &&
	       atomic_read(&request->nr_calls) == 1;
}

/* Has the callback not run, even after all CPUs have drained their completion lists? */
static bool callback_did_not_run(struct request *request)
{
	schedule_timeout_uninterruptible(2);
	return !atomic_read(&request->nr_calls);
}

/* Hold the elements of the request until the end of the case. */
static void request_keep(struct fixture *fx, struct request *request)
{
	unsigned int i;

	for (i = 0; i < request->count; i++)
		fixture_hold(fx, request->got[i]);
}

/* A request that can be met at once returns its elements and calls no callback */

static void async_alloc_returns_fresh_memory(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	request_init(fx, &request, 1);
	KUNIT_ASSERT_EQ(test, request_make(&request), 0);
	fixture_hold(fx, request.elems[0]);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0),
			bits((GFP_NOWAIT | ADDED_GFP) & ~LATER_GFP));
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&request));
	KUNIT_EXPECT_FALSE(test, mempool2_cancel(&request.waiter));
}

static void async_alloc_returns_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	source_fail(&fx->src);
	request_init(fx, &request, 1);
	KUNIT_ASSERT_EQ(test, request_make(&request), 0);
	fixture_hold(fx, request.elems[0]);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&request));
}

static void async_alloc_with_reclaim_reclaims_and_does_not_wait(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	source_forget(&fx->src);
	request_init(fx, &request, 1);
	element = mempool2_alloc_async(&fx->pool, GFP_KERNEL, &request.waiter);
	KUNIT_EXPECT_EQ(test, PTR_ERR(element), (long)-EINPROGRESS);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 2);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 1), bits(GFP_KERNEL | ADDED_GFP));
	KUNIT_EXPECT_TRUE(test, mempool2_cancel(&request.waiter));
}

/* An element is freed after the request found the reserve empty and before it queues. */
static void put_during_reclaim(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (gfp_mask & __GFP_DIRECT_RECLAIM && fx->nr_held)
		fixture_put(fx);
}

static void element_that_comes_before_the_request_queues_is_returned(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	element = fx->held[0];
	fx->src.hook_arg = fx;
	fx->src.hook = put_during_reclaim;
	request_init(fx, &request, 1);
	KUNIT_EXPECT_PTR_EQ(test, mempool2_alloc_async(&fx->pool, GFP_KERNEL, &request.waiter),
			    element);
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&request));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	fixture_hold(fx, element);
}

static void bulk_async_returns_what_memory_and_reserve_have(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	int i;

	fixture_pool(fx, 4);
	source_allow(&fx->src, 1);
	request_init(fx, &request, 4);
	KUNIT_ASSERT_EQ(test, request_make(&request), 0);
	for (i = 0; i < 4; i++)
		fixture_hold(fx, request.elems[i]);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&request));
}

/* A request that cannot be met at once gets its elements in a callback */

static void job_put(void *arg)
{
	fixture_put(arg);
}

static void freed_element_is_sent(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, &request, 1);
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&request));
	element = fx->held[0];
	run_in(fx, param_context(test), job_put, fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	KUNIT_EXPECT_PTR_EQ(test, request.got[0], element);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	KUNIT_EXPECT_FALSE(test, mempool2_cancel(&request.waiter));
	request_keep(fx, &request);
}

static void function_is_called_where_the_element_is_freed(struct kunit *test)
{
	enum test_context where = param_context(test);
	struct fixture *fx = test->priv;
	static struct request request;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "PREEMPT_RT: it is always called in a thread");
	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, &request, 1);
	run_in(fx, where, job_put, fx);
	/* The callback runs within the call; a deferred one would not have run yet. */
	KUNIT_EXPECT_EQ(test, atomic_read(&request.nr_calls), 1);
	KUNIT_EXPECT_EQ(test, request.irqs_off,
			where == IN_TASK_IRQS_OFF || where == IN_HARDIRQ);
	KUNIT_EXPECT_EQ(test, request.in_hardirq, where == IN_HARDIRQ);
	KUNIT_EXPECT_FALSE(test, request.locked);
	request_keep(fx, &request);
}

static void function_may_take_locks_that_sleep_on_preempt_rt(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "not PREEMPT_RT");
	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, &request, 1);
	run_in(fx, param_context(test), job_put, fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	KUNIT_EXPECT_FALSE(test, request.irqs_off);
	KUNIT_EXPECT_FALSE(test, request.in_hardirq);
	request_keep(fx, &request);
}

static void job_request(void *arg)
{
	struct request *request = arg;

	request->result = request_make(request);
}

static void request_may_be_made_anywhere(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_init(fx, &request, 1);
	run_in(fx, param_context(test), job_request, &request);
	KUNIT_EXPECT_EQ(test, request.result, -EINPROGRESS);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 1));
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	KUNIT_EXPECT_PTR_EQ(test, request.got[0], element);
	request_keep(fx, &request);
}

static void request_made_anywhere_gets_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	source_fail(&fx->src);
	request_init(fx, &request, 1);
	run_in(fx, param_context(test), job_request, &request);
	KUNIT_ASSERT_EQ(test, request.result, 0);
	fixture_hold(fx, request.elems[0]);
}

static void job_cancel(void *arg)
{
	struct request *request = arg;

	request->cancelled = mempool2_cancel(&request->waiter);
}

static void job_request_and_cancel(void *arg)
{
	job_request(arg);
	job_cancel(arg);
}

static void request_may_be_cancelled_anywhere(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, &request, 1);
	run_in(fx, param_context(test), job_cancel, &request);
	KUNIT_EXPECT_TRUE(test, request.cancelled);
	/* On PREEMPT_RT a cancelled request may stay in the queue for a moment. */
	mempool2_cancel_sync(&request.waiter);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&request));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

static void request_made_and_cancelled_anywhere_leaves_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_init(fx, &request, 1);
	run_in(fx, param_context(test), job_request_and_cancel, &request);
	KUNIT_EXPECT_EQ(test, request.result, -EINPROGRESS);
	KUNIT_EXPECT_TRUE(test, request.cancelled);
	mempool2_cancel_sync(&request.waiter);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	KUNIT_EXPECT_EQ(test, request_make(&request), -EINPROGRESS);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	request_keep(fx, &request);
}

/* Cancel a request and free an element before the request is dequeued. */
static void job_cancel_and_put(void *arg)
{
	struct request *request = arg;

	job_cancel(request);
	fixture_put(request->fx);
}

static void element_freed_after_a_cancel_is_not_lost(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	static struct request request;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	element = fx->held[0];
	request_queue(fx, &request, 1);
	caller = caller_that_waits(fx);
	run_in(fx, param_context(test), job_cancel_and_put, &request);
	KUNIT_EXPECT_TRUE(test, request.cancelled);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
	mempool2_cancel_sync(&request.waiter);
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&request));
}

/* As above, but the freeing CPU holds the lock of the queue when the request is cancelled. */
static void caller_gives_late(struct caller *caller)
{
	const struct request *request = caller->fx->src.hook_arg;

	give_late(caller->pool, caller->elems[0], 1000, &request->waiter.state);
	caller->elems[0] = NULL;
}

/* With interrupts off, as if with a lock that the callback of the next request takes. */
static void caller_cancels_when_locked(struct caller *caller)
{
	struct request *request = caller->fx->src.hook_arg;
	unsigned long flags;

	while (!spin_is_locked(&caller->pool->wait.lock) && !READ_ONCE(caller->fx->stop))
		cond_resched();
	local_irq_save(flags);
	caller->ret = mempool2_cancel(&request->waiter);
	caller->count = atomic_read(&request[1].nr_calls);
	local_irq_restore(flags);
}

static void request_cancelled_while_it_is_served_passes_the_element_on(struct kunit *test)
{
	int cpu = cpumask_first(cpu_online_mask);
	struct fixture *fx = test->priv;
	struct caller *giver, *other;
	static struct request requests[2];

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, &requests[0], 1);
	request_queue(fx, &requests[1], 1);
	fx->src.hook_arg = requests;
	other = caller_add(fx, caller_cancels_when_locked);
	caller_run(other, cpu);
	giver = caller_add(fx, caller_gives_late);
	giver->elems[0] = fx->held[--fx->nr_held];
	caller_run(giver, cpumask_next(cpu, cpu_online_mask));
	KUNIT_EXPECT_TRUE(test, caller_returns(giver));
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, caller_returns(other));
	KUNIT_EXPECT_EQ(test, other->count, 0);
	/* Either the callback or the cancellation wins. In both cases the element is not lost. */
	KUNIT_EXPECT_TRUE(test, callback_ran(&requests[other->ret]));
	if (!other->ret)
		KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&requests[1].waiter));
	request_keep(fx, &requests[other->ret]);
}

/*
 * An interrupt of a CPU at the moment when it has dropped the lock of the queue: another CPU holds
 * the lock until the first one spins on it, with interrupts disabled, and sends the interrupt then.
 *
 * @cpu: the CPU that is interrupted
 * @step: 1 the other CPU may come, 2 it has come and 3 it may take the lock
 * @asker: not this task, if set
 * @csd: what the interrupt does
 */
struct ambush {
	int			cpu;
	int			step;
	struct task_struct	*asker;
	call_single_data_t	csd;
};

/* No thread of this CPU runs meanwhile. */
#define spins_until(condition)							\
({										\
	int __spins;								\
										\
	for (__spins = 0; __spins < 100000 && !(condition); __spins++)		\
		udelay(100);							\
	__spins < 100000;							\
})

static void caller_lies_in_ambush(struct caller *caller)
{
	struct ambush *ambush = caller->elems[0];
	unsigned long flags;
	int i;

	caller->elems[0] = NULL;
	if (!comes_true(READ_ONCE(ambush->step) == 1, 10 * HZ))
		return;
	set_cpus_allowed_ptr(current, cpumask_of(cpumask_any_but(cpu_online_mask, ambush->cpu)));
	preempt_disable();
	WRITE_ONCE(ambush->step, 2);
	if (spins_until(READ_ONCE(ambush->step) == 3)) {
		spin_lock_irqsave(&caller->pool->wait.lock, flags);
		for (i = 0; i < 200; i++)
			mdelay(1);
		caller->ret = !smp_call_function_single_async(ambush->cpu, &ambush->csd);
		spin_unlock_irqrestore(&caller->pool->wait.lock, flags);
	}
	preempt_enable();
}

/* On the CPU that will take the lock, which the caller does at once then. */
static void ambush_enter(struct ambush *ambush, struct mempool2 *pool)
{
	int i;

	ambush->cpu = raw_smp_processor_id();
	WRITE_ONCE(ambush->step, 1);
	/* The thread of the other CPU may have to leave this one. */
	for (i = 0; i < 100000 && READ_ONCE(ambush->step) != 2; i++) {
		cond_resched();
		udelay(100);
	}
	preempt_disable();
	ambush->cpu = smp_processor_id();
	WRITE_ONCE(ambush->step, 3);
	spins_until(spin_is_locked(&pool->wait.lock));
	preempt_enable();
}

/* Start the thread of the other CPU. */
static struct caller *ambush_lay(struct fixture *fx, struct ambush *ambush, smp_call_func_t fn,
				 void *arg)
{
	struct caller *caller = caller_add(fx, caller_lies_in_ambush);

	memset(ambush, 0, sizeof(*ambush));
	ambush->csd.func = fn;
	ambush->csd.info = arg;
	caller->elems[0] = ambush;
	caller_run(caller, ANY_CPU);
	return caller;
}

/*
 * A request queues behind three for which there are elements. After it has dropped the lock, and
 * before it serves more, its callback runs, requests again with the same waiter and is served: by a
 * callback too, since the first call has been answered.
 */
static void *last_element;

static void request_again_once(struct request *request)
{
	if (atomic_read(&request->nr_calls) > 1)
		return;
	request->elems[1] = request->got[0];
	request->result = request_make(request);
}

static void serve_and_park_in_irq(void *arg)
{
	struct fixture *fx = arg;

	fixture_put(fx);
	park_unseen(&fx->pool, last_element);
}

static void caller_requests_in_ambush(struct caller *caller)
{
	struct request *request = caller->fx->src.hook_arg;
	struct ambush *ambush = caller->elems[0];

	caller->elems[0] = NULL;
	ambush_enter(ambush, caller->pool);
	caller->ret = request_make(request);
}

static void request_is_answered_once_if_its_function_requests_again(struct kunit *test)
{
	static struct request before[3], request;
	struct caller *caller, *other;
	struct fixture *fx = test->priv;
	static struct ambush ambush;
	int i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "PREEMPT_RT: no interrupt takes the lock of the queue");
	fixture_pool(fx, 5);
	fixture_drain(fx);
	last_element = fx->held[--fx->nr_held];
	for (i = 0; i < 3; i++)
		request_queue(fx, &before[i], 1);
	for (i = 0; i < 3; i++)
		park_unseen(&fx->pool, fx->held[--fx->nr_held]);
	request_init(fx, &request, 1);
	request.then = request_again_once;
	fx->src.pool = NULL;
	fx->src.hook_arg = &request;
	other = ambush_lay(fx, &ambush, serve_and_park_in_irq, fx);
	caller = caller_add(fx, caller_requests_in_ambush);
	caller->elems[0] = &ambush;
	caller_run(caller, cpumask_first(cpu_online_mask));
	KUNIT_EXPECT_TRUE(test, caller_returns(other));
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, other->ret, 1L);
	KUNIT_EXPECT_EQ(test, caller->ret, (long)-EINPROGRESS);
	KUNIT_EXPECT_EQ(test, request.result, -EINPROGRESS);
	KUNIT_EXPECT_TRUE(test, comes_true(atomic_read(&request.nr_calls) == 2, TIMEOUT));
	mempool2_cancel_sync(&request.waiter);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test, callback_ran(&before[i]));
		request_keep(fx, &before[i]);
	}
	/* What the first callback got, and the second one or the call. */
	fixture_hold(fx, request.elems[1]);
	fixture_hold(fx, caller->ret ? request.got[0] : request.elems[0]);
}

/* The order of the queue */

static void requests_and_sleepers_are_served_in_turn(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request first, third, fifth;
	struct caller *second, *fourth;

	fixture_pool(fx, 5);
	fixture_drain(fx);
	request_queue(fx, &first, 1);
	second = caller_that_waits(fx);
	request_queue(fx, &third, 1);
	fourth = caller_that_waits(fx);
	request_queue(fx, &fifth, 1);

	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&first));
	KUNIT_EXPECT_FALSE(test, caller_has_returned(second));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(second));
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&third));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&third));
	KUNIT_EXPECT_FALSE(test, caller_has_returned(fourth));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(fourth));
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&fifth));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&fifth));
	request_keep(fx, &first);
	request_keep(fx, &third);
	request_keep(fx, &fifth);
}

static void functions_are_called_in_the_order_of_their_requests(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request requests[8];
	int i, nr = ARRAY_SIZE(requests);

	fixture_pool(fx, nr);
	fixture_drain(fx);
	for (i = 0; i < nr; i++)
		request_queue(fx, &requests[i], 1);
	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, fx->held, nr), nr);
	fx->nr_held = 0;
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_TRUE(test, callback_ran(&requests[i]));
	for (i = 1; i < nr; i++)
		KUNIT_EXPECT_EQ(test, requests[i].turn, requests[i - 1].turn + 1);
	for (i = 0; i < nr; i++)
		request_keep(fx, &requests[i]);
}

static void no_caller_overtakes_a_request(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request first, second;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	request_queue(fx, &first, 1);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_NULL(test, mempool2_alloc_preallocated(&fx->pool));
	request_queue(fx, &second, 1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&first));
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&second));
	KUNIT_EXPECT_TRUE(test, mempool2_cancel(&second.waiter));
	request_keep(fx, &first);
}

static void bare_wake_up_passes_over_requests(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	static struct request request;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, &request, 1);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(caller));
	fx->src.only_for = caller->task;
	source_allow(&fx->src, 1);
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&request));
	KUNIT_EXPECT_TRUE(test, mempool2_cancel(&request.waiter));
}

static void larger_pool_serves_requests(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, &request, 1);
	fx->src.only_for = current;
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 2), 0);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	request_keep(fx, &request);
}

static void refill_serves_requests(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 0);
	fixture_drain(fx);
	request_queue(fx, &request, 1);
	fx->src.only_for = current;
	source_allow(&fx->src, 1);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 1);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	request_keep(fx, &request);
}

/* Bulk requests */

static void request_serves_all_beside_whom_elements_rest(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	int i;

	/* One more element than one batch of hand-overs serves. */
	fixture_pool(fx, 4);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 4);
	for (i = 0; i < 3; i++)
		caller_that_waits(fx);
	while (fx->nr_held)
		park_unseen(&fx->pool, fx->held[--fx->nr_held]);
	request_init(fx, &request, 1);
	/* Served last, after the lock was dropped, when any CPU may serve it: by its callback. */
	KUNIT_EXPECT_EQ(test, request_make(&request), -EINPROGRESS);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	KUNIT_EXPECT_FALSE(test, mempool2_cancel_sync(&request.waiter));
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	request_keep(fx, &request);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
}

static void bulk_request_collects_elements_and_is_called_once(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	void *elems[4];
	int i;

	fixture_pool(fx, 4);
	fixture_drain(fx);
	request_queue(fx, &request, 4);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&request.nr_calls), 0);
		KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
		elems[i] = fixture_put(fx);
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	}
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_PTR_EQ(test, request.got[i], elems[i]);
	request_keep(fx, &request);
}

static void bulk_request_keeps_what_memory_there_was(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 3);
	fixture_drain(fx);
	source_allow(&fx->src, 2);
	request_queue(fx, &request, 3);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	request_keep(fx, &request);
}

static void bulk_request_takes_what_is_there_when_it_queues(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 4);
	fixture_drain(fx);
	fixture_put(fx);
	fixture_put(fx);
	request_queue(fx, &request, 4);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	fixture_put(fx);
	KUNIT_EXPECT_EQ(test, atomic_read(&request.nr_calls), 0);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	request_keep(fx, &request);
}

static void bulk_request_is_served_in_its_turn(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request single, bulk, younger;

	fixture_pool(fx, 3);
	fixture_drain(fx);
	request_queue(fx, &single, 1);
	request_queue(fx, &bulk, 2);
	request_queue(fx, &younger, 1);
	fixture_put_all(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&single));
	KUNIT_EXPECT_TRUE(test, callback_ran(&bulk));
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&younger));
	request_keep(fx, &bulk);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&younger));
	request_keep(fx, &single);
	request_keep(fx, &younger);
}

static void bulk_request_for_nothing_is_met(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_init(fx, &request, 0);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk_async(&fx->pool, GFP_NOWAIT, request.elems,
							0, &request.waiter), 0);
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&request));
}

/* Cancelling */

static void cancelled_request_is_not_called(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request first, second;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, &first, 1);
	request_queue(fx, &second, 1);
	KUNIT_EXPECT_TRUE(test, mempool2_cancel(&first.waiter));
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&second));
	KUNIT_EXPECT_PTR_EQ(test, second.got[0], element);
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&first));
	request_keep(fx, &second);
}

static void only_the_first_cancel_succeeds(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_init(fx, &request, 1);
	KUNIT_EXPECT_FALSE(test, mempool2_cancel(&request.waiter));
	request_queue(fx, &request, 1);
	KUNIT_EXPECT_TRUE(test, mempool2_cancel(&request.waiter));
	KUNIT_EXPECT_FALSE(test, mempool2_cancel(&request.waiter));
	KUNIT_EXPECT_FALSE(test, mempool2_cancel_sync(&request.waiter));
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

static void cancelled_last_waiter_lets_newcomers_take(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, &request, 1);
	KUNIT_EXPECT_TRUE(test, mempool2_cancel(&request.waiter));
	fixture_put(fx);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
}

static void cancelled_bulk_request_passes_on_what_it_has(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request bulk, second;
	struct caller *third;

	fixture_pool(fx, 3);
	fixture_drain(fx);
	request_queue(fx, &bulk, 3);
	request_queue(fx, &second, 1);
	third = caller_that_waits(fx);
	fixture_put(fx);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&second));
	KUNIT_EXPECT_TRUE(test, mempool2_cancel(&bulk.waiter));
	KUNIT_EXPECT_TRUE(test, callback_ran(&second));
	KUNIT_EXPECT_TRUE(test, caller_returns(third));
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&bulk));
	request_keep(fx, &second);
}

static void cancelled_waiter_can_be_used_again(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	int i;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	for (i = 0; i < 3; i++) {
		request_queue(fx, &request, i ? i : 1);
		KUNIT_EXPECT_TRUE(test, mempool2_cancel(&request.waiter));
	}
	KUNIT_ASSERT_EQ(test, request_make(&request), -EINPROGRESS);
	fixture_put_all(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	request_keep(fx, &request);
}

static void waiter_in_use_is_refused(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, &request, 1);
	KUNIT_EXPECT_EQ(test, request_make(&request), -EBUSY);
	KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk_async(&fx->pool, GFP_NOWAIT, request.elems,
							1, &request.waiter), -EBUSY);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	request_keep(fx, &request);
}

static bool callback_dawdles, callback_has_returned;

static void dawdle(struct request *request)
{
	unsigned int i;

	WRITE_ONCE(callback_dawdles, true);
	for (i = 0; i < 200; i++)
		mdelay(1);
	WRITE_ONCE(callback_has_returned, true);
}

static void request_again_and_dawdle(struct request *request)
{
	request->result = request_make(request);
	dawdle(request);
}

static void caller_put(struct caller *caller)
{
	fixture_put(caller->fx);
}

/* Cancel as soon as the callback is running. */
static void caller_cancel_sync(struct caller *caller)
{
	struct request *request = caller->elems[0];

	caller->elems[0] = NULL;
	while (!READ_ONCE(callback_dawdles))
		schedule_timeout_uninterruptible(1);
	request->cancelled = mempool2_cancel_sync(&request->waiter);
	caller->ret = READ_ONCE(callback_has_returned);
}

/* Cancel a request while its callback does @then on another CPU, which must have returned then. */
static void request_cancel_when_called(struct kunit *test, struct request *request,
				       void (*then)(struct request *request))
{
	int cpu = cpumask_first(cpu_online_mask);
	struct fixture *fx = test->priv;
	struct caller *put, *cancel;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, request, 1);
	request->then = then;
	callback_dawdles = false;
	callback_has_returned = false;
	/* Start this thread first: none can start on a CPU on which the callback is running. */
	cancel = caller_add(fx, caller_cancel_sync);
	cancel->elems[0] = request;
	caller_run(cancel, cpu);
	put = caller_add(fx, caller_put);
	caller_run(put, cpumask_next(cpu, cpu_online_mask));
	KUNIT_EXPECT_TRUE(test, caller_returns(put));
	KUNIT_EXPECT_TRUE(test, caller_returns(cancel));
	KUNIT_EXPECT_EQ(test, cancel->ret, 1L);
	request_keep(fx, request);
}

static void cancel_sync_waits_for_the_function(struct kunit *test)
{
	static struct request request;

	request_cancel_when_called(test, &request, dawdle);
	KUNIT_EXPECT_FALSE(test, request.cancelled);
}

static void cancel_sync_waits_for_the_function_that_requested_again(struct kunit *test)
{
	static struct request request;

	request_cancel_when_called(test, &request, request_again_and_dawdle);
	KUNIT_EXPECT_EQ(test, request.result, -EINPROGRESS);
	KUNIT_EXPECT_TRUE(test, request.cancelled);
}

/* What callbacks may do */

static void request_again(struct request *request)
{
	if (atomic_read(&request->nr_calls) == 1) {
		mempool2_free(request->got[0], &request->fx->pool);
		request->result = request_make(request);
	}
}

static void function_may_free_and_request_again(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, &request, 1);
	request.then = request_again;
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	/* The callback freed the element and got it again at once. */
	KUNIT_EXPECT_EQ(test, request.result, 0);
	request_keep(fx, &request);
}

static void free_itself(struct request *request)
{
	struct mempool2 *pool = &request->fx->pool;
	void *element = request->got[0];

	kfree(request);
	mempool2_free(element, pool);
}

static void function_may_free_the_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct request *request;
	int i;

	if (IS_ENABLED(CONFIG_PREEMPT_RT) && param_context(test) != IN_TASK)
		kunit_skip(test, "PREEMPT_RT: the same thread calls it for all");
	fixture_pool(fx, 1);
	fixture_drain(fx);
	for (i = 0; i < 8; i++) {
		request = kzalloc(sizeof(*request), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, request);
		request_queue(fx, request, 1);
		request->then = free_itself;
	}
	run_in(fx, param_context(test), job_put, fx);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 0));
	KUNIT_EXPECT_TRUE(test, reserved_become(&fx->pool, 1));
}

/* Each callback serves the next request, for thousands of requests. */
static atomic_t nesting, max_nesting;

static void free_and_count_nesting(struct request *request)
{
	int depth = atomic_inc_return(&nesting);

	if (depth > atomic_read(&max_nesting))
		atomic_set(&max_nesting, depth);
	mempool2_free(request->got[0], &request->fx->pool);
	atomic_dec(&nesting);
}

static void functions_that_free_do_not_nest(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct request *requests;
	int i, nr = 5000;

	requests = kvcalloc(nr, sizeof(*requests), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, requests);
	fixture_pool(fx, 1);
	fixture_drain(fx);
	atomic_set(&nesting, 0);
	atomic_set(&max_nesting, 0);
	for (i = 0; i < nr; i++) {
		request_init(fx, &requests[i], 1);
		requests[i].then = free_and_count_nesting;
		if (request_make(&requests[i]) != -EINPROGRESS)
			break;
	}
	KUNIT_EXPECT_EQ(test, i, nr);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 0));
	for (i = 0; i < nr; i++)
		if (!callback_ran(&requests[i]))
			break;
	KUNIT_EXPECT_EQ(test, i, nr);
	for (i = 1; i < nr; i++)
		if (requests[i].turn != requests[i - 1].turn + 1)
			break;
	KUNIT_EXPECT_EQ(test, i, nr);
	mempool2_cancel_sync(&requests[nr - 1].waiter);
	KUNIT_EXPECT_EQ(test, atomic_read(&max_nesting), 1);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	kvfree(requests);
}

#if defined(CONFIG_HOTPLUG_CPU) && defined(CONFIG_SMP)
/* A thread runs most of them, on another CPU after its own was taken away. */
static void take_time_and_count_nesting(struct request *request)
{
	udelay(200);
	free_and_count_nesting(request);
}

static void functions_do_not_nest_when_their_cpu_is_taken_away(struct kunit *test)
{
	int cpu = cpumask_last(cpu_online_mask), err;
	struct fixture *fx = test->priv;
	struct request *requests;
	struct caller *put;
	int i, nr = 5000;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	requests = kvcalloc(nr, sizeof(*requests), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, requests);
	fixture_pool(fx, 1);
	fixture_drain(fx);
	atomic_set(&nesting, 0);
	atomic_set(&max_nesting, 0);
	for (i = 0; i < nr; i++) {
		request_init(fx, &requests[i], 1);
		requests[i].then = take_time_and_count_nesting;
		if (request_make(&requests[i]) != -EINPROGRESS)
			break;
	}
	KUNIT_EXPECT_EQ(test, i, nr);
	put = caller_add(fx, caller_put);
	caller_run(put, cpu);
	KUNIT_EXPECT_TRUE(test, caller_returns(put));
	err = remove_cpu(cpu);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 0));
	for (i = 0; i < nr; i++)
		if (!callback_ran(&requests[i]))
			break;
	KUNIT_EXPECT_EQ(test, i, nr);
	mempool2_cancel_sync(&requests[nr - 1].waiter);
	KUNIT_EXPECT_EQ(test, atomic_read(&max_nesting), 1);
	kvfree(requests);
	if (err)
		kunit_skip(test, "CPU %d cannot be taken away", cpu);
	KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
}
#else
static void functions_do_not_nest_when_their_cpu_is_taken_away(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
}
#endif

/*
 * A callback that requests again with the same waiter, and is handed another element, before it
 * looks at its own element.
 */
static void request_again_first(struct request *request)
{
	struct fixture *fx = request->fx;

	if (atomic_read(&request->nr_calls) == 1) {
		request->result = request_make(request);
		fixture_put(fx);
	}
}

static void request_and_look(struct mempool2_waiter *waiter, void **elems)
{
	struct request *request = container_of(waiter, struct request, waiter);

	atomic_inc(&request->nr_calls);
	request_again_first(request);
	request->got[atomic_read(&request->nr_calls) == 1 ? 0 : 1] = elems[0];
}

static void element_stays_the_functions_when_the_waiter_is_used_again(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	void *first, *second;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	first = fx->held[0];
	second = fx->held[1];
	request_queue(fx, &request, 1);
	request.waiter.callback = request_and_look;
	fixture_put(fx);
	KUNIT_ASSERT_TRUE(test, comes_true(atomic_read(&request.nr_calls) >= 2, TIMEOUT));
	mempool2_cancel_sync(&request.waiter);
	KUNIT_EXPECT_EQ(test, request.result, -EINPROGRESS);
	KUNIT_EXPECT_PTR_EQ(test, request.got[0], first);
	KUNIT_EXPECT_PTR_EQ(test, request.got[1], second);
	mempool2_free(first, &fx->pool);
	mempool2_free(second, &fx->pool);
}

/*
 * More callbacks than one call, one interrupt and one turn of a thread run together, and slower
 * than an RCU grace period.
 */
#define MANY_SERVED	1000

static void take_some_time(struct request *request)
{
	udelay(200);
}

static void cancel_sync_waits_for_the_last_of_many(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct request *requests;
	void **elems;
	int i, nr;

	requests = kvcalloc(MANY_SERVED, sizeof(*requests), GFP_KERNEL);
	elems = kvcalloc(MANY_SERVED, sizeof(*elems), GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, requests && elems);
	fixture_pool(fx, MANY_SERVED);
	source_fail(&fx->src);
	for (nr = 0; nr < MANY_SERVED; nr++) {
		elems[nr] = mempool2_alloc_preallocated(&fx->pool);
		request_init(fx, &requests[nr], 1);
		requests[nr].then = take_some_time;
	}
	for (nr = 0; nr < MANY_SERVED; nr++)
		if (request_make(&requests[nr]) != -EINPROGRESS)
			break;
	KUNIT_EXPECT_EQ(test, nr, MANY_SERVED);
	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, MANY_SERVED),
			(unsigned int)MANY_SERVED);
	for (i = nr - 1; i >= 0; i--)
		if (mempool2_cancel_sync(&requests[i].waiter) ||
		    atomic_read(&requests[i].nr_calls) != 1)
			break;
	KUNIT_EXPECT_EQ(test, i, -1);
	for (i = 0; i < nr; i++)
		mempool2_free(requests[i].got[0], &fx->pool);
	kvfree(elems);
	kvfree(requests);
}

/*
 * The callbacks of two requests free the element and request again: each serves the other,
 * without end.
 */
#define MANY_CALLS	5000
static atomic_t nr_many;

static void free_and_request_again(struct request *request)
{
	struct mempool2 *pool = &request->fx->pool;
	void *element = request->got[0];

	if (atomic_inc_return(&nr_many) < MANY_CALLS)
		request->result = request_make(request);
	mempool2_free(element, pool);
}

static void one_free_calls_no_more_functions_than_a_batch(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request requests[2];
	int i, nr_calls;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "PREEMPT_RT: a free runs no callback, a thread does");
	fixture_pool(fx, 1);
	fixture_drain(fx);
	atomic_set(&nr_many, 0);
	for (i = 0; i < 2; i++) {
		request_queue(fx, &requests[i], 1);
		requests[i].then = free_and_request_again;
	}
	/* The thread that runs the remaining callbacks must not run before we have counted. */
	preempt_disable();
	fixture_put(fx);
	nr_calls = atomic_read(&requests[0].nr_calls) + atomic_read(&requests[1].nr_calls);
	preempt_enable();
	KUNIT_EXPECT_GT(test, nr_calls, 0);
	/*
	 * One batch in the free, and another one in the interrupt to which the free leaves the
	 * others.
	 */
	KUNIT_EXPECT_LE(test, nr_calls, 2 * 64);
	/* The remaining callbacks run as well. */
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 0));
	for (i = 0; i < 2; i++)
		mempool2_cancel_sync(&requests[i].waiter);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

/* Many threads make requests and free elements at once; the callbacks wake the requesters */
#define REQUESTERS	8
#define REQUESTS_EACH	500

struct awaited {
	struct mempool2_waiter	waiter;
	struct completion	done;
};

static void complete_request(struct mempool2_waiter *waiter, void **elems)
{
	complete(&container_of(waiter, struct awaited, waiter)->done);
}

static void caller_requests_and_frees(struct caller *caller)
{
	struct awaited request;
	void *element;

	init_completion(&request.done);
	mempool2_waiter_init(&request.waiter, complete_request);
	for (caller->ret = 0; caller->ret < REQUESTS_EACH; caller->ret++) {
		element = mempool2_alloc_async(caller->pool, GFP_NOWAIT, &request.waiter);
		if (element == ERR_PTR(-EINPROGRESS)) {
			wait_for_completion(&request.done);
			element = request.waiter.element;
		}
		source_claim(&caller->fx->src, element);
		cond_resched();
		source_disclaim(&caller->fx->src, element);
		mempool2_free(element, caller->pool);
	}
	mempool2_cancel_sync(&request.waiter);
}

static void threads_that_request_and_free_all_come_to_their_end(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 2);
	source_fail(&fx->src);
	for (i = 0; i < REQUESTERS; i++)
		caller_run(caller_add(fx, caller_requests_and_frees), ANY_CPU);
	for (i = 0; i < REQUESTERS; i++)
		KUNIT_EXPECT_TRUE(test, caller_returns_within(&fx->callers[i], 30 * HZ));
	for (i = 0; i < REQUESTERS; i++)
		KUNIT_EXPECT_EQ(test, fx->callers[i].ret, (long)REQUESTS_EACH);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
}

/* Hold an rcu_read_lock() for as long as rcu_may_go_on is false, up to a limit. */
static bool rcu_may_go_on;

static void caller_holds_off_rcu(struct caller *caller)
{
	struct patience patience = patience_of(2 * HZ);

	rcu_read_lock();
	WRITE_ONCE(caller->ret, 1);
	while (!READ_ONCE(rcu_may_go_on) && patience_lasts(&patience))
		cpu_relax();
	caller->ret = READ_ONCE(rcu_may_go_on);
	rcu_read_unlock();
}

static void caller_cancels_idle_waiters(struct caller *caller)
{
	struct mempool2_waiter waiter;
	struct caller *holder = caller->elems[0];
	int i;

	caller->elems[0] = NULL;
	mempool2_waiter_init(&waiter, complete_request);
	while (!READ_ONCE(holder->ret))
		schedule_timeout_uninterruptible(1);
	for (i = 0; i < 2000; i++)
		caller->ret += mempool2_cancel_sync(&waiter);
	WRITE_ONCE(rcu_may_go_on, true);
}

static void cancel_sync_of_idle_waiters_waits_for_nothing(struct kunit *test)
{
	int cpu = cpumask_first(cpu_online_mask);
	struct caller *holder, *cancels;
	struct fixture *fx = test->priv;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	fixture_pool(fx, 1);
	rcu_may_go_on = false;
	holder = caller_add(fx, caller_holds_off_rcu);
	caller_run(holder, cpumask_next(cpu, cpu_online_mask));
	cancels = caller_add(fx, caller_cancels_idle_waiters);
	cancels->elems[0] = holder;
	caller_run(cancels, cpu);
	KUNIT_EXPECT_TRUE(test, caller_returns(cancels));
	KUNIT_EXPECT_EQ(test, cancels->ret, 0L);
	KUNIT_EXPECT_TRUE(test, caller_returns(holder));
	KUNIT_EXPECT_EQ(test, holder->ret, 1L);
}

/*
 * A call that makes a request, or cancels a single one, does not run the callbacks of other
 * requests: its caller may hold a lock that they take. Here a request queues behind another one
 * that is served at that moment, as an element was put into the reserve unseen.
 */
static void request_does_not_call_the_functions_of_others(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request first, second;
	unsigned long flags;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	request_queue(fx, &first, 1);
	/* As if the free had come while another CPU was looking for waiters. */
	spin_lock_irqsave(&fx->pool.wait.lock, flags);
	atomic_andnot(MEMPOOL2_WAITERS, &fx->pool.state);
	spin_unlock_irqrestore(&fx->pool.wait.lock, flags);
	fixture_put(fx);
	KUNIT_ASSERT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	spin_lock_irqsave(&fx->pool.wait.lock, flags);
	atomic_or(MEMPOOL2_WAITERS, &fx->pool.state);
	spin_unlock_irqrestore(&fx->pool.wait.lock, flags);

	request_init(fx, &second, 1);
	preempt_disable();
	second.result = request_make(&second);
	/* The callback must not run in this call; a hardirq may already have run it. */
	second.cancelled = atomic_read(&first.nr_calls) && !first.in_hardirq;
	preempt_enable();
	KUNIT_EXPECT_EQ(test, second.result, -EINPROGRESS);
	KUNIT_EXPECT_FALSE(test, second.cancelled);
	KUNIT_EXPECT_TRUE(test, callback_ran(&first));
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&second));
	KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&second.waiter));
	request_keep(fx, &first);
}

/*
 * A free for another pool does not run such callbacks either, though it runs those of its own
 * pool. A callback that a request has deferred to an interrupt stays deferred.
 */
static void free_does_not_call_what_a_request_has_left_to_others(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request first, second;
	struct awaited other;
	unsigned long flags;
	void *element;
	bool other_done;
	int nr_calls;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "PREEMPT_RT: a free runs no callback, a thread does");
	fixture_pool(fx, 1);
	fixture_drain(fx);
	source_allow(&fx->src, 1);
	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->spare, 1, source_alloc, source_free, &fx->src),
			0);
	element = mempool2_alloc_preallocated(&fx->spare);
	init_completion(&other.done);
	mempool2_waiter_init(&other.waiter, complete_request);
	KUNIT_ASSERT_EQ(test, PTR_ERR(mempool2_alloc_async(&fx->spare, GFP_NOWAIT, &other.waiter)),
			(long)-EINPROGRESS);
	request_queue(fx, &first, 1);
	park_unseen(&fx->pool, fx->held[--fx->nr_held]);
	request_init(fx, &second, 1);

	/* As with a lock that callbacks take in interrupts too. */
	local_irq_save(flags);
	second.result = request_make(&second);
	mempool2_free(element, &fx->spare);
	nr_calls = atomic_read(&first.nr_calls);
	other_done = completion_done(&other.done);
	local_irq_restore(flags);

	KUNIT_EXPECT_EQ(test, second.result, -EINPROGRESS);
	KUNIT_EXPECT_EQ(test, nr_calls, 0);
	KUNIT_EXPECT_TRUE(test, other_done);
	KUNIT_EXPECT_TRUE(test, callback_ran(&first));
	KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&second.waiter));
	mempool2_cancel_sync(&other.waiter);
	mempool2_free(other.waiter.element, &fx->spare);
	request_keep(fx, &first);
}

/*
 * The race: requests, cancellations, frees, resizes and the ends of pools, on all CPUs
 *
 * Each worker makes its requests again and again, in one pool after the other. Before a worker
 * makes a request again it cancels the last one if that is still pending. An interrupt or the
 * worker's neighbor cancels some requests earlier. All of them free the elements that they find.
 * The last worker to leave a pool destroys it, possibly while a CPU is still returning from a
 * callback.
 */

#define RACE_WORKERS	4
#define RACE_REQUESTS	100000
#define RACE_ROUNDS	25
#define RACE_SLOTS	16
#define RACE_ELEMENTS	64

struct race_round {
	struct mempool2	*pool;
	atomic_t	nr_users;
	void		*elements[RACE_ELEMENTS];	/* for any worker to free */
};

struct race_request {
	struct mempool2_waiter	waiter;
	struct race_round	*round;
	unsigned int		count;
	void			*elems[3];
	bool			made;
	struct race_request	**lent;		/* for another context, to cancel it */
	bool			given_back;
	atomic_t		nr_calls;
	atomic_t		nr_cancels;
};

struct race_worker {
	struct race_request	requests[RACE_SLOTS];
	struct race_request	*from_neighbor;
	struct race_request	*for_irq;
	struct irq_work		irq_work;
};

struct race {
	struct fixture		*fx;
	struct mutex		lock;		/* serializes the creation of pools */
	struct race_round	rounds[RACE_ROUNDS];
	struct race_worker	workers[RACE_WORKERS];
	atomic_t		nr_wrong;
	atomic_t		nr_called;
	atomic_t		nr_cancelled;
	atomic_t		nr_met;
};

static struct race *race;

/* Only filling the pool gets memory; an allocation from the pool gets none. */
static void *race_alloc(gfp_t gfp_mask, void *pool_data)
{
	return gfp_mask & __GFP_NORETRY ? NULL : source_alloc(gfp_mask, pool_data);
}

/* Leave an element for any worker to free, if there is room. */
static void race_give(struct race_round *round, void *element)
{
	int i;

	source_claim(&race->fx->src, element);
	for (i = 0; i < RACE_ELEMENTS; i++)
		if (!READ_ONCE(round->elements[i]) &&
		    !cmpxchg(&round->elements[i], NULL, element))
			return;
	source_disclaim(&race->fx->src, element);
	mempool2_free(element, round->pool);
}

static void race_free(struct race_round *round)
{
	void *element;
	int i;

	for (i = 0; i < RACE_ELEMENTS; i++) {
		element = READ_ONCE(round->elements[i]);
		if (element && cmpxchg(&round->elements[i], element, NULL) == element) {
			source_disclaim(&race->fx->src, element);
			mempool2_free(element, round->pool);
		}
	}
}

static void race_callback(struct mempool2_waiter *waiter, void **elems)
{
	struct race_request *request = container_of(waiter, struct race_request, waiter);
	unsigned int i;

	for (i = 0; i < request->count; i++)
		race_give(request->round, elems[i]);
	/* From here on the owner may make the request again, and the pool may be destroyed. */
	atomic_inc_return(&request->nr_calls);
}

static void race_cancel(struct race_request *request)
{
	if (mempool2_cancel(&request->waiter))
		atomic_inc(&request->nr_cancels);
}

/* Cancel the request that was lent for it, and free some elements. */
static void race_cancel_lent(struct race_request **lent)
{
	struct race_request *request = xchg(lent, NULL);

	if (!request)
		return;
	race_cancel(request);
	race_free(request->round);
	/* Pairs with race_get_back(). */
	smp_store_release(&request->given_back, true);
}

static void race_irq(struct irq_work *irq_work)
{
	race_cancel_lent(&container_of(irq_work, struct race_worker, irq_work)->for_irq);
}

static void race_lend(struct race_request *request, struct race_request **lent)
{
	request->given_back = false;
	if (!cmpxchg(lent, NULL, request))
		request->lent = lent;
}

static void race_get_back(struct race_request *request)
{
	/* Pairs with race_cancel_lent(). */
	if (request->lent && cmpxchg(request->lent, request, NULL) != request)
		while (!smp_load_acquire(&request->given_back))
			cond_resched();
	request->lent = NULL;
}

/* Complete or cancel the request, and check that exactly one of the two happened, once. */
static void race_settle(struct race_request *request)
{
	int nr_calls, nr_cancels;

	if (!request->made)
		return;
	race_get_back(request);
	if (!atomic_read(&request->nr_calls) && !atomic_read(&request->nr_cancels))
		race_cancel(request);
	while (!atomic_read_acquire(&request->nr_calls) && !atomic_read(&request->nr_cancels))
		cond_resched();
	nr_calls = atomic_read(&request->nr_calls);
	nr_cancels = atomic_read(&request->nr_cancels);
	if (nr_calls + nr_cancels != 1)
		atomic_inc(&race->nr_wrong);
	atomic_add(nr_calls, &race->nr_called);
	atomic_add(nr_cancels, &race->nr_cancelled);
	request->made = false;
}

static void race_request(struct race_request *request, struct race_round *round,
			 unsigned int count)
{
	void *element;
	unsigned int i;
	int ret;

	request->round = round;
	request->count = count;
	atomic_set(&request->nr_calls, 0);
	atomic_set(&request->nr_cancels, 0);
	do {
		if (count == 1) {
			element = mempool2_alloc_async(round->pool, GFP_NOWAIT,
						       &request->waiter);
			ret = PTR_ERR_OR_ZERO(element);
			/*
			 * Until then elems[0] may belong to the last request, cancelled but not
			 * yet dequeued.
			 */
			if (!ret)
				request->elems[0] = element;
		} else {
			ret = mempool2_alloc_bulk_async(round->pool, GFP_NOWAIT,
							request->elems, count,
							&request->waiter);
		}
		cond_resched();
		/* PREEMPT_RT: a cancelled waiter may be in use for a moment. */
	} while (IS_ENABLED(CONFIG_PREEMPT_RT) && ret == -EBUSY);
	if (ret == -EINPROGRESS) {
		request->made = true;
		return;
	}
	if (ret) {
		atomic_inc(&race->nr_wrong);
		return;
	}
	atomic_inc(&race->nr_met);
	for (i = 0; i < count; i++)
		race_give(round, request->elems[i]);
}

static struct race_round *race_join(int nr)
{
	struct race_round *round = &race->rounds[nr];

	mutex_lock(&race->lock);
	if (!round->pool) {
		round->pool = mempool2_create(4 + nr % 5, race_alloc, source_free,
					      &race->fx->src);
		atomic_set(&round->nr_users, RACE_WORKERS);
	}
	mutex_unlock(&race->lock);
	return round->pool ? round : NULL;
}

static void race_leave(struct race_worker *worker, struct race_round *round)
{
	int i;

	for (i = 0; i < RACE_SLOTS; i++) {
		race_settle(&worker->requests[i]);
		if (READ_ONCE(worker->requests[i].waiter.state))
			mempool2_cancel_sync(&worker->requests[i].waiter);
	}
	irq_work_sync(&worker->irq_work);
	race_free(round);
	if (!atomic_dec_and_test(&round->nr_users))
		return;
	race_free(round);
	mempool2_destroy(round->pool);
}

static void race_loop(struct caller *caller)
{
	struct race_worker *worker = &race->workers[caller->index];
	struct race_worker *neighbor = &race->workers[(caller->index + 1) % RACE_WORKERS];
	struct race_request *request;
	struct race_round *round;
	struct rnd_state rnd;
	u32 random;
	int nr, i;

	prandom_seed_state(&rnd, get_random_u64());
	for (nr = 0; nr < RACE_ROUNDS; nr++) {
		round = race_join(nr);
		if (!round) {
			atomic_inc(&race->nr_wrong);
			return;
		}
		for (i = 0; i < RACE_REQUESTS / RACE_ROUNDS / RACE_WORKERS; i++) {
			random = prandom_u32_state(&rnd);
			request = &worker->requests[random % RACE_SLOTS];
			race_settle(request);
			race_request(request, round, random / 16 % 8 ? 1 : 3);
			if (request->made && random / 128 % 4 == 0)
				race_lend(request, &neighbor->from_neighbor);
			else if (request->made && random / 128 % 4 == 1)
				race_lend(request, &worker->for_irq);
			if (random / 512 % 8 == 0)
				irq_work_queue(&worker->irq_work);
			race_cancel_lent(&worker->from_neighbor);
			if (random / 4096 % 8 == 0)
				race_free(round);
			if (random / 32768 % 128 == 0 &&
			    mempool2_resize(round->pool, 4 + random / 4194304 % 13))
				atomic_inc(&race->nr_wrong);
			caller->ret++;
			if (i % 16 == 0)
				cond_resched();
		}
		race_leave(worker, round);
	}
}

static void every_request_is_called_or_cancelled_once(struct kunit *test)
{
	int i, j, cpu = cpumask_first(cpu_online_mask);
	struct fixture *fx = test->priv;
	bool all = true;

	race = kvzalloc(sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	race->fx = fx;
	mutex_init(&race->lock);
	for (i = 0; i < RACE_WORKERS; i++) {
		race->workers[i].irq_work = HARDIRQ_WORK_INIT(race_irq);
		for (j = 0; j < RACE_SLOTS; j++)
			mempool2_waiter_init(&race->workers[i].requests[j].waiter,
					     race_callback);
	}
	for (i = 0; i < RACE_WORKERS; i++) {
		caller_run(caller_add(fx, race_loop), cpu);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
	}
	for (i = 0; i < RACE_WORKERS; i++)
		all = caller_returns_within(&fx->callers[i], 120 * HZ) && all;
	/* A worker that has not finished still uses all of this memory, which then stays. */
	KUNIT_ASSERT_TRUE(test, all);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->nr_wrong), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->nr_called) + atomic_read(&race->nr_cancelled) +
			      atomic_read(&race->nr_met), RACE_REQUESTS);
	kunit_info(test, "%d called, %d cancelled, %d met at once",
		   atomic_read(&race->nr_called), atomic_read(&race->nr_cancelled),
		   atomic_read(&race->nr_met));
	KUNIT_EXPECT_GT(test, atomic_read(&race->nr_called), RACE_REQUESTS / 100);
	KUNIT_EXPECT_GT(test, atomic_read(&race->nr_cancelled), RACE_REQUESTS / 100);
	kvfree(race);
}

/*
 * A resize runs a callback, for an element that was put into the reserve unseen. Another task
 * can create a pool meanwhile, so the resize holds no lock that the creation takes.
 */
static bool other_has_made_one;

static void await_other_pool(struct request *request)
{
	unsigned int i;

	for (i = 0; i < 1000 && !READ_ONCE(other_has_made_one); i++)
		mdelay(1);
	request->result = READ_ONCE(other_has_made_one);
}

/* Create a pool as soon as the callback is running. */
static void caller_makes_a_pool(struct caller *caller)
{
	struct request *request = caller->elems[0];

	caller->elems[0] = NULL;
	while (!atomic_read(&request->nr_calls))
		schedule_timeout_uninterruptible(1);
	caller->ret = mempool2_init_kmalloc_pool(&caller->fx->spare, 1, 32);
	WRITE_ONCE(other_has_made_one, true);
}

static void caller_resizes(struct caller *caller)
{
	caller->ret = mempool2_resize(caller->pool, 4);
}

static void function_called_by_a_resize_is_called_with_no_lock_held(struct kunit *test)
{
	int cpu = cpumask_first(cpu_online_mask);
	struct caller *resize, *other;
	struct fixture *fx = test->priv;
	static struct request request;
	void *element;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "PREEMPT_RT: a resize runs no callback, a thread does");
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue(fx, &request, 1);
	request.then = await_other_pool;
	other_has_made_one = false;
	element = fx->held[--fx->nr_held];
	park_unseen(&fx->pool, element);
	other = caller_add(fx, caller_makes_a_pool);
	other->elems[0] = &request;
	caller_run(other, cpu);
	resize = caller_add(fx, caller_resizes);
	caller_run(resize, cpumask_next(cpu, cpu_online_mask));
	KUNIT_EXPECT_TRUE(test, caller_returns(resize));
	KUNIT_EXPECT_TRUE(test, caller_returns(other));
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	KUNIT_EXPECT_EQ(test, request.result, 1);
	KUNIT_EXPECT_FALSE(test, request.irqs_off);
	request_keep(fx, &request);
	/* The larger pool got no memory for its elements. */
	fx->incomplete = true;
}

/* Memory that comes back while nothing is freed */

/*
 * Make a request with @gfp_mask that is retried, and forget the earlier calls of the alloc
 * function.
 */
static void request_queue_with(struct fixture *fx, struct request *request, gfp_t gfp_mask)
{
	request_init(fx, request, 1);
	KUNIT_ASSERT_EQ(fx->test,
			PTR_ERR(mempool2_alloc_async(&fx->pool, gfp_mask, &request->waiter)),
			(long)-EINPROGRESS);
	source_forget(&fx->src);
}

/* Let the next retry reclaim memory, if the mask allows that, not only the one after 5 s. */
static void retry_with_reclaim(struct request *request)
{
	WRITE_ONCE(request->waiter.look_at, jiffies);
}

static bool callback_runs_soon(struct request *request)
{
	return comes_true(atomic_read(&request->nr_calls), SOON) &&
	       atomic_read(&request->nr_calls) == 1;
}

struct retry_mask {
	const char	*name;
	gfp_t		gfp;
};

static const struct retry_mask retry_masks[] = {
	{ "GFP_NOWAIT", GFP_NOWAIT },
	{ "GFP_ATOMIC", GFP_ATOMIC },
	{ "GFP_NOIO", GFP_NOIO },
	{ "GFP_KERNEL", GFP_KERNEL },
};

static void retry_mask_name(const struct retry_mask *mask, char *name)
{
	strscpy(name, mask->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(retry_mask, retry_masks, retry_mask_name);

static void memory_that_comes_back_is_sent_soon(struct kunit *test)
{
	const struct retry_mask *mask = test->param_value;
	struct fixture *fx = test->priv;
	static struct request request;
	int nr;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue_with(fx, &request, mask->gfp);
	let_pass(HZ / 10);
	source_recover(&fx->src);
	KUNIT_EXPECT_TRUE(test, callback_runs_soon(&request));
	KUNIT_EXPECT_PTR_NE(test, request.got[0], fx->held[0]);
	KUNIT_EXPECT_FALSE(test, request.locked);
	nr = atomic_read(&fx->src.nr_allocs);
	KUNIT_EXPECT_GE(test, nr, 1);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, min(nr, MAX_MASKS) - 1),
			bits((mask->gfp | ADDED_GFP) & ~LATER_GFP));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_irqs_off), 0);
	mempool2_cancel_sync(&request.waiter);
	/* The retries end when no request waits. */
	nr = atomic_read(&fx->src.nr_allocs);
	let_pass(HZ / 5);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), nr);
	request_keep(fx, &request);
}

static void retry_of_a_request_keeps_to_its_tasks_scope(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	unsigned int flags;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	flags = memalloc_noio_save();
	request_queue_with(fx, &request, GFP_KERNEL);
	retry_with_reclaim(&request);
	memalloc_noio_restore(flags);
	source_recover(&fx->src);
	KUNIT_EXPECT_TRUE(test, callback_runs_soon(&request));
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0), bits(GFP_NOIO | ADDED_GFP));
	request_keep(fx, &request);
}

static void request_is_retried_at_growing_distances(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	unsigned long start;
	int nr;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	start = jiffies;
	request_queue_with(fx, &request, GFP_NOWAIT);
	let_pass(2 * HZ);
	nr = atomic_read(&fx->src.nr_allocs);
	KUNIT_EXPECT_GE(test, nr, 3);
	KUNIT_EXPECT_LE(test, nr, 8 + (int)((jiffies - start) / HZ));
	/* The distances do not grow for ever. */
	let_pass(3 * HZ);
	KUNIT_EXPECT_GT(test, atomic_read(&fx->src.nr_allocs), nr);
	KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&request.waiter));
}

/* The calls for the second request have another mask. */
static atomic_t nr_high;

static void count_high(struct source *src, gfp_t gfp_mask)
{
	if (gfp_mask & __GFP_HIGH)
		atomic_inc(&nr_high);
}

static void only_the_oldest_request_is_retried(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request first, second;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue_with(fx, &first, GFP_NOWAIT);
	request_queue_with(fx, &second, GFP_ATOMIC);
	atomic_set(&nr_high, 0);
	fx->src.hook = count_high;
	let_pass(HZ / 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&nr_high), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&fx->src.nr_allocs), 0);
	/* The second request is retried once it is the oldest, whatever removed the first. */
	KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&first.waiter));
	KUNIT_EXPECT_TRUE(test, comes_true(atomic_read(&nr_high), SOON));
	KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&second.waiter));
}

static void caller_waits_a_moment(struct caller *caller)
{
	void *element = mempool2_alloc_timeout(caller->pool, GFP_KERNEL, HZ / 10);

	caller->ret = PTR_ERR_OR_ZERO(element);
	caller->elems[0] = IS_ERR(element) ? NULL : element;
}

static void request_behind_a_caller_that_gives_up_is_retried(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	static struct request request;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_add(fx, caller_waits_a_moment);
	caller_run(caller, ANY_CPU);
	KUNIT_ASSERT_TRUE(test, caller_queues(caller, true));
	request_queue_with(fx, &request, GFP_NOWAIT);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, (long)-ETIMEDOUT);
	source_recover(&fx->src);
	KUNIT_EXPECT_TRUE(test, callback_runs_soon(&request));
	request_keep(fx, &request);
}

static void request_behind_one_that_is_served_is_retried(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request first, second;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue_with(fx, &first, GFP_NOWAIT);
	request_queue_with(fx, &second, GFP_NOWAIT);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&first));
	request_keep(fx, &first);
	source_recover(&fx->src);
	KUNIT_EXPECT_TRUE(test, callback_runs_soon(&second));
	request_keep(fx, &second);
}

static void bulk_request_collects_memory_that_comes_back(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	void *element;

	fixture_pool(fx, 3);
	fixture_drain(fx);
	request_init(fx, &request, 3);
	KUNIT_ASSERT_EQ(test, request_make(&request), -EINPROGRESS);
	element = fixture_put(fx);
	source_allow(&fx->src, 1);
	let_pass(HZ / 10);
	KUNIT_EXPECT_EQ(test, atomic_read(&request.nr_calls), 0);
	source_recover(&fx->src);
	KUNIT_EXPECT_TRUE(test, callback_runs_soon(&request));
	KUNIT_EXPECT_PTR_EQ(test, request.got[0], element);
	request_keep(fx, &request);
}

static void element_in_the_reserve_beside_a_request_is_found(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue_with(fx, &request, GFP_NOWAIT);
	element = fx->held[--fx->nr_held];
	park_unseen(&fx->pool, element);
	KUNIT_EXPECT_TRUE(test, comes_true(atomic_read(&request.nr_calls), 5 * HZ + TIMEOUT));
	KUNIT_EXPECT_EQ(test, atomic_read(&request.nr_calls), 1);
	KUNIT_EXPECT_PTR_EQ(test, request.got[0], element);
	request_keep(fx, &request);
}

static void cancelled_request_is_retried_no_more(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	request_queue_with(fx, &request, GFP_NOWAIT);
	KUNIT_EXPECT_TRUE(test, mempool2_cancel(&request.waiter));
	mempool2_cancel_sync(&request.waiter);
	/* The waiter and the pool may have been freed and their memory reused. */
	memset(&request.waiter, 0x5a, sizeof(request.waiter));
	fixture_put(fx);
	mempool2_exit(&fx->pool);
	memset(&fx->pool, 0x5a, sizeof(fx->pool));
	source_forget(&fx->src);
	let_pass(HZ / 5);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&request.nr_calls), 0);
	memset(&fx->pool, 0, sizeof(fx->pool));
}

/* Cases in which the alloc function sleeps during a retry */

static struct completion asking_began, asking_may_end;
static bool asking_has_ended;
static gfp_t asking_needs;

/* Only in a retry, not in the call that makes the request. */
static void ask_for_long(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (current == fx->watcher || completion_done(&asking_may_end) ||
	    (gfp_mask & asking_needs) != asking_needs)
		return;
	source_recover(src);
	complete(&asking_began);
	comes_true(completion_done(&asking_may_end), 2 * TIMEOUT);
	complete_all(&asking_may_end);
	WRITE_ONCE(asking_has_ended, true);
}

static void request_being_retried(struct fixture *fx, struct request *request, gfp_t gfp_mask)
{
	fixture_drain(fx);
	init_completion(&asking_began);
	init_completion(&asking_may_end);
	asking_has_ended = false;
	fx->watcher = current;
	fx->src.hook_arg = fx;
	fx->src.hook = ask_for_long;
	asking_needs = gfp_mask & __GFP_DIRECT_RECLAIM;
	request_queue_with(fx, request, gfp_mask);
	retry_with_reclaim(request);
	KUNIT_ASSERT_TRUE(fx->test, comes_true(completion_done(&asking_began), TIMEOUT));
}

static void request_may_be_cancelled_while_it_is_retried(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	request_being_retried(fx, &request, GFP_KERNEL);
	run_in(fx, param_context(test), job_cancel, &request);
	KUNIT_EXPECT_TRUE(test, request.cancelled);
	KUNIT_EXPECT_FALSE(test, READ_ONCE(asking_has_ended));
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		memset(&request.waiter, 0x5a, sizeof(request.waiter));
	complete_all(&asking_may_end);
	/* The element found for the cancelled request goes to the reserve. */
	KUNIT_EXPECT_TRUE(test, comes_true(mempool2_nr_reserved(&fx->pool), SOON));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&request.nr_calls), 0);
}

static void what_is_found_for_a_cancelled_request_goes_to_the_next(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request first, second;

	fixture_pool(fx, 1);
	request_being_retried(fx, &first, GFP_KERNEL);
	request_init(fx, &second, 1);
	/* The second request neither finds memory itself nor is retried. */
	fx->src.only_for = current;
	source_fail(&fx->src);
	KUNIT_EXPECT_EQ(test, request_make(&second), -EINPROGRESS);
	WRITE_ONCE(second.waiter.due, jiffies + 1000 * HZ);
	KUNIT_EXPECT_TRUE(test, mempool2_cancel(&first.waiter));
	source_allow(&fx->src, 1);
	fx->src.only_for = NULL;
	complete_all(&asking_may_end);
	KUNIT_EXPECT_TRUE(test, callback_runs_soon(&second));
	KUNIT_EXPECT_EQ(test, atomic_read(&first.nr_calls), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
	mempool2_cancel_sync(&first.waiter);
	request_keep(fx, &second);
}

static void caller_cancels_sync(struct caller *caller)
{
	struct request *request = caller->elems[0];

	caller->elems[0] = NULL;
	caller->ret = mempool2_cancel_sync(&request->waiter);
}

static void cancel_sync_waits_for_the_alloc_function(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	struct caller *caller;

	fixture_pool(fx, 1);
	request_being_retried(fx, &request, GFP_KERNEL);
	caller = caller_add(fx, caller_cancels_sync);
	caller->elems[0] = &request;
	caller_run(caller, ANY_CPU);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 0));
	KUNIT_EXPECT_FALSE(test, caller_returns_within(caller, HZ / 10));
	complete_all(&asking_may_end);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, 1L);
	/* The retry does not use the pool any more either. */
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&request.nr_calls), 0);
}

static void caller_exits(struct caller *caller)
{
	mempool2_exit(caller->pool);
	caller->ret = READ_ONCE(asking_has_ended);
}

static void end_of_a_pool_waits_for_the_alloc_function(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	struct caller *caller;

	fixture_pool(fx, 1);
	request_being_retried(fx, &request, GFP_KERNEL);
	KUNIT_EXPECT_TRUE(test, mempool2_cancel(&request.waiter));
	fixture_put(fx);
	caller = caller_add(fx, caller_exits);
	caller_run(caller, ANY_CPU);
	KUNIT_EXPECT_FALSE(test, caller_returns_within(caller, HZ / 10));
	complete_all(&asking_may_end);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, 1L);
	/* The element that the retry found is freed as well, as the pool had no room for it. */
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 0);
}

/*
 * If the alloc function may reclaim memory, it may wait for the element, which would be idle with
 * the request.
 */
static void element_freed_while_a_request_is_retried_fills_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	void *element;

	fixture_pool(fx, 1);
	request_being_retried(fx, &request, GFP_KERNEL);
	element = fixture_put(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
	/* If the alloc function fails in the end, the request gets the element. */
	source_fail(&fx->src);
	complete_all(&asking_may_end);
	KUNIT_EXPECT_TRUE(test, callback_runs_soon(&request));
	KUNIT_EXPECT_PTR_EQ(test, request.got[0], element);
	request_keep(fx, &request);
}

static void ask_of_the_same_pool(struct source *src, gfp_t gfp_mask)
{
	fixture_nest(src->hook_arg, gfp_mask);
}

static void alloc_function_of_a_retry_gets_an_element_of_the_same_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	fx->watcher = current;
	fx->src.hook_arg = fx;
	fx->src.hook = ask_of_the_same_pool;
	request_queue_with(fx, &request, GFP_KERNEL);
	retry_with_reclaim(&request);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 2));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	mempool2_cancel_sync(&request.waiter);
	fx->src.hook = NULL;
	request_keep(fx, &request);
}

static void request_for_several_elements_is_retried_without_reclaim(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	request_init(fx, &request, 2);
	KUNIT_ASSERT_EQ(test, mempool2_alloc_bulk_async(&fx->pool, GFP_KERNEL, request.elems, 2,
							&request.waiter), -EINPROGRESS);
	source_forget(&fx->src);
	retry_with_reclaim(&request);
	KUNIT_EXPECT_TRUE(test, comes_true(atomic_read(&fx->src.nr_allocs) >= 2, TIMEOUT));
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0) & bits(LATER_GFP), 0u);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 1) & bits(LATER_GFP), 0u);
	fixture_put_all(fx);
	KUNIT_EXPECT_TRUE(test, callback_ran(&request));
	request_keep(fx, &request);
}

static void request_served_while_it_is_retried_is_called_after_that(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	void *element;

	fixture_pool(fx, 1);
	request_being_retried(fx, &request, GFP_NOWAIT);
	element = fixture_put(fx);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	KUNIT_EXPECT_TRUE(test, callback_did_not_run(&request));
	KUNIT_EXPECT_FALSE(test, mempool2_cancel(&request.waiter));
	complete_all(&asking_may_end);
	KUNIT_EXPECT_TRUE(test, callback_runs_soon(&request));
	KUNIT_EXPECT_FALSE(test, mempool2_cancel_sync(&request.waiter));
	KUNIT_EXPECT_EQ(test, atomic_read(&request.nr_calls), 1);
	KUNIT_EXPECT_PTR_EQ(test, request.got[0], element);
	/* The request does not need the element that the retry found. */
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	request_keep(fx, &request);
	mempool2_free(fx->held[--fx->nr_held], &fx->pool);
}

/*
 * Callbacks run in the context of the call that has served them, or in that of a call on the same
 * CPU that it has interrupted; but not in an interrupt that comes just before they would run. Its
 * handler may hold a lock that they take. The interrupt frees an element of another pool. It comes
 * at another moment of the call in each round.
 */
#define NR_STORM	(MAX_HELD - 4)
#define NR_MOMENTS	64
#define NR_ROUNDS	4000

static struct storm {
	struct fixture	*fx;
	struct hrtimer	timer;
	struct request	own;
	struct request	others[NR_STORM];
	void		*element;
	bool		is_queued;
	bool		in_handler;
	int		nr_handled;
	int		nr_wrong;
} storm;

static void storm_own_callback(struct request *request)
{
	storm.element = request->got[0];
	storm.is_queued = false;
}

static void storm_other_callback(struct request *request)
{
	if (storm.in_handler)
		storm.nr_wrong++;
	fixture_hold(request->fx, request->got[0]);
}

static enum hrtimer_restart storm_handler(struct hrtimer *unused)
{
	struct mempool2 *pool = &storm.fx->spare;
	void *element;

	/* The callback may be left to the interrupted context. */
	if (storm.is_queued)
		return HRTIMER_NORESTART;
	storm.is_queued = true;
	element = mempool2_alloc_async(pool, GFP_NOWAIT, &storm.own.waiter);
	if (element != ERR_PTR(-EINPROGRESS))
		return HRTIMER_NORESTART;
	storm.in_handler = true;
	mempool2_free(storm.element, pool);
	storm.in_handler = false;
	WRITE_ONCE(storm.nr_handled, storm.nr_handled + 1);
	return HRTIMER_NORESTART;
}

static void *storm_alloc(gfp_t gfp_mask, void *pool_data)
{
	/* Only for the reserve. */
	return gfp_mask & __GFP_NOMEMALLOC ? NULL : pool_data;
}

static void storm_free(void *element, void *pool_data)
{
}

static void interrupt_does_not_run_the_callbacks_of_others(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[NR_STORM];
	struct patience patience;
	ktime_t began, took = 0;
	int round, i, cpu;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "PREEMPT_RT: only a thread runs callbacks");
	memset(&storm, 0, sizeof(storm));
	storm.fx = fx;
	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->spare, 1, storm_alloc, storm_free, &storm), 0);
	storm.element = mempool2_alloc_preallocated(&fx->spare);
	request_init(fx, &storm.own, 1);
	storm.own.then = storm_own_callback;
	fixture_pool(fx, NR_STORM);
	fixture_drain(fx);
	cpu = get_cpu();
	put_cpu();
	set_cpus_allowed_ptr(current, cpumask_of(cpu));
	hrtimer_setup(&storm.timer, storm_handler, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	/* With all checks, on a busy host, the rounds would last for a minute. */
	patience = patience_of(2 * HZ);
	for (round = 0; round < NR_ROUNDS && patience_lasts(&patience); round++) {
		for (i = 0; i < NR_STORM; i++) {
			request_init(fx, &storm.others[i], 1);
			storm.others[i].then = storm_other_callback;
			KUNIT_EXPECT_EQ(test, request_make(&storm.others[i]), -EINPROGRESS);
			elems[i] = fx->held[i];
		}
		fx->nr_held = 0;
		if (!hrtimer_active(&storm.timer))
			hrtimer_start(&storm.timer, took / NR_MOMENTS * (round % NR_MOMENTS),
				      HRTIMER_MODE_REL_PINNED_HARD);
		began = ktime_get();
		KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, NR_STORM),
				(unsigned int)NR_STORM);
		took = ktime_sub(ktime_get(), began);
		KUNIT_EXPECT_TRUE(test, comes_true(READ_ONCE(fx->nr_held) == NR_STORM, TIMEOUT));
		if (fx->nr_held != NR_STORM)
			break;
	}
	KUNIT_EXPECT_TRUE(test, comes_true(READ_ONCE(storm.nr_handled), TIMEOUT));
	hrtimer_cancel(&storm.timer);
	set_cpus_allowed_ptr(current, cpu_possible_mask);
	KUNIT_EXPECT_EQ(test, storm.nr_wrong, 0);
	KUNIT_EXPECT_FALSE(test, mempool2_cancel_sync(&storm.own.waiter));
	mempool2_free(storm.element, &fx->spare);
	mempool2_exit(&fx->spare);
}

static void free_and_exit(struct request *request)
{
	struct mempool2 *pool = &request->fx->pool;

	mempool2_free(request->got[0], pool);
	mempool2_exit(pool);
	request->result = 1;
}

static void function_of_a_retried_request_may_end_the_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "PREEMPT_RT: no callback may end a pool");
	fixture_pool(fx, 1);
	request_being_retried(fx, &request, GFP_KERNEL);
	request.then = free_and_exit;
	fixture_put(fx);
	KUNIT_EXPECT_EQ(test, atomic_read(&request.nr_calls), 0);
	complete_all(&asking_may_end);
	KUNIT_EXPECT_TRUE(test, callback_runs_soon(&request));
	mempool2_cancel_sync(&request.waiter);
	KUNIT_EXPECT_EQ(test, request.result, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 0);
}

/*
 * The same in an interrupt that comes when the retrier has found no memory and has just dropped the
 * lock. It must not wait for the retrier, which it has interrupted.
 */
static void ask_in_ambush(struct source *src, gfp_t gfp_mask)
{
	struct ambush *ambush = src->hook_arg;

	if (current != ambush->asker && !ambush->step)
		ambush_enter(ambush, src->pool);
}

static void put_in_irq(void *arg)
{
	fixture_put(arg);
}

static void function_may_end_the_pool_when_a_retry_has_just_ended(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	static struct ambush ambush;
	struct caller *other;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "PREEMPT_RT: no callback may end a pool");
	fixture_pool(fx, 1);
	fixture_drain(fx);
	other = ambush_lay(fx, &ambush, put_in_irq, fx);
	ambush.asker = current;
	fx->src.hook_arg = &ambush;
	fx->src.hook = ask_in_ambush;
	request_queue_with(fx, &request, GFP_NOWAIT);
	request.then = free_and_exit;
	KUNIT_EXPECT_TRUE(test, caller_returns(other));
	KUNIT_EXPECT_EQ(test, other->ret, 1L);
	KUNIT_EXPECT_TRUE(test, callback_runs_soon(&request));
	mempool2_cancel_sync(&request.waiter);
	KUNIT_EXPECT_EQ(test, request.result, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 0);
}

static void waiter_is_used_again_while_the_last_request_is_retried(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	void *element;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "PREEMPT_RT: a cancelled waiter may be in use for a moment");
	fixture_pool(fx, 1);
	request_being_retried(fx, &request, GFP_KERNEL);
	KUNIT_EXPECT_TRUE(test, mempool2_cancel(&request.waiter));
	source_fail(&fx->src);
	KUNIT_EXPECT_EQ(test, request_make(&request), -EINPROGRESS);
	/* Any CPU may serve this request: the alloc function is being called for the last one. */
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callback_runs_soon(&request));
	KUNIT_EXPECT_FALSE(test, READ_ONCE(asking_has_ended));
	KUNIT_EXPECT_PTR_EQ(test, request.got[0], element);
	complete_all(&asking_may_end);
	mempool2_cancel_sync(&request.waiter);
	KUNIT_EXPECT_EQ(test, atomic_read(&request.nr_calls), 1);
	request_keep(fx, &request);
}

/* Misuse by callers */

static void request_without_a_function_is_refused(struct kunit *test)
{
	static struct mempool2_waiter waiter = {};
	struct fixture *fx = test->priv;
	static bool spent;
	int i;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_async(&fx->pool, GFP_NOWAIT, &waiter)),
				(long)-EINVAL);
	expect_one_warning(fx, &spent, "no callback");
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

static void bulk_request_without_a_function_is_refused(struct kunit *test)
{
	static struct mempool2_waiter waiter = {};
	struct fixture *fx = test->priv;
	static bool spent;
	void *elems[2];
	int i;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk_async(&fx->pool, GFP_NOWAIT, elems, 2,
								&waiter), -EINVAL);
	expect_one_warning(fx, &spent, "no callback");
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

static void async_alloc_of_no_pool_is_refused(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	static bool spent;
	int i;

	request_init(fx, &request, 1);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_async(&fx->pool, GFP_NOWAIT,
								   &request.waiter)),
				(long)-EINVAL);
	expect_one_warning(fx, &spent, "pool is not initialized");
	KUNIT_EXPECT_FALSE(test, mempool2_cancel(&request.waiter));
}

static void bulk_async_of_no_pool_is_refused(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	static bool spent;
	int i;

	request_init(fx, &request, 2);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk_async(&fx->pool, GFP_NOWAIT,
								request.elems, 2,
								&request.waiter),
				-EINVAL);
	expect_one_warning(fx, &spent, "pool is not initialized");
}

static void bulk_async_of_more_than_min_nr_is_refused(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct request request;
	static bool spent;
	int i;

	fixture_pool(fx, 2);
	request_init(fx, &request, 3);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, mempool2_alloc_bulk_async(&fx->pool, GFP_NOWAIT,
								request.elems, 3,
								&request.waiter),
				-EINVAL);
	expect_one_warning(fx, &spent, "3 elements at once from a pool that guarantees 2");
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
}

static struct kunit_case async_cases[] = {
	KUNIT_CASE(async_alloc_returns_fresh_memory),
	KUNIT_CASE(async_alloc_returns_the_reserve),
	KUNIT_CASE(async_alloc_with_reclaim_reclaims_and_does_not_wait),
	KUNIT_CASE(element_that_comes_before_the_request_queues_is_returned),
	KUNIT_CASE(bulk_async_returns_what_memory_and_reserve_have),
	KUNIT_CASE_PARAM(freed_element_is_sent, context_gen_params),
	KUNIT_CASE_PARAM(function_is_called_where_the_element_is_freed, context_gen_params),
	KUNIT_CASE_PARAM(function_may_take_locks_that_sleep_on_preempt_rt,
			 context_gen_params),
	KUNIT_CASE_PARAM(request_may_be_made_anywhere, context_gen_params),
	KUNIT_CASE_PARAM(request_made_anywhere_gets_the_reserve, context_gen_params),
	KUNIT_CASE_PARAM(request_may_be_cancelled_anywhere, context_gen_params),
	KUNIT_CASE_PARAM(request_made_and_cancelled_anywhere_leaves_nothing,
			 context_gen_params),
	KUNIT_CASE_PARAM(element_freed_after_a_cancel_is_not_lost, context_gen_params),
	KUNIT_CASE(request_cancelled_while_it_is_served_passes_the_element_on),
	KUNIT_CASE(request_is_answered_once_if_its_function_requests_again),
	KUNIT_CASE(requests_and_sleepers_are_served_in_turn),
	KUNIT_CASE(functions_are_called_in_the_order_of_their_requests),
	KUNIT_CASE(no_caller_overtakes_a_request),
	KUNIT_CASE(bare_wake_up_passes_over_requests),
	KUNIT_CASE(larger_pool_serves_requests),
	KUNIT_CASE(refill_serves_requests),
	KUNIT_CASE(request_serves_all_beside_whom_elements_rest),
	KUNIT_CASE(bulk_request_collects_elements_and_is_called_once),
	KUNIT_CASE(bulk_request_keeps_what_memory_there_was),
	KUNIT_CASE(bulk_request_takes_what_is_there_when_it_queues),
	KUNIT_CASE(bulk_request_is_served_in_its_turn),
	KUNIT_CASE(bulk_request_for_nothing_is_met),
	KUNIT_CASE(cancelled_request_is_not_called),
	KUNIT_CASE(only_the_first_cancel_succeeds),
	KUNIT_CASE(cancelled_last_waiter_lets_newcomers_take),
	KUNIT_CASE(cancelled_bulk_request_passes_on_what_it_has),
	KUNIT_CASE(cancelled_waiter_can_be_used_again),
	KUNIT_CASE(waiter_in_use_is_refused),
	KUNIT_CASE(cancel_sync_waits_for_the_function),
	KUNIT_CASE(cancel_sync_waits_for_the_function_that_requested_again),
	KUNIT_CASE(function_may_free_and_request_again),
	KUNIT_CASE_PARAM(function_may_free_the_waiter, context_gen_params),
	KUNIT_CASE(functions_that_free_do_not_nest),
	KUNIT_CASE_SLOW(functions_do_not_nest_when_their_cpu_is_taken_away),
	KUNIT_CASE(element_stays_the_functions_when_the_waiter_is_used_again),
	KUNIT_CASE(cancel_sync_waits_for_the_last_of_many),
	KUNIT_CASE(one_free_calls_no_more_functions_than_a_batch),
	KUNIT_CASE(threads_that_request_and_free_all_come_to_their_end),
	KUNIT_CASE(cancel_sync_of_idle_waiters_waits_for_nothing),
	KUNIT_CASE(function_called_by_a_resize_is_called_with_no_lock_held),
	KUNIT_CASE(request_does_not_call_the_functions_of_others),
	KUNIT_CASE(free_does_not_call_what_a_request_has_left_to_others),
	KUNIT_CASE_SLOW(every_request_is_called_or_cancelled_once),
	KUNIT_CASE_PARAM(memory_that_comes_back_is_sent_soon, retry_mask_gen_params),
	KUNIT_CASE(retry_of_a_request_keeps_to_its_tasks_scope),
	KUNIT_CASE_SLOW(request_is_retried_at_growing_distances),
	KUNIT_CASE(only_the_oldest_request_is_retried),
	KUNIT_CASE(request_behind_a_caller_that_gives_up_is_retried),
	KUNIT_CASE(request_behind_one_that_is_served_is_retried),
	KUNIT_CASE(bulk_request_collects_memory_that_comes_back),
	KUNIT_CASE_SLOW(element_in_the_reserve_beside_a_request_is_found),
	KUNIT_CASE(cancelled_request_is_retried_no_more),
	KUNIT_CASE_PARAM(request_may_be_cancelled_while_it_is_retried, context_gen_params),
	KUNIT_CASE(what_is_found_for_a_cancelled_request_goes_to_the_next),
	KUNIT_CASE(cancel_sync_waits_for_the_alloc_function),
	KUNIT_CASE(end_of_a_pool_waits_for_the_alloc_function),
	KUNIT_CASE(element_freed_while_a_request_is_retried_fills_the_reserve),
	KUNIT_CASE(alloc_function_of_a_retry_gets_an_element_of_the_same_pool),
	KUNIT_CASE(request_for_several_elements_is_retried_without_reclaim),
	KUNIT_CASE(request_served_while_it_is_retried_is_called_after_that),
	KUNIT_CASE(interrupt_does_not_run_the_callbacks_of_others),
	KUNIT_CASE(function_of_a_retried_request_may_end_the_pool),
	KUNIT_CASE(function_may_end_the_pool_when_a_retry_has_just_ended),
	KUNIT_CASE(waiter_is_used_again_while_the_last_request_is_retried),
	KUNIT_CASE(request_without_a_function_is_refused),
	KUNIT_CASE(bulk_request_without_a_function_is_refused),
	KUNIT_CASE(async_alloc_of_no_pool_is_refused),
	KUNIT_CASE(bulk_async_of_no_pool_is_refused),
	KUNIT_CASE(bulk_async_of_more_than_min_nr_is_refused),
	{}
};

static struct kunit_suite async_suite = {
	.name = "mempool2_async",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = async_cases,
};

kunit_test_suite(async_suite);
