"""Segmentation (paper section II.B): the networks that locate and segment a vertebra, and how they are trained.

The rooms, each of which imports only from those before it:

- ``data``: labelled scans, synthetic and real, and random batches of them
- ``synthesis``: CTs that are synthesised on the fly from drawn anatomy, and the segmenter's batches
- ``networks``: the torch networks
- ``fitting``: losses, the training loop, folds of people, export to ONNX
- ``evaluation``: scores of people held out, and the page in ``docs/evaluation``

`commands` is what ``python -m training`` runs.
"""
