/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_CPUHOTPLUG_H
#define _SHIM_CPUHOTPLUG_H

#include <linux/cpumask.h>
#include <linux/list.h>

enum cpuhp_state { CPUHP_IOMMU_IOVA_DEAD, SHIM_CPUHP_STATES = 4 };

/*
 * Two allocators live in one process and each wants the state for itself:
 * who compiles an allocator may name another number.
 */
#ifdef SHIM_CPUHP_STATE
#define CPUHP_IOMMU_IOVA_DEAD	((enum cpuhp_state)SHIM_CPUHP_STATE)
#endif

int cpuhp_setup_state_multi(enum cpuhp_state state, const char *name,
			    int (*startup)(unsigned int, struct hlist_node *),
			    int (*teardown)(unsigned int cpu, struct hlist_node *node));
void cpuhp_remove_multi_state(enum cpuhp_state state);
int cpuhp_state_add_instance_nocalls(enum cpuhp_state state,
				     struct hlist_node *node);
int cpuhp_state_remove_instance_nocalls(enum cpuhp_state state,
					struct hlist_node *node);

#endif
