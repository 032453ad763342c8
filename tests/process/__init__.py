"""The server as a process: start, threads, signals, workers, logs."""
