// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenario "bulk": one caller wants all elements at once, beside many callers that want one
 * each. Does it ever get them?
 */
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bench.h"

struct bulk {
	struct mp2b_run	run;
	void		**elems;
};

/* Worker 0 is the one that wants all elements. */
static void bulk_work(struct mp2b_worker *worker)
{
	struct bulk *bulk = worker->crew->private;
	const struct mp2b_params *params = &bulk->run.params;
	const struct mp2b_kind *kind = params->kind;
	void *pool = bulk->run.pool;
	u64 wait_ns;
	void *one;
	int i;

	/* Let the others begin first. */
	if (!worker->index)
		msleep(50);

	while (!mp2b_stopping(worker->crew)) {
		if (worker->index) {
			one = mp2b_timed_alloc(worker, kind, pool, GFP_NOIO, &wait_ns);
			if (!one)
				break;
			mp2b_hold(params);
			kind->free(pool, one);
			continue;
		}

		worker->nr_asked = 0;
		wait_ns = ktime_get_ns();
		if (kind->alloc_bulk(pool, bulk->elems, params->elements)) {
			worker->nr_null++;
			break;
		}
		wait_ns = ktime_get_ns() - wait_ns;
		worker->longest_ns = max(worker->longest_ns, wait_ns);
		/* Do not count a bulk that succeeds because all other workers have stopped. */
		if (!mp2b_stopping(worker->crew))
			worker->nr_done++;
		mp2b_hold(params);
		for (i = 0; i < params->elements; i++)
			kind->free(pool, bulk->elems[i]);
	}
}

static void bulk_report(struct mp2b_crew *crew)
{
	struct bulk *bulk = crew->private;
	const struct mp2b_params *params = &bulk->run.params;
	unsigned long singles = 0, null = crew->workers[0].nr_null;
	u64 longest_ns = 0;
	int i;

	for (i = 1; i < crew->nr_workers; i++) {
		singles += crew->workers[i].nr_done;
		null += crew->workers[i].nr_null;
		longest_ns = max(longest_ns, crew->workers[i].longest_ns);
	}
	mp2b_report("scenario=bulk pool=%s threads=%d elements=%d hold_us=%d cpu=%d ",
		    params->kind->name, params->threads, params->elements,
		    params->hold_us, params->cpu);
	mp2b_report("elapsed_us=%llu bulk_calls=%lu single_calls=%lu null=%lu ",
		    div_u64(crew->elapsed_ns, 1000), crew->workers[0].nr_done,
		    singles, null);
	mp2b_report("bulk_longest_wait_ns=%llu single_longest_wait_ns=%llu\n",
		    crew->workers[0].longest_ns, longest_ns);
}

static bool bulk_supports(const struct mp2b_params *params)
{
	return params->kind->alloc_bulk;
}

static int bulk_run(const struct mp2b_params *params)
{
	const struct bulk begin = {
		.run = { .params = *params, .exhausted = { .size = sizeof(u64) } },
	};
	struct bulk *bulk;
	int err = -ENOMEM;

	bulk = kmemdup(&begin, sizeof(begin), GFP_KERNEL);
	if (!bulk)
		return -ENOMEM;
	bulk->elems = kvcalloc(params->elements, sizeof(*bulk->elems), GFP_KERNEL);
	if (bulk->elems)
		err = mp2b_run_crew(&bulk->run, params->threads + 1,
				    mp2b_queue_alloc, bulk_work, bulk_report);
	if (err != -ETIMEDOUT) {
		kvfree(bulk->elems);
		kfree(bulk);
	}
	return err;
}

const struct mp2b_scenario mp2b_bulk = {
	.name		= "bulk",
	.defaults	= {
		.seconds	= 3,
		.threads	= 16,
		.elements	= 8,
		.hold_us	= 20,
		.cpu		= MP2B_CPU_ANY,
	},
	.supports	= bulk_supports,
	.run		= bulk_run,
};
