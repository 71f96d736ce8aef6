// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: debugging features
 *
 * An instrumented pool behaves as any other pool. A feature that is on for one pool is off for
 * all others. The events, statistics and checks show what happens to a pool.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../core/ext.h"
#include "../core/reserve.h"
#include "../debug/trace.h"
#include "../mempool2_debug.h"
#include "fixture.h"

static void set_failing(struct fixture *fx, unsigned int one_in)
{
	KUNIT_ASSERT_EQ(fx->test, mempool2_set_fail_interval(&fx->pool, one_in), 0);
}

/* Injected failures of the alloc function */

static void failing_drives_a_pool_to_its_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 3);
	set_failing(fx, 1);
	for (i = 0; i < 3; i++)
		fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	fixture_put_all(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static void failing_makes_callers_wait_and_frees_serve_them(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *element;

	fixture_pool(fx, 1);
	set_failing(fx, 1);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_KERNEL));
	caller = caller_that_waits(fx);
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
}

static void failing_ends_when_it_is_switched_off(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	set_failing(fx, 1);
	set_failing(fx, 0);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

static void failing_one_in_three_leaves_two(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 8);
	set_failing(fx, 3);
	for (i = 0; i < 9; i++)
		fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 6);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 5);
}

static void failing_concerns_bulk_calls(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[4];
	int i;

	fixture_pool(fx, 4);
	set_failing(fx, 1);
	KUNIT_ASSERT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 4), 0);
	for (i = 0; i < 4; i++)
		fixture_hold(fx, elems[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
}

static void failing_does_not_concern_noreserve_and_resize(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	set_failing(fx, 1);
	fixture_hold(fx, mempool2_alloc_noreserve(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
}

static void failing_of_one_pool_does_not_concern_another(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	fixture_pool(fx, 1);
	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->spare, 1, source_alloc, source_free,
					    &fx->src), 0);
	set_failing(fx, 1);
	source_forget(&fx->src);
	element = mempool2_alloc(&fx->spare, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
	mempool2_free(element, &fx->spare);
}

static void failing_outlives_a_resize(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	set_failing(fx, 1);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 100), 0);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 2), 0);
	source_forget(&fx->src);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
}

static void failing_ends_with_the_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	set_failing(fx, 1);
	mempool2_exit(&fx->pool);
	KUNIT_EXPECT_FALSE(test, mempool2_initialized(&fx->pool));
	fixture_pool(fx, 1);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 1);
}

static void copied_pool_can_be_made_to_fail(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2 original;

	KUNIT_ASSERT_EQ(test, mempool2_init(&original, 1, source_alloc, source_free,
					    &fx->src), 0);
	fx->pool = original;
	init_waitqueue_head(&fx->pool.wait);
	source_forget(&fx->src);
	set_failing(fx, 1);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
}

static void watched_pool_is_refused_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[2];

	fixture_pool(fx, 2);
	/* Instrumented, and nothing else: the interval is too long for a failure. */
	set_failing(fx, INT_MAX);
	KUNIT_EXPECT_TRUE(test, mempool2_initialized(&fx->pool));
	KUNIT_EXPECT_TRUE(test, mempool2_is_saturated(&fx->pool));
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0),
			bits((GFP_KERNEL | ADDED_GFP) & ~LATER_GFP));
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);

	elems[0] = fixture_foreign(fx);
	elems[1] = elems[0];
	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, 1), 0);
	mempool2_free(elems[0], &fx->pool);
	fixture_put_all(fx);
}

struct source_of_pool {
	const char	*name;
	mempool2_alloc_t *alloc;
	mempool2_free_t	*free;
	unsigned long	data;
};

static const struct source_of_pool sources[] = {
	{ "kmalloc", mempool2_kmalloc, mempool2_kfree, 100 },
	{ "kvmalloc", mempool2_kvmalloc, mempool2_kvfree, 100 },
	{ "pages", mempool2_alloc_pages, mempool2_free_pages, 1 },
};

static void source_name(const struct source_of_pool *source, char *name)
{
	strscpy(name, source->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(source, sources, source_name);

static void stock_pool_can_be_made_to_fail(struct kunit *test)
{
	const struct source_of_pool *source = test->param_value;
	struct fixture *fx = test->priv;
	void *element, *other;

	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->spare, 1, source->alloc, source->free,
					    (void *)source->data), 0);
	KUNIT_ASSERT_EQ(test, mempool2_set_fail_interval(&fx->spare, 1), 0);
	element = mempool2_alloc(&fx->spare, GFP_NOWAIT);
	KUNIT_EXPECT_NOT_NULL(test, element);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->spare, GFP_NOWAIT));
	KUNIT_ASSERT_EQ(test, mempool2_set_fail_interval(&fx->spare, 0), 0);
	other = mempool2_alloc(&fx->spare, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, other);
	mempool2_free(element, &fx->spare);
	mempool2_free(other, &fx->spare);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->spare), 1);
}

/* Statistics */

static void statistics_count_what_happens(struct kunit *test)
{
	struct mempool2_stats sum;
	struct fixture *fx = test->priv;
	struct caller *caller;
	int i;

	fixture_pool(fx, 2);
	KUNIT_ASSERT_EQ(test, mempool2_enable_stats(&fx->pool, true), 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 2);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	caller = caller_that_waits(fx);
	for (i = 0; i < 3; i++)
		schedule_timeout_uninterruptible(1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	fixture_put(fx);
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3), 0);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3), 0);

	KUNIT_ASSERT_EQ(test, mempool2_get_stats(&fx->pool, &sum), 0);
	KUNIT_EXPECT_EQ(test, sum.reserve_allocs, 2);
	/* fixture_drain() ended with a failed allocation. */
	KUNIT_EXPECT_EQ(test, sum.failed, 2);
	KUNIT_EXPECT_EQ(test, sum.waits, 1);
	KUNIT_EXPECT_EQ(test, sum.handovers, 1);
	KUNIT_EXPECT_EQ(test, sum.resizes, 1);
	/* One element came back, and the resize allocated the others. */
	KUNIT_EXPECT_EQ(test, sum.refills, 3);
	KUNIT_EXPECT_GE(test, sum.max_wait_ns, jiffies_to_nsecs(2));
	KUNIT_EXPECT_EQ(test, sum.wait_ns, sum.max_wait_ns);
}

/* A caller that may sleep is not refused because it cannot wait. */
static void statistics_count_refused_calls_that_could_not_sleep(struct kunit *test)
{
	struct mempool2_stats sum;
	struct fixture *fx = test->priv;

	fixture_pool(fx, 0);
	KUNIT_ASSERT_EQ(test, mempool2_enable_stats(&fx->pool, true), 0);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	source_fail(&fx->src);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_NULL(test, mempool2_alloc_preallocated(&fx->pool));
	KUNIT_EXPECT_NULL(test, mempool2_alloc_noreserve(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_NULL(test, mempool2_alloc_noreserve(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_timeout(&fx->pool, GFP_NOWAIT, 1)),
			(long)-ENOMEM);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_killable(&fx->pool, GFP_NOWAIT)),
			(long)-ENOMEM);
	KUNIT_ASSERT_EQ(test, mempool2_get_stats(&fx->pool, &sum), 0);
	KUNIT_EXPECT_EQ(test, sum.failed, 5);
}

static void statistics_are_only_there_once_switched_on(struct kunit *test)
{
	struct mempool2_stats sum;
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	KUNIT_EXPECT_EQ(test, mempool2_get_stats(&fx->pool, &sum), -ENODATA);
	KUNIT_ASSERT_EQ(test, mempool2_enable_stats(&fx->pool, true), 0);
	KUNIT_EXPECT_EQ(test, mempool2_get_stats(&fx->pool, &sum), 0);
	KUNIT_EXPECT_EQ(test, sum.reserve_allocs, 0);
}

static void statistics_stay_when_switched_off(struct kunit *test)
{
	struct mempool2_stats sum;
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	KUNIT_ASSERT_EQ(test, mempool2_enable_stats(&fx->pool, true), 0);
	fixture_drain(fx);
	KUNIT_ASSERT_EQ(test, mempool2_enable_stats(&fx->pool, false), 0);
	fixture_put_all(fx);
	fixture_drain(fx);
	KUNIT_ASSERT_EQ(test, mempool2_get_stats(&fx->pool, &sum), 0);
	KUNIT_EXPECT_EQ(test, sum.reserve_allocs, 1);
	KUNIT_EXPECT_EQ(test, sum.refills, 0);
}

/* Events */

#ifdef CONFIG_TRACEPOINTS

static struct {
	const struct mempool2	*pool;
	atomic_t		nr_served;
	atomic_t		nr_refilled;
	atomic_t		nr_begun;
	atomic_t		nr_ended;
	atomic_t		nr_handed_over;
	atomic_t		nr_resized;
	atomic_t		nr_failed;
	unsigned long		caller;
	u64			wait_ns;
} seen;

static bool seen_here(const struct mempool2 *pool)
{
	return pool == READ_ONCE(seen.pool);
}

static void served_probe(void *data, const struct mempool2 *pool, unsigned int nr,
			 unsigned long caller)
{
	if (!seen_here(pool))
		return;
	atomic_add(nr, &seen.nr_served);
	seen.caller = caller;
}

static void refill_probe(void *data, const struct mempool2 *pool, unsigned int nr)
{
	if (seen_here(pool))
		atomic_add(nr, &seen.nr_refilled);
}

static void begin_probe(void *data, const struct mempool2 *pool, unsigned int nr,
			int waiting, unsigned long caller)
{
	if (seen_here(pool))
		atomic_add(nr, &seen.nr_begun);
}

static void end_probe(void *data, const struct mempool2 *pool, unsigned int nr,
		      unsigned int missing, u64 wait_ns, unsigned long caller)
{
	if (!seen_here(pool))
		return;
	atomic_add(nr - missing, &seen.nr_ended);
	seen.wait_ns = wait_ns;
}

static void handover_probe(void *data, const struct mempool2 *pool, const void *element,
			   int waiting)
{
	if (seen_here(pool))
		atomic_inc(&seen.nr_handed_over);
}

static void resize_probe(void *data, const struct mempool2 *pool, int from, int to, int err)
{
	if (seen_here(pool) && !err)
		atomic_add(to - from, &seen.nr_resized);
}

static void failed_probe(void *data, const struct mempool2 *pool, unsigned long caller)
{
	if (seen_here(pool))
		atomic_inc(&seen.nr_failed);
}

static void see(struct fixture *fx)
{
	struct kunit *test = fx->test;

	memset(&seen, 0, sizeof(seen));
	seen.pool = &fx->pool;
	KUNIT_EXPECT_EQ(test, register_trace_mempool2_reserve_alloc(served_probe, NULL), 0);
	KUNIT_EXPECT_EQ(test, register_trace_mempool2_refill(refill_probe, NULL), 0);
	KUNIT_EXPECT_EQ(test, register_trace_mempool2_wait_begin(begin_probe, NULL), 0);
	KUNIT_EXPECT_EQ(test, register_trace_mempool2_wait_end(end_probe, NULL), 0);
	KUNIT_EXPECT_EQ(test, register_trace_mempool2_handover(handover_probe, NULL), 0);
	KUNIT_EXPECT_EQ(test, register_trace_mempool2_resize(resize_probe, NULL), 0);
	KUNIT_EXPECT_EQ(test, register_trace_mempool2_alloc_failed(failed_probe, NULL), 0);
}

static void see_no_more(void)
{
	unregister_trace_mempool2_reserve_alloc(served_probe, NULL);
	unregister_trace_mempool2_refill(refill_probe, NULL);
	unregister_trace_mempool2_wait_begin(begin_probe, NULL);
	unregister_trace_mempool2_wait_end(end_probe, NULL);
	unregister_trace_mempool2_handover(handover_probe, NULL);
	unregister_trace_mempool2_resize(resize_probe, NULL);
	unregister_trace_mempool2_alloc_failed(failed_probe, NULL);
	tracepoint_synchronize_unregister();
}

static void events_tell_what_happens(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 2);
	see(fx);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.nr_served), 2);
	KUNIT_EXPECT_NE(test, seen.caller, 0UL);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.nr_failed), 1);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.nr_begun), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.nr_ended), 0);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.nr_handed_over), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.nr_ended), 1);
	KUNIT_EXPECT_GT(test, seen.wait_ns, 0ULL);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.nr_refilled), 0);
	fixture_put(fx);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.nr_refilled), 1);
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 5), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.nr_resized), 3);
	see_no_more();

	/* Events that are switched off are not seen any more. */
	atomic_set(&seen.nr_served, 0);
	fixture_drain(fx);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.nr_served), 0);
}

static void pool_made_while_events_are_on_is_seen(struct kunit *test)
{
	struct fixture *fx = test->priv;

	see(fx);
	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 4);
	see_no_more();
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.nr_served), 4);
}

static void features_outlive_events(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	set_failing(fx, 1);
	see(fx);
	see_no_more();
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
}

/* A pool that is copied; then its memory is reused for something else while the copy is in use. */
static struct mempool2 *copy_pool(struct fixture *fx)
{
	struct mempool2_reserve __rcu *reserve;
	struct mempool2 *original;

	original = kmalloc(sizeof(*original), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(fx->test, original);
	KUNIT_EXPECT_EQ(fx->test, mempool2_init(original, 2, source_alloc, source_free,
						&fx->src), 0);
	fx->pool = *original;
	init_waitqueue_head(&fx->pool.wait);
	source_forget(&fx->src);
	/* By chance the memory still has the old value of this member. */
	reserve = original->reserve;
	memset(original, 0x5a, sizeof(*original));
	original->reserve = reserve;
	return original;
}

static void expect_left_alone(struct fixture *fx, struct mempool2 *original)
{
	memset(&original->reserve, 0x5a, sizeof(original->reserve));
	KUNIT_EXPECT_NULL(fx->test, memchr_inv(original, 0x5a, sizeof(*original)));
	kfree(original);
}

static void events_leave_alone_what_was_a_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2 *original = copy_pool(fx);

	see(fx);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.nr_served), 2);
	fixture_put_all(fx);
	see_no_more();
	source_recover(&fx->src);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_EQ(test, mempool2_enable_stats(&fx->pool, true), 0);
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->pool, MEMPOOL2_CHECK_ALL), 0);
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->pool, 0), 0);
	expect_left_alone(fx, original);
}

#else /* !CONFIG_TRACEPOINTS */

static void events_leave_alone_what_was_a_pool(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_TRACEPOINTS");
}

static void events_tell_what_happens(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_TRACEPOINTS");
}

static void pool_made_while_events_are_on_is_seen(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_TRACEPOINTS");
}

static void features_outlive_events(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_TRACEPOINTS");
}

#endif /* !CONFIG_TRACEPOINTS */

/* Switching while the pool is in use */

static void caller_in_a_hurry(struct caller *caller)
{
	void *element;

	while (!READ_ONCE(caller->fx->stop)) {
		element = mempool2_alloc(caller->pool, GFP_KERNEL);
		source_claim(&caller->fx->src, element);
		cond_resched();
		source_disclaim(&caller->fx->src, element);
		mempool2_free(element, caller->pool);
	}
}

static void switching_while_in_use_loses_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct patience patience;
	int i;

	fixture_pool(fx, 3);
	source_fail(&fx->src);
	for (i = 0; i < 4; i++)
		caller_run(caller_add(fx, caller_in_a_hurry), ANY_CPU);
	patience = patience_of(HZ);
	for (i = 0; patience_lasts(&patience); i++) {
		set_failing(fx, i % 3);
		KUNIT_EXPECT_EQ(test, mempool2_enable_stats(&fx->pool, i % 2), 0);
		KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->pool,
							  i % (MEMPOOL2_CHECK_ALL + 1) &
							  ~MEMPOOL2_CHECK_NESTED), 0);
		KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3 + i % 2), 0);
		/* The additional elements do not come from the pool. */
		fixture_put_all(fx);
	}
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->pool, 0), 0);
	expect_no_warning(fx);
	fx->incomplete = true;
}

/*
 * The only user of two pools: it always gets an element of the smaller one, and always finds the
 * larger one full.
 */
static void caller_relies_on_the_reserve(struct caller *caller)
{
	struct mempool2 *pool = &caller->fx->spare;
	void *element;

	while (!READ_ONCE(caller->fx->stop)) {
		caller->ret += !mempool2_is_saturated(&caller->fx->pool);
		element = mempool2_alloc_preallocated(pool);
		caller->ret += !element;
		mempool2_free(element, pool);
		cond_resched();
	}
}

static void switching_hides_no_element(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	struct patience patience;
	int i;

	/* Pages, as poisoning one takes a while. */
	KUNIT_ASSERT_EQ(test, mempool2_init_page_pool(&fx->spare, 1, 0), 0);
	KUNIT_ASSERT_EQ(test, mempool2_init_page_pool(&fx->pool, 256, 0), 0);
	caller = caller_add(fx, caller_relies_on_the_reserve);
	caller_run(caller, ANY_CPU);
	patience = patience_of(HZ);
	for (i = 0; patience_lasts(&patience); i++) {
		KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->spare, i % 2 ? 0 :
							  MEMPOOL2_CHECK_ALL), 0);
		KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->pool, i % 2 ? 0 :
							  MEMPOOL2_CHECK_ALL), 0);
	}
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_EQ(test, caller->ret, 0L);
	expect_no_warning(fx);
}

/* More elements than slots, so that some are in the store. */
#define MANY_PAGES	160

static void *pages_in_use[2][MANY_PAGES];

static void pages_take_and_free(struct caller *caller)
{
	struct mempool2 *pool = &caller->fx->spare;
	void **pages = pages_in_use[caller->index];
	unsigned long *word;
	int nr, i;

	for (nr = 0; nr < MANY_PAGES; nr++) {
		pages[nr] = mempool2_alloc_preallocated(pool);
		if (!pages[nr])
			break;
		WRITE_ONCE(*(unsigned long *)page_address(pages[nr]), (unsigned long)pages[nr]);
	}
	for (i = 0; i < nr; i++) {
		word = page_address(pages[i]);
		/* Nothing but this caller may write to an element in use. */
		caller->ret += READ_ONCE(*word) != (unsigned long)pages[i];
		mempool2_free(pages[i], pool);
	}
}

static void caller_empties_and_fills_the_store(struct caller *caller)
{
	while (!READ_ONCE(caller->fx->stop)) {
		pages_take_and_free(caller);
		cond_resched();
	}
}

static void checks_are_switched_while_callers_empty_and_fill_the_store(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct patience patience;
	int i;

	KUNIT_ASSERT_EQ(test, mempool2_init_page_pool(&fx->spare, MANY_PAGES, 0), 0);
	for (i = 0; i < 2; i++)
		caller_run(caller_add(fx, caller_empties_and_fills_the_store), ANY_CPU);
	patience = patience_of(HZ);
	for (i = 0; patience_lasts(&patience); i++)
		KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->spare, i % 2 ? 0 :
							  MEMPOOL2_CHECK_POISON |
							  MEMPOOL2_CHECK_DOUBLE), 0);
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, fx->callers[i].ret, 0L);
	expect_no_warning(fx);
	KUNIT_EXPECT_TRUE(test, mempool2_is_saturated(&fx->spare));
}

static void caller_resizes(struct caller *caller)
{
	while (!READ_ONCE(caller->fx->stop)) {
		caller->ret += !!mempool2_resize(caller->pool, 100 + caller->count++ % 100);
		cond_resched();
	}
}

static void checks_are_switched_while_the_pool_is_resized(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	struct patience patience;
	int i;

	fixture_pool(fx, 100);
	caller = caller_add(fx, caller_resizes);
	caller_run(caller, ANY_CPU);
	patience = patience_of(HZ);
	for (i = 0; patience_lasts(&patience); i++)
		KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->pool, i % 2 ? 0 :
							  MEMPOOL2_CHECK_ALL), 0);
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_EQ(test, caller->ret, 0L);
	expect_no_warning(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), fx->pool.min_nr);
}

/*
 * A caller takes elements of the store while the sweep of a check goes through the reserve. The
 * poison in the elements shows how far the sweep is.
 */

#define SWEPT_SIZE	4096
#define NR_SWEPT	400

static u8 *swept[NR_SWEPT];

static void sweep_comes_to(struct fixture *fx, const u8 *element)
{
	/* The sweep waits for a grace period. */
	while (!READ_ONCE(*element) && !READ_ONCE(fx->stop))
		cond_resched();
}

/*
 * Take a bulk first, as that does not look into the slots before the store. When the sweep has
 * come to the store take half of the store at once, as many callers would.
 */
static void caller_takes_during_a_sweep(struct caller *caller)
{
	struct mempool2_reserve *reserve = rcu_access_pointer(caller->pool->reserve);
	u8 *in_slots = reserve->slots[reserve->nr_slots / 2];
	u8 *in_store = reserve->store[reserve->nr_stored - 3 * MAX_BULK];
	unsigned int nr = MAX_BULK, left, i;

	WRITE_ONCE(caller->count, 0);
	sweep_comes_to(caller->fx, in_slots);
	caller->ret = mempool2_alloc_bulk(caller->pool, (void **)swept, nr);
	sweep_comes_to(caller->fx, in_store);
	raw_spin_lock_irq(&reserve->lock);
	left = reserve->nr_stored / 2;
	while (reserve->nr_stored > left)
		swept[nr++] = reserve->store[--reserve->nr_stored];
	for (i = 0; i < nr; i++)
		WRITE_ONCE(*swept[i], 0);
	raw_spin_unlock_irq(&reserve->lock);
	caller->count = nr;
}

/* Empty the slots at the beginning. */
static unsigned int first_slots_empty(struct mempool2_reserve *reserve, void **elems)
{
	unsigned int i;

	for (i = 0; i < reserve->nr_slots / 2; i++)
		elems[i] = xchg(&reserve->slots[i], NULL);
	return i;
}

/* Each byte of a parked element with poison. */
#define PARKED_BYTE	0x6b

static void elements_taken_during_a_sweep(struct fixture *fx, void **elems)
{
	struct mempool2 *pool = &fx->spare;
	struct mempool2_reserve *reserve = rcu_access_pointer(pool->reserve);
	unsigned int nr = first_slots_empty(reserve, elems), nr_bare = 0, i;
	struct kunit *test = fx->test;
	struct caller *caller;
	void *element;

	for (i = nr; i < reserve->nr_slots; i++)
		*(u8 *)reserve->slots[i] = 0;
	for (i = 0; i < reserve->nr_stored; i++)
		*(u8 *)reserve->store[i] = 0;
	caller = caller_add(fx, caller_takes_during_a_sweep);
	caller->pool = pool;
	caller_run(caller, ANY_CPU);
	while (READ_ONCE(caller->count))
		cond_resched();
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(pool, MEMPOOL2_CHECK_POISON), 0);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, 0L);
	/* Nothing but the caller may write to an element in use. */
	for (i = 0; i < caller->count; i++) {
		KUNIT_EXPECT_EQ(test, swept[i][0], 0);
		elems[nr++] = swept[i];
	}
	while ((element = mempool2_alloc_preallocated(pool))) {
		nr_bare += *(u8 *)element != PARKED_BYTE;
		elems[nr++] = element;
	}
	KUNIT_EXPECT_EQ(test, nr, NR_SWEPT);
	/* An element without poison and without a record would not be reported. */
	KUNIT_EXPECT_EQ(test, nr_bare, 0u);
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(pool, 0), 0);
	while (nr)
		mempool2_free(elems[--nr], pool);
}

static void elements_taken_during_a_sweep_are_left_alone_and_all_others_prepared(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void **elems;
	int i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	elems = kunit_kcalloc(test, NR_SWEPT, sizeof(*elems), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, elems);
	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->spare, NR_SWEPT, mempool2_kvmalloc,
					    mempool2_kvfree, (void *)SWEPT_SIZE), 0);
	KUNIT_ASSERT_EQ(test, mempool2_set_fail_interval(&fx->spare, 1), 0);
	/*
	 * A parameter may have switched on checks for new pools, and this case writes to the
	 * elements.
	 */
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->spare, 0), 0);
	for (i = 0; i < 20; i++)
		elements_taken_during_a_sweep(fx, elems);
	expect_no_warning(fx);
}

/*
 * A caller comes while a sweep is in progress, and might take an element to which the sweep has
 * not come. With preemption disabled since then it reads the features, as calls do to see whether
 * to look for poison. The count is 2 if the sweep was over too soon.
 */
static void caller_comes_during_the_sweep(struct caller *caller)
{
	struct mempool2_reserve *reserve = rcu_access_pointer(caller->pool->reserve);
	u8 *in_slots = reserve->slots[reserve->nr_slots - 1];
	unsigned int features = 0;
	int ms;

	WRITE_ONCE(caller->count, 0);
	sweep_comes_to(caller->fx, in_slots);
	rcu_read_lock_sched();
	if (!READ_ONCE(reserve->is_moving)) {
		rcu_read_unlock_sched();
		caller->count = 2;
		return;
	}
	for (ms = 0; ms < 20 && !(features & FEATURE_CHECK_POISON); ms++) {
		mdelay(1);
		features |= READ_ONCE(reserve->ext->features);
	}
	rcu_read_unlock_sched();
	caller->ret = features & FEATURE_CHECK_POISON;
}

static void no_check_is_on_for_callers_that_came_during_the_sweep(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2_reserve *reserve;
	struct caller *caller;
	int i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->pool, NR_SWEPT, mempool2_kvmalloc,
					    mempool2_kvfree, (void *)SWEPT_SIZE), 0);
	for (i = 0; i < MAX_CALLERS; i++) {
		KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->pool, 0), 0);
		reserve = rcu_access_pointer(fx->pool.reserve);
		*(u8 *)reserve->slots[reserve->nr_slots - 1] = 0;
		caller = caller_add(fx, caller_comes_during_the_sweep);
		caller->count = 1;
		caller_run(caller, ANY_CPU);
		while (READ_ONCE(caller->count))
			cond_resched();
		KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->pool, MEMPOOL2_CHECK_POISON), 0);
		KUNIT_EXPECT_TRUE(test, caller_returns(caller));
		KUNIT_EXPECT_EQ(test, caller->ret, 0L);
		if (caller->count != 2)
			break;
	}
}

static void made_with_interrupts_off(void *pool)
{
	WARN_ON_ONCE(mempool2_init_node(pool, 0, mempool2_kmalloc, mempool2_kfree, (void *)64UL,
					GFP_ATOMIC, NUMA_NO_NODE));
}

/* run_in() checks the interrupts. With checks on for new pools the creation has more to do. */
static void pool_made_with_interrupts_off_leaves_them_off(struct kunit *test)
{
	struct fixture *fx = test->priv;

	allocators_are_legal(test, IN_TASK_IRQS_OFF);
	run_in(fx, IN_TASK_IRQS_OFF, made_with_interrupts_off, &fx->spare);
	KUNIT_EXPECT_TRUE(test, mempool2_initialized(&fx->spare));
}

/* Owner records */

/* How many records are in the hash table, and in one of its buckets at the most? */
static unsigned int records_count(const struct mempool2_ext *ext, unsigned int *longest)
{
	unsigned int i, nr, sum = 0;
	struct hlist_node *node;

	*longest = 0;
	for (i = 0; i <= ext->records_mask; i++) {
		nr = 0;
		hlist_for_each(node, &ext->records[i])
			nr++;
		*longest = max(*longest, nr);
		sum += nr;
	}
	return sum;
}

static void grown_pool_has_short_buckets(struct kunit *test)
{
	unsigned int nr, size, nr_grown = 4096, longest;
	struct fixture *fx = test->priv;
	struct mempool2_reserve *reserve;
	void **elems;

	elems = kunit_kcalloc(test, nr_grown, sizeof(*elems), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, elems);
	KUNIT_ASSERT_EQ(test, mempool2_init_kmalloc_pool(&fx->spare, 1, 64), 0);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->spare, MEMPOOL2_CHECK_DOUBLE), 0);
	for (size = 1; size <= nr_grown; size *= 8) {
		KUNIT_ASSERT_EQ(test, mempool2_resize(&fx->spare, size), 0);
		for (nr = 0; nr < size; nr++)
			elems[nr] = mempool2_alloc_preallocated(&fx->spare);
		while (nr)
			mempool2_free(elems[--nr], &fx->spare);
	}
	reserve = rcu_access_pointer(fx->spare.reserve);
	/* Each element has one record, and its record was found after each growth. */
	KUNIT_EXPECT_EQ(test, records_count(reserve->ext, &longest), nr_grown);
	/* There are more buckets than records. */
	KUNIT_EXPECT_LT(test, longest, 16u);
	mempool2_free(elems[0], &fx->spare);
	expect_report(fx, "double free", __func__);
}

static void unmoved_record_is_found(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2_reserve *reserve;
	struct hlist_head *old, *table;
	struct mempool2_ext *ext;
	void *element;

	KUNIT_ASSERT_EQ(test, mempool2_init_kmalloc_pool(&fx->spare, 1, 64), 0);
	element = mempool2_alloc_preallocated(&fx->spare);
	mempool2_free(element, &fx->spare);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->spare, MEMPOOL2_CHECK_DOUBLE), 0);
	reserve = rcu_access_pointer(fx->spare.reserve);
	ext = reserve->ext;
	table = kcalloc(ext->records_mask + 1, sizeof(*table), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table);
	/* As when a larger table has just replaced this one. */
	old = ext->table;
	ext->old_table = old;
	ext->old_mask = ext->records_mask;
	ext->table = table;
	ext->records = table;
	mempool2_free(element, &fx->spare);
	ext->old_table = NULL;
	kvfree(old);
	expect_report(fx, "double free", __func__);
}

/* Misuse by callers */

static void switches_refuse_an_uninitialized_pool(struct kunit *test)
{
	struct mempool2_stats sum;
	struct fixture *fx = test->priv;

	/* Such a warning is given once in a boot, so this case does not look for it. */
	KUNIT_EXPECT_EQ(test, mempool2_set_fail_interval(&fx->pool, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, mempool2_enable_stats(&fx->pool, true), -EINVAL);
	KUNIT_EXPECT_EQ(test, mempool2_get_stats(&fx->pool, &sum), -EINVAL);
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->pool, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, mempool2_set_stall_timeout(&fx->pool, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, mempool2_set_name(&fx->pool, "a"), -EINVAL);
}

static void unknown_check_is_einval(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;

	fixture_pool(fx, 1);
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->pool, 0x10), -EINVAL);
	expect_one_warning(fx, &spent, "there is no check 0x10");
}

static void stall_timeout_of_more_than_a_day_is_einval(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;

	fixture_pool(fx, 1);
	KUNIT_EXPECT_EQ(test, mempool2_set_stall_timeout(&fx->pool, 86401), -EINVAL);
	expect_one_warning(fx, &spent, "more than a day");
}

static void empty_name_is_einval(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static bool spent;

	fixture_pool(fx, 1);
	KUNIT_EXPECT_EQ(test, mempool2_set_name(&fx->pool, ""), -EINVAL);
	KUNIT_EXPECT_EQ(test, mempool2_set_name(&fx->pool, NULL), -EINVAL);
	expect_one_warning(fx, &spent, "the name is empty");
}

static struct kunit_case debug_cases[] = {
	KUNIT_CASE(failing_drives_a_pool_to_its_reserve),
	KUNIT_CASE(failing_makes_callers_wait_and_frees_serve_them),
	KUNIT_CASE(failing_ends_when_it_is_switched_off),
	KUNIT_CASE(failing_one_in_three_leaves_two),
	KUNIT_CASE(failing_concerns_bulk_calls),
	KUNIT_CASE(failing_does_not_concern_noreserve_and_resize),
	KUNIT_CASE(failing_of_one_pool_does_not_concern_another),
	KUNIT_CASE(failing_outlives_a_resize),
	KUNIT_CASE(failing_ends_with_the_pool),
	KUNIT_CASE(copied_pool_can_be_made_to_fail),
	KUNIT_CASE(watched_pool_is_refused_nothing),
	KUNIT_CASE_PARAM(stock_pool_can_be_made_to_fail, source_gen_params),
	KUNIT_CASE(statistics_count_what_happens),
	KUNIT_CASE(statistics_count_refused_calls_that_could_not_sleep),
	KUNIT_CASE(statistics_are_only_there_once_switched_on),
	KUNIT_CASE(statistics_stay_when_switched_off),
	KUNIT_CASE(events_tell_what_happens),
	KUNIT_CASE(pool_made_while_events_are_on_is_seen),
	KUNIT_CASE(features_outlive_events),
	KUNIT_CASE(events_leave_alone_what_was_a_pool),
	KUNIT_CASE_SLOW(switching_while_in_use_loses_nothing),
	KUNIT_CASE_SLOW(switching_hides_no_element),
	KUNIT_CASE(no_check_is_on_for_callers_that_came_during_the_sweep),
	KUNIT_CASE_SLOW(elements_taken_during_a_sweep_are_left_alone_and_all_others_prepared),
	KUNIT_CASE_SLOW(checks_are_switched_while_callers_empty_and_fill_the_store),
	KUNIT_CASE_SLOW(checks_are_switched_while_the_pool_is_resized),
	KUNIT_CASE(pool_made_with_interrupts_off_leaves_them_off),
	KUNIT_CASE(grown_pool_has_short_buckets),
	KUNIT_CASE(unmoved_record_is_found),
	KUNIT_CASE(switches_refuse_an_uninitialized_pool),
	KUNIT_CASE(unknown_check_is_einval),
	KUNIT_CASE(stall_timeout_of_more_than_a_day_is_einval),
	KUNIT_CASE(empty_name_is_einval),
	{}
};

static struct kunit_suite debug_suite = {
	.name = "mempool2_debug",
	.suite_init = suite_patches_no_code,
	.suite_exit = suite_patches_code,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = debug_cases,
};

kunit_test_suite(debug_suite);
