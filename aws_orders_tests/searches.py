"""Hypothesis's searches: how many examples each tries, which depends on what runs them.

`make test` and CI try the numbers that the tests name, `make check` a tenth of them, and
`make soak` fifty times as many.
"""

from collections.abc import Sequence

from hypothesis import HealthCheck, settings

# The profile that Hypothesis starts with has 100 examples: the others' are percentages.
CHECK, SOAK = 10, 5000
# Examples are tried over the network, each in the same surroundings, on machines of any speed.
SUPPRESSED = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)


def register_profiles() -> None:
    """Make the profiles known, before Hypothesis loads the one that the command line names."""
    settings.register_profile("check", max_examples=CHECK)
    settings.register_profile("soak", max_examples=SOAK)


def search(
    examples: int, suppressed: Sequence[HealthCheck] = SUPPRESSED, **more: int | bool
) -> settings:
    """Return the settings of a search that tries so many examples in `make test`.

    Args:
        examples: Their number; by profile, a share or a multiple of it.
        suppressed: Health checks that do not hold for it.
        more: Other settings of Hypothesis.
    """
    profile = settings.default
    assert profile is not None
    return settings(
        max_examples=max(1, examples * profile.max_examples // 100),
        deadline=None,
        suppress_health_check=suppressed,
        **more,  # type: ignore[arg-type]
    )
