/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The Tessera Authors */

#include "perf/report.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "perf/commit.h"

/* One printed line: a metric of a pair in a class. */
struct report_figure {
	const struct tsr_perf_plan *plan;
	const struct tsr_perf_limits *limits;
	const struct tsr_perf_pair *pair;
	const struct tsr_perf_metric *metric;
	const struct tsr_perf_result *result;
	enum tsr_perf_class class;
	const char *ours_name;
	const char *baseline_name;
	struct tsr_perf_summary ours;
	struct tsr_perf_summary baseline;
	struct tsr_perf_summary ratio;
};

static struct tsr_perf_summary
report_summarize(const double *values, size_t count)
{
	double copy[TSR_PERF_RUNS_MAX];

	memcpy(copy, values, count * sizeof(*values));
	return tsr_perf_summarize(copy, count);
}

/* The ratios of the first figure, as good as @pair's are to be; in how many rounds of both. */
static size_t
report_flatness(struct report_figure *row, const struct tsr_perf_pair *pair)
{
	const struct tsr_perf_result *result = row->result;
	const struct tsr_perf_result *other = &pair->results[row->class];
	size_t const runs = result->runs < other->runs ? result->runs : other->runs;
	double mine[TSR_PERF_RUNS_MAX], theirs[TSR_PERF_RUNS_MAX], worse[TSR_PERF_RUNS_MAX];

	for (size_t i = 0; i < runs; i++) {
		mine[i] = result->value[0][0][i] / result->value[1][0][i];
		theirs[i] = other->value[0][0][i] / other->value[1][0][i];
		worse[i] = row->pair->metrics[0].higher_is_better ? theirs[i] / mine[i]
		                                                  : mine[i] / theirs[i];
	}
	row->metric = &row->pair->flat;
	row->ours_name = row->pair->metrics[0].label;
	row->baseline_name = pair->metrics[0].label;
	row->ours = tsr_perf_summarize(mine, runs);
	row->baseline = tsr_perf_summarize(theirs, runs);
	row->ratio = tsr_perf_summarize(worse, runs);
	return runs;
}

static void
report_fill_in(struct report_figure *row, size_t metric)
{
	const struct tsr_perf_result *result = row->result;
	double ratio[TSR_PERF_RUNS_MAX];

	row->ours_name = row->plan->benches[row->pair->ours].name;
	row->baseline_name = row->plan->benches[row->pair->baseline].name;
	row->metric = &row->pair->metrics[metric];
	for (size_t i = 0; i < result->runs; i++)
		ratio[i] = result->value[0][metric][i] / result->value[1][metric][i];
	row->ours = report_summarize(result->value[0][metric], result->runs);
	row->baseline = report_summarize(result->value[1][metric], result->runs);
	row->ratio = tsr_perf_summarize(ratio, result->runs);
}

/* What the limits bind. */
static double
report_bound(const struct report_figure *row)
{
	switch (row->metric->limits) {
	case TSR_PERF_LIMITS_OURS:
		return row->ours.median;
	case TSR_PERF_LIMITS_DIFFERENCE:
		return row->ours.median - row->baseline.median;
	case TSR_PERF_LIMITS_RATIO:
	default:
		return row->ratio.median;
	}
}

/* How a figure stands to a limit; a limit of 0 is none. */
static bool
report_meets(const struct report_figure *row, double limit)
{
	double const value = report_bound(row);

	if (limit <= 0.0)
		return true;
	return row->metric->higher_is_better ? value >= limit : value <= limit;
}

static bool
report_has_lost(const struct report_figure *row)
{
	return row->result->lost != 0 && !row->pair->lossy;
}

static const char *
report_verdict(const struct report_figure *row)
{
	if (row->result->runs == 0)
		return "absent";
	if (!report_meets(row, row->metric->must[row->class]))
		return "MISSED";
	if (report_has_lost(row))
		return "LOST";
	if (row->metric->must[row->class] <= 0.0 && row->metric->reach[row->class] <= 0.0)
		return "-";
	return report_meets(row, row->metric->reach[row->class]) ? "reached" : "ok";
}

static json_t *
report_json_number(double value, bool present)
{
	return present ? json_real(value) : json_null();
}

static json_t *
report_json_summary(const char *name, const struct tsr_perf_summary *summary)
{
	bool present = summary->count != 0;

	return json_pack("{s:s, s:o, s:o, s:o}", "name", name, "median",
	                 report_json_number(summary->median, present), "min",
	                 report_json_number(summary->min, present), "max",
	                 report_json_number(summary->max, present));
}

static json_t *
report_json_per_message(const struct tsr_perf_result *result, size_t step)
{
	double messages = (double)result->messages[step];
	bool present = result->messages[step] != 0;

	return json_pack("{s:o, s:o}", "empty",
	                 report_json_number((double)result->empty[step] / messages, present),
	                 "full",
	                 report_json_number((double)result->full[step] / messages, present));
}

/* {"0.5": {"ours": ns, "baseline": ns}, ...}; null where single operations are not timed. */
static json_t *
report_json_quantiles(const struct tsr_perf_result *result)
{
	json_t *all;

	if (result->runs == 0 || result->quantile_ns[0][0][0] <= 0.0)
		return json_null();
	all = json_object();
	for (size_t q = 0; q < TSR_PERF_QUANTILES; q++) {
		char share[16];

		(void)snprintf(share, sizeof(share), "%g", tsr_perf_quantiles[q]);
		(void)json_object_set_new(
			all, share,
			json_pack(
				"{s:f, s:f}", "ours",
				report_summarize(result->quantile_ns[0][q], result->runs).median,
				"baseline",
				report_summarize(result->quantile_ns[1][q], result->runs).median));
	}
	return all;
}

static const char *
report_priority(const struct report_figure *row)
{
	if (row->pair->calm)
		return "ordinary (nothing spins)";
	return row->plan->refused ? "ordinary (SCHED_FIFO was refused)" : "SCHED_FIFO 50";
}

static json_t *
report_json_conditions(const struct report_figure *row)
{
	static const char *const bound[] = {"ratio", "ours.median", "difference"};
	const char *page = row->plan->page[0] != '\0' ? row->plan->page : row->limits->backing;

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:f}, s:I, s:o, s:o, s:f, s:f, s:s, s:b}",
		"page", page, "page_of_baseline", row->limits->backing, "priority",
		report_priority(row), "compiler", __VERSION__, "commit", TSR_PERF_COMMIT, "clock",
		"name", tsr_perf_clock.name, "unit", "ns", "step", tsr_perf_clock.step_ns,
		"discarded", (json_int_t)row->plan->discarded, "looks_per_message",
		report_json_per_message(row->result, 0), "looks_per_message_of_baseline",
		report_json_per_message(row->result, 1), "ratio_min", row->ratio.min, "ratio_max",
		row->ratio.max, "limits_bind", bound[row->metric->limits], "lossy",
		(int)row->pair->lossy);
}

static int
report_json(struct tsr_perf_report *report, const struct report_figure *row)
{
	const struct tsr_perf_metric *metric = row->metric;
	double must = metric->must[row->class];
	double reach = metric->reach[row->class];
	json_t *object = json_pack(
		"{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o}", "case",
		metric->label, "unit", metric->unit, "better",
		metric->higher_is_better ? "higher" : "lower", "class",
		tsr_perf_class_names[row->class], "ours",
		report_json_summary(row->ours_name, &row->ours), "baseline",
		report_json_summary(row->baseline_name, &row->baseline), "ratio",
		report_json_number(row->ratio.median, row->ratio.count != 0), "must",
		report_json_number(must, must > 0.0), "reach",
		report_json_number(reach, reach > 0.0), "runs", (json_int_t)row->result->runs,
		"lost", (json_int_t)row->result->lost, "quantiles_ns",
		report_json_quantiles(row->result), "conditions", report_json_conditions(row));

	if (object == NULL)
		return -ENOMEM;
	(void)json_dumpf(object, report->out, JSON_COMPACT | JSON_REAL_PRECISION(6));
	(void)fputc('\n', report->out);
	json_decref(object);
	return 0;
}

static void
report_limit(FILE *out, double limit, bool higher)
{
	if (limit <= 0.0)
		(void)fprintf(out, " %7s", "-");
	else
		(void)fprintf(out, " %s%6.4g", higher ? ">" : "<", limit);
}

static void
report_table(struct tsr_perf_report *report, const struct report_figure *row)
{
	const struct tsr_perf_metric *metric = row->metric;
	FILE *out = report->out;

	if (report->rows == 0)
		(void)fprintf(out, "%-22s %-8s %-44s %10s %10s %-5s %21s %7s %7s %5s %6s  %s\n",
		              "CASE", "CLASS", "BASELINE", "OURS", "BASELINE", "UNIT",
		              "RATIO [MIN..MAX]", "MUST", "REACH", "RUNS", "LOST", "");
	(void)fprintf(out, "%-22s %-8s %-44.44s", metric->label, tsr_perf_class_names[row->class],
	              row->baseline_name);
	if (row->result->runs == 0) {
		(void)fprintf(out, " absent: not offered in %.0f s\n", row->plan->seconds);
		return;
	}
	(void)fprintf(out, " %10.4g %10.4g %-5s %6.3f [%5.3f..%5.3f]", row->ours.median,
	              row->baseline.median, metric->unit, row->ratio.median, row->ratio.min,
	              row->ratio.max);
	report_limit(out, metric->must[row->class], metric->higher_is_better);
	report_limit(out, metric->reach[row->class], metric->higher_is_better);
	(void)fprintf(out, " %5zu %6llu  %s\n", row->result->runs,
	              (unsigned long long)row->result->lost, report_verdict(row));
}

/* A row of the table in doc/performance.md. */
static void
report_markdown(struct tsr_perf_report *report, const struct report_figure *row)
{
	const struct tsr_perf_metric *metric = row->metric;
	FILE *out = report->out;

	if (report->rows == 0)
		(void)fprintf(
			out, "| case | class | baseline | ours | baseline's | unit | ratio | must "
			     "| reach | runs | |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
	(void)fprintf(out, "| %s | %s | %s |", metric->label, tsr_perf_class_names[row->class],
	              row->baseline_name);
	if (row->result->runs == 0)
		(void)fprintf(out, " | | | absent |");
	else
		(void)fprintf(out, " %.4g | %.4g | %s | %.3f [%.3f..%.3f] |", row->ours.median,
		              row->baseline.median, metric->unit, row->ratio.median, row->ratio.min,
		              row->ratio.max);
	(void)fprintf(out, " %.4g | %.4g | %zu | %s |\n", metric->must[row->class],
	              metric->reach[row->class], row->result->runs, report_verdict(row));
}

static int
report_row(struct tsr_perf_report *report, const struct report_figure *row)
{
	int error = 0;

	if (row->result->runs != 0 &&
	    (!report_meets(row, row->metric->must[row->class]) || report_has_lost(row)))
		report->misses++;
	if (report->json)
		error = report_json(report, row);
	else if (report->markdown)
		report_markdown(report, row);
	else
		report_table(report, row);
	report->rows++;
	return error;
}

static int
report_pair(struct tsr_perf_report *report, struct report_figure *row)
{
	int error = 0;

	for (size_t metric = 0; metric < row->pair->metric_count && error == 0; metric++) {
		report_fill_in(row, metric);
		if (row->metric->label != NULL)
			error = report_row(report, row);
	}
	if (error == 0 && row->pair->flat_to != NULL &&
	    report_flatness(row, row->pair->flat_to) > 0)
		error = report_row(report, row);
	return error;
}

int
tsr_perf_report_plan(struct tsr_perf_report *report, const struct tsr_perf_plan *plan,
                     const struct tsr_perf_limits *limits)
{
	struct report_figure row = {.plan = plan, .limits = limits};
	int error = 0;

	for (size_t i = 0; i < plan->pair_count && error == 0; i++) {
		row.pair = &plan->pairs[i];
		for (size_t class = 0; class < TSR_PERF_CLASSES && error == 0; class ++) {
			if ((class == TSR_PERF_ONE_CORE) != row.pair->one_core)
				continue;
			row.class = (enum tsr_perf_class) class;
			row.result = &row.pair->results[class];
			error = report_pair(report, &row);
		}
	}
	if (!report->json && plan->refused)
		(void)fprintf(report->out,
		              "Real-time priority was refused: these figures are of ordinary "
		              "priority. Run as root, or raise RLIMIT_RTPRIO to 50.\n");
	return error;
}
