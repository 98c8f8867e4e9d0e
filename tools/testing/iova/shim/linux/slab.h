/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory.  Every allocation passes one point that a test can make fail, and is
 * counted until it is freed.
 */
#ifndef _SHIM_SLAB_H
#define _SHIM_SLAB_H

#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/types.h>

#define SLAB_HWCACHE_ALIGN	1U

struct kmem_cache;

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned int flags,
				     void (*ctor)(void *));
void kmem_cache_destroy(struct kmem_cache *cache);
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp);
void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp);
void kmem_cache_free(struct kmem_cache *cache, void *object);

void *kmalloc(size_t size, gfp_t gfp);
void *kzalloc(size_t size, gfp_t gfp);
void *kcalloc(size_t n, size_t size, gfp_t gfp);
void kfree(const void *object);

#define shim_first(first, ...)	first
#define kzalloc_objs(object, n, ...)					\
	kcalloc(n, sizeof(object), shim_first(__VA_ARGS__ __VA_OPT__(,) GFP_KERNEL))
#define kmalloc_obj(object)	kmalloc(sizeof(object), GFP_KERNEL)
#define kzalloc_obj(object, ...)					\
	kzalloc_objs(object, 1 __VA_OPT__(,) __VA_ARGS__)

#endif
