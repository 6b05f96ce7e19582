"""A small trainer for tests of handlers: linear regression on fixed batches."""

from __future__ import annotations

import torch
from monai.engines import SupervisedTrainer


class Loss(torch.nn.Module):
    """Mean squared error that keeps its last terms, as `MultiTaskLoss` does."""

    def __init__(self) -> None:
        super().__init__()
        self.last_terms: dict[str, torch.Tensor] = {}

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        loss = (output - target).square().mean()
        self.last_terms = {"fit": loss.detach(), "total": loss.detach()}
        return loss


def make_trainer(handlers, *, max_epochs=3, num_batches=4, target=1.0, dropout=0.0, accumulation_steps=1):
    """A trainer on `num_batches` fixed batches of two items."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(dropout), torch.nn.Linear(8, 1))
    images = torch.randn(num_batches, 2, 3, generator=torch.Generator().manual_seed(1))
    data = [
        {"image": image, "label": torch.full((2, 1), float(target)), "name": [f"eye {b}", f"eye {b} again"]}
        for b, image in enumerate(images)
    ]
    return SupervisedTrainer(
        device="cpu",
        max_epochs=max_epochs,
        train_data_loader=data,
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), lr=0.05),
        loss_function=Loss(),
        accumulation_steps=accumulation_steps,
        decollate=False,
        train_handlers=handlers,
    )
