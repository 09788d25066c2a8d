"""Models of text: the AWD-LSTM as language model and as classifier, a small transformer encoder."""

import itertools
import warnings

import torch
import torch.nn.functional as F
from torch import nn

from coursekit.console import CourseError


def variational_dropout(x, share):
    """Drop the same features of (B, T, C) at every step T (variational, arXiv:1512.05287)."""
    if not share:
        return x
    kept = x.new_empty(x.shape[0], 1, x.shape[2]).bernoulli_(1 - share)
    return x * kept / (1 - share)


class WeightDropLSTM(nn.LSTM):
    """One LSTM layer; in training, a share of its weights from state to state is dropped.

    The weights stay whole: a dropped copy takes their place in the call (arXiv:1708.02182), so that
    the fused kernel of the device is used and the optimizer sees the true ones.

    Args:
        inputs, hidden: numbers that come in and that go out.
        weight_drop: share of the weights that is dropped in training.
    """

    def __init__(self, inputs, hidden, weight_drop=0.0):
        super().__init__(inputs, hidden, batch_first=True)
        self.weight_drop = weight_drop

    def forward(self, x, state=None):
        """Return ((B, T, hidden), (h, c)) for x (B, T, inputs)."""
        if not (self.training and self.weight_drop):
            return super().forward(x, state)
        if state is None:
            zeros = x.new_zeros(1, x.shape[0], self.hidden_size)
            state = zeros, zeros
        dropped = F.dropout(self.weight_hh_l0, self.weight_drop)
        weights = [self.weight_ih_l0, dropped, self.bias_ih_l0, self.bias_hh_l0]
        with warnings.catch_warnings():  # cuDNN lays the weights out anew for every call
            warnings.filterwarnings("ignore", message="RNN module weights are not part")
            outputs, h, c = torch.lstm(x, state, weights, True, 1, 0.0, True, False, True)
        return outputs, (h, c)


class AWDLSTM(nn.Module):
    """Token numbers -> one vector a token, by an embedding and LSTM layers (arXiv:1708.02182).

    Args:
        vocab_size: size of the vocabulary.
        embedding_dim: numbers of an embedding, and of the vectors that come out.
        hidden_size: numbers in the layers between.
        n_layers: how many LSTM layers.
        dropout: factor of the five dropouts: of whole words 0.02, of the input 0.25, of the weights
            from state to state 0.2, between layers 0.15, of the output 0.1.
    """

    def __init__(self, vocab_size, *, embedding_dim=400, hidden_size=1152, n_layers=3, dropout=1.0):
        super().__init__()
        self.embedding_dim, self.dropout = embedding_dim, dropout
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        sizes = [embedding_dim, *[hidden_size] * (n_layers - 1), embedding_dim]
        pairs = itertools.pairwise(sizes)
        self.layers = nn.ModuleList(WeightDropLSTM(i, o, 0.2 * dropout) for i, o in pairs)

    def set_dropout(self, factor):
        """Change the factor of all five dropouts."""
        self.dropout = factor
        for layer in self.layers:
            layer.weight_drop = 0.2 * factor

    def embed(self, ids):
        """Return vectors (B, T, C) of token numbers; in training some words are dropped."""
        weight = self.embedding.weight
        if self.training and self.dropout:
            weight = weight * F.dropout(weight.new_ones(len(weight), 1), 0.02 * self.dropout)
        return F.embedding(ids, weight)

    def forward(self, ids, state=None, *, vectors=None):
        """Return (outputs (B, T, embedding_dim), the same undropped, state after the last token).

        Args:
            ids: (B, T) int64.
            state: what an earlier call returned, or None.
            vectors: (B, T, embedding_dim) instead of the embeddings of ``ids``.
        """
        factor = self.dropout if self.training else 0
        x = variational_dropout(self.embed(ids) if vectors is None else vectors, 0.25 * factor)
        states = []
        for number, layer in enumerate(self.layers):
            whole, after = layer(x, state[number] if state else None)
            states.append(after)
            x = variational_dropout(whole, (0.1 if layer is self.layers[-1] else 0.15) * factor)
        return x, whole, states

    def layer_groups(self):
        """Return the embedding and each layer as a group of its own."""
        return [[self.embedding], *([layer] for layer in self.layers)]


class LanguageModel(nn.Module):
    """Token numbers -> scores of the next token; the decoder is the embedding (arXiv:1608.05859).

    Args:
        encoder: an ``AWDLSTM``.

    Attributes:
        state: tuple of tensors that goes from batch to batch, cut off from its gradient; forgotten
            in ``train()`` and ``eval()`` and where a batch has another number of rows.
        outputs: (dropped, whole) vectors of the last batch, for ``ActivationRegularization``.
    """

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = nn.Linear(encoder.embedding_dim, encoder.embedding.num_embeddings)
        self.decoder.weight = encoder.embedding.weight
        nn.init.zeros_(self.decoder.bias)
        self.state = self.outputs = None

    def train(self, mode=True):
        """Switch between training and use, and forget what was read."""
        self.state = self.outputs = None
        return super().train(mode)

    def forward(self, ids):
        """Return scores (B, T, words) for ids (B, T)."""
        state = self.state
        fits = state is not None and state[0].shape[1] == len(ids)
        pairs = list(zip(state[::2], state[1::2], strict=True)) if fits else None
        dropped, whole, states = self.encoder(ids, pairs)
        self.state = tuple(part.detach() for pair in states for part in pair)
        self.outputs = (dropped, whole) if self.training else None
        return self.decoder(dropped)

    def layer_groups(self):
        """Return the groups of the encoder, and the decoder."""
        return [*self.encoder.layer_groups(), [self.decoder]]


def concat_pool(vectors, lengths):
    """Return (B, 3 C) of vectors (B, T, C): the last, the largest and the mean (arXiv:1801.06146).

    Args:
        vectors: outputs at every token, padded after the end.
        lengths: (B,) tokens of each text.
    """
    inside = torch.arange(vectors.shape[1], device=vectors.device) < lengths[:, None]  # (B, T)
    last = vectors[torch.arange(len(vectors), device=vectors.device), lengths - 1]
    largest = vectors.masked_fill(~inside[..., None], -torch.inf).amax(1)
    mean = (vectors * inside[..., None]).sum(1) / lengths[:, None]
    return torch.cat([last, largest, mean], 1)


class TextClassifier(nn.Module):
    """Texts (token numbers and lengths) -> scores of the classes, on top of an encoder.

    Args:
        encoder: an ``AWDLSTM`` or a ``TextTransformer``.
        classes: how many.
        dropout: share that is dropped before the two layers of the head.
    """

    def __init__(self, encoder, classes, *, dropout=0.2):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(
            nn.BatchNorm1d(3 * encoder.embedding_dim),
            nn.Dropout(dropout),
            nn.Linear(3 * encoder.embedding_dim, 50),
            nn.ReLU(),
            nn.BatchNorm1d(50),
            nn.Dropout(dropout / 2),
            nn.Linear(50, classes),
        )

    def forward(self, ids, lengths, *, vectors=None):
        """Return scores (B, classes) for ids (B, T), padded after the end, and lengths (B,)."""
        outputs = self.encoder(ids, vectors=vectors)[0]
        return self.head(concat_pool(outputs, lengths))

    def layer_groups(self):
        """Return the groups of the encoder, and the head."""
        return [*self.encoder.layer_groups(), [self.head]]


class TextTransformer(nn.Module):
    """Token numbers -> one vector a token, each looking at all others (arXiv:1706.03762).

    Args:
        vocab_size: size of the vocabulary.
        embedding_dim: numbers of a vector; a multiple of ``n_heads``.
        n_layers, n_heads: how many.
        max_length: tokens that it has positions for.
        dropout: share that is dropped in each layer.
        padding: the number that fills up short texts; nobody looks at it.
    """

    def __init__(
        self,
        vocab_size,
        *,
        embedding_dim=64,
        n_layers=2,
        n_heads=4,
        max_length=512,
        dropout=0.1,
        padding=1,
    ):
        super().__init__()
        self.embedding_dim, self.max_length, self.padding = embedding_dim, max_length, padding
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.positions = nn.Embedding(max_length, embedding_dim)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)
        options = {"dropout": dropout, "batch_first": True, "norm_first": True}
        layer = nn.TransformerEncoderLayer(embedding_dim, n_heads, 4 * embedding_dim, **options)
        self.blocks = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)

    def forward(self, ids, state=None, *, vectors=None):
        """Return (outputs, outputs, None) as an ``AWDLSTM`` does; outputs are (B, T, C)."""
        length = ids.shape[1]
        if length > self.max_length:
            raise CourseError(
                f"A text of {length} tokens is too long for this transformer of {self.max_length}; "
                "cut the texts by ck.text(..., longest=...), or build it with a larger max_length=."
            )
        vectors = self.embedding(ids) if vectors is None else vectors
        places = self.positions(torch.arange(length, device=ids.device))
        outputs = self.blocks(vectors + places, src_key_padding_mask=ids == self.padding)
        return outputs, outputs, None

    def layer_groups(self):
        """Return the embeddings and the blocks."""
        return [[self.embedding, self.positions], [self.blocks]]
