/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_DEVICE_H
#define _SHIM_DEVICE_H

#include <linux/printk.h>

struct device {
	int node;
};

#define NUMA_NO_NODE		(-1)
#define dev_to_node(dev)	((dev)->node)
#define dev_err(dev, ...)	shim_print(__VA_ARGS__)

#endif
