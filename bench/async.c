// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenario "async": threads request elements without sleeping in the pool, and get the elements
 * that are not available at once in a callback
 *
 * The back end fails, so all elements come from the reserve, which has fewer elements than there
 * are threads. Each thread makes a request, waits for its callback, keeps the element for a
 * while and frees it, which may run the callback of another thread's request. Some requests are
 * cancelled at once.
 *
 * Each request must end exactly once: with an element at once, with its callback, or with its
 * cancellation. The scenario counts requests with two ends or none, and elements with two
 * owners.
 */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "../mempool2.h"
#include "bench.h"

/* Each thread cancels one in so many of its requests, unless the callback comes first. */
#define CANCEL_ONE_IN	16

/* Elements are freed all the time, so a request that has not ended by then never will. */
#define LOST_AFTER	(10 * HZ)

struct element {
	atomic_t	nr_owners;
};

/* A thread's request. */
struct requester {
	struct mempool2_waiter	waiter;
	struct completion	called;
	atomic_t		is_pending;	/* the request has not ended yet */
	atomic_t		nr_second_ends;
	struct element		*element;	/* from the callback */
	u64			start_ns;
	u64			longest_ns;	/* until the callback */
	/* Requests, and their ends */
	unsigned long		nr_requests;
	unsigned long		nr_at_once;
	unsigned long		nr_called;
	unsigned long		nr_cancelled;
	unsigned long		nr_lost;	/* never ended, or refused */
	unsigned long		nr_shared;	/* elements that had another owner */
};

struct async {
	struct mp2b_run		run;
	struct requester	requesters[];
};

static void note_end(struct requester *requester, unsigned long *nr_of_its_kind)
{
	if (atomic_xchg(&requester->is_pending, false))
		++*nr_of_its_kind;
	else
		atomic_inc(&requester->nr_second_ends);
}

/* Runs in a thread that frees an element, or in an interrupt. */
static void element_sent(struct mempool2_waiter *waiter, void **elems)
{
	struct requester *requester = container_of(waiter, struct requester, waiter);

	requester->element = elems[0];
	requester->longest_ns = max(requester->longest_ns,
				    ktime_get_ns() - requester->start_ns);
	note_end(requester, &requester->nr_called);
	complete(&requester->called);
}

/* Returns an element, or NULL if the request was cancelled or is lost. */
static struct element *request(struct async *async, struct requester *requester)
{
	struct element *element;

	reinit_completion(&requester->called);
	requester->element = NULL;
	requester->start_ns = ktime_get_ns();
	requester->nr_requests++;
	atomic_set(&requester->is_pending, true);
	element = async->run.params.kind->alloc_async(async->run.pool, GFP_NOWAIT,
						      &requester->waiter);
	if (!IS_ERR(element)) {
		note_end(requester, &requester->nr_at_once);
		return element;
	}
	if (PTR_ERR(element) != -EINPROGRESS) {
		requester->nr_lost++;
		return NULL;
	}
	if (requester->nr_requests % CANCEL_ONE_IN == 0 &&
	    mempool2_cancel(&requester->waiter)) {
		note_end(requester, &requester->nr_cancelled);
		return NULL;
	}
	if (!wait_for_completion_timeout(&requester->called, LOST_AFTER)) {
		requester->nr_lost++;
		mempool2_cancel_sync(&requester->waiter);
	}
	return requester->element;
}

static void async_work(struct mp2b_worker *worker)
{
	struct async *async = worker->crew->private;
	struct requester *requester = &async->requesters[worker->index];
	const struct mp2b_params *params = &async->run.params;
	struct element *element;

	while (!mp2b_stopping(worker->crew) && !requester->nr_lost) {
		element = request(async, requester);
		if (!element) {
			cond_resched();
			continue;
		}
		if (atomic_inc_return(&element->nr_owners) != 1)
			requester->nr_shared++;
		mp2b_hold(params);
		if (atomic_dec_return(&element->nr_owners) != 0)
			requester->nr_shared++;
		params->kind->free(async->run.pool, element);
	}
	/* An interrupt may have called the callback, which may not have returned yet. */
	mempool2_cancel_sync(&requester->waiter);
}

static void async_report(struct mp2b_crew *crew)
{
	struct async *async = crew->private;
	const struct mp2b_params *params = &async->run.params;
	const struct requester *requester;
	struct requester all = {};
	int i, second_ends = 0;

	for (i = 0; i < crew->nr_workers; i++) {
		requester = &async->requesters[i];
		all.nr_requests += requester->nr_requests;
		all.nr_at_once += requester->nr_at_once;
		all.nr_called += requester->nr_called;
		all.nr_cancelled += requester->nr_cancelled;
		all.nr_lost += requester->nr_lost;
		all.nr_shared += requester->nr_shared;
		all.longest_ns = max(all.longest_ns, requester->longest_ns);
		second_ends += atomic_read(&requester->nr_second_ends);
	}
	mp2b_report("scenario=async pool=%s threads=%d elements=%d hold_us=%d cpu=%d ",
		    params->kind->name, params->threads, params->elements,
		    params->hold_us, params->cpu);
	mp2b_report("elapsed_us=%llu requests=%lu at_once=%lu called=%lu cancelled=%lu ",
		    div_u64(crew->elapsed_ns, 1000), all.nr_requests, all.nr_at_once,
		    all.nr_called, all.nr_cancelled);
	mp2b_report("lost=%lu second_ends=%d shared=%lu longest_wait_ns=%llu\n",
		    all.nr_lost, second_ends, all.nr_shared, all.longest_ns);
}

static bool async_supports(const struct mp2b_params *params)
{
	return params->kind->alloc_async;
}

static int async_run(const struct mp2b_params *params)
{
	struct async *async;
	int i, err;

	async = kvzalloc(struct_size(async, requesters, params->threads), GFP_KERNEL);
	if (!async)
		return -ENOMEM;
	async->run.params = *params;
	async->run.exhausted.size = sizeof(struct element);
	for (i = 0; i < params->threads; i++) {
		mempool2_waiter_init(&async->requesters[i].waiter, element_sent);
		init_completion(&async->requesters[i].called);
	}
	err = mp2b_run_crew(&async->run, params->threads, mp2b_exhausted_alloc, async_work,
			    async_report);
	if (err != -ETIMEDOUT)
		kvfree(async);
	return err;
}

const struct mp2b_scenario mp2b_async = {
	.name		= "async",
	.defaults	= {
		.seconds	= 3,
		.threads	= 8,
		.elements	= 2,
		.hold_us	= 20,
		.cpu		= MP2B_CPU_ANY,
	},
	.supports	= async_supports,
	.run		= async_run,
};
