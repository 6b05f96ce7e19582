"""Words that a key may have."""

import pytest

from shared.choices import check_choice, nearest
from shared.errors import ConfigError


def test_a_known_word_passes_and_another_is_refused_with_the_nearest():
    check_choice("sharing", "hard", ("hard", "moe"))
    with pytest.raises(ConfigError, match=r"sharing is 'hrd'[\s\S]*one of hard, moe[\s\S]*did you mean 'hard'\?"):
        check_choice("sharing", "hrd", ("hard", "moe"))
    with pytest.raises(ConfigError, match=r"correct `sharing`"):
        check_choice("sharing", "zzz", ("hard", "moe"))


def test_nearest_takes_any_iterable_and_its_cutoff_decides():
    assert nearest("resnet5", {"resnet50": 1, "unet": 2}) == "resnet50"
    assert nearest("zzz", iter(["hard"])) is None
    assert nearest("zzz", ["hard"], cutoff=0.0) == "hard"
    assert nearest("word", []) is None
