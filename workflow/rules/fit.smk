rule fit:
    """Fit one candidate by REML and by ML, in one job: they share what costs most."""
    input:
        data=rules.data.output.data,
        books=books("fit", "model"),
    output:
        reml=f"{RESULTS}/{{analysis}}/fits/{{model}}.REML.json",
        ml=f"{RESULTS}/{{analysis}}/fits/{{model}}.ML.json",
        made=f"{RESULTS}/{{analysis}}/made/fit.{{model}}.json",
    log:
        f"{RESULTS}/{{analysis}}/logs/fit.{{model}}.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(60),
    params:
        analysis=analysis_file,
    shell:
        "mmfit fit {params.analysis:q} --model {wildcards.model:q} --results {RESULTS:q}"
        " > {log:q} 2>&1"
