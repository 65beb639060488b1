"""A decoder as an OpenVINO graph: the parts that GPT-2 and Llama-like models share, with weights in eight bits.

The graph has the shape that OpenVINO GenAI expects of an exported model: inputs `input_ids`, `attention_mask`,
`position_ids` (batch, time) and `beam_idx` (batch), keys and values kept in variables, output `logits`
(batch, time, vocabulary). Continuous batching swaps its attention for the paged one when it loads the model.
"""

import numpy as np
import openvino
from openvino import Type
from openvino import opset15 as op

_LOWEST = -65504.0  # what masks a position; fits half precision too

Node = openvino.Node


def floats(value) -> Node:
    """A constant of 32-bit floats."""
    return op.constant(np.asarray(value, np.float32))


def integers(*values: int) -> Node:
    """A constant vector of 64-bit integers."""
    return op.constant(np.array(values, np.int64))


def split(x: Node, *widths: int) -> list[Node]:
    """x cut along its last axis, which is counted from the first: so OpenVINO's rewriting of rotary embeddings wants it."""
    last = x.get_output_partial_shape(0).rank.get_length() - 1
    return op.variadic_split(x, op.constant(np.int64(last)), integers(*widths)).outputs()


class Decoder:
    """A graph under construction: its inputs, its variables, and layers that read the weights by name."""

    def __init__(self, weights: dict[str, np.ndarray], config: dict):
        self.weights, self.config = weights, config
        self._sinks: list[Node] = []
        self.ids, self._mask_input, self.positions, self._beams = (
            _input(name, shape, kind)
            for name, shape, kind in (
                ("input_ids", [-1, -1], np.int64), ("attention_mask", [-1, -1], np.int64),
                ("position_ids", [-1, -1], np.int64), ("beam_idx", [-1], np.int32),
            )
        )  # fmt: skip
        self._batch = op.gather(op.shape_of(self.ids), integers(0), integers(0))
        self._mask = self._causal_mask()

    def model(self, logits: Node) -> openvino.Model:
        """The whole graph."""
        logits.output(0).get_tensor().set_names({"logits"})
        inputs = [self.ids, self._mask_input, self.positions, self._beams]
        return openvino.Model([op.result(logits)], self._sinks, inputs, "decoder")

    def matrix(self, name: str, transpose: bool = False) -> Node:
        """A matrix (out, in) by name; `transpose` for one that is stored the other way round."""
        return _matrix(self.weights[name].T if transpose else self.weights[name])

    def rows(self, table: Node, ids: Node) -> Node:
        """Rows of a matrix: (batch, time) to (batch, time, width)."""
        return op.gather(table, op.convert(ids, Type.i32), op.constant(np.int32(0)))

    def linear(self, x: Node, name: str, transpose: bool = False) -> Node:
        """x times the matrix `name`.weight, and `name`.bias where there is one."""
        y = op.matmul(x, self.matrix(f"{name}.weight", transpose), False, True)
        bias = self.weights.get(f"{name}.bias")
        return y if bias is None or not bias.any() else op.add(y, floats(bias))

    def linears(self, x: Node, names: list[str], widths: list[int]) -> list[Node]:
        """Several layers of the same input as one product, which a small model's many small steps thank for."""
        y = op.matmul(x, _matrix(np.concatenate([self.weights[f"{name}.weight"] for name in names])), False, True)
        biases = [self.weights.get(f"{name}.bias", np.zeros(width)) for name, width in zip(names, widths, strict=True)]
        if any(bias.any() for bias in biases):
            y = op.add(y, floats(np.concatenate(biases)))
        return split(y, *widths)

    def rms_norm(self, x: Node, name: str, epsilon: float) -> Node:
        """Zhang and Sennrich 2019."""
        mean_square = op.reduce_mean(op.power(x, floats(2.0)), integers(-1), True)
        scaled = op.multiply(x, op.divide(floats(1.0), op.sqrt(op.add(mean_square, floats(epsilon)))))
        return op.multiply(scaled, floats(self.weights[f"{name}.weight"]))

    def layer_norm(self, x: Node, name: str, epsilon: float) -> Node:
        """Ba et al. 2016."""
        y = op.multiply(op.mvn(x, integers(-1), True, epsilon, "INSIDE_SQRT"), floats(self.weights[f"{name}.weight"]))
        bias = self.weights.get(f"{name}.bias")
        return y if bias is None or not bias.any() else op.add(y, floats(bias))

    def split_heads(self, x: Node, heads: int, size: int, norm: str = "", epsilon: float = 0.0) -> Node:
        """(batch, time, heads x size) to (batch, heads, time, size), each head normed where `norm` names a weight."""
        apart = op.reshape(x, integers(0, 0, heads, size), True)
        return op.transpose(self.rms_norm(apart, norm, epsilon) if norm else apart, integers(0, 2, 1, 3))

    def attention(self, query: Node, key: Node, value: Node, layer: int) -> Node:
        """Causal attention over what came before and this: (batch, heads, time, size) each, to (batch, time, width)."""
        heads, size = (query.get_output_partial_shape(0)[i].get_length() for i in (1, 3))
        kv_heads = key.get_output_partial_shape(0)[1].get_length()
        key, value = (
            _repeat(self._remember(x, f"{layer}.{name}", kv_heads, size), heads, kv_heads)
            for x, name in ((key, "key"), (value, "value"))
        )
        y = op.scaled_dot_product_attention(query, key, value, self._mask, causal=False)
        return op.reshape(op.transpose(y, integers(0, 2, 1, 3)), integers(0, 0, heads * size), True)

    def _remember(self, new: Node, name: str, heads: int, size: int) -> Node:
        """What the variable holds, followed by what is new, which it holds from then on."""
        variable = f"past_key_values.{name}present.{name}"
        shape = op.concat([self._batch, integers(heads), integers(0), integers(size)], 0)
        past = op.read_value(op.broadcast(floats(0.0), shape), variable, Type.f32, openvino.PartialShape([-1, heads, -1, size]))
        both = op.concat([op.gather(past, self._beams, integers(0)), new], 2)
        self._sinks.append(op.assign(both, variable))
        return both

    def _causal_mask(self) -> Node:
        """(batch, 1, time, keys): 0 where a position may look, very low elsewhere."""
        length = op.squeeze(op.gather(op.shape_of(self._mask_input), integers(1), integers(0)), integers(0))
        keys = op.range(op.constant(np.int64(0)), length, op.constant(np.int64(1)), "i64")
        before = op.less_equal(op.unsqueeze(keys, integers(0, 1, 2)), op.unsqueeze(self.positions, integers(1, 3)))
        there = op.unsqueeze(op.convert(self._mask_input, "boolean"), integers(1, 2))
        return op.select(op.logical_and(before, there), floats(0.0), floats(_LOWEST))


def _input(name: str, shape: list[int], kind: type) -> Node:
    node = op.parameter(openvino.PartialShape(shape), kind)
    node.set_friendly_name(name)
    node.output(0).get_tensor().set_names({name})
    return node


def _matrix(values: np.ndarray) -> Node:
    """Eight bits a weight with one scale a row."""
    scale = np.abs(values).max(1, keepdims=True) / 127
    scale[scale == 0] = 1
    quantised = np.rint(values / scale).astype(np.int8)
    return op.multiply(op.convert(op.constant(quantised), Type.f32), floats(scale))


def _repeat(x: Node, heads: int, kv_heads: int) -> Node:
    """Keys or values (batch, kv_heads, time, size) for `heads` heads of queries."""
    if heads == kv_heads:
        return x
    shape = op.shape_of(x)
    first, last = (op.gather(shape, integers(*axes), integers(0)) for axes in ((0, 1), (2, 3)))
    target = op.concat([first, integers(heads // kv_heads), last], 0)
    repeated = op.broadcast(op.unsqueeze(x, integers(2)), target, broadcast_spec="BIDIRECTIONAL")
    return op.reshape(repeated, op.concat([integers(0, heads), last], 0), True)
