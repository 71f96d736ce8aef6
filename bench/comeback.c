// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenario "comeback": memory comes back while a caller waits and no element is freed
 *
 * The only element of the pool is out and the back end fails. A caller waits, asleep or with a
 * request. After hold_us= the back end has memory again. How much longer does the caller wait? A
 * wait of seconds= counts as endless, and is reported with this length.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../mempool2.h"
#include "bench.h"

struct comeback {
	struct mp2b_params	params;
	struct mp2b_exhausted	exhausted;
	void			*pool;
	struct mp2b_sleepers	sleepers;
	struct mempool2_waiter	waiter;
	struct completion	called;
	u64			called_ns;
};

/* Let the back end succeed again; returns the time. */
static u64 memory_comes_back(struct comeback *comeback)
{
	u64 now;

	usleep_range(comeback->params.hold_us, comeback->params.hold_us + 1);
	now = ktime_get_ns();
	WRITE_ONCE(comeback->exhausted.serves, true);
	return now;
}

static void comeback_report(const struct comeback *comeback, const char *waiter, bool ended,
			    u64 ns)
{
	const struct mp2b_params *params = &comeback->params;

	mp2b_report("scenario=comeback pool=%s waiter=%s after_us=%d ended=%d waited_ns=%llu\n",
		    params->kind->name, waiter, params->hold_us, ended,
		    ended ? ns : params->seconds * (u64)NSEC_PER_SEC);
}

static int comeback_sleeping(struct comeback *comeback)
{
	struct mp2b_sleepers *sleepers = &comeback->sleepers;
	unsigned long end = jiffies + comeback->params.seconds * HZ;
	int err = mp2b_sleepers_begin(sleepers, 1);
	u64 since;

	if (!err) {
		/* Once is enough: the next wait would end at once. */
		WRITE_ONCE(sleepers->leave, true);
		since = memory_comes_back(comeback);
		while (!atomic_read(&sleepers->nr_got) && time_before(jiffies, end))
			usleep_range(1000, 2000);
		comeback_report(comeback, "sleeping", atomic_read(&sleepers->nr_got),
				sleepers->got_ns - since);
	}
	mp2b_sleepers_end(sleepers);
	return err;
}

static void comeback_called(struct mempool2_waiter *waiter, void **elems)
{
	struct comeback *comeback = container_of(waiter, struct comeback, waiter);

	comeback->called_ns = ktime_get_ns();
	complete(&comeback->called);
}

static int comeback_async(struct comeback *comeback)
{
	struct mempool2_waiter *waiter = &comeback->waiter;
	void *element;
	bool ended;
	u64 since;

	mempool2_waiter_init(waiter, comeback_called);
	init_completion(&comeback->called);
	element = comeback->params.kind->alloc_async(comeback->pool, GFP_NOWAIT, waiter);
	if (PTR_ERR_OR_ZERO(element) != -EINPROGRESS)
		return -EIO;
	since = memory_comes_back(comeback);
	ended = wait_for_completion_timeout(&comeback->called, comeback->params.seconds * HZ);
	mempool2_cancel_sync(waiter);
	comeback_report(comeback, "async", ended, comeback->called_ns - since);
	return 0;
}

/* Measure with a new pool; its only element is out. */
static int comeback_with(struct comeback *comeback, int (*wait)(struct comeback *comeback))
{
	const struct mp2b_kind *kind = comeback->params.kind;
	int err;

	comeback->exhausted.serves = false;
	comeback->pool = kind->create(1, mp2b_number_alloc, mp2b_number_free, &comeback->exhausted);
	if (!comeback->pool)
		return -ENOMEM;
	comeback->sleepers.kind = kind;
	comeback->sleepers.pool = comeback->pool;
	err = kind->alloc(comeback->pool, GFP_NOWAIT) ? wait(comeback) : -EIO;
	kind->destroy(comeback->pool);
	return err;
}

static int comeback_run(const struct mp2b_params *params)
{
	const struct comeback begin = { .params = *params };
	struct comeback *comeback;
	int err;

	comeback = kmemdup(&begin, sizeof(begin), GFP_KERNEL);
	if (!comeback)
		return -ENOMEM;
	err = comeback_with(comeback, comeback_sleeping);
	if (!err && params->kind->alloc_async)
		err = comeback_with(comeback, comeback_async);
	kfree(comeback);
	return err;
}

const struct mp2b_scenario mp2b_comeback = {
	.name		= "comeback",
	.defaults	= {
		.hold_us	= 100000,
		.seconds	= 60,
		.cpu		= MP2B_CPU_ANY,
	},
	.supports	= mp2b_supports_waiting,
	.run		= comeback_run,
};
