"""Fine-tuning from recipes, publishing adapters, and ablations.

PyTorch's threads keep their cores busy while they wait for each other (libgomp spins). Beside a
busy process on one of two cores, a training step then takes about 25 times as long as alone;
without spinning it takes 1.3 times as long, and costs 6 % alone (tests/performance/busy.py).
It is not set for evaluations: llama.cpp is slower without.
"""

import os

# read once, when PyTorch is loaded: import this package before torch, as notebook 03 does
os.environ.setdefault("GOMP_SPINCOUNT", "0")
