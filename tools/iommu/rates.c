// SPDX-License-Identifier: GPL-2.0-only
/*
 * A line for each interval, as vmstat prints: sums over all domains. The first
 * line has no interval before it, and so no rates.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "dmamap-stat.h"

#define LINES_A_HEADER	20

static double seconds_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void sleep_until(double when)
{
	struct timespec time = {
		.tv_sec = when,
		.tv_nsec = (when - (time_t)when) * 1e9,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
		;
}

/* Sums fall when a domain goes. */
static double gained(uint64_t new, uint64_t old)
{
	return new < old ? 0 : new - old;
}

/**
 * rates_print - print sums and rates, again and again
 * @look: looks again: fills in a model, or returns -1 with an error set
 * @arg: for @look
 * @seconds: between lines
 * @count: lines, 0 for no end
 * @out: where to
 *
 * Return: 0, or -1 with an error set.
 */
int rates_print(int (*look)(struct model *model, void *arg), void *arg,
		double seconds, uint64_t count, FILE *out)
{
	double begin = seconds_now(), last = begin, now, passed;
	struct domain old = { }, total;
	struct model model;
	uint64_t line;

	for (line = 0; !count || line < count; line++) {
		if (line)
			sleep_until(begin + line * seconds);
		if (look(&model, arg))
			return -1;
		now = seconds_now();
		passed = now - last;
		last = now;
		total = model_total(&model);
		model_free(&model);
		if (line % LINES_A_HEADER == 0)
			fprintf(out, "%9s %9s %10s %6s %7s %9s %7s %7s\n", "LIVE",
				"CACHED", "ALLOCS/s", "HIT%", "QUEUED", "FLUSH/s",
				"BAD", "REFUSED");
		fprintf(out, "%9" PRIu64 " %9" PRIu64, total.live, total.cached);
		if (line && passed > 0) {
			double hits = gained(total.hits, old.hits);
			double all = hits + gained(total.misses, old.misses);

			fprintf(out, " %10.0f", all / passed);
			if (all)
				fprintf(out, " %6.1f", 100 * hits / all);
			else
				fprintf(out, " %6s", "-");
			fprintf(out, " %7" PRIu64 " %9.0f", total.queued,
				gained(total.flushes, old.flushes) / passed);
		} else {
			fprintf(out, " %10s %6s %7" PRIu64 " %9s", "-", "-",
				total.queued, "-");
		}
		fprintf(out, " %7" PRIu64 " %7" PRIu64 "\n", total.bad_unmaps,
			total.refused);
		old = total;
		if (fflush(out)) {
			set_error("cannot write the output: %s", strerror(errno));
			return -1;
		}
	}
	return 0;
}
