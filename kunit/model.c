// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: random calls by one thread, against a model of the contract
 *
 * A sequence of calls is made from a seed. After each call the pool is compared with the model in
 * contract.c: what the call returned, the reserve, the elements in flight, the calls of the alloc
 * and the free function, callbacks and their order, the queue, and the statistics. A sequence that
 * shows a difference is made as short as it can be and printed as the lines of a case.
 *
 * The parameters model_steps and model_seed make a run longer, or another one: with the seed that a
 * failed case has printed as model_seed, the same sequence comes first.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../mempool2_debug.h"
#include "contract.h"
#include "fixture.h"

static unsigned int model_steps = 20000;
module_param(model_steps, uint, 0444);
MODULE_PARM_DESC(model_steps, "How many calls the model is compared with, in all cases together");

static unsigned long long model_seed = 1;
module_param(model_seed, ullong, 0444);
MODULE_PARM_DESC(model_seed, "The seed of the first sequence of each case; the others count up");

/*
 * Sequences
 */

enum op_kind {
	OP_ALLOC,
	OP_KILLABLE,
	OP_AT_ONCE,		/* a timeout of 0 */
	OP_PREALLOCATED,
	OP_NORESERVE,
	OP_BULK,
	OP_FREE,		/* the oldest element */
	OP_FREE_FOREIGN,
	OP_FREE_BULK,
	OP_REQUEST,
	OP_REQUEST_BULK,
	OP_CANCEL,
	OP_ENTRY,		/* of other code in the queue: added or removed */
	OP_MEMORY,		/* what the back end does from now on */
	OP_INJECT,
	OP_REFILL,
	OP_RESIZE,
	OP_LIMIT,
	OP_STATS,
	OP_CHECKS,
	OP_EXIT,		/* with an init after it */
	NR_OPS,
};

/* Flags of an operation. Without any it is at its simplest. */
#define OP_GFP		0x07	/* index of a mask */
#define OP_FREES	0x08	/* the callback frees the elements */
#define OP_SYNC		0x10	/* cancel and wait */
#define OP_AT_END	0x20	/* the entry is exclusive, so it is behind all others */
#define OP_NO_MEMORY	0x40	/* there is no memory for what mempool2 needs for itself */
#define OP_COPY		0x80	/* a copy of the initialized pool is used */

/**
 * struct op - a call
 *
 * @kind: an &enum op_kind
 * @flags: OP_FREES and the like
 * @index: of a request or an entry
 * @nr: number of elements, the size, the limit or the checks
 */
struct op {
	u8	kind;
	u8	flags;
	u8	index;
	u16	nr;
};

#define MAX_OPS		60

/**
 * struct sequence - calls of one pool
 *
 * @seed: what they were made from
 * @min_nr: size of the pool
 * @are_equal: all elements have one address
 * @fail_at: this call of the alloc function fails, counted from 1 on; 0 for none
 * @nr_ops: number of calls
 * @ops: the calls
 */
struct sequence {
	u64		seed;
	int		min_nr;
	bool		are_equal;
	int		fail_at;
	int		nr_ops;
	struct op	ops[MAX_OPS];
};

/**
 * struct profile - which calls the sequences of a case have
 *
 * @name: of the parameter of the case
 * @max_nr: the largest size, limit and number of elements
 * @equal: one sequence in so many has equal elements, 0 for none
 * @weights: how frequent each call is
 */
struct profile {
	const char	*name;
	int		max_nr;
	int		equal;
	u8		weights[NR_OPS];
};

/* What every profile has; @bulk is how frequent calls for several elements are. */
#define BASICS(bulk)							\
	[OP_ALLOC] = 20, [OP_KILLABLE] = 3, [OP_AT_ONCE] = 3,		\
	[OP_PREALLOCATED] = 10, [OP_NORESERVE] = 4, [OP_BULK] = (bulk),	\
	[OP_FREE] = 30, [OP_FREE_FOREIGN] = 2, [OP_FREE_BULK] = (bulk),	\
	[OP_MEMORY] = 12, [OP_REFILL] = 3

#define REQUESTS							\
	[OP_REQUEST] = 14, [OP_REQUEST_BULK] = 7, [OP_CANCEL] = 8, [OP_ENTRY] = 4

static const struct profile profiles[] = {
	{ "alloc and free", 6, 8, { BASICS(5), [OP_EXIT] = 1 } },
	{ "requests", 6, 8, { BASICS(5), REQUESTS } },
	{ "resizes", 12, 8, { BASICS(5), REQUESTS, [OP_RESIZE] = 20, [OP_EXIT] = 1 } },
};

/* Cases of their own, after all others: see suite_patches_no_code(). */
static const struct profile profiles_with_features[] = {
	{ "limits", 6, 0, { BASICS(5), REQUESTS, [OP_LIMIT] = 8, [OP_RESIZE] = 2 } },
	{ "resizes with limits", 6, 0, { BASICS(5), REQUESTS, [OP_RESIZE] = 14, [OP_LIMIT] = 8 } },
	{ "large pools", 150, 0, { BASICS(20), REQUESTS, [OP_RESIZE] = 14, [OP_LIMIT] = 2,
				   [OP_STATS] = 1 } },
	{ "statistics", 8, 8, { BASICS(5), REQUESTS, [OP_STATS] = 6, [OP_RESIZE] = 8,
				[OP_LIMIT] = 4 } },
	{ "checks", 8, 3, { BASICS(5), REQUESTS, [OP_CHECKS] = 8, [OP_INJECT] = 4,
			    [OP_RESIZE] = 8, [OP_LIMIT] = 3, [OP_STATS] = 2, [OP_EXIT] = 3 } },
};

static void profile_name(const struct profile *profile, char *name)
{
	strscpy(name, profile->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(profile, profiles, profile_name);
KUNIT_ARRAY_PARAM(profile_with_features, profiles_with_features, profile_name);

static const struct {
	gfp_t		gfp;
	const char	*name;
} masks[] = {
	{ GFP_NOWAIT, "GFP_NOWAIT" },
	{ GFP_ATOMIC, "GFP_ATOMIC" },
	{ GFP_NOWAIT | __GFP_IO, "GFP_NOWAIT | __GFP_IO" },
	{ GFP_NOIO, "GFP_NOIO" },
	{ GFP_KERNEL, "GFP_KERNEL" },
};

static gfp_t op_gfp(const struct op *op)
{
	return masks[op->flags & OP_GFP].gfp;
}

static const char *op_gfp_name(const struct op *op)
{
	return masks[op->flags & OP_GFP].name;
}

static u32 below(struct rnd_state *random, u32 ceil)
{
	return ceil ? prandom_u32_state(random) % ceil : 0;
}

/* Mostly small, sometimes up to @max. */
static int some(struct rnd_state *random, int max)
{
	return below(random, 1 + (below(random, 3) ? min(max, 4) : max));
}

static enum op_kind some_kind(struct rnd_state *random, const struct profile *profile)
{
	int kind, sum = 0, left;

	for (kind = 0; kind < NR_OPS; kind++)
		sum += profile->weights[kind];
	left = below(random, sum);
	for (kind = 0; left >= profile->weights[kind]; kind++)
		left -= profile->weights[kind];
	return kind;
}

static void sequence_make(struct sequence *sequence, const struct profile *profile, u64 seed)
{
	struct rnd_state random;
	struct op *op;
	int i;

	/* Seeds that count up are too much alike. */
	prandom_seed_state(&random, seed * GOLDEN_RATIO_64);
	for (i = 0; i < 8; i++)
		prandom_u32_state(&random);
	memset(sequence, 0, sizeof(*sequence));
	sequence->seed = seed;
	sequence->min_nr = some(&random, profile->max_nr);
	sequence->are_equal = profile->equal && !below(&random, profile->equal);
	sequence->nr_ops = 10 + below(&random, MAX_OPS - 9);
	for (i = 0; i < sequence->nr_ops; i++) {
		op = &sequence->ops[i];
		op->kind = some_kind(&random, profile);
		op->flags = below(&random, ARRAY_SIZE(masks));
		op->flags |= prandom_u32_state(&random) & (OP_FREES | OP_SYNC | OP_AT_END);
		if (!below(&random, 4))
			op->flags |= OP_NO_MEMORY;
		if (!below(&random, 4))
			op->flags |= OP_COPY;
		op->index = below(&random, NR_REQUESTS);
		op->nr = op->kind == OP_CHECKS ? below(&random, MEMPOOL2_CHECK_ALL + 1) :
						 some(&random, profile->max_nr);
	}
}

/*
 * A run of a sequence
 */

/* Elements that the run holds at most, besides those that callbacks keep. */
#define MOST_HELD	400
/* The largest number of elements in a call. */
#define MOST_AT_ONCE	150

/**
 * struct request - a request of a run
 *
 * @waiter: for mempool2
 * @count: how many elements it wants
 * @frees: its callback frees them
 * @elems: array for the elements
 * @got: what the callback got
 */
struct request {
	struct mempool2_waiter	waiter;
	int			count;
	bool			frees;
	void			*elems[MOST_AT_ONCE];
	void			*got[MOST_AT_ONCE];
};

/* Other code's entry in the queue. */
struct entry {
	struct wait_queue_entry	entry;
	int			nr_wakes;
	bool			is_queued;
};

/*
 * In static memory, as requests must be. @gfp and @rule say which masks the alloc function may get
 * in this step. @lies makes the model wrong on purpose.
 */
static struct {
	struct kunit		*test;
	struct fixture		*fx;
	struct task_struct	*task;
	struct contract		model;
	bool			prints;
	bool			lies;
	unsigned long		patience;
	unsigned int		nr_steps;
	unsigned int		nr_reruns;

	bool			are_equal;
	void			*equal[2 * MOST_HELD + NR_REQUESTS * MOST_AT_ONCE];
	int			nr_equal;
	int			fail_at;
	int			nr_allocs;
	bool			is_rescued;
	gfp_t			gfp;
	enum { ANY_MASK, THIS_MASK, MASK_OF_ALLOC } rule;
	int			nr_wrong_masks;
	int			live_before;
	int			irregular_before;
	int			said_before;

	void			*held[2 * MOST_HELD + NR_REQUESTS * MOST_AT_ONCE];
	int			nr_held;
	struct request		requests[NR_REQUESTS];
	struct entry		entries[NR_ENTRIES];
	int			called[MAX_CALLS];
	int			nr_called;

	long			is;
	long			should_be;
	const char		*what;		/* the difference, as an expression in C */
} run;

/* The back end: source_alloc(), but no memory for retriers, and elements that may be equal. */
static void *model_alloc(gfp_t gfp, void *pool_data)
{
	gfp_t full = run.gfp | ADDED_GFP;
	void *element;

	/* A retrier may call this at any time, so it must make no difference. */
	if (current != run.task)
		return NULL;
	if (run.rule == THIS_MASK)
		run.nr_wrong_masks += gfp != run.gfp;
	else if (run.rule == MASK_OF_ALLOC)
		run.nr_wrong_masks += gfp != full && gfp != (full & ~LATER_GFP);
	if (++run.nr_allocs == run.fail_at && !run.is_rescued)
		return NULL;
	element = source_alloc(gfp, pool_data);
	if (!run.are_equal || !element)
		return element;
	run.equal[run.nr_equal++] = element;
	return &run;
}

static void model_free(void *element, void *pool_data)
{
	source_free(run.are_equal ? run.equal[--run.nr_equal] : element, pool_data);
}

/* The run gets an element, or gives it away. */
static void claim(void *element)
{
	if (!run.are_equal)
		source_claim(&run.fx->src, element);
}

static void disclaim(void *element)
{
	if (!run.are_equal)
		source_disclaim(&run.fx->src, element);
}

static void hold(void *element)
{
	claim(element);
	run.held[run.nr_held++] = element;
}

/* Forget the @nr oldest elements, which the run does not hold any more. */
static void let_go(int nr)
{
	run.nr_held -= nr;
	memmove(run.held, run.held + nr, run.nr_held * sizeof(*run.held));
}

/* Where a step waits for callbacks. */
static DECLARE_WAIT_QUEUE_HEAD(callback_wait);

static void request_callback(struct mempool2_waiter *waiter, void **elems)
{
	struct request *request = container_of(waiter, struct request, waiter);
	int i, nr_called;

	for (i = 0; i < request->count; i++) {
		if (!request->frees) {
			request->got[i] = elems[i];
			continue;
		}
		claim(elems[i]);
		disclaim(elems[i]);
		mempool2_free(elems[i], &run.fx->pool);
	}
	nr_called = run.nr_called;
	if (nr_called < MAX_CALLS)
		run.called[nr_called] = request - run.requests;
	/* Pairs with callbacks_come(). */
	smp_store_release(&run.nr_called, nr_called + 1);
	wake_up(&callback_wait);
}

static int entry_woken(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	container_of(entry, struct entry, entry)->nr_wakes++;
	return 1;
}

/* Callbacks may come later, in an interrupt or a thread. */
static void callbacks_come(int nr)
{
	struct patience patience = patience_of(run.patience);

	/* Pairs with request_callback(). */
	while (!wait_event_timeout(callback_wait, smp_load_acquire(&run.nr_called) >= nr, 1) &&
	       patience_lasts(&patience))
		;
}

/*
 * A call that the model says does not sleep is rescued if it sleeps: nothing keeps it from getting
 * memory by itself then, which it tries at least each second.
 */
static struct patience rescue_patience;
static void rescue(struct work_struct *work);
static DECLARE_DELAYED_WORK(rescue_work, rescue);

static void rescue(struct work_struct *work)
{
	if (patience_lasts(&rescue_patience)) {
		schedule_delayed_work(&rescue_work, 1);
		return;
	}
	WRITE_ONCE(run.is_rescued, true);
	source_recover(&run.fx->src);
	mempool2_set_limit(&run.fx->pool, 0);
	mempool2_set_fail_interval(&run.fx->pool, 0);
}

static void sleep_begin(void)
{
	rescue_patience = patience_of(run.patience);
	schedule_delayed_work(&rescue_work, 1);
}

static void sleep_end(void)
{
	cancel_delayed_work_sync(&rescue_work);
}

/* A line of a case, for a sequence that shows a difference. */
#define line(fmt, ...)							\
	do {								\
		if (run.prints)						\
			kunit_err(run.test, "\t" fmt, ##__VA_ARGS__);	\
	} while (0)

/*
 * No memory for what mempool2 needs for itself, in the next calls. See resize.c. Returns whether
 * that is possible here.
 */
#if defined(CONFIG_FAILSLAB) && !defined(MODULE)
static bool own_memory_may_fail(void)
{
	return true;
}

static void own_memory_fails(bool fails)
{
	if (fails)
		gfp_allowed_mask &= ~__GFP_DIRECT_RECLAIM;
	current->fail_nth = fails;
	if (!fails)
		gfp_allowed_mask |= __GFP_DIRECT_RECLAIM;
}
#else
static bool own_memory_may_fail(void)
{
	return false;
}

static void own_memory_fails(bool fails)
{
}
#endif

static bool op_has_memory(const struct op *op)
{
	return !(op->flags & OP_NO_MEMORY) || !own_memory_may_fail();
}

/* Before and after a call for which there may be no memory. */
static void begin_without_memory(const struct op *op)
{
	if (op_has_memory(op))
		return;
	line("gfp_allowed_mask &= ~__GFP_DIRECT_RECLAIM;");
	line("current->fail_nth = 1;");
	own_memory_fails(true);
}

static void end_without_memory(const struct op *op)
{
	if (op_has_memory(op))
		return;
	own_memory_fails(false);
	line("current->fail_nth = 0;");
	line("gfp_allowed_mask |= __GFP_DIRECT_RECLAIM;");
}

/*
 * The calls. Each asks the model first and returns false if the call cannot be made now, for
 * example because it would sleep. run.is and run.should_be are what it returns.
 */

static void expect(long is, long should_be)
{
	run.is = is;
	run.should_be = should_be;
}

/* A call has returned @element, an error or NULL. */
static void expect_element(void *element, long should_be)
{
	long err = element ? PTR_ERR_OR_ZERO(element) : -ENOMEM;

	if (!err)
		hold(element);
	expect(err, should_be);
}

static void masks_are(gfp_t gfp, int rule)
{
	run.gfp = gfp;
	run.rule = rule;
}

static void line_err(int should_be)
{
	line("KUNIT_EXPECT_EQ(test, err, %d);", should_be);
}

static bool may_hold(int nr)
{
	return run.nr_held + nr <= MOST_HELD;
}

/* An element if @err is 0, else NULL. */
static void line_or_null(int err, const char *call, const char *gfp)
{
	if (err)
		line("KUNIT_EXPECT_NULL(test, %s(&fx->pool%s%s));", call, *gfp ? ", " : "", gfp);
	else
		line("fixture_hold(fx, %s(&fx->pool%s%s));", call, *gfp ? ", " : "", gfp);
}

/* An element if @err is 0, else this error. */
static void line_or_error(int err, const char *call, const char *gfp, const char *more)
{
	if (err)
		line("KUNIT_EXPECT_EQ(test, PTR_ERR(%s(&fx->pool, %s%s)), %dL);", call, gfp, more,
		     err);
	else
		line("fixture_hold(fx, %s(&fx->pool, %s%s));", call, gfp, more);
}

static bool op_alloc(const struct op *op)
{
	int err = contract_alloc(&run.model, op_gfp(op));

	if (err == SLEEPS || !may_hold(1))
		return false;
	masks_are(op_gfp(op), MASK_OF_ALLOC);
	line_or_null(err, "mempool2_alloc", op_gfp_name(op));
	sleep_begin();
	expect_element(mempool2_alloc(&run.fx->pool, op_gfp(op)), err);
	sleep_end();
	return true;
}

static bool op_killable(const struct op *op)
{
	int err = contract_alloc(&run.model, op_gfp(op));

	if (err == SLEEPS || !may_hold(1))
		return false;
	masks_are(op_gfp(op), MASK_OF_ALLOC);
	line_or_error(err, "mempool2_alloc_killable", op_gfp_name(op), "");
	sleep_begin();
	expect_element(mempool2_alloc_killable(&run.fx->pool, op_gfp(op)), err);
	sleep_end();
	return true;
}

static bool op_at_once(const struct op *op)
{
	int err = contract_alloc_at_once(&run.model, op_gfp(op));

	if (!may_hold(1))
		return false;
	masks_are(op_gfp(op), MASK_OF_ALLOC);
	line_or_error(err, "mempool2_alloc_timeout", op_gfp_name(op), ", 0");
	expect_element(mempool2_alloc_timeout(&run.fx->pool, op_gfp(op), 0), err);
	return true;
}

static bool op_preallocated(const struct op *op)
{
	int err = contract_alloc_preallocated(&run.model);

	if (!may_hold(1))
		return false;
	line_or_null(err, "mempool2_alloc_preallocated", "");
	expect_element(mempool2_alloc_preallocated(&run.fx->pool), err);
	return true;
}

static bool op_noreserve(const struct op *op)
{
	int err = contract_alloc_noreserve(&run.model, op_gfp(op));

	if (!may_hold(1))
		return false;
	masks_are(op_gfp(op), THIS_MASK);
	line_or_null(err, "mempool2_alloc_noreserve", op_gfp_name(op));
	expect_element(mempool2_alloc_noreserve(&run.fx->pool, op_gfp(op)), err);
	return true;
}

static bool op_bulk(const struct op *op)
{
	int i, held_before = run.nr_held;
	void **elems = run.held + run.nr_held;

	if (op->nr > run.model.min_nr || !may_hold(op->nr))
		return false;
	run.model.requests[ITSELF].count = 0;
	if (contract_alloc_bulk(&run.model, op->nr) == SLEEPS)
		return false;
	/* The check NESTED reports a task that holds an element and waits, if only for a moment. */
	if (run.model.requests[ITSELF].count && held_before)
		return false;
	masks_are(GFP_KERNEL, MASK_OF_ALLOC);
	line("err = mempool2_alloc_bulk(&fx->pool, fx->held + fx->nr_held, %d);", op->nr);
	line_err(0);
	line("fx->nr_held += %d;", op->nr);
	memset(elems, 0, op->nr * sizeof(*elems));
	sleep_begin();
	expect(mempool2_alloc_bulk(&run.fx->pool, elems, op->nr), 0);
	sleep_end();
	for (i = 0; i < op->nr; i++) {
		if (!elems[i])
			expect(i, op->nr);
		else
			hold(elems[i]);
	}
	return true;
}

static bool op_free(const struct op *op)
{
	void *element = run.held[0];
	int nr_frees = run.model.nr_frees;

	if (!run.nr_held)
		return false;
	contract_free(&run.model);
	if (run.lies && run.model.nr_frees != nr_frees) {
		run.model.nr_frees--;
		run.model.nr_live++;
	}
	line("fixture_put(fx);");
	disclaim(element);
	let_go(1);
	mempool2_free(element, &run.fx->pool);
	return true;
}

static bool op_free_foreign(const struct op *op)
{
	void *element;

	if (run.are_equal)
		return false;
	run.model.nr_live++;
	run.model.nr_held++;
	contract_free(&run.model);
	line("mempool2_free(fixture_foreign(fx), &fx->pool);");
	element = fixture_foreign(run.fx);
	mempool2_free(element, &run.fx->pool);
	return true;
}

static bool op_free_bulk(const struct op *op)
{
	int i, taken, nr = min_t(int, op->nr, run.nr_held);

	taken = contract_free_bulk(&run.model, nr);
	line("KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, fx->held, %d), %du);", nr,
	     taken);
	line("fx->nr_held -= %d;", taken);
	line("memmove(fx->held, fx->held + %d, fx->nr_held * sizeof(void *));", taken);
	for (i = 0; i < nr; i++)
		disclaim(run.held[i]);
	expect(mempool2_free_bulk(&run.fx->pool, run.held, nr), taken);
	for (i = run.is; i < nr; i++)
		claim(run.held[i]);
	let_go(run.is);
	return true;
}

/* On PREEMPT_RT callbacks run in a thread, beside this one, so what they free comes at any time. */
static bool op_frees(const struct op *op)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) && op->flags & OP_FREES;
}

static const char *callback_name(const struct op *op)
{
	return op_frees(op) ? "gives_back" : "keeps";
}

static struct request *request_begin(const struct op *op, int count)
{
	struct request *request = &run.requests[op->index];

	/* Not while it is in use. */
	if (!run.model.requests[op->index].is_pending) {
		mempool2_waiter_init(&request->waiter, request_callback);
		line("mempool2_waiter_init(&waiters[%d], %s);", op->index, callback_name(op));
	}
	masks_are(op_gfp(op), MASK_OF_ALLOC);
	return request;
}

static bool op_request(const struct op *op)
{
	struct contract_request *before = &run.model.requests[op->index];
	bool is_pending = before->is_pending;
	struct request *request;
	void *element;
	long err;
	int should_be;

	if (!may_hold(1))
		return false;
	request = request_begin(op, 1);
	if (!is_pending) {
		request->count = 1;
		request->frees = op_frees(op);
	}
	should_be = contract_alloc_async(&run.model, op_gfp(op), op->index, op_frees(op));
	line("element = mempool2_alloc_async(&fx->pool, %s, &waiters[%d]);", op_gfp_name(op),
	     op->index);
	if (should_be)
		line("KUNIT_EXPECT_EQ(test, PTR_ERR(element), %dL);", should_be);
	else
		line("fixture_hold(fx, element);");
	element = mempool2_alloc_async(&run.fx->pool, op_gfp(op), &request->waiter);
	err = PTR_ERR_OR_ZERO(element);
	if (!err && element)
		hold(element);
	expect(err, should_be);
	return true;
}

static bool op_request_bulk(const struct op *op)
{
	bool is_pending = run.model.requests[op->index].is_pending;
	struct request *request;
	int should_be, i;

	if (op->nr > run.model.min_nr || !may_hold(op->nr))
		return false;
	request = request_begin(op, op->nr);
	if (!is_pending) {
		request->count = op->nr;
		request->frees = op_frees(op);
		memset(request->elems, 0, sizeof(request->elems));
	}
	should_be = contract_alloc_bulk_async(&run.model, op_gfp(op), op->nr, op->index,
					      op_frees(op));
	line("err = mempool2_alloc_bulk_async(&fx->pool, %s, elems[%d], %d, &waiters[%d]);",
	     op_gfp_name(op), op->index, op->nr, op->index);
	line_err(should_be);
	expect(mempool2_alloc_bulk_async(&run.fx->pool, op_gfp(op), request->elems, op->nr,
					 &request->waiter), should_be);
	for (i = 0; i < op->nr && !run.is; i++) {
		if (!request->elems[i])
			expect(i, op->nr);
		else
			hold(request->elems[i]);
	}
	return true;
}

static bool op_cancel(const struct op *op)
{
	struct mempool2_waiter *waiter = &run.requests[op->index].waiter;
	bool should_be = contract_cancel(&run.model, op->index);

	line("KUNIT_EXPECT_EQ(test, mempool2_cancel%s(&waiters[%d]), %s);",
	     op->flags & OP_SYNC ? "_sync" : "", op->index, should_be ? "true" : "false");
	expect(op->flags & OP_SYNC ? mempool2_cancel_sync(waiter) : mempool2_cancel(waiter),
	       should_be);
	return true;
}

static void entry_remove(int nr)
{
	struct entry *entry = &run.entries[nr];

	if (!entry->is_queued)
		return;
	entry->is_queued = false;
	remove_wait_queue(&run.fx->pool.wait, &entry->entry);
}

static bool op_entry(const struct op *op)
{
	int nr = op->index % NR_ENTRIES;
	struct entry *entry = &run.entries[nr];
	bool at_end = op->flags & OP_AT_END;

	if (entry->is_queued) {
		contract_remove_entry(&run.model, nr);
		line("remove_wait_queue(&fx->pool.wait, &entries[%d]);", nr);
		entry_remove(nr);
		return true;
	}
	contract_add_entry(&run.model, nr, at_end);
	init_waitqueue_func_entry(&entry->entry, entry_woken);
	line("add_wait_queue%s(&fx->pool.wait, &entries[%d]);", at_end ? "_exclusive" : "", nr);
	if (at_end)
		add_wait_queue_exclusive(&run.fx->pool.wait, &entry->entry);
	else
		add_wait_queue(&run.fx->pool.wait, &entry->entry);
	entry->is_queued = true;
	return true;
}

static bool op_memory(const struct op *op)
{
	struct source *src = &run.fx->src;

	if (op->flags & OP_AT_END) {
		line("source_recover(&fx->src);");
		source_recover(src);
		run.model.budget = INT_MAX;
		run.model.to_fail = 0;
	} else if (op->flags & OP_SYNC) {
		line("source_fail_next(&fx->src, %d);", op->nr);
		source_fail_next(src, op->nr);
		run.model.budget = INT_MAX;
		run.model.to_fail = op->nr;
	} else {
		line("source_allow(&fx->src, %d);", op->nr);
		source_allow(src, op->nr);
		run.model.budget = op->nr;
	}
	return true;
}

static bool expect_debugging(int err)
{
	expect(err, IS_ENABLED(CONFIG_MEMPOOL2_DEBUG) ? 0 : -EOPNOTSUPP);
	return !err;
}

static bool op_inject(const struct op *op)
{
	bool on = op->flags & OP_SYNC;

	line("mempool2_set_fail_interval(&fx->pool, %d);", on);
	if (expect_debugging(mempool2_set_fail_interval(&run.fx->pool, on)))
		run.model.injects = on;
	return true;
}

static bool op_stats(const struct op *op)
{
	bool on = !(op->flags & OP_SYNC);

	line("mempool2_enable_stats(&fx->pool, %s);", on ? "true" : "false");
	if (expect_debugging(mempool2_enable_stats(&run.fx->pool, on)))
		contract_enable_stats(&run.model, on);
	return true;
}

static bool op_checks(const struct op *op)
{
	line("mempool2_set_checks(&fx->pool, 0x%x);", op->nr);
	expect_debugging(mempool2_set_checks(&run.fx->pool, op->nr));
	return true;
}

static bool op_limit(const struct op *op)
{
	if (op->nr && op->nr < run.model.min_nr)
		return false;
	masks_are(0, ANY_MASK);
	line("mempool2_set_limit(&fx->pool, %d);", op->nr);
	expect(mempool2_set_limit(&run.fx->pool, op->nr), contract_set_limit(&run.model, op->nr));
	return true;
}

static bool op_refill(const struct op *op)
{
	int should_be = contract_refill(&run.model);

	masks_are(op_gfp(op), THIS_MASK);
	line("KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, %s), %d);", op_gfp_name(op),
	     should_be);
	expect(mempool2_refill(&run.fx->pool, op_gfp(op)), should_be);
	return true;
}

/*
 * Without memory a pool shrinks in place, and puts elements back into the part that it keeps. How
 * many depends on where they were.
 */
static void refills_are_known(const struct op *op)
{
	u64 *refills = &run.model.stats.refills;
	struct mempool2_stats stats;

	if (op_has_memory(op) || !run.model.counts ||
	    mempool2_get_stats(&run.fx->pool, &stats))
		return;
	*refills = max(stats.refills, *refills);
}

static bool op_resize(const struct op *op)
{
	int should_be = contract_resize(&run.model, op->nr, op_has_memory(op));

	masks_are(GFP_KERNEL, THIS_MASK);
	begin_without_memory(op);
	line("KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, %d), %d);", op->nr, should_be);
	expect(mempool2_resize(&run.fx->pool, op->nr), should_be);
	end_without_memory(op);
	refills_are_known(op);
	return true;
}

static bool op_init(const struct op *op)
{
	int should_be = contract_init(&run.model, op->nr, op_has_memory(op));
	gfp_t gfp = op_gfp(op) | __GFP_NOWARN;
	struct fixture *fx = run.fx;

	masks_are(gfp, THIS_MASK);
	begin_without_memory(op);
	line("err = mempool2_init_node(&fx->pool, %d, source_alloc, source_free,", op->nr);
	line("\t\t\t &fx->src, %s | __GFP_NOWARN, NUMA_NO_NODE);", op_gfp_name(op));
	line_err(should_be);
	if (op->flags & OP_COPY) {
		line("/* A copy of the pool is used. */");
		expect(mempool2_init_node(&fx->spare, op->nr, model_alloc, model_free, &fx->src,
					  gfp, NUMA_NO_NODE), should_be);
		fx->pool = fx->spare;
		init_waitqueue_head(&fx->pool.wait);
		memset(&fx->spare, 0, sizeof(fx->spare));
	} else {
		expect(mempool2_init_node(&fx->pool, op->nr, model_alloc, model_free, &fx->src,
					  gfp, NUMA_NO_NODE), should_be);
	}
	end_without_memory(op);
	return true;
}

static bool op_exit(const struct op *op)
{
	contract_exit(&run.model);
	line("mempool2_exit(&fx->pool);");
	mempool2_exit(&run.fx->pool);
	return true;
}

/*
 * Steps
 */

static bool differs(const char *what, long is, long should_be)
{
	if (is == should_be)
		return false;
	run.what = what;
	run.is = is;
	run.should_be = should_be;
	return true;
}

/* Callbacks have come in the order of the queue. On PREEMPT_RT those of a step may overtake. */
static bool callbacks_differ(void)
{
	const struct contract *model = &run.model;
	unsigned long is = 0, should_be = 0;
	int i;

	callbacks_come(model->nr_called);
	if (differs("nr_callbacks", run.nr_called, model->nr_called))
		return true;
	for (i = 0; i < model->nr_called; i++) {
		if (!IS_ENABLED(CONFIG_PREEMPT_RT) &&
		    differs("request that was called", run.called[i], model->called[i]))
			return true;
		is |= BIT(run.called[i]);
		should_be |= BIT(model->called[i]);
	}
	return differs("requests that were called", is, should_be);
}

/* Take over what the callbacks of this step have kept. */
static void callbacks_end(void)
{
	struct request *request;
	int i, j;

	for (i = 0; i < run.nr_called; i++) {
		request = &run.requests[run.called[i]];
		for (j = 0; j < request->count && !request->frees; j++)
			hold(request->got[j]);
	}
}

static bool stats_differ(void)
{
	const struct mempool2_stats *should_be = &run.model.stats;
	struct mempool2_stats stats;

	if (!run.model.had_stats)
		return false;
	if (differs("mempool2_get_stats(&fx->pool, &stats)",
		    mempool2_get_stats(&run.fx->pool, &stats), 0))
		return true;
	return differs("stats.reserve_allocs", stats.reserve_allocs, should_be->reserve_allocs) ||
	       differs("stats.refills", stats.refills, should_be->refills) ||
	       differs("stats.waits", stats.waits, should_be->waits) ||
	       differs("stats.handovers", stats.handovers, should_be->handovers) ||
	       differs("stats.failed", stats.failed, should_be->failed) ||
	       differs("stats.resizes", stats.resizes, should_be->resizes);
}

static bool pool_differs(void)
{
	const struct contract *model = &run.model;
	const struct mempool2 *pool = &run.fx->pool;
	int i;

	if (differs("mempool2_initialized(&fx->pool)", mempool2_initialized(pool),
		    model->is_initialized))
		return true;
	if (!model->is_initialized)
		return false;
	for (i = 0; i < NR_ENTRIES; i++)
		if (differs("times that an entry was woken", run.entries[i].nr_wakes,
			    model->nr_wakes[i]))
			return true;
	return differs("fx->pool.min_nr", pool->min_nr, model->min_nr) ||
	       differs("mempool2_nr_reserved(&fx->pool)", mempool2_nr_reserved(pool),
		       model->nr_reserved) ||
	       differs("mempool2_is_saturated(&fx->pool)", mempool2_is_saturated(pool),
		       model->nr_reserved >= model->min_nr) ||
	       differs("nr_waiters(&fx->pool)", nr_waiters(pool), model->nr_waiters) ||
	       stats_differ();
}

static bool source_differs(void)
{
	struct source *src = &run.fx->src;

	return differs("calls of the alloc function", run.nr_allocs, run.model.nr_allocs) ||
	       differs("atomic_read(&fx->src.nr_frees)", atomic_read(&src->nr_frees),
		       run.model.nr_frees) ||
	       differs("atomic_read(&fx->src.nr_live)",
		       atomic_read(&src->nr_live) - run.live_before, run.model.nr_live) ||
	       differs("wrong masks", run.nr_wrong_masks, 0) ||
	       differs("elements with two owners", atomic_read(&src->nr_irregular) -
		       run.irregular_before, 0) ||
	       differs("lines in the kernel's log", nr_said() - run.said_before, 0);
}

/*
 * Make a call, or leave it out if it cannot be made now. Returns false if the pool is not as the
 * model then.
 */
static bool step(bool (*call)(const struct op *op), const struct op *op)
{
	struct contract before = run.model;

	run.nr_called = 0;
	run.model.nr_called = 0;
	run.is = 0;
	run.should_be = 0;
	if (!call(op)) {
		run.model = before;
		return true;
	}
	run.nr_steps++;
	run.what = "what it returned";
	if (run.is != run.should_be || differs("calls that sleep", run.is_rescued, false) ||
	    callbacks_differ())
		return false;
	callbacks_end();
	return !differs("elements that the caller has", run.nr_held, run.model.nr_held) &&
	       !source_differs() && !pool_differs();
}

static bool step_simple(enum op_kind kind, int index);

/* Without requests and elements: what an exit and the end of a sequence need. */
static bool all_comes_back(void)
{
	int i;

	for (i = 0; i < NR_REQUESTS; i++)
		if (run.model.requests[i].is_pending && !step_simple(OP_CANCEL, i))
			return false;
	while (run.nr_held)
		if (!step_simple(OP_FREE, 0))
			return false;
	for (i = 0; i < NR_ENTRIES; i++)
		if (run.entries[i].is_queued && !step_simple(OP_ENTRY, i))
			return false;
	return step(op_exit, NULL);
}

/* Until it succeeds: there is memory the second or the third time. */
static bool init_again(const struct op *op)
{
	static const struct op memory = { .flags = OP_AT_END };
	struct op again = *op;

	while (!run.model.is_initialized) {
		if (!step(op_init, &again))
			return false;
		again.flags &= ~OP_NO_MEMORY;
		if (!run.model.is_initialized && !step(op_memory, &memory))
			return false;
	}
	return true;
}

static bool step_op(const struct op *op)
{
	static bool (* const calls[NR_OPS])(const struct op *op) = {
		[OP_ALLOC]		= op_alloc,
		[OP_KILLABLE]		= op_killable,
		[OP_AT_ONCE]		= op_at_once,
		[OP_PREALLOCATED]	= op_preallocated,
		[OP_NORESERVE]		= op_noreserve,
		[OP_BULK]		= op_bulk,
		[OP_FREE]		= op_free,
		[OP_FREE_FOREIGN]	= op_free_foreign,
		[OP_FREE_BULK]		= op_free_bulk,
		[OP_REQUEST]		= op_request,
		[OP_REQUEST_BULK]	= op_request_bulk,
		[OP_CANCEL]		= op_cancel,
		[OP_ENTRY]		= op_entry,
		[OP_MEMORY]		= op_memory,
		[OP_INJECT]		= op_inject,
		[OP_REFILL]		= op_refill,
		[OP_RESIZE]		= op_resize,
		[OP_LIMIT]		= op_limit,
		[OP_STATS]		= op_stats,
		[OP_CHECKS]		= op_checks,
	};

	if (op->kind == OP_EXIT)
		return all_comes_back() && init_again(op);
	return step(calls[op->kind], op);
}

static bool step_simple(enum op_kind kind, int index)
{
	const struct op op = { .kind = kind, .index = index };

	return step_op(&op);
}

/* Begin with no pool, no requests and all memory. */
static void run_begin(const struct sequence *sequence)
{
	struct source *src = &run.fx->src;
	int i;

	memset(&run.model, 0, sizeof(run.model));
	run.model.budget = INT_MAX;
	run.model.fail_at = sequence->fail_at;
	source_recover(src);
	source_forget(src);
	run.fail_at = sequence->fail_at;
	run.nr_allocs = 0;
	run.is_rescued = false;
	run.are_equal = sequence->are_equal;
	run.nr_equal = 0;
	run.nr_wrong_masks = 0;
	run.live_before = atomic_read(&src->nr_live);
	run.irregular_before = atomic_read(&src->nr_irregular);
	run.said_before = nr_said();
	run.nr_held = 0;
	run.what = NULL;
	for (i = 0; i < NR_ENTRIES; i++)
		run.entries[i].nr_wakes = 0;
}

/* After a difference, which must not keep the next run from beginning, and at the end of a case. */
static void run_end(void)
{
	struct mempool2 *pool = &run.fx->pool;
	int i;

	for (i = 0; i < NR_ENTRIES; i++)
		entry_remove(i);
	for (i = 0; i < NR_REQUESTS; i++)
		mempool2_cancel_sync(&run.requests[i].waiter);
	if (!mempool2_initialized(pool))
		return;
	while (run.nr_held) {
		disclaim(run.held[0]);
		mempool2_free(run.held[0], pool);
		let_go(1);
	}
	mempool2_exit(pool);
}

/* Does the pool behave as the model? If not, run.what says where it does not. */
static bool run_sequence(const struct sequence *sequence)
{
	const struct op init = { .nr = sequence->min_nr, .flags = ARRAY_SIZE(masks) - 1 };
	bool is_right;
	int i;

	run_begin(sequence);
	is_right = init_again(&init);
	for (i = 0; is_right && i < sequence->nr_ops; i++)
		is_right = step_op(&sequence->ops[i]);
	is_right = is_right && all_comes_back();
	if (is_right)
		return true;
	line("/* Differs: %s: it is %ld and should be %ld. */", run.what, run.is, run.should_be);
	run_end();
	return false;
}

/*
 * Sequences that show a difference
 */

/*
 * A thread that calls the alloc function for requests charges the limit for a moment, and a call
 * in this moment may see that. So a difference counts if it comes each time.
 */
#define NR_TRIES	4

static bool fails_always(const struct sequence *sequence)
{
	int i;

	for (i = 0; i < NR_TRIES; i++)
		if (run_sequence(sequence))
			return false;
	return true;
}

static struct sequence shorter;

static bool shorter_fails(struct sequence *sequence)
{
	if (!fails_always(&shorter))
		return false;
	*sequence = shorter;
	return true;
}

/* Leave out @nr calls. */
static bool cut(struct sequence *sequence, int from, int nr)
{
	shorter = *sequence;
	shorter.nr_ops -= nr;
	memmove(&shorter.ops[from], &shorter.ops[from + nr],
		(shorter.nr_ops - from) * sizeof(struct op));
	return shorter_fails(sequence);
}

/* Make a call simpler. */
static bool simplify(struct sequence *sequence, int at)
{
	struct op *op = &shorter.ops[at];
	bool any = false;
	int bit, nr;

	for (bit = 1; bit < 0x100; bit <<= 1) {
		shorter = *sequence;
		if (op->flags & bit) {
			op->flags &= ~bit;
			any |= shorter_fails(sequence);
		}
	}
	for (nr = 0; nr < sequence->ops[at].nr; nr = nr ? nr * 2 : 1) {
		shorter = *sequence;
		op->nr -= nr ? min_t(int, nr, op->nr) : op->nr;
		if (shorter_fails(sequence)) {
			any = true;
			nr = 0;
		}
	}
	shorter = *sequence;
	if (op->index) {
		op->index = 0;
		any |= shorter_fails(sequence);
	}
	shorter = *sequence;
	if (op->kind != OP_ALLOC) {
		op->kind = OP_ALLOC;
		any |= shorter_fails(sequence);
	}
	return any;
}

static bool simplify_pool(struct sequence *sequence)
{
	bool any = false;

	for (; sequence->min_nr; any = true) {
		shorter = *sequence;
		shorter.min_nr--;
		if (!shorter_fails(sequence))
			break;
	}
	shorter = *sequence;
	if (shorter.fail_at) {
		shorter.fail_at = 0;
		any |= shorter_fails(sequence);
	}
	shorter = *sequence;
	if (shorter.are_equal) {
		shorter.are_equal = false;
		any |= shorter_fails(sequence);
	}
	return any;
}

/* Make a sequence as short as possible: first without whole parts, then without single calls. */
static void shrink(struct sequence *sequence)
{
	struct patience patience = patience_of(8 * HZ);
	int nr, i;
	bool any;

	do {
		any = false;
		for (nr = sequence->nr_ops; nr; nr /= 2)
			for (i = 0; i + nr <= sequence->nr_ops && patience_lasts(&patience);)
				if (cut(sequence, i, nr))
					any = true;
				else
					i += nr;
		for (i = 0; i < sequence->nr_ops && patience_lasts(&patience); i++)
			any |= simplify(sequence, i);
		any |= simplify_pool(sequence);
	} while (any && patience_lasts(&patience));
}

static bool has(const struct sequence *sequence, enum op_kind kind)
{
	int i;

	for (i = 0; i < sequence->nr_ops && sequence->ops[i].kind != kind; i++)
		;
	return i < sequence->nr_ops;
}

static void print(const struct sequence *sequence)
{
	kunit_err(run.test, "seed %llu, %d calls. keeps() holds the elements, gives_back() frees them:",
		  sequence->seed, sequence->nr_ops);
	if (has(sequence, OP_REQUEST) || has(sequence, OP_REQUEST_BULK)) {
		line("static struct mempool2_waiter waiters[%d];", NR_REQUESTS);
		line("static void *elems[%d][%d];", NR_REQUESTS, MOST_AT_ONCE);
		line("fx->src.only_for = current;");
	}
	if (has(sequence, OP_ENTRY))
		line("static struct wait_queue_entry entries[%d];", NR_ENTRIES);
	if (sequence->are_equal)
		line("/* All elements are equal. */");
	if (sequence->fail_at)
		line("/* Call %d of the alloc function fails. */", sequence->fail_at);
	run_sequence(sequence);
}

/* Returns false if the pool is not as the model; *@sequence is then as short as possible. */
static bool holds(struct sequence *sequence)
{
	if (run_sequence(sequence))
		return true;
	kunit_info(run.test, "seed %llu: %s is %ld and should be %ld", sequence->seed, run.what,
		   run.is, run.should_be);
	run.nr_reruns++;
	if (!fails_always(sequence))
		return true;
	run.patience = HZ / 10;
	shrink(sequence);
	run.patience = TIMEOUT;
	return false;
}

static bool expect_holds(struct sequence *sequence)
{
	if (holds(sequence))
		return true;
	run.prints = true;
	print(sequence);
	run.prints = false;
	KUNIT_FAIL(run.test, "the pool differs from the model, see above");
	return false;
}

/* Promises 1 to 5, 7 to 10 and 13 to 17, and 26: random sequences of calls */

/* The cases share the steps; this is for one parameter of one of them. */
#define NR_CASES	2

static unsigned int steps_here(void)
{
	return DIV_ROUND_UP(model_steps, NR_CASES * (ARRAY_SIZE(profiles) +
						     ARRAY_SIZE(profiles_with_features)));
}

static struct sequence sequence;

static void calls_do(struct kunit *test)
{
	const struct profile *profile = test->param_value;
	u64 seed = model_seed;

	do
		sequence_make(&sequence, profile, seed++);
	while (expect_holds(&sequence) && run.nr_steps < steps_here());
	kunit_info(test, "%u calls, seeds %llu to %llu, %u run again\n", run.nr_steps, model_seed,
		   seed - 1, run.nr_reruns);
}

static void calls_do_what_the_contract_says(struct kunit *test)
{
	calls_do(test);
}

static void calls_with_features_do_what_the_contract_says(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, suite_patches_no_code(NULL), 0);
	calls_do(test);
}

/* Short ones, and small pools: each is run as often as it calls the alloc function. */
static void each_call_fails(struct kunit *test)
{
	struct profile profile = *(const struct profile *)test->param_value;
	u64 seed = model_seed;
	bool holds;
	int nr;

	profile.max_nr = min(profile.max_nr, 12);
	do {
		sequence_make(&sequence, &profile, seed++);
		sequence.nr_ops = min(sequence.nr_ops, 20);
		holds = expect_holds(&sequence);
		nr = run.nr_allocs;
		while (holds && sequence.fail_at < nr) {
			sequence.fail_at++;
			holds = expect_holds(&sequence);
		}
	} while (holds && run.nr_steps < steps_here());
	kunit_info(test, "%u calls, seeds %llu to %llu, %u run again\n", run.nr_steps, model_seed,
		   seed - 1, run.nr_reruns);
}

static void each_call_of_alloc_fn_may_fail(struct kunit *test)
{
	each_call_fails(test);
}

static void each_call_of_alloc_fn_may_fail_with_features(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, suite_patches_no_code(NULL), 0);
	each_call_fails(test);
}

/* Can the comparison fail? The wrong model forgets that a full reserve takes no element. */
static void wrong_model_is_noticed_in_one_call(struct kunit *test)
{
	u64 seed = model_seed;

	run.lies = true;
	do
		sequence_make(&sequence, &profiles[0], seed++);
	while (holds(&sequence));
	run.lies = false;
	/* It gets an element besides the reserve, and the end of the sequence frees it. */
	KUNIT_EXPECT_EQ(test, sequence.nr_ops, 1);
	KUNIT_EXPECT_EQ(test, sequence.ops[0].kind, OP_ALLOC);
	KUNIT_EXPECT_EQ(test, sequence.min_nr, 0);
	KUNIT_EXPECT_TRUE(test, run_sequence(&sequence));
}

static int model_init(struct kunit *test)
{
	int err = fixture_init(test);

	if (err)
		return err;
	memset(&run, 0, sizeof(run));
	run.test = test;
	run.fx = test->priv;
	run.task = current;
	run.patience = TIMEOUT;
	expedite_grace_periods();
	return 0;
}

static void model_exit(struct kunit *test)
{
	if (test->priv) {
		run_end();
		unexpedite_grace_periods();
	}
	fixture_exit(test);
}

static struct kunit_case model_cases[] = {
	KUNIT_CASE_PARAM(calls_do_what_the_contract_says, profile_gen_params),
	KUNIT_CASE_PARAM(each_call_of_alloc_fn_may_fail, profile_gen_params),
	KUNIT_CASE(wrong_model_is_noticed_in_one_call),
	KUNIT_CASE_PARAM(calls_with_features_do_what_the_contract_says,
			 profile_with_features_gen_params),
	KUNIT_CASE_PARAM(each_call_of_alloc_fn_may_fail_with_features,
			 profile_with_features_gen_params),
	{}
};

static struct kunit_suite model_suite = {
	.name = "mempool2_model",
	.suite_exit = suite_patches_code,
	.init = model_init,
	.exit = model_exit,
	.test_cases = model_cases,
};

kunit_test_suite(model_suite);
