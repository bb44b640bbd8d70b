localrules:
    index,


rule tables:
    """Write what was estimated as CSV."""
    input:
        data=rules.data.output.data,
        fits=fits,
        books=books("tables"),
    output:
        **tables_made_by("tables"),
        made=f"{RESULTS}/{{analysis}}/made/tables.json",
    log:
        f"{RESULTS}/{{analysis}}/logs/tables.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(30),
    params:
        analysis=analysis_file,
    shell:
        "mmfit tables {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"


rule inference:
    """Write what is asked of every model: intervals, tests, measures, means, predictions, diagnosis."""
    input:
        data=rules.data.output.data,
        fits=fits,
        predictions=files_beside("inference"),
        books=books("inference"),
    output:
        **tables_made_by("inference"),
        made=f"{RESULTS}/{{analysis}}/made/inference.json",
    log:
        f"{RESULTS}/{{analysis}}/logs/inference.log",
    threads: 1
    resources:
        mem_mb=more_memory(4000),
        runtime=more_time(120),
    params:
        analysis=analysis_file,
    shell:
        "mmfit inference {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"


rule report:
    """Write the report and its provenance."""
    input:
        data=rules.data.output.data,
        design=rules.design.output.design,
        fits=fits,
        comparisons=rules.compare.output,
        selection=rules.select.output.selection,
        tables=rules.tables.output,
        inference=rules.inference.output,
        search=tables_made_by("search").values(),
        books=books("report"),
    output:
        report=f"{RESULTS}/{{analysis}}/report.html",
        provenance=f"{RESULTS}/{{analysis}}/provenance.json",
        made=f"{RESULTS}/{{analysis}}/made/report.json",
    log:
        f"{RESULTS}/{{analysis}}/logs/report.log",
    threads: 1
    resources:
        mem_mb=more_memory(2000),
        runtime=more_time(30),
    params:
        analysis=analysis_file,
    shell:
        "mmfit report {params.analysis:q} --results {RESULTS:q} > {log:q} 2>&1"


rule index:
    """Link the reports of all analyses."""
    input:
        reports=expand(rules.report.output.report, analysis=ANALYSES),
        provenance=expand(rules.report.output.provenance, analysis=ANALYSES),
        made=expand(rules.report.output.made, analysis=ANALYSES),
        books=f"{DUE}/{INDEX}",
    output:
        index=f"{RESULTS}/index.html",
        made=f"{RESULTS}/made/index.json",
    log:
        f"{RESULTS}/logs/index.log",
    threads: 1
    params:
        analyses=[analysis.path for analysis in ANALYSES.values()],
    shell:
        "mmfit index {params.analyses:q} --results {RESULTS:q} > {log:q} 2>&1"
