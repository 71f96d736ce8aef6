#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with kmemleak: after loading and unloading mempool2 100 times, and its example 5 times, kmemleak finds no
# leak. The kernel reports each leak to the console too, where scripts/vm finds the report.
#: kernel=uml-7.3-modules
#: vm=--cpus 1 --memory 256

kmemleak=/sys/kernel/debug/kmemleak
[ -w $kmemleak ] || { echo "this kernel has no kmemleak" >&2; exit 1; }

reload() {
	i=0
	while [ $i -lt "$1" ]; do
		insmod /modules/mempool2.ko && eval "$2" && rmmod mempool2 || exit 1
		i=$((i + 1))
	done
}

rmmod mempool2_example && rmmod mempool2 || exit 1
reload 95 :
reload 5 'insmod /modules/mempool2_example.ko && sleep 1 && rmmod mempool2_example'

# kmemleak looks at nothing younger than 5 s.
sleep 6
echo scan >$kmemleak
echo scan >$kmemleak
cat $kmemleak
[ -z "$(cat $kmemleak)" ]
