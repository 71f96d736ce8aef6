// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of mempool2_debug.h without CONFIG_MEMPOOL2_DEBUG
 *
 * They are exported all the same, so that drivers need not know how mempool2 was built.
 */
#include <linux/errno.h>
#include <linux/export.h>

#include "../mempool2_debug.h"

/* No file or report would show the name, so this is no error. */
int mempool2_set_name(struct mempool2 *pool, const char *name)
{
	return 0;
}
EXPORT_SYMBOL_GPL(mempool2_set_name);

int mempool2_set_fail_interval(struct mempool2 *pool, unsigned int one_in)
{
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(mempool2_set_fail_interval);

int mempool2_enable_stats(struct mempool2 *pool, bool on)
{
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(mempool2_enable_stats);

int mempool2_get_stats(struct mempool2 *pool, struct mempool2_stats *sum)
{
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(mempool2_get_stats);

int mempool2_set_checks(struct mempool2 *pool, unsigned int checks)
{
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(mempool2_set_checks);

int mempool2_set_stall_timeout(struct mempool2 *pool, unsigned int seconds)
{
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(mempool2_set_stall_timeout);
