"""The audit: plan what to compute, evaluate blocks, judge them, find the boundaries, sum up."""
