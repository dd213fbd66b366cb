"""An isolation forest as plain arrays, and the kernel that walks it.

Liu, Ting and Zhou (Isolation Forest, ICDM 2008; Isolation-Based Anomaly Detection, ACM TKDD 2012)
cut the values at random until a row stands alone: what is unusual stands alone early. With h(x)
the mean depth of a row over all trees (a leaf that holds m training rows counts as c(m) deeper)
and c(n) the mean depth of an unsuccessful search in a binary tree of n rows, the score is

    s(x) = 2 ^ (-h(x) / c(n)),    c(n) = 2 (ln(n - 1) + gamma) - 2 (n - 1) / n,

0.5 for what lies in the middle, towards 1 for what is unusual. scikit-learn grows the trees and
calls ``-s`` ``score_samples``; this walks them as it does (values compared as float32, as it
keeps them), so that the live process needs neither it nor a pickle.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from barograph.compiled import compiled
from barograph.errors import DataError
from barograph.rows import Codes, Floats, Ints

LEAF = -1


class Forest(msgspec.Struct, frozen=True):
    """Trees of nodes, all in one row of arrays.

    Attributes:
        roots: int64, shape (trees,): where each tree begins.
        feature: int32, shape (nodes,): the column that a node looks at; ``LEAF`` at the end of a path.
        value: float64, shape (nodes,): up to which a row goes left; in a leaf the depth that it stands for.
        left, right: int32, shape (nodes,): the next nodes, always behind this one.
        unit: c(n) of the rows that each tree was grown on.
        columns: features of a row.
    """

    roots: Ints
    feature: Codes
    value: Floats
    left: Codes
    right: Codes
    unit: float
    columns: int

    def __post_init__(self) -> None:
        """Nothing that a file says may lead the walk out of the arrays or round in a circle.

        Raises:
            DataError: it would.
        """
        nodes = len(self.feature)
        lengths = {len(self.value), len(self.left), len(self.right)}
        ahead = np.arange(nodes)[self.feature != LEAF]
        sound = (
            _types(self) == ("<i8", "<i4", "<f8", "<i4", "<i4")
            and lengths == {nodes}
            and len(self.roots) > 0
            and bool(np.all((self.roots >= 0) & (self.roots < nodes)))
            and bool(np.all((self.feature >= LEAF) & (self.feature < self.columns)))
            and all(
                bool(np.all((child[ahead] > ahead) & (child[ahead] < nodes)))
                for child in (self.left, self.right)
            )
            and bool(np.all(np.isfinite(self.value)))
            and self.unit > 0.0
        )
        if not sound:
            raise DataError("the arrays of a forest do not fit together; they are damaged or not ours")

    def scores(self, rows: Floats) -> Floats:
        """s(x) of each row, shape (n,): the larger the more unusual.

        Args:
            rows: shape (n, columns), without NaN.

        Raises:
            ValueError: another number of columns.
        """
        if rows.ndim != 2 or rows.shape[1] != self.columns:
            raise ValueError(f"rows of shape {rows.shape}; this forest takes {self.columns} columns")
        depths = np.zeros(len(rows))
        kept = np.ascontiguousarray(rows, dtype=np.float32)
        _walk(kept, self.roots, self.feature, self.value, self.left, self.right, depths)
        whole = len(self.roots) * self.unit
        # In Python: a compiler may take another function for a power of two, one bit apart.
        return np.array([math.pow(2.0, -depth / whole) for depth in depths.tolist()])


def _types(forest: Forest) -> tuple[str, ...]:
    arrays = (forest.roots, forest.feature, forest.value, forest.left, forest.right)
    return tuple(array.dtype.str if array.ndim == 1 else "" for array in arrays)


@compiled
def _walk(
    rows: npt.NDArray[np.float32],
    roots: Ints,
    feature: Codes,
    value: Floats,
    left: Codes,
    right: Codes,
    depths: Floats,
) -> None:
    """Add the depths of ``rows`` in all trees to ``depths``, tree after tree."""
    for k in range(rows.shape[0]):
        for root in roots:
            node = root
            while feature[node] >= 0:
                node = left[node] if rows[k, feature[node]] <= value[node] else right[node]
            depths[k] += value[node]


def mean_path(n: Ints) -> Floats:
    """c(n): mean depth of an unsuccessful search in a binary search tree of ``n`` rows (Liu 2008, eq. 1).

    >>> mean_path(np.array([1, 2, 256])).round(3).tolist()
    [0.0, 1.0, 10.244]
    """
    many = np.maximum(n, 3).astype(np.float64)
    path = 2.0 * (np.log(many - 1.0) + np.euler_gamma) - 2.0 * (many - 1.0) / many
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, path))


def plain(estimator: Any) -> Forest:
    """The forest of a fitted ``sklearn.ensemble.IsolationForest``."""
    roots, parts, at = [], [], 0
    for tree, columns in zip(estimator.estimators_, estimator.estimators_features_, strict=True):
        roots.append(at)
        parts.append(_tree(tree.tree_, np.asarray(columns), at))
        at += tree.tree_.node_count
    feature, value, left, right = (np.concatenate([part[k] for part in parts]) for k in range(4))
    return Forest(
        np.array(roots, dtype=np.int64),
        feature.astype(np.int32),
        value.astype(np.float64),
        left.astype(np.int32),
        right.astype(np.int32),
        float(mean_path(np.array([estimator.max_samples_]))[0]),
        int(estimator.n_features_in_),
    )


def _tree(tree: Any, columns: Ints, at: int) -> tuple[Ints, Floats, Ints, Ints]:
    leaf = tree.children_left == tree.children_right
    feature = np.where(leaf, LEAF, columns[np.where(leaf, 0, tree.feature)])
    depth = _depths(tree)
    # What scikit-learn adds for a leaf, in its order: nodes on the way, c(rows in the leaf), less one.
    value = np.where(leaf, depth + 1.0 + mean_path(tree.n_node_samples) - 1.0, tree.threshold)
    return (
        feature,
        value,
        np.where(leaf, 0, tree.children_left + at),
        np.where(leaf, 0, tree.children_right + at),
    )


def _depths(tree: Any) -> Floats:
    """How many nodes stand above each node; parents come before their children."""
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1.0
    return depth
