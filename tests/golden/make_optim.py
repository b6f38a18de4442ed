"""Writes optim.json: steps of torch.optim and of its schedulers on fixed gradients.

Usage: python make_optim.py > optim.json      (needs torch; made with 2.13)
"""
import json
import math

import torch

COUNTS = [5, 37]
STEPS = 8

CASES = [
    ("sgd", dict(), lambda p, lr: torch.optim.SGD(p, lr)),
    ("sgd", dict(momentum=0.9, weight_decay=0.01),
     lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, weight_decay=0.01)),
    ("sgd", dict(momentum=0.9, weight_decay=0.01, nesterov=True),
     lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, weight_decay=0.01, nesterov=True)),
    ("adam", dict(), lambda p, lr: torch.optim.Adam(p, lr)),
    ("adam", dict(beta1=0.5, beta2=0.99, eps=1e-6, weight_decay=0.05),
     lambda p, lr: torch.optim.Adam(p, lr, betas=(0.5, 0.99), eps=1e-6, weight_decay=0.05)),
    ("adamw", dict(weight_decay=0.05), lambda p, lr: torch.optim.AdamW(p, lr, weight_decay=0.05)),
    ("rmsprop", dict(), lambda p, lr: torch.optim.RMSprop(p, lr)),
    ("rmsprop", dict(momentum=0.9, weight_decay=1e-3, alpha=0.95),
     lambda p, lr: torch.optim.RMSprop(p, lr, momentum=0.9, weight_decay=1e-3, alpha=0.95)),
]

# A run with an early rise, a plateau, a small gain below the threshold and a late gain.
SCORES = [0.10, 0.30, 0.50, 0.50, 0.50002, 0.49, 0.50, 0.48, 0.47, 0.60, 0.60, 0.59, 0.58, 0.57, 0.60, 0.55, 0.5,
          0.5, 0.5, 0.5, 0.61, 0.60, 0.60, 0.60, 0.60]


def numbers(tensors):
    return [[float(x) for x in t.detach().flatten()] for t in tensors]


def main():
    torch.manual_seed(0)
    start = [torch.randn(n) for n in COUNTS]
    grads = [[torch.randn(n) * (0.1 + 0.3 * s) for n in COUNTS] for s in range(STEPS)]
    rates = [0.01, 0.01, 0.02, 0.02, 0.005, 0.005, 0.001, 0.001]

    cases = []
    for name, options, make in CASES:
        params = [torch.nn.Parameter(t.clone()) for t in start]
        optimizer = make(params, rates[0])
        after = []
        for step in range(STEPS):
            for group in optimizer.param_groups:
                group["lr"] = rates[step]
            for p, g in zip(params, grads[step]):
                p.grad = g.clone()
            optimizer.step()
            if step in (0, STEPS - 1):
                after.append(numbers(params))
        state = [sorted((k, [float(x) for x in v.flatten()]) for k, v in optimizer.state[params[0]].items()
                        if k != "step" and v is not None)]
        cases.append(dict(name=name, options=options, first=after[0], last=after[1], state=dict(state[0])))

    plateaus = []
    for options in (dict(factor=0.5, patience=1, cooldown=0, min_lr=0.0), dict(factor=0.1, patience=2, cooldown=2,
                                                                               min_lr=2e-4)):
        p = [torch.nn.Parameter(torch.zeros(1))]
        optimizer = torch.optim.SGD(p, 0.01)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", **options)
        lr = []
        for score in SCORES:
            scheduler.step(score)
            lr.append(optimizer.param_groups[0]["lr"])
        plateaus.append(dict(options=options, lr=lr))

    p = [torch.nn.Parameter(torch.zeros(1))]
    optimizer = torch.optim.SGD(p, 0.1)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.25, total_iters=3)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=16, eta_min=0.001)
    both = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, cosine], milestones=[4])
    lr = []
    for _ in range(20):
        lr.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        both.step()
    assert math.isclose(lr[3], 0.1)

    print(json.dumps(dict(torch=torch.__version__.split("+")[0], start=numbers(start),
                          gradients=[numbers(g) for g in grads], rates=rates, cases=cases, scores=SCORES,
                          plateaus=plateaus, cosine=lr), indent=None, separators=(",", ":")))


main()
