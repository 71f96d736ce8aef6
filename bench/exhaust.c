// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenario "exhaust": threads, a timer (softirq) and an hrtimer (hardirq) keep requests of one
 * page in flight, more than there is memory for
 *
 * Nothing is simulated: another process must take the machine's memory first (memhog.c does, in
 * a guest). The two timers then use up what is left, until the page allocator refuses even
 * GFP_ATOMIC, and only the pool's reserve keeps all three going. As with real devices, a request
 * is completed and freed in another context than the one that allocated it.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

#include "../examples/hrtimer_compat.h"
#include "bench.h"

/*
 * The timers work in short bursts, so that a slow (emulated) machine has time left for other
 * work.
 */
#define PERIOD_MS	2
#define BURST_NS	(500 * NSEC_PER_USEC)
#define BURST_MAX	64

/* With more than this in flight a thread waits for a completion. */
#define THREAD_DEPTH	4

#define DRAIN_MS	10000

enum context { TASK, SOFTIRQ, HARDIRQ, NR_CONTEXTS };

static const char *const context_names[] = {
	[TASK]		= "task",
	[SOFTIRQ]	= "softirq",
	[HARDIRQ]	= "hardirq",
};

/* At the start of each element. */
struct request {
	struct list_head	entry;
	u64			due_ns;
	atomic_t		*in_flight;
	bool			fresh;	/* from the allocator, not from the reserve */
};

struct lane {
	/* What the pool asked of the allocator in this context */
	atomic_long_t		nr_asked;
	atomic_long_t		nr_refused;
	/* What this context asked of the pool */
	atomic_long_t		nr_fresh;
	atomic_long_t		nr_reserve;
	atomic_long_t		nr_null;
	/* Requests in flight, oldest first */
	spinlock_t		lock;
	struct list_head	requests;
	atomic_t		in_flight;
};

struct exhaust {
	struct mp2b_params	params;
	void			*pool;
	bool			pool_ready;
	struct mp2b_crew	*crew;
	struct lane		lanes[NR_CONTEXTS];
	struct timer_list	timer;
	struct hrtimer		hrtimer;
	unsigned long		least_free;	/* pages */
	atomic_t		in_flight[];	/* of each thread */
};

static struct lane *this_lane(struct exhaust *run)
{
	if (in_hardirq())
		return &run->lanes[HARDIRQ];
	if (in_serving_softirq())
		return &run->lanes[SOFTIRQ];
	return &run->lanes[TASK];
}

static void *page_alloc(gfp_t gfp_mask, void *data)
{
	struct exhaust *run = data;
	struct request *req = (void *)__get_free_page(gfp_mask);
	struct lane *lane;

	if (!READ_ONCE(run->pool_ready)) {
		/* The pool is filling its reserve. */
		if (req)
			req->fresh = false;
		return req;
	}

	lane = this_lane(run);
	atomic_long_inc(&lane->nr_asked);
	if (req)
		req->fresh = true;
	else
		atomic_long_inc(&lane->nr_refused);
	return req;
}

static void page_free(void *element, void *data)
{
	free_page((unsigned long)element);
}

/* Account for the element that the pool returned, and send it off. */
static bool submit(struct exhaust *run, struct lane *lane, struct request *req,
		   atomic_t *in_flight)
{
	unsigned long flags;

	if (!req) {
		atomic_long_inc(&lane->nr_null);
		return false;
	}
	atomic_long_inc(req->fresh ? &lane->nr_fresh : &lane->nr_reserve);
	/* If the pool returns this element again, it comes from the reserve. */
	req->fresh = false;
	req->due_ns = ktime_get_ns() + run->params.hold_us * NSEC_PER_USEC;
	req->in_flight = in_flight;
	atomic_inc(in_flight);

	spin_lock_irqsave(&lane->lock, flags);
	list_add_tail(&req->entry, &lane->requests);
	spin_unlock_irqrestore(&lane->lock, flags);
	return true;
}

static struct request *take_due(struct exhaust *run, struct lane *lane)
{
	struct request *req;
	unsigned long flags;

	spin_lock_irqsave(&lane->lock, flags);
	req = list_first_entry_or_null(&lane->requests, struct request, entry);
	if (req && (mp2b_stopping(run->crew) || req->due_ns <= ktime_get_ns()))
		list_del(&req->entry);
	else
		req = NULL;
	spin_unlock_irqrestore(&lane->lock, flags);
	return req;
}

static void complete_due(struct exhaust *run, struct lane *lane)
{
	struct request *req;
	int i;

	for (i = 0; i < BURST_MAX; i++) {
		req = take_due(run, lane);
		if (!req)
			break;
		atomic_dec(req->in_flight);
		run->params.kind->free(run->pool, req);
	}
}

static void submit_burst(struct exhaust *run, struct lane *lane)
{
	u64 end = ktime_get_ns() + BURST_NS;
	int i;

	for (i = 0; i < BURST_MAX && ktime_get_ns() < end; i++) {
		if (mp2b_stopping(run->crew) ||
		    atomic_read(&lane->in_flight) >= run->params.depth)
			break;
		if (!submit(run, lane,
			    run->params.kind->alloc(run->pool, GFP_ATOMIC),
			    &lane->in_flight))
			break;
	}
}

static void softirq_fn(struct timer_list *timer)
{
	struct exhaust *run = container_of(timer, struct exhaust, timer);

	complete_due(run, &run->lanes[HARDIRQ]);
	submit_burst(run, &run->lanes[SOFTIRQ]);
	mod_timer(timer, jiffies + max(msecs_to_jiffies(PERIOD_MS), 1UL));
}

static enum hrtimer_restart hardirq_fn(struct hrtimer *timer)
{
	struct exhaust *run = container_of(timer, struct exhaust, hrtimer);

	complete_due(run, &run->lanes[TASK]);
	complete_due(run, &run->lanes[SOFTIRQ]);
	submit_burst(run, &run->lanes[HARDIRQ]);
	hrtimer_forward_now(timer, ms_to_ktime(PERIOD_MS));
	return HRTIMER_RESTART;
}

static void exhaust_work(struct mp2b_worker *worker)
{
	struct exhaust *run = worker->crew->private;
	atomic_t *in_flight = &run->in_flight[worker->index];
	struct request *req;
	u64 wait_ns;

	while (!mp2b_stopping(worker->crew)) {
		if (atomic_read(in_flight) >= THREAD_DEPTH) {
			usleep_range(500, 1000);
			continue;
		}
		req = mp2b_timed_alloc(worker, run->params.kind, run->pool,
				       GFP_NOIO, &wait_ns);
		if (!submit(run, &run->lanes[TASK], req, in_flight))
			usleep_range(500, 1000);
	}
}

static void watch_memory(void *private)
{
	struct exhaust *run = private;
	struct sysinfo info;

	si_meminfo(&info);
	run->least_free = min(run->least_free, info.freeram);
}

static void exhaust_report(struct exhaust *run, struct mp2b_crew *crew)
{
	u64 wait_ns[NR_CONTEXTS] = {}, longest_ns[NR_CONTEXTS] = {};
	const struct mp2b_params *params = &run->params;
	struct lane *lane;
	int i;

	for (i = 0; i < crew->nr_workers; i++) {
		wait_ns[TASK] += crew->workers[i].wait_ns;
		longest_ns[TASK] = max(longest_ns[TASK], crew->workers[i].longest_ns);
	}
	for (i = 0; i < NR_CONTEXTS; i++) {
		lane = &run->lanes[i];
		mp2b_report("scenario=exhaust pool=%s context=%s threads=%d elements=%d ",
			    params->kind->name, context_names[i],
			    params->threads, params->elements);
		mp2b_report("hold_us=%d depth=%d elapsed_us=%llu least_free_kib=%lu ",
			    params->hold_us, params->depth,
			    div_u64(crew->elapsed_ns, 1000),
			    run->least_free << (PAGE_SHIFT - 10));
		mp2b_report("asked=%ld refused=%ld fresh=%ld reserve=%ld null=%ld ",
			    atomic_long_read(&lane->nr_asked),
			    atomic_long_read(&lane->nr_refused),
			    atomic_long_read(&lane->nr_fresh),
			    atomic_long_read(&lane->nr_reserve),
			    atomic_long_read(&lane->nr_null));
		mp2b_report("wait_ns=%llu longest_wait_ns=%llu\n",
			    wait_ns[i], longest_ns[i]);
	}
}

static bool drained(struct exhaust *run)
{
	int i;

	for (i = 0; i < NR_CONTEXTS; i++) {
		if (!list_empty(&run->lanes[i].requests))
			return false;
	}
	return true;
}

/* The timers complete the requests in flight, and are then stopped. */
static int drain(struct exhaust *run)
{
	int i;

	for (i = 0; i < DRAIN_MS / PERIOD_MS && !drained(run); i++)
		msleep(PERIOD_MS);
	hrtimer_cancel(&run->hrtimer);
	timer_shutdown_sync(&run->timer);
	return drained(run) ? 0 : -EIO;
}

static int exhaust_run(const struct mp2b_params *params)
{
	struct mp2b_crew *crew;
	struct exhaust *run;
	int i, err, undrained;

	run = kvzalloc(struct_size(run, in_flight, params->threads), GFP_KERNEL);
	if (!run)
		return -ENOMEM;
	run->params = *params;
	run->least_free = ULONG_MAX;
	for (i = 0; i < NR_CONTEXTS; i++) {
		spin_lock_init(&run->lanes[i].lock);
		INIT_LIST_HEAD(&run->lanes[i].requests);
	}
	timer_setup(&run->timer, softirq_fn, 0);
	hrtimer_setup(&run->hrtimer, hardirq_fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL);

	err = -ENOMEM;
	run->pool = params->kind->create(params->elements, page_alloc, page_free, run);
	if (!run->pool)
		goto free;
	WRITE_ONCE(run->pool_ready, true);

	crew = mp2b_crew_create(params->threads, params->cpu, exhaust_work, run);
	if (IS_ERR(crew)) {
		err = PTR_ERR(crew);
		goto destroy;
	}

	run->crew = crew;
	mod_timer(&run->timer, jiffies + 1);
	hrtimer_start(&run->hrtimer, ms_to_ktime(PERIOD_MS), HRTIMER_MODE_REL);
	/* The timers go on completing requests afterwards, as threads may wait for them. */
	err = mp2b_crew_run(crew, params->seconds, watch_memory, NULL);
	undrained = drain(run);
	if (err == -ETIMEDOUT || undrained) {
		mp2b_crew_abandon(crew);
		return err ?: undrained;
	}
	exhaust_report(run, crew);
	mp2b_crew_destroy(crew);
destroy:
	params->kind->destroy(run->pool);
free:
	kvfree(run);
	return err;
}

const struct mp2b_scenario mp2b_exhaust = {
	.name		= "exhaust",
	.defaults	= {
		.seconds	= 3,
		.threads	= 4,
		.elements	= 64,
		.hold_us	= 200000,
		.depth		= 2048,
		.cpu		= MP2B_CPU_ANY,
	},
	.supports	= mp2b_supports_waiting,
	.run		= exhaust_run,
};
