# Two rules, because the rows depend on which variables the models use, but the diagnosis on how each
# model groups them: a model that only groups otherwise must not refit the others.
rule data:
    """Read or simulate the data and fix the rows for all candidates."""
    input:
        data=files_beside("data"),
        books=books("data"),
    output:
        data=f"{RESULTS}/{{analysis}}/data.parquet",
        made=f"{RESULTS}/{{analysis}}/made/data.json",
    log:
        f"{RESULTS}/{{analysis}}/logs/data.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(30),
    params:
        analysis=analysis_file,
    shell:
        "mmfit data {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"


rule design:
    """Diagnose how the grouping factors of the candidates lie to each other."""
    input:
        data=rules.data.output.data,
        books=books("design"),
    output:
        design=f"{RESULTS}/{{analysis}}/design.json",
        made=f"{RESULTS}/{{analysis}}/made/design.json",
    log:
        f"{RESULTS}/{{analysis}}/logs/design.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(30),
    params:
        analysis=analysis_file,
    shell:
        "mmfit design {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"
