"""What belongs to single levels of a grouping factor: small blocks, bases, sums over levels.

There is one small-block algebra, in two orders of the axes. Components first, (q, q, L, A), where
all that is done is done level by level (:mod:`blocks`): the last axes are long. Members first,
(A, q, q, L), where blocks meet matrices of which there is one per member, so that the products with
those are matrix products (:mod:`member_blocks`).
"""
