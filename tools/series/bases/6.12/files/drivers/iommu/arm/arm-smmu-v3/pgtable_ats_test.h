/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a made-up device is attached to a domain: it is on the domain's list.
 */
#ifndef _ARM_SMMU_V3_PGTABLE_ATS_TEST_H
#define _ARM_SMMU_V3_PGTABLE_ATS_TEST_H

/* Are invalidations of walk caches sent to ATCs as well? */
#define WALKS_GO_TO_ATCS	0

static struct arm_smmu_master_domain attached;

static struct iommu_domain *attach_made_up(struct made_up *m)
{
	struct arm_smmu_domain *smmu_domain;
	struct iommu_domain *domain;

	m->smmu.ias = 48;
	domain = m->ops->domain_alloc_paging(&m->dev);
	if (IS_ERR(domain))
		return domain;
	/* The IOMMU core does that. */
	domain->ops = m->ops->default_domain_ops;
	smmu_domain = to_smmu_domain(domain);
	attached.master = &m->master;
	list_add(&attached.devices_elm, &smmu_domain->devices);
	atomic_set(&smmu_domain->nr_ats_masters, 1);
	return domain;
}

static void detach_made_up(struct made_up *m)
{
	list_del(&attached.devices_elm);
}

#endif
