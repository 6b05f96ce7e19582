"""Of every bundle: MONAI's own checks of metadata, of every output and of TorchScript export, as the zoo runs them."""

import hashlib
import os
import shutil
import socket
from pathlib import Path

import pytest
import torch
from monai.apps.utils import download_url
from monai.bundle import ckpt_export, verify_metadata, verify_net_in_out

from tests.support.bundle import REPOSITORY
from tests.support.tiny import BUNDLES, TINY, only_accepted, read_config
from tests.support.verification.metadata import SCHEMA

SHA256 = "2189da1c9e50f15151e19209826fe752fe1e1a21c06910e91a4a72bc8353946e"
OUTPUTS = [
    (bundle, name) for bundle in BUNDLES for name in read_config(bundle, "metadata")["network_data_format"]["outputs"]
]


@pytest.fixture(scope="session")
def schema():
    """MONAI's schema: the copy beside the repository, else the cached one, else downloaded once."""
    name = SCHEMA.rsplit("/", 1)[1]
    beside = Path(os.environ.get("EYE_BUNDLES_REAL_DATA", REPOSITORY.parent / "shared" / "data")) / "schema" / name
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "monai_eye_bundles" / name
    path = next((path for path in (beside, cache) if path.is_file()), None)
    if path is None:
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(20)
        try:
            download_url(SCHEMA, cache, hash_val=SHA256, hash_type="sha256", progress=False)
        except (OSError, RuntimeError) as error:
            pytest.skip(f"no copy of {name} beside the repository, and no download: {error}")
        finally:
            socket.setdefaulttimeout(before)
        path = cache
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256, f"{path} is not MONAI's file"
    return path


def files(bundle):
    folder = REPOSITORY / "bundles" / bundle / "configs"
    return {"meta_file": str(folder / "metadata.json"), "config_file": str(folder / "inference.json")}


@pytest.mark.parametrize("bundle", BUNDLES)
def test_metadata_keep_to_the_official_schema(bundle, schema, tmp_path):
    """With the schema in place, `verify_metadata` downloads nothing."""
    place = Path(shutil.copy(schema, tmp_path / "schema.json"))
    verify_metadata(meta_file=files(bundle)["meta_file"], filepath=place)
    broken = tmp_path / "metadata.json"
    broken.write_text(Path(files(bundle)["meta_file"]).read_text().replace('"version"', '"edition"', 1))
    with pytest.raises(ValueError, match="'version' is a required property"):
        verify_metadata(meta_file=str(broken), filepath=place)


def select(bundle, name):
    """Overrides by which the network gives this output alone; a network of one output gives it anyway."""
    return (
        {"network_def#output": name}
        if len(read_config(bundle, "metadata")["network_data_format"]["outputs"]) > 1
        else {}
    )


@pytest.mark.parametrize(("bundle", "name"), OUTPUTS)
def test_every_output_is_as_the_metadata_say(bundle, name):
    """`verify_net_in_out` looks at the first output's channels and type; so each is put in its place in turn."""
    output = read_config(bundle, "metadata")["network_data_format"]["outputs"][name]
    place = "_meta_#network_data_format#outputs#pred#"
    said = {place + key: output[key] for key in ("num_channels", "dtype")}
    common = files(bundle) | {"net_id": "network_def", "device": "cpu", "n": 2} | select(bundle, name)
    verify_net_in_out(**common, **said)
    with pytest.raises(ValueError, match="doesn't match"):
        verify_net_in_out(**common, **said | {place + "num_channels": output["num_channels"] + 1})


def scripted(bundle, tmp_path):
    """A network of tiny size with random weights in a file, and the same as TorchScript by MONAI's `ckpt_export`."""
    from monai.bundle import ConfigParser

    names = files(bundle)
    keys = only_accepted(TINY[bundle].keys, bundle, "inference")
    parser = ConfigParser(ConfigParser.load_config_file(names["config_file"]) | keys)
    torch.manual_seed(0)
    network = parser.get_parsed_content("network_def").eval()
    weights = tmp_path / "model.pt"
    torch.save(network.state_dict(), weights)
    made = tmp_path / "model.ts"
    ckpt_export(net_id="network_def", filepath=str(made), ckpt_file=str(weights), key_in_ckpt="", **names, **keys)
    return network, torch.jit.load(str(made)).eval()


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_network_gives_the_metadatas_outputs_and_its_export_the_same(bundle, tmp_path):
    formats = read_config(bundle, "metadata")["network_data_format"]
    network, script = scripted(bundle, tmp_path)
    image = torch.rand(2, formats["inputs"]["image"]["num_channels"], 64, 96)
    with torch.no_grad():
        given, exported = network(image), script(image)
    given, exported = (out if isinstance(out, dict) else {"pred": out} for out in (given, exported))
    assert given.keys() == exported.keys() == formats["outputs"].keys()
    experts = TINY[bundle].keys.get("num_experts")
    for name, output in formats["outputs"].items():
        shape = [64, 96] if output["spatial_shape"] == ["32*n", "32*n"] else output["spatial_shape"]
        shape = [experts] if output["format"] == "gates" else shape
        assert list(given[name].shape) == [2, output["num_channels"], *shape]
        assert str(given[name].dtype) == f"torch.{output['dtype']}"
        torch.testing.assert_close(exported[name], given[name], rtol=1e-4, atol=1e-4)
