"""F tables of lmerTest 3.1-3 (with pbkrtest 0.5.2) for unbalanced subsets of the reference data.

Made in R with lme4 1.1-31 stopped at tolerances of 1e-12: ``anova(m, type=, ddf=)``; each row is
term, Sum Sq, NumDF, DenDF, F value.
"""

import functools

import mmfit
from tests.reference_cases import data

MODELS = {
    "sleepall": ("Reaction ~ factor(Days) * sex + (Days | Subject)", "sleepall", 7, 3),
    "penicillin": ("diameter ~ sample + (1 | plate)", "penicillin", 5, 1),
    "pastes": ("strength ~ cask + (1 | batch) + (1 | sample)", "pastes", 4, 1),
    "slopes": ("Reaction ~ Days + I(Days^2) + (Days + I(Days^2) | Subject)", "sleepstudy", 6, 2),
    "nested": ("Reaction ~ sex / factor(Days) + (1 | Subject)", "sleepall", 7, 3),
    "poly": ("Reaction ~ sex * poly(Days, 2) + (1 | Subject)", "sleepall", 7, 3),
    "cells": ("Reaction ~ factor(Days) * sex + (1 | Subject)", "sleepall", 7, 3),
}

TABLES = {
    ("nested", "satterthwaite", 2): (
        ("sex", 13.6505828, 1, 92.85878948, 0.01318179819),
        ("sex:factor(Days)", 88730.87026, 14, 91.43160569, 6.120264197),
    ),
    ("nested", "satterthwaite", 3): (
        ("sex", 13.6505828, 1, 92.85878948, 0.01318179819),
        ("sex:factor(Days)", 88730.87026, 14, 91.43160569, 6.120264197),
    ),
    ("poly", "satterthwaite", 2): (
        ("sex", 2309.2751, 1, 103.599467, 2.394812043),
        ("poly(Days, 2)", 84140.32302, 2, 100.5765317, 43.62846567),
        ("sex:poly(Days, 2)", 1756.123875, 2, 101.516985, 0.9105858812),
    ),
    ("sleepall", "satterthwaite", 1): (
        ("factor(Days)", 26225.89316, 7, 51.28079115, 5.171870367),
        ("sex", 3042.293896, 1, 89.19933367, 4.199683377),
        ("factor(Days):sex", 2983.890035, 7, 86.04020631, 0.5884372502),
    ),
    ("sleepall", "satterthwaite", 2): (
        ("factor(Days)", 25224.41225, 7, 51.4628111, 4.974373588),
        ("sex", 3042.293896, 1, 89.19933367, 4.199683377),
        ("factor(Days):sex", 2983.890035, 7, 83.48914159, 0.5884372502),
    ),
    ("sleepall", "satterthwaite", 3): (
        ("factor(Days)", 25667.39727, 7, 64.86524856, 5.061732333),
        ("sex", 2675.764076, 1, 89.55425128, 3.69371346),
        ("factor(Days):sex", 2983.890035, 7, 83.48914159, 0.5884372502),
    ),
    ("sleepall", "kenward-roger", 1): (
        ("factor(Days)", 26044.02695, 7, 74.18281104, 5.064458237),
        ("sex", 2923.182121, 1, 89.34727767, 4.035257533),
        ("factor(Days):sex", 2925.705658, 7, 86.1110286, 0.5760310731),
    ),
    ("sleepall", "kenward-roger", 2): (
        ("factor(Days)", 25075.85553, 7, 74.17024179, 4.876436066),
        ("sex", 2923.182121, 1, 89.34727767, 4.035257533),
        ("factor(Days):sex", 2925.705658, 7, 86.1110286, 0.5760310731),
    ),
    ("sleepall", "kenward-roger", 3): (
        ("factor(Days)", 25434.98499, 7, 75.06857186, 4.951123074),
        ("sex", 2566.728492, 1, 89.78288846, 3.543197124),
        ("factor(Days):sex", 2925.705658, 7, 86.1110286, 0.5760310731),
    ),
    ("penicillin", "satterthwaite", 3): (("sample", 359.1533711, 5, 86.6469544, 275.4245526),),
    ("penicillin", "kenward-roger", 3): (("sample", 359.080754, 5, 86.63268348, 275.3687083),),
    ("pastes", "satterthwaite", 3): (("cask", 1.116230999, 2, 18.06232304, 0.6041704847),),
    ("pastes", "kenward-roger", 3): (("cask", 1.115891159, 2, 17.99092627, 0.6039865354),),
    ("slopes", "satterthwaite", 1): (
        ("Days", 19474.29538, 1, 16.49443834, 44.37418164),
        ("I(Days^2)", 466.9665559, 1, 15.36741312, 1.064031245),
    ),
    ("slopes", "kenward-roger", 1): (
        ("Days", 19414.8068, 1, 16.97301471, 44.23863079),
        ("I(Days^2)", 462.6411307, 1, 16.78822957, 1.05417532),
    ),
    ("slopes", "kenward-roger", 3): (
        ("Days", 1134.39496, 1, 16.65336382, 2.584835396),
        ("I(Days^2)", 462.6411307, 1, 16.78822957, 1.05417532),
    ),
    ("cells", "satterthwaite", 1): (
        ("factor(Days)", 85353.25517, 7, 73.84653028, 10.93888568),
        ("sex", 2003.367344, 1, 78.3953142, 1.797262966),
        ("factor(Days):sex", 3952.652811, 5, 76.0461665, 0.7092015884),
    ),
    ("cells", "satterthwaite", 2): (
        ("factor(Days)", 79453.09436, 7, 73.88731828, 10.18272021),
        ("sex", 2003.367344, 1, 78.3953142, 1.797262966),
        ("factor(Days):sex", 3952.652811, 5, 76.07578477, 0.7092015884),
    ),
    ("cells", "satterthwaite", 3): (
        ("factor(Days)", 78806.66664, 7, 73.94131178, 10.09987394),
        ("sex", 1619.857258, 1, 78.30792525, 1.453208004),
        ("factor(Days):sex", 3952.652811, 5, 76.07578477, 0.7092015884),
    ),
    ("cells", "kenward-roger", 1): (
        ("factor(Days)", 85305.9489, 7, 74.06698305, 10.93278375),
        ("sex", 1981.618365, 1, 78.55934553, 1.7777515),
        ("factor(Days):sex", 3938.594914, 5, 76.25531073, 0.7066629324),
    ),
    ("cells", "kenward-roger", 3): (
        ("factor(Days)", 78704.75998, 7, 74.15903184, 10.08677758),
        ("sex", 1602.563746, 1, 78.4730102, 1.437693631),
        ("factor(Days):sex", 3938.594914, 5, 76.25531073, 0.7066629324),
    ),
}


def subset(source: str, step: int, left_out: int):
    """A data set without the rows ``left_out``, ``left_out + step``, ... (from 0)."""
    frame = data(source)
    return frame[[i % step != left_out for i in range(len(frame))]]


@functools.cache
def model(name: str):
    """The REML fit of one of ``MODELS``: every so many rows of the data are left out."""
    formula, source, step, left_out = MODELS[name]
    frame = subset(source, step, left_out)
    if name == "cells":
        frame = frame[~((frame["sex"] == "M") & frame["Days"].isin([3, 5]))]
    return mmfit.lmer(formula, frame, categorical=["Subject"] if "Subject" in frame else None)
