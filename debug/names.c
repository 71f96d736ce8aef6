// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of pools, from their owner or their creation site; and tracepoints
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/export.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "priv.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_reserve_alloc);
EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_refill);
EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_wait_begin);
EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_wait_end);
EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_handover);
EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_resize);
EXPORT_TRACEPOINT_SYMBOL_GPL(mempool2_alloc_failed);

/*
 * Creation sites
 */

static LIST_HEAD(sites);

static struct mempool2_site *site_find(unsigned long address)
{
	struct mempool2_site *site;

	lockdep_assert_held(&mp2_registry_lock);
	list_for_each_entry(site, &sites, list)
		if (site->address == address)
			return site;
	return NULL;
}

/* Returns %NULL if the site is known already, or without memory. */
static struct mempool2_site *site_alloc(unsigned long address, gfp_t gfp)
{
	struct mempool2_site *site;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	site = site_find(address);
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	if (site)
		return NULL;
	site = kzalloc(sizeof(*site), gfp | __GFP_NOWARN);
	if (!site)
		return NULL;
	site->address = address;
	scnprintf(site->text, sizeof(site->text), "%pS", (void *)address);
	return site;
}

/*
 * Unlinks the site with its last pool, and returns it for kfree(): after that the module with
 * @site->address may be unloaded.
 */
struct mempool2_site *mp2_site_put(struct mempool2_site *site)
{
	lockdep_assert_held(&mp2_registry_lock);
	if (!site || --site->nr_pools)
		return NULL;
	list_del(&site->list);
	return site;
}

/* Record @caller as the creation site of the pool of @reserve. */
void mp2_site_get(struct mempool2_reserve *reserve, unsigned long caller, gfp_t gfp)
{
	struct mempool2_site *new = site_alloc(caller, gfp), *site;
	unsigned long flags;

	spin_lock_irqsave(&mp2_registry_lock, flags);
	site = site_find(caller);
	if (!site && new) {
		list_add(&new->list, &sites);
		site = new;
		new = NULL;
	}
	if (site)
		site->nr_pools++;
	reserve->site = site;
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	kfree(new);
}

/*
 * Names
 */

/*
 * Copy foreign text, such as the name of a task, as one word of printable characters: in a
 * table, a report or a terminal it must not end a column or a line.
 */
void mp2_word_copy(char *word, const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size - 1 && text[i]; i++)
		word[i] = isascii(text[i]) && isgraph(text[i]) ? text[i] : '_';
	memset(word + i, 0, size - i);
}

/* Cut the output of %pS or %ps down to the name in the source, without ".isra.0" and the offset. */
void mp2_place_name(char *name, const char *place, size_t size)
{
	scnprintf(name, size, "%.*s", (int)strcspn(place, "+. "), place);
}

void mp2_reserve_name(const struct mempool2_reserve *reserve, char *name)
{
	const struct mempool2_ext *ext = READ_ONCE(reserve->ext);

	if (ext && ext->name[0]) {
		memcpy(name, ext->name, MEMPOOL2_NAME_LEN);
		return;
	}
	mp2_place_name(name, reserve->site ? reserve->site->text : "unknown", MEMPOOL2_NAME_LEN);
}

void mp2_pool_name(const struct mempool2 *pool, char *name)
{
	rcu_read_lock_sched();
	mp2_reserve_name(rcu_dereference_sched(pool->reserve), name);
	rcu_read_unlock_sched();
}

int mempool2_set_name(struct mempool2 *pool, const char *name)
{
	struct mempool2_ext *ext;
	char text[MEMPOOL2_NAME_LEN];

	if (misuse_uninit(pool) || misuse_once(!name || !*name, "the name is empty"))
		return -EINVAL;
	might_sleep();
	mp2_word_copy(text, name, sizeof(text));
	mutex_lock(&mp2_features_mutex);
	ext = mp2_pool_make_ext(pool);
	if (ext) {
		/* debugfs may be reading the name. */
		spin_lock_irq(&mp2_registry_lock);
		memcpy(ext->name, text, sizeof(text));
		spin_unlock_irq(&mp2_registry_lock);
	}
	mutex_unlock(&mp2_features_mutex);
	return ext ? 0 : -ENOMEM;
}
EXPORT_SYMBOL_GPL(mempool2_set_name);

/*
 * Tracepoints
 */

void mempool2_trace_name(const struct mempool2 *pool, char *name)
{
	memset(name, 0, MEMPOOL2_NAME_LEN);
	mp2_pool_name(pool, name);
}

/* A tracepoint of the reserve concerns all pools: instrument them while it is enabled. */
static void registry_trace(int change)
{
	unsigned long flags;

	lockdep_assert_held(&mp2_features_mutex);
	mp2_instrumented_begin();
	/* With trace_event= on the command line interrupts are off and must stay off. */
	spin_lock_irqsave(&mp2_registry_lock, flags);
	mp2_nr_traced += change;
	spin_unlock_irqrestore(&mp2_registry_lock, flags);
	mp2_instrumented_update();
}

int mempool2_trace_begin(void)
{
	mp2_features_lock();
	registry_trace(1);
	mp2_features_unlock();
	return 0;
}

void mempool2_trace_end(void)
{
	mp2_features_lock();
	registry_trace(-1);
	mp2_features_unlock();
}
