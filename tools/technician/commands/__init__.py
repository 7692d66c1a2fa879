"""The sub-commands of `lumbung`, a file for each job: options in, sentences out; the work is in the modules above."""
