"""What is found in a folder, and how it is cut into shards that a later start knows again."""

import pytest

from shared.errors import ConfigError, DataError
from shared.folder.plan import Shard, find_units, make_plan, read_plan
from tests.support.bundle import REPOSITORY

PHOTOGRAPHS = REPOSITORY / "bundles" / "pets_mtl"
VOLUMES = REPOSITORY / "bundles" / "retouch_meanteacher"


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_pictures_are_found_by_their_ending_and_not_opened(tmp_path):
    touch(tmp_path, "b/2.JPG", "b/1.png", "a.tif", "notes.txt", ".hidden/3.jpg", "b/.4.jpg")
    assert find_units(tmp_path, bundle=PHOTOGRAPHS) == ["a.tif", "b/1.png", "b/2.JPG"]


def test_volumes_are_found_where_the_bundle_reads_volumes(tmp_path):
    touch(tmp_path, "A/oct.mhd", "A/oct.raw", "A/reference.mhd", "scan.nii.gz", "eye/1.png", "eye/2.png")
    assert find_units(tmp_path, bundle=VOLUMES) == ["A/oct.mhd", "eye", "scan.nii.gz"]


def test_nothing_to_read_is_refused(tmp_path):
    with pytest.raises(DataError, match="is no folder"):
        find_units(tmp_path / "absent", bundle=PHOTOGRAPHS)
    touch(tmp_path, "notes.txt")
    with pytest.raises(DataError, match="holds nothing that pets_mtl reads"):
        find_units(tmp_path, bundle=PHOTOGRAPHS)


def test_shards_cover_all_files_once_and_in_order(tmp_path):
    names = [f"{number:03d}.jpg" for number in range(23)]
    shards = make_plan(tmp_path / "plan.jsonl", names, batch=5)
    assert [name for shard in shards for name in shard.files] == names
    assert [len(shard.files) for shard in shards] == [5, 5, 5, 5, 3]
    assert read_plan(tmp_path / "plan.jsonl") == shards


def test_a_later_start_keeps_the_shards_and_adds_what_is_new(tmp_path):
    file = tmp_path / "plan.jsonl"
    first = make_plan(file, ["b", "d"], batch=2)
    assert make_plan(file, ["b", "d"], batch=7) == first
    later = make_plan(file, ["a", "b", "c", "ä\n"], batch=2)
    assert later[0] == first[0]
    assert later[1:] == [Shard(1, ("a", "c")), Shard(2, ("ä\n",))]
    assert read_plan(file) == later


def test_no_folder_of_outputs_gets_more_than_a_thousand_entries():
    places = [Shard(number, ()).place for number in range(0, 20_000)]
    assert len(set(places)) == len(places)
    parents = [place.rsplit("/", 1)[0] for place in places]
    assert max(parents.count(parent) for parent in set(parents)) == 1000


@pytest.mark.parametrize("batch", [0, -1, 1001, 2.5, True])
def test_a_batch_is_a_whole_number(batch, tmp_path):
    with pytest.raises(ConfigError, match="--batch is"):
        make_plan(tmp_path / "plan.jsonl", ["a"], batch=batch)
