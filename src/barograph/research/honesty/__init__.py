"""Honesty: is it skill or luck? One statistic a file, all pure functions over arrays.

- ``sharpe``, ``expected_maximum``: what a Sharpe ratio is worth, given how many were tried.
- ``tries``: how many tries it really were, when many of them do the same.
- ``overfitting``: how often the best in sample is below the middle out of sample.
- ``intervals``: how far each metric could have been otherwise; ``stationary``: the bootstrap below it.
- ``superior``: is the best of all better than nothing?
- ``walk_forward``, ``cross_validation``: choosing again and again, tested on what was not seen.
- ``noise``, ``plateau``: the same study without any pattern; the winner's neighbours.

Sharpe ratios are per period, with the sample standard deviation (ddof 1), unless a name says otherwise.
See ``docs/honesty.md``.
"""
