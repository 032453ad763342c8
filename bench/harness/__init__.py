"""The parts of the benchmarks: peers, workloads, one server process, one measurement, the report."""
