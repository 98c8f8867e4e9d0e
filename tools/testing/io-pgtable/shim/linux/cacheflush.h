/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_CACHEFLUSH_H
#define _SHIM_CACHEFLUSH_H

#include "pages.h"

#define clflush_cache_range(addr, size)	shim_write_back(addr, size)

#endif
