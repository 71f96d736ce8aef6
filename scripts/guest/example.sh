#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with mempool2 and mempool2_example loaded: the example works and both go away again.

stats=/sys/kernel/debug/mempool2_example/stats
[ -r $stats ] || { echo "there is no $stats" >&2; exit 1; }
sleep 3
cat $stats
# Figures that are all zero would mean that nothing runs.
awk 'NF != 2 || $2 !~ /^[0-9]+$/ { print "not a name and a value: " $0; bad = 1 }
	$2 > 0 { seen = 1 }
	END { if (!seen) print "no figures"; exit bad || !seen }' $stats >&2 || exit 1
rmmod mempool2_example && rmmod mempool2
