// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scenario "waiters": many threads share a few elements and nothing else
 *
 * In which order are they served? Each caller draws a number just before it joins the queue.
 * Each element is marked with a number when it is freed, so these numbers tell in which order
 * elements became free, whichever thread runs first afterwards. A caller has been overtaken by
 * the callers that came after it and got an element that was freed before its own. The number of
 * elements freed between its arrival and its own element is the length of its wait in turns,
 * which a busy host cannot blur as it blurs time.
 *
 * With all threads bound to one CPU these numbers are exact, unless a thread is preempted
 * between drawing its number and joining the queue, or between marking an element and freeing
 * it. These stretches have no voluntary preemption point, and the timer tick of a preemptible
 * kernel rarely hits them. On several CPUs such stretches overlap, and a few per cent of the
 * calls seem overtaken although they are not.
 *
 * With hold_us=0 no thread sleeps with an element, but it may work with it (busy_us=). It keeps
 * the CPU until its time slice is over or until it has to wait. It yields only where the
 * scheduler asks it to, while it holds an element and between two allocations.
 *
 * With irq_us= a timer frees the element, in an interrupt, as the end of an I/O does, and the
 * thread goes on to allocate the next element at once.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../examples/hrtimer_compat.h"
#include "bench.h"

/* Calls that are recorded; later ones are only counted. */
#define LOG_MAX		262144U

struct element {
	unsigned int	nr_freed;	/* its position among all frees, from 1 */
};

/* An element that a timer will free. */
struct flight {
	struct hrtimer	timer;
	struct waiters	*waiters;
	struct element	*element;
};

struct waiters {
	struct mp2b_run		run;
	struct mp2b_hist	*waits;
	/* [n]: number of the caller that got the n-th freed element, from 1 */
	unsigned int		*served;
	/* For count_overtakes() */
	unsigned int		*tree;
	struct flight		*flights;	/* one for each element */
	atomic_t		nr_flying;
};

struct overtakes {
	unsigned int	calls;		/* calls that were recorded */
	unsigned int	overtaken;	/* how many of these were overtaken */
	unsigned int	worst;		/* how often the worst of these was overtaken */
	u64		total;
};

static void note_service(struct waiters *waiters, struct mp2b_worker *worker,
			 struct element *element)
{
	unsigned int number = worker->number, turns;

	if (worker->nr_asked < 2) {
		/* This caller did not wait, but it came and was served all the same. */
		number = atomic_inc_return(&waiters->run.exhausted.nr_came);
	} else if (element->nr_freed > worker->turn) {
		turns = element->nr_freed - worker->turn;
		worker->wait_turns += turns;
		worker->longest_turns = max(worker->longest_turns, turns);
	}
	if (element->nr_freed <= LOG_MAX)
		waiters->served[element->nr_freed] = number;
}

static void element_free(struct waiters *waiters, struct element *element)
{
	element->nr_freed = atomic_inc_return(&waiters->run.exhausted.nr_freed);
	waiters->run.params.kind->free(waiters->run.pool, element);
}

static enum hrtimer_restart flight_end(struct hrtimer *timer)
{
	struct flight *flight = container_of(timer, struct flight, timer);
	struct waiters *waiters = flight->waiters;

	element_free(waiters, flight->element);
	atomic_dec(&waiters->nr_flying);
	return HRTIMER_NORESTART;
}

/* An element keeps the flight of its first use. */
static void flight_begin(struct waiters *waiters, struct element *element)
{
	struct flight *flight = waiters->flights;
	struct element *other;

	for (;; flight++) {
		other = cmpxchg(&flight->element, NULL, element);
		if (!other || other == element)
			break;
	}
	atomic_inc(&waiters->nr_flying);
	hrtimer_start(&flight->timer, ns_to_ktime(waiters->run.params.irq_us * NSEC_PER_USEC),
		      HRTIMER_MODE_REL_HARD);
}

static void flights_end(struct waiters *waiters)
{
	int i;

	while (atomic_read(&waiters->nr_flying))
		usleep_range(100, 200);
	for (i = 0; i < waiters->run.params.elements; i++)
		hrtimer_cancel(&waiters->flights[i].timer);
}

static void waiters_work(struct mp2b_worker *worker)
{
	struct waiters *waiters = worker->crew->private;
	const struct mp2b_params *params = &waiters->run.params;
	struct element *element;
	u64 wait_ns;

	while (!mp2b_stopping(worker->crew)) {
		/*
		 * Waking the next waiter may have set need_resched for this thread. Reschedule
		 * here: an allocation begins with a voluntary preemption point, and waiting for
		 * the CPU there would count as waiting for an element.
		 */
		cond_resched();
		element = mp2b_timed_alloc(worker, params->kind, waiters->run.pool,
					   GFP_NOIO, &wait_ns);
		if (!element)
			break;
		note_service(waiters, worker, element);
		mp2b_hist_add(waiters->waits, wait_ns);

		if (params->irq_us) {
			flight_begin(waiters, element);
			continue;
		}
		mp2b_hold(params);
		element_free(waiters, element);
	}
}

/*
 * Jain's index of the fairness of the threads' shares, in thousandths: 1000 if all shares are
 * equal, 1000 / threads if one thread has had everything.
 */
static u64 jain_milli(const struct mp2b_crew *crew)
{
	u64 sum = 0, squares = 0, nr, tenths;
	int i;

	for (i = 0; i < crew->nr_workers; i++) {
		nr = crew->workers[i].nr_done;
		sum += nr;
		squares += nr * nr;
	}
	/* The product of all three may have more than 64 bits. */
	tenths = mul_u64_u64_div_u64(sum * 10000, sum,
				     max(crew->nr_workers * squares, 1ULL));
	return div_u64(tenths + 5, 10);
}

/*
 * Go through the calls in the order of service, with a binary indexed tree over the numbers of
 * the callers served so far.
 */
static void count_overtakes(struct waiters *waiters, struct overtakes *found)
{
	unsigned int n, i, number, earlier, later;

	memset(waiters->tree, 0, (LOG_MAX + 1) * sizeof(*waiters->tree));
	for (n = 1; n <= LOG_MAX; n++) {
		number = waiters->served[n];
		if (!number || number > LOG_MAX)
			continue;
		earlier = 0;
		for (i = number; i; i &= i - 1)
			earlier += waiters->tree[i];
		for (i = number; i <= LOG_MAX; i += i & -i)
			waiters->tree[i]++;

		later = found->calls++ - earlier;
		found->overtaken += later > 0;
		found->worst = max(found->worst, later);
		found->total += later;
		if (!(n % 4096))
			cond_resched();
	}
}

static void waiters_report(struct mp2b_crew *crew)
{
	struct waiters *waiters = crew->private;
	const struct mp2b_params *params = &waiters->run.params;
	unsigned long done = 0, null = 0, switches = 0;
	unsigned long least = ULONG_MAX, most = 0;
	struct overtakes overtakes = {};
	u64 wait_ns = 0, longest_ns = 0, wait_turns = 0;
	unsigned int longest_turns = 0;
	struct mp2b_worker *worker;
	int i;

	flights_end(waiters);
	for (i = 0; i < crew->nr_workers; i++) {
		worker = &crew->workers[i];
		done += worker->nr_done;
		null += worker->nr_null;
		switches += worker->nr_switches;
		wait_ns += worker->wait_ns;
		longest_ns = max(longest_ns, worker->longest_ns);
		wait_turns += worker->wait_turns;
		longest_turns = max(longest_turns, worker->longest_turns);
		least = min(least, worker->nr_done);
		most = max(most, worker->nr_done);
	}
	count_overtakes(waiters, &overtakes);

	mp2b_report("scenario=waiters pool=%s threads=%d elements=%d ",
		    params->kind->name, params->threads, params->elements);
	mp2b_report("hold_us=%d busy_us=%d irq_us=%d cpu=%d ",
		    params->hold_us, params->busy_us, params->irq_us, params->cpu);
	mp2b_report("elapsed_us=%llu allocated=%lu null=%lu switches=%lu ",
		    div_u64(crew->elapsed_ns, 1000), done, null, switches);
	mp2b_report("mean_wait_ns=%llu longest_wait_ns=%llu thread_least=%lu thread_most=%lu ",
		    div64_u64(wait_ns, max(done, 1UL)), longest_ns, least, most);
	mp2b_report("mean_wait_turns=%llu longest_wait_turns=%u ",
		    div64_u64(wait_turns, max(done, 1UL)), longest_turns);
	mp2b_report("ordered=%u overtaken=%u overtakes=%llu worst_overtaken=%u ",
		    overtakes.calls, overtakes.overtaken, overtakes.total,
		    overtakes.worst);
	mp2b_report("p999_wait_ns=%llu jain_milli=%llu\n",
		    mp2b_hist_quantile(waiters->waits, 999), jain_milli(crew));
}

static int waiters_run(const struct mp2b_params *params)
{
	const struct waiters begin = {
		.run = { .params = *params, .exhausted = { .size = sizeof(struct element) } },
	};
	struct waiters *waiters;
	int err = -ENOMEM, i;

	waiters = kmemdup(&begin, sizeof(begin), GFP_KERNEL);
	if (!waiters)
		return -ENOMEM;
	waiters->waits = mp2b_hist_create();
	/* [0] is for elements that have not been freed yet. */
	waiters->served = kvcalloc(LOG_MAX + 1, sizeof(*waiters->served), GFP_KERNEL);
	waiters->tree = kvcalloc(LOG_MAX + 1, sizeof(*waiters->tree), GFP_KERNEL);
	waiters->flights = kvcalloc(params->elements, sizeof(*waiters->flights), GFP_KERNEL);
	for (i = 0; waiters->flights && i < params->elements; i++) {
		waiters->flights[i].waiters = waiters;
		hrtimer_setup(&waiters->flights[i].timer, flight_end, CLOCK_MONOTONIC,
			      HRTIMER_MODE_REL_HARD);
	}
	if (waiters->waits && waiters->served && waiters->tree && waiters->flights)
		err = mp2b_run_crew(&waiters->run, params->threads,
				    mp2b_queue_alloc, waiters_work, waiters_report);
	if (err != -ETIMEDOUT) {
		kvfree(waiters->flights);
		kvfree(waiters->tree);
		kvfree(waiters->served);
		mp2b_hist_destroy(waiters->waits);
		kfree(waiters);
	}
	return err;
}

const struct mp2b_scenario mp2b_waiters = {
	.name		= "waiters",
	.defaults	= {
		.seconds	= 3,
		.threads	= 64,
		.elements	= 2,
		.hold_us	= 20,
		.cpu		= MP2B_CPU_ANY,
	},
	.supports	= mp2b_supports_waiting,
	.run		= waiters_run,
};
