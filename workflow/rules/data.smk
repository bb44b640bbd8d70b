rule data:
    """Read or simulate the data, fix the rows for all candidates, diagnose the design."""
    input:
        source_files,
    output:
        data=f"{RESULTS}/{{analysis}}/data.parquet",
        design=f"{RESULTS}/{{analysis}}/design.json",
    log:
        f"{RESULTS}/{{analysis}}/logs/data.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(30),
    params:
        analysis=analysis_file,
        reads=lambda wildcards: reads.data(ANALYSES[wildcards.analysis]),
        package=PACKAGE,
    shell:
        "mmfit data {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"
