/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands before the kernel's header of this name: see mempool2_dropin.h */
#ifdef MEMPOOL2_COMPAT_IN_KERNEL
#include_next <linux/fsnotify_backend.h>
#else
#define MEMPOOL2_COMPAT_IN_KERNEL
#include "../../names_kernel.h"
#include_next <linux/fsnotify_backend.h>
#include "../../names_driver.h"
#undef MEMPOOL2_COMPAT_IN_KERNEL
#endif
