"""One small file for each stage: read, call, write. Each has one function, `run(job)`."""
