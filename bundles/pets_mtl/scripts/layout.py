"""Names and numbers of Oxford-IIIT Pet's official layout."""

from __future__ import annotations

SPECIES = ("cat", "dog")
NUM_BREEDS = 37
MASK_TASK, BOX_TASK = "pet", "box"
GRADE_TASKS = {"species": len(SPECIES), "breed": NUM_BREEDS}
PET, BACKGROUND, BORDER = 1, 2, 3  # a trimap's values
IGNORED = "ignored"
BORDERS = ("pet", "background", IGNORED)
LISTS = ("trainval", "test", "list")
LAYOUT = """
<dataset_dir>/
  images/Abyssinian_1.jpg ...
  annotations/
    list.txt, trainval.txt, test.txt   lines such as: Abyssinian_1 1 1 1  (name, breed 1..37, species 1 cat 2 dog)
    trimaps/Abyssinian_1.png ...       1 pet, 2 background, 3 border
    xmls/Abyssinian_1.xml ...          box of the head, for part of trainval"""
