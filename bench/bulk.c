// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenario "bulk": one caller wants all elements at once, beside many that want
 * one each. Will it ever get them?
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bench.h"

struct bulk {
	struct mp2b_params	params;
	struct mp2b_dry		dry;
	void			*pool;
	void			**elems;
};

/* Worker 0 is the one that wants them all. */
static void bulk_work(struct mp2b_worker *worker)
{
	struct bulk *run = worker->crew->private;
	const struct mp2b_params *params = &run->params;
	const struct mp2b_kind *kind = params->kind;
	u64 wait_ns;
	void *one;
	int i;

	/* The others are at work when it comes. */
	if (!worker->index)
		msleep(50);

	while (!mp2b_stopping(worker->crew)) {
		if (worker->index) {
			one = mp2b_timed_alloc(worker, kind, run->pool, GFP_NOIO,
					       &wait_ns);
			if (!one)
				break;
			mp2b_hold(params);
			kind->free(run->pool, one);
			continue;
		}

		worker->nr_asked = 0;
		wait_ns = ktime_get_ns();
		if (kind->alloc_bulk(run->pool, run->elems, params->elements)) {
			worker->nr_null++;
			break;
		}
		wait_ns = ktime_get_ns() - wait_ns;
		worker->longest_ns = max(worker->longest_ns, wait_ns);
		/* Not the one that succeeds because all others have gone home. */
		if (!mp2b_stopping(worker->crew))
			worker->nr_done++;
		mp2b_hold(params);
		for (i = 0; i < params->elements; i++)
			kind->free(run->pool, run->elems[i]);
	}
}

static void bulk_report(struct bulk *run, struct mp2b_crew *crew)
{
	const struct mp2b_params *params = &run->params;
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

static int bulk_run(const struct mp2b_params *params)
{
	const struct bulk begin = {
		.params	= *params,
		.dry	= { .size = sizeof(u64) },
	};
	struct mp2b_crew *crew;
	struct bulk *run;
	int err = -ENOMEM;

	if (!params->kind->alloc_bulk) {
		mp2b_report("scenario=bulk pool=%s error=unsupported\n",
			    params->kind->name);
		return 0;
	}

	/* Not on the stack: threads that are stuck go on using it. */
	run = kmemdup(&begin, sizeof(begin), GFP_KERNEL);
	if (!run)
		return -ENOMEM;
	run->elems = kvcalloc(params->elements, sizeof(*run->elems), GFP_KERNEL);
	if (!run->elems)
		goto free;
	run->pool = mp2b_dry_pool(params->kind, params->elements, &run->dry);
	if (!run->pool)
		goto free;

	crew = mp2b_crew_create(params->threads + 1, params->cpu, bulk_work, run);
	if (IS_ERR(crew)) {
		err = PTR_ERR(crew);
		goto destroy;
	}
	err = mp2b_crew_run(crew, params->seconds, NULL, &run->dry.serves);
	if (err == -ETIMEDOUT) {
		mp2b_crew_abandon(crew);
		return err;
	}
	bulk_report(run, crew);
	mp2b_crew_destroy(crew);
destroy:
	params->kind->destroy(run->pool);
free:
	kvfree(run->elems);
	kfree(run);
	return err;
}

const struct mp2b_scenario mp2b_bulk = {
	.name		= "bulk",
	.defaults	= {
		.seconds	= 3,
		.threads	= 16,
		.elements	= 8,
		.hold_us	= 20,
		.cpu		= -1,
	},
	.run		= bulk_run,
};
