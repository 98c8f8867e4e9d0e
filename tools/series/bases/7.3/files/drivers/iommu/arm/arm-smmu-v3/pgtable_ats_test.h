/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a made-up device is attached to a domain: the domain's array says what to
 * invalidate.
 */
#ifndef _ARM_SMMU_V3_PGTABLE_ATS_TEST_H
#define _ARM_SMMU_V3_PGTABLE_ATS_TEST_H

/* Are invalidations of walk caches sent to ATCs as well? */
#define WALKS_GO_TO_ATCS	1

static struct iommu_domain *attach_made_up(struct made_up *m)
{
	bool stage1 = m->smmu.features & ARM_SMMU_FEAT_TRANS_S1;
	struct arm_smmu_domain *smmu_domain;
	struct arm_smmu_invs *invs, *none;
	struct iommu_domain *domain;

	domain = m->ops->domain_alloc_paging_flags(&m->dev, 0, NULL);
	if (IS_ERR(domain))
		return domain;
	smmu_domain = to_smmu_domain(domain);
	invs = arm_smmu_invs_alloc(2);
	if (!invs) {
		domain->ops->free(domain);
		return ERR_PTR(-ENOMEM);
	}
	invs->has_ats = true;
	invs->inv[0] = (struct arm_smmu_inv){
		.smmu = &m->smmu,
		.type = stage1 ? INV_TYPE_S1_ASID : INV_TYPE_S2_VMID,
		.size_opcode = stage1 ? CMDQ_OP_TLBI_NH_VA : CMDQ_OP_TLBI_S2_IPA,
		.nsize_opcode = stage1 ? CMDQ_OP_TLBI_NH_ASID : CMDQ_OP_TLBI_S12_VMALL,
		.id = 1,
		.pgsize = 12,
		.users = 1,
	};
	invs->inv[1] = (struct arm_smmu_inv){
		.smmu = &m->smmu,
		.type = INV_TYPE_ATS,
		.size_opcode = CMDQ_OP_ATC_INV,
		.nsize_opcode = CMDQ_OP_ATC_INV,
		.id = m->stream.id,
		.users = 1,
	};
	none = rcu_dereference_protected(smmu_domain->invs, true);
	rcu_assign_pointer(smmu_domain->invs, invs);
	kfree(none);
	return domain;
}

static void detach_made_up(struct made_up *m)
{
}

#endif
