// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls for any context, in softirqs and hardirqs: a timer of each kind on each CPU
 */
#include <linux/cpu.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/percpu.h>
#include <linux/preempt.h>

#include "../examples/hrtimer_compat.h"
#include "torture.h"

#define PERIOD_NS	500000

/* Owners in interrupts; workers have smaller numbers. */
#define OWNER_IRQ	200000

enum { IS_SOFT, IS_HARD, NR_KINDS };

/**
 * struct irq_caller - what calls in one context on one CPU
 *
 * @timer: calls
 * @waiter: of its request
 * @got: what the callback has got, until the timer takes it
 * @held: an element that is kept until a later call
 * @nr_calls: calls of the callback for the current request
 * @owner: of its elements
 * @is_hard: the context is a hardirq
 * @waits: there is a request
 * @is_spent: the waiter may not be used again before mempool2_cancel_sync()
 * @random: state of its random numbers
 */
struct irq_caller {
	struct hrtimer		timer;
	struct mempool2_waiter	waiter;
	void			*got;
	struct element		*held;
	atomic_t		nr_calls;
	int			owner;
	bool			is_hard;
	bool			waits;
	bool			is_spent;
	struct rnd_state	random;
};

static DEFINE_PER_CPU(struct irq_caller [NR_KINDS], irq_callers);
static bool irqs_started;

static void irq_callback(struct mempool2_waiter *waiter, void **elems)
{
	struct irq_caller *me = container_of(waiter, struct irq_caller, waiter);

	count(NR_CALLBACK);
	if (atomic_inc_return(&me->nr_calls) != 1)
		found(FOUND_CALLBACK, "a callback came %d times", atomic_read(&me->nr_calls));
	element_own(exact_pool, elems[0], me->owner);
	/* Pairs with the xchg() in irq_collect(). */
	if (xchg(&me->got, elems[0]))
		found(FOUND_CALLBACK, "a callback came before the element of the last was taken");
}

static void irq_free(struct irq_caller *me, struct element *element)
{
	void *elems[1] = { element };

	element_disown(exact_pool, element, me->owner);
	count(NR_FREE);
	if (random_below(&me->random, 4) || !mempool2_free_bulk(&exact_pool->pool, elems, 1))
		mempool2_free(element, &exact_pool->pool);
}

/* The element of the request, if it was served. */
static void irq_collect(struct irq_caller *me)
{
	struct element *element = xchg(&me->got, NULL);

	if (!element)
		return;
	me->waits = false;
	me->held = element;
}

static void irq_cancel(struct irq_caller *me)
{
	count(NR_CANCEL);
	/* If it is false the callback comes, or has come. */
	if (!mempool2_cancel(&me->waiter))
		return;
	count(NR_CANCELED);
	me->waits = false;
	me->is_spent = IS_ENABLED(CONFIG_PREEMPT_RT);
	if (atomic_read(&me->nr_calls))
		found(FOUND_CALLBACK, "a callback came, and there was something to cancel");
}

static struct element *irq_alloc(struct irq_caller *me)
{
	void *element;

	switch (random_below(&me->random, 4)) {
	case 0:
		return mempool2_alloc_preallocated(&exact_pool->pool);
	case 1:
		if (!(features & FEATURE_ASYNC) || me->is_spent)
			break;
		atomic_set(&me->nr_calls, 0);
		me->waits = true;
		element = mempool2_alloc_async(&exact_pool->pool, GFP_NOWAIT, &me->waiter);
		if (element == ERR_PTR(-EINPROGRESS))
			return NULL;
		me->waits = false;
		/* The last callback may not have returned yet. */
		if (element == ERR_PTR(-EBUSY))
			return NULL;
		if (IS_ERR_OR_NULL(element)) {
			found(FOUND_RESULT, "a request returned %ld", (long)element);
			return NULL;
		}
		return element;
	}
	return mempool2_alloc(&exact_pool->pool, GFP_ATOMIC);
}

static void irq_step(struct irq_caller *me)
{
	struct element *element;

	count(me->is_hard ? NR_HARDIRQ : NR_SOFTIRQ);
	irq_collect(me);
	if (me->held) {
		element = me->held;
		me->held = NULL;
		irq_free(me, element);
		return;
	}
	if (me->waits) {
		if (!random_below(&me->random, 8))
			irq_cancel(me);
		return;
	}
	element = irq_alloc(me);
	if (!element) {
		count(NR_NULL);
		return;
	}
	element_own(exact_pool, element, me->owner);
	if (random_below(&me->random, 2))
		me->held = element;
	else
		irq_free(me, element);
}

static enum hrtimer_restart irq_fn(struct hrtimer *timer)
{
	struct irq_caller *me = container_of(timer, struct irq_caller, timer);
	u64 period = PERIOD_NS + random_below(&me->random, PERIOD_NS);

	irq_step(me);
	if (me->is_hard && !irqs_disabled())
		found(FOUND_CONTEXT, "a call in a hardirq came back with interrupts enabled");
	hrtimer_forward_now(timer, ns_to_ktime(period));
	return HRTIMER_RESTART;
}

static enum hrtimer_mode mode_of(const struct irq_caller *me)
{
	return me->is_hard ? HRTIMER_MODE_REL_PINNED_HARD : HRTIMER_MODE_REL_PINNED_SOFT;
}

static void irqs_begin(void *unused)
{
	struct irq_caller *me;
	int i;

	for (i = 0; i < NR_KINDS; i++) {
		me = this_cpu_ptr(&irq_callers[i]);
		hrtimer_start(&me->timer, ns_to_ktime(PERIOD_NS), mode_of(me));
	}
}

static void irq_end(struct irq_caller *me)
{
	hrtimer_cancel(&me->timer);
	if (mempool2_cancel_sync(&me->waiter))
		me->waits = false;
	me->is_spent = false;
	irq_collect(me);
	if (me->waits)
		found(FOUND_CALLBACK, "no callback came, and there was nothing to cancel");
	me->waits = false;
	if (me->held)
		irq_free(me, me->held);
	me->held = NULL;
}

/* While they pause the callers have no element and make no call. */
void irqs_pause(bool pause)
{
	int cpu, i;

	if (!irqs_started)
		return;
	if (!pause) {
		on_each_cpu(irqs_begin, NULL, true);
		return;
	}
	for_each_possible_cpu(cpu) {
		for (i = 0; i < NR_KINDS; i++)
			irq_end(&per_cpu(irq_callers, cpu)[i]);
	}
}

void irqs_start(void)
{
	struct irq_caller *me;
	int cpu, i;

	if (!(features & FEATURE_IRQ))
		return;
	for_each_possible_cpu(cpu) {
		for (i = 0; i < NR_KINDS; i++) {
			me = &per_cpu(irq_callers, cpu)[i];
			me->is_hard = i == IS_HARD;
			me->owner = OWNER_IRQ + NR_KINDS * cpu + i;
			prandom_seed_state(&me->random, me->owner);
			mempool2_waiter_init(&me->waiter, irq_callback);
			hrtimer_setup(&me->timer, irq_fn, CLOCK_MONOTONIC, mode_of(me));
		}
	}
	irqs_started = true;
	irqs_pause(false);
}

void irqs_stop(void)
{
	irqs_pause(true);
	irqs_started = false;
}
