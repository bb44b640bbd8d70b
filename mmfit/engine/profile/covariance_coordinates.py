"""Coordinates of the covariances in which one standard deviation or correlation stands alone.

Profiling holds one of them fixed. A term's effects, whitened, are written in a frame of which the
first directions are the effects in question (each of length 1) and the others are orthogonal to
these: so a covariate that is far from its origin makes no coordinates that nearly coincide. With
the covariance in that frame L L', L triangular, the first effect's standard deviation is L_00; with
the first two rows written as (a, 0) and (b cos w, b sin w), cos w is their correlation. Everything
else is free: the criterion is even in each column of L, and a = alpha^2, b = beta^2 keep the sign
of the correlation. So no coordinate has a bound, and where a covariance is singular some of them
are stationary points instead, of which the search must see whether they are minima.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.covariance.layout import Layout
from mmfit.engine.covariance.roots import triangular
from mmfit.engine.system.whitened_system import System


@dataclass(frozen=True, slots=True)
class Chart:
    """One way to write the covariances of all terms.

    The entries of the roots L come term by term, column by column, in units of the scaled response.

    Attributes
    ----------
    quadratic : (k, k, k), Psi_e = l'Q_e l / sigma^2 for the vector l of all entries.
    linear : (k, E), the roots of the whitened covariances, all terms' entries in a row, from l.
    pair : (3,) intp, places of alpha, w and beta, or -1: l itself is the coordinate.
    frames : per term (q, q), the effects of L in terms of the whitened ones.
    rows : tuple of intp arrays, the places of the rows of L that have a direction.
    """

    quadratic: np.ndarray
    linear: np.ndarray
    pair: np.ndarray
    frames: tuple[np.ndarray, ...]
    rows: tuple[np.ndarray, ...]

    def move(self, x: np.ndarray, step: np.ndarray) -> np.ndarray:
        """(K,): ``x`` after a ``step``, on which long rows turn.

        A well known standard deviation beside an unknown correlation makes a curved valley, which
        a straight step would leave: the length of a row changes by the step's part along it, its
        direction by the part across.
        """
        out = x + step
        for row in self.rows:
            length = np.sqrt(x[row] @ x[row])
            if not length > 0:
                continue
            unit = x[row] / length
            along = unit @ step[row]
            across = step[row] - along * unit
            angle = np.sqrt(across @ across) / length
            if 0 < angle < 1:
                way = across / (angle * length)
                out[row] = (length + along) * (np.cos(angle) * unit + np.sin(angle) * way)
        return out

    def turning(self, x: np.ndarray, gradient: np.ndarray, hessian: np.ndarray) -> np.ndarray:
        """(A, k + 1, k + 1): second derivatives along :meth:`move` from A points ``x``."""
        out = hessian
        for row in self.rows:
            ix = np.ix_(np.arange(len(x)), row)
            length = np.sqrt(np.einsum("ai,ai->a", x[ix], x[ix]))[:, None]
            unit = np.where(length > 0, x[ix] / np.where(length > 0, length, 1.0), 0.0)
            along = np.einsum("ai,ai->a", unit, gradient[ix])[:, None]
            across = (gradient[ix] - along * unit) / np.where(length > 0, length, np.inf)
            pull = along / np.where(length > 0, length, np.inf)
            change = unit[:, :, None] * (across + pull * unit / 2)[:, None, :]
            change = change + change.swapaxes(1, 2) - pull[:, :, None] * np.eye(len(row))
            if out is hessian:
                out = hessian.copy()
            out[np.ix_(np.arange(len(x)), row, row)] += change
        return out


def effect_units(system: System) -> list[np.ndarray]:
    """Per term (q,): an effect's length in terms of the whitened ones, of length 1 each."""
    return [np.sqrt(np.einsum("ij,ij->i", b.inverse, b.inverse)) for b in system.terms]


def _frame(inverse: np.ndarray, lead: tuple[int, ...]) -> np.ndarray:
    """(q, q): the effects ``lead``, each of length 1, above an orthonormal rest."""
    q = len(inverse)
    if not lead:
        return np.eye(q)
    rows = inverse[list(lead)]
    rows = rows / np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    basis = np.linalg.qr(np.concatenate([rows, np.eye(q)]).T)[0]
    return np.concatenate([rows, basis[:, len(lead) :].T])


def make_chart(system: System, term: int = -1, first: tuple[int, ...] = ()) -> Chart:
    """The chart in which the effects ``first`` of a term lead; two of them as a correlation."""
    k = len(system.layout)
    frames, linear = [], []
    for t, block in enumerate(system.terms):
        q = block.size
        frames.append(_frame(block.inverse, first if t == term else ()))
        back = np.linalg.inv(frames[-1])
        rows = np.zeros((k, q, q))
        places, structure = np.arange(block.thetas.start, block.thetas.stop), block.structure
        rows[places, :, structure.column] = back[:, structure.row].T
        linear.append(rows)
    pair = np.full(3, -1, dtype=np.intp)
    if len(first) == 2:
        start = system.terms[term].thetas.start
        pair[:] = start, start + 1, start + system.terms[term].size
    return Chart(
        quadratic=_quadratic(system.layout, system.terms, linear),
        linear=np.concatenate([rows.reshape(k, -1) for rows in linear], axis=1)
        if linear
        else np.zeros((k, 0)),
        pair=pair,
        frames=tuple(frames),
        rows=_long_rows(system, pair),
    )


def _long_rows(system: System, pair: np.ndarray) -> tuple[np.ndarray, ...]:
    out = []
    for block in system.terms:
        q, structure = block.size, block.structure
        place = np.zeros((q, q), dtype=np.intp)
        place[structure.row, structure.column] = np.arange(block.thetas.start, block.thetas.stop)
        out.extend(place[r, : r + 1] for r in range(1, q) if place[r, 0] != pair[1])
    return tuple(out)


def _quadratic(layout: Layout, terms, linear: list[np.ndarray]) -> np.ndarray:
    k = len(layout)
    out = np.zeros((k, k, k))
    for e in range(k):
        t = layout.term[e]
        at, structure = e - terms[t].thetas.start, terms[t].structure
        row, column = structure.row[at], structure.column[at]
        product = linear[t][:, row] @ linear[t][:, column].T
        out[e] = (product + product.T) / 2
    return out


def start_coordinates(system: System, chart: Chart, theta: np.ndarray, s: float) -> np.ndarray:
    """(k,): the coordinates of a whitened ``theta`` (k,) where log(sigma / scale) is ``s``."""
    lambdas = system.layout.lambdas(theta)
    parts = []
    for frame, block in zip(chart.frames, system.terms, strict=True):
        root = frame @ lambdas[block.group][block.place, block.place] * np.exp(s)
        lower = triangular(root[None])[0]
        parts.append(block.structure.theta(lower))
    x = np.concatenate(parts) if parts else np.zeros(0)
    alpha, turn, beta = chart.pair
    if alpha >= 0:
        a, across, along = x[alpha], x[turn], x[beta]
        x[alpha], x[beta] = np.sqrt(a), np.sqrt(np.hypot(across, along))
        x[turn] = np.arctan2(along, across)
    return x


class Charts:
    """Several charts of one system, applied to many points at once."""

    def __init__(self, system: System, charts: list[Chart]):
        self.system, self.charts = system, charts
        self.quadratic = np.array([chart.quadratic for chart in charts])
        self.linear = np.array([chart.linear for chart in charts])
        self.pair = np.array([chart.pair for chart in charts])

    def entries(self, x: np.ndarray, which: np.ndarray) -> np.ndarray:
        """(A, k): the entries l of the roots at coordinates ``x`` (A, k) of the charts ``which``"""
        out = x.copy()
        who, alpha, turn, beta = self._pairs(which)
        if len(who):
            b, w = x[who, beta] ** 2, x[who, turn]
            out[who, alpha] = x[who, alpha] ** 2
            out[who, turn], out[who, beta] = b * np.cos(w), b * np.sin(w)
        return out

    def _pairs(self, which: np.ndarray) -> tuple[np.ndarray, ...]:
        alpha, turn, beta = self.pair[which].T
        who = np.flatnonzero(alpha >= 0)
        return who, alpha[who], turn[who], beta[who]

    def theta(self, entries: np.ndarray, which: np.ndarray, s: np.ndarray) -> np.ndarray:
        """(A, k): the whitened theta of entries l of absolute roots and s = log(sigma / scale)."""
        flat = np.einsum("ak,ake->ae", entries, self.linear[which]) * np.exp(-s)[:, None]
        layout = self.system.layout
        lambdas = [np.zeros((len(flat), q, q)) for q in layout.sizes]
        begin = 0
        for block in self.system.terms:
            q = block.size
            root = flat[:, begin : begin + q * q].reshape(-1, q, q)
            begin += q * q
            lambdas[block.group][:, block.place, block.place] = (
                np.abs(root) if q == 1 else triangular(root)
            )
        return layout.theta(lambdas) if lambdas else np.zeros((len(flat), 0))

    def to_coordinates(
        self, x: np.ndarray, which: np.ndarray, gradient: np.ndarray, hessian: np.ndarray
    ) -> None:
        """Turn derivatives in l (first k places) into those in x, in place."""
        who, alpha, turn, beta = self._pairs(which)
        for i, pa, pt, pb in zip(who, alpha, turn, beta, strict=True):
            at = [pa, pt, pb]
            a, w, b = x[i, at]
            cos, sin = np.cos(w), np.sin(w)
            J = np.array(
                [[2 * a, 0, 0], [0, -b * b * sin, 2 * b * cos], [0, b * b * cos, 2 * b * sin]]
            )
            ga, gt, gb = gradient[i, at]
            across, along = gt * cos + gb * sin, gb * cos - gt * sin
            bend = np.array(
                [
                    [2 * ga, 0, 0],
                    [0, -b * b * across, 2 * b * along],
                    [0, 2 * b * along, 2 * across],
                ]
            )
            gradient[i, at] = J.T @ gradient[i, at]
            hessian[i, at] = J.T @ hessian[i, at]
            hessian[i][:, at] = hessian[i][:, at] @ J
            hessian[i][np.ix_(at, at)] += bend
