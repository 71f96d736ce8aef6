// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that wait for elements of a pool, for scenarios that free these
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "bench.h"

static int sleeper_fn(void *data)
{
	struct mp2b_sleepers *sleepers = data;

	while (!READ_ONCE(sleepers->leave)) {
		sleepers->kind->alloc(sleepers->pool, GFP_NOIO);
		WRITE_ONCE(sleepers->got_ns, ktime_get_ns());
		atomic_inc(&sleepers->nr_got);
	}
	return mp2b_await_stop();
}

/**
 * mp2b_sleepers_begin() - start the threads, and wait until all of them sleep
 * @sleepers: with @kind and @pool, which has no element, and the rest zeroed
 * @nr: number of threads
 *
 * Return: 0, or an error. In both cases the caller must call mp2b_sleepers_end().
 */
int mp2b_sleepers_begin(struct mp2b_sleepers *sleepers, int nr)
{
	struct task_struct *task;

	while (sleepers->nr < min_t(int, nr, ARRAY_SIZE(sleepers->tasks))) {
		task = kthread_run(sleeper_fn, sleepers, "mempool2_bench/%d", sleepers->nr);
		if (IS_ERR(task))
			return PTR_ERR(task);
		sleepers->tasks[sleepers->nr++] = task;
		mp2b_sleepers_await(sleepers);
	}
	return 0;
}

/**
 * mp2b_sleepers_await() - wait until all of the threads sleep
 * @sleepers: the threads, none of which may get an element meanwhile
 */
void mp2b_sleepers_await(const struct mp2b_sleepers *sleepers)
{
	int i;

	for (i = 0; i < sleepers->nr; i++) {
		do
			usleep_range(20, 30);
		while (task_is_running(sleepers->tasks[i]));
	}
}

/**
 * mp2b_sleepers_end() - free an element for each of the threads, and end them
 * @sleepers: the threads
 */
void mp2b_sleepers_end(struct mp2b_sleepers *sleepers)
{
	int i;

	WRITE_ONCE(sleepers->leave, true);
	for (i = 0; i < sleepers->nr; i++)
		sleepers->kind->free(sleepers->pool, mp2b_number(i));
	while (sleepers->nr)
		kthread_stop(sleepers->tasks[--sleepers->nr]);
}
