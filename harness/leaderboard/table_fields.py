"""What each field of table.json means: its unit, and when it is null."""

INTERVAL = {
    "ci_low": "Lower end of the 95 % interval, in the unit of the mean; null without spread.",
    "ci_high": "Upper end of the 95 % interval; null without spread.",
}
P = "Two-sided p of that interval's test, unadjusted; null without spread."

FIELDS: dict[str, dict[str, str]] = {
    "Table": {
        "schema_version": "Raised when a field goes or changes its meaning; a new field does not raise it.",
        "recipe": "Name of the recipe: its file without .toml, and the board's folder.",
        "title": "The recipe's title.",
        "baseline": "The method against which differences and overheads are taken.",
        "seeds": "Replicates that any record holds, in order.",
        "fixed": "The recipe's tables that are equal for all methods, by table and key.",
        "provenance": "What made the records: commit, versions of Python, harness and packages, device.",
        "smallest_detectable_difference": "That of the first section, in points; null if unknown.",
        "sections": "Groups of rows that may be ranked together, the baseline's first.",
        "has_costs": "Whether costs were measured; if not, cost and overhead of every row are null.",
        "rows": "Methods, by section, rank and win rate.",
        "recipe_changes": (
            "Why a run of the recipe now would not give the records, a sentence each; empty where it would."
        ),
        "unrecorded": "Methods of the recipe that have no record.",
    },
    "Section": {
        "number": "From 1; rows name it.",
        "comparable": "What all records of the section share: judge, device, template, versions, by name.",
        "seeds": "Replicates that the section's records hold.",
        "has_baseline": "Whether the baseline is in this section; if not, there are no differences.",
        "smallest_detectable_difference": (
            "Points of win rate that one test finds with power 80 % at alpha 5 %, before Holm: the median "
            "over comparisons with the baseline, or over all where it is not ranked; null without spread."
        ),
        "noise": "Mean variance of those comparisons' differences, by source; null without spread.",
        "separated": "How many of the compared pairs are significantly different.",
        "compared": "How many pairs of ranked rows were compared.",
        "pairs": "Each pair of ranked rows once.",
        "length_control": "The model behind length-controlled win rates; null where there is none.",
        "head_to_head": "Each two rows that a judge saw side by side once; empty where none were.",
        "unjudged": "Each two rows that the recipe wants judged side by side and that lack it in some seed.",
    },
    "Parts": {
        "replicates": "Squared points that replicates add; null where the data cannot tell.",
        "prompts": "Squared points that prompts add; null where the data cannot tell.",
        "residual": "Squared points that neither explains; null where the data cannot tell.",
    },
    "Pair": {
        "method": "The row whose win rate stands first in the difference.",
        "other": "The row whose win rate is subtracted.",
        "mean": "Win rate of method - win rate of other, both against the reference, paired; in points.",
        **INTERVAL,
        "p": P,
        "p_holm": "p adjusted for all pairs of the section and replicate noise; ranks rest on it. Null as p.",
    },
    "Contest": {
        "method": "The row whose win rate it is.",
        "other": "The row it was judged against, both ways round.",
        "win_rate": "Percent of comparisons that method won, a tie counting as half; 50 is even.",
        **INTERVAL,
        "p": "p of the test against 50, unadjusted; null without spread.",
        "p_holm": "p adjusted for all contests of the section; no rank rests on it. Null as p.",
        "missing": "Comparisons without a verdict.",
        "flips": "Comparisons whose two orders had opposite verdicts.",
    },
    "Unjudged": {
        "method": "One of the two rows.",
        "other": "The other.",
        "seeds": "Replicates in which they were not judged side by side at all.",
    },
    "LengthControl": {
        "slope": "Log odds that a much longer output adds; above zero the judge prefers longer ones.",
        "methods": "Rows that the model was fitted on; with others, every such rate would be another.",
    },
    "Row": {
        "method": "The method's name in the recipe.",
        "section": "Number of its section.",
        "rank": "1 + the number of rows that are significantly better; null for a row that is not ranked.",
        "rank_interval": (
            "95 % bootstrap interval of the place by mean win rate. It is not one of `rank`, which counts "
            "significant differences, and need not hold it; null for a row that is not ranked."
        ),
        "complete": "Whether every record and judgment asked for is there; else the row is not ranked.",
        "tied_with": "Ranked rows that are not significantly different.",
        "missing": "Why the row is incomplete, a sentence each.",
        "judgments": "How many judgments of the win rate there are.",
        "seeds": "Replicates that it has a record of.",
        "pairs": "Pairs trained on, mean over its seeds.",
        "prompts": "Distinct prompts trained on, mean over its seeds.",
        "mean_depth": "Pairs per prompt; null without training.",
        "pareto": "Whether no ranked row is as good for fewer FLOPs; null for a row that is not ranked.",
        "reach": "FLOPs to the baseline's win rate; null where the row is not ranked, or nothing tells.",
        "scores": "Metric to score, such as alpaca_eval.win_rate (points); null where the row has none.",
        "cost": "What the method cost; null on a board without costs.",
        "overhead": "Costs against the baseline's; null on a board without costs.",
        "pairs_dropped": (
            "Pairs that could not be chosen: their prompt alone fills max_length, their chosen response is "
            "empty, or both are the same within max_length; mean over its seeds."
        ),
        "pairs_truncated": "Pairs that were cut to fit, mean over its seeds.",
        "declared": "The method's table in the recipe.",
        "notes": "What a reader should know of it, a sentence each.",
    },
    "Reach": {
        "flops": "The cheapest budget tried that has the baseline's win rate; null if none has.",
        "more_than": "The dearest budget tried below it; null if none was tried.",
        "sure": (
            "Whether the 95 % interval of the difference at flops lies nowhere below zero; false where "
            "that is the baseline itself."
        ),
    },
    "RankInterval": {
        "best": "Best place by mean win rate in the middle 95 % of bootstrap draws; 1 is first.",
        "worst": "Worst place there.",
    },
    "Judgments": {
        "found": "Judgments that are there.",
        "expected": "Judgments that there should be.",
    },
    "Score": {
        "mean": "Mean over replicates and prompts, in the metric's unit.",
        **INTERVAL,
        "difference": "Against the baseline; null for the baseline, and where none is comparable.",
    },
    "Difference": {
        "mean": "Method - baseline, paired by prompt and seed, in the metric's unit.",
        **INTERVAL,
        "p": P,
        "p_holm": "p adjusted for all rows of the section and for the noise of replicates. Null as p.",
    },
    "Costs": {
        "alone": (
            "All that the method needs, as if nothing else had been run; mean over replicates, the largest "
            "of peaks."
        ),
        "shared": "Each task's cost split evenly among the records that use it; means as alone.",
        "stages": "Stage to its part of alone.",
    },
    "Cost": {
        "wall_s": "Wall seconds.",
        "cpu_s": "CPU seconds, of all threads.",
        "device_s": "Wall seconds of the tasks that had a GPU, from begin to end, busy or not.",
        "flops": "Floating-point operations, by formula.",
        "tokens_forward": "Tokens through a forward pass, without pads.",
        "tokens_backward": "Tokens through a backward pass, without pads.",
        "peak_memory_bytes": "Largest memory of any task on the host, in bytes.",
        "judge_calls": "Calls of a judge.",
        "judge_usd": "Dollars for judges, by price table or as stated, without unpriced calls.",
        "tokens_generated": "Tokens of tokens_forward that models here wrote.",
        "tokens_scored": "Tokens of tokens_forward that a judge's model here read.",
        "tokens_padding": "Pads that ran beside the tokens; they are in no other count and in no FLOPs.",
        "judge_tokens_in": "Tokens sent to judges at endpoints.",
        "judge_tokens_out": "Tokens that those judges wrote.",
        "judge_unpriced": "Calls whose price is not known.",
        "energy_j": "Joules; null where they are not known or not asked for. Nothing is ranked by them.",
        "energy": "How the joules are known, after the least sure part; null where none were asked for.",
        "peak_device_bytes": (
            "Most bytes that the tensors of any task took of one GPU; not there where no task had one."
        ),
    },
    "Overheads": {
        "alone": "By the costs alone.",
        "shared": "By the costs shared.",
    },
    "Overhead": {
        "wall": "(wall seconds - baseline's) / baseline's; null where the baseline has none.",
        "flops": "(FLOPs - baseline's) / baseline's; null where the baseline has none.",
    },
}
"""Part of the table -> field -> sentence."""
