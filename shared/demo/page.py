"""The page: a place to drop a file, the picture with its layers, what was found, and the files to take away."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import gradio as gr

from shared.demo.findings import describe
from shared.demo.library import Library
from shared.demo.sessions import Sessions, Shown
from shared.errors import EyeBundlesError

log = logging.getLogger(__name__)

TITLE = "Eye bundles: reading page"
AUTO = "auto"
DISCLAIMER = (
    "Research software: not a medical device. Results are no diagnosis and must not be used for decisions about "
    "patients."
)
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
ADDRESS = "/reading"


class Page:
    """What the page shows for what was done on it.

    Args:
        sessions: read the files.
    """

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions

    @property
    def library(self) -> Library:
        """The bundles."""
        return self.sessions.library

    def build(self) -> gr.Blocks:
        """The page's parts and what moves them."""
        with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 600)) as blocks:
            gr.HTML(self.head(), elem_id="head")
            with gr.Row(elem_id="give"):
                with gr.Column(scale=3, min_width=300):
                    upload = gr.File(
                        label="Photograph, B-scan or volume (.mha, .nii.gz)",
                        elem_id="upload",
                        height=150,
                    )
                with gr.Column(scale=2, min_width=300):
                    choice = gr.Dropdown(
                        [("found from the file", AUTO), *((b.title, n) for n, b in self.library.bundles.items())],
                        value=AUTO,
                        label="Bundle",
                        elem_id="bundle",
                        interactive=True,
                    )
                    with gr.Row(elem_id="samples"):
                        samples = [
                            (name, gr.Button(f"PHANTOM: {bundle.reads[0]} ({name})", size="sm", min_width=280))
                            for name, bundle in self.library.bundles.items()
                            if bundle.samples
                        ]
            message = gr.HTML(elem_id="message")
            token = gr.State("")
            with gr.Row(visible=False, elem_id="result") as result:
                with gr.Column(scale=3, min_width=300):
                    layers = gr.CheckboxGroup([], label="Layers", elem_id="layers", interactive=True)
                    number = gr.Slider(0, 1, step=1, label="B-scan", elem_id="bscan", interactive=True)
                    picture = gr.HTML(elem_id="picture")
                    downloads = gr.HTML(elem_id="downloads")
                with gr.Column(scale=2, min_width=300):
                    found = gr.HTML(elem_id="found")
            shown = [upload, message, token, result, layers, number, picture, found, downloads]
            reading: dict[str, Any] = {"outputs": shown, "concurrency_id": "reading", "concurrency_limit": 1}
            reading |= {"show_progress": "full", "show_progress_on": message} | PRIVATE
            upload.upload(self.on_upload, [upload, choice], **reading)
            for name, button in samples:
                button.click(self.on_sample(name), None, **reading)
            for part, event in ((layers, "input"), (number, "change")):
                getattr(part, event)(
                    self.on_look,
                    [token, layers, number],
                    picture,
                    show_progress="hidden",
                    trigger_mode="always_last",
                    **PRIVATE,
                )
            blocks.unload(self.on_leave)
        return blocks.queue(max_size=16, default_concurrency_limit=4)

    def head(self) -> str:
        """Title, what this is not, and which bundles wait for their training."""
        rows = "".join(
            f"<tr><th>{escape(bundle.title)}</th><td>{escape(' or '.join(bundle.reads))}</td>"
            f"<td>{self.state(name)}</td></tr>"
            for name, bundle in self.library.bundles.items()
        )
        ready = sum(bundle.is_trained for bundle in self.library.bundles.values())
        return (
            f"<h1>{escape(TITLE)}</h1><p class='warning'>{escape(DISCLAIMER)}</p>"
            f"<details{'' if ready else ' open'}><summary>Bundles: {ready} of "
            f"{len(self.library.bundles)} have a model</summary><div class='wide'><table><tr><th>bundle</th>"
            f"<th>reads</th><th>model</th></tr>{rows}</table></div></details>"
        )

    def state(self, name: str) -> str:
        """Of a bundle's model."""
        bundle = self.library.bundles[name]
        if not bundle.is_trained:
            return f"none yet: <code>{escape(bundle.command)}</code>"
        facts = bundle.facts
        return (
            f"{'trained on PHANTOMS' if facts.get('phantom') else 'trained'}, {escape(str(facts.get('date', ''))[:10])}"
        )

    def on_upload(self, file: str | None, choice: str, request: gr.Request) -> list[Any]:
        """A file was dropped."""
        if not file:
            return self.nothing("")
        name = "" if choice == AUTO else choice
        return self.answer(lambda: self.sessions.read(str(request.session_hash), Path(file), name=name))

    def on_sample(self, name: str) -> Any:
        """A bundle's phantom is wanted."""

        def sample(request: gr.Request) -> list[Any]:
            return self.answer(lambda: self.sessions.sample(str(request.session_hash), name))

        return sample

    def on_look(self, token: str, layers: Sequence[str], number: float) -> str:
        """Layers or the B-scan were changed."""
        shown = self.sessions.find(token)
        return image(shown, layers, int(number)) if shown else ""

    def on_leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self.sessions.leave(str(request.session_hash))

    def answer(self, read: Any) -> list[Any]:
        """The values of all parts after an attempt to read; errors are shown, none goes further."""
        try:
            shown: Shown = read()
        except EyeBundlesError as error:
            fix = "" if "--" in error.fix else f" What to do: {error.fix}."
            return self.nothing(f"{error.received}. Expected: {error.expected}.{fix}")
        except Exception as error:
            log.exception("a file could not be read")
            return self.nothing(f"this file could not be read ({type(error).__name__}); the server's log says more")
        reading, bundle = shown.reading, shown.bundle
        names = [(bundle.titles.get(layer, layer.replace("_", " ")), layer) for layer in reading.layers]
        best, last = reading.best_slice, max(1, reading.num_slices - 1)
        slider = gr.Slider(0, last, value=best, step=1, visible=reading.num_slices > 1, label=f"B-scan, 0 to {last}")
        notes = ["PHANTOM: drawn by this software, nobody's picture."] if shown.phantom else []
        if reading.findings.get("provenance", {}).get("phantom"):
            notes.append("The weights were trained on PHANTOMS: what they find in real pictures means nothing.")
        title = f"<h2>{escape(bundle.title)}</h2>{colouring(reading.colours)}"
        found = describe(reading.findings, titles=bundle.titles, colours=reading.colours, notes=notes)
        text = f"Read by {bundle.title}: {reading.name}{' (PHANTOM)' if shown.phantom else ''}"
        return [
            gr.File(value=None),
            f'<p class="good" role="status">{escape(text)}</p>',
            shown.token,
            gr.Row(visible=True),
            gr.CheckboxGroup(choices=names, value=list(reading.layers), visible=bool(names)),
            slider,
            image(shown, reading.layers, best),
            title + found,
            links(shown),
        ]

    def nothing(self, problem: str) -> list[Any]:
        """The values of all parts where there is no result."""
        problem = re.sub(rf"{re.escape(str(self.sessions.root))}/[^/\s]+/", "", problem)
        said = f'<p class="bad" role="alert">{escape(problem)}</p>' if problem else ""
        same = gr.skip()
        return [gr.File(value=None), said, "", gr.Row(visible=False), same, same, "", "", ""]


def image(shown: Shown, layers: Sequence[str], number: int) -> str:
    """The picture with these layers, which the server paints when it is asked for."""
    chosen = urlencode({"layers": ",".join(layers), "number": number})
    alt = f"{shown.reading.name}, layers: {', '.join(layers) or 'none'}"
    return f'<img src="{ADDRESS}/{shown.token}/picture.jpg?{escape(chosen)}" alt="{escape(alt)}">'


def links(shown: Shown) -> str:
    """JSON and zip."""
    name = shown.reading.name
    return "".join(
        f'<a download="{escape(name)}.{kind}" href="{ADDRESS}/{shown.token}/{quote(name)}.{kind}">{text}</a>'
        for kind, text in (("json", "Download JSON"), ("zip", "Download all files (zip)"))
    )


def colouring(colours: dict[str, str]) -> str:
    """The colour of each layer beside its box."""
    rules = "".join(
        f"#layers label:nth-of-type({place})::before{{background:{colour}}}"
        for place, colour in enumerate(colours.values(), start=1)
    )
    return f"<style>{rules}</style>"
