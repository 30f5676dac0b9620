"""The kernels: each computes many rows (edges of a cell) in one launch and returns at once where a row is inactive.

Activations are images (N, H, W, C) in one buffer ``act``; a kernel finds the row's images by offsets in tables, counted
in units of ``U`` elements, so that the compiler knows how they are aligned. ``x_row`` and the like are the elements
from one pixel to the next, in the same unit. Weights lie in ``par``, those of depthwise
convolutions tap by tap in ``dep``, batch-norm statistics in ``sta`` (see
`norm_vector`), sums of one tile of pixels in ``prt``: sums are reduced in a fixed order, so bits repeat. Arithmetic is
float32 whatever ``act`` holds; ``DOT`` is Triton's precision of matrix products, which are bfloat16 where ``act`` is.
In a ``FINAL`` network norms have weights, and what they return is multiplied by a factor for each image (drop-path):
those in ``kept`` from ``kept_at`` on, unless that is negative.
"""

import triton
import triton.language as tl

MEAN = tl.constexpr(0)
SCALE = tl.constexpr(1)
VARIANCE = tl.constexpr(2)
GRADIENT = tl.constexpr(3)
SLOPE = tl.constexpr(4)
GAIN = tl.constexpr(5)
BIAS = tl.constexpr(6)


@triton.jit
def norm_vector(sta, at, which: tl.constexpr, pad, channel, ok):
    """One of a norm's vectors: the batch's mean, 1 / deviation, unbiased variance; the output gradient's mean, and its
    mean product with the normalised input; of a final network, its weight / deviation, and its bias."""
    return tl.load(sta + at + which * pad + channel, mask=ok, other=0.0)


@triton.jit
def norm_gain(sta, at, pad, channel, ok, FINAL: tl.constexpr):
    """What a norm multiplies the difference from the mean by."""
    if FINAL:
        return norm_vector(sta, at, GAIN, pad, channel, ok)
    else:
        return norm_vector(sta, at, SCALE, pad, channel, ok)


@triton.jit
def norm_bias(sta, at, pad, channel, ok, FINAL: tl.constexpr):
    """What a norm of a final network adds."""
    return norm_vector(sta, at, BIAS, pad, channel, ok & FINAL)


@triton.jit
def factors(kept, at, image, ok):
    """The drop-path factor of each pixel's image."""
    return tl.load(kept + at + image, mask=ok & (at >= 0), other=1.0)[:, None]


@triton.jit
def active(mask, mask_at, row):
    """Whether the sub-network has this row."""
    return tl.load(mask + tl.load(mask_at + row)) != 0


@triton.jit
def offset(table, row, U: tl.constexpr):
    """An offset in elements, known to be a multiple of ``U``."""
    return tl.load(table + row) * U


@triton.jit
def relu(x):
    """Not a number stays so, or a diverged training would go on."""
    return tl.maximum(x, 0.0, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def matmul(a, b, acc, like, DOT: tl.constexpr):
    """``acc + a @ b`` in the precision of ``like``'s elements."""
    if like.dtype.element_ty == tl.float32:
        return tl.dot(a, b, acc, input_precision=DOT)
    return tl.dot(a.to(like.dtype.element_ty), b.to(like.dtype.element_ty), acc)


@triton.jit
def store_moments(prt, tile, pad, channel, channel_ok, value, count):
    """The sum of a tile of ``count`` pixels and its sum of squared deviations; ``value`` is 0 outside."""
    total = tl.sum(value, 0)
    inside = tl.arange(0, value.shape[0]) < count
    apart = tl.where(inside[:, None], value - (total / count)[None, :], 0.0)
    to = prt + tile * 2 * pad + channel
    tl.store(to, total, mask=channel_ok)
    tl.store(to + pad, tl.sum(apart * apart, 0), mask=channel_ok)


@triton.jit
def pick(i: tl.constexpr, a, b, c, d, e, f, g):
    """The argument number ``i``."""
    if i == 0:
        return a
    elif i == 1:
        return b
    elif i == 2:
        return c
    elif i == 3:
        return d
    elif i == 4:
        return e
    elif i == 5:
        return f
    else:
        return g


@triton.jit
def kernel_row(weight, dy, C, channel, ok, K: tl.constexpr):
    """A row of a depthwise kernel, its taps one by one; the last ones are no taps of a narrow one."""
    at = weight + dy * K * C + channel
    a = tl.load(at, mask=ok, other=0.0)[None, :]
    b = tl.load(at + C, mask=ok & (K > 1), other=0.0)[None, :]
    c = tl.load(at + 2 * C, mask=ok & (K > 2), other=0.0)[None, :]
    d = tl.load(at + 3 * C, mask=ok & (K > 3), other=0.0)[None, :]
    e = tl.load(at + 4 * C, mask=ok & (K > 4), other=0.0)[None, :]
    f = tl.load(at + 5 * C, mask=ok & (K > 5), other=0.0)[None, :]
    g = tl.load(at + 6 * C, mask=ok & (K > 6), other=0.0)[None, :]
    return a, b, c, d, e, f, g


@triton.jit
def side_by_side(a, b, c, d, G: tl.constexpr):
    """The ``G`` neighbours of each group of pixels, as pixels in order."""
    if G == 4:
        four = tl.permute(tl.join(tl.join(a, b), tl.join(c, d)), (0, 3, 2, 1))
        return tl.reshape(four, (a.shape[0] * 4, a.shape[1]))
    elif G == 2:
        return tl.reshape(tl.permute(tl.join(a, b), (0, 2, 1)), (a.shape[0] * 2, a.shape[1]))
    else:
        return a


@triton.jit
def gather_taps(
    x, weight, image, y, x_, ok, channel, channel_ok, H, W, row, dilation, mean, gain, bias,
    K: tl.constexpr, G: tl.constexpr, C: tl.constexpr, STRIDE: tl.constexpr, NORMED: tl.constexpr, FINAL: tl.constexpr,
):  # fmt: skip
    """The depthwise convolution of ReLU(x), normalised before if ``NORMED``, at ``G`` output pixels from (y, x_) on.

    What is loaded for one of them serves its neighbours; but not if the kernel is dilated.
    """
    zero = tl.zeros([ok.shape[0], channel.shape[0]], tl.float32)
    a, b, c, d = zero, zero, zero, zero
    for dy in range(K):
        from_y = y * STRIDE + (dy - K // 2) * dilation
        row_ok = ok & (from_y >= 0) & (from_y < H)
        start = (image * H + from_y) * W
        w0, w1, w2, w3, w4, w5, w6 = kernel_row(weight, dy, C, channel, channel_ok, K)
        if dilation == 1:
            for j in tl.static_range(K + (G - 1) * STRIDE):
                from_x = x_ * STRIDE + (j - K // 2)
                v = rectified(x, start, from_x, row_ok, channel, channel_ok, W, row, mean, gain, bias, NORMED, FINAL)
                if j < K:
                    a += v * pick(j, w0, w1, w2, w3, w4, w5, w6)
                if (G > 1 and j >= STRIDE) and j < K + STRIDE:
                    b += v * pick(j - STRIDE, w0, w1, w2, w3, w4, w5, w6)
                if (G > 2 and j >= 2 * STRIDE) and j < K + 2 * STRIDE:
                    c += v * pick(j - 2 * STRIDE, w0, w1, w2, w3, w4, w5, w6)
                if G > 2 and j >= 3 * STRIDE:
                    d += v * pick(j - 3 * STRIDE, w0, w1, w2, w3, w4, w5, w6)
        else:
            for dx in tl.static_range(K):
                from_x = x_ * STRIDE + (dx - K // 2) * dilation
                tap = pick(dx, w0, w1, w2, w3, w4, w5, w6)
                a += tap * rectified(
                    x, start, from_x, row_ok, channel, channel_ok, W, row, mean, gain, bias, NORMED, FINAL
                )
                if G > 1:
                    from_x += STRIDE
                    b += tap * rectified(
                        x, start, from_x, row_ok, channel, channel_ok, W, row, mean, gain, bias, NORMED, FINAL
                    )
                if G > 2:
                    from_x += STRIDE
                    c += tap * rectified(
                        x, start, from_x, row_ok, channel, channel_ok, W, row, mean, gain, bias, NORMED, FINAL
                    )
                    from_x += STRIDE
                    d += tap * rectified(
                        x, start, from_x, row_ok, channel, channel_ok, W, row, mean, gain, bias, NORMED, FINAL
                    )
    return side_by_side(a, b, c, d, G)


@triton.jit
def rectified(
    x, start, from_x, row_ok, channel, channel_ok, W, row, mean, gain, bias, NORMED: tl.constexpr, FINAL: tl.constexpr
):
    """ReLU of (normalised) pixels in the image rows from ``start`` on, 0 outside."""
    inside = (row_ok & (from_x >= 0) & (from_x < W))[:, None] & channel_ok[None, :]
    value = tl.load(x + (start + from_x)[:, None] * row + channel[None, :], mask=inside, other=0.0).to(tl.float32)
    if NORMED:
        value = tl.where(inside, normalised(value, mean[None, :], gain[None, :], bias[None, :], FINAL), 0.0)
    return relu(value)


@triton.jit
def normalised(value, mean, gain, bias, FINAL: tl.constexpr):
    """What a norm returns."""
    result = (value - mean) * gain
    if FINAL:
        result += bias
    return result


@triton.jit
def separable_forward(
    act, par, dep, sta, prt, mask, mask_at, x_at, x_row, norm_at, d_at, y_at, depth_at, point_at, sum_at, kernel,
    dilation, PIXELS, H, W, OH, OW, PAD,
    C: tl.constexpr, BC: tl.constexpr, BK: tl.constexpr, P: tl.constexpr, G: tl.constexpr,
    STRIDE: tl.constexpr, FINAL: tl.constexpr,
    NORMED: tl.constexpr, KEEP: tl.constexpr, MOMENTS: tl.constexpr, WIDEST: tl.constexpr, DOT: tl.constexpr,
    U: tl.constexpr,
):  # fmt: skip
    """(normalise,) ReLU, depthwise ``d``, pointwise ``y``, moments of ``y``."""
    tile, row = tl.program_id(0), tl.program_id(1)
    if not active(mask, mask_at, row):
        return
    pixel = tile * P + tl.arange(0, P)
    ok = pixel < PIXELS
    group = tile * P + G * tl.arange(0, P // G)
    image, y, x_ = group // (OH * OW), (group // OW) % OH, group % OW
    x, depth, point = act + offset(x_at, row, U), dep + tl.load(depth_at + row), par + tl.load(point_at + row)
    step, apart, wide = offset(x_row, row, U), tl.load(dilation + row).to(tl.int32), tl.load(kernel + row)
    norm, keep = tl.load(norm_at + row), act + offset(d_at, row, U)
    out = tl.arange(0, BC)
    acc = tl.zeros([P, BC], tl.float32)
    for first in range(0, C, BK):
        channel = first + tl.arange(0, BK)
        channel_ok = channel < C
        mean = norm_vector(sta, norm, MEAN, PAD, channel, channel_ok & NORMED)
        gain = norm_gain(sta, norm, PAD, channel, channel_ok & NORMED, FINAL)
        bias = norm_bias(sta, norm, PAD, channel, channel_ok & NORMED, FINAL)
        if wide == 3:
            d = gather_taps(
                x, depth, image, y, x_, group < PIXELS, channel, channel_ok, H, W, step, apart, mean, gain, bias,
                3, G, C, STRIDE, NORMED, FINAL,
            )  # fmt: skip
        elif wide == 5 or WIDEST == 5:
            d = gather_taps(
                x, depth, image, y, x_, group < PIXELS, channel, channel_ok, H, W, step, apart, mean, gain, bias,
                5, G, C, STRIDE, NORMED, FINAL,
            )  # fmt: skip
        else:
            d = gather_taps(
                x, depth, image, y, x_, group < PIXELS, channel, channel_ok, H, W, step, apart, mean, gain, bias,
                7, G, C, STRIDE, NORMED, FINAL,
            )  # fmt: skip
        if KEEP:
            tl.store(keep + pixel[:, None] * C + channel[None, :], d, mask=ok[:, None] & channel_ok[None, :])
        w = tl.load(
            point + out[None, :] * C + channel[:, None], mask=(out < C)[None, :] & channel_ok[:, None], other=0.0
        )
        acc = matmul(d, w, acc, act, DOT)
    to = act + offset(y_at, row, U) + pixel[:, None] * C + out[None, :]
    tl.store(to, acc, mask=ok[:, None] & (out < C)[None, :])
    if MOMENTS:
        store_moments(prt + tl.load(sum_at + row), tile, PAD, out, out < C, acc, tl.minimum(PIXELS - tile * P, P))


@triton.jit
def scatter_taps(
    g, weight, sums, x, row, image, y, x_, ok, channel, channel_ok, H, W, OH, OW, dilation, mean, gain, bias,
    K: tl.constexpr, G: tl.constexpr, C: tl.constexpr, STRIDE: tl.constexpr, NORMED: tl.constexpr, FINAL: tl.constexpr,
):  # fmt: skip
    """The gradient of a depthwise convolution's input at ``G`` pixels from (y, x_) on; of its weights, to ``sums``.

    What is loaded for one of them serves its neighbours, and both gradients; but not if the kernel is dilated.
    """
    zero = tl.zeros([ok.shape[0], channel.shape[0]], tl.float32)
    a, b, c, d = zero, zero, zero, zero
    start = (image * H + y) * W
    za = rectified(x, start, x_, ok, channel, channel_ok, W, row, mean, gain, bias, NORMED, FINAL)
    zb = rectified(x, start, x_ + 1, ok & (G > 1), channel, channel_ok, W, row, mean, gain, bias, NORMED, FINAL)
    zc = rectified(x, start, x_ + 2, ok & (G > 2), channel, channel_ok, W, row, mean, gain, bias, NORMED, FINAL)
    zd = rectified(x, start, x_ + 3, ok & (G > 2), channel, channel_ok, W, row, mean, gain, bias, NORMED, FINAL)
    for dy in range(K):
        up = y - (dy - K // 2) * dilation
        row_ok = ok & (up >= 0) & (up % STRIDE == 0) & (up < OH * STRIDE)
        start = (image * OH + up // STRIDE) * OW
        w0, w1, w2, w3, w4, w5, w6 = kernel_row(weight, dy, C, channel, channel_ok, K)
        to = sums + dy * K * C + channel
        if dilation == 1:
            s0, s1, s2, s3, s4, s5, s6 = zero, zero, zero, zero, zero, zero, zero
            for j in tl.static_range(K + G - 1):
                if (G == 1 or STRIDE == 1) or (j - K // 2) % STRIDE == 0:
                    left = x_ + (j - K // 2)
                    v = gradient_at(g, start, left, row_ok, channel, channel_ok, OW, C, STRIDE)
                    if j < K:
                        a += v * pick(K - 1 - j, w0, w1, w2, w3, w4, w5, w6)
                    if (G > 1 and j >= 1) and j < K + 1:
                        b += v * pick(K - j, w0, w1, w2, w3, w4, w5, w6)
                    if (G > 2 and j >= 2) and j < K + 2:
                        c += v * pick(K + 1 - j, w0, w1, w2, w3, w4, w5, w6)
                    if G > 2 and j >= 3:
                        d += v * pick(K + 2 - j, w0, w1, w2, w3, w4, w5, w6)
                    if j + 1 - K >= 0 and j + 1 - K < G:
                        s0 += v * pick(j + 1 - K, za, zb, zc, zd, za, za, za)
                    if j + 2 - K >= 0 and j + 2 - K < G:
                        s1 += v * pick(j + 2 - K, za, zb, zc, zd, za, za, za)
                    if j + 3 - K >= 0 and j + 3 - K < G:
                        s2 += v * pick(j + 3 - K, za, zb, zc, zd, za, za, za)
                    if K > 3 and (j + 4 - K >= 0 and j + 4 - K < G):
                        s3 += v * pick(j + 4 - K, za, zb, zc, zd, za, za, za)
                    if K > 4 and (j + 5 - K >= 0 and j + 5 - K < G):
                        s4 += v * pick(j + 5 - K, za, zb, zc, zd, za, za, za)
                    if K > 5 and (j + 6 - K >= 0 and j + 6 - K < G):
                        s5 += v * pick(j + 6 - K, za, zb, zc, zd, za, za, za)
                    if K > 6 and (j + 7 - K >= 0 and j + 7 - K < G):
                        s6 += v * pick(j + 7 - K, za, zb, zc, zd, za, za, za)
            tl.store(to, tl.sum(s0, 0), mask=channel_ok)
            tl.store(to + 1 * C, tl.sum(s1, 0), mask=channel_ok)
            tl.store(to + 2 * C, tl.sum(s2, 0), mask=channel_ok)
            if K > 3:
                tl.store(to + 3 * C, tl.sum(s3, 0), mask=channel_ok)
                tl.store(to + 4 * C, tl.sum(s4, 0), mask=channel_ok)
            if K > 5:
                tl.store(to + 5 * C, tl.sum(s5, 0), mask=channel_ok)
                tl.store(to + 6 * C, tl.sum(s6, 0), mask=channel_ok)
        else:
            for dx in tl.static_range(K):
                left, tap = x_ - (dx - K // 2) * dilation, pick(dx, w0, w1, w2, w3, w4, w5, w6)
                v = gradient_at(g, start, left, row_ok, channel, channel_ok, OW, C, STRIDE)
                a += v * tap
                total = v * za
                if G > 1:
                    v = gradient_at(g, start, left + 1, row_ok, channel, channel_ok, OW, C, STRIDE)
                    b += v * tap
                    total += v * zb
                if G > 2:
                    v = gradient_at(g, start, left + 2, row_ok, channel, channel_ok, OW, C, STRIDE)
                    c += v * tap
                    total += v * zc
                    v = gradient_at(g, start, left + 3, row_ok, channel, channel_ok, OW, C, STRIDE)
                    d += v * tap
                    total += v * zd
                tl.store(to + dx * C, tl.sum(total, 0), mask=channel_ok)
    return side_by_side(a, b, c, d, G)


@triton.jit
def gradient_at(g, start, left, row_ok, channel, channel_ok, OW, C, STRIDE: tl.constexpr):
    """Pixels of a gradient in the image rows from ``start`` on; 0 between those that a stride leaves, and outside."""
    inside = row_ok & (left >= 0) & (left % STRIDE == 0) & (left < OW * STRIDE)
    at = g + (start + left // STRIDE)[:, None] * C + channel[None, :]
    return tl.load(at, mask=inside[:, None] & channel_ok[None, :], other=0.0).to(tl.float32)


@triton.jit
def depthwise_backward(
    act, dep, sta, prt, mask, mask_at, g_at, x_at, x_row, norm_at, gx_at, depth_at, weight_at, sum_at, kernel, dilation,
    PIXELS, H, W, OH, OW, PAD,
    C: tl.constexpr, BK: tl.constexpr, P: tl.constexpr, G: tl.constexpr, STRIDE: tl.constexpr, NORMED: tl.constexpr,
    FINAL: tl.constexpr, WIDEST: tl.constexpr, U: tl.constexpr,
):  # fmt: skip
    """Gradient ``g`` of ``d`` -> of the ReLU's input; partial sums for the weight and for the batch norm before."""
    tile, row = tl.program_id(0), tl.program_id(1)
    if not active(mask, mask_at, row):
        return
    group = tile * P + G * tl.arange(0, P // G)
    ok = group < PIXELS
    image, y, x_ = group // (H * W), (group // W) % H, group % W
    channel = tl.program_id(2) * BK + tl.arange(0, BK)
    channel_ok = channel < C
    g, weight = act + offset(g_at, row, U), dep + tl.load(depth_at + row)
    x, step = act + offset(x_at, row, U), offset(x_row, row, U)
    apart, wide = tl.load(dilation + row).to(tl.int32), tl.load(kernel + row)
    norm = tl.load(norm_at + row)
    mean = norm_vector(sta, norm, MEAN, PAD, channel, channel_ok & NORMED)
    gain = norm_gain(sta, norm, PAD, channel, channel_ok & NORMED, FINAL)
    bias = norm_bias(sta, norm, PAD, channel, channel_ok & NORMED, FINAL)
    sums = prt + tl.load(weight_at + row) + tile * (wide * wide * C)
    if wide == 3:
        gz = scatter_taps(
            g, weight, sums, x, step, image, y, x_, ok, channel, channel_ok, H, W, OH, OW, apart, mean, gain, bias,
            3, G, C, STRIDE, NORMED, FINAL,
        )  # fmt: skip
    elif wide == 5 or WIDEST == 5:
        gz = scatter_taps(
            g, weight, sums, x, step, image, y, x_, ok, channel, channel_ok, H, W, OH, OW, apart, mean, gain, bias,
            5, G, C, STRIDE, NORMED, FINAL,
        )  # fmt: skip
    else:
        gz = scatter_taps(
            g, weight, sums, x, step, image, y, x_, ok, channel, channel_ok, H, W, OH, OW, apart, mean, gain, bias,
            7, G, C, STRIDE, NORMED, FINAL,
        )  # fmt: skip
    pixel = tile * P + tl.arange(0, P)
    inside = (pixel < PIXELS)[:, None] & channel_ok[None, :]
    value = tl.load(x + pixel[:, None] * step + channel[None, :], mask=inside, other=0.0).to(tl.float32)
    read = value
    if NORMED:
        read = tl.where(inside, normalised(value, mean[None, :], gain[None, :], bias[None, :], FINAL), 0.0)
    gz = tl.where(read > 0, gz, 0.0)
    tl.store(act + offset(gx_at, row, U) + pixel[:, None] * C + channel[None, :], gz, mask=inside)
    if NORMED:
        to = prt + tl.load(sum_at + row) + tile * 2 * PAD + channel
        tl.store(to, tl.sum(gz, 0), mask=channel_ok)
        if FINAL:
            scale = norm_vector(sta, norm, SCALE, PAD, channel, channel_ok)
            read = tl.where(inside, (value - mean[None, :]) * scale[None, :], 0.0)
        tl.store(to + PAD, tl.sum(gz * read, 0), mask=channel_ok)


@triton.jit
def source_pixel(pixel, OH, OW, IH, IW, shift, STRIDE: tl.constexpr):
    """The input pixel that a 1x1 convolution with a stride reads, counted over all images."""
    if STRIDE == 1:
        return pixel
    image, y, x_ = pixel // (OH * OW), (pixel // OW) % OH, pixel % OW
    return (image * IH + y * STRIDE + shift) * IW + x_ * STRIDE + shift


@triton.jit
def pointwise_forward(
    act, par, prt, mask, mask_at, x_at, x_row, shift_of, y_at, y_row, point_at, sum_at,
    PIXELS, OH, OW, IH, IW, PAD,
    IN: tl.constexpr, BK: tl.constexpr, OUT: tl.constexpr, BC: tl.constexpr, P: tl.constexpr, STRIDE: tl.constexpr,
    MOMENTS: tl.constexpr, DOT: tl.constexpr, U: tl.constexpr,
):  # fmt: skip
    """ReLU, 1x1 convolution, moments of its output."""
    tile, row = tl.program_id(0), tl.program_id(1)
    if not active(mask, mask_at, row):
        return
    pixel = tile * P + tl.arange(0, P)
    ok = pixel < PIXELS
    from_ = source_pixel(pixel, OH, OW, IH, IW, tl.load(shift_of + row).to(tl.int32), STRIDE)
    x, point, step = act + offset(x_at, row, U), par + tl.load(point_at + row), offset(x_row, row, U)
    out = tl.arange(0, BC)
    acc = tl.zeros([P, BC], tl.float32)
    for first in range(0, IN, BK):
        channel = first + tl.arange(0, BK)
        value = tl.load(
            x + from_[:, None] * step + channel[None, :], mask=ok[:, None] & (channel < IN)[None, :], other=0.0
        )
        w = tl.load(
            point + out[None, :] * IN + channel[:, None], mask=(out < OUT)[None, :] & (channel < IN)[:, None], other=0.0
        )
        acc = matmul(relu(value.to(tl.float32)), w, acc, act, DOT)
    to = act + offset(y_at, row, U) + pixel[:, None] * offset(y_row, row, U) + out[None, :]
    tl.store(to, acc, mask=ok[:, None] & (out < OUT)[None, :])
    if MOMENTS:
        store_moments(prt + tl.load(sum_at + row), tile, PAD, out, out < OUT, acc, tl.minimum(PIXELS - tile * P, P))


@triton.jit
def pointwise_backward(
    act, par, sta, prt, kept, mask, mask_at, g_at, g_row, y_at, y_row, norm_at, kept_at, d_at, d_row, gd_at, gd_row,
    shift_of, point_at, weight_at,
    PIXELS, OH, OW, IH, IW, PAD, TILES,
    IN: tl.constexpr, BK: tl.constexpr, OUT: tl.constexpr, BC: tl.constexpr, P: tl.constexpr, STRIDE: tl.constexpr,
    RELU: tl.constexpr, FINAL: tl.constexpr, DOT: tl.constexpr, U: tl.constexpr,
):  # fmt: skip
    """Gradient ``g`` of a norm's output -> ``gd`` of the 1x1 convolution's input ``d``; the weight's to ``prt``.

    ``BC`` output channels at a time, whose parts of ``gd`` are added up.
    """
    part, row = tl.program_id(0), tl.program_id(1)
    if not active(mask, mask_at, row):
        return
    channel = tl.program_id(2) * BK + tl.arange(0, BK)
    channel_ok = channel < IN
    norm = tl.load(norm_at + row)
    g, y, d, gd = (
        act + offset(g_at, row, U),
        act + offset(y_at, row, U),
        act + offset(d_at, row, U),
        act + offset(gd_at, row, U),
    )
    g_step, y_step, d_step, gd_step = (
        offset(g_row, row, U),
        offset(y_row, row, U),
        offset(d_row, row, U),
        offset(gd_row, row, U),
    )
    shift, kept_from = tl.load(shift_of + row).to(tl.int32), tl.load(kept_at + row)
    for first in range(0, OUT, BC):
        if OUT > BC:
            tl.debug_barrier()  # what is added to may have been written by other threads
        out = first + tl.arange(0, BC)
        out_ok = out < OUT
        mean = norm_vector(sta, norm, MEAN, PAD, out, out_ok)[None, :]
        scale = norm_vector(sta, norm, SCALE, PAD, out, out_ok)[None, :]
        gradient = norm_vector(sta, norm, GRADIENT, PAD, out, out_ok)[None, :]
        slope = norm_vector(sta, norm, SLOPE, PAD, out, out_ok)[None, :]
        gain = norm_gain(sta, norm, PAD, out, out_ok, FINAL)[None, :]
        w_at = par + tl.load(point_at + row) + out[:, None] * IN + channel[None, :]
        w = tl.load(w_at, mask=out_ok[:, None] & channel_ok[None, :], other=0.0)
        weight = tl.zeros([BC, BK], tl.float32)
        for tile in range(part * TILES, part * TILES + TILES):
            pixel = tile * P + tl.arange(0, P)
            ok = pixel < PIXELS
            inside = ok[:, None] & out_ok[None, :]
            value = tl.load(y + pixel[:, None] * y_step + out[None, :], mask=inside, other=0.0).to(tl.float32)
            gy = tl.load(g + pixel[:, None] * g_step + out[None, :], mask=inside, other=0.0).to(tl.float32)
            if FINAL:
                gy *= factors(kept, kept_from, pixel // (OH * OW), ok)
            gy = tl.where(inside, (gy - gradient - (value - mean) * scale * slope) * gain, 0.0)
            inside = ok[:, None] & channel_ok[None, :]
            from_ = source_pixel(pixel, OH, OW, IH, IW, shift, STRIDE)
            z = tl.load(d + from_[:, None] * d_step + channel[None, :], mask=inside, other=0.0).to(tl.float32)
            gz = matmul(gy, w, tl.zeros([P, BK], tl.float32), act, DOT)
            if RELU:
                gz = tl.where(z > 0, gz, 0.0)
                z = relu(z)
            weight = matmul(tl.trans(gy), z, weight, act, DOT)
            to = gd + from_[:, None] * gd_step + channel[None, :]
            if OUT > BC:
                gz += tl.load(to, mask=inside & (first > 0), other=0.0).to(tl.float32)
            tl.store(to, gz, mask=inside)
        sums = prt + tl.load(weight_at + row) + part * (OUT * IN) + out[:, None] * IN + channel[None, :]
        tl.store(sums, weight, mask=out_ok[:, None] & channel_ok[None, :])


@triton.jit
def statistics(
    par, sta, prt, mask, mask_at, sum_at, norm_at, gain_at, bias_at, PIXELS, TILES, PAD, EPS,
    C: tl.constexpr, BC: tl.constexpr, BT: tl.constexpr, P: tl.constexpr, FINAL: tl.constexpr,
):  # fmt: skip
    """A batch norm's statistics from the moments of its tiles."""
    row = tl.program_id(0)
    if not active(mask, mask_at, row):
        return
    channel = tl.arange(0, BC)
    ok = channel < C
    sums = prt + tl.load(sum_at + row) + channel[None, :]
    total = tl.zeros([BC], tl.float32)
    for first in range(0, TILES, BT):
        tile = first + tl.arange(0, BT)
        inside = (tile < TILES)[:, None] & ok[None, :]
        total += tl.sum(tl.load(sums + tile[:, None] * 2 * PAD, mask=inside, other=0.0), 0)
    mean = total / PIXELS
    squares = tl.zeros([BC], tl.float32)
    for first in range(0, TILES, BT):
        tile = first + tl.arange(0, BT)
        inside = (tile < TILES)[:, None] & ok[None, :]
        count = tl.maximum(tl.minimum(PIXELS - tile * P, P), 1).to(tl.float32)[:, None]
        apart = tl.load(sums + tile[:, None] * 2 * PAD, mask=inside, other=0.0) / count - mean[None, :]
        own = tl.load(sums + tile[:, None] * 2 * PAD + PAD, mask=inside, other=0.0)
        squares += tl.sum(tl.where(inside, own + count * apart * apart, 0.0), 0)
    to = sta + tl.load(norm_at + row) + channel
    tl.store(to + MEAN * PAD, mean, mask=ok)
    scale = 1.0 / tl.sqrt_rn(squares / PIXELS + EPS)
    tl.store(to + SCALE * PAD, scale, mask=ok)
    if FINAL:
        weight = tl.load(par + tl.load(gain_at + row) + channel, mask=ok, other=0.0)
        tl.store(to + GAIN * PAD, weight * scale, mask=ok)
        tl.store(to + BIAS * PAD, tl.load(par + tl.load(bias_at + row) + channel, mask=ok, other=0.0), mask=ok)
    tl.store(to + VARIANCE * PAD, squares / tl.maximum(PIXELS - 1, 1), mask=ok)


@triton.jit
def gradient_statistics(
    sta, prt, mask, mask_at, sum_at, norm_at, PIXELS, TILES, PAD, C: tl.constexpr, BC: tl.constexpr, BT: tl.constexpr
):
    """The two means of a batch norm's gradient from the sums of its tiles."""
    row = tl.program_id(0)
    if not active(mask, mask_at, row):
        return
    channel = tl.arange(0, BC)
    ok = channel < C
    sums = prt + tl.load(sum_at + row) + channel[None, :]
    total, slope = tl.zeros([BC], tl.float32), tl.zeros([BC], tl.float32)
    for first in range(0, TILES, BT):
        tile = first + tl.arange(0, BT)
        inside = (tile < TILES)[:, None] & ok[None, :]
        total += tl.sum(tl.load(sums + tile[:, None] * 2 * PAD, mask=inside, other=0.0), 0)
        slope += tl.sum(tl.load(sums + tile[:, None] * 2 * PAD + PAD, mask=inside, other=0.0), 0)
    to = sta + tl.load(norm_at + row) + channel
    tl.store(to + GRADIENT * PAD, total / PIXELS, mask=ok)
    tl.store(to + SLOPE * PAD, slope / PIXELS, mask=ok)


@triton.jit
def gradient_sums(
    act, sta, prt, kept, mask, mask_at, g_at, g_row, y_at, y_row, norm_at, kept_at, sum_at, PIXELS, AREA, PAD,
    C: tl.constexpr, BC: tl.constexpr, P: tl.constexpr, FINAL: tl.constexpr, U: tl.constexpr,
):  # fmt: skip
    """Sums over a tile of a batch norm's output gradient, and of it times the normalised input."""
    tile, row = tl.program_id(0), tl.program_id(1)
    if not active(mask, mask_at, row):
        return
    pixel, channel = tile * P + tl.arange(0, P), tl.arange(0, BC)
    ok = channel < C
    inside = (pixel < PIXELS)[:, None] & ok[None, :]
    norm = tl.load(norm_at + row)
    g_at_ = act + offset(g_at, row, U) + pixel[:, None] * offset(g_row, row, U) + channel[None, :]
    y_at_ = act + offset(y_at, row, U) + pixel[:, None] * offset(y_row, row, U) + channel[None, :]
    g = tl.load(g_at_, mask=inside, other=0.0).to(tl.float32)
    if FINAL:
        g *= factors(kept, tl.load(kept_at + row), pixel // AREA, pixel < PIXELS)
    value = tl.load(y_at_, mask=inside, other=0.0).to(tl.float32)
    value = (value - norm_vector(sta, norm, MEAN, PAD, channel, ok)[None, :]) * norm_vector(
        sta, norm, SCALE, PAD, channel, ok
    )[None, :]
    to = prt + tl.load(sum_at + row) + tile * 2 * PAD + channel
    tl.store(to, tl.sum(g, 0), mask=ok)
    tl.store(to + PAD, tl.sum(g * value, 0), mask=ok)


@triton.jit
def add(
    act, sta, kept, mask, mask_at, out_at, out_row, first_of, count_of, term_mask, term_at, term_row, term_norm,
    term_kept, PIXELS, AREA, PAD, C: tl.constexpr, BC: tl.constexpr, P: tl.constexpr, FINAL: tl.constexpr,
    U: tl.constexpr,
):  # fmt: skip
    """The sum of the active terms of a row; a term with a norm (``term_norm`` not negative) is normalised."""
    tile, row = tl.program_id(0), tl.program_id(1)
    if not active(mask, mask_at, row):
        return
    pixel, channel = tile * P + tl.arange(0, P), tl.arange(0, BC)
    ok = channel < C
    inside = (pixel < PIXELS)[:, None] & ok[None, :]
    acc = tl.zeros([P, BC], tl.float32)
    first = tl.load(first_of + row)
    for term in range(first, first + tl.load(count_of + row)):
        if active(mask, term_mask, term):
            at = act + offset(term_at, term, U) + pixel[:, None] * offset(term_row, term, U) + channel[None, :]
            value = tl.load(at, mask=inside, other=0.0).to(tl.float32)
            norm = tl.load(term_norm + term)
            if norm >= 0:
                mean = norm_vector(sta, norm, MEAN, PAD, channel, ok)[None, :]
                gain = norm_gain(sta, norm, PAD, channel, ok, FINAL)[None, :]
                value = normalised(value, mean, gain, norm_bias(sta, norm, PAD, channel, ok, FINAL)[None, :], FINAL)
                if FINAL:
                    value *= factors(kept, tl.load(term_kept + term), pixel // AREA, pixel < PIXELS)
            acc += value
    to = act + offset(out_at, row, U) + pixel[:, None] * offset(out_row, row, U) + channel[None, :]
    tl.store(to, acc, mask=inside)


@triton.jit
def pool_forward(
    act, prt, mask, mask_at, x_at, x_row, y_at, index_at, sum_at, average, PIXELS, H, W, OH, OW, PAD,
    C: tl.constexpr, BC: tl.constexpr, P: tl.constexpr, STRIDE: tl.constexpr, KEEP: tl.constexpr, MOMENTS: tl.constexpr,
    U: tl.constexpr,
):  # fmt: skip
    """A 3x3 pool over the pixels inside the image and its moments; of a maximum, which of the nine it was."""
    tile, row = tl.program_id(0), tl.program_id(1)
    if not active(mask, mask_at, row):
        return
    pixel, channel = tile * P + tl.arange(0, P), tl.arange(0, BC)
    ok, channel_ok = pixel < PIXELS, channel < C
    image, y, x_ = pixel // (OH * OW), (pixel // OW) % OH, pixel % OW
    x, step, mean = act + offset(x_at, row, U), offset(x_row, row, U), tl.load(average + row) != 0
    best = tl.full([P, BC], -float("inf"), tl.float32)
    total, index = tl.zeros([P, BC], tl.float32), tl.zeros([P, BC], tl.float32)
    count = tl.zeros([P], tl.float32)
    for tap in tl.static_range(9):
        from_y, from_x = y * STRIDE + tap // 3 - 1, x_ * STRIDE + tap % 3 - 1
        there = ok & (from_y >= 0) & (from_y < H) & (from_x >= 0) & (from_x < W)
        inside = there[:, None] & channel_ok[None, :]
        at = x + ((image * H + from_y) * W + from_x)[:, None] * step + channel[None, :]
        value = tl.load(at, mask=inside, other=0.0).to(tl.float32)
        total += value
        count += there.to(tl.float32)
        better = inside & ((value > best) | (value != value))
        index = tl.where(better, tap, index)
        best = tl.where(better, value, best)
    inside = ok[:, None] & channel_ok[None, :]
    result = tl.where(mean, total / tl.maximum(count, 1.0)[:, None], best)
    result = tl.where(inside, result, 0.0)
    to = pixel[:, None] * C + channel[None, :]
    tl.store(act + offset(y_at, row, U) + to, result, mask=inside)
    if KEEP:
        tl.store(act + offset(index_at, row, U) + to, index, mask=inside)
    if MOMENTS:
        count_ok = tl.minimum(PIXELS - tile * P, P)
        store_moments(prt + tl.load(sum_at + row), tile, PAD, channel, channel_ok, result, count_ok)


@triton.jit
def pool_backward(
    act, sta, kept, mask, mask_at, g_at, y_at, index_at, norm_at, kept_at, gx_at, average, PIXELS, H, W, OH, OW, PAD,
    C: tl.constexpr, BC: tl.constexpr, P: tl.constexpr, STRIDE: tl.constexpr, FINAL: tl.constexpr, U: tl.constexpr,
):  # fmt: skip
    """Gradient ``g`` of the batch norm behind a 3x3 pool -> of the pool's input."""
    tile, row = tl.program_id(0), tl.program_id(1)
    if not active(mask, mask_at, row):
        return
    pixel, channel = tile * P + tl.arange(0, P), tl.arange(0, BC)
    ok, channel_ok = pixel < PIXELS, channel < C
    image, y, x_ = pixel // (H * W), (pixel // W) % H, pixel % W
    norm, averages, kept_from = tl.load(norm_at + row), tl.load(average + row) != 0, tl.load(kept_at + row)
    mean = norm_vector(sta, norm, MEAN, PAD, channel, channel_ok)[None, :]
    scale = norm_vector(sta, norm, SCALE, PAD, channel, channel_ok)[None, :]
    gradient = norm_vector(sta, norm, GRADIENT, PAD, channel, channel_ok)[None, :]
    slope = norm_vector(sta, norm, SLOPE, PAD, channel, channel_ok)[None, :]
    gain = norm_gain(sta, norm, PAD, channel, channel_ok, FINAL)[None, :]
    g, value, index = act + offset(g_at, row, U), act + offset(y_at, row, U), act + offset(index_at, row, U)
    acc = tl.zeros([P, BC], tl.float32)
    for tap in range(9):
        up, left = y + 1 - tap // 3, x_ + 1 - tap % 3
        there = ok & (up >= 0) & (left >= 0) & (up % STRIDE == 0) & (left % STRIDE == 0)
        there = there & (up < OH * STRIDE) & (left < OW * STRIDE)
        inside = there[:, None] & channel_ok[None, :]
        at = ((image * OH + up // STRIDE) * OW + left // STRIDE)[:, None] * C + channel[None, :]
        normed = (tl.load(value + at, mask=inside, other=0.0).to(tl.float32) - mean) * scale
        gy = tl.load(g + at, mask=inside, other=0.0).to(tl.float32)
        if FINAL:
            gy *= factors(kept, kept_from, image, ok)
        gy = (gy - gradient - normed * slope) * gain
        rows = tl.minimum(up + 1, H - 1) - tl.maximum(up - 1, 0) + 1
        columns = tl.minimum(left + 1, W - 1) - tl.maximum(left - 1, 0) + 1
        part = 1.0 / tl.maximum(rows * columns, 1).to(tl.float32)[:, None]
        chosen = tl.load(index + at, mask=inside, other=-1.0).to(tl.float32) == tap
        share = tl.where(averages, part, tl.where(chosen, 1.0, 0.0))
        acc += tl.where(inside, gy * share, 0.0)
    to = act + offset(gx_at, row, U) + pixel[:, None] * C + channel[None, :]
    tl.store(to, acc, mask=ok[:, None] & channel_ok[None, :])


@triton.jit
def norm_gradients(sta, grad, mask, mask_at, norm_at, pad_of, channels, pixels_of, gain_at, bias_at, BC: tl.constexpr):
    """The gradients of norms' weights and biases."""
    row = tl.program_id(0)
    if not active(mask, mask_at, row):
        return
    channel = tl.arange(0, BC)
    ok = channel < tl.load(channels + row)
    norm, pad, pixels = tl.load(norm_at + row), tl.load(pad_of + row), tl.load(pixels_of + row)
    slope = norm_vector(sta, norm, SLOPE, pad, channel, ok)
    tl.store(grad + tl.load(gain_at + row) + channel, slope * pixels, mask=ok)
    tl.store(
        grad + tl.load(bias_at + row) + channel, norm_vector(sta, norm, GRADIENT, pad, channel, ok) * pixels, mask=ok
    )


@triton.jit
def weight_gradients(
    prt, grad, mask, block_row, block_first, mask_at, sum_at, parts_of, size_of, to_at, inner_of, outer_of,
    B: tl.constexpr, BT: tl.constexpr,
):  # fmt: skip
    """A block of a weight's gradient from the sums of its tiles, whose layout is (inner, outer) turned around."""
    block = tl.program_id(0)
    row = tl.load(block_row + block)
    if not active(mask, mask_at, row):
        return
    element = tl.load(block_first + block) + tl.arange(0, B)
    size, parts, inner = tl.load(size_of + row), tl.load(parts_of + row), tl.load(inner_of + row)
    ok = element < size
    sums = prt + tl.load(sum_at + row) + element[None, :]
    total = tl.zeros([B], tl.float32)
    for first in range(0, parts, BT):
        part = first + tl.arange(0, BT)
        inside = (part < parts)[:, None] & ok[None, :]
        total += tl.sum(tl.load(sums + part[:, None] * size, mask=inside, other=0.0), 0)
    to = grad + tl.load(to_at + row) + (element % inner) * tl.load(outer_of + row) + element // inner
    tl.store(to, total, mask=ok)


@triton.jit
def track(
    sta, run, counts, mask, mask_at, norm_at, mean_at, variance_at, count_at, channels, pad_of, momentum,
    BC: tl.constexpr
):  # fmt: skip
    """What batch norms do to their running statistics when they see a batch."""
    row = tl.program_id(0)
    if not active(mask, mask_at, row):
        return
    channel = tl.arange(0, BC)
    ok = channel < tl.load(channels + row)
    norm, pad = sta + tl.load(norm_at + row) + channel, tl.load(pad_of + row)
    mean, variance = run + tl.load(mean_at + row) + channel, run + tl.load(variance_at + row) + channel
    old = tl.load(mean, mask=ok, other=0.0)
    tl.store(mean, old + momentum * (tl.load(norm + MEAN * pad, mask=ok, other=0.0) - old), mask=ok)
    old = tl.load(variance, mask=ok, other=0.0)
    tl.store(variance, old + momentum * (tl.load(norm + VARIANCE * pad, mask=ok, other=0.0) - old), mask=ok)
    count = counts + tl.load(count_at + row)
    tl.store(count, tl.load(count) + 1)


@triton.jit
def squares(grad, mask, owner, sums, SIZE, B: tl.constexpr, GROUP: tl.constexpr):
    """The sum of the squares of a block of the active gradients."""
    element = tl.program_id(0) * B + tl.arange(0, B)
    ok = element < SIZE
    own = tl.load(owner + element // GROUP, mask=ok, other=0)
    on = ok & (tl.load(mask + own, mask=ok, other=0) != 0)
    value = tl.load(grad + element, mask=on, other=0.0)
    tl.store(sums + tl.program_id(0), tl.sum(value * value, 0))


@triton.jit
def sgd(
    par, mom, grad, mask, owner, sums, healthy, lr_at, SIZE, BLOCKS, momentum, weight_decay, clip,
    B: tl.constexpr, BB: tl.constexpr, GROUP: tl.constexpr
):  # fmt: skip
    """SGD on the active parameters, gradients clipped by their common norm; nothing if ``healthy`` is 0."""
    if tl.load(healthy) == 0:
        return
    total = tl.zeros([BB], tl.float32)
    for first in range(0, BLOCKS, BB):
        block = first + tl.arange(0, BB)
        total += tl.load(sums + block, mask=block < BLOCKS, other=0.0)
    factor = tl.minimum(clip / (tl.sqrt_rn(tl.sum(total, 0)) + 1e-6), 1.0)
    element = tl.program_id(0) * B + tl.arange(0, B)
    ok = element < SIZE
    own = tl.load(owner + element // GROUP, mask=ok, other=0)
    on = ok & (tl.load(mask + own, mask=ok, other=0) != 0)
    weight = tl.load(par + element, mask=on, other=0.0)
    velocity = tl.load(mom + element, mask=on, other=0.0) * momentum
    velocity += tl.load(grad + element, mask=on, other=0.0) * factor + weight_decay * weight
    tl.store(mom + element, velocity, mask=on)
    tl.store(par + element, weight - tl.load(lr_at) * velocity, mask=on)
