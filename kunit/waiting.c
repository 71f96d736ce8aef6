// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: callers that wait for an element, and the order in which they get it
 */
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/wait.h>

#include "fixture.h"

/* Promise 6: with reclaim alloc waits, and never returns NULL */

static void alloc_with_reclaim_waits_until_an_element_is_freed(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_FALSE(test, caller_has_returned(caller));
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

struct waiting_mask {
	const char	*name;
	gfp_t		gfp;
};

static const struct waiting_mask waiting_masks[] = {
	{ "GFP_KERNEL", GFP_KERNEL },
	{ "GFP_NOIO", GFP_NOIO },
	{ "GFP_NOFS", GFP_NOFS },
	{ "__GFP_DIRECT_RECLAIM", __GFP_DIRECT_RECLAIM },
};

static void waiting_mask_name(const struct waiting_mask *mask, char *name)
{
	strscpy(name, mask->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(waiting_mask, waiting_masks, waiting_mask_name);

static void every_mask_with_reclaim_waits(struct kunit *test)
{
	const struct waiting_mask *mask = test->param_value;
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_add(fx, caller_alloc);
	caller->gfp = mask->gfp;
	caller_run(caller, ANY_CPU);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 1));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_NOT_NULL(test, caller->elems[0]);
}

static void waiter_sleeps_uninterruptibly(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(caller));
	KUNIT_EXPECT_EQ(test, (int)(READ_ONCE(caller->task->__state) &
				    (TASK_INTERRUPTIBLE | TASK_WAKEKILL)), 0);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

static void waiter_is_accounted_as_waiting_for_io(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	/* The waiter sets in_iowait just before it sleeps. */
	KUNIT_EXPECT_TRUE(test, comes_true(caller->task->in_iowait, TIMEOUT));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

/* The calls of the alloc function by one task, and the mask of the last one. */
static struct task_struct *asker;
static int nr_asked;
static gfp_t asked_with;

static void count_asker(struct source *src, gfp_t gfp_mask)
{
	if (current == asker) {
		nr_asked++;
		asked_with = gfp_mask;
	}
}

static void no_callback(struct mempool2_waiter *waiter, void **elems)
{
}

/* A waiter that is not the head of the queue; the head retries more often. */
static void waiter_looks_for_memory_again_after_five_seconds(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *head, *caller;
	unsigned long start;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	head = caller_that_waits(fx);
	start = jiffies;
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(caller));
	asker = caller->task;
	nr_asked = 0;
	fx->src.hook = count_asker;

	/* No element is freed: only the caller itself can find out. */
	fx->src.only_for = caller->task;
	source_recover(&fx->src);
	KUNIT_EXPECT_TRUE(test, caller_returns_within(caller, 5 * HZ + TIMEOUT));
	KUNIT_EXPECT_TRUE(test, time_after(jiffies, start + HZ));
	KUNIT_EXPECT_NOT_NULL(test, caller->elems[0]);
	KUNIT_EXPECT_PTR_NE(test, caller->elems[0], fx->held[0]);
	KUNIT_EXPECT_EQ(test, nr_asked, 1);
	KUNIT_EXPECT_EQ(test, bits(asked_with), bits(GFP_KERNEL | ADDED_GFP));
	KUNIT_EXPECT_FALSE(test, caller_has_returned(head));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(head));
}

static void memory_that_comes_back_ends_the_wait_soon(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	int nr;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	let_pass(HZ / 10);
	source_recover(&fx->src);
	KUNIT_EXPECT_TRUE(test, caller_returns_within(caller, SOON));
	KUNIT_EXPECT_NOT_NULL(test, caller->elems[0]);
	KUNIT_EXPECT_PTR_NE(test, caller->elems[0], fx->held[0]);
	nr = atomic_read(&fx->src.nr_allocs);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, min(nr, MAX_MASKS) - 1),
			bits((GFP_KERNEL | ADDED_GFP) & ~LATER_GFP));
}

static void head_asks_at_growing_distances_and_no_other(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *head, *second;
	unsigned long start;
	int nr;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	head = caller_that_waits(fx);
	start = jiffies;
	second = caller_that_waits(fx);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(second));
	source_forget(&fx->src);
	asker = second->task;
	nr_asked = 0;
	fx->src.hook = count_asker;
	let_pass(2 * HZ);
	nr = atomic_read(&fx->src.nr_allocs);
	KUNIT_EXPECT_GE(test, nr, 3);
	KUNIT_EXPECT_LE(test, nr, 8 + (int)((jiffies - start) / HZ));
	/* The pauses do not grow forever. */
	let_pass(5 * HZ / 2);
	KUNIT_EXPECT_GT(test, atomic_read(&fx->src.nr_allocs), nr);
	/* Others ask each fifth second, which may have come if the host stopped the guest. */
	KUNIT_EXPECT_LE(test, nr_asked, (int)((jiffies - start) / (5 * HZ)));
	fixture_put_all(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(head));
	KUNIT_EXPECT_TRUE(test, caller_returns(second));
}

static void waiter_behind_one_that_is_served_asks_soon(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *head, *second;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	head = caller_that_waits(fx);
	second = caller_that_waits(fx);
	let_pass(HZ / 20);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(head));
	let_pass(HZ / 20);
	source_recover(&fx->src);
	KUNIT_EXPECT_TRUE(test, caller_returns_within(second, SOON));
	KUNIT_EXPECT_NOT_NULL(test, second->elems[0]);
}

static void waiter_behind_a_cancelled_request_asks_soon(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct mempool2_waiter waiter;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	mempool2_waiter_init(&waiter, no_callback);
	KUNIT_ASSERT_EQ(test, PTR_ERR(mempool2_alloc_async(&fx->pool, GFP_NOWAIT, &waiter)),
			(long)-EINPROGRESS);
	caller = caller_that_waits(fx);
	let_pass(HZ / 10);
	KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&waiter));
	source_recover(&fx->src);
	KUNIT_EXPECT_TRUE(test, caller_returns_within(caller, SOON));
	KUNIT_EXPECT_NOT_NULL(test, caller->elems[0]);
}

/* A caller's own wake_up() on the queue is harmless, and makes a waiter retry */

/*
 * Start two waiters. Now there is memory, but only for the second one: the head would retry
 * soon.
 */
static struct caller *second_that_waits(struct fixture *fx, struct caller **head)
{
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	*head = caller_that_waits(fx);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_TRUE(fx->test, caller_sleeps(caller));
	fx->src.only_for = caller->task;
	source_recover(&fx->src);
	return caller;
}

static void bare_wake_up_lets_the_waiter_look_for_memory(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *head, *caller = second_that_waits(fx, &head);

	wake_up_nr(&fx->pool.wait, 2);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_NOT_NULL(test, caller->elems[0]);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(head));
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

/*
 * The second waiter does not retry before its own nap is over, after five seconds. If the host
 * stops the guest for so long, this cannot be told.
 */
static void bare_wake_up_is_for_the_oldest_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	unsigned long start = jiffies;
	struct caller *head, *caller;
	bool returns;

	caller = second_that_waits(fx, &head);
	wake_up(&fx->pool.wait);
	returns = caller_returns_within(caller, HZ / 20);
	if (time_before(jiffies, start + 5 * HZ))
		KUNIT_EXPECT_FALSE(test, returns);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(head));
	fx->src.only_for = NULL;
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

/* The wake-up comes while the waiter, which is the head, calls the alloc function. */
static void park_and_wake_up(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (fx->nr_held && nr_waiters(&fx->pool)) {
		park_unseen(&fx->pool, fx->held[--fx->nr_held]);
		wake_up(&fx->pool.wait);
	}
}

static void wake_up_while_the_waiter_looks_is_not_lost(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	element = fx->held[0];
	fx->src.hook_arg = fx;
	fx->src.hook = park_and_wake_up;
	/* It may have left the queue again before this task sees it there. */
	caller = caller_add(fx, caller_alloc);
	caller_run(caller, ANY_CPU);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
}

/* Foreign entries in the queue */

static int entry_that_stays(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	return 1;
}

static void element_is_not_lost_to_a_foreign_entry(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct wait_queue_entry entry;
	struct caller *caller;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	init_waitqueue_func_entry(&entry, entry_that_stays);
	add_wait_queue_exclusive(&fx->pool.wait, &entry);
	caller = caller_that_waits(fx);
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
	remove_wait_queue(&fx->pool.wait, &entry);
}

static void foreign_entry_is_woken_by_an_element_that_passes_it(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct wait_queue_entry entry;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	init_wait(&entry);
	prepare_to_wait_exclusive(&fx->pool.wait, &entry, TASK_UNINTERRUPTIBLE);
	__set_current_state(TASK_RUNNING);
	caller = caller_that_waits(fx);
	/* autoremove_wake_function() removes an entry only if it wakes the task. */
	set_current_state(TASK_UNINTERRUPTIBLE);
	fixture_put(fx);
	__set_current_state(TASK_RUNNING);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_TRUE(test, list_empty_careful(&entry.entry));
	finish_wait(&fx->pool.wait, &entry);
}

static void wake_up_with_a_key_of_others_is_a_bare_wake_up(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	source_allow(&fx->src, 1);
	__wake_up(&fx->pool.wait, TASK_NORMAL, 1, (void *)0x10UL);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_NOT_NULL(test, caller->elems[0]);
}

static void retry_in_vain_keeps_the_place_in_the_queue(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *first, *second;
	void *element;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	first = caller_that_waits(fx);
	second = caller_that_waits(fx);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(first));
	source_forget(&fx->src);
	wake_up(&fx->pool.wait);
	/* The waiter may have retried by itself as well. */
	KUNIT_EXPECT_TRUE(test, comes_true(atomic_read(&fx->src.nr_allocs), TIMEOUT));

	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(first));
	KUNIT_EXPECT_PTR_EQ(test, first->elems[0], element);
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(second));
	KUNIT_EXPECT_PTR_EQ(test, second->elems[0], element);
}

/* An element is freed while the waiter calls the alloc function by itself. */
static void serve_during_the_retry(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (fx->nr_held) {
		source_recover(src);
		fixture_put(fx);
	}
}

static void serve_during_reclaim(struct source *src, gfp_t gfp_mask)
{
	if (gfp_mask & __GFP_DIRECT_RECLAIM)
		serve_during_the_retry(src, gfp_mask);
}

static void element_freed_during_a_retry_fills_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *element;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(caller));
	element = fx->held[0];
	fx->src.hook_arg = fx;
	fx->src.hook = serve_during_reclaim;
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	/* In the hands of the waiter the element would be idle until the alloc function returns. */
	KUNIT_EXPECT_PTR_NE(test, caller->elems[0], element);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

static void bulk_waiter_served_during_its_retry_keeps_what_it_was_given(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *elems[2];

	fixture_pool(fx, 3);
	fixture_drain(fx);
	caller = caller_that_waits_for(fx, 2);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(caller));
	memcpy(elems, fx->held, sizeof(elems));
	fixture_put(fx);
	fx->src.hook_arg = fx;
	fx->src.hook = serve_during_the_retry;
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	/* The one that it found fills the reserve. */
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], elems[0]);
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[1], elems[1]);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

/*
 * The alloc function of a waiter may need an element of the same pool to reclaim memory, as a page
 * may be written to swap through the pool. The element that is freed then must not be kept for the
 * waiter.
 */
static void ask_of_the_same_pool(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	/* Not in the calls before the waiter queues. */
	if (nr_waiters(&fx->pool))
		fixture_nest(fx, gfp_mask);
}

static void alloc_function_gets_an_element_of_the_same_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	fx->watcher = current;
	fx->src.hook_arg = fx;
	fx->src.hook = ask_of_the_same_pool;
	caller_that_waits(fx);
	/* The waiter reclaims after 5 s otherwise. */
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 2));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	fx->src.hook = NULL;
}

/* The I/O that reclaim waits for may be that of a caller that may not wait for an element. */
static void free_and_take_in_reclaim(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;
	void *element;

	if (current == fx->watcher || fx->has_nested || !(gfp_mask & __GFP_DIRECT_RECLAIM) ||
	    !nr_waiters(&fx->pool))
		return;
	fx->has_nested = true;
	fixture_put(fx);
	element = mempool2_alloc(&fx->pool, GFP_NOWAIT);
	KUNIT_EXPECT_NOT_NULL(fx->test, element);
	mempool2_free(element, &fx->pool);
	element = mempool2_alloc_preallocated(&fx->pool);
	KUNIT_EXPECT_NOT_NULL(fx->test, element);
	mempool2_free(element, &fx->pool);
}

static void reserve_is_for_all_while_all_waiters_reclaim(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	fx->watcher = current;
	fx->src.hook_arg = fx;
	fx->src.hook = free_and_take_in_reclaim;
	caller = caller_that_waits(fx);
	wake_up(&fx->pool.wait);
	/* The caller looks into the reserve when the alloc function has returned. */
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_TRUE(test, fx->has_nested);
	fx->src.hook = NULL;
}

/* A waiter is passed over while the alloc function reclaims for it, so not again at once. */
static unsigned long reclaim_ended, reclaim_began_again;

static void reclaim_for_six_seconds(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (current == fx->watcher || !(gfp_mask & __GFP_DIRECT_RECLAIM) ||
	    !nr_waiters(&fx->pool) || reclaim_began_again)
		return;
	if (reclaim_ended) {
		WRITE_ONCE(reclaim_began_again, jiffies);
		return;
	}
	schedule_timeout_uninterruptible(6 * HZ);
	WRITE_ONCE(reclaim_ended, jiffies);
}

static void long_reclaim_is_not_repeated_at_once(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	unsigned long again;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	reclaim_ended = 0;
	reclaim_began_again = 0;
	fx->watcher = current;
	fx->src.hook_arg = fx;
	fx->src.hook = reclaim_for_six_seconds;
	caller = caller_that_waits(fx);
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_TRUE(test, comes_true(READ_ONCE(reclaim_ended), 6 * HZ + TIMEOUT));
	let_pass(HZ / 5);
	/* On a busy host those 5 s may have passed by now. */
	again = READ_ONCE(reclaim_began_again);
	KUNIT_EXPECT_TRUE(test, !again || time_after(again, reclaim_ended + 4 * HZ));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	fx->src.hook = NULL;
}

/* Elements that a waiter has collected would be idle: it must not reclaim memory. */
static void waiter_for_several_elements_does_not_reclaim(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	int i;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	caller = caller_that_waits_for(fx, 2);
	fixture_put(fx);
	/* A bare wake-up allows reclaim, but the waiter also retries by itself. */
	for (i = 0; i < 5; i++) {
		KUNIT_EXPECT_TRUE(test, caller_sleeps(caller));
		source_forget(&fx->src);
		wake_up(&fx->pool.wait);
		KUNIT_EXPECT_TRUE(test, comes_true(atomic_read(&fx->src.nr_allocs), TIMEOUT));
		KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0) & bits(LATER_GFP), 0u);
	}
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

/* Waiters for which the alloc function reclaims memory are passed over, so they must be few. */
#define NR_ASK		12
#define MOST_ASK	8

static atomic_t nr_reclaiming, nr_not_reclaiming;
static struct completion reclaiming_may_end;

static void reclaim_for_long(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (current == fx->watcher || nr_waiters(&fx->pool) < NR_ASK - 1)
		return;
	if (gfp_mask & __GFP_DIRECT_RECLAIM) {
		atomic_inc(&nr_reclaiming);
		wait_for_completion(&reclaiming_may_end);
	} else if (atomic_read(&nr_reclaiming) == MOST_ASK) {
		atomic_inc(&nr_not_reclaiming);
	}
}

static void few_waiters_reclaim_at_a_time(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	atomic_set(&nr_reclaiming, 0);
	atomic_set(&nr_not_reclaiming, 0);
	init_completion(&reclaiming_may_end);
	for (i = 0; i < NR_ASK; i++)
		caller_that_waits(fx);
	fx->watcher = current;
	fx->src.hook_arg = fx;
	fx->src.hook = reclaim_for_long;
	/* All call the alloc function after 5 s. */
	KUNIT_EXPECT_TRUE(test, comes_true(atomic_read(&nr_not_reclaiming), 5 * HZ + TIMEOUT));
	/* An element goes to one that does not reclaim, and the others stay. */
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, NR_ASK - 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&nr_reclaiming), MOST_ASK);
	complete_all(&reclaiming_may_end);
	fx->src.hook = NULL;
	source_recover(&fx->src);
	KUNIT_EXPECT_TRUE(test, comes_true(!nr_waiters(&fx->pool), 5 * HZ + TIMEOUT));
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
}

/* Order: the oldest waiter first, by a direct hand-over, not overtaken */

static void freed_elements_go_to_waiters_in_their_order(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[8];
	void *elems[8];
	int i;

	fixture_pool(fx, 8);
	fixture_drain(fx);
	for (i = 0; i < 8; i++)
		callers[i] = caller_that_waits(fx);
	for (i = 0; i < 8; i++)
		elems[i] = fixture_put(fx);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	for (i = 0; i < 8; i++) {
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
		KUNIT_EXPECT_PTR_EQ(test, callers[i]->elems[0], elems[i]);
	}
}

static void one_freed_element_serves_one_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[4];
	int i, j;

	fixture_pool(fx, 4);
	fixture_drain(fx);
	for (i = 0; i < 4; i++)
		callers[i] = caller_that_waits(fx);
	for (i = 0; i < 4; i++) {
		fixture_put(fx);
		KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 3 - i);
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
		for (j = i + 1; j < 4; j++)
			KUNIT_EXPECT_FALSE(test, caller_has_returned(callers[j]));
	}
}

static void one_freed_element_wakes_one_waiter_once(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[6];
	int i, j, nr_woken = 0;

	fixture_pool(fx, 6);
	fixture_drain(fx);
	for (i = 0; i < 6; i++) {
		callers[i] = caller_that_waits(fx);
		KUNIT_EXPECT_TRUE(test, caller_sleeps(callers[i]));
	}
	if (!wakes_watch(fx)) {
		fixture_put_all(fx);
		kunit_skip(test, "no sched_waking tracepoint in this kernel");
	}
	for (i = 0; i < 6; i++) {
		KUNIT_EXPECT_TRUE(test, caller_sleeps(callers[i]));
		fixture_put(fx);
		/* mempool2_free() wakes the waiter itself, so the count is final. */
		for (j = 0; j < 6; j++)
			KUNIT_EXPECT_LE(test, wakes_of(callers[j]), j <= i);
		nr_woken += wakes_of(callers[i]);
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
	}
	/* A waiter may have just looked at the queue by itself, and still be awake. */
	KUNIT_EXPECT_GE(test, nr_woken, 3);
}

static void newcomer_does_not_overtake_a_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *old, *newcomer;
	void *element;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	old = caller_that_waits(fx);
	newcomer = caller_that_waits(fx);
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(old));
	KUNIT_EXPECT_PTR_EQ(test, old->elems[0], element);
	KUNIT_EXPECT_FALSE(test, caller_has_returned(newcomer));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(newcomer));
}

/* Between the free and the first instruction of the waiter no other caller gets the element. */
static void freed_element_is_the_waiters_before_it_runs(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *element, *stolen[2];

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	preempt_disable();
	element = fx->held[0];
	fx->nr_held = 0;
	mempool2_free(element, &fx->pool);
	stolen[0] = mempool2_alloc_preallocated(&fx->pool);
	stolen[1] = mempool2_alloc(&fx->pool, GFP_ATOMIC);
	preempt_enable();
	KUNIT_EXPECT_NULL(test, stolen[0]);
	KUNIT_EXPECT_NULL(test, stolen[1]);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
}

static void no_caller_takes_from_the_reserve_while_others_wait(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	KUNIT_EXPECT_NULL(test, mempool2_alloc_preallocated(&fx->pool));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	/* The next freed element goes to the reserve. */
	fixture_put(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
}

static void healthy_allocations_go_on_beside_waiters(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	fx->src.only_for = current;
	source_allow(&fx->src, 1);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

/* Promise 9: an element from elsewhere serves a waiter too */

static void foreign_element_serves_a_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *foreign;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	foreign = fixture_foreign(fx);
	mempool2_free(foreign, &fx->pool);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], foreign);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

/* Promise 10: elements that waiters free again do not leak out of the reserve */

static void reserve_is_full_again_after_the_waiters(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[6];
	int i;

	fixture_pool(fx, 2);
	fixture_drain(fx);
	for (i = 0; i < 6; i++)
		callers[i] = caller_that_waits(fx);
	fixture_put_all(fx);
	for (i = 0; i < 6; i++) {
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
		mempool2_free(callers[i]->elems[0], &fx->pool);
		callers[i]->elems[0] = NULL;
	}
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

/* Promise 12: each CPU can get every element */

static void caller_drain(struct caller *caller)
{
	void *element;

	caller->ret = 0;
	while ((element = mempool2_alloc_preallocated(caller->pool))) {
		caller->elems[caller->ret++] = element;
		if (caller->ret == MAX_BULK)
			return;
	}
}

static void caller_fill(struct caller *caller)
{
	unsigned int i;

	for (i = 0; i < MAX_BULK; i++)
		mempool2_free(caller->elems[i], caller->pool);
	memset(caller->elems, 0, sizeof(caller->elems));
}

static void every_cpu_reaches_what_every_other_cpu_freed(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller, *other;
	int from, to, nr_pairs = 0;

	fixture_pool(fx, 5);
	for_each_online_cpu(from) {
		for_each_online_cpu(to) {
			if (nr_pairs++ >= MAX_CALLERS / 2)
				break;
			caller = caller_add(fx, caller_drain);
			caller_run(caller, from);
			KUNIT_EXPECT_TRUE(test, caller_returns(caller));
			KUNIT_EXPECT_EQ(test, caller->ret, 5);
			other = caller_add(fx, caller_fill);
			memcpy(other->elems, caller->elems, sizeof(other->elems));
			memset(caller->elems, 0, sizeof(caller->elems));
			caller_run(other, to);
			KUNIT_EXPECT_TRUE(test, caller_returns(other));
			KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 5);
		}
	}
}

static void waiter_on_one_cpu_is_served_from_every_other(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller, *other;
	int cpu, nr = 0;

	fixture_pool(fx, 1);
	for_each_online_cpu(cpu) {
		if (nr++ >= MAX_CALLERS / 2)
			break;
		fixture_drain(fx);
		caller = caller_add(fx, caller_alloc);
		caller_run(caller, cpumask_first(cpu_online_mask));
		KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 1));
		other = caller_add(fx, caller_fill);
		other->elems[0] = fx->held[0];
		fx->nr_held = 0;
		caller_run(other, cpu);
		KUNIT_EXPECT_TRUE(test, caller_returns(other));
		KUNIT_EXPECT_TRUE(test, caller_returns(caller));
		fixture_hold(fx, caller->elems[0]);
		caller->elems[0] = NULL;
		fixture_put_all(fx);
	}
}

/*
 * Elements that are taken and put on given CPUs, one batch after the other, so that the case
 * knows how many are in the reserve.
 */
struct batch {
	struct mempool2	*pool;
	void		**elems;
	int		nr;	/* that are out */
	int		target;	/* that shall be out */
	bool		waitless;
	bool		in_task;
};

static void batch_take(void *arg)
{
	struct batch *batch = arg;
	void *element;

	while (batch->nr < batch->target) {
		if (batch->waitless)
			element = mempool2_alloc(batch->pool, GFP_NOWAIT);
		else
			element = mempool2_alloc_preallocated(batch->pool);
		if (!element)
			return;
		batch->elems[batch->nr++] = element;
	}
}

static void batch_put(void *arg)
{
	struct batch *batch = arg;

	while (batch->nr > batch->target)
		mempool2_free(batch->elems[--batch->nr], batch->pool);
}

static void batch_begin(struct fixture *fx, struct batch *batch, int min_nr)
{
	void **elems = kunit_kcalloc(fx->test, min_nr + 1, sizeof(*elems), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(fx->test, elems);
	*batch = (struct batch) { .pool = &fx->pool, .elems = elems };
	fixture_pool(fx, min_nr);
	source_fail(&fx->src);
}

static int batch_put_in_task(void *arg)
{
	batch_put(arg);
	return 0;
}

/*
 * Returns whether @target elements are out afterwards. With @in_task a task puts the elements,
 * as the free function will run: on PREEMPT_RT an interrupt that is not threaded may not free
 * memory.
 */
static bool batch_becomes(struct batch *batch, int target, int cpu)
{
	batch->target = target;
	if (target > batch->nr)
		smp_call_function_single(cpu, batch_take, batch, 1);
	else if (!batch->in_task)
		smp_call_function_single(cpu, batch_put, batch, 1);
	else
		smp_call_on_cpu(cpu, batch_put_in_task, batch, false);
	return batch->nr == target;
}

static int any_cpu(struct rnd_state *random)
{
	int cpu = cpumask_first(cpu_online_mask), i;

	for (i = prandom_u32_state(random) % num_online_cpus(); i; i--)
		cpu = cpumask_next(cpu, cpu_online_mask);
	return cpu;
}

/* Up to so many slots a CPU looks through all of the reserve at first. */
#define SMALL		64

/* Around that size, and beyond. */
static const int reserve_sizes[] = { 1, 2, 3, 5, 16, 63, 64, 65, 129, 1000 };

static void reserve_size_name(const int *min_nr, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%d elements", *min_nr);
}

KUNIT_ARRAY_PARAM(reserve_size, reserve_sizes, reserve_size_name);

static void any_cpu_finds_all_that_the_others_put(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;
	int round, i, other, target, nr_wrong = 0;
	struct rnd_state random;
	struct batch batch;

	batch_begin(fx, &batch, *min_nr);
	prandom_seed_state(&random, *min_nr);
	for (round = 0; round < 300; round++) {
		/* Take or put all elements, or a random number of them. */
		target = prandom_u32_state(&random) % (*min_nr + 1);
		if (round % 5 == 0)
			target = 0;
		else if (round % 5 == 2)
			target = *min_nr;
		for (i = 0; i < batch.nr; i++) {
			other = i + prandom_u32_state(&random) % (batch.nr - i);
			swap(batch.elems[i], batch.elems[other]);
		}
		batch.waitless = prandom_u32_state(&random) % 2;
		nr_wrong += !batch_becomes(&batch, target, any_cpu(&random));
		nr_wrong += mempool2_nr_reserved(&fx->pool) != *min_nr - batch.nr;
		nr_wrong += mempool2_is_saturated(&fx->pool) != !batch.nr;
	}
	KUNIT_EXPECT_EQ(test, nr_wrong, 0);
	batch_becomes(&batch, 0, any_cpu(&random));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

/* As above, with one element in the reserve, wherever it is. */
static void any_cpu_finds_the_only_element(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;
	struct rnd_state random;
	int i, nr_wrong = 0;
	struct batch batch;

	batch_begin(fx, &batch, *min_nr);
	prandom_seed_state(&random, *min_nr);
	for (i = 0; i < 100; i++) {
		/* Another slot each time: the pool decides in which order it fills the others. */
		nr_wrong += !batch_becomes(&batch, *min_nr, any_cpu(&random));
		nr_wrong += !batch_becomes(&batch, prandom_u32_state(&random) % *min_nr,
					   any_cpu(&random));
		nr_wrong += !batch_becomes(&batch, *min_nr - 1, any_cpu(&random));
		nr_wrong += !batch_becomes(&batch, *min_nr, any_cpu(&random));
		/* No CPU gets a further element. */
		nr_wrong += batch_becomes(&batch, *min_nr + 1, any_cpu(&random));
	}
	KUNIT_EXPECT_EQ(test, nr_wrong, 0);
	batch_becomes(&batch, 0, any_cpu(&random));
}

static void first_put_on_any_cpu_ends_the_drought_on_every_other(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;
	int from, to, cpu, nr_wrong = 0;
	struct batch batch;

	batch_begin(fx, &batch, *min_nr);
	batch.waitless = true;
	KUNIT_EXPECT_TRUE(test, batch_becomes(&batch, *min_nr, cpumask_first(cpu_online_mask)));
	for_each_online_cpu(from) {
		for_each_online_cpu(to) {
			for_each_online_cpu(cpu)
				nr_wrong += batch_becomes(&batch, *min_nr + 1, cpu);
			nr_wrong += !batch_becomes(&batch, *min_nr - 1, from);
			nr_wrong += !batch_becomes(&batch, *min_nr, to);
		}
	}
	KUNIT_EXPECT_EQ(test, nr_wrong, 0);
	batch_becomes(&batch, 0, cpumask_first(cpu_online_mask));
}

/* Elements that tell in which slot of the reserve they were put at first. */
static void *slot_alloc(gfp_t gfp_mask, void *pool_data)
{
	unsigned long *nr_slots = pool_data;

	return (void *)(++*nr_slots * sizeof(void *));
}

static void slot_free(void *element, void *pool_data)
{
}

struct first_slot {
	struct mempool2	*pool;
	unsigned long	number;
};

static void first_slot_find(void *arg)
{
	struct first_slot *slot = arg;
	void *element = mempool2_alloc_preallocated(slot->pool);

	slot->number = (unsigned long)element / sizeof(void *) - 1;
	mempool2_free(element, slot->pool);
}

#define SLOTS_IN_LINE	(SMP_CACHE_BYTES / sizeof(void *))

/*
 * How many cache lines the slots take, up to the largest small reserve: in a large one a CPU
 * begins where its hint from another pool points.
 */
static const struct lines {
	const char	*name;
	unsigned int	nr;
} lines_of_slots[] = {
	{ "one cache line", 1 },
	{ "two cache lines", 2 },
	{ "all lines of a small reserve", SMALL / SLOTS_IN_LINE },
};

static void lines_name(const struct lines *lines, char *name)
{
	strscpy(name, lines->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(lines, lines_of_slots, lines_name);

static void cpus_begin_in_cache_lines_of_their_own(struct kunit *test)
{
	unsigned int nr_cpus[SMALL] = {}, cpu, line, most = 0;
	const struct lines *lines = test->param_value;
	struct fixture *fx = test->priv;
	struct first_slot slot = { .pool = &fx->spare };
	unsigned long nr_slots = 0;

	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->spare, lines->nr * SLOTS_IN_LINE, slot_alloc,
					    slot_free, &nr_slots), 0);
	for_each_online_cpu(cpu) {
		smp_call_function_single(cpu, first_slot_find, &slot, 1);
		line = slot.number / SLOTS_IN_LINE;
		KUNIT_ASSERT_LT(test, line, lines->nr);
		most = max(most, ++nr_cpus[line]);
	}
	/* With more CPUs than lines, the CPUs are spread evenly. */
	KUNIT_EXPECT_EQ(test, most, DIV_ROUND_UP(num_online_cpus(), lines->nr));
}

static void pool_that_is_full_again_keeps_nothing_from_any_cpu(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;
	struct batch batch;
	int cpu, nr_freed;

	batch_begin(fx, &batch, *min_nr);
	batch.in_task = true;
	for_each_online_cpu(cpu) {
		batch_becomes(&batch, *min_nr, cpu);
		batch_becomes(&batch, 0, cpumask_first(cpu_online_mask));
		KUNIT_EXPECT_TRUE(test, mempool2_is_saturated(&fx->pool));

		/* Twice: the first free finds that the reserve is full, the second knows it. */
		for (nr_freed = 0; nr_freed < 2; nr_freed++) {
			source_forget(&fx->src);
			batch.elems[batch.nr++] = fixture_foreign(fx);
			batch_becomes(&batch, 0, cpu);
			KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
			KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), *min_nr);
		}
	}
}

static void note_reclaim_of_the_oldest(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	if (current == fx->callers[0].task && gfp_mask & __GFP_DIRECT_RECLAIM)
		fx->has_nested = true;
}

/*
 * Whatever has overlooked an element: a waiter that looks again finds it, and the oldest waiter
 * gets it, before it reclaims memory.
 */
static void element_in_the_reserve_beside_waiters_is_found_by_the_next_look(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;
	struct caller *oldest, *second;
	struct batch batch;
	void *element;

	batch_begin(fx, &batch, *min_nr);
	KUNIT_EXPECT_TRUE(test, batch_becomes(&batch, *min_nr, cpumask_first(cpu_online_mask)));
	/* Marks the reserve empty. */
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	oldest = caller_that_waits(fx);
	second = caller_that_waits(fx);
	element = batch.elems[--batch.nr];
	park_unseen(&fx->pool, element);
	fx->src.hook_arg = fx;
	WRITE_ONCE(fx->src.hook, note_reclaim_of_the_oldest);
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_TRUE(test, caller_returns(oldest));
	KUNIT_EXPECT_PTR_EQ(test, oldest->elems[0], element);
	KUNIT_EXPECT_FALSE(test, fx->has_nested);
	KUNIT_EXPECT_FALSE(test, caller_has_returned(second));
	mempool2_free(oldest->elems[0], &fx->pool);
	oldest->elems[0] = NULL;
	KUNIT_EXPECT_TRUE(test, caller_returns(second));
	batch_becomes(&batch, 0, cpumask_first(cpu_online_mask));
}

static void newcomer_gets_no_element_of_the_reserve_beside_a_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	/* The pool has only one slot. */
	fixture_pool(fx, 1);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 1);
	caller = caller_that_waits(fx);
	park_unseen(&fx->pool, fx->held[--fx->nr_held]);
	KUNIT_EXPECT_NULL(test, mempool2_alloc_preallocated(&fx->pool));
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	wake_up(&fx->pool.wait);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

static void newcomer_serves_all_beside_whom_elements_rest(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	/* One more element than one batch of hand-overs serves. */
	fixture_pool(fx, 4);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 4);
	for (i = 0; i < 3; i++)
		caller_that_waits(fx);
	while (fx->nr_held)
		park_unseen(&fx->pool, fx->held[--fx->nr_held]);
	caller_run(caller_add(fx, caller_alloc), ANY_CPU);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 0);
}

#if defined(CONFIG_HOTPLUG_CPU) && defined(CONFIG_SMP)
static void elements_freed_on_a_cpu_that_goes_away_can_be_had(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int cpu = cpumask_last(cpu_online_mask);
	struct caller *drain, *fill, *waiter;
	void *element;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	fixture_pool(fx, 4);
	drain = caller_add(fx, caller_drain);
	caller_run(drain, cpu);
	KUNIT_EXPECT_TRUE(test, caller_returns(drain));
	fill = caller_add(fx, caller_fill);
	memcpy(fill->elems, drain->elems, sizeof(fill->elems));
	memset(drain->elems, 0, sizeof(drain->elems));
	caller_run(fill, cpu);
	KUNIT_EXPECT_TRUE(test, caller_returns(fill));

	if (remove_cpu(cpu))
		kunit_skip(test, "CPU %d cannot be taken away", cpu);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 4);
	/* A caller that begins to wait meanwhile is served as usual. */
	waiter = caller_that_waits(fx);
	KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(waiter));
	KUNIT_EXPECT_PTR_EQ(test, waiter->elems[0], element);
}

static void large_pool_is_whole_without_the_cpu_that_filled_it(struct kunit *test)
{
	int cpu = cpumask_last(cpu_online_mask), first = cpumask_first(cpu_online_mask);
	struct fixture *fx = test->priv;
	struct batch batch;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	batch_begin(fx, &batch, 1000);
	KUNIT_EXPECT_TRUE(test, batch_becomes(&batch, 1000, cpu));
	KUNIT_EXPECT_TRUE(test, batch_becomes(&batch, 900, cpu));
	if (remove_cpu(cpu)) {
		batch_becomes(&batch, 0, first);
		kunit_skip(test, "CPU %d cannot be taken away", cpu);
	}
	KUNIT_EXPECT_TRUE(test, batch_becomes(&batch, 1000, first));
	KUNIT_EXPECT_TRUE(test, batch_becomes(&batch, 500, first));
	KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
	KUNIT_EXPECT_TRUE(test, batch_becomes(&batch, 1000, cpu));
	KUNIT_EXPECT_TRUE(test, batch_becomes(&batch, 0, cpu));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

/*
 * A free in an interrupt of another CPU. The IPI queues an irq_work, as an IPI handler may take
 * no sleeping lock on PREEMPT_RT.
 */
struct deferred_put {
	struct irq_work		irq_work;
	struct completion	done;
	struct mempool2		*pool;
	void			*element;
};

static void deferred_put_run(struct irq_work *irq_work)
{
	struct deferred_put *put = container_of(irq_work, struct deferred_put, irq_work);

	mempool2_free(put->element, put->pool);
	complete(&put->done);
}

static void deferred_put_queue(void *arg)
{
	struct deferred_put *put = arg;

	irq_work_queue(&put->irq_work);
}

/* Allocate, and free in an interrupt of the CPU @count. */
static void caller_puts_in_interrupts(struct caller *caller)
{
	struct deferred_put put = {
		.irq_work = HARDIRQ_WORK_INIT(deferred_put_run),
		.pool = caller->pool,
	};

	while (!READ_ONCE(caller->fx->stop)) {
		put.element = mempool2_alloc(caller->pool, GFP_KERNEL);
		init_completion(&put.done);
		if (smp_call_function_single(caller->count, deferred_put_queue, &put, 1))
			mempool2_free(put.element, caller->pool);
		else
			wait_for_completion(&put.done);
		irq_work_sync(&put.irq_work);
		caller->ret++;
	}
}

/*
 * On PREEMPT_RT such a free cannot serve waiters itself, and the CPU's thread for irq_work stops
 * before the CPU takes its last interrupt.
 */
static void elements_freed_in_interrupts_of_a_cpu_that_goes_away_reach_waiters(struct kunit *test)
{
	int i, round, cpu = cpumask_last(cpu_online_mask);
	struct fixture *fx = test->priv;
	struct caller *caller;
	long before;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	fixture_pool(fx, 1);
	source_fail(&fx->src);
	for (i = 0; i < 3; i++) {
		caller = caller_add(fx, caller_puts_in_interrupts);
		caller->count = cpu;
		caller_run(caller, ANY_CPU);
	}
	for (round = 0; round < 10; round++) {
		before = READ_ONCE(caller->ret);
		if (remove_cpu(cpu))
			kunit_skip(test, "CPU %d cannot be taken away", cpu);
		KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
		/* If one element is lost, all callers wait forever. */
		for (i = 0; i < 4 * HZ && READ_ONCE(caller->ret) == before; i++)
			schedule_timeout_uninterruptible(1);
		KUNIT_ASSERT_GT(test, READ_ONCE(caller->ret), before);
	}
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
}
#else
static void elements_freed_in_interrupts_of_a_cpu_that_goes_away_reach_waiters(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
}

static void elements_freed_on_a_cpu_that_goes_away_can_be_had(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
}

static void large_pool_is_whole_without_the_cpu_that_filled_it(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
}
#endif

/* Promise 13: waiters on a pool with min_nr 0 */

static void waiter_on_a_pool_with_min_nr_0_is_woken_by_a_free(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[3];
	void *element;
	int i;

	fixture_pool(fx, 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 1);
	for (i = 0; i < 3; i++)
		callers[i] = caller_that_waits(fx);
	element = fixture_put(fx);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
		KUNIT_EXPECT_PTR_EQ(test, callers[i]->elems[0], element);
		mempool2_free(callers[i]->elems[0], &fx->pool);
		callers[i]->elems[0] = NULL;
	}
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

static struct kunit_case waiting_cases[] = {
	KUNIT_CASE(alloc_with_reclaim_waits_until_an_element_is_freed),
	KUNIT_CASE_PARAM(every_mask_with_reclaim_waits, waiting_mask_gen_params),
	KUNIT_CASE(waiter_sleeps_uninterruptibly),
	KUNIT_CASE(waiter_is_accounted_as_waiting_for_io),
	KUNIT_CASE_SLOW(waiter_looks_for_memory_again_after_five_seconds),
	KUNIT_CASE(memory_that_comes_back_ends_the_wait_soon),
	KUNIT_CASE_SLOW(head_asks_at_growing_distances_and_no_other),
	KUNIT_CASE(waiter_behind_one_that_is_served_asks_soon),
	KUNIT_CASE(waiter_behind_a_cancelled_request_asks_soon),
	KUNIT_CASE(bare_wake_up_lets_the_waiter_look_for_memory),
	KUNIT_CASE(bare_wake_up_is_for_the_oldest_waiter),
	KUNIT_CASE(newcomer_gets_no_element_of_the_reserve_beside_a_waiter),
	KUNIT_CASE(wake_up_while_the_waiter_looks_is_not_lost),
	KUNIT_CASE_PARAM(element_in_the_reserve_beside_waiters_is_found_by_the_next_look,
			 reserve_size_gen_params),
	KUNIT_CASE(newcomer_serves_all_beside_whom_elements_rest),
	KUNIT_CASE(element_is_not_lost_to_a_foreign_entry),
	KUNIT_CASE(foreign_entry_is_woken_by_an_element_that_passes_it),
	KUNIT_CASE(wake_up_with_a_key_of_others_is_a_bare_wake_up),
	KUNIT_CASE(retry_in_vain_keeps_the_place_in_the_queue),
	KUNIT_CASE(element_freed_during_a_retry_fills_the_reserve),
	KUNIT_CASE(bulk_waiter_served_during_its_retry_keeps_what_it_was_given),
	KUNIT_CASE(alloc_function_gets_an_element_of_the_same_pool),
	KUNIT_CASE(reserve_is_for_all_while_all_waiters_reclaim),
	KUNIT_CASE_SLOW(long_reclaim_is_not_repeated_at_once),
	KUNIT_CASE(waiter_for_several_elements_does_not_reclaim),
	KUNIT_CASE_SLOW(few_waiters_reclaim_at_a_time),
	KUNIT_CASE(freed_elements_go_to_waiters_in_their_order),
	KUNIT_CASE(one_freed_element_serves_one_waiter),
	KUNIT_CASE(one_freed_element_wakes_one_waiter_once),
	KUNIT_CASE(newcomer_does_not_overtake_a_waiter),
	KUNIT_CASE(freed_element_is_the_waiters_before_it_runs),
	KUNIT_CASE(no_caller_takes_from_the_reserve_while_others_wait),
	KUNIT_CASE(healthy_allocations_go_on_beside_waiters),
	KUNIT_CASE(foreign_element_serves_a_waiter),
	KUNIT_CASE(reserve_is_full_again_after_the_waiters),
	KUNIT_CASE(every_cpu_reaches_what_every_other_cpu_freed),
	KUNIT_CASE(waiter_on_one_cpu_is_served_from_every_other),
	KUNIT_CASE_PARAM(any_cpu_finds_all_that_the_others_put, reserve_size_gen_params),
	KUNIT_CASE_PARAM(any_cpu_finds_the_only_element, reserve_size_gen_params),
	KUNIT_CASE_PARAM(first_put_on_any_cpu_ends_the_drought_on_every_other,
			 reserve_size_gen_params),
	KUNIT_CASE_PARAM(cpus_begin_in_cache_lines_of_their_own, lines_gen_params),
	KUNIT_CASE_PARAM(pool_that_is_full_again_keeps_nothing_from_any_cpu,
			 reserve_size_gen_params),
	KUNIT_CASE(elements_freed_on_a_cpu_that_goes_away_can_be_had),
	KUNIT_CASE(large_pool_is_whole_without_the_cpu_that_filled_it),
	KUNIT_CASE_SLOW(elements_freed_in_interrupts_of_a_cpu_that_goes_away_reach_waiters),
	KUNIT_CASE(waiter_on_a_pool_with_min_nr_0_is_woken_by_a_free),
	{}
};

static struct kunit_suite waiting_suite = {
	.name = "mempool2_waiting",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = waiting_cases,
};

kunit_test_suite(waiting_suite);
