/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/export.h>
#include <linux/moduleparam.h>

#define MODULE_AUTHOR(name)
#define MODULE_DESCRIPTION(text)
#define MODULE_LICENSE(name)
