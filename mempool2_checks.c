// SPDX-License-Identifier: GPL-2.0-only
/*
 * mempool2 - finding misuse: what is kept of elements, the checks and their reports
 *
 * A part of mempool2_ext.c, which includes it after mempool2_ext.c.
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

/* Remember where its return addresses are, if all of them are on the task's stack. */
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
					    can_alloc_stack());
	stack_cache(stack, frame, entries + first);
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

static __always_inline struct hlist_head *record_list(struct mempool2_ext *ext,
						      const void *element)
{
	return &ext->records[hash_ptr(element, 32) & ext->records_mask];
}

/*
 * With the records' lock held: elements are equal, as permits are, or memory of no size. So an
 * address does not tell which one it is, and there are no records any more.
 */
static void records_give_up(struct mempool2_ext *ext)
{
	ext->repeats = true;
	ext->records = NULL;
}

/* With the records' lock held, or before they are in use. */
static __always_inline struct mempool2_record *record_find(struct mempool2_ext *ext,
							   const void *element)
{
	struct mempool2_record *record;

	hlist_for_each_entry(record, record_list(ext, element), node)
		if (record->element == element)
			return record;
	return NULL;
}

/* @record: what record_find() found */
static __always_inline void record_set(struct mempool2_ext *ext,
				       struct mempool2_record *record, void *element,
				       bool rests, unsigned long from, u32 stack)
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
	/* Who an interrupt or a request's function came upon has nothing to do with it. */
	record->task = by_task() ? current : NULL;
	record->pid = task_pid_nr(current);
	memcpy(record->comm, current->comm, sizeof(record->comm));
	record->from = from;
	record->stack = stack;
	record->since = jiffies;
	record->rests = rests;
}

static void record_drop(struct mempool2_ext *ext, struct mempool2_record *record)
{
	hlist_del(&record->node);
	hlist_add_head(&record->node, &ext->unused);
	ext->nr_used--;
}

/*
 * See that there are enough for a reserve of @nr_slots: twice as many, as elements that are out
 * may be replaced. Those that are there from a larger one stay.
 */
static int records_alloc(struct mempool2_ext *ext, unsigned int nr_slots, gfp_t gfp)
{
	unsigned int bits = clamp(ilog2(nr_slots) + 2, 4, 16), i;
	struct mempool2_chunk *chunk;
	struct hlist_head *records;
	unsigned long flags;

	if (!ext->table) {
		records = kcalloc(1UL << bits, sizeof(*records), gfp);
		if (!records)
			return -ENOMEM;
		raw_spin_lock_irqsave(&ext->lock, flags);
		ext->table = records;
		ext->repeats |= ext->elements.alike == ALIKE_SOME;
		ext->distinct |= ext->elements.alike == ALIKE_NOT_ALL;
		if (!ext->repeats)
			ext->records = records;
		ext->records_mask = (1U << bits) - 1;
		raw_spin_unlock_irqrestore(&ext->lock, flags);
	}
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

/* Those who look for what is known of elements may be at it, so they are taken away first. */
static void records_free(struct mempool2_ext *ext)
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
	ext->since_made = false;
	WRITE_ONCE(ext->nr_missed, 0);
	raw_spin_unlock_irqrestore(&ext->lock, flags);

	list_for_each_entry_safe(chunk, next, &chunks, list)
		kfree(chunk);
	kfree(records);
}

/* A few lists of them, from list *@i on. */
static unsigned int records_copy_some(struct mempool2_ext *ext, unsigned int *i,
				      const struct task_struct *task,
				      struct mempool2_record *copies, unsigned int max)
{
	unsigned int nr = 0, end = *i + BATCH;
	struct mempool2_record *record;

	for (; *i < end && *i <= ext->records_mask; (*i)++) {
		hlist_for_each_entry(record, &ext->records[*i], node) {
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
static unsigned int records_copy(struct mempool2_ext *ext, const struct task_struct *task,
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
void mp2_debug_track(struct mempool2 *pool, void *element)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_RECORDS);
	unsigned long flags;

	if (!ext || !pool_may_repeat(pool))
		return;
	raw_spin_lock_irqsave(&ext->lock, flags);
	if (ext->records && record_find(ext, element))
		records_give_up(ext);
	raw_spin_unlock_irqrestore(&ext->lock, flags);
}

/* An element of a new pool rests. */
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
 * Poison: what an element that rests is filled with, as far as the pool knows how
 * large it is
 */

#define POISON_PARKED	0x6b
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

static void *poison_area(const struct mempool2_ext *ext, void *element, size_t *size)
{
	*size = ext->elements.area;
	if (!ext->elements.are_pages)
		return element;
	*size = PageHighMem((struct page *)element) ? 0 : POISON_MOST;
	return *size ? page_address(element) : element;
}

static noinline void poison_set(const struct mempool2_ext *ext, void *element)
{
	size_t size;
	void *area = poison_area(ext, element, &size);

	memset(area, POISON_PARKED, size);
}

/* Where somebody has written to it, %NULL if nobody has. */
static u8 *poison_broken(const struct mempool2_ext *ext, void *element)
{
	size_t size;
	void *area = poison_area(ext, element, &size);

	return size ? memchr_inv(area, POISON_PARKED, size) : NULL;
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

static bool may_report(struct mempool2_ext *ext)
{
	return __ratelimit(&ext->ratelimit);
}

/* What is known of an element now, for a report: others may change it. */
static void record_copy(struct mempool2_ext *ext, const void *element,
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

static noinline void report_double_free(struct mempool2 *pool, struct mempool2_ext *ext,
					const void *element)
{
	char name[MEMPOOL2_NAME_LEN];
	struct mempool2_record before;
	unsigned long flags;

	if (!may_report(ext))
		return;
	pool_name(pool, name);
	record_copy(ext, element, &before);
	flags = report_begin("double free", name);
	report_line("element %p of pool %p is freed while it rests in the reserve\n",
		    element, pool);
	report_here("freed again");
	report_record("freed", &before);
	report_end(flags, "double free");
}

static void report_poison(struct mempool2 *pool, struct mempool2_ext *ext,
			  void *element, const u8 *broken)
{
	char name[MEMPOOL2_NAME_LEN];
	struct mempool2_record record;
	unsigned long flags;
	size_t size, left;
	u8 *area;

	if (!may_report(ext))
		return;
	pool_name(pool, name);
	record_copy(ext, element, &record);
	area = poison_area(ext, element, &size);
	left = min_t(size_t, area + size - broken, 16);
	flags = report_begin("element written to while it rested", name);
	report_line("element %p of pool %p: byte %zu and what follows, which should be %#x:\n",
		    element, pool, (size_t)(broken - area), POISON_PARKED);
	report_line(" %*ph\n", (int)left, broken);
	report_here("found");
	report_record("freed", &record);
	report_end(flags, "element written to while it rested");
}

static void report_nested(struct mempool2 *pool, struct mempool2_ext *ext,
			  const struct mempool2_record *record)
{
	char name[MEMPOOL2_NAME_LEN];
	unsigned long flags;

	if (!may_report(ext))
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
void mp2_debug_park(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_POISON);
	unsigned int i;

	for (i = 0; i < nr && ext; i++)
		poison_set(ext, elems[i]);
}

/* Elements have rested. Called with preemption disabled since they did. */
static noinline void poison_check(struct mempool2 *pool, struct mempool2_ext *ext,
				  void *element)
{
	u8 *broken = poison_broken(ext, element);

	if (broken)
		report_poison(pool, ext, element, broken);
}

void mp2_debug_unpark(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_CHECK_POISON);
	unsigned int i;

	for (i = 0; i < nr && ext; i++)
		poison_check(pool, ext, elems[i]);
}

/* Another stack than the last one. */
static noinline u32 stack_new(struct mempool2_ext *ext, const unsigned long *frame,
			      unsigned long from)
{
	struct mempool2_stack stack;
	unsigned long flags;
	u32 handle;

	handle = stack_save(&stack, frame, from);
	if (!handle)
		return 0;
	raw_spin_lock_irqsave(&ext->lock, flags);
	ext->stack = stack;
	raw_spin_unlock_irqrestore(&ext->lock, flags);
	return handle;
}

/* The caller has taken elements of the reserve. */
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
		/* There is no memory for it to be had under the lock. */
		raw_spin_unlock_irqrestore(&ext->lock, flags);
		stack = stack_new(ext, frame, from);
		raw_spin_lock_irqsave(&ext->lock, flags);
	}
	for (i = 0; i < nr && ext->records; i++) {
		record = record_find(ext, elems[i]);
		/* What was out has been put again by nobody: it is another one. */
		if (unlikely(record && !record->rests) && pool_may_repeat(pool)) {
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

/* The same, without having waited for them. */
void mp2_debug_reserve_alloc(struct mempool2 *pool, void **elems, unsigned int nr,
				   unsigned long caller)
{
	trace_mempool2_reserve_alloc(pool, nr, caller);
	pool_stats_add(pool, reserve_allocs, nr);
	mp2_debug_track_alloc(pool, elems, nr);
}

/*
 * An element is freed that is said to rest. Is that one too many, or another one that is equal, and
 * was out before there were records? If elements are memory, and not all the same, they are what an
 * allocator gave out for each of them, which cannot be equal.
 */
static noinline bool records_freed_twice(const struct mempool2 *pool, struct mempool2_ext *ext,
					 const void *element)
{
	if (pool_may_repeat(pool) && !ext->since_made &&
	    (!ext->distinct || !is_memory(element))) {
		records_give_up(ext);
		return false;
	}
	return READ_ONCE(ext->features) & FEATURE_CHECK_DOUBLE;
}

/* An element is freed. False if that must not be. */
static __always_inline bool records_freed(struct mempool2 *pool, struct mempool2_ext *ext,
					  void *element, unsigned long caller)
{
	struct mempool2_record *record;
	unsigned long flags;
	bool is_double = false;

	raw_spin_lock_irqsave(&ext->lock, flags);
	if (ext->records) {
		record = record_find(ext, element);
		if (unlikely(record && record->rests))
			is_double = records_freed_twice(pool, ext, element);
		else
			record_set(ext, record, element, true, caller, 0);
	}
	raw_spin_unlock_irqrestore(&ext->lock, flags);
	if (unlikely(is_double))
		report_double_free(pool, ext, element);
	return !is_double;
}

bool mp2_debug_track_free(struct mempool2 *pool, void *element, unsigned long caller)
{
	struct mempool2_ext *ext = ext_with(pool, FEATURE_RECORDS);

	return !ext || records_freed(pool, ext, element, caller);
}

/*
 * What mempool2_alloc() and mempool2_free() do for other pools where they are called:
 * the alloc function, and the slot at the CPU's place. All in one, as it is to stay
 * fast enough for that one may leave checks on.
 */
void *mp2_debug_alloc(struct mempool2 *pool, gfp_t gfp, int *entered, unsigned long caller)
{
	struct mempool2_ext *ext = pool_ext(pool);
	unsigned int features = ext_features(ext);
	void *element = NULL;
	int state;

	if (unlikely(features & FEATURE_LIMIT)) {
		*entered = mp2_limit_charge(pool, 1);
		if (*entered < 0)
			return NULL;
	}
	if (!(features & FEATURE_FAILING) || !ext_should_fail(ext)) {
		element = __mempool2_backend_alloc(pool, pool->kind, gfp);
		if (element) {
			if (features & FEATURE_RECORDS)
				mp2_debug_track(pool, element);
			return element;
		}
	}

	rcu_read_lock_sched();
	/* Again: who switches waits for those who take without having seen it. */
	features = ext_features(ext);
	state = atomic_read(&pool->state);
	if ((state & FAST_TAKE_MASK) == MEMPOOL2_NOT_FULL)
		slot_take(reserve_hint_slot(rcu_dereference_sched(pool->reserve)), &element);
	if (unlikely(atomic_read(&pool->state) != state))
		mp2_reserve_set_not_full(pool, NULL);
	if (element) {
		element_kasan_unpark(pool, element);
		if (features & FEATURE_CHECK_POISON)
			poison_check(pool, ext, element);
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

/* True if nothing is left to be done with the element. */
bool mp2_debug_free(struct mempool2 *pool, void *element, unsigned long caller)
{
	struct mempool2_reserve *reserve;
	struct mempool2_ext *ext;
	unsigned int features;

	rcu_read_lock_sched();
	reserve = rcu_dereference_sched(pool->reserve);
	/* As in pool_ext(). */
	ext = smp_load_acquire(&reserve->ext);
	features = ext_features(ext);
	if (features & FEATURE_RECORDS && !records_freed(pool, ext, element, caller)) {
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
		poison_set(ext, element);
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
	if (features & FEATURE_STATS)
		stats_add(ext, refills, 1);
	/* Last, as it may call functions that end the pool. */
	pool_kick_waiters(pool);
	return true;
}

/* An element goes back to where elements come from. */
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

/* Waiting */

static void check_nested(struct mempool2 *pool)
{
	struct mempool2_record record;

	if (records_copy(pool_ext(pool), current, &record, 1) &&
	    record.pid == task_pid_nr(current))
		report_nested(pool, pool_ext(pool), &record);
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

/* Where to look for those who wait for the pool of @ext. -ENODEV if it has ended. */
static int waiters_look_at(struct waiters_look *look, const struct mempool2_ext *ext)
{
	int err = -ENODEV;

	spin_lock_irq(&mp2_registry_lock);
	if (ext->reserve) {
		look->reserve = ext->reserve;
		look->pool = READ_ONCE(ext->reserve->pool);
		err = 0;
	}
	spin_unlock_irq(&mp2_registry_lock);
	return err;
}

/* @timeout: how long the caller itself is ready to wait; not at all where a function is called */
void mp2_debug_wait_begin(struct mempool2_waiter *waiter, unsigned long timeout)
{
	struct mempool2 *pool = waiter->pool;
	struct mempool2_reserve *reserve;

	waiter->since = ktime_get_ns();
	waiter->is_reported = false;
	waiter->task = waiter->callback ? NULL : current;
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

void mp2_debug_wait_end(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	struct mempool2_stats *own;
	struct mempool2_ext *ext;
	unsigned long flags;
	u64 ns = ktime_get_ns() - waiter->since;

	waiters_list_del(waiter);
	trace_mempool2_wait_end(pool, waiter->count, waiter->nr_missing, ns, waiter->caller);
	if (!pool_is_instrumented(pool))
		return;
	ext = ext_with(pool, FEATURE_STATS);
	if (!ext)
		return;
	own = figures_begin(ext, &flags);
	figure_add(own->waits, 1);
	figure_add(own->wait_ns, ns);
	if (ns > own->max_wait_ns)
		WRITE_ONCE(own->max_wait_ns, ns);
	figures_end(ext, flags);
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

static int waiters_count(const struct mempool2_ext *ext)
{
	struct waiters_count count = { .look.see = waiter_count };

	if (!waiters_look_at(&count.look, ext))
		waiters_see(&count.look);
	return count.nr;
}

/**
 * struct waiter_snapshot - a waiter, as it was seen
 *
 * @pid: its task, or 0 if a function will be called
 * @comm: the task's name
 * @callback: the function
 * @caller: the code that allocates
 * @ns: how long it has waited
 * @missing: elements that it still waits for
 */
struct waiter_snapshot {
	pid_t		pid;
	char		comm[TASK_COMM_LEN];
	mempool2_callback_t *callback;
	unsigned long	caller;
	u64		ns;
	unsigned int	missing;
};

/* A waiter is certainly there, and its task, as long as it is in the list. */
static void waiter_snapshot(const struct mempool2_waiter *waiter, u64 now, struct waiter_snapshot *view)
{
	view->pid = waiter->task ? task_pid_nr(waiter->task) : 0;
	/* Not get_task_comm(): on older kernels it takes a lock that interrupts may not. */
	if (waiter->task)
		word_copy(view->comm, waiter->task->comm, TASK_COMM_LEN);
	view->callback = waiter->callback;
	view->caller = waiter->caller;
	view->ns = now - waiter->since;
	view->missing = READ_ONCE(waiter->nr_missing);
}

/* The name of the task or function, as a word; that of a function takes long to find. */
static const char *waiter_name(struct waiter_snapshot *view)
{
	char place[96];

	if (view->callback) {
		scnprintf(place, sizeof(place), "%ps", view->callback);
		place_name(view->comm, place, TASK_COMM_LEN);
	}
	return view->comm;
}

struct waiters_copy {
	struct waiters_look	look;
	u64			now;
	struct waiter_snapshot	*views;
	unsigned int		nr;
	unsigned int		max;
};

static bool waiter_copy(struct waiters_look *look, struct mempool2_waiter *waiter)
{
	struct waiters_copy *copy = container_of(look, struct waiters_copy, look);

	waiter_snapshot(waiter, copy->now, &copy->views[copy->nr++]);
	return copy->nr < copy->max;
}

/* Copy up to @max, the oldest. Returns how many. */
static unsigned int waiters_copy(const struct mempool2_ext *ext, struct waiter_snapshot *views,
				 unsigned int max)
{
	struct waiters_copy copy = {
		.look.see = waiter_copy,
		.now = ktime_get_ns(),
		.views = views,
		.max = max,
	};

	if (!waiters_look_at(&copy.look, ext))
		waiters_see(&copy.look);
	return copy.nr;
}

/*
 * What is known of a pool whose waiters are stuck. @lock: report_lock is not for
 * long work, so all of it is copied first.
 */
struct stall_snapshot {
	struct waiters_look	look;
	u64			now;
	u64			ns;		/* so long is too long */
	char			name[MEMPOOL2_NAME_LEN];
	struct waiter_snapshot	waiters[NAMED];
	struct mempool2_record	holders[NAMED];
	unsigned int		nr_waiters;
	unsigned int		nr_holders;
	int			nr_waiting;
	int			min_nr;
	bool			has_records;
};

static bool waiter_is_stalled(const struct stall_snapshot *view, const struct mempool2_waiter *waiter)
{
	return !waiter->is_reported && (s64)(view->now - waiter->since) >= (s64)view->ns;
}

static bool stall_seek(struct waiters_look *look, struct mempool2_waiter *waiter)
{
	struct stall_snapshot *view = container_of(look, struct stall_snapshot, look);

	view->nr_waiters += waiter_is_stalled(view, waiter);
	return !view->nr_waiters;
}

static bool stalls_copy(struct waiters_look *look, struct mempool2_waiter *waiter)
{
	struct stall_snapshot *view = container_of(look, struct stall_snapshot, look);

	view->nr_waiting = READ_ONCE(waiter->pool->nr_waiters);
	if (!waiter_is_stalled(view, waiter))
		return true;
	waiter->is_reported = true;
	if (view->nr_waiters < NAMED)
		waiter_snapshot(waiter, view->now, &view->waiters[view->nr_waiters]);
	view->nr_waiters++;
	return true;
}

/*
 * Are there waiters of the pool that are stuck, and may they be reported now? All those
 * that are not named in the report are counted in it.
 */
static bool stall_scan(struct mempool2_ext *ext, struct stall_snapshot *view)
{
	memset(view, 0, sizeof(*view));
	view->now = ktime_get_ns();
	view->ns = (u64)READ_ONCE(ext->stall_timeout) * NSEC_PER_SEC;
	view->look.see = stall_seek;
	if (waiters_look_at(&view->look, ext))
		return false;
	waiters_see(&view->look);
	if (!view->nr_waiters || !may_report(ext))
		return false;
	view->nr_waiters = 0;
	view->look.see = stalls_copy;
	waiters_see(&view->look);

	spin_lock_irq(&mp2_registry_lock);
	if (ext->reserve) {
		reserve_name(ext->reserve, view->name);
		view->min_nr = ext->reserve->min_nr;
	} else {
		view->nr_waiters = 0;
	}
	spin_unlock_irq(&mp2_registry_lock);
	view->has_records = ext_features(ext) & FEATURE_RECORDS;
	view->nr_holders = records_copy(ext, NULL, view->holders, NAMED);
	return view->nr_waiters;
}

/*
 * The next pool of those that are looked after, which goes to the end of the list; %NULL
 * if there is none. As long as the mutex is held what it has for features stays.
 */
static struct mempool2_ext *stall_next(void)
{
	struct mempool2_ext *ext;

	lockdep_assert_held(&features_mutex);
	spin_lock_irq(&mp2_registry_lock);
	ext = list_first_entry_or_null(&stalled_exts, struct mempool2_ext, stuck);
	if (ext)
		list_move_tail(&ext->stuck, &stalled_exts);
	spin_unlock_irq(&mp2_registry_lock);
	return ext;
}

static void report_stall(struct stall_snapshot *view)
{
	unsigned long flags = report_begin("waiter stuck", view->name);
	struct waiter_snapshot *waiter;
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

static unsigned int nr_stalled(void)
{
	unsigned int nr;

	spin_lock_irq(&mp2_registry_lock);
	nr = nr_stalls;
	spin_unlock_irq(&mp2_registry_lock);
	return nr;
}

static void stall_watch(struct work_struct *work)
{
	struct stall_snapshot *view = kmalloc(sizeof(*view), GFP_KERNEL | __GFP_NOWARN);
	struct mempool2_ext *ext;
	unsigned int nr;
	bool found;

	for (nr = view ? nr_stalled() : 0; nr; nr--) {
		mutex_lock(&features_mutex);
		ext = stall_next();
		found = ext && stall_scan(ext, view);
		mutex_unlock(&features_mutex);
		if (found)
			report_stall(view);
	}
	kfree(view);
	if (nr_stalled())
		schedule_delayed_work(&stall_work, HZ);
}

#define STALL_TIMEOUT_MAX	(24 * 60 * 60)

static int ext_set_stall_timeout(struct mempool2_ext *ext, unsigned int seconds)
{
	if (!seconds)
		return ext_switch(ext, ext->features & ~FEATURE_STALL);
	WRITE_ONCE(ext->stall_timeout, seconds);
	return ext_switch(ext, ext->features | FEATURE_STALL);
}

int mempool2_set_stall_timeout(struct mempool2 *pool, unsigned int seconds)
{
	if (misuse_uninit(pool) ||
	    misuse_once(seconds > STALL_TIMEOUT_MAX, "%u s is more than a day", seconds))
		return -EINVAL;
	return pool_set(pool, ext_set_stall_timeout, seconds);
}
EXPORT_SYMBOL_GPL(mempool2_set_stall_timeout);

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

static void element_prepare(struct mempool2_ext *ext, void *element)
{
	unsigned int order = ext->elements.area;

	/* Objects that KASAN lets nobody touch while they rest have nothing to poison. */
	if (!ext->elements.are_pages) {
		poison_set(ext, element);
		return;
	}
	mempool2_kasan_unpoison_pages(element, order);
	poison_set(ext, element);
	(void)mempool2_kasan_poison_pages(element, order);
}

/*
 * With the records' lock held: an element is found in a slot. One that was found before, and not
 * freed since, is in another slot as well.
 */
static void record_swept(struct mempool2_ext *ext, void *element)
{
	struct mempool2_record *record;

	if (!ext->records)
		return;
	record = record_find(ext, element);
	if (record && record->rests && !record->from && ext->elements.alike != ALIKE_NEVER)
		records_give_up(ext);
	else
		record_set(ext, record, element, true, 0, 0);
}

/* Poison an element that rests, and make a record of it, as if it were freed now. */
static void element_sweep(struct mempool2_ext *ext, void *element)
{
	if (ext->features & FEATURE_POISON)
		element_prepare(ext, element);
	raw_spin_lock(&ext->lock);
	record_swept(ext, element);
	raw_spin_unlock(&ext->lock);
}

/* A CPU that comes by this slot meanwhile looks again under the lock. */
static void slot_sweep(struct mempool2_ext *ext, void **slot)
{
	void *element = READ_ONCE(*slot);

	if (!is_element(element) || !try_cmpxchg(slot, &element, SLOT_CLOSED))
		return;
	element_sweep(ext, element);
	/* Pairs with slot_take(). It is open before is_moving is cleared: swept-or-taken. */
	smp_store_release(slot, element);
}

/*
 * All that rest in @reserve, one at a time, as the pool may end in the meantime. Elements that are
 * put from now on are swept by those who put them. The store is swept from the top, and what
 * is taken from there, or put there, leaves the ones below as they are.
 */
static void reserve_sweep(struct mempool2_ext *ext, struct mempool2_reserve *reserve)
{
	unsigned int slot = 0, below = UINT_MAX;
	unsigned long flags;

	while (below) {
		spin_lock_irq(&mp2_registry_lock);
		/* From when the pool is about to end its reserve is not ours to look at. */
		if (!ext->reserve) {
			spin_unlock_irq(&mp2_registry_lock);
			return;
		}
		/* On PREEMPT_RT interrupts are still enabled. */
		raw_spin_lock_irqsave(&reserve->lock, flags);
		if (slot < reserve->nr_slots) {
			slot_sweep(ext, &reserve->slots[slot++]);
		} else {
			below = min(below, reserve->nr_stored);
			if (below)
				element_sweep(ext, reserve->store[--below]);
		}
		raw_spin_unlock_irqrestore(&reserve->lock, flags);
		spin_unlock_irq(&mp2_registry_lock);
		if ((slot + below) % BATCH == 0)
			cond_resched();
	}
}

/* What is known of elements that rest may be out of date. A few lists at a time. */
static void records_drop_resting(struct mempool2_ext *ext)
{
	struct mempool2_record *record;
	unsigned int i = 0, end;
	struct hlist_node *next;
	bool more;

	do {
		raw_spin_lock_irq(&ext->lock);
		for (end = i + BATCH; i < end; i++) {
			more = ext->records && i <= ext->records_mask;
			if (!more)
				break;
			hlist_for_each_entry_safe(record, next, &ext->records[i], node)
				if (record->rests)
					record_drop(ext, record);
		}
		raw_spin_unlock_irq(&ext->lock);
		cond_resched();
	} while (more);
}

/* False if the pool has ended. Else its reserve, or %NULL while it has another owner. */
static bool ext_try_own(struct mempool2_ext *ext, struct mempool2_reserve **found)
{
	struct mempool2_reserve *reserve;

	spin_lock_irq(&mp2_registry_lock);
	reserve = ext->reserve;
	*found = reserve && !READ_ONCE(reserve->old) && mp2_reserve_own(reserve) ? reserve : NULL;
	spin_unlock_irq(&mp2_registry_lock);
	return reserve;
}

/* False if the pool has ended. */
static bool ext_set_moving(struct mempool2_ext *ext, bool moving)
{
	struct mempool2_reserve *reserve;

	spin_lock_irq(&mp2_registry_lock);
	reserve = ext->reserve;
	if (reserve)
		mp2_reserve_set_moving(reserve, moving);
	spin_unlock_irq(&mp2_registry_lock);
	return reserve;
}

/* All that rest in the pool. From then on those who put elements do it themselves. */
static void checks_prepare(struct mempool2_ext *ext)
{
	struct mempool2_reserve *reserve = NULL;

	records_drop_resting(ext);
	/* Nor does any element change its slot, or the pool its reserve. */
	wait_event(mp2_owner_wait, !ext_try_own(ext, &reserve) || reserve);
	if (!reserve || !ext_set_moving(ext, true))
		return;
	/* From now on each CPU looks again. Pairs with mp2_reserve_take(): swept-or-taken. */
	synchronize_rcu();
	reserve_sweep(ext, reserve);
	ext_set_moving(ext, false);
	spin_lock_irq(&mp2_registry_lock);
	if (ext->reserve)
		mp2_reserve_disown(reserve);
	spin_unlock_irq(&mp2_registry_lock);
}

static unsigned int ext_nr_slots(struct mempool2_ext *ext)
{
	unsigned int nr;

	spin_lock_irq(&mp2_registry_lock);
	nr = ext->reserve ? reserve_room(ext->reserve) : 0;
	spin_unlock_irq(&mp2_registry_lock);
	return nr;
}

/*
 * Switch checks, of FEATURES_CHECK. A check relies on something that has been done
 * for all elements that rest, and is done by all who let one rest. So this comes
 * first and, once everybody does it, the check; and the other way round.
 */
static int ext_set_checks(struct mempool2_ext *ext, unsigned int checks)
{
	unsigned int features = ext->features, needed, missing;
	int err = 0;

	/* It is on for no pool that cannot have it, so that taking and putting need not ask. */
	if (!elements_can_be_poisoned(ext->elements))
		checks &= ~FEATURE_CHECK_POISON;
	needed = features_needed(checks);
	if (features & FEATURES_CHECK & ~checks) {
		features &= ~FEATURES_CHECK | checks;
		err = ext_switch(ext, features);
		if (err)
			return err;
	}
	if (features & FEATURES_PREPARE & ~needed) {
		features &= ~FEATURES_PREPARE | needed;
		err = ext_switch(ext, features);
		if (!err && !(features & FEATURE_RECORDS))
			records_free(ext);
		if (err)
			return err;
	}
	missing = needed & ~features;
	if (missing) {
		depot_prepare();
		if (missing & FEATURE_RECORDS)
			err = records_alloc(ext, ext_nr_slots(ext), GFP_KERNEL);
		/* Now all calls do what is needed, ... */
		err = err ?: ext_switch(ext, features | missing);
		if (err) {
			if (missing & FEATURE_RECORDS)
				records_free(ext);
			return err;
		}
		features |= missing;
		checks_prepare(ext);
	}
	/* ... and now that can be relied on. */
	return ext_switch(ext, features | checks);
}

int mempool2_set_checks(struct mempool2 *pool, unsigned int checks)
{
	if (misuse_uninit(pool) ||
	    misuse_once(checks & ~MEMPOOL2_CHECK_ALL, "there is no check %#x",
			checks & ~MEMPOOL2_CHECK_ALL))
		return -EINVAL;
	return pool_set(pool, ext_set_checks, features_of_checks(checks));
}
EXPORT_SYMBOL_GPL(mempool2_set_checks);

/*
 * A new pool that has no element yet, and is not in the registry: there is nothing to
 * wait for. It goes without checks if there is no memory for them.
 */
void mp2_debug_created(struct mempool2_reserve *reserve, gfp_t gfp)
{
	unsigned int possible = FEATURES_CHECK, checks;
	struct mempool2_ext *ext;
	unsigned long flags;

	if (!elements_can_be_poisoned(reserve->elements))
		possible &= ~FEATURE_CHECK_POISON;
	if (!(READ_ONCE(checks_for_new) & possible))
		return;
	ext = ext_create(gfp);
	if (!ext)
		return;
	if (records_alloc(ext, reserve_room(reserve), gfp)) {
		ext_drop(ext);
		return;
	}
	ext->since_made = true;
	spin_lock_irqsave(&mp2_registry_lock, flags);
	/* The switch may have been turned meanwhile, and mp2_instrumented with it. */
	checks = checks_for_new & possible;
	if (checks) {
		features_set(ext, checks | features_needed(checks));
		ext_attach(ext, reserve);
		ext = NULL;
	}
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	ext_drop(ext);
}

/* The checks of pools that are made from now on. */
static void checks_for_new_set(unsigned int checks)
{
	lockdep_assert_held(&features_mutex);
	if (checks) {
		instrumented_begin();
		depot_prepare();
	}
	spin_lock_irq(&mp2_registry_lock);
	WRITE_ONCE(checks_for_new, checks);
	spin_unlock_irq(&mp2_registry_lock);
	instrumented_update();
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

void mp2_debug_resized(struct mempool2 *pool, int from, int to, int err)
{
	trace_mempool2_resize(pool, from, to, err);
	if (err || from == to)
		return;
	pool_stats_add(pool, resizes, 1);
	if (to <= from || !pool_has(pool, FEATURE_RECORDS))
		return;
	mutex_lock(&features_mutex);
	if (pool_has(pool, FEATURE_RECORDS))
		records_alloc(pool_ext(pool), to, GFP_KERNEL | __GFP_NOWARN);
	mutex_unlock(&features_mutex);
}

/*
 * The end of a pool
 */

/**
 * struct destroyed - a pool that has ended while checks were on
 *
 * @pool: where it was
 * @name: what it was called
 * @is_ours: its memory is to be freed; until then who frees an element to it is
 *	told from who uses other memory
 * @who: who ended it
 */
static struct destroyed {
	struct mempool2		*pool;
	char			name[MEMPOOL2_NAME_LEN];
	bool			is_ours;
	struct mempool2_record	who;
} destroyed[16];

static DEFINE_RAW_SPINLOCK(destroyed_lock);
static unsigned int nr_destroyed;
static DEFINE_RATELIMIT_STATE(destroyed_ratelimit, 5 * HZ, 5);

static struct destroyed *destroyed_find(const struct mempool2 *pool)
{
	unsigned int i;

	lockdep_assert_held(&destroyed_lock);
	/* The youngest first. */
	for (i = 1; i <= ARRAY_SIZE(destroyed); i++)
		if (destroyed[(nr_destroyed - i) % ARRAY_SIZE(destroyed)].pool == pool)
			return &destroyed[(nr_destroyed - i) % ARRAY_SIZE(destroyed)];
	return NULL;
}

static void destroyed_add(struct mempool2 *pool)
{
	u32 stack = stack_here();
	struct mempool2 *oldest;
	char name[MEMPOOL2_NAME_LEN];
	unsigned long flags;
	struct destroyed *one;

	pool_name(pool, name);
	raw_spin_lock_irqsave(&destroyed_lock, flags);
	one = &destroyed[nr_destroyed++ % ARRAY_SIZE(destroyed)];
	oldest = one->is_ours ? one->pool : NULL;
	one->pool = pool;
	one->is_ours = false;
	memcpy(one->name, name, sizeof(name));
	one->who.pid = task_pid_nr(current);
	word_copy(one->who.comm, current->comm, sizeof(one->who.comm));
	one->who.stack = stack;
	one->who.since = jiffies;
	raw_spin_unlock_irqrestore(&destroyed_lock, flags);
	kfree(oldest);
}

static void report_exit(struct mempool2 *pool, struct mempool2_ext *ext,
			int nr_waiters, int nr_inflight)
{
	struct mempool2_record holders[2];
	char name[MEMPOOL2_NAME_LEN];
	unsigned long flags;
	unsigned int nr;

	if (!may_report(ext))
		return;
	pool_name(pool, name);
	nr = records_copy(ext, NULL, holders, ARRAY_SIZE(holders));
	flags = report_begin(nr_waiters ? "destroyed while callers wait" :
					  "destroyed while elements are out", name);
	report_line("pool %p: %d wait, %d of %d elements are out\n", pool, nr_waiters,
		    nr_inflight, READ_ONCE(pool->min_nr));
	report_here("destroyed");
	report_holders(holders, nr);
	report_end(flags, "destroyed too early");
}

/* A pool is about to end, and still is as it was. */
void mp2_debug_exit(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve = rcu_dereference_protected(pool->reserve, true);
	int nr_inflight, nr_waiters = READ_ONCE(pool->nr_waiters);

	if (!pool_has(pool, FEATURE_CHECK_EXIT))
		return;
	nr_inflight = reserve_room(reserve) - reserve->nr_unfilled - mp2_reserve_count(reserve);
	if (nr_waiters || nr_inflight > 0)
		report_exit(pool, pool_ext(pool), nr_waiters, max(nr_inflight, 0));
	destroyed_add(pool);
}

/* What of a destroyed pool's memory may be freed now. */
struct mempool2 *mp2_debug_destroyed(struct mempool2 *pool)
{
	unsigned long flags;
	struct destroyed *found;

	raw_spin_lock_irqsave(&destroyed_lock, flags);
	found = destroyed_find(pool);
	if (found && !found->is_ours)
		found->is_ours = true;
	else
		found = NULL;
	raw_spin_unlock_irqrestore(&destroyed_lock, flags);
	return found ? NULL : pool;
}

/* Something is freed to what is no pool. False if nothing is known of it. */
bool mp2_debug_free_uninit(const struct mempool2 *pool, const void *element)
{
	struct destroyed copy = {}, *found;
	unsigned long flags;

	raw_spin_lock_irqsave(&destroyed_lock, flags);
	found = destroyed_find(pool);
	if (found)
		copy = *found;
	raw_spin_unlock_irqrestore(&destroyed_lock, flags);
	if (!found)
		return false;
	if (!__ratelimit(&destroyed_ratelimit))
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
