"""TRL's DPOTrainer as it ships, on the pairs and the settings of a task that trains."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import PrinterCallback
from trl import DPOConfig, DPOTrainer

from harness.data.rows import PreferencePair
from harness.models.chat import render_prompt
from harness.models.load import load_policy
from harness.models.quiet import quiet
from harness.store.formats import read_rows


def plain_trl(base: Path, pairs: Path, params: Mapping[str, Any]) -> Callable[[], None]:
    """A training run by an adapter task's parameters: a reference forward in each step, TRL's own head."""

    def run() -> None:
        with tempfile.TemporaryDirectory() as out, quiet():
            trl_trainer(base, pairs, params, Path(out)).train()

    return run


def trl_trainer(base: Path, pairs: Path, params: Mapping[str, Any], out: Path) -> Any:
    """TRL's trainer, ready to run, on the GPU where there is one."""
    training, half = params["training"], params["training"].get("precision") == "bf16"
    policy = load_policy(base, precision=torch.bfloat16 if half else torch.float32)
    rows = read_rows(pairs, PreferencePair)
    prompts = [render_prompt(policy.tokenizer, row.prompt) for row in rows]
    texts = [
        {"prompt": prompt, "chosen": row.chosen, "rejected": row.rejected}
        for prompt, row in zip(prompts, rows, strict=True)
    ]
    trainer = DPOTrainer(
        model=policy.model,
        args=_config(training, params["loss"]["beta"], params["seed"], out),
        train_dataset=Dataset.from_list(texts),
        processing_class=policy.tokenizer,
        peft_config=LoraConfig(
            task_type="CAUSAL_LM",
            r=training["lora_rank"],
            lora_alpha=training["lora_rank"],
            target_modules="all-linear",
        ),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _config(training: Mapping[str, Any], beta: float, seed: int, out: Path) -> DPOConfig:
    micro_batch = training["micro_batch"] or training["pairs_per_step"]
    return DPOConfig(
        output_dir=str(out),
        max_steps=training["steps"],
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=training["pairs_per_step"] // micro_batch,
        learning_rate=training["learning_rate"],
        lr_scheduler_type=training["schedule"],
        warmup_steps=training["warmup_steps"],
        beta=beta,
        max_length=training["max_length"],
        seed=seed,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=False,
        bf16=training.get("precision") == "bf16",
        gradient_checkpointing=False,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
