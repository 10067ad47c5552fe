"""Run a torch network in place of the ONNX Runtime session that the workers use."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from models.types import Singles


class TorchSession:
    """Has the `run` of an ONNX Runtime session, so that the classes in `workers.locate` run an unexported network.

    Parameters
    ----------
    network
        The network of the segmenter, the locator, the row or the landmarks; it is put into evaluation mode.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval()

    def run(self, names: list[str], inputs: dict[str, Any]) -> list[Singles]:
        """Return the arrays that the exported graph would return.

        Parameters
        ----------
        names
            Outputs wanted: ``["probability"]`` (segmenter), ``["logits"]`` (landmark network), ``["marks"]`` (row
            network) or ``["head"]`` (locator). They choose what is applied to the logits.
        inputs
            One float32 array under any name.
        """
        (value,) = inputs.values()
        with torch.no_grad():
            if names == ["head"]:
                return [self.network.blocks(torch.from_numpy(value)).float().numpy()]
            logits = self.network(torch.from_numpy(value)).float()
        if names == ["probability"]:
            return [logits.softmax(dim=1).numpy()]
        if names == ["logits"]:
            return [logits.numpy()]
        return [torch.sigmoid(logits).numpy()]
