// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenario "latency": how long after a free in a hardirq does the thread that sleeps for the
 * element have it?
 *
 * One thread and a pool with one element. The thread hands its element to an hrtimer, which
 * frees it once the thread sleeps in the next allocation.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../examples/hrtimer_compat.h"
#include "bench.h"

/* Enough for the thread to fall asleep; if it is not enough, the timer comes again. */
#define SLEEP_NS	(200 * NSEC_PER_USEC)
#define AGAIN_NS	(50 * NSEC_PER_USEC)

struct latency {
	struct mp2b_run		run;
	struct mp2b_hist	*hist;
	struct hrtimer		timer;
	struct task_struct	*task;
	void			*element;
	u64			freed_ns;
	u64			least_ns;
};

static enum hrtimer_restart free_fn(struct hrtimer *timer)
{
	struct latency *latency = container_of(timer, struct latency, timer);

	if (latency->task == current || task_is_running(latency->task)) {
		hrtimer_forward_now(timer, ns_to_ktime(AGAIN_NS));
		return HRTIMER_RESTART;
	}
	latency->freed_ns = ktime_get_ns();
	latency->run.params.kind->free(latency->run.pool, latency->element);
	return HRTIMER_NORESTART;
}

static void latency_work(struct mp2b_worker *worker)
{
	struct latency *latency = worker->crew->private;
	const struct mp2b_kind *kind = latency->run.params.kind;
	void *element, *pool = latency->run.pool;
	u64 ns;

	latency->task = current;
	element = kind->alloc(pool, GFP_NOIO);
	while (element && !mp2b_stopping(worker->crew)) {
		latency->element = element;
		hrtimer_start(&latency->timer, ns_to_ktime(SLEEP_NS), HRTIMER_MODE_REL);
		element = kind->alloc(pool, GFP_NOIO);
		ns = ktime_get_ns();
		/* The timer has freed the element, but its function may not have returned. */
		hrtimer_cancel(&latency->timer);
		ns -= latency->freed_ns;

		worker->nr_done++;
		worker->wait_ns += ns;
		worker->longest_ns = max(worker->longest_ns, ns);
		latency->least_ns = min(latency->least_ns, ns);
		mp2b_hist_add(latency->hist, ns);
	}
	if (element)
		kind->free(pool, element);
	else
		worker->nr_null++;
}

static void latency_report(struct mp2b_crew *crew)
{
	struct latency *latency = crew->private;
	struct mp2b_worker *worker = &crew->workers[0];

	mp2b_report("scenario=latency pool=%s samples=%lu least_ns=%llu mean_ns=%llu ",
		    latency->run.params.kind->name, worker->nr_done,
		    worker->nr_done ? latency->least_ns : 0,
		    div64_u64(worker->wait_ns, max(worker->nr_done, 1UL)));
	mp2b_report("p999_ns=%llu longest_ns=%llu null=%lu\n",
		    mp2b_hist_quantile(latency->hist, 999), worker->longest_ns,
		    worker->nr_null);
}

static int latency_run(const struct mp2b_params *params)
{
	const struct latency begin = {
		.run		= { .params = *params, .exhausted = { .size = sizeof(u64) } },
		.least_ns	= U64_MAX,
	};
	struct latency *latency;
	int err = -ENOMEM;

	latency = kmemdup(&begin, sizeof(begin), GFP_KERNEL);
	if (!latency)
		return -ENOMEM;
	hrtimer_setup(&latency->timer, free_fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	latency->run.params.elements = 1;
	latency->hist = mp2b_hist_create();
	if (latency->hist)
		err = mp2b_run_crew(&latency->run, 1, mp2b_exhausted_alloc,
				    latency_work, latency_report);
	if (err != -ETIMEDOUT) {
		mp2b_hist_destroy(latency->hist);
		kfree(latency);
	}
	return err;
}

const struct mp2b_scenario mp2b_latency = {
	.name		= "latency",
	.defaults	= {
		.seconds	= 3,
		.cpu		= MP2B_CPU_ANY,
	},
	.supports	= mp2b_supports_waiting,
	.run		= latency_run,
};
