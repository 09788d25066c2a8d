"""Networks for text: AWD-LSTM, language model, classifier, and a small transformer encoder."""

from __future__ import annotations

import itertools
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coursekit.arguments import checked
from coursekit.console import CourseError
from coursekit.data.batches import check_count
from coursekit.models.tables import check_dropout

LSTMState = tuple[Tensor, Tensor]  # h and c, (1, B, hidden_size) each


def variational_dropout(x: Tensor, p: float) -> Tensor:
    """Drop features of (B, T, C), the same ones at every step T (arXiv:1512.05287)."""
    if not p:
        return x
    mask = x.new_empty(x.shape[0], 1, x.shape[2]).bernoulli_(1 - p)
    return x * mask / (1 - p or 1)  # not 0 / 0 where all is dropped


class WeightDropLSTM(nn.LSTM):
    """One LSTM layer with dropout of its hidden-to-hidden weights (arXiv:1708.02182).

    The parameter stays whole and a dropped copy takes its place in the call, so that the fused
    kernel of the device is used and the optimizer sees the undropped weights.
    """

    def forward(
        self, x: Tensor, state: LSTMState | None = None, *, weight_drop: float = 0.0
    ) -> tuple[Tensor, LSTMState]:
        """Map x (B, T, input_size) to ((B, T, hidden_size), (h, c)); it drops in training only."""
        if not (self.training and weight_drop):
            return super().forward(x, state)
        if state is None:
            zeros = x.new_zeros(1, x.shape[0], self.hidden_size)
            state = zeros, zeros
        dropped = F.dropout(self.weight_hh_l0, weight_drop)
        weights = [self.weight_ih_l0, dropped, self.bias_ih_l0, self.bias_hh_l0]
        with warnings.catch_warnings():  # cuDNN copies the weights into one block in every call
            warnings.filterwarnings("ignore", message="RNN module weights are not part")
            outputs, h, c = torch.lstm(x, state, weights, True, 1, 0.0, True, False, True)
        return outputs, (h, c)


class AWDLSTM(nn.Module):
    """Encoder of token ids by an embedding and LSTM layers with dropout (arXiv:1708.02182).

    The first layer takes vectors of ``embedding_dim``, the last one gives such, those between have
    ``hidden_size``. ``dropout``, 0 to 4, multiplies five dropout probabilities: 0.02 of whole
    words, 0.25 of the input, 0.2 of the weights from state to state, 0.15 between layers, and 0.1
    of the output; it may be set to another value later.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        embedding_dim: int = 400,
        hidden_size: int = 1152,
        n_layers: int = 3,
        dropout: float = 1.0,
    ) -> None:
        super().__init__()
        check_count("embedding_dim", embedding_dim)
        check_count("hidden_size", hidden_size)
        check_count("n_layers", n_layers)
        check_dropout("dropout", dropout, 4)
        self.embedding_dim, self.dropout = embedding_dim, dropout
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        sizes = itertools.pairwise([embedding_dim, *[hidden_size] * (n_layers - 1), embedding_dim])
        self.layers = nn.ModuleList(WeightDropLSTM(i, o, batch_first=True) for i, o in sizes)

    def embed(self, ids: Tensor) -> Tensor:
        """Look up vectors (B, T, C) of ids (B, T); training drops some words everywhere."""
        weight = self.embedding.weight
        if self.training and self.dropout:
            weight = weight * F.dropout(weight.new_ones(len(weight), 1), 0.02 * self.dropout)
        return F.embedding(ids, weight)

    def forward(
        self,
        ids: Tensor,
        state: list[LSTMState] | None = None,
        *,
        lengths: Tensor | None = None,
        vectors: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, list[LSTMState]]:
        """Map ids (B, T) to outputs (B, T, C), these before dropout, and the state of each layer.

        ``state`` is what an earlier call returned; ``vectors`` (B, T, C) take the place of the
        embeddings. Padding after the end changes nothing before it, so ``lengths`` are not used.
        """
        factor = self.dropout if self.training else 0
        x = variational_dropout(self.embed(ids) if vectors is None else vectors, 0.25 * factor)
        states = []
        for number, layer in enumerate(self.layers):
            before = state[number] if state else None
            raw, after = layer(x, before, weight_drop=0.2 * factor)  # (B, T, size of the layer)
            states.append(after)
            x = variational_dropout(raw, (0.1 if layer is self.layers[-1] else 0.15) * factor)
        return x, raw, states

    def layer_groups(self) -> list[list[nn.Module]]:
        """Groups of modules: the embedding, then each LSTM layer."""
        return [[self.embedding], *([layer] for layer in self.layers)]


class LanguageModel(nn.Module):
    """Scores of the next token at every position; decoder tied to the embedding (arXiv:1608.05859).

    Attributes:
        state: tensors carried from batch to batch without gradients, until ``train()``, ``eval()``
            or a batch with another number of rows.
        outputs: encoder outputs of the last batch after and before dropout, in training only.
    """

    def __init__(self, encoder: AWDLSTM) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = nn.Linear(encoder.embedding_dim, encoder.embedding.num_embeddings)
        self.decoder.weight = encoder.embedding.weight
        nn.init.zeros_(self.decoder.bias)
        self.state: tuple[Tensor, ...] | None = None
        self.outputs: tuple[Tensor, Tensor] | None = None

    def train(self, mode: bool = True) -> LanguageModel:
        """Switch between training and evaluation, and forget what was read."""
        self.state = self.outputs = None
        return super().train(mode)

    def forward(self, ids: Tensor) -> Tensor:
        """Map ids (B, T) to scores (B, T, vocab_size)."""
        pairs = None
        if self.state is not None and self.state[0].shape[1] == len(ids):
            pairs = list(zip(self.state[::2], self.state[1::2], strict=True))  # (h, c) per layer
        dropped, raw, states = self.encoder(ids, pairs)
        self.state = tuple(part.detach() for pair in states for part in pair)
        self.outputs = (dropped, raw) if self.training else None
        return self.decoder(dropped)

    def layer_groups(self) -> list[list[nn.Module]]:
        """Groups of the encoder, then the decoder."""
        return [*self.encoder.layer_groups(), [self.decoder]]


@checked
def concat_pool(vectors: Tensor, lengths: Tensor) -> Tensor:
    """Pool texts (B, T, C) of lengths (B,) to last vector, maximum and mean, (B, 3 C).

    The method of ULMFiT (arXiv:1801.06146); padding after the end of a text does not count.
    """
    inside = torch.arange(vectors.shape[1], device=vectors.device) < lengths[:, None]  # (B, T)
    last = vectors[torch.arange(len(vectors), device=vectors.device), lengths - 1]  # (B, C)
    largest = vectors.masked_fill(~inside[..., None], -torch.inf).amax(1)
    mean = (vectors * inside[..., None]).sum(1) / lengths[:, None]
    return torch.cat([last, largest, mean], 1)


class TextClassifier(nn.Module):
    """An encoder of texts, ``concat_pool``, and a head of two layers.

    ``dropout`` is the probability before the first layer of the head, half of it the second's.
    """

    def __init__(
        self, encoder: AWDLSTM | TextTransformer, n_classes: int, *, dropout: float = 0.2
    ) -> None:
        super().__init__()
        check_dropout("dropout", dropout)
        self.encoder = encoder
        inputs = 3 * encoder.embedding_dim
        first = [nn.BatchNorm1d(inputs), nn.Dropout(dropout), nn.Linear(inputs, 50), nn.ReLU()]
        second = [nn.BatchNorm1d(50), nn.Dropout(dropout / 2), nn.Linear(50, n_classes)]
        self.head = nn.Sequential(*first, *second)

    def forward(self, ids: Tensor, lengths: Tensor, *, vectors: Tensor | None = None) -> Tensor:
        """Map ids (B, T), padded after the end, and lengths (B,) to scores (B, n_classes)."""
        outputs = self.encoder(ids, lengths=lengths, vectors=vectors)[0]  # (B, T, C)
        return self.head(concat_pool(outputs, lengths))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Groups of the encoder, then the head."""
        return [*self.encoder.layer_groups(), [self.head]]


class TextTransformer(nn.Module):
    """Encoder of token ids by self-attention over whole texts, norm first (arXiv:1706.03762).

    ``embedding_dim``, the size of the vectors in and out, is a multiple of ``n_heads``, the heads
    of each layer; each of ``max_length`` positions has a learned vector.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        embedding_dim: int = 64,
        n_layers: int = 2,
        n_heads: int = 4,
        max_length: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_count("embedding_dim", embedding_dim)
        check_count("n_layers", n_layers)
        check_count("n_heads", n_heads)
        check_count("max_length", max_length)
        check_dropout("dropout", dropout)
        if embedding_dim % n_heads:
            raise CourseError(f"embedding_dim={embedding_dim} is no multiple of n_heads={n_heads}.")
        self.embedding_dim, self.max_length = embedding_dim, max_length
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.positions = nn.Embedding(max_length, embedding_dim)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)
        options = {"dropout": dropout, "batch_first": True, "norm_first": True}
        layer = nn.TransformerEncoderLayer(embedding_dim, n_heads, 4 * embedding_dim, **options)
        self.blocks = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)

    def forward(
        self, ids: Tensor, *, lengths: Tensor | None = None, vectors: Tensor | None = None
    ) -> tuple[Tensor]:
        """Map ids (B, T) to a tuple like an ``AWDLSTM``'s, of the outputs (B, T, C) only.

        ``lengths`` (B,) says where the padding of each text begins; ``vectors`` (B, T, C) take the
        place of the embeddings.
        """
        steps = torch.arange(ids.shape[1], device=ids.device)  # (T,)
        if len(steps) > self.max_length:
            raise CourseError(
                f"A text of {len(steps)} tokens is too long for this transformer; cut the texts by "
                f"ck.text(..., max_length={self.max_length})."
            )
        vectors = self.embedding(ids) if vectors is None else vectors
        padding = None if lengths is None else steps >= lengths[:, None]  # (B, T), True is masked
        outputs = self.blocks(vectors + self.positions(steps), src_key_padding_mask=padding)
        return (outputs,)

    def layer_groups(self) -> list[list[nn.Module]]:
        """Two groups of modules: the embeddings, then the blocks."""
        return [[self.embedding, self.positions], [self.blocks]]
