// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenarios "resize" and "resize_irq": a thread resizes the pool up and down, while another
 * context allocates from its reserve
 *
 * How long is the allocating context held up? It keeps no element, so each allocation must
 * succeed. In "resize" it is a thread on another CPU, in "resize_irq" an interrupt on the same
 * CPU. Other interrupts lengthen some pairs too, hence a run of the same length without resizes
 * comes first.
 *
 * On a busy host the longest pair of all depends on the host. So "resize" also notes the longest
 * pair during each growing resize, and reports the median of these as the stall (without
 * resizes: of each stretch of some 17 ms). "resize_irq" is for a guest with one CPU and an exact
 * clock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../examples/hrtimer_compat.h"
#include "bench.h"

/* Pairs between two checks for the end. */
#define BATCH		256

#define STRETCH_SHIFT	24

/* Between two interrupts. */
#define PERIOD_NS	(50 * NSEC_PER_USEC)

struct resize {
	struct mp2b_run		run;
	struct mp2b_hist	*pairs;
	struct mp2b_hist	*stalls;
	u64			idle_longest_ns;
	u64			idle_stall_ns;
};

/* The number of the stretch of time that @now is in; odd while the pool shrinks. */
static u64 stretch_of(struct mp2b_crew *crew, u64 now)
{
	if (crew->nr_workers == 1)
		return now >> STRETCH_SHIFT << 1;
	return READ_ONCE(crew->workers[1].nr_done);
}

static void allocate(struct mp2b_worker *worker)
{
	struct resize *resize = worker->crew->private;
	const struct mp2b_kind *kind = resize->run.params.kind;
	void *element, *pool = resize->run.pool;
	u64 start, ns, now_in, stretch = 0, stall_ns = 0;
	int i;

	while (!mp2b_stopping(worker->crew)) {
		for (i = 0; i < BATCH; i++) {
			start = ktime_get_ns();
			element = kind->alloc(pool, GFP_NOWAIT);
			if (element)
				kind->free(pool, element);
			else
				worker->nr_null++;
			ns = ktime_get_ns() - start;

			worker->nr_done++;
			worker->wait_ns += ns;
			worker->longest_ns = max(worker->longest_ns, ns);
			mp2b_hist_add(resize->pairs, ns);

			now_in = stretch_of(worker->crew, start);
			if (now_in != stretch) {
				if (!(stretch & 1))
					mp2b_hist_add(resize->stalls, stall_ns);
				stretch = now_in;
				stall_ns = 0;
			}
			stall_ns = max(stall_ns, ns);
		}
		cond_resched();
	}
}

static void back_and_forth(struct mp2b_worker *worker)
{
	struct mp2b_run *run = worker->crew->private;
	const struct mp2b_params *params = &run->params;
	int nr = params->to;
	u64 ns;

	while (!mp2b_stopping(worker->crew)) {
		ns = ktime_get_ns();
		if (params->kind->resize(run->pool, nr)) {
			worker->nr_null++;
			break;
		}
		ns = ktime_get_ns() - ns;
		worker->longest_ns = max(worker->longest_ns, ns);
		/* Begin a new stretch of time for the allocating worker. */
		WRITE_ONCE(worker->nr_done, worker->nr_done + 1);
		nr = nr == params->to ? params->elements : params->to;
		cond_resched();
	}
}

/* The allocating worker comes first, so that it has the same CPU in both runs. */
static void resize_work(struct mp2b_worker *worker)
{
	if (worker->index)
		back_and_forth(worker);
	else
		allocate(worker);
}

static void idle_report(struct mp2b_crew *crew)
{
	struct resize *resize = crew->private;

	resize->idle_longest_ns = crew->workers[0].longest_ns;
	resize->idle_stall_ns = mp2b_hist_quantile(resize->stalls, 500);
}

static void resize_report(struct mp2b_crew *crew)
{
	const struct mp2b_worker *allocates = &crew->workers[0];
	const struct mp2b_worker *resizes = &crew->workers[1];
	struct resize *resize = crew->private;
	const struct mp2b_params *params = &resize->run.params;

	mp2b_report("scenario=resize pool=%s elements=%d to=%d ",
		    params->kind->name, params->elements, params->to);
	mp2b_report("resizes=%lu pairs=%lu null=%lu mean_ns=%llu longest_ns=%llu ",
		    resizes->nr_done, allocates->nr_done, allocates->nr_null,
		    div64_u64(allocates->wait_ns, max(allocates->nr_done, 1UL)),
		    allocates->longest_ns);
	mp2b_report("resize_longest_ns=%llu idle_longest_ns=%llu ",
		    resizes->longest_ns, resize->idle_longest_ns);
	mp2b_report("median_ns=%llu p999_ns=%llu resizes_failed=%lu ",
		    mp2b_hist_quantile(resize->pairs, 500),
		    mp2b_hist_quantile(resize->pairs, 999), resizes->nr_null);
	mp2b_report("stall_ns=%llu idle_stall_ns=%llu\n",
		    mp2b_hist_quantile(resize->stalls, 500), resize->idle_stall_ns);
}

static bool to_is_more(const struct mp2b_params *params)
{
	if (params->to <= params->elements)
		pr_notice("to= has to be more than elements=\n");
	return params->to > params->elements;
}

static bool resize_supports(const struct mp2b_params *params)
{
	return params->kind->resize;
}

static int resize_run(const struct mp2b_params *params)
{
	const struct resize begin = {
		.run = { .params = *params, .exhausted = { .size = sizeof(u64) } },
	};
	struct resize *resize;
	int err = -ENOMEM;

	if (!to_is_more(params))
		return -EINVAL;
	resize = kmemdup(&begin, sizeof(begin), GFP_KERNEL);
	if (!resize)
		return -ENOMEM;
	resize->run.params.cpu = MP2B_CPU_EACH;
	resize->pairs = mp2b_hist_create();
	resize->stalls = mp2b_hist_create();
	if (!resize->pairs || !resize->stalls)
		goto free;

	err = mp2b_run_crew(&resize->run, 1, mp2b_exhausted_alloc, resize_work, idle_report);
	if (err)
		goto free;
	mp2b_hist_clear(resize->pairs);
	mp2b_hist_clear(resize->stalls);
	err = mp2b_run_crew(&resize->run, 2, mp2b_exhausted_alloc, resize_work, resize_report);
free:
	if (err != -ETIMEDOUT) {
		mp2b_hist_destroy(resize->stalls);
		mp2b_hist_destroy(resize->pairs);
		kfree(resize);
	}
	return err;
}

const struct mp2b_scenario mp2b_resize = {
	.name		= "resize",
	.defaults	= {
		.seconds	= 3,
		.elements	= 16,
		.to		= 65536,
		.cpu		= MP2B_CPU_ANY,
	},
	.supports	= resize_supports,
	.run		= resize_run,
};

struct resize_irq {
	struct mp2b_run		run;
	struct mp2b_hist	*late;
	struct hrtimer		timer;
	bool			resizes;
	/* From the due time of the interrupt to the end of its allocation */
	u64			late_ns;	/* sum of all */
	u64			longest_ns;
	u64			idle_longest_ns;
	unsigned long		nr_done;
	unsigned long		nr_null;
};

static enum hrtimer_restart allocate_in_irq(struct hrtimer *timer)
{
	struct resize_irq *resize = container_of(timer, struct resize_irq, timer);
	const struct mp2b_kind *kind = resize->run.params.kind;
	void *element;
	u64 ns;

	element = kind->alloc(resize->run.pool, GFP_NOWAIT);
	ns = ktime_get_ns() - ktime_to_ns(hrtimer_get_expires(timer));
	if (element)
		kind->free(resize->run.pool, element);
	else
		resize->nr_null++;
	resize->nr_done++;
	resize->late_ns += ns;
	resize->longest_ns = max(resize->longest_ns, ns);
	mp2b_hist_add(resize->late, ns);
	hrtimer_forward_now(timer, ns_to_ktime(PERIOD_NS));
	return HRTIMER_RESTART;
}

static void resize_irq_work(struct mp2b_worker *worker)
{
	struct resize_irq *resize = worker->crew->private;

	resize->nr_done = 0;
	resize->nr_null = 0;
	resize->late_ns = 0;
	resize->longest_ns = 0;
	mp2b_hist_clear(resize->late);
	hrtimer_start(&resize->timer, ns_to_ktime(PERIOD_NS), HRTIMER_MODE_REL_PINNED);
	if (resize->resizes)
		back_and_forth(worker);
	while (!mp2b_stopping(worker->crew))
		cond_resched();
	hrtimer_cancel(&resize->timer);
}

static void idle_irq_report(struct mp2b_crew *crew)
{
	struct resize_irq *resize = crew->private;

	resize->idle_longest_ns = resize->longest_ns;
}

static void resize_irq_report(struct mp2b_crew *crew)
{
	struct resize_irq *resize = crew->private;
	const struct mp2b_params *params = &resize->run.params;
	const struct mp2b_worker *worker = &crew->workers[0];

	mp2b_report("scenario=resize_irq pool=%s elements=%d to=%d resizes=%lu ",
		    params->kind->name, params->elements, params->to, worker->nr_done);
	mp2b_report("pairs=%lu null=%lu mean_ns=%llu p999_ns=%llu longest_ns=%llu ",
		    resize->nr_done, resize->nr_null,
		    div64_u64(resize->late_ns, max(resize->nr_done, 1UL)),
		    mp2b_hist_quantile(resize->late, 999), resize->longest_ns);
	mp2b_report("resize_longest_ns=%llu idle_longest_ns=%llu resizes_failed=%lu\n",
		    worker->longest_ns, resize->idle_longest_ns, worker->nr_null);
}

static int resize_irq_run(const struct mp2b_params *params)
{
	const struct resize_irq begin = {
		.run = { .params = *params, .exhausted = { .size = sizeof(u64) } },
	};
	struct resize_irq *resize;
	int err = -ENOMEM;

	if (!to_is_more(params))
		return -EINVAL;
	resize = kmemdup(&begin, sizeof(begin), GFP_KERNEL);
	if (!resize)
		return -ENOMEM;
	resize->run.params.cpu = MP2B_CPU_EACH;
	hrtimer_setup(&resize->timer, allocate_in_irq, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_PINNED);
	resize->late = mp2b_hist_create();
	if (!resize->late)
		goto free;

	err = mp2b_run_crew(&resize->run, 1, mp2b_exhausted_alloc, resize_irq_work,
			    idle_irq_report);
	if (err)
		goto free;
	resize->resizes = true;
	err = mp2b_run_crew(&resize->run, 1, mp2b_exhausted_alloc, resize_irq_work,
			    resize_irq_report);
free:
	if (err != -ETIMEDOUT) {
		mp2b_hist_destroy(resize->late);
		kfree(resize);
	}
	return err;
}

const struct mp2b_scenario mp2b_resize_irq = {
	.name		= "resize_irq",
	.defaults	= {
		.seconds	= 3,
		.elements	= 65536,
		.to		= 131072,
		.cpu		= MP2B_CPU_ANY,
	},
	.supports	= resize_supports,
	.run		= resize_irq_run,
};
