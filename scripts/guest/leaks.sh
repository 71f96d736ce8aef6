#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with kmemleak whose kernel has run the suite before it came here: nothing was left behind that
# nobody points at. The kernel reports what it finds to the console too, where scripts/vm sees it.

kmemleak=/sys/kernel/debug/kmemleak
[ -w $kmemleak ] || { echo "this kernel has no kmemleak" >&2; exit 1; }

# kmemleak looks at nothing younger than 5 s, and first asks for a second look.
sleep 6
echo scan >$kmemleak
echo scan >$kmemleak
cat $kmemleak >&2
[ -z "$(cat $kmemleak)" ]
