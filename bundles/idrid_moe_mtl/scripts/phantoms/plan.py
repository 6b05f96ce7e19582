"""Which eyes a phantom data set shows, how they are graded, and as which photographs each appears."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scripts.phantoms.lesions import Findings

DRAWN, REENCODED, COPIED = "drawn", "re-encoded", "byte-identical"
OFFICIAL_TWINS = 60 / 81

# How many training photographs of IDRiD's part B have each pair of grades (RG, MER).
_GRADE_COUNTS = {
    (0, 0): 133,
    (1, 0): 20,
    (2, 0): 16,
    (2, 1): 32,
    (2, 2): 81,
    (3, 0): 3,
    (3, 1): 4,
    (3, 2): 62,
    (4, 0): 4,
    (4, 1): 4,
    (4, 2): 38,
}
_MASKED_GRADES = [grades for grades in _GRADE_COUNTS if grades[1] > 0]


class PlannedPhotograph(NamedTuple):
    """One file: part ``A`` or ``B``, split ``train`` or ``test``, its number there, and how the file is made."""

    part: str
    split: str
    number: int
    encoding: str = DRAWN

    @property
    def stem(self) -> str:
        return f"IDRiD_{self.number:0{2 if self.part == 'A' else 3}d}"

    @property
    def name(self) -> str:
        return f"{self.part}/{self.split}/{self.stem}"


class PlannedEye(NamedTuple):
    """One eye: drawn once, stored as each of its photographs (twins)."""

    number: int
    findings: Findings
    photographs: tuple[PlannedPhotograph, ...]


def plan_eyes(
    *, num_masked: tuple[int, int], num_graded: tuple[int, int], twins: float = OFFICIAL_TWINS, seed: int = 0
) -> list[PlannedEye]:
    """Plans a data set like IDRiD.

    Grades are distributed as in IDRiD's training part B; part A, as there, shows only eyes with hard exudates and
    microaneurysms. ``twins`` of part A are in part B as well, under other numbers, in IDRiD's proportions: of 60
    pairs 42 within the training parts, 15 of A's test photographs in B's training part (the first ones are
    byte-identical), 3 of A's training photographs in B's test part. One photograph in 86 of part B is in part B twice:
    the first such pair within the training part, the next across the parts, and so on.

    Args:
        num_masked: photographs in part A, train and test. num_graded: the same for part B.
    """
    rng = np.random.default_rng(np.random.SeedSequence((seed, 2)))
    slots = [PlannedPhotograph("B", split, n + 1) for split, m in _parts(num_graded) for n in range(m)]
    grades = _shuffled_quotas(rng, len(slots))
    masked = [PlannedPhotograph("A", "train", n + 1) for n in range(num_masked[0])]
    masked += [PlannedPhotograph("A", "test", num_masked[0] + n + 1) for n in range(num_masked[1])]
    groups: list[tuple[tuple[int, int], list[PlannedPhotograph]]] = []
    free = list(range(len(slots)))
    for photograph, target in _twin_targets(rng, masked, num_masked, twins):
        bloodless = _lacks_haemorrhages(photograph)
        allowed = [pair for pair in _MASKED_GRADES if pair[0] == 2] if bloodless else _MASKED_GRADES
        fitting = [i for i in free if slots[i].split == target and grades[i] in allowed]
        if target and fitting:
            free.remove(fitting[0])
            encoding = COPIED if rng.uniform() < 0.25 else REENCODED
            groups.append((grades[fitting[0]], [photograph, slots[fitting[0]]._replace(encoding=encoding)]))
        else:
            groups.append((_random_grades(rng, allowed), [photograph]))
    _force_first_copy(groups)
    pairs = max(1, round(len(slots) / 86)) if len(slots) >= 4 else 0
    for pair in range(pairs):
        second = [i for i in free[1:] if slots[i].split == ("train", "test")[pair % 2]]
        first = [i for i in free if slots[i].split == "train" and second and i != second[-1]]
        if first:
            free = [i for i in free if i not in (first[0], second[-1])]
            encoding = (REENCODED, COPIED)[pair // 2 % 2]
            groups.append((grades[first[0]], [slots[first[0]], slots[second[-1]]._replace(encoding=encoding)]))
    groups += [(grades[i], [slots[i]]) for i in free]
    return [_planned(rng, i, grade, photographs) for i, (grade, photographs) in enumerate(groups)]


def _parts(numbers: tuple[int, int]) -> list[tuple[str, int]]:
    return [("train", numbers[0]), ("test", numbers[1])]


def _shuffled_quotas(rng: np.random.Generator, count: int) -> list[tuple[int, int]]:
    """``count`` pairs of grades, as near to IDRiD's frequencies as whole numbers can be (largest remainder)."""
    pairs = list(_GRADE_COUNTS)
    exact_K = np.array(list(_GRADE_COUNTS.values())) / sum(_GRADE_COUNTS.values()) * count
    number_K = exact_K.astype(int)
    for index in np.argsort(number_K - exact_K, kind="stable")[: count - number_K.sum()]:
        number_K[index] += 1
    quotas = [pair for pair, number in zip(pairs, number_K, strict=True) for _ in range(number)]
    return [quotas[i] for i in rng.permutation(len(quotas))]


def _random_grades(rng: np.random.Generator, allowed: list[tuple[int, int]]) -> tuple[int, int]:
    weights = np.array([_GRADE_COUNTS[grades] for grades in allowed], float)
    return allowed[rng.choice(len(allowed), p=weights / weights.sum())]


def _lacks_haemorrhages(photograph: PlannedPhotograph) -> bool:
    """One photograph of part A always lacks haemorrhages, as IDRiD's 43rd does: here the second."""
    return (photograph.part, photograph.split, photograph.number) == ("A", "train", 2)


def _twin_targets(
    rng: np.random.Generator, masked: list[PlannedPhotograph], num_masked: tuple[int, int], twins: float
) -> list[tuple[PlannedPhotograph, str]]:
    """Pairs every part-A photograph with the split of part B that shall hold its twin, or with an empty string."""
    train, test = num_masked
    to_test = max(1, round(twins * 3 / 60 * 81 / 54 * train)) if twins and train > 1 else 0
    to_train = max(1, round(twins * 42 / 60 * 81 / 54 * train)) if twins and train else 0
    of_test = max(1, round(twins * 15 / 60 * 81 / 27 * test)) if twins and test else 0
    in_train = (["test"] * to_test + ["train"] * to_train + [""] * train)[:train]
    in_test = (["train"] * of_test + [""] * test)[:test]
    targets = [in_train[i] for i in rng.permutation(train)] + [in_test[i] for i in rng.permutation(test)]
    return list(zip(masked, targets, strict=True))


def _force_first_copy(groups: list[tuple[tuple[int, int], list[PlannedPhotograph]]]) -> None:
    """Makes sure that there is a byte-identical and, with two or more, a re-encoded pair."""
    paired = [photographs for _, photographs in groups if len(photographs) > 1]
    for photographs, encoding in zip(paired, (COPIED, REENCODED), strict=False):
        photographs[1] = photographs[1]._replace(encoding=encoding)


def _planned(
    rng: np.random.Generator, number: int, grades: tuple[int, int], photographs: list[PlannedPhotograph]
) -> PlannedEye:
    """Decides which lesions the grades stand for; part A's first photograph has soft exudates, the second has none."""
    retinopathy, macular = grades
    soft = retinopathy >= 2 and bool(rng.uniform() < 0.48)
    bleeding = retinopathy >= 3 or (retinopathy == 2 and (not (soft or macular) or bool(rng.uniform() < 0.9)))
    first = photographs[0]
    if first.part == "A" and first.split == "train" and first.number in (1, 2):
        soft = first.number == 1
        bleeding = bleeding and not _lacks_haemorrhages(first)
    return PlannedEye(number, Findings(retinopathy, macular, bleeding, soft), tuple(photographs))
