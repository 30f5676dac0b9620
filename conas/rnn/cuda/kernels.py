"""The Triton kernels of a recurrent cell, for one row of a window. Programs share out the elements of (B, size).

An edge is two numbers of ``table``, its source state and the column of its carry gate, with the update's ``size``
further on; and four of ``weights``: how often it applies tanh, relu, sigmoid and identity. Without any it is left out.
"""

import triton
import triton.language as tl


@triton.jit
def _tanh(x):
    e = tl.exp(-2 * tl.abs(x))
    y = (1 - e) / (1 + e)
    return tl.where(x < 0, -y, y)


@triton.jit
def _sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit(do_not_specialize=["first", "last", "target"])
def node(
    gates, states, factors, keep, table, weights, first, last, target,
    count, size, columns, slot, KEEP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The state ``target``, the mean over its edges' activations of ``s + sigmoid(c) (f(u) - s)``; and it dropped."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    place = (at // size) * columns + at % size
    total = tl.full([BLOCK], 0, gates.dtype.element_ty)
    summands = tl.full([], 0, gates.dtype.element_ty)
    for e in range(first, last):
        w_tanh, w_relu = tl.load(weights + 4 * e), tl.load(weights + 4 * e + 1)
        w_sigmoid, w_identity = tl.load(weights + 4 * e + 2), tl.load(weights + 4 * e + 3)
        times = w_tanh + w_relu + w_sigmoid + w_identity
        if times > 0:
            column = tl.load(table + 2 * e + 1)
            carry = _sigmoid(tl.load(gates + place + column, inside, 0))
            u = tl.load(gates + place + column + size, inside, 0)
            s = times * tl.load(states + tl.load(table + 2 * e) * slot + at, inside, 0)
            f = w_tanh * _tanh(u) + w_relu * tl.maximum(u, 0) + w_sigmoid * _sigmoid(u) + w_identity * u
            total += s + carry * (f - s)
            summands += times
    value = total / tl.maximum(summands, 1)
    tl.store(states + target * slot + at, value, inside)
    if KEEP:
        value *= tl.load(keep + at, inside, 0)
    tl.store(factors + target * slot + at, value, inside)


@triton.jit(do_not_specialize=["first", "last", "target"])
def node_backward(
    gates, d_gates, states, d_states, d_factor, keep, table, weights, first, last, target,
    count, size, columns, slot, d_slot, READ: tl.constexpr, KEEP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """From the gradient of the state ``target`` to those of its edges' gates, and of their sources."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    place = (at // size) * columns + at % size
    d = tl.load(d_states + target * d_slot + at, inside, 0)
    if READ:
        d_read = tl.load(d_factor + at, inside, 0)
        if KEEP:
            d_read *= tl.load(keep + at, inside, 0)
        d += d_read
    summands = tl.full([], 0, gates.dtype.element_ty)
    for e in range(4 * first, 4 * last):
        summands += tl.load(weights + e)
    d /= tl.maximum(summands, 1)
    for e in range(first, last):
        w_tanh, w_relu = tl.load(weights + 4 * e), tl.load(weights + 4 * e + 1)
        w_sigmoid, w_identity = tl.load(weights + 4 * e + 2), tl.load(weights + 4 * e + 3)
        times = w_tanh + w_relu + w_sigmoid + w_identity
        column = tl.load(table + 2 * e + 1)
        d_carry = tl.full([BLOCK], 0, gates.dtype.element_ty)
        d_update = tl.full([BLOCK], 0, gates.dtype.element_ty)
        if times > 0:
            source = tl.load(table + 2 * e)
            carry = _sigmoid(tl.load(gates + place + column, inside, 0))
            u = tl.load(gates + place + column + size, inside, 0)
            t, g = _tanh(u), _sigmoid(u)
            s = times * tl.load(states + source * slot + at, inside, 0)
            f = w_tanh * t + w_relu * tl.maximum(u, 0) + w_sigmoid * g + w_identity * u
            slope = w_tanh * (1 - t * t) + w_sigmoid * (g - g * g) + w_identity + tl.where(u > 0, w_relu, 0)
            flow = d * carry
            d_carry, d_update = flow * (1 - carry) * (f - s), flow * slope
            before = tl.load(d_states + source * d_slot + at, inside, 0)
            tl.store(d_states + source * d_slot + at, before + times * (d - flow), inside)
        tl.store(d_gates + place + column, d_carry, inside)
        tl.store(d_gates + place + column + size, d_update, inside)
