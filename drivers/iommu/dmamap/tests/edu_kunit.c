// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of DMA mapping with a bus master: "edu", the educational PCI
 * device of QEMU.
 *
 * Theory of operation
 *
 * 1. The device copies up to 4 KiB between bus addresses and a buffer of its
 *    own. The CPU cannot see that buffer: to fill it or to look at it, a test
 *    lets the device read or write a coherent page, the window. What the
 *    device can reach is thus asked of the device, never of the layer that
 *    is tested. Only after that are domains asked for what they translate.
 *
 * 2. A transfer happens at one instant, some 100 ms after it was started.
 *    The emulator's clock decides; under its option -icount with sleep=off
 *    the wait takes no time. Waiting is done by polling, at the end of it.
 *
 * 3. An access that must fault is one of four bytes, so that it is one fault
 *    for the IOMMU. How many there were is said once, at the end of the
 *    suite: "dmamap_edu: N faults provoked". Whoever traces the faults in the
 *    emulator can compare. The tests themselves look at the memory, where
 *    nothing may have changed, and at the device's buffer, where nothing may
 *    have come in. An attempt for which that is not so has succeeded; how many
 *    did is said there, too, and must be none outside the lazy window (4.).
 *
 * 4. In strict mode an access right after the unmap must fault. In lazy mode
 *    it must after FLUSHED_MS: the timer of the flush queue and the flush.
 *
 * 5. Devices for the tests: "-device edu,dma_mask=0xffffffffffffffff", better
 *    several. The first dmamap_edu.untrusted= of them are marked as
 *    untrusted before their IOMMU groups are made. The tests then use the
 *    first device and, where they need one, the first that is trusted.
 *    Untrusted devices need bounce buffers: on x86-64 boot with iommu=soft
 *    unless there is memory above 4 GiB. A module comes too late for all that:
 *    there these tests are skipped.
 *
 * 6. For memory of another device there has to be one that has some, such as
 *    "-device nvme,serial=x,cmb_size_mb=16", and a CPU whose host bridges pass
 *    on what devices send each other: "-cpu max,family=23".
 *
 * F, D and B with a number in a comment is a rule of the layer, as listed in
 * its documentation.
 */

#include <linux/module.h>

#include "edu_suite.h"

static unsigned int untrusted;
module_param(untrusted, uint, 0444);
MODULE_PARM_DESC(untrusted, "how many of the devices are untrusted");

unsigned int dmamap_edu_rounds = 2;
module_param_named(rounds, dmamap_edu_rounds, uint, 0644);
MODULE_PARM_DESC(rounds, "how often each device and mapping is tried in vain after an unmap");

struct edu edus[MAX_EDUS];
unsigned int nr_edus;
atomic_t dmamap_edu_faults;
atomic_t dmamap_edu_attempts;
atomic_t dmamap_edu_succeeded;
atomic_t dmamap_edu_in_window;

/* The IOMMU groups are made after the early fixups (F8). */
static void edu_is_untrusted(struct pci_dev *pdev)
{
	static unsigned int seen;

	if (seen++ < untrusted)
		pdev->untrusted = true;
}
DECLARE_PCI_FIXUP_EARLY(EDU_VENDOR, EDU_DEVICE, edu_is_untrusted);

static const struct mode modes[] = {
	{ "as found", false },
#ifdef CAN_BE_INCOHERENT
	{ "not coherent", true },
#endif
};

KUNIT_ARRAY_PARAM_DESC(mode, modes, name);

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu = &edus[nr_edus];
	int ret;

	if (nr_edus == MAX_EDUS)
		return -ENOSPC;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	*edu = (struct edu){
		.pdev = pdev,
		.dev = &pdev->dev,
		.regs = pcim_iomap(pdev, 0, 0),
		.coherent = dev_is_dma_coherent(&pdev->dev),
	};
	if (!edu->regs)
		return -ENOMEM;
	init_completion(&edu->irq);
	pci_set_master(pdev);
	nr_edus++;
	return 0;
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{ }
};

static struct pci_driver edu_driver = {
	.name = "dmamap_edu",
	.id_table = edu_ids,
	.probe = edu_probe,
};

/* Bind to the devices. */
int edu_register(void)
{
	return pci_register_driver(&edu_driver);
}

void edu_unregister(void)
{
	pci_unregister_driver(&edu_driver);
	nr_edus = 0;
}

static int dmamap_edu_suite_init(struct kunit_suite *suite)
{
	/* Who has memory for others says so when its driver probes. */
	wait_for_device_probe();
	return edu_register();
}

static void dmamap_edu_suite_exit(struct kunit_suite *suite)
{
	edu_unregister();
	pr_info("dmamap_edu: %d attempts, %d succeeded, and %d in the lazy window\n",
		atomic_xchg(&dmamap_edu_attempts, 0), atomic_xchg(&dmamap_edu_succeeded, 0),
		atomic_xchg(&dmamap_edu_in_window, 0));
	pr_info("dmamap_edu: %d faults provoked\n", atomic_xchg(&dmamap_edu_faults, 0));
}

int edu_test_init(struct kunit *test)
{
	struct iommu_domain *domain;
	struct edu *edu;

	if (!nr_edus)
		kunit_skip(test, "there is no edu device");
	for (edu = edus; edu < edus + nr_edus; edu++) {
		domain = domain_of(edu);
		if (!domain || !(domain->type & __IOMMU_DOMAIN_DMA_API))
			kunit_skip(test, "the device is not behind an IOMMU");
	}
	for (edu = edus; edu < edus + nr_edus; edu++) {
		if (dma_set_mask_and_coherent(edu->dev, DMA_BIT_MASK(64)))
			return -EIO;
		edu->window = dma_alloc_coherent(edu->dev, PAGE_SIZE,
						 &edu->window_dma, GFP_KERNEL);
		if (!edu->window)
			return -ENOMEM;
	}
	return 0;
}

void edu_test_exit(struct kunit *test)
{
	struct edu *edu;

	for (edu = edus; edu < edus + nr_edus; edu++) {
		KUNIT_EXPECT_FALSE_MSG(test, edu->stuck, "%s: a transfer did not end",
				       dev_name(edu->dev));
		edu->stuck = false;
		dma_set_min_align_mask(edu->dev, 0);
		set_coherent(edu, edu->coherent);
		if (edu->window)
			dma_free_coherent(edu->dev, PAGE_SIZE, edu->window,
					  edu->window_dma);
		edu->window = NULL;
	}
}

static const struct try tries[] = {
	{ "single page", SINGLE },
	{ "part of a page", PART },
	{ "list", LIST },
	{ "coherent", COHERENT },
	{ "noncontiguous", NONCONTIGUOUS },
#ifdef CAN_BE_INCOHERENT
	{ "single page, not coherent", SINGLE, true },
	{ "coherent, not coherent", COHERENT, true },
#endif
};

KUNIT_ARRAY_PARAM_DESC(try, tries, name);

#define EDU_CASE(test, gen) {			\
	.run_case = edu_##test,			\
	.name = #test,				\
	.generate_params = gen,			\
	.module_name = KBUILD_MODNAME,		\
}

#define EDU_TEST(name)		EDU_CASE(name, NULL),
#define EDU_TEST_MODES(name)	EDU_CASE(name, mode_gen_params),
#define EDU_TEST_TRIES(name)	EDU_CASE(name, try_gen_params),

static struct kunit_case dmamap_edu_cases[] = {
#include "edu_cases.h"
	{ }
};

static struct kunit_suite dmamap_edu_suite = {
	.name = "dmamap_edu",
	.suite_init = dmamap_edu_suite_init,
	.suite_exit = dmamap_edu_suite_exit,
	.init = edu_test_init,
	.exit = edu_test_exit,
	.test_cases = dmamap_edu_cases,
};

kunit_test_suite(dmamap_edu_suite);

MODULE_DESCRIPTION("KUnit tests of DMA mapping with QEMU's edu device");
MODULE_LICENSE("GPL");
