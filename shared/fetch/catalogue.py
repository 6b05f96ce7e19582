"""What can be fetched, from where, and under which licence."""

from __future__ import annotations

from typing import NamedTuple


class Archive(NamedTuple):
    """A tar file that holds one ``folder``; ``md5`` as published, ``size`` in bytes (about)."""

    name: str
    md5: str
    folder: str
    size: int


class DataSet(NamedTuple):
    """``address``: the folder in which the archives lie."""

    title: str
    licence: str
    cite: str
    address: str
    archives: tuple[Archive, ...]


CATALOGUE = {
    "pets": DataSet(
        title="Oxford-IIIT Pet",
        licence="CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/); copyright of the images remains with "
        "their owners",
        cite="Parkhi, Vedaldi, Zisserman, Jawahar: Cats and Dogs. CVPR 2012",
        address="https://www.robots.ox.ac.uk/~vgg/data/pets/data",
        archives=(
            Archive("images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c", "images", 791_918_971),
            Archive("annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f", "annotations", 19_173_078),
        ),
    ),
}
