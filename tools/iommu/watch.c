// SPDX-License-Identifier: GPL-2.0-only
/*
 * The full-screen view: sums, and a line for each domain, with rates since the
 * last look.
 */

#include <inttypes.h>
#include <locale.h>
#include <ncurses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dmamap-stat.h"

/**
 * struct line - a domain on the screen
 * @domain: what is known now
 * @hits: allocations a second that caches served
 * @misses: those that went to the tree
 * @flushes: invalidations a second
 */
struct line {
	const struct domain *domain;
	double hits;
	double misses;
	double flushes;
};

/**
 * struct view - the screen
 * @model: of the last look
 * @when: when that was, in seconds
 * @lines: of @model, sorted
 * @key: what they are sorted by
 * @top: the first that is shown
 * @seconds: between looks
 */
struct view {
	struct model model;
	double when;
	struct line *lines;
	int key;
	size_t top;
	double seconds;
};

#define N	"%" PRIu64

static int sort_key;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static double sort_value(const struct line *line)
{
	switch (sort_key) {
	case 'l':
		return line->domain->live;
	case 'c':
		return line->domain->cached;
	case 'a':
		return line->hits + line->misses;
	case 'u':
		return line->domain->queued;
	case 'b':
		return line->domain->bad_unmaps;
	default:
		return -(double)line->domain->id;
	}
}

/* The largest first; by name the smallest. */
static int compare_lines(const void *a, const void *b)
{
	double x = sort_value(a), y = sort_value(b);

	if (x != y)
		return x < y ? 1 : -1;
	return ((const struct line *)a)->domain->id <
	       ((const struct line *)b)->domain->id ? -1 : 1;
}

static void sort_lines(struct view *view)
{
	sort_key = view->key;
	if (view->model.domains.nr)
		qsort(view->lines, view->model.domains.nr,
		      sizeof(*view->lines), compare_lines);
}

/* Counters of the kernel wrap, and domains go and come. */
static double rate(uint64_t new, uint64_t old, double seconds)
{
	return new < old || seconds <= 0 ? 0 : (new - old) / seconds;
}

static const struct domain *same_domain(const struct model *model, uint64_t id)
{
	size_t i;

	for (i = 0; i < model->domains.nr; i++)
		if (model->domains.at[i].id == id)
			return &model->domains.at[i];
	return NULL;
}

static int look_again(struct view *view,
		      int (*look)(struct model *model, void *arg), void *arg)
{
	double when = now(), passed = when - view->when;
	struct model model;
	struct line *lines;
	size_t i;

	if (look(&model, arg))
		return -1;
	lines = calloc(model.domains.nr + 1, sizeof(*lines));
	if (!lines) {
		set_error("there is no memory");
		model_free(&model);
		return -1;
	}
	for (i = 0; i < model.domains.nr; i++) {
		const struct domain *domain = &model.domains.at[i];
		const struct domain *old = same_domain(&view->model, domain->id);

		lines[i].domain = domain;
		if (!old)
			continue;
		lines[i].hits = rate(domain->hits, old->hits, passed);
		lines[i].misses = rate(domain->misses, old->misses, passed);
		lines[i].flushes = rate(domain->flushes, old->flushes, passed);
	}
	free(view->lines);
	model_free(&view->model);
	view->model = model;
	view->lines = lines;
	view->when = when;
	sort_lines(view);
	return 0;
}

/* One line, cut off where the terminal ends: curses would go on in the next. */
static void __attribute__((format(printf, 2, 3)))
put_line(int y, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	mvaddnstr(y, 0, text, COLS);
}

/* Columns for the devices: what the others leave, within bounds. */
static int devices_width(void)
{
	return COLS < 109 ? 20 : COLS > 239 ? 150 : COLS - 89;
}

static void draw_sums(const struct view *view)
{
	struct domain total = model_total(&view->model);
	double hits = 0, misses = 0, flushes = 0;
	size_t i;

	for (i = 0; i < view->model.domains.nr; i++) {
		hits += view->lines[i].hits;
		misses += view->lines[i].misses;
		flushes += view->lines[i].flushes;
	}
	put_line(0, "dmamap-stat  %s  %s  every %g s",
		 model_about(&view->model, "release"),
		 model_about(&view->model, "time"), view->seconds);
	put_line(1, " Ranges live / cached / both     : " N " / " N " / " N,
		 total.live, total.cached, total.tree);
	put_line(2, " Allocations a second            : %.0f, %.1f%% from caches (%.1f%% since boot)",
		 hits + misses, hits + misses > 0 ? 100 * hits / (hits + misses) : 0,
		 hit_percent(total.hits, total.misses));
	put_line(3, " Queued / invalidations a second : " N " / %.0f",
		 total.queued, flushes);
	put_line(4, " Bad unmaps / frees refused      : " N " / " N,
		 total.bad_unmaps, total.refused);
}

static void draw_line(const struct view *view, int y, const struct line *line)
{
	const struct domain *domain = line->domain;
	char group[24] = "-", devices[160];

	if (domain->group >= 0)
		snprintf(group, sizeof(group), "%" PRId64, domain->group);
	devices_text(&view->model, domain->group, devices, sizeof(devices));
	put_line(y, "%6" PRIu64 " %5" PRIu64 " %5s %6s %-*.*s %9" PRIu64 " %9" PRIu64
		 " %9.0f %9.0f %5.1f %7" PRIu64 " %8.0f",
		 domain->id, domain->bad_unmaps, group,
		 domain->in_dmamap ? domain->mode : "-", devices_width(),
		 devices_width(), devices, domain->live, domain->cached,
		 line->hits, line->misses,
		 hit_percent(domain->hits, domain->misses), domain->queued,
		 line->flushes);
	clrtoeol();
}

/* Lines above the domains; one more is below them. */
#define HEAD	7

static size_t shown_rows(void)
{
	int rows = LINES - HEAD - 1;

	return rows > 0 ? rows : 0;
}

static void draw(struct view *view)
{
	size_t rows = shown_rows(), i;

	if (view->top + rows > view->model.domains.nr)
		view->top = view->model.domains.nr > rows ?
			    view->model.domains.nr - rows : 0;
	erase();
	draw_sums(view);
	attron(A_REVERSE);
	put_line(HEAD - 1, "%6s %5s %5s %6s %-*s %9s %9s %9s %9s %5s %7s %8s",
		 "DOMAIN", "BAD", "GROUP", "MODE", devices_width(), "DEVICES",
		 "LIVE", "CACHED", "HITS/s", "MISSES/s", "HIT%", "QUEUED",
		 "FLUSH/s");
	attroff(A_REVERSE);
	for (i = 0; i < rows && view->top + i < view->model.domains.nr; i++)
		draw_line(view, HEAD + i, &view->lines[view->top + i]);
	put_line(LINES - 1, "sort: (d)omain (l)ive (c)ached (a)llocs q(u)eued (b)ad  arrows scroll  (q)uit");
	refresh();
}

/* Returns whether to go on. */
static bool handle_key(struct view *view, int key)
{
	size_t page = shown_rows();

	switch (key) {
	case 'q':
		return false;
	case 'd':
	case 'l':
	case 'c':
	case 'a':
	case 'u':
	case 'b':
		view->key = key;
		sort_lines(view);
		break;
	case KEY_DOWN:
		view->top++;
		break;
	case KEY_UP:
		view->top -= view->top > 0;
		break;
	case KEY_NPAGE:
		view->top += page;
		break;
	case KEY_PPAGE:
		view->top -= view->top < page ? view->top : page;
		break;
	case KEY_HOME:
		view->top = 0;
		break;
	}
	return true;
}

/**
 * watch_domains - show the domains until the user has seen enough
 * @look: looks again: fills in a model, or returns -1 with an error set
 * @arg: for @look
 * @seconds: between looks
 *
 * Return: 0, or -1 with an error set.
 */
int watch_domains(int (*look)(struct model *model, void *arg), void *arg,
		  double seconds)
{
	struct view view = { .key = 'd', .seconds = seconds };
	SCREEN *screen;
	int ret, key;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		set_error("--watch needs a terminal: leave it out, or use --json");
		return -1;
	}
	/* Say what is wrong before the screen is another one. */
	if (look_again(&view, look, arg))
		return -1;
	setlocale(LC_ALL, "");
	screen = newterm(NULL, stdout, stdin);
	if (!screen) {
		set_error("the terminal '%s' is not known: set TERM to one that is",
			  getenv("TERM") ?: "");
		ret = -1;
		goto free;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	for (;;) {
		double left = view.when + seconds - now();

		ret = 0;
		if (left <= 0) {
			ret = look_again(&view, look, arg);
			if (ret)
				break;
			left = seconds;
		}
		draw(&view);
		timeout(left * 1000 + 1);
		key = getch();
		/* No key in time is ERR; so is a terminal that has gone. */
		if (key == ERR && now() < view.when + seconds - 0.05)
			break;
		if (key != ERR && !handle_key(&view, key))
			break;
	}
	endwin();
	delscreen(screen);
free:
	free(view.lines);
	model_free(&view.model);
	return ret;
}
