#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with kmemleak, after its kernel has run the suite: kmemleak finds no leak. The kernel reports each leak to
# the console too, where scripts/vm finds the report.

kmemleak=/sys/kernel/debug/kmemleak
[ -w $kmemleak ] || { echo "this kernel has no kmemleak" >&2; exit 1; }

# kmemleak looks at nothing younger than 5 s, and first asks for a second look.
sleep 6
echo scan >$kmemleak
echo scan >$kmemleak
cat $kmemleak >&2
[ -z "$(cat $kmemleak)" ]
