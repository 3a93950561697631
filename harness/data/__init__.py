"""What flows between the stages: prompts, responses, pairs and token batches."""
