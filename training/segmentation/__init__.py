"""Segmentation (paper section II.B): synthetic CTs, the networks that find and segment a vertebra, their training."""
