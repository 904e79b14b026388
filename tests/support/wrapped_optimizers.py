"""Optimizers that hold others, built as well-known packages build theirs; none of these packages is needed."""

from collections import OrderedDict, defaultdict

import torch
from torch.optim import Optimizer


class Accelerated(Optimizer):
    """As accelerate's AcceleratedOptimizer: an Optimizer that never calls Optimizer.__init__ and passes all on."""

    def __init__(self, optimizer: Optimizer, accumulate: int = 1) -> None:
        self.optimizer = optimizer
        self._calls, self._accumulate = 0, accumulate
        self._optimizer_original_step_method = optimizer.step

    state = property(lambda self: self.optimizer.state)
    param_groups = property(lambda self: self.optimizer.param_groups)
    defaults = property(lambda self: self.optimizer.defaults)

    def add_param_group(self, group):
        self.optimizer.add_param_group(group)

    def zero_grad(self, set_to_none=True):
        if self._calls % self._accumulate == 0:
            self.optimizer.zero_grad(set_to_none)

    def step(self, closure=None):
        self._calls += 1
        if self._calls % self._accumulate == 0:
            self.optimizer.step = self._optimizer_original_step_method  # as after a step of its gradient scaler
            self.optimizer.step(closure)


class Sam(Optimizer):
    """As davda54/sam: two passes, where the weights are moved away and back between them."""

    def __init__(self, parameters, base, rho=0.05, **options) -> None:
        super().__init__(parameters, {"rho": rho, **options})
        self.base_optimizer = base(self.param_groups, **options)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        trained = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.stack([p.grad.norm() for p in trained]).norm()
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                self.state[p]["old_p"] = p.data.clone()
                p.add_(p.grad * (group["rho"] / (norm + 1e-12)))
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        for p in (p for group in self.param_groups for p in group["params"] if "old_p" in self.state[p]):
            p.data = self.state[p]["old_p"]
        self.base_optimizer.step()
        if zero_grad:
            self.zero_grad()


class SlowBuffers(Optimizer):
    """As timm's Lookahead: has the hooks' dictionaries but a step that never calls them; slow weights in its state."""

    def __init__(self, base_optimizer: Optimizer, alpha=0.5, k=3) -> None:
        self._optimizer_step_pre_hooks = OrderedDict()
        self._optimizer_step_post_hooks = OrderedDict()
        self._base_optimizer, self.alpha, self.k, self.count = base_optimizer, alpha, k, 0
        self.param_groups, self.defaults = base_optimizer.param_groups, base_optimizer.defaults
        self.state = defaultdict(dict)

    @torch.no_grad()
    def step(self, closure=None):
        self._base_optimizer.step(closure)
        self.count += 1
        if self.count % self.k == 0:
            for p in (p for group in self.param_groups for p in group["params"] if p.grad is not None):
                if "slow_buffer" not in self.state[p]:
                    self.state[p]["slow_buffer"] = p.detach().clone()
                slow = self.state[p]["slow_buffer"]
                slow.add_(p - slow, alpha=self.alpha)
                p.copy_(slow)


class SlowList(Optimizer):
    """As lonePatient's Lookahead: slow weights in a list from the start, written with .data after the inner step."""

    def __init__(self, base_optimizer: Optimizer, alpha=0.5, k=2) -> None:
        self.optimizer, self.alpha, self.k, self.count = base_optimizer, alpha, k, 0
        self.param_groups, self.state = base_optimizer.param_groups, base_optimizer.state
        self.slow_weights = [[p.clone().detach() for p in group["params"]] for group in self.param_groups]

    def zero_grad(self, set_to_none=True):
        self.optimizer.zero_grad(set_to_none)

    def step(self, closure=None):
        self.optimizer.step(closure)
        self.count += 1
        if self.count % self.k == 0:
            for group, slow_weights in zip(self.param_groups, self.slow_weights, strict=True):
                for p, slow in zip(group["params"], slow_weights, strict=True):
                    slow.add_(p.data - slow, alpha=self.alpha)
                    p.data.copy_(slow)


class Fabric:
    """As Lightning Fabric's: takes the optimizer's class and attributes, and steps the one inside."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.__dict__ = {k: v for k, v in vars(optimizer).items() if k not in ("state_dict", "step", "zero_grad")}
        self.__class__ = type("Fabric" + type(optimizer).__name__, (Fabric, type(optimizer)), {})
        self._optimizer = optimizer

    def step(self, closure=None):
        return self._optimizer.step(closure)


class Delegating:
    """No Optimizer at all: passes on what it does not have, as many small wrappers do."""

    def __init__(self, inner: Optimizer) -> None:
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.__dict__["inner"], name)

    def step(self):
        return self.inner.step()


class Switching(Optimizer):
    """Adam for some steps, then another optimizer in its place."""

    def __init__(self, parameters, after=2) -> None:
        parameters = list(parameters)
        self.inner, self.after, self.count = torch.optim.Adam(parameters, lr=0.01), after, 0
        self._later = lambda: torch.optim.SGD(parameters, lr=0.1, momentum=0.9)

    state = property(lambda self: self.inner.state)
    param_groups = property(lambda self: self.inner.param_groups)

    def zero_grad(self, set_to_none=True):
        self.inner.zero_grad(set_to_none)

    def step(self, closure=None):
        self.count += 1
        if self.count == self.after:
            self.inner = self._later()
        self.inner.step()


class Chained:
    """Several optimizers, one for each part of the parameters."""

    def __init__(self, *optimizers: Optimizer) -> None:
        self.optimizers = list(optimizers)

    param_groups = property(lambda self: [group for o in self.optimizers for group in o.param_groups])
    state = property(lambda self: {p: s for o in self.optimizers for p, s in o.state.items()})

    def zero_grad(self, set_to_none=True):
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none)

    def step(self):
        for optimizer in self.optimizers:
            optimizer.step()


class Orthogonal(Optimizer):
    """As Muon: the step is an orthogonal matrix made of all gradients, so that masked gradients move every weight."""

    def __init__(self, parameters, lr=0.05) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                u, _, v = torch.linalg.svd(p.grad if p.dim() > 1 else p.grad[:, None], full_matrices=False)
                p.sub_((u @ v).view_as(p), alpha=group["lr"])


class Stateless:
    """Written by hand: gradient descent that keeps nothing, and is no subclass of torch's."""

    def __init__(self, parameters, lr=0.05) -> None:
        self.param_groups = [{"params": list(parameters), "lr": lr}]

    def zero_grad(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for index, p in enumerate(group["params"]):
                p.sub_(self.direction(index, p), alpha=group["lr"])

    def direction(self, index, p):
        return p.grad


class Velocities(Stateless):
    """Momentum in a list by position."""

    def __init__(self, parameters) -> None:
        super().__init__(parameters)
        self.state = [torch.zeros_like(p) for p in self.param_groups[0]["params"]]

    def direction(self, index, p):
        return self.state[index].mul_(0.9).add_(p.grad)


class BareVelocities(Stateless):
    """Momentum by parameter, without a name."""

    def __init__(self, parameters) -> None:
        super().__init__(parameters)
        self.state = {}

    def direction(self, index, p):
        return self.state.setdefault(p, torch.zeros_like(p)).mul_(0.9).add_(p.grad)
