def searched(wildcards):
    """The path of the search, where there is one."""
    found = ANALYSES[wildcards.analysis].selection.search is not None
    return f"{RESULTS}/{wildcards.analysis}/search.json" if found else []


def chunks(wildcards):
    """The parts of the bootstrap; none where the comparison draws its replicates itself."""
    count = ANALYSES[wildcards.analysis].bootstrap.chunks
    return [
        f"{RESULTS}/{wildcards.analysis}/bootstrap/chunk.{chunk}.json"
        for chunk in range(count if count > 1 else 0)
    ]


rule bootstrap:
    """Draw one part of the bootstrap replicates of all tests that a bootstrap decides."""
    input:
        data=rules.data.output.data,
        fits=fits,
        books=books("bootstrap", "chunk"),
    output:
        chunk=result("bootstrap/chunk.{chunk}.json"),
        made=result("made/bootstrap.{chunk}.json"),
    log:
        result("logs/bootstrap.{chunk}.log"),
    resources:
        **needs(120),
    params:
        call=call("bootstrap", "--chunk", "chunk"),
    shell:
        STAGE


rule compare:
    """Test every valid pair, by REML or by ML as its fitted matrices demand."""
    input:
        data=rules.data.output.data,
        fits=fits,
        chunks=chunks,
        books=books("compare"),
    output:
        **tables_made_by("compare"),
        made=result("made/compare.json"),
    log:
        result("logs/compare.log"),
    resources:
        **needs(120),
    params:
        call=call("compare"),
    shell:
        STAGE


rule select:
    """Choose a model; every step in words."""
    input:
        data=rules.data.output.data,
        fits=fits,
        comparisons=rules.compare.output,
        search=searched,
        books=books("select"),
    output:
        selection=result("selection.json"),
        made=result("made/select.json"),
    log:
        result("logs/select.log"),
    resources:
        **needs(30),
    params:
        call=call("select"),
    shell:
        STAGE
