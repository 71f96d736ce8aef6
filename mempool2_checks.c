// SPDX-License-Identifier: GPL-2.0-only
/*
 * mempool2 - finding misuse: what is kept of elements, the checks and their reports
 *
 * A part of mempool2_inside.c, which includes it after mempool2_inside.c.
 */

/*
 * Stacks
 */

static bool depot_is_ready;

static void depot_prepare(void)
{
	if (!depot_is_ready)
		WRITE_ONCE(depot_is_ready, !mempool2_depot_init());
}

/*
 * Is this the stack that it was? To unwind one takes a thousand instructions and
 * more, and most callers come the same way again and again. The size of each frame
 * follows from the return address below it, so it is the same stack if it begins
 * at the same place and each return address is where it was.
 */
static __no_sanitize_address bool stack_is(const struct mempool2_stack *stack,
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

/* Remember where its return addresses are, if all of them are on the task's stack. */
static __no_sanitize_address void stack_learn(struct mempool2_stack *stack,
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
 * Who called the function that has this frame, and will return to @from: 0 if there
 * is no memory to keep it.
 */
static noinline u32 stack_save(struct mempool2_stack *stack, const unsigned long *frame,
			       unsigned long from)
{
	unsigned long entries[STACK_DEPTH + 4];
	unsigned int nr, first;

	if (!READ_ONCE(depot_is_ready))
		return 0;
	nr = mempool2_stack_save(entries, ARRAY_SIZE(entries), 0);
	for (first = 0; first < nr && entries[first] != from; first++)
		;
	/* A kernel that does not know its stacks so well. */
	if (first == nr)
		first = 0;
	stack->nr = min_t(unsigned int, nr - first, STACK_DEPTH);
	stack->handle = mempool2_depot_save(entries + first, stack->nr,
					    GFP_NOWAIT | __GFP_NOWARN,
					    memory_can_be_asked_for());
	stack_learn(stack, frame, entries + first);
	return stack->handle;
}

/* The stack of the calling function's caller, for those who come only once. */
#define stack_here()							\
	({								\
		struct mempool2_stack here;				\
									\
		stack_save(&here, __builtin_frame_address(0), _RET_IP_); \
	})

/* Without the module's name in front, as the sanitizers of the kernel do it. */
#define report_line(fmt, ...)	printk(KERN_ERR fmt, ##__VA_ARGS__)

static void stack_print(u32 stack)
{
	if (stack)
		mempool2_depot_print(stack);
	else
		report_line(" (the stack is not known)\n");
}

static void stack_show(struct seq_file *file, u32 stack)
{
	unsigned long *entries;
	unsigned int nr, i;

	nr = stack ? mempool2_depot_fetch(stack, &entries) : 0;
	for (i = 0; i < nr; i++)
		seq_printf(file, "    %pS\n", (void *)entries[i]);
}

/*
 * Records: one for each element that was in the reserve since records are on
 */

/**
 * struct mempool2_record - who had an element last
 *
 * @node: in a list of those with the same hash, or of unused ones
 * @element: the element
 * @task: who took it, or freed it; not to be looked into; %NULL for an interrupt
 * @pid: the same, or who was interrupted
 * @comm: the same
 * @from: the same, the caller
 * @stack: the same, its stack, if it was taken
 * @since: when, in jiffies
 * @rests: it was freed, and nobody has taken it since
 */
struct mempool2_record {
	struct hlist_node	node;
	void			*element;
	const struct task_struct *task;
	pid_t			pid;
	char			comm[TASK_COMM_LEN];
	unsigned long		from;
	unsigned long		since;
	u32			stack;
	bool			rests;
};

#define RECORDS_IN_CHUNK	32

struct mempool2_chunk {
	struct list_head	list;
	struct mempool2_record	records[RECORDS_IN_CHUNK];
};

static __always_inline struct hlist_head *record_list(struct mempool2_inside *inside,
						      const void *element)
{
	return &inside->records[hash_ptr(element, 32) & inside->records_mask];
}

/*
 * With the records' lock held: elements are equal, as permits are, or memory of no size. So an
 * address does not tell which one it is, and there are no records any more.
 */
static void records_give_up(struct mempool2_inside *inside)
{
	inside->repeats = true;
	inside->records = NULL;
}

/* With the records' lock held, or before they are in use. */
static __always_inline struct mempool2_record *record_find(struct mempool2_inside *inside,
							   const void *element)
{
	struct mempool2_record *record;

	hlist_for_each_entry(record, record_list(inside, element), node)
		if (record->element == element)
			return record;
	return NULL;
}

/* @record: what record_find() found */
static __always_inline void record_set(struct mempool2_inside *inside,
				       struct mempool2_record *record, void *element,
				       bool rests, unsigned long from, u32 stack)
{
	if (unlikely(!record)) {
		if (hlist_empty(&inside->unused)) {
			WRITE_ONCE(inside->nr_missed, inside->nr_missed + 1);
			return;
		}
		inside->distinct |= inside->nr_used++ > 0;
		record = hlist_entry(inside->unused.first, struct mempool2_record, node);
		hlist_del(&record->node);
		record->element = element;
		hlist_add_head(&record->node, record_list(inside, element));
	}
	/* Who an interrupt or a request's function came upon has nothing to do with it. */
	record->task = by_task() ? current : NULL;
	record->pid = task_pid_nr(current);
	memcpy(record->comm, current->comm, sizeof(record->comm));
	record->from = from;
	record->stack = stack;
	record->since = jiffies;
	record->rests = rests;
}

static void record_drop(struct mempool2_inside *inside, struct mempool2_record *record)
{
	hlist_del(&record->node);
	hlist_add_head(&record->node, &inside->unused);
	inside->nr_used--;
}

/*
 * See that there are enough for a reserve of @nr_slots: twice as many, as elements that are out
 * may be replaced. Those that are there from a larger one stay.
 */
static int records_alloc(struct mempool2_inside *inside, unsigned int nr_slots, gfp_t gfp)
{
	unsigned int bits = clamp(ilog2(nr_slots) + 2, 4, 16), i;
	struct mempool2_chunk *chunk;
	struct hlist_head *records;
	unsigned long flags;

	if (!inside->table) {
		records = kcalloc(1UL << bits, sizeof(*records), gfp);
		if (!records)
			return -ENOMEM;
		raw_spin_lock_irqsave(&inside->lock, flags);
		inside->table = records;
		inside->repeats |= inside->elements.alike == ALIKE_SOME;
		inside->distinct |= inside->elements.alike == ALIKE_NOT_ALL;
		if (!inside->repeats)
			inside->records = records;
		inside->records_mask = (1U << bits) - 1;
		raw_spin_unlock_irqrestore(&inside->lock, flags);
	}
	while (inside->nr_records < 2 * nr_slots) {
		chunk = kmalloc(sizeof(*chunk), gfp);
		if (!chunk)
			return -ENOMEM;
		raw_spin_lock_irqsave(&inside->lock, flags);
		list_add(&chunk->list, &inside->chunks);
		for (i = 0; i < RECORDS_IN_CHUNK; i++)
			hlist_add_head(&chunk->records[i].node, &inside->unused);
		inside->nr_records += RECORDS_IN_CHUNK;
		raw_spin_unlock_irqrestore(&inside->lock, flags);
	}
	return 0;
}

/* Those who look for what is known of elements may be at it, so they are taken away first. */
static void records_free(struct mempool2_inside *inside)
{
	struct mempool2_chunk *chunk, *next;
	struct hlist_head *records;
	unsigned long flags;
	LIST_HEAD(chunks);

	raw_spin_lock_irqsave(&inside->lock, flags);
	list_splice_init(&inside->chunks, &chunks);
	INIT_HLIST_HEAD(&inside->unused);
	records = inside->table;
	inside->table = NULL;
	inside->records = NULL;
	inside->records_mask = 0;
	inside->nr_records = 0;
	inside->nr_used = 0;
	inside->distinct = false;
	inside->since_made = false;
	WRITE_ONCE(inside->nr_missed, 0);
	raw_spin_unlock_irqrestore(&inside->lock, flags);

	list_for_each_entry_safe(chunk, next, &chunks, list)
		kfree(chunk);
	kfree(records);
}

/* A few lists of them, from list *@i on. */
static unsigned int records_copy_some(struct mempool2_inside *inside, unsigned int *i,
				      const struct task_struct *task,
				      struct mempool2_record *copies, unsigned int max)
{
	unsigned int nr = 0, end = *i + BATCH;
	struct mempool2_record *record;

	for (; *i < end && *i <= inside->records_mask; (*i)++) {
		hlist_for_each_entry(record, &inside->records[*i], node) {
			if (nr < max && !record->rests && (!task || record->task == task))
				copies[nr++] = *record;
		}
	}
	return nr;
}

/*
 * Copy what fulfils the condition, a few lists at a time: those who wait for the lock must not be
 * kept waiting. What there is meanwhile may change, and go away.
 */
static unsigned int records_copy(struct mempool2_inside *inside, const struct task_struct *task,
				 struct mempool2_record *copies, unsigned int max)
{
	unsigned int nr = 0, i = 0;
	unsigned long flags;
	bool more;

	do {
		raw_spin_lock_irqsave(&inside->lock, flags);
		more = inside->records && i <= inside->records_mask;
		if (more)
			nr += records_copy_some(inside, &i, task, copies + nr, max - nr);
		raw_spin_unlock_irqrestore(&inside->lock, flags);
	} while (more && nr < max);
	return nr;
}

/*
 * Could there be equal elements? Those of the slab and the page allocator are distinct, unless
 * they have no size.
 */
static bool pool_may_repeat(const struct mempool2 *pool)
{
	if (pool->alloc == mempool2_kmalloc || pool->alloc == mempool2_kvmalloc)
		return !pool->pool_data;
	return pool->kind == MEMPOOL2_CUSTOM;
}

/* Is it memory that an allocator has given out? */
static bool is_memory(const void *element)
{
	return is_vmalloc_addr(element) ||
	       (virt_addr_valid(element) && !PageReserved(virt_to_page(element)));
}

/*
 * An element that the alloc function has returned, before anybody has it: one that rests or is out
 * is another one.
 */
void mp2_inside_new(struct mempool2 *pool, void *element)
{
	struct mempool2_inside *inside = inside_with(pool, FEATURE_RECORDS);
	unsigned long flags;

	if (!inside || !pool_may_repeat(pool))
		return;
	raw_spin_lock_irqsave(&inside->lock, flags);
	if (inside->records && record_find(inside, element))
		records_give_up(inside);
	raw_spin_unlock_irqrestore(&inside->lock, flags);
}

/* An element of a new pool rests. */
void mp2_inside_filled(struct mempool2 *pool, void *element)
{
	struct mempool2_inside *inside = inside_with(pool, FEATURE_RECORDS);
	struct mempool2_record *record;
	unsigned long flags;

	if (!inside)
		return;
	raw_spin_lock_irqsave(&inside->lock, flags);
	if (inside->records) {
		record = record_find(inside, element);
		if (record)
			records_give_up(inside);
		else
			record_set(inside, record, element, true, 0, 0);
	}
	raw_spin_unlock_irqrestore(&inside->lock, flags);
}

/*
 * Poison: what an element that rests is filled with, as far as the pool knows how
 * large it is
 */

#define POISON_RESTS	0x6b
/* More is not worth the time. */
#define POISON_MOST	4096

/* May they be poisoned? Where KASAN watches objects that rest it does so itself. */
static size_t elements_area(const struct mempool2 *pool)
{
	size_t size = (size_t)pool->pool_data;

	/* What a constructor has made must stay. */
	if (pool->kind == MEMPOOL2_SLAB)
		return MEMPOOL2_KASAN_WRITES || mp2_slab_ctor(pool->pool_data) ?
		       0 : kmem_cache_size(pool->pool_data);
	if (pool->kind == MEMPOOL2_KMALLOC)
		return MEMPOOL2_KASAN_WRITES ? 0 : size;
	return pool->alloc == mempool2_kvmalloc && pool->free == mempool2_kvfree ? size : 0;
}

/* The next element of a new pool is @element, after @last. */
void mp2_elements_compare(struct mempool2_elements *elements, const void *element,
			     const void *last)
{
	if (elements->alike == ALIKE_NEVER || !last)
		return;
	if (element == last)
		elements->alike = ALIKE_SOME;
	else if (elements->alike == ALIKE_PERHAPS)
		elements->alike = ALIKE_NOT_ALL;
}

struct mempool2_elements mp2_elements_of(const struct mempool2 *pool)
{
	struct mempool2_elements elements = {
		.alike = pool_may_repeat(pool) ? ALIKE_PERHAPS : ALIKE_NEVER,
	};

	if (pool->kind == MEMPOOL2_PAGES) {
		elements.are_pages = true;
		elements.area = (unsigned long)pool->pool_data;
	} else {
		elements.area = min_t(size_t, elements_area(pool), POISON_MOST);
	}
	return elements;
}

static bool elements_can_be_poisoned(struct mempool2_elements elements)
{
	return elements.are_pages || elements.area;
}

static void *poison_area(const struct mempool2_inside *inside, void *element, size_t *size)
{
	*size = inside->elements.area;
	if (!inside->elements.are_pages)
		return element;
	*size = PageHighMem((struct page *)element) ? 0 : POISON_MOST;
	return *size ? page_address(element) : element;
}

static noinline void poison_set(const struct mempool2_inside *inside, void *element)
{
	size_t size;
	void *area = poison_area(inside, element, &size);

	memset(area, POISON_RESTS, size);
}

/* Where somebody has written to it, %NULL if nobody has. */
static u8 *poison_broken(const struct mempool2_inside *inside, void *element)
{
	size_t size;
	void *area = poison_area(inside, element, &size);

	return size ? memchr_inv(area, POISON_RESTS, size) : NULL;
}

/*
 * Reports
 */

/* One report at a time, and no lines of others in between if they are reports too. */
static DEFINE_RAW_SPINLOCK(report_lock);

#define RULE	"=================================================================="

static unsigned long report_begin(const char *what, const char *name)
	__acquires(&report_lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&report_lock, flags);
	report_line(RULE "\n");
	report_line("BUG: mempool2: %s in pool %s\n", what, name);
	return flags;
}

static void report_end(unsigned long flags, const char *chapter)
	__releases(&report_lock)
{
	report_line("What to do next: Documentation/debugging.rst, \"%s\"\n", chapter);
	report_line(RULE "\n");
	raw_spin_unlock_irqrestore(&report_lock, flags);
}

static void report_here(const char *what)
{
	unsigned long entries[STACK_DEPTH];
	char comm[TASK_COMM_LEN];
	unsigned int nr, i;

	word_copy(comm, current->comm, sizeof(comm));
	report_line("%s by task %s/%d on CPU %d:\n", what, comm,
		    task_pid_nr(current), raw_smp_processor_id());
	nr = mempool2_stack_save(entries, STACK_DEPTH, 2);
	for (i = 0; i < nr; i++)
		report_line(" %pS\n", (void *)entries[i]);
	if (!nr)
		report_line(" (the stack is not known)\n");
}

static void report_record(const char *what, const struct mempool2_record *record)
{
	char comm[TASK_COMM_LEN];

	if (!record->element)
		return;
	word_copy(comm, record->comm, sizeof(comm));
	report_line("element %p, %s by %s %s/%d %u ms ago%s\n", record->element, what,
		    record->task ? "task" : "an interrupt of", comm, record->pid,
		    jiffies_to_msecs(jiffies - record->since),
		    record->from || record->stack ? ":" : " or longer");
	if (record->from)
		report_line(" %pS\n", (void *)record->from);
	else if (record->stack)
		mempool2_depot_print(record->stack);
}

static bool may_report(struct mempool2_inside *inside)
{
	return __ratelimit(&inside->ratelimit);
}

/* What is known of an element now, for a report: others may change it. */
static void record_copy(struct mempool2_inside *inside, const void *element,
			struct mempool2_record *copy)
{
	struct mempool2_record *record;
	unsigned long flags;

	memset(copy, 0, sizeof(*copy));
	raw_spin_lock_irqsave(&inside->lock, flags);
	record = inside->records ? record_find(inside, element) : NULL;
	if (record)
		*copy = *record;
	raw_spin_unlock_irqrestore(&inside->lock, flags);
}

static noinline void report_double_free(struct mempool2 *pool, struct mempool2_inside *inside,
					const void *element)
{
	char name[MEMPOOL2_NAME_LEN];
	struct mempool2_record before;
	unsigned long flags;

	if (!may_report(inside))
		return;
	pool_name(pool, name);
	record_copy(inside, element, &before);
	flags = report_begin("double free", name);
	report_line("element %p of pool %p is freed while it rests in the reserve\n",
		    element, pool);
	report_here("freed again");
	report_record("freed", &before);
	report_end(flags, "double free");
}

static void report_poison(struct mempool2 *pool, struct mempool2_inside *inside,
			  void *element, const u8 *broken)
{
	char name[MEMPOOL2_NAME_LEN];
	struct mempool2_record record;
	unsigned long flags;
	size_t size, left;
	u8 *area;

	if (!may_report(inside))
		return;
	pool_name(pool, name);
	record_copy(inside, element, &record);
	area = poison_area(inside, element, &size);
	left = min_t(size_t, area + size - broken, 16);
	flags = report_begin("element written to while it rested", name);
	report_line("element %p of pool %p: byte %zu and what follows, which should be %#x:\n",
		    element, pool, (size_t)(broken - area), POISON_RESTS);
	report_line(" %*ph\n", (int)left, broken);
	report_here("found");
	report_record("freed", &record);
	report_end(flags, "element written to while it rested");
}

static void report_nested(struct mempool2 *pool, struct mempool2_inside *inside,
			  const struct mempool2_record *record)
{
	char name[MEMPOOL2_NAME_LEN];
	unsigned long flags;

	if (!may_report(inside))
		return;
	pool_name(pool, name);
	flags = report_begin("a task waits while it holds an element", name);
	report_line("if others do the same, none of them will ever go on (pool %p, min %d)\n",
		    pool, READ_ONCE(pool->min_nr));
	report_here("about to wait");
	report_record("taken", record);
	report_end(flags, "a task waits while it holds an element");
}

/* So many are named in a report. */
#define NAMED	8

static void report_holders(const struct mempool2_record *holders, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		report_record("taken", &holders[i]);
}

/*
 * What happens to elements of watched pools
 */

/* Elements are about to rest. Called with preemption disabled until they do. */
void mp2_inside_rest(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_inside *inside = inside_with(pool, FEATURE_POISON);
	unsigned int i;

	for (i = 0; i < nr && inside; i++)
		poison_set(inside, elems[i]);
}

/* Elements have rested. Called with preemption disabled since they did. */
static noinline void poison_check(struct mempool2 *pool, struct mempool2_inside *inside,
				  void *element)
{
	u8 *broken = poison_broken(inside, element);

	if (broken)
		report_poison(pool, inside, element, broken);
}

void mp2_inside_use(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_inside *inside = inside_with(pool, FEATURE_CHECK_POISON);
	unsigned int i;

	for (i = 0; i < nr && inside; i++)
		poison_check(pool, inside, elems[i]);
}

/* Another stack than the last one. */
static noinline u32 stack_new(struct mempool2_inside *inside, const unsigned long *frame,
			      unsigned long from)
{
	struct mempool2_stack stack;
	unsigned long flags;
	u32 handle;

	handle = stack_save(&stack, frame, from);
	if (!handle)
		return 0;
	raw_spin_lock_irqsave(&inside->lock, flags);
	inside->stack = stack;
	raw_spin_unlock_irqrestore(&inside->lock, flags);
	return handle;
}

/* The caller has taken elements of the reserve. */
static __always_inline void records_taken(const struct mempool2 *pool,
					  struct mempool2_inside *inside, void **elems,
					  unsigned int nr, const unsigned long *frame,
					  unsigned long from)
{
	struct mempool2_record *record;
	unsigned long flags;
	unsigned int i;
	u32 stack;

	raw_spin_lock_irqsave(&inside->lock, flags);
	if (likely(stack_is(&inside->stack, frame))) {
		stack = inside->stack.handle;
	} else {
		/* There is no memory for it to be had under the lock. */
		raw_spin_unlock_irqrestore(&inside->lock, flags);
		stack = stack_new(inside, frame, from);
		raw_spin_lock_irqsave(&inside->lock, flags);
	}
	for (i = 0; i < nr && inside->records; i++) {
		record = record_find(inside, elems[i]);
		/* What was out has been put again by nobody: it is another one. */
		if (unlikely(record && !record->rests) && pool_may_repeat(pool)) {
			records_give_up(inside);
			break;
		}
		record_set(inside, record, elems[i], false, 0, stack);
	}
	raw_spin_unlock_irqrestore(&inside->lock, flags);
}

void mp2_inside_taken(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_inside *inside = inside_with(pool, FEATURE_RECORDS);

	if (inside)
		records_taken(pool, inside, elems, nr, __builtin_frame_address(0), _RET_IP_);
}

/* The same, without having waited for them. */
void mp2_inside_served(struct mempool2 *pool, void **elems, unsigned int nr,
				   unsigned long caller)
{
	trace_mempool2_reserve_alloc(pool, nr, caller);
	pool_count(pool, reserve_allocs, nr);
	mp2_inside_taken(pool, elems, nr);
}

/*
 * An element is freed that is said to rest. Is that one too many, or another one that is equal, and
 * was out before there were records? If elements are memory, and not all the same, they are what an
 * allocator gave out for each of them, which cannot be equal.
 */
static noinline bool records_freed_twice(const struct mempool2 *pool, struct mempool2_inside *inside,
					 const void *element)
{
	if (pool_may_repeat(pool) && !inside->since_made &&
	    (!inside->distinct || !is_memory(element))) {
		records_give_up(inside);
		return false;
	}
	return READ_ONCE(inside->features) & FEATURE_CHECK_DOUBLE;
}

/* An element is freed. False if that must not be. */
static __always_inline bool records_freed(struct mempool2 *pool, struct mempool2_inside *inside,
					  void *element, unsigned long caller)
{
	struct mempool2_record *record;
	unsigned long flags;
	bool is_double = false;

	raw_spin_lock_irqsave(&inside->lock, flags);
	if (inside->records) {
		record = record_find(inside, element);
		if (unlikely(record && record->rests))
			is_double = records_freed_twice(pool, inside, element);
		else
			record_set(inside, record, element, true, caller, 0);
	}
	raw_spin_unlock_irqrestore(&inside->lock, flags);
	if (unlikely(is_double))
		report_double_free(pool, inside, element);
	return !is_double;
}

bool mp2_inside_freed(struct mempool2 *pool, void *element, unsigned long caller)
{
	struct mempool2_inside *inside = inside_with(pool, FEATURE_RECORDS);

	return !inside || records_freed(pool, inside, element, caller);
}

/*
 * What mempool2_alloc() and mempool2_free() do for other pools where they are called:
 * the alloc function, and the slot at the CPU's place. All in one, as it is to stay
 * fast enough for that one may leave checks on.
 */
void *mp2_inside_alloc(struct mempool2 *pool, gfp_t gfp, int *entered, unsigned long caller)
{
	struct mempool2_inside *inside = pool_inside(pool);
	unsigned int features = inside_features(inside);
	void *element = NULL;
	int state;

	if (unlikely(features & FEATURE_LIMIT)) {
		*entered = mp2_limit_enter(pool, 1);
		if (*entered < 0)
			return NULL;
	}
	if (!(features & FEATURE_FAILING) || !inside_fails(inside)) {
		element = mempool2_call_alloc(pool, pool->kind, gfp);
		if (element) {
			if (features & FEATURE_RECORDS)
				mp2_inside_new(pool, element);
			return element;
		}
	}

	rcu_read_lock_sched();
	/* Again: who switches waits for those who take without having seen it. */
	features = inside_features(inside);
	state = atomic_read(&pool->state);
	if ((state & FAST_TAKE_MASK) == MEMPOOL2_NOT_FULL)
		slot_take(reserve_hint_slot(rcu_dereference_sched(pool->reserve)), &element);
	if (unlikely(atomic_read(&pool->state) != state))
		mp2_reserve_set_not_full(pool, NULL);
	if (element) {
		element_kasan_unpark(pool, element);
		if (features & FEATURE_CHECK_POISON)
			poison_check(pool, inside, element);
	}
	rcu_read_unlock_sched();
	if (!element)
		return NULL;

	pool_note_owner(&element, 1);
	trace_mempool2_reserve_alloc(pool, 1, caller);
	if (features & FEATURE_STATISTICS)
		inside_count_one(inside, reserve_allocs, 1);
	if (features & FEATURE_RECORDS)
		records_taken(pool, inside, &element, 1, __builtin_frame_address(0), _RET_IP_);
	return element;
}

/* True if nothing is left to be done with the element. */
bool mp2_inside_free(struct mempool2 *pool, void *element, unsigned long caller)
{
	struct mempool2_reserve *reserve;
	struct mempool2_inside *inside;
	unsigned int features;

	rcu_read_lock_sched();
	reserve = rcu_dereference_sched(pool->reserve);
	/* As in pool_inside(). */
	inside = smp_load_acquire(&reserve->inside);
	features = inside_features(inside);
	if (features & FEATURE_RECORDS && !records_freed(pool, inside, element, caller)) {
		rcu_read_unlock_sched();
		return true;
	}
	if (unlikely(features & FEATURE_LIMIT))
		mp2_limit_freed(pool, 1);
	/* A waiter gets it by the shortest way, and so does the free function. */
	if (!state_has_room(atomic_read(&pool->state))) {
		rcu_read_unlock_sched();
		return false;
	}
	if (features & FEATURE_POISON)
		poison_set(inside, element);
	/* KASAN has told what it was; it is nobody's now. */
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
	if (features & FEATURE_STATISTICS)
		inside_count_one(inside, refills, 1);
	/* Last, as it may call functions that end the pool. */
	after_put(pool);
	return true;
}

/* An element goes back to where elements come from. */
void mp2_inside_left(struct mempool2 *pool, void *element)
{
	struct mempool2_inside *inside = inside_with(pool, FEATURE_RECORDS);
	struct mempool2_record *record;
	unsigned long flags;

	if (!inside)
		return;
	raw_spin_lock_irqsave(&inside->lock, flags);
	record = inside->records ? record_find(inside, element) : NULL;
	if (record)
		record_drop(inside, record);
	raw_spin_unlock_irqrestore(&inside->lock, flags);
}

/* Waiting */

static void check_nested(struct mempool2 *pool)
{
	struct mempool2_record record;

	if (records_copy(pool_inside(pool), current, &record, 1) &&
	    record.pid == task_pid_nr(current))
		report_nested(pool, pool_inside(pool), &record);
}

/*
 * The waiters of all pools, in lists by the pool's address, each of them oldest first: a
 * pool that is waited for stays where it is, so through its waiters, and through them
 * alone, debugging finds the pool.
 */
#define WAITERS_BITS	6

static struct waiters_list {
	raw_spinlock_t		lock;
	struct list_head	waiters;	/* all zeros before the first one */
} waiters_lists[1 << WAITERS_BITS] = {
	[0 ... (1 << WAITERS_BITS) - 1] = {
		.lock = __RAW_SPIN_LOCK_UNLOCKED(waiters_lists.lock),
	},
};

static struct waiters_list *waiters_list(const struct mempool2 *pool)
{
	return &waiters_lists[hash_ptr(pool, WAITERS_BITS)];
}

static void waiters_list_add(struct mempool2_waiter *waiter)
{
	struct waiters_list *list = waiters_list(waiter->pool);
	unsigned long flags;

	raw_spin_lock_irqsave(&list->lock, flags);
	if (!list->waiters.next)
		INIT_LIST_HEAD(&list->waiters);
	list_add_tail(&waiter->listed, &list->waiters);
	raw_spin_unlock_irqrestore(&list->lock, flags);
}

static void waiters_list_del(struct mempool2_waiter *waiter)
{
	struct waiters_list *list = waiters_list(waiter->pool);
	unsigned long flags;

	raw_spin_lock_irqsave(&list->lock, flags);
	list_del(&waiter->listed);
	raw_spin_unlock_irqrestore(&list->lock, flags);
}

/* What waiters_see() is called with. */
struct waiters_look {
	bool			(*see)(struct waiters_look *look, struct mempool2_waiter *waiter);
	const struct mempool2	*pool;		/* where it is if anybody waits for it */
	const struct mempool2_reserve *reserve;	/* the pool's; not to be followed */
	struct mempool2_waiter	cursor;
};

/*
 * Under the lock: have a batch of waiters seen, those of the pool that still miss
 * elements, from the cursor on. False if these were the last, or @see wants no more.
 */
static bool waiters_see_batch(struct waiters_list *list, struct waiters_look *look)
{
	struct mempool2_waiter *cursor = &look->cursor, *waiter;
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		if (list_is_last(&cursor->listed, &list->waiters))
			return false;
		waiter = list_next_entry(cursor, listed);
		list_move(&cursor->listed, &waiter->listed);
		/* Cursors have no pool. */
		if (waiter->pool != look->pool || !READ_ONCE(waiter->nr_missing) ||
		    rcu_access_pointer(waiter->pool->reserve) != look->reserve)
			continue;
		if (!look->see(look, waiter))
			return false;
	}
	return true;
}

/* Have all who wait seen, oldest first, with the lock held for a batch at a time. */
static void waiters_see(struct waiters_look *look)
{
	struct waiters_list *list = waiters_list(look->pool);
	unsigned long flags;
	bool more;

	look->cursor.pool = NULL;
	raw_spin_lock_irqsave(&list->lock, flags);
	if (look->pool && list->waiters.next) {
		list_add(&look->cursor.listed, &list->waiters);
		do {
			more = waiters_see_batch(list, look);
			raw_spin_unlock_irqrestore(&list->lock, flags);
			raw_spin_lock_irqsave(&list->lock, flags);
		} while (more);
		list_del(&look->cursor.listed);
	}
	raw_spin_unlock_irqrestore(&list->lock, flags);
}

/* Where to look for those who wait for the pool of @inside. -ENODEV if it has ended. */
static int waiters_look_at(struct waiters_look *look, const struct mempool2_inside *inside)
{
	int err = -ENODEV;

	spin_lock_irq(&mp2_registry_lock);
	if (inside->reserve) {
		look->reserve = inside->reserve;
		look->pool = READ_ONCE(inside->reserve->pool);
		err = 0;
	}
	spin_unlock_irq(&mp2_registry_lock);
	return err;
}

/* @timeout: how long the caller itself is ready to wait; not at all where a function is called */
void mp2_inside_wait_begin(struct mempool2_waiter *waiter, unsigned long timeout)
{
	struct mempool2 *pool = waiter->pool;
	struct mempool2_reserve *reserve;

	waiter->since = ktime_get_ns();
	waiter->is_reported = false;
	waiter->task = waiter->function ? NULL : current;
	trace_mempool2_wait_begin(pool, waiter->nr_missing, READ_ONCE(pool->nr_waiters),
				  waiter->caller);
	/* A pool that is waited for stays where it is. All CPUs read what is beside this. */
	rcu_read_lock_sched();
	reserve = rcu_dereference_sched(pool->reserve);
	if (READ_ONCE(reserve->pool) != pool)
		WRITE_ONCE(reserve->pool, pool);
	rcu_read_unlock_sched();
	waiters_list_add(waiter);
	if (timeout && pool_has(pool, FEATURE_CHECK_NESTED))
		check_nested(pool);
}

void mp2_inside_wait_end(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	struct mempool2_statistics *own;
	struct mempool2_inside *inside;
	unsigned long flags;
	u64 ns = ktime_get_ns() - waiter->since;

	waiters_list_del(waiter);
	trace_mempool2_wait_end(pool, waiter->count, waiter->nr_missing, ns, waiter->caller);
	if (!pool_is_watched(pool))
		return;
	inside = inside_with(pool, FEATURE_STATISTICS);
	if (!inside)
		return;
	own = figures_begin(inside, &flags);
	figure_add(own->waits, 1);
	figure_add(own->wait_ns, ns);
	if (ns > own->longest_wait_ns)
		WRITE_ONCE(own->longest_wait_ns, ns);
	figures_end(inside, flags);
}

/* How many wait. */
struct waiters_count {
	struct waiters_look	look;
	int			nr;
};

static bool waiter_count(struct waiters_look *look, struct mempool2_waiter *waiter)
{
	struct waiters_count *count = container_of(look, struct waiters_count, look);

	/* Any of them knows. */
	count->nr = READ_ONCE(waiter->pool->nr_waiters);
	return false;
}

static int waiters_count(const struct mempool2_inside *inside)
{
	struct waiters_count count = { .look.see = waiter_count };

	if (!waiters_look_at(&count.look, inside))
		waiters_see(&count.look);
	return count.nr;
}

/**
 * struct waiter_view - a waiter, as it was seen
 *
 * @pid: its task, or 0 if a function will be called
 * @comm: the task's name
 * @function: the function
 * @caller: the code that allocates
 * @ns: how long it has waited
 * @missing: elements that it still waits for
 */
struct waiter_view {
	pid_t		pid;
	char		comm[TASK_COMM_LEN];
	mempool2_function_t *function;
	unsigned long	caller;
	u64		ns;
	unsigned int	missing;
};

/* A waiter is certainly there, and its task, as long as it is in the list. */
static void waiter_view(const struct mempool2_waiter *waiter, u64 now, struct waiter_view *view)
{
	view->pid = waiter->task ? task_pid_nr(waiter->task) : 0;
	/* Not get_task_comm(): on older kernels it takes a lock that interrupts may not. */
	if (waiter->task)
		word_copy(view->comm, waiter->task->comm, TASK_COMM_LEN);
	view->function = waiter->function;
	view->caller = waiter->caller;
	view->ns = now - waiter->since;
	view->missing = READ_ONCE(waiter->nr_missing);
}

/* The name of the task or function, as a word; that of a function takes long to find. */
static const char *waiter_name(struct waiter_view *view)
{
	char place[96];

	if (view->function) {
		scnprintf(place, sizeof(place), "%ps", view->function);
		place_name(view->comm, place, TASK_COMM_LEN);
	}
	return view->comm;
}

struct waiters_copy {
	struct waiters_look	look;
	u64			now;
	struct waiter_view	*views;
	unsigned int		nr;
	unsigned int		max;
};

static bool waiter_copy(struct waiters_look *look, struct mempool2_waiter *waiter)
{
	struct waiters_copy *copy = container_of(look, struct waiters_copy, look);

	waiter_view(waiter, copy->now, &copy->views[copy->nr++]);
	return copy->nr < copy->max;
}

/* Copy up to @max, the oldest. Returns how many. */
static unsigned int waiters_copy(const struct mempool2_inside *inside, struct waiter_view *views,
				 unsigned int max)
{
	struct waiters_copy copy = {
		.look.see = waiter_copy,
		.now = ktime_get_ns(),
		.views = views,
		.max = max,
	};

	if (!waiters_look_at(&copy.look, inside))
		waiters_see(&copy.look);
	return copy.nr;
}

/*
 * What is known of a pool whose waiters are stuck. @lock: report_lock is not for
 * long work, so all of it is copied first.
 */
struct stuck_view {
	struct waiters_look	look;
	u64			now;
	u64			ns;		/* so long is too long */
	char			name[MEMPOOL2_NAME_LEN];
	struct waiter_view	waiters[NAMED];
	struct mempool2_record	holders[NAMED];
	unsigned int		nr_waiters;
	unsigned int		nr_holders;
	int			nr_waiting;
	int			min_nr;
	bool			has_records;
};

static bool waiter_is_stuck(const struct stuck_view *view, const struct mempool2_waiter *waiter)
{
	return !waiter->is_reported && (s64)(view->now - waiter->since) >= (s64)view->ns;
}

static bool stuck_seek(struct waiters_look *look, struct mempool2_waiter *waiter)
{
	struct stuck_view *view = container_of(look, struct stuck_view, look);

	view->nr_waiters += waiter_is_stuck(view, waiter);
	return !view->nr_waiters;
}

static bool stuck_copy(struct waiters_look *look, struct mempool2_waiter *waiter)
{
	struct stuck_view *view = container_of(look, struct stuck_view, look);

	view->nr_waiting = READ_ONCE(waiter->pool->nr_waiters);
	if (!waiter_is_stuck(view, waiter))
		return true;
	waiter->is_reported = true;
	if (view->nr_waiters < NAMED)
		waiter_view(waiter, view->now, &view->waiters[view->nr_waiters]);
	view->nr_waiters++;
	return true;
}

/*
 * Are there waiters of the pool that are stuck, and may they be reported now? All those
 * that are not named in the report are counted in it.
 */
static bool stuck_look(struct mempool2_inside *inside, struct stuck_view *view)
{
	memset(view, 0, sizeof(*view));
	view->now = ktime_get_ns();
	view->ns = (u64)READ_ONCE(inside->stuck_after) * NSEC_PER_SEC;
	view->look.see = stuck_seek;
	if (waiters_look_at(&view->look, inside))
		return false;
	waiters_see(&view->look);
	if (!view->nr_waiters || !may_report(inside))
		return false;
	view->nr_waiters = 0;
	view->look.see = stuck_copy;
	waiters_see(&view->look);

	spin_lock_irq(&mp2_registry_lock);
	if (inside->reserve) {
		reserve_name(inside->reserve, view->name);
		view->min_nr = inside->reserve->min_nr;
	} else {
		view->nr_waiters = 0;
	}
	spin_unlock_irq(&mp2_registry_lock);
	view->has_records = inside_features(inside) & FEATURE_RECORDS;
	view->nr_holders = records_copy(inside, NULL, view->holders, NAMED);
	return view->nr_waiters;
}

/*
 * The next pool of those that are looked after, which goes to the end of the list; %NULL
 * if there is none. As long as the mutex is held what it has for features stays.
 */
static struct mempool2_inside *stuck_next(void)
{
	struct mempool2_inside *inside;

	lockdep_assert_held(&features_mutex);
	spin_lock_irq(&mp2_registry_lock);
	inside = list_first_entry_or_null(&stuck_insides, struct mempool2_inside, stuck);
	if (inside)
		list_move_tail(&inside->stuck, &stuck_insides);
	spin_unlock_irq(&mp2_registry_lock);
	return inside;
}

static void report_stuck(struct stuck_view *view)
{
	unsigned long flags = report_begin("waiter stuck", view->name);
	struct waiter_view *waiter;
	unsigned int i;

	report_line("%d wait, for a pool of %d\n", view->nr_waiting, view->min_nr);
	for (i = 0; i < min_t(unsigned int, view->nr_waiters, NAMED); i++) {
		waiter = &view->waiters[i];
		report_line("task %s/%d has waited %llu ms for %u, in %pS\n",
			    waiter_name(waiter), waiter->pid,
			    div_u64(waiter->ns, NSEC_PER_MSEC), waiter->missing,
			    (void *)waiter->caller);
	}
	if (view->nr_waiters > NAMED)
		report_line("and so have %u more\n", view->nr_waiters - NAMED);
	if (!view->has_records)
		report_line("who holds the reserve is not known: switch checks on\n");
	report_holders(view->holders, view->nr_holders);
	report_end(flags, "waiter stuck");
}

static unsigned int stuck_nr(void)
{
	unsigned int nr;

	spin_lock_irq(&mp2_registry_lock);
	nr = nr_stuck;
	spin_unlock_irq(&mp2_registry_lock);
	return nr;
}

static void stuck_watch(struct work_struct *work)
{
	struct stuck_view *view = kmalloc(sizeof(*view), GFP_KERNEL | __GFP_NOWARN);
	struct mempool2_inside *inside;
	unsigned int nr;
	bool found;

	for (nr = view ? stuck_nr() : 0; nr; nr--) {
		mutex_lock(&features_mutex);
		inside = stuck_next();
		found = inside && stuck_look(inside, view);
		mutex_unlock(&features_mutex);
		if (found)
			report_stuck(view);
	}
	kfree(view);
	if (stuck_nr())
		schedule_delayed_work(&stuck_work, HZ);
}

#define STUCK_AFTER_MOST	(24 * 60 * 60)

static int inside_set_stuck_after(struct mempool2_inside *inside, unsigned int seconds)
{
	if (!seconds)
		return inside_switch(inside, inside->features & ~FEATURE_STUCK);
	WRITE_ONCE(inside->stuck_after, seconds);
	return inside_switch(inside, inside->features | FEATURE_STUCK);
}

/**
 * mempool2_set_stuck_after() - report callers that wait too long
 * @pool: the pool
 * @seconds: how long is too long, at most a day; 0 to report nobody, as at first
 *
 * The report names the waiters and, while any check is on, who holds elements of
 * the reserve; of many waiters the oldest ones, and how many more there are. Each waiter
 * is reported once.
 *
 * Context: Task context; sleeps.
 * Return: 0, or %-ENOMEM, or %-EINVAL with a warning if @pool is not initialised or
 * @seconds is too large.
 */
int mempool2_set_stuck_after(struct mempool2 *pool, unsigned int seconds)
{
	if (not_initialised(pool) ||
	    mistake(seconds > STUCK_AFTER_MOST, "%u s is more than a day", seconds))
		return -EINVAL;
	return pool_set(pool, inside_set_stuck_after, seconds);
}
EXPORT_SYMBOL_GPL(mempool2_set_stuck_after);

/*
 * Switching checks
 */

static unsigned int features_of_checks(unsigned int checks)
{
	return (checks & MEMPOOL2_CHECK_POISON ? FEATURE_CHECK_POISON : 0) |
	       (checks & MEMPOOL2_CHECK_DOUBLE ? FEATURE_CHECK_DOUBLE : 0) |
	       (checks & MEMPOOL2_CHECK_NESTED ? FEATURE_CHECK_NESTED : 0) |
	       (checks & MEMPOOL2_CHECK_EXIT ? FEATURE_CHECK_EXIT : 0);
}

static unsigned int features_needed(unsigned int checks)
{
	return (checks ? FEATURE_RECORDS : 0) |
	       (checks & FEATURE_CHECK_POISON ? FEATURE_POISON : 0);
}

static void element_prepare(struct mempool2_inside *inside, void *element)
{
	unsigned int order = inside->elements.area;

	/* Objects that KASAN lets nobody touch while they rest have nothing to poison. */
	if (!inside->elements.are_pages) {
		poison_set(inside, element);
		return;
	}
	mempool2_kasan_use_pages(element, order);
	poison_set(inside, element);
	(void)mempool2_kasan_rest_pages(element, order);
}

/*
 * With the records' lock held: an element is found in a slot. One that was found before, and not
 * freed since, is in another slot as well.
 */
static void record_swept(struct mempool2_inside *inside, void *element)
{
	struct mempool2_record *record;

	if (!inside->records)
		return;
	record = record_find(inside, element);
	if (record && record->rests && !record->from && inside->elements.alike != ALIKE_NEVER)
		records_give_up(inside);
	else
		record_set(inside, record, element, true, 0, 0);
}

/* Poison an element that rests, and make a record of it, as if it were freed now. */
static void element_sweep(struct mempool2_inside *inside, void *element)
{
	if (inside->features & FEATURE_POISON)
		element_prepare(inside, element);
	raw_spin_lock(&inside->lock);
	record_swept(inside, element);
	raw_spin_unlock(&inside->lock);
}

/* A CPU that comes by this slot meanwhile looks again under the lock. */
static void slot_sweep(struct mempool2_inside *inside, void **slot)
{
	void *element = READ_ONCE(*slot);

	if (!is_element(element) || !try_cmpxchg(slot, &element, SLOT_CLOSED))
		return;
	element_sweep(inside, element);
	/* Pairs with slot_take(). It is open before is_moving is cleared: swept-or-taken. */
	smp_store_release(slot, element);
}

/*
 * All that rest in @reserve, one at a time, as the pool may end in the meantime. Elements that are
 * put from now on are swept by those who put them. The store is swept from the top, and what
 * is taken from there, or put there, leaves the ones below as they are.
 */
static void reserve_sweep(struct mempool2_inside *inside, struct mempool2_reserve *reserve)
{
	unsigned int slot = 0, below = UINT_MAX;
	unsigned long flags;

	while (below) {
		spin_lock_irq(&mp2_registry_lock);
		/* From when the pool is about to end its reserve is not ours to look at. */
		if (!inside->reserve) {
			spin_unlock_irq(&mp2_registry_lock);
			return;
		}
		/* On PREEMPT_RT interrupts are still enabled. */
		raw_spin_lock_irqsave(&reserve->lock, flags);
		if (slot < reserve->nr_slots) {
			slot_sweep(inside, &reserve->slots[slot++]);
		} else {
			below = min(below, reserve->nr_stored);
			if (below)
				element_sweep(inside, reserve->store[--below]);
		}
		raw_spin_unlock_irqrestore(&reserve->lock, flags);
		spin_unlock_irq(&mp2_registry_lock);
		if ((slot + below) % BATCH == 0)
			cond_resched();
	}
}

/* What is known of elements that rest may be out of date. A few lists at a time. */
static void records_drop_resting(struct mempool2_inside *inside)
{
	struct mempool2_record *record;
	unsigned int i = 0, end;
	struct hlist_node *next;
	bool more;

	do {
		raw_spin_lock_irq(&inside->lock);
		for (end = i + BATCH; i < end; i++) {
			more = inside->records && i <= inside->records_mask;
			if (!more)
				break;
			hlist_for_each_entry_safe(record, next, &inside->records[i], node)
				if (record->rests)
					record_drop(inside, record);
		}
		raw_spin_unlock_irq(&inside->lock);
		cond_resched();
	} while (more);
}

/* False if the pool has ended. Else its reserve, or %NULL while it has another owner. */
static bool inside_try_own(struct mempool2_inside *inside, struct mempool2_reserve **found)
{
	struct mempool2_reserve *reserve;

	spin_lock_irq(&mp2_registry_lock);
	reserve = inside->reserve;
	*found = reserve && !READ_ONCE(reserve->old) && mp2_reserve_own(reserve) ? reserve : NULL;
	spin_unlock_irq(&mp2_registry_lock);
	return reserve;
}

/* False if the pool has ended. */
static bool inside_set_moving(struct mempool2_inside *inside, bool moving)
{
	struct mempool2_reserve *reserve;

	spin_lock_irq(&mp2_registry_lock);
	reserve = inside->reserve;
	if (reserve)
		mp2_reserve_set_moving(reserve, moving);
	spin_unlock_irq(&mp2_registry_lock);
	return reserve;
}

/* All that rest in the pool. From then on those who put elements do it themselves. */
static void inside_prepare(struct mempool2_inside *inside)
{
	struct mempool2_reserve *reserve = NULL;

	records_drop_resting(inside);
	/* Nor does any element change its slot, or the pool its reserve. */
	wait_event(mp2_owner_wait, !inside_try_own(inside, &reserve) || reserve);
	if (!reserve || !inside_set_moving(inside, true))
		return;
	/* From now on each CPU looks again. Pairs with mp2_reserve_take(): swept-or-taken. */
	synchronize_rcu();
	reserve_sweep(inside, reserve);
	inside_set_moving(inside, false);
	spin_lock_irq(&mp2_registry_lock);
	if (inside->reserve)
		mp2_reserve_disown(reserve);
	spin_unlock_irq(&mp2_registry_lock);
}

static unsigned int inside_nr_slots(struct mempool2_inside *inside)
{
	unsigned int nr;

	spin_lock_irq(&mp2_registry_lock);
	nr = inside->reserve ? reserve_room(inside->reserve) : 0;
	spin_unlock_irq(&mp2_registry_lock);
	return nr;
}

/*
 * Switch checks, of FEATURES_CHECK. A check relies on something that has been done
 * for all elements that rest, and is done by all who let one rest. So this comes
 * first and, once everybody does it, the check; and the other way round.
 */
static int inside_set_checks(struct mempool2_inside *inside, unsigned int checks)
{
	unsigned int features = inside->features, needed, missing;
	int err = 0;

	/* It is on for no pool that cannot have it, so that taking and putting need not ask. */
	if (!elements_can_be_poisoned(inside->elements))
		checks &= ~FEATURE_CHECK_POISON;
	needed = features_needed(checks);
	if (features & FEATURES_CHECK & ~checks) {
		features &= ~FEATURES_CHECK | checks;
		err = inside_switch(inside, features);
		if (err)
			return err;
	}
	if (features & FEATURES_PREPARE & ~needed) {
		features &= ~FEATURES_PREPARE | needed;
		err = inside_switch(inside, features);
		if (!err && !(features & FEATURE_RECORDS))
			records_free(inside);
		if (err)
			return err;
	}
	missing = needed & ~features;
	if (missing) {
		depot_prepare();
		if (missing & FEATURE_RECORDS)
			err = records_alloc(inside, inside_nr_slots(inside), GFP_KERNEL);
		/* Now all calls do what is needed, ... */
		err = err ?: inside_switch(inside, features | missing);
		if (err) {
			if (missing & FEATURE_RECORDS)
				records_free(inside);
			return err;
		}
		features |= missing;
		inside_prepare(inside);
	}
	/* ... and now that can be relied on. */
	return inside_switch(inside, features | checks);
}

/**
 * mempool2_set_checks() - look for misuse of a pool
 * @pool: the pool
 * @checks: some of %MEMPOOL2_CHECK_POISON, %MEMPOOL2_CHECK_DOUBLE,
 *	%MEMPOOL2_CHECK_NESTED and %MEMPOOL2_CHECK_EXIT; the others are switched off
 *
 * What is found is reported in the kernel's log, as Documentation/debugging.rst
 * tells. While any check is on, who took an element of the reserve is recorded.
 *
 * Context: Task context; sleeps.
 * Return: 0, or %-ENOMEM, or %-EINVAL with a warning if @pool is not initialised or
 * there is no such check.
 */
int mempool2_set_checks(struct mempool2 *pool, unsigned int checks)
{
	if (not_initialised(pool) ||
	    mistake(checks & ~MEMPOOL2_CHECK_ALL, "there is no check %#x",
		    checks & ~MEMPOOL2_CHECK_ALL))
		return -EINVAL;
	return pool_set(pool, inside_set_checks, features_of_checks(checks));
}
EXPORT_SYMBOL_GPL(mempool2_set_checks);

/*
 * A new pool that has no element yet, and is not in the registry: there is nothing to
 * wait for. It goes without checks if there is no memory for them.
 */
void mp2_inside_created(struct mempool2_reserve *reserve, gfp_t gfp)
{
	unsigned int possible = FEATURES_CHECK, checks;
	struct mempool2_inside *inside;
	unsigned long flags;

	if (!elements_can_be_poisoned(reserve->elements))
		possible &= ~FEATURE_CHECK_POISON;
	if (!(READ_ONCE(checks_for_new) & possible))
		return;
	inside = inside_create(gfp);
	if (!inside)
		return;
	if (records_alloc(inside, reserve_room(reserve), gfp)) {
		inside_drop(inside);
		return;
	}
	inside->since_made = true;
	spin_lock_irqsave(&mp2_registry_lock, flags);
	/* The switch may have been turned meanwhile, and mp2_pools_watched with it. */
	checks = checks_for_new & possible;
	if (checks) {
		features_set(inside, checks | features_needed(checks));
		inside_attach(inside, reserve);
		inside = NULL;
	}
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	inside_drop(inside);
}

/* The checks of pools that are made from now on. */
static void checks_for_new_set(unsigned int checks)
{
	lockdep_assert_held(&features_mutex);
	if (checks) {
		pools_watch();
		depot_prepare();
	}
	spin_lock_irq(&mp2_registry_lock);
	WRITE_ONCE(checks_for_new, checks);
	spin_unlock_irq(&mp2_registry_lock);
	pools_watched_update();
}

/*
 * The module's parameter. What is given on the command line comes before anything is
 * ready for it, and waits for checks_load().
 */
static unsigned int checks_to_load;
static bool checks_are_loaded;

static void checks_param_switch(unsigned int checks)
{
	mutex_lock(&features_mutex);
	if (checks_are_loaded)
		checks_for_new_set(checks);
	else
		checks_to_load = checks;
	mutex_unlock(&features_mutex);
}

static void __init checks_load(void)
{
	mutex_lock(&features_mutex);
	checks_are_loaded = true;
	checks_for_new_set(checks_to_load);
	mutex_unlock(&features_mutex);
}

void mp2_inside_resized(struct mempool2 *pool, int from, int to, int err)
{
	trace_mempool2_resize(pool, from, to, err);
	if (err || from == to)
		return;
	pool_count(pool, resizes, 1);
	if (to <= from || !pool_has(pool, FEATURE_RECORDS))
		return;
	mutex_lock(&features_mutex);
	if (pool_has(pool, FEATURE_RECORDS))
		records_alloc(pool_inside(pool), to, GFP_KERNEL | __GFP_NOWARN);
	mutex_unlock(&features_mutex);
}

/*
 * The end of a pool
 */

/**
 * struct gone - a pool that has ended while checks were on
 *
 * @pool: where it was
 * @name: what it was called
 * @is_ours: its memory is to be freed; until then who frees an element to it is
 *	told from who uses other memory
 * @who: who ended it
 */
static struct gone {
	struct mempool2		*pool;
	char			name[MEMPOOL2_NAME_LEN];
	bool			is_ours;
	struct mempool2_record	who;
} gone[16];

static DEFINE_RAW_SPINLOCK(gone_lock);
static unsigned int gone_next;
static DEFINE_RATELIMIT_STATE(gone_ratelimit, 5 * HZ, 5);

static struct gone *gone_find(const struct mempool2 *pool)
{
	unsigned int i;

	lockdep_assert_held(&gone_lock);
	/* The youngest first. */
	for (i = 1; i <= ARRAY_SIZE(gone); i++)
		if (gone[(gone_next - i) % ARRAY_SIZE(gone)].pool == pool)
			return &gone[(gone_next - i) % ARRAY_SIZE(gone)];
	return NULL;
}

static void gone_add(struct mempool2 *pool)
{
	u32 stack = stack_here();
	struct mempool2 *oldest;
	char name[MEMPOOL2_NAME_LEN];
	unsigned long flags;
	struct gone *one;

	pool_name(pool, name);
	raw_spin_lock_irqsave(&gone_lock, flags);
	one = &gone[gone_next++ % ARRAY_SIZE(gone)];
	oldest = one->is_ours ? one->pool : NULL;
	one->pool = pool;
	one->is_ours = false;
	memcpy(one->name, name, sizeof(name));
	one->who.pid = task_pid_nr(current);
	word_copy(one->who.comm, current->comm, sizeof(one->who.comm));
	one->who.stack = stack;
	one->who.since = jiffies;
	raw_spin_unlock_irqrestore(&gone_lock, flags);
	kfree(oldest);
}

static void report_exit(struct mempool2 *pool, struct mempool2_inside *inside,
			int nr_waiters, int nr_out)
{
	struct mempool2_record holders[2];
	char name[MEMPOOL2_NAME_LEN];
	unsigned long flags;
	unsigned int nr;

	if (!may_report(inside))
		return;
	pool_name(pool, name);
	nr = records_copy(inside, NULL, holders, ARRAY_SIZE(holders));
	flags = report_begin(nr_waiters ? "destroyed while callers wait" :
					  "destroyed while elements are out", name);
	report_line("pool %p: %d wait, %d of %d elements are out\n", pool, nr_waiters,
		    nr_out, READ_ONCE(pool->min_nr));
	report_here("destroyed");
	report_holders(holders, nr);
	report_end(flags, "destroyed too early");
}

/* A pool is about to end, and still is as it was. */
void mp2_inside_exit(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve = rcu_dereference_protected(pool->reserve, true);
	int nr_out, nr_waiters = READ_ONCE(pool->nr_waiters);

	if (!pool_has(pool, FEATURE_CHECK_EXIT))
		return;
	nr_out = reserve_room(reserve) - reserve->nr_unfilled - mp2_reserve_count(reserve);
	if (nr_waiters || nr_out > 0)
		report_exit(pool, pool_inside(pool), nr_waiters, max(nr_out, 0));
	gone_add(pool);
}

/* What of a destroyed pool's memory may be freed now. */
struct mempool2 *mp2_inside_destroyed(struct mempool2 *pool)
{
	unsigned long flags;
	struct gone *found;

	raw_spin_lock_irqsave(&gone_lock, flags);
	found = gone_find(pool);
	if (found && !found->is_ours)
		found->is_ours = true;
	else
		found = NULL;
	raw_spin_unlock_irqrestore(&gone_lock, flags);
	return found ? NULL : pool;
}

/* Something is freed to what is no pool. False if nothing is known of it. */
bool mp2_inside_freed_to_none(const struct mempool2 *pool, const void *element)
{
	struct gone copy = {}, *found;
	unsigned long flags;

	raw_spin_lock_irqsave(&gone_lock, flags);
	found = gone_find(pool);
	if (found)
		copy = *found;
	raw_spin_unlock_irqrestore(&gone_lock, flags);
	if (!found)
		return false;
	if (!__ratelimit(&gone_ratelimit))
		return true;

	flags = report_begin("free into a destroyed pool", copy.name);
	report_line("element %p stays as it is; the pool was at %p\n", element, pool);
	report_here("freed");
	report_line("destroyed by task %s/%d %u ms ago:\n", copy.who.comm,
		    copy.who.pid, jiffies_to_msecs(jiffies - copy.who.since));
	stack_print(copy.who.stack);
	report_end(flags, "free into a destroyed pool");
	return true;
}
