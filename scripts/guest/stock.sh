#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest that has loaded KUnit, mempool2 and the suite: when the suite is through, nothing keeps these modules
# from being unloaded.

while [ "$(cat /sys/module/mempool2_kunit/parameters/running)" = Y ]; do
	sleep 1
done
rmmod mempool2_kunit && rmmod mempool2 && rmmod kunit
