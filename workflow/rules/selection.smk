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
        chunk=f"{RESULTS}/{{analysis}}/bootstrap/chunk.{{chunk}}.json",
        made=f"{RESULTS}/{{analysis}}/made/bootstrap.{{chunk}}.json",
    log:
        f"{RESULTS}/{{analysis}}/logs/bootstrap.{{chunk}}.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(120),
    params:
        analysis=analysis_file,
    shell:
        "mmfit bootstrap {params.analysis:q} --chunk {wildcards.chunk} --results {RESULTS:q}"
        " > {log:q} 2>&1"


rule compare:
    """Test every valid pair, by REML or by ML as its fitted matrices demand."""
    input:
        data=rules.data.output.data,
        fits=fits,
        chunks=chunks,
        books=books("compare"),
    output:
        **tables_made_by("compare"),
        made=f"{RESULTS}/{{analysis}}/made/compare.json",
    log:
        f"{RESULTS}/{{analysis}}/logs/compare.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(120),
    params:
        analysis=analysis_file,
    shell:
        "mmfit compare {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"


rule select:
    """Choose a model; every step in words."""
    input:
        data=rules.data.output.data,
        fits=fits,
        comparisons=rules.compare.output,
        search=searched,
        books=books("select"),
    output:
        selection=f"{RESULTS}/{{analysis}}/selection.json",
        made=f"{RESULTS}/{{analysis}}/made/select.json",
    log:
        f"{RESULTS}/{{analysis}}/logs/select.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(30),
    params:
        analysis=analysis_file,
    shell:
        "mmfit select {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"
