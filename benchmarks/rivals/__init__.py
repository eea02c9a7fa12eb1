"""The sides of `benchmarks.same_budget`: each file trains and predicts in a process of its own."""
