/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The types of pools have the kernel's names from here on, for a header of the kernel
 *
 * The headers in include/linux include this file each time they are included, so it has no guard.
 * The tag of the kernel's pool is renamed as in mempool2_dropin.h. But genksyms computes the CRC
 * of an exported symbol from the text of the types, and has to see the text of the stock build.
 */
#undef mempool_t
#undef mempool_alloc_t
#undef mempool_free_t
#undef mempool_s
#undef mempool
#ifndef __GENKSYMS__
#define mempool		mempool_of_the_kernel
#define mempool_s	mempool_of_the_kernel
#endif
