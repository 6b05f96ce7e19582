"""Which animals there are: name, breed, subset, and the file's oddity."""

from __future__ import annotations

from typing import NamedTuple

CAT, DOG = 0, 1
ODDITIES = {1: "png inside", 2: "gif inside", 3: "cmyk", 4: "no pet in trimap", 5: "grey"}
WITHOUT_BOX = 15


class Animal(NamedTuple):
    """``breed`` from 0, as a class id less one; ``oddity`` empty or one of `ODDITIES`."""

    number: int
    name: str
    breed: int
    species: int
    subset: str
    has_box: bool
    oddity: str


def plan_animals(*, number: int, breeds: int, size: int, seed: int) -> list[Animal]:
    """The animals in order of their numbers, breeds in turn; ``size`` and ``seed`` matter to the drawing only.

    Cats' names begin with a capital, as in the real set. Oddities come once each, from twelve images for each breed on.
    """
    animals = []
    for place in range(number):
        breed, turn = place % breeds, place // breeds
        species = CAT if breed % 2 == 0 else DOG
        subset = "trainval" if turn % 2 == 0 else "test"
        oddity = ODDITIES.get(turn // 2, "") if breed == 0 and subset == "trainval" and number >= 12 * breeds else ""
        animals.append(
            Animal(
                number=place,
                name=f"{'Phantom_Cat' if species == CAT else 'phantom_dog'}_{breed + 1}_{turn + 1}",
                breed=breed,
                species=species,
                subset=subset,
                has_box=subset == "trainval" and (place // 2) % WITHOUT_BOX != WITHOUT_BOX - 1,
                oddity=oddity,
            )
        )
    return animals
