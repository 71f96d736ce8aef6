#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest that has run the suite by loading it: nothing of it keeps the modules from being unloaded.

rmmod mempool2_kunit && rmmod mempool2
