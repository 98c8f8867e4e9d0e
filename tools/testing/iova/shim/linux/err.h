/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_ERR_H
#define _SHIM_ERR_H

#include <linux/errno.h>
#include_next <linux/err.h>

#endif
