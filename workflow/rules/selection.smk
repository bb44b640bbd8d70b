rule compare:
    """Test every valid pair, by REML or by ML as its fitted matrices demand."""
    input:
        data=rules.data.output.data,
        fits=fits,
    output:
        comparisons=f"{RESULTS}/{{analysis}}/tables/comparisons.csv",
    log:
        f"{RESULTS}/{{analysis}}/logs/compare.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(30),
    params:
        analysis=analysis_file,
        reads=lambda wildcards: reads.compare(ANALYSES[wildcards.analysis]),
        package=PACKAGE,
    shell:
        "mmfit compare {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"


rule select:
    """Choose a model; every step in words."""
    input:
        data=rules.data.output.data,
        fits=fits,
        comparisons=rules.compare.output.comparisons,
    output:
        selection=f"{RESULTS}/{{analysis}}/selection.json",
    log:
        f"{RESULTS}/{{analysis}}/logs/select.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(30),
    params:
        analysis=analysis_file,
        reads=lambda wildcards: reads.select(ANALYSES[wildcards.analysis]),
        package=PACKAGE,
    shell:
        "mmfit select {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"
