# SPDX-License-Identifier: GPL-2.0-only
#
# For the Kbuild of a module that uses mempool2: one line,
#
#	include /usr/src/mempool2-headers/mempool2.mk
#
# in which the path may also be that of mempool2's own sources, after "make" there. It lets the
# module include "mempool2.h" and link against the mempool2 of the kernel that it is built for.

mempool2-dir := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
ccflags-y += -I$(mempool2-dir)

# The symbols of mempool2 differ between kernels: those of a build in its sources, those that "make
# install" keeps for each kernel, or those of the module that DKMS made.
mempool2-symbols := $(firstword $(wildcard $(mempool2-dir)/Module.symvers \
	$(mempool2-dir)/$(KERNELRELEASE)/Module.symvers \
	/var/lib/dkms/mempool2/kernel-$(KERNELRELEASE)-*/Module.symvers))
ifneq ($(KERNELRELEASE),)
ifeq ($(mempool2-symbols),)
$(warning there is no mempool2 for the kernel $(KERNELRELEASE): its symbols will be undefined)
endif
endif
KBUILD_EXTRA_SYMBOLS += $(mempool2-symbols)
