// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of DMA mapping with a hostile disk: an NVMe controller of QEMU.
 *
 * Theory of operation
 *
 * 1. A disk makes a good attacker. A command that reads from it has the device
 *    write memory, one that writes to it has the device read memory, and the
 *    addresses are whatever stands in the command (PRP entries), in a list that
 *    the command points to, or in the queues that commands are fetched from
 *    and completions are written to. The driver in dmamap_nvme_disk.c, made from the NVM
 *    Express Base Specification, lets a test put any address into each of them.
 *    It has one admin queue and one I/O queue, one command at a time, no
 *    interrupts.
 *
 * 2. What the device wrote shows in memory. What it read shows on the disk: a
 *    test fills memory with CANARY, has the disk written from an address that
 *    should not lead there, reads the disk back through a buffer that is mapped
 *    as it should be, and looks for CANARY. That status says success proves
 *    nothing: the emulator completes a transfer whose data it was refused, with
 *    zeroes in place of what it could not read.
 *
 * 3. Each such access is an attempt. One that reaches memory has succeeded.
 *    None may, but in lazy mode between the unmap and the flush, for which
 *    FLUSHED_MS are allowed; those are counted as in the window. Each test
 *    says "nvme: N attempts, M succeeded", and the end of the suite the sums.
 *
 * 4. Every attempt that is refused makes faults. The emulator moves data to
 *    memory that is not there in words of four bytes, each of which is
 *    translated and faults; data of the disk once more, when it looks whether
 *    there is memory behind the address. So the number of faults is known, and
 *    said at the end: "dmamap_nvme: N faults provoked". Whoever traces the
 *    faults in the emulator can compare. A command meets at most one bad page:
 *    with a second one the number would depend on what the emulator has in
 *    flight. What the IOMMU has cached is never the reason for a refusal, as
 *    emulators do not report those.
 *
 * 5. A controller that cannot fetch a command or write a completion stops with
 *    a fatal status; the test resets it.
 *
 * 6. Controllers for the tests: QEMU's "-device nvme,serial=hostile0,drive=...",
 *    better two, of at least 64 KiB. Booted with dmamap_nvme.serial=hostile, no
 *    other driver gets a controller of QEMU before the suite has looked at its
 *    serial number; the suite keeps those that begin so, and gives the others
 *    back. WHAT IS ON THESE DISKS IS LOST. Without the parameter no controller is
 *    touched and all tests are skipped. The first dmamap_nvme.untrusted= of
 *    the controllers are marked as untrusted; those need bounce buffers.
 *    A module comes too late for all that: there user space takes controllers
 *    from the other driver and overrides it, and none is untrusted.
 *
 * F, D and B with a number in a comment is a rule of the layer, as listed in
 * its documentation.
 */

#include <linux/dma-map-ops.h>
#include <linux/module.h>
#include <linux/scatterlist.h>

#include "dmamap_nvme.h"

static unsigned int rounds = 2;
module_param(rounds, uint, 0644);
MODULE_PARM_DESC(rounds, "how often each kind of mapping is tried in vain after an unmap");

static struct tally suite_sum;
struct tally hostile_sum;

/* The suite's and the tests' beginning and end. */

static int dmamap_nvme_suite_init(struct kunit_suite *suite)
{
	return hostile_register();
}

static void dmamap_nvme_suite_exit(struct kunit_suite *suite)
{
	if (!hostile_unregister())
		return;
	pr_info("dmamap_nvme: %u attempts, %u succeeded, and %u in the lazy window\n",
		suite_sum.attempts, suite_sum.succeeded, suite_sum.in_window);
	pr_info("dmamap_nvme: %u faults provoked\n", suite_sum.faults);
	suite_sum = (struct tally){ };
}

static int dmamap_nvme_init(struct kunit *test)
{
	struct iommu_domain *domain;
	struct ctrl *c;

	if (!hostile_nr_ctrls)
		kunit_skip(test, "there is no disk for this");
	for (c = hostile_ctrls; c < hostile_ctrls + hostile_nr_ctrls; c++) {
		domain = domain_of(c);
		if (!domain || !(domain->type & __IOMMU_DOMAIN_DMA_API))
			kunit_skip(test, "the device is not behind an IOMMU");
		if (hostile_fill(c, TOKEN_LBA, TOKEN) || hostile_fill(c, SPARE_LBA, BLANK))
			return -EIO;
	}
	/* What the test before has unmapped may be beside what this one maps. */
	for (c = hostile_ctrls; c < hostile_ctrls + hostile_nr_ctrls; c++)
		let_flush(c);
	return 0;
}

static void dmamap_nvme_exit(struct kunit *test)
{
	struct ctrl *c;

	for (c = hostile_ctrls; c < hostile_ctrls + hostile_nr_ctrls; c++) {
		KUNIT_EXPECT_FALSE_MSG(test, c->stuck, "%s: a command did not end",
				       dev_name(c->dev));
		KUNIT_EXPECT_FALSE_MSG(test, hostile_is_dead(c), "%s: its status is fatal",
				       dev_name(c->dev));
		if (c->stuck || hostile_is_dead(c))
			KUNIT_EXPECT_EQ(test, hostile_start(c), 0);
	}
	if (hostile_sum.attempts)
		kunit_info(test, "nvme: %u attempts, %u succeeded, and %u in the lazy window\n",
			   hostile_sum.attempts, hostile_sum.succeeded, hostile_sum.in_window);
	suite_sum.attempts += hostile_sum.attempts;
	suite_sum.succeeded += hostile_sum.succeeded;
	suite_sum.in_window += hostile_sum.in_window;
	suite_sum.faults += hostile_sum.faults;
	hostile_sum = (struct tally){ };
}

/* 1. What is mapped can be reached, and shows where the tests look for it. */

static void sectors_arrive_both_ways(struct kunit *test)
{
	static const struct {
		size_t at, len;
	} cases[] = {
		{ 0, SECTOR }, { PAGE_SIZE - SECTOR, SECTOR },
		{ PAGE_SIZE - SECTOR, 2 * SECTOR }, { 1024, 2 * SZ_4K },
		{ 64, 3 * SZ_4K + SECTOR },
	};
	u8 *mem = pages(test, 5), *want = pages(test, 5);
	struct ctrl *c = &hostile_ctrls[0];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t at = cases[i].at, len = cases[i].len;
		dma_addr_t dma;
		int status;

		memset(mem, CANARY, 5 * PAGE_SIZE);
		fill(mem + at, len, i);
		memcpy(want, mem, 5 * PAGE_SIZE);
		dma = map(test, c, mem + at, len, DMA_TO_DEVICE);
		status = hostile_io_span(c, nvme_cmd_write, SPARE_LBA, len, dma);
		unmap(c, dma, len, DMA_TO_DEVICE);
		KUNIT_EXPECT_EQ(test, status, 0);
		KUNIT_EXPECT_MEMEQ(test, spare_area(test, c), want + at, len);

		memset(mem + at, 0, len);
		dma = map(test, c, mem + at, len, DMA_FROM_DEVICE);
		status = hostile_io_span(c, nvme_cmd_read, SPARE_LBA, len, dma);
		unmap(c, dma, len, DMA_FROM_DEVICE);
		KUNIT_EXPECT_EQ(test, status, 0);
		KUNIT_EXPECT_MEMEQ(test, mem, want, 5 * PAGE_SIZE);
	}
}

/* 2. Before it is mapped. */

static void addresses_never_mapped_lead_nowhere(struct kunit *test)
{
	static const dma_addr_t never[] = {
		0, SZ_4K, SZ_1M, SZ_1G, BIT_ULL(32), BIT_ULL(38), BIT_ULL(39), BIT_ULL(47),
	};
	struct ctrl *c = &hostile_ctrls[0];
	struct resource *own = &to_pci_dev(c->dev)->resource[0];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(never); i++) {
		/* The emulator asks nobody for what it finds in the device. */
		if (never[i] >= own->start && never[i] <= own->end)
			continue;
		KUNIT_ASSERT_EQ(test, translated(c, never[i]), 0);
		nothing_at(test, c, never[i], NULL, 0);
	}
}

/* Also, what was refused then is not remembered (F56). */
static void an_address_leads_nowhere_before_it_is_mapped(struct kunit *test)
{
	struct ctrl *c = &hostile_ctrls[0];
	u8 *mem = pages(test, 1);
	dma_addr_t next, dma;
	unsigned int i, foretold = 0;

	for (i = 0; i < 4; i++) {
		memset(mem, CANARY, PAGE_SIZE);
		next = map(test, c, mem, PAGE_SIZE, DMA_BIDIRECTIONAL);
		unmap(c, next, PAGE_SIZE, DMA_BIDIRECTIONAL);
		let_flush(c);
		nothing_at(test, c, next, mem, PAGE_SIZE);

		dma = map(test, c, mem, PAGE_SIZE, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_TRUE(test, device_reads(test, c, dma));
		KUNIT_EXPECT_TRUE(test, device_writes(c, dma, mem, PAGE_SIZE));
		unmap(c, dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
		foretold += dma == next;
	}
	kunit_info(test, "%u of %u addresses were those tried before\n", foretold, i);
}

/* 3. After the unmap: F51, F59, F61, F91, F100, D9. */

enum kind { SINGLE, PART, LIST, COHERENT };

static const struct try {
	const char *name;
	enum kind kind;
} tries[] = {
	{ "single page", SINGLE },
	{ "part of a page", PART },
	{ "list", LIST },
	{ "coherent", COHERENT },
};

KUNIT_ARRAY_PARAM_DESC(try, tries, name);

struct mapping {
	enum kind kind;
	u8 *mem;		/* two pages */
	u8 *cpu;		/* what is at @dma */
	dma_addr_t dma;
	struct scatterlist list[2];
};

#define PART_AT		512
#define PART_LEN	(3 * SECTOR)

static void make_mapping(struct kunit *test, struct ctrl *c, struct mapping *m)
{
	m->cpu = m->mem;
	switch (m->kind) {
	case SINGLE:
		m->dma = map(test, c, m->cpu, PAGE_SIZE, DMA_BIDIRECTIONAL);
		break;
	case PART:
		m->cpu += PART_AT;
		m->dma = map(test, c, m->cpu, PART_LEN, DMA_BIDIRECTIONAL);
		break;
	case LIST:
		sg_init_table(m->list, 2);
		sg_set_buf(&m->list[0], m->mem, PAGE_SIZE);
		sg_set_buf(&m->list[1], m->mem + PAGE_SIZE, PAGE_SIZE);
		KUNIT_ASSERT_GT(test, dma_map_sg(c->dev, m->list, 2, DMA_BIDIRECTIONAL), 0);
		m->dma = sg_dma_address(m->list);
		break;
	case COHERENT:
		m->cpu = dma_alloc_coherent(c->dev, SZ_16K, &m->dma, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, m->cpu);
		memset(m->cpu, CANARY, SZ_16K);
		break;
	}
}

static void undo_mapping(struct ctrl *c, struct mapping *m)
{
	switch (m->kind) {
	case SINGLE:
		unmap(c, m->dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
		break;
	case PART:
		unmap(c, m->dma, PART_LEN, DMA_BIDIRECTIONAL);
		break;
	case LIST:
		dma_unmap_sg(c->dev, m->list, 2, DMA_BIDIRECTIONAL);
		break;
	case COHERENT:
		dma_free_coherent(c->dev, SZ_16K, m->cpu, m->dma);
		break;
	}
}

/*
 * The access before the unmap leaves the translation in the IOTLB, from where
 * it must have gone. Freed memory is written to only when the device could not
 * read it, lest a failing test does harm.
 */
static void attack(struct kunit *test, struct ctrl *c, struct mapping *m)
{
	bool keeps = m->kind != COHERENT, seen;

	memset(m->mem, CANARY, 2 * PAGE_SIZE);
	make_mapping(test, c, m);
	KUNIT_EXPECT_TRUE(test, device_reads(test, c, m->dma));
	device_writes(c, m->dma, NULL, 0);
	if (keeps) {
		undo_mapping(c, m);
		KUNIT_EXPECT_TRUE(test, all(m->cpu, TOKEN, SECTOR));
	} else {
		/* To be told from what else might be there when it is freed. */
		memset(m->cpu, CANARY, SECTOR);
		undo_mapping(c, m);
	}

	memset(m->mem, CANARY, 2 * PAGE_SIZE);
	if (keeps && is_lazy(c)) {
		judge_in_window(device_writes(c, m->dma, m->mem, 2 * PAGE_SIZE),
				of_disk(SECTOR));
		memset(m->mem, CANARY, 2 * PAGE_SIZE);
	}
	let_flush(c);
	seen = device_reads(test, c, m->dma);
	judge(test, seen, of_disk(SECTOR));
	if (!seen)
		judge(test, device_writes(c, m->dma, m->mem, 2 * PAGE_SIZE),
		      of_disk(SECTOR));
}

static void nothing_is_reached_after_the_unmap(struct kunit *test)
{
	const struct try *try = test->param_value;
	struct mapping m = { .kind = try->kind, .mem = pages(test, 2) };
	unsigned int i, n;

	for (n = 0; n < hostile_nr_ctrls; n++)
		for (i = 0; i < READ_ONCE(rounds); i++)
			attack(test, &hostile_ctrls[n], &m);
}

/*
 * F42, F48, F51: from the unmap on the device writes the same word over and
 * over. Strictly it never arrives. Lazily it may until it is refused, and that
 * has to be soon; nothing brings the translation back.
 */
static void what_was_flushed_stays_gone(struct kunit *test)
{
	struct ctrl *c = &hostile_ctrls[0];
	u8 *mem = pages(test, 1);
	unsigned int round, step;

	for (round = 0; round < READ_ONCE(rounds); round++) {
		dma_addr_t dma = map(test, c, mem, PAGE_SIZE, DMA_FROM_DEVICE);
		struct nvme_command cmd = log_page_to(dma);
		bool refused = !is_lazy(c), written;

		memset(mem, CANARY, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, hostile_execute(c, &c->admin, &cmd), 0);
		KUNIT_EXPECT_FALSE(test, all(mem, CANARY, LOG_BYTES));
		unmap(c, dma, PAGE_SIZE, DMA_FROM_DEVICE);
		for (step = 0; step < 2 * FLUSH_STEPS; step++) {
			if (step == FLUSH_STEPS && !refused)
				let_flush(c);
			memset(mem, CANARY, PAGE_SIZE);
			hostile_execute(c, &c->admin, &cmd);
			written = !all(mem, CANARY, PAGE_SIZE);
			if (written && !refused && step < FLUSH_STEPS) {
				judge_in_window(true, 0);
			} else {
				judge(test, written, of_words(LOG_BYTES));
				refused = true;
			}
			usleep_range(STEP_US, STEP_US + 500);
		}
	}
}

/*
 * F61, D9: the word is written some time before, while, or after the page is
 * unmapped. Whatever was in the memory when that returned is there to stay.
 */
static void an_unmap_that_meets_a_transfer_is_final(struct kunit *test)
{
	struct ctrl *c = &hostile_ctrls[0];
	u8 *mem = pages(test, 1);
	unsigned int i, late = 0;

	if (is_lazy(c))
		kunit_skip(test, "only strict mode promises that");
	for (i = 0; i < max(24U, READ_ONCE(rounds)); i++) {
		dma_addr_t dma = map(test, c, mem, PAGE_SIZE, DMA_FROM_DEVICE);
		struct nvme_command cmd = log_page_to(dma);

		memset(mem, CANARY, PAGE_SIZE);
		hostile_submit(c, &c->admin, &cmd);
		udelay(i % 8 * 10);
		unmap(c, dma, PAGE_SIZE, DMA_FROM_DEVICE);
		if (all(mem, CANARY, PAGE_SIZE)) {
			hostile_await(c, &c->admin);
			judge(test, !all(mem, CANARY, PAGE_SIZE), of_words(LOG_BYTES));
			late++;
		} else {
			hostile_await(c, &c->admin);
		}
	}
	kunit_info(test, "%u of %u transfers came after the unmap\n", late, i);
}

/* 4. Beside what is mapped. */

/*
 * F56: a mapping ends with its granules, in the middle of a transfer, too. An
 * address range is that of a power of two of pages: behind three of them there
 * is one that nobody else gets.
 */
static void beside_a_mapping_is_nothing(struct kunit *test)
{
	struct ctrl *c = &hostile_ctrls[0];
	const size_t len = 3 * PAGE_SIZE;
	u8 *mem = pages(test, 5), *in = mem + PAGE_SIZE, *behind = in + len;
	dma_addr_t dma, end;

	memset(mem, CANARY, 5 * PAGE_SIZE);
	dma = map(test, c, in, len, DMA_BIDIRECTIONAL);
	end = dma + len;
	if (!translated(c, dma - granule(c)))
		nothing_at(test, c, dma - granule(c), mem, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, translated(c, end), 0);
	nothing_at(test, c, end, behind, PAGE_SIZE);

	/* The last sector, and the next. */
	memset(in, BLANK, len);
	hostile_fill(c, SPARE_LBA, BLANK);
	disk_io(c, nvme_cmd_write, SPARE_LBA, 2 * SECTOR, end - SECTOR, end);
	judge(test, canary_on_disk(test, c), of_disk(SECTOR));
	disk_io(c, nvme_cmd_read, TOKEN_LBA, 2 * SECTOR, end - SECTOR, end);
	judge(test, !all(behind, CANARY, PAGE_SIZE), of_disk(SECTOR));
	unmap(c, dma, len, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_TRUE(test, all(mem, CANARY, PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, all(in, BLANK, len - SECTOR));
	KUNIT_EXPECT_TRUE(test, all(behind - SECTOR, TOKEN, SECTOR));
}

/* Devices of two groups share no address. */
static void what_another_device_has_mapped_is_nothing(struct kunit *test)
{
	struct ctrl *c = &hostile_ctrls[0], *other = &hostile_ctrls[1];
	u8 *mem = pages(test, 32);
	dma_addr_t dma[32];
	unsigned int n;

	if (hostile_nr_ctrls < 2)
		kunit_skip(test, "needs two controllers");
	memset(mem, CANARY, ARRAY_SIZE(dma) * PAGE_SIZE);
	for (n = 0; n < ARRAY_SIZE(dma); n++)
		dma[n] = map(test, other, mem + n * PAGE_SIZE, PAGE_SIZE,
			     DMA_BIDIRECTIONAL);
	/* Both may have mapped something there, each its own. */
	for (n = 0; n < ARRAY_SIZE(dma); n++)
		if (!translated(c, dma[n]))
			nothing_at(test, c, dma[n], mem, ARRAY_SIZE(dma) * PAGE_SIZE);
	KUNIT_EXPECT_GT(test, hostile_sum.attempts, 0);
	while (n)
		unmap(other, dma[--n], PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_TRUE(test, all(mem, CANARY, ARRAY_SIZE(dma) * PAGE_SIZE));
}

/* F55: the refused write comes first, see 4. at the top */
static void a_read_only_mapping_is_not_written(struct kunit *test)
{
	struct ctrl *c = &hostile_ctrls[0];
	u8 *mem = pages(test, 1);
	struct nvme_command cmd;
	dma_addr_t dma;

	memset(mem, CANARY, PAGE_SIZE);
	dma = map(test, c, mem, PAGE_SIZE, DMA_TO_DEVICE);
	judge(test, device_writes(c, dma, mem, PAGE_SIZE), of_disk(SECTOR));
	cmd = log_page_to(dma + SECTOR);
	hostile_execute(c, &c->admin, &cmd);
	judge(test, !all(mem, CANARY, PAGE_SIZE), of_words(LOG_BYTES));
	KUNIT_EXPECT_TRUE(test, device_reads(test, c, dma));
	unmap(c, dma, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_TRUE(test, all(mem, CANARY, PAGE_SIZE));
}

/* 5. Lists of addresses. */

/*
 * What is in reach stands in a list that is not: at the end of its page, as
 * controllers read all that is left of one.
 */
static void a_list_in_unmapped_memory_is_not_read(struct kunit *test)
{
	struct ctrl *c = &hostile_ctrls[0];
	u8 *bait = pages(test, 3), *page = pages(test, 1);
	const size_t len = 2 * sizeof(__le64), at = PAGE_SIZE - len;
	__le64 *list = (void *)(page + at);
	dma_addr_t dma, list_dma;
	int status;

	memset(bait, CANARY, 3 * PAGE_SIZE);
	dma = map(test, c, bait, 3 * PAGE_SIZE, DMA_TO_DEVICE);
	list[0] = cpu_to_le64(dma + NVME_PAGE);
	list[1] = cpu_to_le64(dma + 2 * NVME_PAGE);
	list_dma = map(test, c, page, PAGE_SIZE, DMA_TO_DEVICE);
	status = disk_io(c, nvme_cmd_write, SPARE_LBA, 3 * NVME_PAGE, dma, list_dma + at);
	KUNIT_EXPECT_EQ(test, status, 0);
	KUNIT_EXPECT_TRUE(test, canary_on_disk(test, c));
	unmap(c, list_dma, PAGE_SIZE, DMA_TO_DEVICE);
	let_flush(c);

	hostile_fill(c, SPARE_LBA, BLANK);
	status = disk_io(c, nvme_cmd_write, SPARE_LBA, 3 * NVME_PAGE, dma, list_dma + at);
	KUNIT_EXPECT_EQ(test, status, NVME_SC_DATA_XFER_ERROR);
	judge(test, canary_on_disk(test, c), of_words(len));
	unmap(c, dma, 3 * PAGE_SIZE, DMA_TO_DEVICE);
}

/* One entry of a list, first in the middle, then at the end, is bad. */
static void a_list_that_names_a_bad_page_leads_past_it(struct kunit *test)
{
	struct ctrl *c = &hostile_ctrls[0];
	u8 *good = pages(test, 2), *bad = pages(test, 1);
	const size_t len = 2 * NVME_PAGE + SECTOR;
	dma_addr_t dma, gone;
	unsigned int i;

	memset(bad, CANARY, PAGE_SIZE);
	gone = map(test, c, bad, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_TRUE(test, device_reads(test, c, gone));
	unmap(c, gone, PAGE_SIZE, DMA_BIDIRECTIONAL);
	let_flush(c);
	dma = map(test, c, good, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	/* Had it got the address of before, that would be in reach. */
	KUNIT_ASSERT_EQ(test, translated(c, gone), 0);
	for (i = 0; i < 2; i++) {
		size_t refused = i ? SECTOR : NVME_PAGE;

		memset(good, BLANK, 2 * PAGE_SIZE);
		hostile_fill(c, SPARE_LBA, BLANK);
		/* Each hostile_good_io() uses the page for a list of its own. */
		c->list[i] = cpu_to_le64(gone);
		c->list[!i] = cpu_to_le64(dma + NVME_PAGE);
		disk_io(c, nvme_cmd_write, SPARE_LBA, len, dma, c->list_dma);
		judge(test, canary_on_disk(test, c), of_disk(refused));

		c->list[i] = cpu_to_le64(gone);
		c->list[!i] = cpu_to_le64(dma + NVME_PAGE);
		disk_io(c, nvme_cmd_read, TOKEN_LBA, len, dma, c->list_dma);
		judge(test, !all(bad, CANARY, PAGE_SIZE), of_disk(refused));
		KUNIT_EXPECT_TRUE(test, all(good, TOKEN, NVME_PAGE));
	}
	unmap(c, dma, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
}

/* 6. Queues. */

/* One whose memory is mapped page by page, and has been used once. */
static void make_hostile_queue(struct kunit *test, struct ctrl *c, struct queue *q)
{
	q->id = HOSTILE_QUEUE;
	q->sq = (void *)pages(test, 1);
	q->cq = (void *)pages(test, 1);
	q->sq_dma = map(test, c, q->sq, PAGE_SIZE, DMA_BIDIRECTIONAL);
	q->cq_dma = map(test, c, q->cq, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, hostile_create_queue(c, q), 0);
	KUNIT_ASSERT_EQ(test, 0, hostile_io_on(c, q, nvme_cmd_read, TOKEN_LBA, SECTOR,
					       c->good_dma, 0));
}

static void expect_death(struct kunit *test, struct ctrl *c, struct queue *q)
{
	KUNIT_EXPECT_EQ(test, hostile_await(c, q), -EIO);
	KUNIT_ASSERT_EQ(test, hostile_start(c), 0);
}

static void commands_in_unmapped_memory_are_not_fetched(struct kunit *test)
{
	struct ctrl *c = &hostile_ctrls[0];
	u8 *bait = pages(test, 1);
	struct nvme_command cmd;
	struct queue q;
	dma_addr_t dma;

	memset(bait, CANARY, PAGE_SIZE);
	dma = map(test, c, bait, PAGE_SIZE, DMA_TO_DEVICE);
	make_hostile_queue(test, c, &q);
	cmd = (struct nvme_command){ .rw = {
		.opcode = nvme_cmd_write,
		.nsid = cpu_to_le32(1),
		.dptr.prp1 = cpu_to_le64(dma),
		.slba = cpu_to_le64(SPARE_LBA),
	} };
	unmap(c, q.sq_dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
	let_flush(c);
	hostile_submit(c, &q, &cmd);
	expect_death(test, c, &q);
	judge(test, canary_on_disk(test, c), of_words(sizeof(cmd)));
	unmap(c, q.cq_dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
	unmap(c, dma, PAGE_SIZE, DMA_TO_DEVICE);
}

static void completions_do_not_arrive_in_unmapped_memory(struct kunit *test)
{
	struct nvme_command flush = { .common = {
		.opcode = nvme_cmd_flush,
		.nsid = cpu_to_le32(1),
	} };
	struct ctrl *c = &hostile_ctrls[0];
	struct queue q;

	make_hostile_queue(test, c, &q);
	unmap(c, q.cq_dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
	let_flush(c);
	/* Not what a completion would be taken for. */
	memset(q.cq, 0, PAGE_SIZE);
	hostile_submit(c, &q, &flush);
	expect_death(test, c, &q);
	judge(test, !all((u8 *)q.cq, 0, PAGE_SIZE),
	      of_words(sizeof(struct nvme_completion)));
	unmap(c, q.sq_dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
}

static void completions_do_not_arrive_in_a_read_only_mapping(struct kunit *test)
{
	struct nvme_command flush = { .common = {
		.opcode = nvme_cmd_flush,
		.nsid = cpu_to_le32(1),
	} };
	struct ctrl *c = &hostile_ctrls[0];
	struct queue q = {
		.id = HOSTILE_QUEUE,
		.sq = (void *)pages(test, 1),
		.cq = (void *)pages(test, 1),
	};

	q.sq_dma = map(test, c, q.sq, PAGE_SIZE, DMA_TO_DEVICE);
	q.cq_dma = map(test, c, q.cq, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_ASSERT_EQ(test, hostile_create_queue(c, &q), 0);
	hostile_submit(c, &q, &flush);
	expect_death(test, c, &q);
	judge(test, !all((u8 *)q.cq, 0, PAGE_SIZE),
	      of_words(sizeof(struct nvme_completion)));
	unmap(c, q.sq_dma, PAGE_SIZE, DMA_TO_DEVICE);
	unmap(c, q.cq_dma, PAGE_SIZE, DMA_TO_DEVICE);
}

/* 7. Untrusted devices: F68, F69, F70, D8. */

/* Leave CANARY in each slot there is, by mappings until no more fits. */
static void soil_slots(struct kunit *test, struct ctrl *c)
{
	const unsigned long max = SZ_64M / PAGE_SIZE;
	const size_t len = PAGE_SIZE - 2;
	unsigned long nr = 0;
	dma_addr_t *dma;
	u8 *mem;

	mem = pages(test, 1);
	memset(mem, CANARY, PAGE_SIZE);
	dma = kunit_kcalloc(test, max, sizeof(*dma), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dma);
	while (nr < max) {
		dma[nr] = dma_map_single_attrs(c->dev, mem + 1, len, DMA_TO_DEVICE,
					       DMA_ATTR_NO_WARN);
		if (dma_mapping_error(c->dev, dma[nr]))
			break;
		nr++;
	}
	KUNIT_EXPECT_GT(test, nr, 0);
	while (nr)
		dma_unmap_single_attrs(c->dev, dma[--nr], len, DMA_TO_DEVICE, 0);
}

/*
 * The device reads all granules of a buffer that begins at @dma and holds @len
 * bytes like those at @want. What it sees before and behind it is to be zero.
 */
static void expect_zeroes_beside(struct kunit *test, struct ctrl *c, dma_addr_t dma,
				 const u8 *want, size_t len)
{
	size_t first = dma & (granule(c) - 1), last = first + len;
	size_t span = round_up(last, granule(c));
	const u8 *seen;

	KUNIT_ASSERT_LE(test, span, AREA);
	KUNIT_EXPECT_EQ(test, 0, hostile_io_span(c, nvme_cmd_write, SPARE_LBA, span, dma - first));
	seen = spare_area(test, c);
	KUNIT_EXPECT_MEMEQ(test, seen + first, want, len);
	if (first)
		judge(test, !all(seen, 0, first), 0);
	if (last < span)
		judge(test, !all(seen + last, 0, span - last), 0);
}

static const struct piece {
	size_t at, len;
} pieces[] = {
	{ 300, 100 }, { PAGE_SIZE - 100, 200 }, { 0, 1 }, { 1, PAGE_SIZE - 2 },
	{ 512, 2 * PAGE_SIZE },
};

/* However the device wants it aligned. */
static void beside_a_bounced_buffer_are_zeroes(struct kunit *test)
{
	struct ctrl *c = untrusted_ctrl(test);
	u8 *mem = pages(test, 4);
	unsigned int i;

	soil_slots(test, c);
	for (i = 0; i < 2 * ARRAY_SIZE(pieces); i++) {
		const struct piece *piece = &pieces[i / 2];
		dma_addr_t dma;

		dma_set_min_align_mask(c->dev, i % 2 ? granule(c) - 1 : 0);
		memset(mem, CANARY, 4 * PAGE_SIZE);
		fill(mem + piece->at, piece->len, i);
		dma = map(test, c, mem + piece->at, piece->len, DMA_BIDIRECTIONAL);
		expect_zeroes_beside(test, c, dma, mem + piece->at, piece->len);
		unmap(c, dma, piece->len, DMA_BIDIRECTIONAL);
	}
	dma_set_min_align_mask(c->dev, 0);
}

static void beside_the_entries_of_a_bounced_list_are_zeroes(struct kunit *test)
{
	struct ctrl *c = untrusted_ctrl(test);
	struct scatterlist list[ARRAY_SIZE(pieces)], *sg;
	u8 *mem[ARRAY_SIZE(pieces)];
	int i, count;

	soil_slots(test, c);
	sg_init_table(list, ARRAY_SIZE(pieces));
	for (i = 0; i < ARRAY_SIZE(pieces); i++) {
		mem[i] = pages(test, 4);
		memset(mem[i], CANARY, 4 * PAGE_SIZE);
		fill(mem[i] + pieces[i].at, pieces[i].len, i);
		sg_set_buf(&list[i], mem[i] + pieces[i].at, pieces[i].len);
	}
	count = dma_map_sg(c->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, count, ARRAY_SIZE(list));
	for_each_sg(list, sg, count, i)
		expect_zeroes_beside(test, c, sg_dma_address(sg), mem[i] + pieces[i].at,
				     pieces[i].len);
	dma_unmap_sg(c->dev, list, ARRAY_SIZE(list), DMA_BIDIRECTIONAL);
}

/* What it writes there goes nowhere. */
static void writes_beside_a_bounced_buffer_are_lost(struct kunit *test)
{
	struct ctrl *c = untrusted_ctrl(test);
	u8 *mem = pages(test, 4);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pieces); i++) {
		size_t at = pieces[i].at, len = pieces[i].len, first, span;
		dma_addr_t dma;

		memset(mem, CANARY, 4 * PAGE_SIZE);
		dma = map(test, c, mem + at, len, DMA_FROM_DEVICE);
		first = dma & (granule(c) - 1);
		span = round_up(first + len, granule(c));
		KUNIT_EXPECT_EQ(test, 0, hostile_io_span(c, nvme_cmd_read, TOKEN_LBA, span,
							 dma - first));
		unmap(c, dma, len, DMA_FROM_DEVICE);
		KUNIT_EXPECT_TRUE(test, all(mem + at, TOKEN, len));
		judge(test, !all(mem, CANARY, at), 0);
		judge(test, !all(mem + at + len, CANARY, 4 * PAGE_SIZE - at - len), 0);
	}
}

static struct kunit_case dmamap_nvme_cases[] = {
	KUNIT_CASE(sectors_arrive_both_ways),
	KUNIT_CASE(addresses_never_mapped_lead_nowhere),
	KUNIT_CASE(an_address_leads_nowhere_before_it_is_mapped),
	KUNIT_CASE_PARAM(nothing_is_reached_after_the_unmap, try_gen_params),
	KUNIT_CASE(what_was_flushed_stays_gone),
	KUNIT_CASE(an_unmap_that_meets_a_transfer_is_final),
	KUNIT_CASE(beside_a_mapping_is_nothing),
	KUNIT_CASE(what_another_device_has_mapped_is_nothing),
	KUNIT_CASE(a_read_only_mapping_is_not_written),
	KUNIT_CASE(a_list_in_unmapped_memory_is_not_read),
	KUNIT_CASE(a_list_that_names_a_bad_page_leads_past_it),
	KUNIT_CASE(commands_in_unmapped_memory_are_not_fetched),
	KUNIT_CASE(completions_do_not_arrive_in_unmapped_memory),
	KUNIT_CASE(completions_do_not_arrive_in_a_read_only_mapping),
	KUNIT_CASE(beside_a_bounced_buffer_are_zeroes),
	KUNIT_CASE(beside_the_entries_of_a_bounced_list_are_zeroes),
	KUNIT_CASE(writes_beside_a_bounced_buffer_are_lost),
	{ }
};

static struct kunit_suite dmamap_nvme_suite = {
	.name = "dmamap_nvme",
	.suite_init = dmamap_nvme_suite_init,
	.suite_exit = dmamap_nvme_suite_exit,
	.init = dmamap_nvme_init,
	.exit = dmamap_nvme_exit,
	.test_cases = dmamap_nvme_cases,
};

kunit_test_suite(dmamap_nvme_suite);

MODULE_DESCRIPTION("KUnit tests of DMA mapping with QEMU's NVMe disk as the attacker");
MODULE_LICENSE("GPL");
