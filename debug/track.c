// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records: the last owner of each element, and the stack of the allocation
 *
 * mp2_debug_alloc() and mp2_debug_free() are here as well, so that the records are inlined into
 * them: checks must stay cheap enough to leave on (make bench-guard, "checked").
 */
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "priv.h"
#include "trace.h"

/*
 * Stacks
 */

static bool depot_is_ready;

void mp2_depot_prepare(void)
{
	if (!depot_is_ready)
		WRITE_ONCE(depot_is_ready, !mempool2_depot_init());
}

/*
 * Is this the cached stack? An unwind takes a thousand instructions and more, and most callers
 * come along the same path again and again. A return address determines the size of its frame,
 * so the stacks are equal if they begin at the same address and all return addresses are in
 * place.
 */
static __no_sanitize_address bool stack_matches(const struct mempool2_stack *stack,
						const unsigned long *frame)
{
	typeof(&stack->entries[0]) entry = stack->entries, end = entry + stack->nr;

	if (stack->frame != frame)
		return false;
	for (; entry != end; entry++)
		if (frame[entry->at] != entry->address)
			return false;
	return true;
}

/* Cache where the return addresses are, if all of them are on the stack of the task. */
static __no_sanitize_address void stack_cache(struct mempool2_stack *stack,
					      const unsigned long *frame,
					      const unsigned long *entries)
{
	const unsigned long *end = task_stack_page(current) + THREAD_SIZE, *word = frame;
	unsigned int i;

	stack->frame = NULL;
	if (!object_is_on_stack(frame))
		return;
	for (i = 0; i < stack->nr; i++, word++) {
		while (word < end && *word != entries[i])
			word++;
		if (word == end)
			return;
		stack->entries[i].address = entries[i];
		stack->entries[i].at = word - frame;
	}
	stack->frame = stack->nr ? frame : NULL;
}

/*
 * Save the stack from the caller of a function on, which has the frame @frame and returns to
 * @from. Returns the depot handle, or 0 if the depot has no memory.
 */
noinline u32 mp2_stack_save(struct mempool2_stack *stack, const unsigned long *frame,
			    unsigned long from)
{
	unsigned long entries[STACK_DEPTH + 4];
	unsigned int nr, first;

	if (!READ_ONCE(depot_is_ready))
		return 0;
	nr = mempool2_stack_save(entries, ARRAY_SIZE(entries), 0);
	for (first = 0; first < nr && entries[first] != from; first++)
		;
	/* The unwinder did not find @from: keep what it found. */
	if (first == nr)
		first = 0;
	stack->nr = min_t(unsigned int, nr - first, STACK_DEPTH);
	stack->handle = mempool2_depot_save(entries + first, stack->nr,
					    GFP_NOWAIT | __GFP_NOWARN,
					    can_alloc_stack());
	stack_cache(stack, frame, entries + first);
	return stack->handle;
}

void mp2_stack_print(u32 stack)
{
	if (stack)
		mempool2_depot_print(stack);
	else
		report_line(" (the stack is not known)\n");
}

void mp2_stack_show(struct seq_file *file, u32 stack)
{
	unsigned long *entries;
	unsigned int nr, i;

	nr = stack ? mempool2_depot_fetch(stack, &entries) : 0;
	for (i = 0; i < nr; i++)
		seq_printf(file, "    %pS\n", (void *)entries[i]);
}

/*
 * Records: one for each element that was in the reserve since FEATURE_RECORDS was switched on
 */

#define RECORDS_IN_CHUNK	32
/* kvmalloc() warns of a size above INT_MAX. */
#define RECORDS_MAX_BITS	27

struct mempool2_chunk {
	struct list_head	list;
	struct mempool2_record	records[RECORDS_IN_CHUNK];
};

/* Not hash_ptr(): on 32-bit CPUs the low bits of all its 32 are those of the address. */
static __always_inline unsigned int record_hash(const void *element)
{
	return (u64)(unsigned long)element * GOLDEN_RATIO_64 >> 32;
}

static __always_inline struct hlist_head *record_list(struct mempool2_ext *ext,
						      const void *element)
{
	return &ext->records[record_hash(element) & ext->records_mask];
}

/*
 * Elements have equal addresses, as tokens or memory of size 0 may have. An address does not
 * identify an element then, so records are useless. Called with ext->lock held.
 */
static void records_give_up(struct mempool2_ext *ext)
{
	ext->repeats = true;
	ext->records = NULL;
}

static void record_move(struct mempool2_ext *ext, struct mempool2_record *record)
{
	hlist_del(&record->node);
	hlist_add_head(&record->node, record_list(ext, record->element));
}

/* Move the record of @element if records_move() has not come to it. Returns false for none. */
static noinline bool record_move_early(struct mempool2_ext *ext, const void *element)
{
	struct hlist_head *list = &ext->old_table[record_hash(element) & ext->old_mask];
	struct mempool2_record *record;

	hlist_for_each_entry(record, list, node) {
		if (record->element == element) {
			record_move(ext, record);
			return true;
		}
	}
	return false;
}

/* Called with ext->lock held. */
static __always_inline struct mempool2_record *record_find(struct mempool2_ext *ext,
							   const void *element)
{
	struct mempool2_record *record;

	do {
		hlist_for_each_entry(record, record_list(ext, element), node)
			if (record->element == element)
				return record;
	} while (unlikely(ext->old_table) && record_move_early(ext, element));
	return NULL;
}

/* @record: from record_find(); a new one is used if it is %NULL. */
static __always_inline void record_set(struct mempool2_ext *ext,
				       struct mempool2_record *record, void *element,
				       bool is_parked, unsigned long from, u32 stack)
{
	if (unlikely(!record)) {
		if (hlist_empty(&ext->unused)) {
			WRITE_ONCE(ext->nr_missed, ext->nr_missed + 1);
			return;
		}
		ext->distinct |= ext->nr_used++ > 0;
		record = hlist_entry(ext->unused.first, struct mempool2_record, node);
		hlist_del(&record->node);
		record->element = element;
		hlist_add_head(&record->node, record_list(ext, element));
	}
	/* In an interrupt or a callback the current task has nothing to do with the element. */
	record->task = by_task() ? current : NULL;
	record->pid = task_pid_nr(current);
	memcpy(record->comm, current->comm, sizeof(record->comm));
	record->from = from;
	record->stack = stack;
	record->since = jiffies;
	record->is_parked = is_parked;
	record->is_bare = false;
}

static void record_drop(struct mempool2_ext *ext, struct mempool2_record *record)
{
	hlist_del(&record->node);
	hlist_add_head(&record->node, &ext->unused);
	ext->nr_used--;
}

/* Move all records from the old table to the new one, a batch at a time. */
static void records_move(struct mempool2_ext *ext)
{
	struct hlist_head *old = ext->old_table;
	unsigned int i = 0, nr;
	unsigned long flags;
	bool more;

	do {
		raw_spin_lock_irqsave(&ext->lock, flags);
		for (nr = 0; nr < BATCH; nr++) {
			more = ext->records && i <= ext->old_mask;
			if (!more)
				break;
			if (hlist_empty(&old[i])) {
				i++;
				continue;
			}
			record_move(ext, hlist_entry(old[i].first, struct mempool2_record, node));
		}
		if (!more)
			ext->old_table = NULL;
		raw_spin_unlock_irqrestore(&ext->lock, flags);
		cond_resched();
	} while (more);
	kvfree(old);
}

/* Replace the hash table, if there is one, by a larger one of @mask + 1 buckets. */
static int records_make_table(struct mempool2_ext *ext, unsigned int mask, gfp_t gfp)
{
	struct hlist_head *table;
	unsigned long flags;

	/* As in mp2_reserve_create(). */
	if (gfpflags_allow_blocking(gfp))
		table = kvcalloc(mask + 1UL, sizeof(*table), gfp | __GFP_NOWARN);
	else
		table = kcalloc(mask + 1UL, sizeof(*table), gfp | __GFP_NOWARN);
	if (!table)
		return -ENOMEM;
	raw_spin_lock_irqsave(&ext->lock, flags);
	ext->old_table = ext->table;
	ext->old_mask = ext->records_mask;
	ext->table = table;
	ext->repeats |= ext->elements.alike == ALIKE_SOME;
	ext->distinct |= ext->elements.alike == ALIKE_NOT_ALL;
	ext->records = ext->repeats ? NULL : table;
	ext->records_mask = mask;
	raw_spin_unlock_irqrestore(&ext->lock, flags);
	if (ext->old_table)
		records_move(ext);
	return 0;
}

/*
 * Allocate records for a reserve of @nr_slots elements: twice as many, as others may take the
 * place of elements in flight. A smaller reserve keeps the records of a larger one. Without memory
 * for a larger table there are no more records either: a bucket has few records, however large
 * the pool is, so that finding one takes no longer.
 */
int mp2_records_alloc(struct mempool2_ext *ext, unsigned int nr_slots, gfp_t gfp)
{
	unsigned int mask = (1U << clamp(ilog2(nr_slots) + 2, 4, RECORDS_MAX_BITS)) - 1, i;
	struct mempool2_chunk *chunk;
	unsigned long flags;

	if (ext->records_mask < mask && records_make_table(ext, mask, gfp))
		return -ENOMEM;
	while (ext->nr_records < 2 * nr_slots) {
		chunk = kmalloc(sizeof(*chunk), gfp);
		if (!chunk)
			return -ENOMEM;
		raw_spin_lock_irqsave(&ext->lock, flags);
		list_add(&chunk->list, &ext->chunks);
		for (i = 0; i < RECORDS_IN_CHUNK; i++)
			hlist_add_head(&chunk->records[i].node, &ext->unused);
		ext->nr_records += RECORDS_IN_CHUNK;
		raw_spin_unlock_irqrestore(&ext->lock, flags);
	}
	return 0;
}

/* Unlink the records before freeing them, as other CPUs may be looking at them. */
void mp2_records_free(struct mempool2_ext *ext)
{
	struct mempool2_chunk *chunk, *next;
	struct hlist_head *records;
	unsigned long flags;
	LIST_HEAD(chunks);

	raw_spin_lock_irqsave(&ext->lock, flags);
	list_splice_init(&ext->chunks, &chunks);
	INIT_HLIST_HEAD(&ext->unused);
	records = ext->table;
	ext->table = NULL;
	ext->records = NULL;
	ext->records_mask = 0;
	ext->nr_records = 0;
	ext->nr_used = 0;
	ext->distinct = false;
	WRITE_ONCE(ext->nr_missed, 0);
	raw_spin_unlock_irqrestore(&ext->lock, flags);

	list_for_each_entry_safe(chunk, next, &chunks, list)
		kfree(chunk);
	kvfree(records);
}

/* Copy from a batch of hash buckets and records, beginning with bucket *@i. */
static unsigned int records_copy_some(struct mempool2_ext *ext, unsigned int *i,
				      const struct task_struct *task,
				      struct mempool2_record *copies, unsigned int max)
{
	unsigned int nr = 0, nr_seen = 0;
	struct mempool2_record *record;

	for (; nr_seen < BATCH && *i <= ext->records_mask; (*i)++, nr_seen++) {
		hlist_for_each_entry(record, &ext->records[*i], node) {
			nr_seen++;
			if (nr < max && !record->is_parked && (!task || record->task == task))
				copies[nr++] = *record;
		}
	}
	return nr;
}

/*
 * Copy up to @max records of elements in flight, taken by @task or, if it is %NULL, by any
 * caller. The lock is held for a batch at a time, so as not to hold off allocations; in between
 * records may change or go, and those that records_move() has not come to are left out.
 */
unsigned int mp2_records_copy(struct mempool2_ext *ext, const struct task_struct *task,
			      struct mempool2_record *copies, unsigned int max)
{
	unsigned int nr = 0, i = 0;
	unsigned long flags;
	bool more;

	do {
		raw_spin_lock_irqsave(&ext->lock, flags);
		more = ext->records && i <= ext->records_mask;
		if (more)
			nr += records_copy_some(ext, &i, task, copies + nr, max - nr);
		raw_spin_unlock_irqrestore(&ext->lock, flags);
	} while (more && nr < max);
	return nr;
}

/* Copy the record of an element for a report, as other CPUs may change it. */
void mp2_record_copy(struct mempool2_ext *ext, const void *element,
		     struct mempool2_record *copy)
{
	struct mempool2_record *record;
	unsigned long flags;

	memset(copy, 0, sizeof(*copy));
	raw_spin_lock_irqsave(&ext->lock, flags);
	record = ext->records ? record_find(ext, element) : NULL;
	if (record)
		*copy = *record;
	raw_spin_unlock_irqrestore(&ext->lock, flags);
}

/* Is @element parked with poison, or about to be? */
bool mp2_record_has_poison(struct mempool2_ext *ext, const void *element)
{
	struct mempool2_record *record;
	unsigned long flags;
	bool has_poison;

	raw_spin_lock_irqsave(&ext->lock, flags);
	record = ext->records ? record_find(ext, element) : NULL;
	has_poison = record && record->is_parked && !record->is_bare;
	raw_spin_unlock_irqrestore(&ext->lock, flags);
	return has_poison;
}

/*
 * May elements have equal addresses? The slab and the page allocator return distinct addresses,
 * unless the size is 0.
 */
bool mp2_pool_may_repeat(const struct mempool2 *pool)
{
	if (pool->alloc == mempool2_kmalloc || pool->alloc == mempool2_kvmalloc)
		return !pool->pool_data;
	return pool->kind == MEMPOOL2_CUSTOM;
}

/* Is it memory from an allocator? */
static bool is_memory(const void *element)
{
	return is_vmalloc_addr(element) ||
	       (virt_addr_valid(element) && !PageReserved(virt_to_page(element)));
}

/*
 * The alloc function has returned @element, and no caller has it yet. A record for this address
 * thus belongs to another element, parked or in flight.
 */
void mp2_debug_track(struct mempool2 *pool, void *element)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_RECORDS);
	unsigned long flags;

	if (!ext || !mp2_pool_may_repeat(pool))
		return;
	raw_spin_lock_irqsave(&ext->lock, flags);
	if (ext->records && record_find(ext, element))
		records_give_up(ext);
	raw_spin_unlock_irqrestore(&ext->lock, flags);
}

/* A new pool has parked @element. */
void mp2_debug_filled(struct mempool2 *pool, void *element)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_RECORDS);
	struct mempool2_record *record;
	unsigned long flags;

	if (!ext)
		return;
	raw_spin_lock_irqsave(&ext->lock, flags);
	if (ext->records) {
		record = record_find(ext, element);
		if (record)
			records_give_up(ext);
		else
			record_set(ext, record, element, true, 0, 0);
	}
	raw_spin_unlock_irqrestore(&ext->lock, flags);
}

/*
 * A sweep has found @element. If a sweep found it before, and no caller freed it since, there
 * are two elements with this address. Called with ext->lock held.
 */
void mp2_record_swept(struct mempool2_ext *ext, void *element)
{
	struct mempool2_record *record;

	if (!ext->records)
		return;
	record = record_find(ext, element);
	if (record && record->is_parked && !record->from && ext->elements.alike != ALIKE_NEVER)
		records_give_up(ext);
	else
		record_set(ext, record, element, true, 0, 0);
}

/* Records of parked elements may be stale. The lock is held for a batch at a time. */
void mp2_records_drop_parked(struct mempool2_ext *ext)
{
	struct mempool2_record *record;
	struct hlist_node *next;
	unsigned int i = 0, nr;
	bool more;

	do {
		raw_spin_lock_irq(&ext->lock);
		for (nr = 0; nr < BATCH; nr++, i++) {
			more = ext->records && i <= ext->records_mask;
			if (!more)
				break;
			hlist_for_each_entry_safe(record, next, &ext->records[i], node) {
				nr++;
				if (record->is_parked)
					record_drop(ext, record);
			}
		}
		raw_spin_unlock_irq(&ext->lock);
		cond_resched();
	} while (more);
}

/*
 * Elements of instrumented pools
 */

/* Save a stack other than the cached one, and cache it. */
static noinline u32 stack_new(struct mempool2_ext *ext, const unsigned long *frame,
			      unsigned long from)
{
	struct mempool2_stack stack;
	unsigned long flags;
	u32 handle;

	handle = mp2_stack_save(&stack, frame, from);
	if (!handle)
		return 0;
	raw_spin_lock_irqsave(&ext->lock, flags);
	ext->stack = stack;
	raw_spin_unlock_irqrestore(&ext->lock, flags);
	return handle;
}

/* The caller has taken elements from the reserve. */
static __always_inline void records_taken(const struct mempool2 *pool,
					  struct mempool2_ext *ext, void **elems,
					  unsigned int nr, const unsigned long *frame,
					  unsigned long from)
{
	struct mempool2_record *record;
	unsigned long flags;
	unsigned int i;
	u32 stack;

	raw_spin_lock_irqsave(&ext->lock, flags);
	if (likely(stack_matches(&ext->stack, frame))) {
		stack = ext->stack.handle;
	} else {
		/* The stack depot may not allocate under the lock. */
		raw_spin_unlock_irqrestore(&ext->lock, flags);
		stack = stack_new(ext, frame, from);
		raw_spin_lock_irqsave(&ext->lock, flags);
	}
	for (i = 0; i < nr && ext->records; i++) {
		record = record_find(ext, elems[i]);
		/* It was in flight and was not put since: this is another element. */
		if (unlikely(record && !record->is_parked) && mp2_pool_may_repeat(pool)) {
			records_give_up(ext);
			break;
		}
		record_set(ext, record, elems[i], false, 0, stack);
	}
	raw_spin_unlock_irqrestore(&ext->lock, flags);
}

void mp2_debug_track_alloc(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_RECORDS);

	if (ext)
		records_taken(pool, ext, elems, nr, __builtin_frame_address(0), _RET_IP_);
}

/* The caller has taken elements without waiting. */
void mp2_debug_reserve_alloc(struct mempool2 *pool, void **elems, unsigned int nr,
			     unsigned long caller)
{
	trace_mempool2_reserve_alloc(pool, nr, caller);
	pool_stats_add(pool, reserve_allocs, nr);
	mp2_debug_track_alloc(pool, elems, nr);
}

/*
 * An element is freed that is parked according to its record. Either this is a double free, or
 * the element is another one with the same address: in flight since before there were records,
 * or not from the pool. The latter cannot be if elements are memory and not all of them are
 * equal: then each comes from an allocator, which returns distinct addresses.
 */
static noinline bool records_freed_twice(const struct mempool2 *pool, struct mempool2_ext *ext,
					 const void *element)
{
	if (mp2_pool_may_repeat(pool) && (!ext->distinct || !is_memory(element))) {
		records_give_up(ext);
		return false;
	}
	return READ_ONCE(ext->features) & FEATURE_CHECK_DOUBLE;
}

/* An element is freed. Returns false for a double free. */
static __always_inline bool records_freed(struct mempool2 *pool, struct mempool2_ext *ext,
					  void *element, unsigned long caller)
{
	struct mempool2_record *record;
	unsigned long flags;
	bool is_double = false;

	raw_spin_lock_irqsave(&ext->lock, flags);
	if (ext->records) {
		record = record_find(ext, element);
		if (unlikely(record && record->is_parked))
			is_double = records_freed_twice(pool, ext, element);
		else
			record_set(ext, record, element, true, caller, 0);
	}
	raw_spin_unlock_irqrestore(&ext->lock, flags);
	if (unlikely(is_double))
		mp2_report_double_free(pool, ext, element);
	return !is_double;
}

bool mp2_debug_track_free(struct mempool2 *pool, void *element, unsigned long caller)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_RECORDS);

	return !ext || records_freed(pool, ext, element, caller);
}

/* The pool may refuse an element of a bulk call, and must not have poisoned it then. */
bool mp2_debug_track_free_bulk(struct mempool2 *pool, void *element, unsigned long caller)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_RECORDS);
	struct mempool2_record *record;
	unsigned long flags;

	if (!ext)
		return true;
	if (!records_freed(pool, ext, element, caller))
		return false;
	raw_spin_lock_irqsave(&ext->lock, flags);
	record = ext->records ? record_find(ext, element) : NULL;
	if (record)
		record->is_bare = true;
	raw_spin_unlock_irqrestore(&ext->lock, flags);
	return true;
}

/* A call that lacks elements puts those back that it has taken. It has not told of them. */
void mp2_debug_put_back(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_RECORDS);
	unsigned long flags;
	unsigned int i;

	/* The elements may be many: lock for each. */
	for (i = 0; i < nr && ext; i++) {
		raw_spin_lock_irqsave(&ext->lock, flags);
		if (ext->records)
			record_set(ext, record_find(ext, elems[i]), elems[i], true, _RET_IP_, 0);
		raw_spin_unlock_irqrestore(&ext->lock, flags);
	}
}

/*
 * mp2_debug_alloc() and mp2_debug_free() do for instrumented pools what mempool2_alloc() and
 * mempool2_free() do inline for others: call the alloc function, and use the slot at the CPU's
 * hint. Open-coded, to be cheap.
 */
void *mp2_debug_alloc(struct mempool2 *pool, gfp_t gfp, int *entered, unsigned long caller)
{
	struct mempool2_ext *ext = pool_ext(pool);
	unsigned int features = ext_features(ext);
	struct mempool2_reserve *reserve;
	void *element = NULL;
	int state;

	if (unlikely(features & FEATURE_LIMIT)) {
		*entered = mp2_limit_charge(pool, 1);
		if (*entered < 0)
			return NULL;
	}
	if (!(features & FEATURE_FAILING) || !mp2_ext_should_fail(ext)) {
		element = __mempool2_backend_alloc(pool, pool->kind, gfp);
		if (element) {
			if (features & FEATURE_RECORDS)
				mp2_debug_track(pool, element);
			return element;
		}
	}

	rcu_read_lock_sched();
	/* Read both again: a switch, which may bring the ext, waits only for this section. */
	reserve = rcu_dereference_sched(pool->reserve);
	/* Pairs with mp2_ext_attach(), as in pool_ext(). */
	ext = smp_load_acquire(&reserve->ext);
	features = ext_features(ext);
	state = atomic_read(&pool->state);
	if ((state & FAST_TAKE_MASK) == MEMPOOL2_NOT_FULL)
		slot_take(reserve_hint_slot(reserve), &element);
	if (unlikely(atomic_read(&pool->state) != state))
		mp2_reserve_set_not_full(pool, NULL);
	if (element) {
		element_kasan_unpark(pool, element);
		if (features & FEATURE_CHECK_POISON)
			mp2_poison_check(pool, ext, element);
	}
	rcu_read_unlock_sched();
	if (!element)
		return NULL;

	pool_update_kmemleak(&element, 1);
	trace_mempool2_reserve_alloc(pool, 1, caller);
	if (features & FEATURE_STATS)
		stats_add(ext, reserve_allocs, 1);
	if (features & FEATURE_RECORDS)
		records_taken(pool, ext, &element, 1, __builtin_frame_address(0), _RET_IP_);
	return element;
}

/* Returns true if nothing is left to be done with the element. */
bool mp2_debug_free(struct mempool2 *pool, void *element, unsigned long caller)
{
	struct mempool2_reserve *reserve;
	struct mempool2_ext *ext;
	unsigned int features;

	rcu_read_lock_sched();
	reserve = rcu_dereference_sched(pool->reserve);
	/* Pairs with mp2_ext_attach(), as in pool_ext(). */
	ext = smp_load_acquire(&reserve->ext);
	features = ext_features(ext);
	if (features & FEATURE_RECORDS && !records_freed(pool, ext, element, caller)) {
		rcu_read_unlock_sched();
		return true;
	}
	if (unlikely(features & FEATURE_LIMIT))
		mp2_limit_freed(pool, 1);
	/* The caller hands the element to a waiter or to the free function. */
	if (!state_has_room(atomic_read(&pool->state))) {
		rcu_read_unlock_sched();
		return false;
	}
	if (features & FEATURE_POISON)
		mp2_poison_set(ext, element);
	/* KASAN has reported the bad free; leak the element rather than corrupt the pool. */
	if (unlikely(!element_kasan_park(pool, element))) {
		rcu_read_unlock_sched();
		return true;
	}
	if (!slot_put_here(reserve_hint_slot(reserve), element) &&
	    !mp2_reserve_put_one(pool, element)) {
		element_kasan_unpark(pool, element);
		rcu_read_unlock_sched();
		return false;
	}
	rcu_read_unlock_sched();
	trace_mempool2_refill(pool, 1);
	if (features & FEATURE_STATS)
		stats_add(ext, refills, 1);
	/* Last, as callbacks may destroy the pool. */
	pool_kick_waiters(pool);
	return true;
}

/* An element is about to go back to the backend. */
void mp2_debug_untrack(struct mempool2 *pool, void *element)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_RECORDS);
	struct mempool2_record *record;
	unsigned long flags;

	if (!ext)
		return;
	raw_spin_lock_irqsave(&ext->lock, flags);
	record = ext->records ? record_find(ext, element) : NULL;
	if (record)
		record_drop(ext, record);
	raw_spin_unlock_irqrestore(&ext->lock, flags);
}
