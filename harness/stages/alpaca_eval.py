"""The judge's preference between each output and the reference, through alpaca_eval's own annotator."""

from harness.evaluation.alpaca_eval import Comparison, compare, winrate_summary
from harness.judges.base import prefer
from harness.stages.job import Job
from harness.stages.shared import judge_of, read_prompts, read_responses, texts_by_prompt
from harness.store.formats import RESULT, write_json


def run(job: Job) -> None:
    """Compare sample i of the policy with sample i of the reference, for every prompt.

    Preferences are 1 (reference better) to 2 (output better), None where the judge gave no verdict.
    """
    judge = judge_of(job.params)
    prompts = read_prompts(job.inputs["held_out"])
    outputs = texts_by_prompt(read_responses(job.inputs["outputs"]))
    references = texts_by_prompt(read_responses(job.inputs["reference"]))
    by_text = {prompt.text: prompt for prompt in prompts}
    comparisons = [
        Comparison(f"{prompt.id}/{index}", prompt.text, reference, output)
        for prompt in prompts
        for index, (reference, output) in enumerate(
            zip(references[prompt.id], outputs[prompt.id], strict=True)
        )
    ]
    preferences = compare(
        comparisons,
        lambda instruction, first, second: prefer(judge, by_text[instruction], first, second),
        seed=job.params["seed"],
    )
    given = iter(preferences)
    result = {
        "judge": judge.id,
        "summary": winrate_summary(preferences),
        "preferences": {prompt.id: [next(given) for _ in outputs[prompt.id]] for prompt in prompts},
    }
    write_json(job.out / RESULT, result)
    job.meter.count_judge(calls=len(comparisons))
