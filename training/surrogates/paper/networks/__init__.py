"""The paper's networks (section II.D, Figs. 7, 9, 10 and 11), in torch."""
