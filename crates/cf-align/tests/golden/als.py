"""Golden values of alternating least squares for implicit feedback.

    python als.py > als.json                (numpy 1.26, implicit 0.7.2)

Objective, as implicit 0.7.2 minimises it (Hu, Koren, Volinsky 2008, with its own reading of the confidences):

    sum over all (u, i) of c_ui (p_ui - x_u . y_i)^2  +  reg (sum |x_u|^2 + sum |y_i|^2)

    stored value r_ui > 0:  p = 1, c = alpha r_ui       (not 1 + alpha r_ui: with alpha = 1 and r = 1 every cell has
                                                         confidence 1, and only reg keeps it from a plain SVD)
    stored value r_ui < 0:  p = 0, c = alpha |r_ui|     (a disliked item)
    nothing stored:         p = 0, c = 1

reg is not multiplied by the number of observations. Users are solved first (from the given items), then items; a
row or column without entries is set to zero. One iteration = both half-sweeps:

    x_u = (Y'Y + reg I + sum_i (c_ui - 1) y_i y_i')^-1  sum_{i: r > 0} c_ui y_i

Initial factors in implicit: numpy.random.default_rng(random_state).random(shape) * 0.01 (uniform on [0, 0.01), users
drawn before items); factors that are already set are kept, which is how they are passed in here. With use_cg (its
default) a row takes three conjugate-gradient steps from its previous value, with the residual
r = b - A x, stopped early when r.r < 1e-20, instead of the exact solution: "cg" below, an independent numpy version
of it. implicit stores the (already alpha-weighted) confidences in f32; the values here are exact in f32.
Its calculate_loss divides the objective by (sum of stored confidences + number of cells not stored).

The exact form is checked against implicit with use_cg=False and cg with use_cg=True, float64 factors; the greatest
differences found are in the file.
"""

import json
import sys

import numpy as np
import scipy.sparse as sp


def solve_exact(confidence, preference, fixed, start, reg):
    gram = fixed.T @ fixed + reg * np.eye(fixed.shape[1])
    out = np.zeros_like(start)
    for row in range(len(start)):
        seen = np.flatnonzero(confidence[row])
        if len(seen):
            y, c = fixed[seen], confidence[row, seen]
            a = gram + (y * (c - 1)[:, None]).T @ y
            out[row] = np.linalg.solve(a, (c * preference[row, seen]) @ y)
    return out


def solve_cg(confidence, preference, fixed, start, reg, steps=3):
    gram = fixed.T @ fixed + reg * np.eye(fixed.shape[1])
    out = np.zeros_like(start)
    for row in range(len(start)):
        seen = np.flatnonzero(confidence[row])
        if not len(seen):
            continue
        y, c = fixed[seen], confidence[row, seen]
        a = gram + (y * (c - 1)[:, None]).T @ y
        x = start[row].copy()
        residual = (c * preference[row, seen]) @ y - a @ x
        direction, old = residual.copy(), residual @ residual
        if old >= 1e-20:
            for _ in range(steps):
                ad = a @ direction
                step = old / (direction @ ad)
                x += step * direction
                residual -= step * ad
                new = residual @ residual
                if new < 1e-20:
                    break
                direction = residual + new / old * direction
                old = new
        out[row] = x
    return out


def objective(confidence, preference, x, y, reg):
    weight = np.where(confidence > 0, confidence, 1.0)
    return float((weight * (preference - x @ y.T) ** 2).sum() + reg * ((x**2).sum() + (y**2).sum()))


def iterate(solve, confidence, preference, x, y, reg, count):
    rounds = []
    for _ in range(count):
        x = solve(confidence, preference, y, x, reg)
        y = solve(confidence.T, preference.T, x, y, reg)
        rounds.append((x, y, objective(confidence, preference, x, y, reg)))
    return rounds


def implicit_factors(values, alpha, reg, x, y, count, use_cg):
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=x.shape[1], regularization=reg, alpha=alpha, dtype=np.float64,
                                    use_cg=use_cg, iterations=count, num_threads=1)
    model.user_factors, model.item_factors = x.copy(), y.copy()
    model.fit(sp.csr_matrix(values.astype(np.float32)), show_progress=False)
    return model.user_factors, model.item_factors


def rows(matrix):
    return [[float(f"{v:.15g}") for v in row] for row in matrix]


def record(name, values, alpha, reg, x, y, count=3):
    confidence, preference = alpha * np.abs(values), (values > 0).astype(float)
    out = {"name": name, "alpha": alpha, "regularization": reg, "iterations": count, "cg_steps": 3,
           "n_users": values.shape[0], "n_items": values.shape[1],
           "entries": [[int(u), int(i), float(values[u, i])] for u, i in zip(*np.nonzero(values))],
           "user_init": x.tolist(), "item_init": y.tolist()}
    for kind, solve in (("exact", solve_exact), ("cg", solve_cg)):
        rounds = iterate(solve, confidence, preference, x, y, reg, count)
        theirs = implicit_factors(values, alpha, reg, x, y, count, kind == "cg")
        gap = max(float(np.abs(a - b).max()) for a, b in zip(rounds[-1][:2], theirs))
        if gap > 1e-9:
            raise SystemExit(f"{name} {kind}: differs from implicit by {gap}")
        out[kind] = {"rounds": [{"user_factors": rows(a), "item_factors": rows(b), "objective": float(f"{f:.15g}")}
                                for a, b, f in rounds],
                     "greatest_difference_from_implicit": gap}
    return out


def main():
    rng = np.random.default_rng(2008)
    grid = lambda shape: np.round(rng.normal(0, 0.3, shape) * 256) / 256
    binary = (rng.random((10, 12)) < 0.35).astype(float)
    binary[4, :] = 0.0  # a user and an item without entries
    binary[:, 7] = 0.0
    weighted = binary * rng.choice([0.5, 1.0, 2.0, 3.0, 5.0], (10, 12))
    weighted[2, 3], weighted[6, 1] = -1.5, -4.0
    cases = [record("binary", binary, 1.0, 0.5, grid((10, 4)), grid((12, 4))),
             record("weighted", weighted, 2.0, 0.25, grid((10, 4)), grid((12, 4)))]
    json.dump({"implicit": "0.7.2", "cases": cases}, sys.stdout, separators=(",", ":"), allow_nan=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
