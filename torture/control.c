// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread that changes pools, and counts their elements while all others pause
 */
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/wait.h>

#include "../mempool2_debug.h"
#include "torture.h"

/* Every so many turns of the thread, the elements are counted. */
#define TURNS		8

static bool pausing, no_more_limits;
static atomic_t nr_paused;
static DECLARE_WAIT_QUEUE_HEAD(pause_wait);

bool worker_pauses(void)
{
	return READ_ONCE(pausing);
}

void worker_pause(void)
{
	atomic_inc(&nr_paused);
	wake_up_all(&pause_wait);
	wait_event(pause_wait, !READ_ONCE(pausing));
	atomic_dec(&nr_paused);
}

/* A worker may wait for an element that lies in a place or that an interrupt has. */
static void all_pause(void)
{
	WRITE_ONCE(pausing, true);
	while (!wait_event_timeout(pause_wait, atomic_read(&nr_paused) == nr_workers, HZ / 20 + 1))
		places_empty();
	irqs_pause(true);
	places_empty();
}

static void all_go_on(void)
{
	WRITE_ONCE(pausing, false);
	wake_up_all(&pause_wait);
	while (atomic_read(&nr_paused))
		schedule_timeout_uninterruptible(1);
	irqs_pause(false);
}

/* All elements are in the reserve now. A pool that grew without memory has fewer than it wants. */
static void pool_audit(struct torture_pool *tp)
{
	int nr = mempool2_nr_reserved(&tp->pool);

	if (nr < tp->guaranteed || nr > tp->min_nr)
		found(FOUND_LOST, "%s has %d elements, of %d guaranteed and %d wanted", tp->name,
		      nr, tp->guaranteed, tp->min_nr);
	if (tp->is_exact && atomic_read(&arena_taken) != nr)
		found(FOUND_LOST, "%s has %d elements, and %d exist", tp->name, nr,
		      atomic_read(&arena_taken));
	if (atomic_read(&tp->nr_owned))
		found(FOUND_LOST, "%s has %d elements with an owner, and all pause", tp->name,
		      atomic_read(&tp->nr_owned));
	tp->guaranteed = min(nr, tp->min_nr);
}

/* During an audit, as a new limit does not count the elements in flight. */
static void change_limit(struct torture_pool *tp, struct rnd_state *random)
{
	int limit = 0, err;

	if (!no_more_limits && random_below(random, 2))
		limit = max_nr + random_below(random, 8);
	err = mempool2_set_limit(&tp->pool, limit);
	if (err && err != -ENOMEM)
		found(FOUND_RESULT, "mempool2_set_limit() returned %d", err);
	if (!err)
		WRITE_ONCE(tp->limit, limit);
	count(NR_LIMIT);
}

static void audit(struct rnd_state *random)
{
	int i;

	all_pause();
	for (i = 0; i < NR_POOLS; i++) {
		pool_audit(&torture_pools[i]);
		if (features & FEATURE_LIMIT)
			change_limit(&torture_pools[i], random);
	}
	count(NR_AUDIT);
	all_go_on();
}

/* No pool becomes too small for the calls for several elements. */
static void change_size(struct torture_pool *tp, struct rnd_state *random)
{
	int fewest = min(BULK, max_nr);
	int min_nr = fewest + random_below(random, max_nr - fewest + 1), err;

	tp->guaranteed = min(tp->guaranteed, min_nr);
	err = mempool2_resize(&tp->pool, min_nr);
	if (!err)
		tp->min_nr = min_nr;
	else if (err != -ENOMEM)
		found(FOUND_RESULT, "mempool2_resize() returned %d", err);
	count(NR_RESIZE);
}

/*
 * All checks but one: a task that finds an element in a place seems to wait while it has elements,
 * as the pool knows only of the task that allocated it.
 */
static void change_features(struct torture_pool *tp, struct rnd_state *random)
{
	unsigned int checks = random_below(random, MEMPOOL2_CHECK_ALL + 1) &
			      ~MEMPOOL2_CHECK_NESTED;
	int err = 0;

	switch (random_below(random, 4)) {
	case 0:
		err = mempool2_enable_stats(&tp->pool, random_below(random, 2));
		break;
	case 1:
		err = mempool2_set_checks(&tp->pool, checks);
		break;
	case 2:
		err = mempool2_set_fail_interval(&tp->pool, random_below(random, 2) * 3);
		break;
	case 3:
		err = mempool2_set_stall_timeout(&tp->pool, random_below(random, 2) * 600);
		break;
	}
	if (err && err != -ENOMEM && err != -EOPNOTSUPP)
		found(FOUND_RESULT, "a call for debugging returned %d", err);
	count(NR_FEATURE);
}

/* For phases of up to 64 turns. In a long one without memory, nothing but a free helps a waiter. */
static void change_memory(struct rnd_state *random)
{
	static const int permille[] = { 0, 0, 300, 900, 1000, 1000 };
	static unsigned int nr_turns;

	if (nr_turns--)
		return;
	nr_turns = 1 << random_below(random, 7);
	WRITE_ONCE(fail_permille, permille[random_below(random, ARRAY_SIZE(permille))]);
}

static void turn(struct torture_pool *tp, struct rnd_state *random)
{
	if (features & FEATURE_RESIZE)
		change_size(tp, random);
	if (features & FEATURE_DEBUG)
		change_features(tp, random);
	if (features & FEATURE_FAIL)
		change_memory(random);
	if (features & FEATURE_RESIZE && random_below(random, 2)) {
		mempool2_refill(&tp->pool, GFP_KERNEL);
		count(NR_REFILL);
	}
}

int control_fn(void *data)
{
	struct worker *me = data;
	unsigned int nr = 0;

	no_more_limits = false;
	while (!kthread_should_stop()) {
		turn(&torture_pools[random_below(&me->random, NR_POOLS)], &me->random);
		if (!(++nr % TURNS))
			audit(&me->random);
		msleep(random_below(&me->random, 200));
	}
	/* Then workers stop, and none may wait for an element that lies in a place. */
	WRITE_ONCE(fail_permille, 0);
	no_more_limits = true;
	audit(&me->random);
	return 0;
}
