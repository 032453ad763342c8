"""The contract checker, judged by programs that break the contract and programs that only look odd."""
