// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bugs of the past that a kernel may not survive, so that KUnit cannot show them.
 *
 * Only the interface of <linux/iova.h> is used, so that the same source shows
 * them on whichever allocator the kernel was built with. One is tried by writing
 * its name to the parameter:
 *
 *	echo N >/sys/kernel/debug/failslab/ignore-gfp-wait
 *	echo failed-init >/sys/module/iova_regress/parameters/run
 *
 * failed-init	each allocation of iova_domain_init_rcaches() is failed in turn.
 *		Each time it must say so, be undone and work when it is tried
 *		again. Undoing used to free magazines that were never allocated.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/iova.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#define LIMIT	(BIT(20) - 1)

#ifdef CONFIG_FAULT_INJECTION
/* One of its allocations fails, the n-th; was there one? */
static bool fail_nth(struct iova_domain *iovad, unsigned int n, int *ret)
{
	bool failed;

	current->fail_nth = n;
	*ret = iova_domain_init_rcaches(iovad);
	failed = !current->fail_nth;
	current->fail_nth = 0;
	return failed;
}

static int failed_init(void)
{
	struct iova_domain *iovad;
	unsigned int n, refused = 0;
	unsigned long pfn;
	bool failed = true;
	int ret = 0;

	iovad = kzalloc(sizeof(*iovad), GFP_KERNEL);
	if (!iovad)
		return -ENOMEM;
	for (n = 1; failed && !ret; n++) {
		init_iova_domain(iovad, SZ_4K, 1);
		failed = fail_nth(iovad, n, &ret);
		if (ret && failed) {
			refused++;
			ret = iova_domain_init_rcaches(iovad);
		}
		pfn = ret ? 0 : alloc_iova_fast(iovad, 1, LIMIT, true);
		if (!pfn)
			ret = ret ?: -ENOSPC;
		else
			free_iova_fast(iovad, pfn, 1);
		put_iova_domain(iovad);
		memset(iovad, 0, sizeof(*iovad));
	}
	kfree(iovad);
	if (n <= 2)
		ret = ret ?: -ENODATA;	/* nothing was failed */
	if (ret)
		pr_info("failed-init: error %d at allocation %u\n", ret, n - 1);
	else
		pr_info("failed-init: survived, %u of %u allocations made it fail\n", refused,
			n - 2);
	return ret;
}
#else
static int failed_init(void)
{
	return -EOPNOTSUPP;
}
#endif

static DEFINE_MUTEX(run_mutex);

static int set_run(const char *name, const struct kernel_param *kp)
{
	int ret;

	if (!sysfs_streq(name, "failed-init"))
		return -EINVAL;
	mutex_lock(&run_mutex);
	ret = iova_cache_get();
	if (!ret) {
		ret = failed_init();
		iova_cache_put();
	}
	mutex_unlock(&run_mutex);
	return ret;
}

static const struct kernel_param_ops run_ops = { .set = set_run };
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "try this bug of the past");

static void __exit iova_regress_exit(void)
{
}
module_exit(iova_regress_exit);

MODULE_DESCRIPTION("Bugs that IOVA allocators had");
MODULE_LICENSE("GPL");
