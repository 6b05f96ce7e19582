"""Values from the command line are compared with the type of the file's value."""

import pytest

from shared.errors import ConfigError
from shared.workflow.values import check_value


@pytest.mark.parametrize(
    ("value", "sample"),
    [
        (3, 60),
        (0, 2),
        (1, 0.5),
        (0.25, 0.5),
        ([64, 80], [736, 880]),
        ((64, 80), [736, 880]),
        ("resnet18", "resnet50"),
        (False, True),
        ({"RG": 2.0}, {}),
        ("$@max_epochs // 3", 60),
        ("cpu", "$torch.device('cuda')"),
        (5, None),
        ([{"name": "MA"}], [{"name": "RG"}, {"name": "MA"}]),
        ("text", {"_target_": "torch.nn.Linear"}),
    ],
)
def test_values_that_will_do(value, sample):
    check_value("key", value, sample=sample)


@pytest.mark.parametrize(
    ("value", "sample", "text"),
    [
        ("abc", 60, "--key 60"),
        (1.5, 60, "a whole number"),
        (True, 60, "a whole number"),
        (-1, 60, "not negative"),
        ("abc", 0.5, "a number"),
        (64, [736, 880], r"--key \[736,880\]"),
        ([64], [736, 880], "a list of 2 numbers"),
        ([64, "x"], [736, 880], "a list of 2 numbers"),
        (2024, "phantoms", "\"'2024'\""),
        (1, True, "--key True"),
        (3, {"size": [1, 2]}, "names with values"),
    ],
)
def test_other_values_are_refused_with_an_example(value, sample, text):
    with pytest.raises(ConfigError, match=text) as error:
        check_value("key", value, sample=sample)
    assert f"--key is {value!r}" in str(error.value)
