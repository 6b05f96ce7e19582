"""Several processes (ranks) at one batch, one data set or one report: sums, gathering, random numbers."""

from shared.ranks.draws import drawn_share
from shared.ranks.gather import gather_ordered, gather_to_all, gather_to_main
from shared.ranks.place import alone, any_rank, is_main, num_ranks, rank
from shared.ranks.reduce import mean_over_ranks, means_over_ranks, sum_over_ranks, whole_batch

__all__ = [
    "alone",
    "any_rank",
    "drawn_share",
    "gather_ordered",
    "gather_to_all",
    "gather_to_main",
    "is_main",
    "mean_over_ranks",
    "means_over_ranks",
    "num_ranks",
    "rank",
    "sum_over_ranks",
    "whole_batch",
]
