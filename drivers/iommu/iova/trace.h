/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of the IOVA allocator.  "domain" is its number in debugfs, which
 * dmamap-stat shows, too: 0 if it has no caches, or without debugfs.  Pfns and
 * sizes are in granules of the domain.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iova

#if !defined(_IOVA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _IOVA_TRACE_H

#include <linux/tracepoint.h>

struct iova_domain;

DECLARE_EVENT_CLASS(iova_range,
	TP_PROTO(const struct iova_domain *iovad, unsigned long pfn,
		 unsigned long size),
	TP_ARGS(iovad, pfn, size),
	TP_STRUCT__entry(
		__field(unsigned int, domain)
		__field(unsigned long, pfn)
		__field(unsigned long, size)
	),
	TP_fast_assign(
		__entry->domain = iovad->rcache ? iovad->rcache->id : 0;
		__entry->pfn = pfn;
		__entry->size = size;
	),
	TP_printk("domain=%u pfn=%#lx size=%lu",
		  __entry->domain, __entry->pfn, __entry->size)
);

#define DEFINE_IOVA_EVENT(name)						\
DEFINE_EVENT(iova_range, name,						\
	TP_PROTO(const struct iova_domain *iovad, unsigned long pfn,	\
		 unsigned long size),					\
	TP_ARGS(iovad, pfn, size))

DEFINE_IOVA_EVENT(iova_alloc);
DEFINE_IOVA_EVENT(iova_alloc_failed);	/* pfn is the limit */
DEFINE_IOVA_EVENT(iova_free);		/* not checked yet; size 0: not known */
DEFINE_IOVA_EVENT(iova_refused);

/* Runs with slots of this size that the reaper removed. */
TRACE_EVENT(iova_reap,
	TP_PROTO(const struct iova_domain *iovad, unsigned long size,
		 unsigned long runs),
	TP_ARGS(iovad, size, runs),
	TP_STRUCT__entry(
		__field(unsigned int, domain)
		__field(unsigned long, size)
		__field(unsigned long, runs)
	),
	TP_fast_assign(
		__entry->domain = iovad->rcache ? iovad->rcache->id : 0;
		__entry->size = size;
		__entry->runs = runs;
	),
	TP_printk("domain=%u size=%lu runs=%lu",
		  __entry->domain, __entry->size, __entry->runs)
);

#endif /* _IOVA_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
