"""Evaluation: plan blocks of cases, run formulations on them, judge, find the boundaries, sum up."""
