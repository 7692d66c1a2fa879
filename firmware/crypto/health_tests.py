"""The two health tests of NIST SP 800-90B (4.4.1, 4.4.2) over octets of an entropy source that claims 8 bits each.

Cutoffs for a false alarm in 2^30 places: with H = 8 bits a sample, 1 + 30/8 repetitions; and in a window of 512 samples
(4.4.2, more than two values) one more than the critical value of the binomial distribution B(512, 2^-8).
"""

REPETITIONS_MAX = 4
WINDOW = 512
OCCURRENCES_MAX = 15


def longest_run(samples: bytes) -> int:
    """Repetition count test: how often the most patient sample came in a row; more than `REPETITIONS_MAX` fails."""
    longest = 0
    run = 0
    last = -1
    for sample in samples:
        run = run + 1 if sample == last else 1
        last = sample
        longest = max(longest, run)
    return longest


def most_frequent_first(samples: bytes) -> int:
    """Adaptive proportion test: how often, at most, the first sample of a window came in it; more than `OCCURRENCES_MAX`
    fails. A window that is not full is left out.
    """
    most = 0
    for start in range(0, len(samples) - WINDOW + 1, WINDOW):
        window = samples[start : start + WINDOW]
        most = max(most, window.count(window[:1]))
    return most
