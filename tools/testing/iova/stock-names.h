/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names under which the stock allocator is linked beside ours, and a CPU
 * hotplug state of its own.
 */
#define iova_cache_get			stock_iova_cache_get
#define iova_cache_put			stock_iova_cache_put
#define iova_rcache_range		stock_iova_rcache_range
#define init_iova_domain		stock_init_iova_domain
#define put_iova_domain			stock_put_iova_domain
#define iova_domain_init_rcaches	stock_iova_domain_init_rcaches
#define alloc_iova			stock_alloc_iova
#define free_iova			stock_free_iova
#define __free_iova			stock___free_iova
#define find_iova			stock_find_iova
#define reserve_iova			stock_reserve_iova
#define alloc_iova_fast			stock_alloc_iova_fast
#define free_iova_fast			stock_free_iova_fast
#define SHIM_CPUHP_STATE		1
