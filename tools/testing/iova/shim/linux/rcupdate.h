/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_RCUPDATE_H
#define _SHIM_RCUPDATE_H

#include <linux/irqflags.h>
#include <linux/kernel.h>

void shim_synchronize_rcu(void);

#undef synchronize_rcu
#define synchronize_rcu()	shim_synchronize_rcu()

#endif
