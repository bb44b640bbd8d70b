# Two rules, because they come at different places: a search needs the data alone and makes a
# candidate; the audit of a selection among declared models needs that selection.
SEARCHED = [name for name, analysis in ANALYSES.items() if analysis.selection.search]
DECLARED = [name for name in ANALYSES if name not in SEARCHED]


# The selected model's fits come from the search itself.
ruleorder: search > fit


def one_of(names):
    """A pattern for these analyses, or one that nothing matches."""
    return "|".join(map(re.escape, names)) or "(?!)"


def audited(wildcards):
    """What an audit reads; where none is wanted, the data alone: bad data must leave no file."""
    folder = f"{RESULTS}/{wildcards.analysis}"
    data = f"{folder}/data.parquet"
    if ANALYSES[wildcards.analysis].selection.stability is None:
        return [data]
    return [data, *fits(wildcards), f"{folder}/selection.json"]


rule search:
    """Search for a model, and repeat the search on bootstrap samples where that is wanted."""
    input:
        data=rules.data.output.data,
        books=books("search"),
    output:
        **tables_made_by("search"),
        steps=result("search.json"),
        reml=result("fits/selected.REML.json"),
        ml=result("fits/selected.ML.json"),
        made=result("made/search.json"),
    log:
        result("logs/search.log"),
    wildcard_constraints:
        analysis=one_of(SEARCHED),
    resources:
        **needs(120),
    params:
        call=call("search"),
    shell:
        STAGE


rule audit:
    """Repeat the selection among declared models on bootstrap samples where that is wanted."""
    input:
        read=audited,
        books=books("search"),
    output:
        **tables_made_by("search"),
        made=result("made/search.json"),
    log:
        result("logs/search.log"),
    wildcard_constraints:
        analysis=one_of(DECLARED),
    resources:
        **needs(120),
    params:
        call=call("search"),
    shell:
        STAGE
