"""What no data tell is not predicted: random effects never seen, variances never told."""

import numpy as np
import pandas as pd

import mmfit
from mmfit import inference
from tests.inference.unidentified.dense import Dense, random_model


def test_the_other_task_of_a_person():
    """Everybody has one task; how the other would go follows from a covariance nobody saw."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(12), 4)
    data = pd.DataFrame({"id": person, "task": np.array(list("AB"))[person % 2]})
    data["y"] = rng.normal(size=12)[person] + rng.normal(size=48)
    fit = mmfit.lmer("y ~ task + (task | id)", data)
    new = pd.DataFrame({"task": list("ABAB"), "id": [0, 0, 1, 99]})
    assert np.isnan(fit.predict(new)).tolist() == [False, True, True, False]
    table = fit.predict(new, interval="prediction")
    assert table.isna().all(axis=1).tolist() == [False, True, True, False]
    assert table.attrs["notes"][0].startswith("2 of 4 rows cannot be predicted")
    assert "random effects (id)" in table.attrs["notes"][0]
    assert not np.isnan(fit.predict(new, random_effects=False)).any()
    assert not np.isnan(fit.predict(data)).any()


def beyond(fit, rows):
    """(m,) bool: rows with a part that their level, which the fit saw, has not shown."""
    out = np.zeros(len(rows.X), dtype=bool)
    pairs = list(zip(fit.matrices.random, rows.random, strict=True))
    for old, _ in pairs:
        own = [pair for pair in pairs if np.array_equal(pair[0].codes, old.codes)]
        Z, z = (np.hstack([pair[side].model for pair in own]) for side in (0, 1))
        codes = np.array([new.codes for _, new in own])
        for i, row in enumerate(z):
            seen = Z[old.codes == codes[0, i]]
            rest = row - row @ np.linalg.pinv(seen) @ seen if len(seen) else 0 * row
            out[i] |= len(set(codes[:, i])) > 1 or np.linalg.norm(rest) > 1e-7
    return out


def new_rows(data, rng, count=12):
    new = data.sample(count, replace=True, random_state=int(rng.integers(1e6)))
    new = new.reset_index(drop=True).assign(t=rng.choice(sorted(data["t"].unique()), count))
    new["x"] = np.where(rng.random(count) < 0.5, new["x"], rng.normal(size=count))
    for name in "gh":
        new[name] = np.where(rng.random(count) < 0.2, 99, new[name])
    return new


def test_random_rows_against_n_by_n_algebra():
    """Two sets of variance parameters that no data tell apart predict alike, or nothing is said."""
    seen = np.zeros(5, dtype=int)
    for seed in range(45):
        rng = np.random.default_rng(seed)
        found = random_model(rng)
        if found is None:
            continue
        fit, data = found
        dense, new = Dense.of(fit, rng), new_rows(data, rng)
        rows = fit.matrices.design.rebuild(new)
        first = dense.predictions(dense.gamma, rows)
        changed = np.zeros((5, len(new)), dtype=bool)
        for gamma in dense.moved():
            other = dense.predictions(gamma, rows)
            difference = np.abs(other[0] - first[0]) > 1e-6 * (1 + np.abs(first[0]))
            changed[0] |= difference.any(axis=1)
            for k in range(1, 5):
                changed[k] |= np.abs(other[k] - first[k]) > 1e-6 * first[k]
        # Where a coefficient alone is a guess, what is missing is its precision.
        guessed = changed[0] & beyond(fit, rows)
        assert (changed[1] >= changed[0] & ~guessed).all()
        ours = [np.isnan(fit.predict(new))]
        options = {} if fit.matrices.weights is None else {"weights": np.ones(len(new))}
        for random_effects in (True, False):
            for interval in ("confidence", "prediction"):
                given = options if interval == "prediction" else {}
                table = fit.predict(new, random_effects=random_effects, interval=interval, **given)
                ours.append(table["std_error"].isna().to_numpy())
        wanted = [guessed, changed[1] | guessed, changed[2] | guessed, changed[3], changed[4]]
        for mine, theirs in zip(ours, wanted, strict=True):
            assert mine.tolist() == theirs.tolist(), seed
        seen += [int(theirs.sum()) for theirs in wanted]
    assert (seen > 5).all()


def test_random_modes_against_n_by_n_algebra():
    """A mode is a linear function of y; it is told where that is the same for all parameters."""
    seen = np.zeros(3, dtype=int)
    for seed in range(25):
        rng = np.random.default_rng(seed)
        found = random_model(rng)
        if found is None or found[0].matrices.random[0].grouping != "g":
            continue
        fit, _ = found
        dense, term = Dense.of(fit, rng), fit.matrices.random[0]
        levels, q = len(term.levels), term.model.shape[1]

        def modes(gamma, dense=dense, term=term, levels=levels, q=q):
            W = np.linalg.inv(sum(v * g for v, g in zip(gamma, dense.G, strict=True)))
            P = W - W @ dense.X @ dense.phi(gamma) @ dense.X.T @ W
            psi = dense.psis(gamma)[0]
            Z = np.zeros((len(dense.X), levels, q))
            Z[np.arange(len(Z)), term.codes] = term.model
            weights = np.einsum("qr,nlr,nm->lqm", psi, Z, P)
            lost = np.einsum("qr,nlr,nm,mls,st->lqt", psi, Z, W, Z, psi)
            return weights, np.diagonal(psi - lost, axis1=1, axis2=2)

        first, spread = modes(dense.gamma)
        lost, blank = np.zeros((2, levels, q), dtype=bool)
        for gamma in dense.moved():
            other, wide = modes(gamma)
            sizes = np.sqrt(np.diag(dense.psis(dense.gamma)[0]))
            scale = 1e-6 * (np.abs(first).max(axis=2) + sizes)
            lost |= np.abs(other - first).max(axis=2) > scale
            blank |= np.abs(wide - spread) > 1e-6 * spread
        table = inference.random_effects(fit.model)
        own = table.iloc[: len(table) if len(fit.record.groups) == 1 else levels * q]
        if len(fit.matrices.random) > 1 and len(fit.record.groups) == 1:
            continue  # the second term's effects stand beside these
        assert own["estimate"].isna().tolist() == lost.ravel().tolist(), seed
        assert own["std_error"].isna().tolist() == (lost | blank).ravel().tolist(), seed
        seen += [lost.sum(), blank.sum(), (~lost).sum()]
    assert (seen > 3).all()
